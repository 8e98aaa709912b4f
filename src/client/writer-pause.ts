/** The rest that a writer takes after a refusal. */
import type { BflyError } from '../../protocol/index.ts';
import { type BackOff, backOffMs } from './back-off.ts';
import type { Clock } from './clock.ts';
import type { PendingEdit } from './pending-edit.ts';

const BOUNDS: BackOff = { minMs: 50, maxMs: 10_000 };

/** Nothing new is sent until it is over. */
export class WriterPause {
  readonly #clock: Clock;
  readonly #over: () => void;
  #until: number | undefined;
  #forgetTimer: (() => void) | undefined;

  /** @param over called when the time has come, where somebody has looked before. */
  constructor(clock: Clock, over: () => void) {
    this.#clock = clock;
    this.#over = over;
  }

  /** Whether it was begun and nobody has seen its end. */
  get isOn(): boolean {
    return this.#until !== undefined;
  }

  /** Begins, for as long as it takes until everything under way is answered. */
  begin(): void {
    this.#until ??= 0;
  }

  /** Begins because of a refusal, the longer the more of them there were, or as long as the server says. */
  beginAfter(edit: PendingEdit, error: BflyError): void {
    // A number that came too late is no sign of trouble: the next one may go at once.
    const isFree = error.code === 'REJECTED' && edit.refusals === 0;
    const ms = isFree ? 0 : backOffMs(edit.refusals, BOUNDS, error.retryMs ?? 0, this.#clock.random());
    edit.refusals++;
    this.#until = Math.max(this.#until ?? 0, this.#clock.now() + ms);
  }

  /** Whether the time has not come; sets the timer. Ends where it has. */
  lasts(): boolean {
    const ms = this.#until === undefined ? 0 : this.#until - this.#clock.now();
    if (ms <= 0) {
      this.#until = undefined;
      return false;
    }
    this.stop();
    this.#forgetTimer = this.#clock.after(ms, this.#over);
    return true;
  }

  /** Sets no timer any more. */
  stop(): void {
    this.#forgetTimer?.();
    this.#forgetTimer = undefined;
  }
}
