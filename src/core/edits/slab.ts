/** Many small byte arrays out of a few large ones: an array of its own costs as much as half of all that is done with it. */

const SLAB_BYTES = 256 * 1024;
/** What is larger gets a buffer of its own. */
const LARGE_BYTES = SLAB_BYTES / 16;

/** Hands out byte arrays whose buffers are shared. They live as long as the longest-lived neighbour: for what is short-lived together. */
export class Slab {
  #buffer = new ArrayBuffer(SLAB_BYTES);
  #used = 0;

  /** Zeroed bytes, owned by the caller; their buffer is not. */
  take(length: number): Uint8Array {
    if (length > LARGE_BYTES) return new Uint8Array(length);
    if (this.#used + length > SLAB_BYTES) {
      this.#buffer = new ArrayBuffer(SLAB_BYTES);
      this.#used = 0;
    }
    const bytes = new Uint8Array(this.#buffer, this.#used, length);
    this.#used += length;
    return bytes;
  }

  /** A copy of some bytes. */
  copy(bytes: Uint8Array): Uint8Array {
    const copy = this.take(bytes.length);
    copy.set(bytes);
    return copy;
  }
}
