/** A stream of values and arrays in parts of bytes, as snapshots of the fold are kept. */
import { BflyError } from './errors.ts';
import { pack, unpack } from './msgpack.ts';
import { atOnce, type Sliced } from './slices.ts';

const PART_BYTES = 4 * 1024 * 1024;
/** Values of one block. */
const BLOCK = 256;

/** A typed array that a stream can hold. */
export type Words = Int32Array | Uint32Array | BigUint64Array;

/** Writes a stream. What may be large is written in slices. */
export class PartWriter {
  readonly #parts: Uint8Array[] = [];
  #part = new Uint8Array(PART_BYTES);
  #used = 0;

  /** One value of MessagePack. */
  value(value: unknown): void {
    atOnce(this.#sized(pack(value)));
  }

  /** Any number of values. */
  *values(values: Iterable<unknown>): Sliced<void> {
    let block: unknown[] = [];
    for (const value of values)
      if (block.push(value) === BLOCK) {
        this.value(block);
        block = [];
        yield;
      }
    if (block.length > 0) this.value(block);
    this.value(null);
  }

  *words(words: Words): Sliced<void> {
    yield* this.#sized(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  }

  *#sized(bytes: Uint8Array): Sliced<void> {
    const length = new Uint8Array(8);
    new DataView(length.buffer).setFloat64(0, bytes.length);
    yield* this.#bytes(length);
    yield* this.#bytes(bytes);
  }

  *#bytes(bytes: Uint8Array): Sliced<void> {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(PART_BYTES - this.#used, bytes.length - at);
      this.#part.set(bytes.subarray(at, at + count), this.#used);
      this.#used += count;
      at += count;
      if (this.#used < PART_BYTES) continue;
      this.#parts.push(this.#part);
      this.#part = new Uint8Array(PART_BYTES);
      this.#used = 0;
      yield;
    }
  }

  /** The parts, each of at most 4 MiB; owned. Nothing is to be written after. */
  finish(): Uint8Array[] {
    if (this.#used > 0) this.#parts.push(this.#part.slice(0, this.#used));
    return this.#parts;
  }
}

/** Reads a stream; what may be large in slices. @throws BflyError INTERNAL where it ends too early or does not hold what it should. */
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
    return unpack(atOnce(this.#sized()));
  }

  /** Calls `take` with each of any number of values. */
  *values(take: (value: readonly unknown[]) => void): Sliced<void> {
    for (;;) {
      const block = this.value();
      if (block === null) return;
      if (!Array.isArray(block)) throw damaged();
      for (const value of block) {
        if (!Array.isArray(value)) throw damaged();
        take(value);
      }
      yield;
    }
  }

  *int32(): Sliced<Int32Array> {
    return new Int32Array((yield* this.#sized()).buffer);
  }

  *uint32(): Sliced<Uint32Array> {
    return new Uint32Array((yield* this.#sized()).buffer);
  }

  *uint64(): Sliced<BigUint64Array> {
    return new BigUint64Array((yield* this.#sized()).buffer);
  }

  *#sized(): Sliced<Uint8Array<ArrayBuffer>> {
    const length = new DataView((yield* this.#bytes(8)).buffer).getFloat64(0);
    if (!Number.isSafeInteger(length) || length < 0 || length > this.#left()) throw damaged();
    return yield* this.#bytes(length);
  }

  #left(): number {
    return this.#parts.slice(this.#part).reduce((sum, part) => sum + part.length, -this.#at);
  }

  *#bytes(length: number): Sliced<Uint8Array<ArrayBuffer>> {
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
      yield;
    }
    return bytes;
  }
}

function damaged(): BflyError {
  return new BflyError('INTERNAL', 'a snapshot of edits is damaged; the log has to be replayed');
}
