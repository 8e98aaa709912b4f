/** Long work for subscribers, in pieces: a few ms in a turn of the loop, whoever it is for, so that nobody else waits for it. */

/** What all such work together may take of one turn, ms. */
const TURN_MS = 5;

const waiting = new Set<() => void>();
/** Until when this turn goes on; undefined before the first work of it. */
let end: number | undefined;
let scheduled = false;

/** Whether there is time left in this turn of the loop. What must get on does a little before it asks. */
export function hasTime(): boolean {
  const now = performance.now();
  if (end === undefined) {
    end = now + TURN_MS;
    schedule();
  }
  return now < end;
}

/** Calls `work` in a later turn. Work waits in the order in which it came. */
export function inLaterTurn(work: () => void): void {
  waiting.add(work);
  schedule();
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(run);
}

function run(): void {
  scheduled = false;
  end = undefined;
  for (const work of waiting) {
    waiting.delete(work);
    work();
    if (!hasTime()) break;
  }
  if (waiting.size > 0) schedule();
}
