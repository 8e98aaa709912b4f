/** How fast images come, told by those that are waited for. */

/**
 * Bits per second below which JPEG pays. A chunk of 64³ voxels is 262,144 bytes as it is and about 60,000 as JPEG: at this rate, a screen of 200
 * chunks takes 21 s or 5 s.
 */
export const SLOW_RATE = 20e6;
/** A rate is one of so long a time, ms, and of so many bytes. */
const MEASURED_MS = 3_000;
const MEASURED_BYTES = 2 ** 19;

/** Measures stretch after stretch; only time in which something is waited for counts. */
export class LineSpeed {
  readonly #waiting = new Set<object>();
  #since = 0;
  #busyMs = 0;
  #bytes = 0;

  /** Something is asked for. @param now ms. */
  ask(what: object, now: number): void {
    if (this.#waiting.size === 0) this.#since = now;
    this.#waiting.add(what);
  }

  /** It has come. @returns the rate of the stretch that ends with it, bits per second; undefined in the midst of one. */
  come(what: object, now: number, bytes: number): number | undefined {
    this.#waiting.delete(what);
    this.#busyMs += now - this.#since;
    this.#since = now;
    this.#bytes += bytes;
    if (this.#busyMs < MEASURED_MS || this.#bytes < MEASURED_BYTES) return undefined;
    const rate = (8_000 * this.#bytes) / this.#busyMs;
    this.#begin();
    return rate;
  }

  /** It is waited for no more. What of it came is not known: the stretch begins anew. */
  leave(what: object, now: number): void {
    if (!this.#waiting.delete(what)) return;
    this.#since = now;
    this.#begin();
  }

  #begin(): void {
    this.#busyMs = 0;
    this.#bytes = 0;
  }
}
