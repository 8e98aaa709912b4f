/** Ids as they travel: u64, little-endian. */
import type { IdTable } from './id-table.ts';

/** Ids of which the bytes are written one by one. */
const FEW = 8;

/** Ids of numbers as bytes, little-endian. */
export class IdList {
  readonly #count: number;
  readonly #bytes: Uint8Array;
  #words: Uint32Array | undefined;

  constructor(count: number) {
    this.#count = count;
    this.#bytes = new Uint8Array(8 * count);
    // Small arrays live with the other objects until a second view of them is made, which costs more than most edits.
    if (count > FEW) this.#words = new Uint32Array(this.#bytes.buffer);
  }

  /** Writes the ids of the numbers from `start` to `end` to a place. */
  set(
    place: number,
    { low, high }: IdTable,
    numbers: Int32Array | readonly number[],
    start: number,
    end: number,
  ): void {
    const words = this.#words;
    for (let i = start, at = 2 * place; i < end; i++, at += 2) {
      const number = numbers[i] as number;
      if (words === undefined) {
        putWord(this.#bytes, at, low[number] as number);
        putWord(this.#bytes, at + 1, high[number] as number);
      } else {
        words[at] = low[number] as number;
        words[at + 1] = high[number] as number;
      }
    }
  }

  /** The ids from one place to another. */
  part(start: number, end: number): Uint8Array {
    if (end - start === this.#count) return this.#bytes;
    return this.#words === undefined ? this.#bytes.slice(8 * start, 8 * end) : this.#bytes.subarray(8 * start, 8 * end);
  }
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[4 * at + i] = word >>> (8 * i);
}
