/** A stream of values and arrays in parts of bytes, as snapshots of the fold are kept. */
import { BflyError } from './errors.ts';
import { pack, unpack } from './msgpack.ts';

const PART_BYTES = 4 * 1024 * 1024;
/** Values of one block. */
const BLOCK = 256;

/** A typed array that a stream can hold. */
export type Words = Int32Array | Uint32Array | BigUint64Array;

/** Writes a stream. */
export class PartWriter {
  readonly #parts: Uint8Array[] = [];
  #part = new Uint8Array(PART_BYTES);
  #used = 0;

  /** One value of MessagePack. */
  value(value: unknown): void {
    this.#sized(pack(value));
  }

  /** Any number of values. */
  values(values: Iterable<unknown>): void {
    let block: unknown[] = [];
    for (const value of values)
      if (block.push(value) === BLOCK) {
        this.value(block);
        block = [];
      }
    if (block.length > 0) this.value(block);
    this.value(null);
  }

  words(words: Words): void {
    this.#sized(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  }

  #sized(bytes: Uint8Array): void {
    const length = new Uint8Array(8);
    new DataView(length.buffer).setFloat64(0, bytes.length);
    this.#bytes(length);
    this.#bytes(bytes);
  }

  #bytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(PART_BYTES - this.#used, bytes.length - at);
      this.#part.set(bytes.subarray(at, at + count), this.#used);
      this.#used += count;
      at += count;
      if (this.#used < PART_BYTES) continue;
      this.#parts.push(this.#part);
      this.#part = new Uint8Array(PART_BYTES);
      this.#used = 0;
    }
  }

  /** The parts, each of at most 4 MiB; owned. Nothing is to be written after. */
  finish(): Uint8Array[] {
    if (this.#used > 0) this.#parts.push(this.#part.slice(0, this.#used));
    return this.#parts;
  }
}

/** Reads a stream. @throws BflyError INTERNAL where it ends too early or does not hold what it should. */
export class PartReader {
  readonly #parts: readonly Uint8Array[];
  #part = 0;
  #at = 0;

  /** @param parts borrowed until all is read. */
  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts;
  }

  /** One value; its bytes are owned. */
  value(): unknown {
    return unpack(this.#sized());
  }

  *values(): Generator<readonly unknown[]> {
    for (;;) {
      const block = this.value();
      if (block === null) return;
      if (!Array.isArray(block)) throw damaged();
      yield* block.map((value) => {
        if (!Array.isArray(value)) throw damaged();
        return value;
      });
    }
  }

  int32(): Int32Array {
    return new Int32Array(this.#sized().buffer);
  }

  uint32(): Uint32Array {
    return new Uint32Array(this.#sized().buffer);
  }

  uint64(): BigUint64Array {
    return new BigUint64Array(this.#sized().buffer);
  }

  #sized(): Uint8Array {
    const length = new DataView(this.#bytes(8).buffer).getFloat64(0);
    if (!Number.isSafeInteger(length) || length < 0 || length > this.#left()) throw damaged();
    return this.#bytes(length);
  }

  #left(): number {
    return this.#parts.slice(this.#part).reduce((sum, part) => sum + part.length, -this.#at);
  }

  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const part = this.#parts[this.#part];
      if (part === undefined) throw damaged();
      const piece = part.subarray(this.#at, this.#at + length - filled);
      bytes.set(piece, filled);
      filled += piece.length;
      this.#at += piece.length;
      if (this.#at < part.length) continue;
      this.#part++;
      this.#at = 0;
    }
    return bytes;
  }
}

function damaged(): BflyError {
  return new BflyError('INTERNAL', 'a snapshot of edits is damaged; the log has to be replayed');
}
