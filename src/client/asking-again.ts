/** When a subscription is asked for again, and with how much patience. Rules [S8], [X3]. */
import type { BflyError } from '../../protocol/index.ts';
import { type BackOff, backOffMs, errorVerdict } from './back-off.ts';
import type { Clock } from './clock.ts';

const BOUNDS: BackOff = { minMs: 100, maxMs: 30_000 };
/** Gaps in a row after which everything is asked for anew. */
const GAPS_UNTIL_SNAPSHOT = 2;

/** Counts what went wrong in a row, and sets the timer. */
export class AskingAgain {
  readonly #clock: Clock;
  readonly #ask: () => void;
  #gaps = 0;
  #refusals = 0;
  #forgetTimer: (() => void) | undefined;

  constructor(clock: Clock, ask: () => void) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Edits follow on one another again. */
  followed(): void {
    this.#gaps = 0;
  }

  /** The server has opened it. */
  opened(): void {
    this.#refusals = 0;
  }

  /** It is asked for already. */
  stop(): void {
    this.#forgetTimer?.();
    this.#forgetTimer = undefined;
  }

  /** Something was missing: at once the first time. @returns whether to ask for everything, for the tail does not help. */
  afterGap(): boolean {
    const calm = ++this.#gaps - GAPS_UNTIL_SNAPSHOT;
    if (calm < 0) this.#ask();
    else this.#askIn(backOffMs(calm, BOUNDS, 0, this.#clock.random()));
    return calm > 0;
  }

  /** @returns what to do: `anew` = ask for everything, `again` = from where it was; a timer is set. `end` = do not ask. */
  afterRefusal(error: BflyError): 'anew' | 'again' | 'end' {
    const isVoid = error.code === 'UNRECOVERABLE' || error.code === 'EPOCH_MISMATCH';
    if (!isVoid && errorVerdict(error) !== 'retry') return 'end';
    this.#askIn(backOffMs(this.#refusals++, BOUNDS, error.retryMs ?? 0, this.#clock.random()));
    return isVoid ? 'anew' : 'again';
  }

  #askIn(ms: number): void {
    this.stop();
    this.#forgetTimer = this.#clock.after(ms, this.#ask);
  }
}
