/** Work that takes long, cut into slices: a generator that pauses after each of a few milliseconds. Whoever drives it may do other things between. */

/** A piece of such work, and what comes of it. */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** Steps of a loop over ids that one slice holds: a few milliseconds, where each step comes to memory that was never used. */
const SLICE = 2 ** 13;

/** Does the work without a pause. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Calls `some` with pieces of 0..count, one after the other. */
export function* inPieces(count: number, some: (from: number, end: number) => void): Sliced<void> {
  for (let from = 0; from < count; from += SLICE) {
    some(from, Math.min(count, from + SLICE));
    yield;
  }
}
