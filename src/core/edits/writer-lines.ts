/** Keeps the edits of each writer in the order in which they came, where some have to wait. */
import type { EditOutcome } from './edit-request.ts';

/** An edit was taken; wrapped, since a promise for a promise would wait for its commit, and the writer's next edit with it. */
export interface Taken {
  readonly outcome: Promise<EditOutcome>;
}

/** Lines of writers. */
export class WriterLines {
  /** The last one in each line, by writer. */
  readonly #last = new Map<string, Promise<void>>();
  #size = 0;

  /** How many edits wait. */
  get size(): number {
    return this.#size;
  }

  /** Whether an edit of a writer waits. */
  has(wid: Uint8Array): boolean {
    return this.#size > 0 && this.#last.has(nameOf(wid));
  }

  /** Takes an edit once those of the same writer that wait have been taken or refused. */
  enter(wid: Uint8Array, take: () => Promise<Taken>): Promise<EditOutcome> {
    const writer = nameOf(wid);
    this.#size++;
    const entered = (this.#last.get(writer) ?? Promise.resolve()).then(take);
    const leave = (): void => {
      this.#size--;
      if (this.#last.get(writer) === settled) this.#last.delete(writer);
    };
    const settled: Promise<void> = entered.then(leave, leave);
    this.#last.set(writer, settled);
    return entered.then(({ outcome }) => outcome);
  }

  /** Waits until all that wait now were taken or refused. */
  async settled(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

const nameOf = (wid: Uint8Array): string => Buffer.from(wid.buffer, wid.byteOffset, wid.length).toString('latin1');
