/** Debt is paid back within this time, seconds. */
const MOST_DEBT_S = 10;

/** A rate limit: so many a second, with room for a burst. No clock of its own. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  /** @param nowMs the present, as for `take`. */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = nowMs;
  }

  /** Takes some tokens. @returns 0, or how many ms until there are as many. */
  take(nowMs: number, tokens = 1): number {
    const waitMs = this.wait(nowMs, tokens);
    if (waitMs === 0) this.#tokens -= tokens;
    return waitMs;
  }

  /**
   * Takes tokens whether they are there or not, for what is known to be dear only once it was done: others must wait for them then, but no
   * longer than `MOST_DEBT_S`.
   */
  charge(nowMs: number, tokens: number): void {
    this.wait(nowMs);
    this.#tokens = Math.max(this.#tokens - tokens, Math.min(this.#tokens, -MOST_DEBT_S * this.#perSecond));
  }

  /** How many ms until there are as many tokens; 0 = there are. Takes none. */
  wait(nowMs: number, tokens = 1): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#at) * this.#perSecond) / 1_000);
    this.#at = nowMs;
    return this.#tokens >= tokens ? 0 : Math.ceil(((tokens - this.#tokens) * 1_000) / this.#perSecond);
  }
}
