/** The last results of one writer, flat: rule [E14]. */

/** Results that are kept of each writer: four times what may be unanswered, and written with each of its commits. */
export const RESULTS = 64;
/** Bytes of one result as it is kept: two numbers and a digest. */
export const ROW_BYTES = 24;
/** Bytes of an edit's ops that are kept to know them again. */
export const DIGEST_BYTES = 8;

/** An edit of a writer that was applied. */
export interface WriterResult {
  readonly wseq: number;
  readonly seq: number;
  /** First 8 bytes of SHA-256 over the ops as they came, a character each (latin1). */
  readonly digest: string;
}

/** Results in order of wseq, the oldest of more than 64 overwritten. */
export class WriterRing {
  /** Rows of wseq, seq (float64, big-endian) and digest; row n is at n modulo 64. */
  #rows: Buffer;
  /** Results ever added. */
  #added = 0;

  constructor() {
    // Most writers are people with a few edits: room comes as it is needed.
    this.#rows = Buffer.alloc(8 * ROW_BYTES);
  }

  get size(): number {
    return Math.min(this.#added, RESULTS);
  }

  add({ wseq, seq, digest }: WriterResult): void {
    const at = (this.#added % RESULTS) * ROW_BYTES;
    if (at >= this.#rows.length) {
      const more = Buffer.alloc(Math.min(RESULTS * ROW_BYTES, this.#rows.length * 4));
      this.#rows.copy(more);
      this.#rows = more;
    }
    this.#rows.writeDoubleBE(wseq, at);
    this.#rows.writeDoubleBE(seq, at + 8);
    this.#rows.write(digest, at + 16, DIGEST_BYTES, 'latin1');
    this.#added++;
  }

  /** The result of a wseq, where it is kept. */
  find(wseq: number): WriterResult | undefined {
    for (let n = this.#added - 1; n >= this.#added - this.size; n--) {
      const at = (n % RESULTS) * ROW_BYTES;
      if (this.#rows.readDoubleBE(at) === wseq) return this.#at(at);
    }
    return undefined;
  }

  /** The result that was added last. */
  get newest(): WriterResult | undefined {
    return this.#added === 0 ? undefined : this.#at(((this.#added - 1) % RESULTS) * ROW_BYTES);
  }

  /** Bytes that `write` takes. */
  get byteLength(): number {
    return this.size * ROW_BYTES;
  }

  /** Writes the rows, oldest first. */
  write(into: Buffer, offset: number): void {
    const first = this.#added > RESULTS ? (this.#added % RESULTS) * ROW_BYTES : 0;
    const end = this.size * ROW_BYTES;
    this.#rows.copy(into, offset, first, end);
    this.#rows.copy(into, offset + end - first, 0, first);
  }

  /** Rows as `write` left them. */
  static read(bytes: Buffer): WriterRing {
    const ring = new WriterRing();
    for (let at = 0; at + ROW_BYTES <= bytes.length; at += ROW_BYTES)
      ring.add({
        wseq: bytes.readDoubleBE(at),
        seq: bytes.readDoubleBE(at + 8),
        digest: bytes.toString('latin1', at + 16, at + ROW_BYTES),
      });
    return ring;
  }

  #at(at: number): WriterResult {
    return {
      wseq: this.#rows.readDoubleBE(at),
      seq: this.#rows.readDoubleBE(at + 8),
      digest: this.#rows.toString('latin1', at + 16, at + ROW_BYTES),
    };
  }
}
