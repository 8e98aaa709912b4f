/** Long work on the event loop, with turns for all others in between. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Sliced } from '../../protocol/slices.ts';

/** How long the event loop may be held, ms; a single slice may take longer. */
const HELD_MS = 4;

/** Does sliced work. @throws what the work throws. */
export async function inSlices<T>(work: Sliced<T>): Promise<T> {
  let since = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - since < HELD_MS) continue;
    await nextTurn();
    since = performance.now();
  }
}
