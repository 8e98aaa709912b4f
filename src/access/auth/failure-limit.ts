/** How often tokens that are none may be tried from one address. */
import { TokenBucket } from '../session/token-bucket.ts';

/** Tokens that were refused, of one address: a second, and at once. */
const PER_SECOND = 1;
const BURST = 20;
/** Addresses that are remembered; more than these never fail at one time. */
const MAX_ADDRESSES = 10_000;

/** Counts refused tokens by address. Good tokens cost nothing, so many users behind one address do not get in each other's way. */
export class FailureLimit {
  readonly #now: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param now the present in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long this address has to wait before a token of it is looked at, ms; 0 = it need not. */
  waitMs(address: string): number {
    return this.#buckets.get(address)?.wait(this.#now()) ?? 0;
  }

  /** A token of this address was refused. */
  count(address: string): void {
    const now = this.#now();
    const bucket = this.#buckets.get(address) ?? new TokenBucket(PER_SECOND, BURST, now);
    // Last in the map: the first has been quiet for the longest time.
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    bucket.take(now);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_ADDRESSES && oldest !== undefined) this.#buckets.delete(oldest);
  }
}
