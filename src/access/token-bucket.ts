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

  /** How many ms until there are as many tokens; 0 = there are. Takes none. */
  wait(nowMs: number, tokens = 1): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#at) * this.#perSecond) / 1_000);
    this.#at = nowMs;
    return this.#tokens >= tokens ? 0 : Math.ceil(((tokens - this.#tokens) * 1_000) / this.#perSecond);
  }
}
