/** How much HTTP may ask of a server: requests under way, requests a second of one address, answers that are not taken. */
import { BflyError } from '../../../protocol/errors.ts';
import { TokenBucket } from '../session/token-bucket.ts';

/** Bounds of the HTTP side. */
export interface HttpBounds {
  /** Requests that are being worked on. What is answered at once counts for nothing. */
  readonly underWay: number;
  readonly underWayPerAddress: number;
  /** Requests of one address: a second, and at once. */
  readonly perSecond: number;
  readonly burst: number;
  /** Bytes of long answers that clients have not taken yet. One alone may be longer. */
  readonly heldBytes: number;
  readonly heldBytesPerAddress: number;
}

/** Bounds unless a server is told others: what an honest program does not reach. */
export const DEFAULT_BOUNDS: HttpBounds = {
  ...{ underWay: 1_024, underWayPerAddress: 256, perSecond: 2_000, burst: 10_000 },
  ...{ heldBytes: 2 ** 30, heldBytesPerAddress: 2 ** 29 },
};

/** Addresses whose rates are remembered; more than these are never busy at one time. */
const MAX_ADDRESSES = 10_000;
const RETRY_MS = 1_000;

/**
 * Counts requests.
 *
 * The bounds of an address do not hold on loopback: who is there is a proxy, which stands for many, or may stop the server anyway.
 */
export class HttpLoad {
  readonly #bounds: HttpBounds;
  readonly #now: () => number;
  readonly #isTrusted: (address: string) => boolean;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #byAddress = new Map<string, number>();
  readonly #heldByAddress = new Map<string, number>();
  #underWay = 0;
  #held = 0;

  /** @param now the present in ms. */
  constructor(bounds: HttpBounds, now: () => number, isTrusted = isLoopbackPeer) {
    this.#bounds = bounds;
    this.#now = now;
    this.#isTrusted = isTrusted;
  }

  /** Requests that are being worked on. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Bytes of long answers that clients have not taken yet. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Counts a request. @returns why it is refused: RATE_LIMITED or UNAVAILABLE; undefined where it may go on. */
  refusal(address: string): BflyError | undefined {
    if (this.#underWay >= this.#bounds.underWay)
      return unavailable('the server has too much to do; try again in a moment');
    if (this.#isTrusted(address)) return undefined;
    const waitMs = this.#bucketOf(address).take(this.#now());
    if (waitMs > 0)
      return new BflyError('RATE_LIMITED', `this address asks more than ${this.#bounds.perSecond} times a second`, {
        retryMs: waitMs,
      });
    const most = this.#bounds.underWayPerAddress;
    if ((this.#byAddress.get(address) ?? 0) < most) return undefined;
    return unavailable(`${most} requests of this address are being worked on; wait for them`);
  }

  /** A request is not answered at once. */
  begin(address: string): void {
    this.#underWay++;
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
  }

  /** It is answered. */
  end(address: string): void {
    this.#underWay--;
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }

  /** A long answer is about to be sent. @returns UNAVAILABLE where too much waits for its clients already, else what to call when it is over. */
  hold(address: string, bytes: number): BflyError | (() => void) {
    const { heldBytes, heldBytesPerAddress } = this.#bounds;
    const ofAddress = this.#heldByAddress.get(address) ?? 0;
    const isTooMuch = (held: number, most: number): boolean => held > 0 && held + bytes > most;
    if (isTooMuch(this.#held, heldBytes))
      return unavailable('answers that are not taken fill the room that there is for them; try again in a moment');
    if (!this.#isTrusted(address) && isTooMuch(ofAddress, heldBytesPerAddress))
      return unavailable('answers wait for this address: take them before you ask for more');
    this.#add(address, bytes);
    return () => this.#add(address, -bytes);
  }

  #add(address: string, bytes: number): void {
    this.#held += bytes;
    const ofAddress = (this.#heldByAddress.get(address) ?? 0) + bytes;
    if (ofAddress > 0) this.#heldByAddress.set(address, ofAddress);
    else this.#heldByAddress.delete(address);
  }

  #bucketOf(address: string): TokenBucket {
    const known = this.#buckets.get(address);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(this.#bounds.perSecond, this.#bounds.burst, this.#now());
    this.#buckets.set(address, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_ADDRESSES && oldest !== undefined) this.#buckets.delete(oldest);
    return bucket;
  }
}

function unavailable(message: string): BflyError {
  return new BflyError('UNAVAILABLE', message, { retryMs: RETRY_MS });
}

/** Whether a peer's address is this machine's own. */
export function isLoopbackPeer(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
