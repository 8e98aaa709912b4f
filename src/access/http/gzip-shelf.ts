/** Compressing, off the event loop where it takes long, and bodies that were compressed lately. */
import { promisify } from 'node:util';
import { gzip, gzipSync } from 'node:zlib';

const gzipLater = promisify(gzip);
/** Shorter bodies fit into one packet as they are, bytes. */
export const MIN_GZIP_BYTES = 1_024;
/** Longer ones are compressed by another thread, and not as hard. */
const SYNC_BYTES = 16 * 1_024;
const LEVEL_SYNC = 6;
const LEVEL_LATER = 1;
const DEFAULT_BYTES = 32 * 1_024 * 1_024;

/** Compressed bodies by what they are; least recently used leave first. */
export class GzipShelf {
  readonly #maxBytes: number;
  readonly #kept = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(maxBytes = DEFAULT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are kept, with what they are found by: clients make that as long as they like. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A body that was compressed before. Shared. */
  get(key: string): Uint8Array | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  /**
   * Compresses a body.
   *
   * @param key undefined = it is not kept.
   * @returns shared; the same body where it would not become smaller.
   */
  compress(body: Uint8Array, key: string | undefined): Uint8Array | Promise<Uint8Array> {
    if (body.length <= SYNC_BYTES) return this.#keep(key, body, gzipSync(body, { level: LEVEL_SYNC }));
    return gzipLater(body, { level: LEVEL_LATER }).then((made) => this.#keep(key, body, made));
  }

  #keep(key: string | undefined, body: Uint8Array, made: Uint8Array): Uint8Array {
    if (made.length >= body.length) return body;
    if (key === undefined || made.length > this.#maxBytes / 8) return made;
    // Not a view of the pool that short bodies are made in.
    const kept = made.buffer.byteLength > made.length ? new Uint8Array(made) : made;
    this.#forget(key);
    this.#bytes += kept.length + key.length;
    this.#kept.set(key, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    return kept;
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.length + key.length;
  }
}
