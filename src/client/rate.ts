/** A rate of the server, kept from this side. */

/** Share of the server's rate that is used: its clock and ours are not the same, nor is all of it ours. */
const SHARE = 0.9;

/** A token bucket. It has no clock of its own. */
export class Rate {
  #perSecond = 0;
  #burst = 0;
  #tokens = 0;
  #filledAt = 0;

  /** Begins anew, with a full bucket. */
  open(perSecond: number, burst: number, now: number): void {
    this.#perSecond = perSecond * SHARE;
    this.#burst = Math.max(1, burst * SHARE);
    this.#tokens = this.#burst;
    this.#filledAt = now;
  }

  /** Time until the next may go, ms; 0 = at once. */
  waitMs(now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond);
    this.#filledAt = now;
    return this.#tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1_000));
  }

  /** One goes. */
  take(): void {
    this.#tokens--;
  }
}
