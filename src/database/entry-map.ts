/** Entries in memory: a map from bytes to bytes that is kept in the order of its keys. */
import type { EntryRange } from './database.ts';

/** As text with a character for each byte, whose order is the order of the bytes. */
const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** An ordered map from bytes to bytes. */
export class EntryMap {
  readonly #values = new Map<string, Uint8Array>();
  /** All keys, ascending. */
  readonly #keys: string[] = [];

  /** The value of a key, shared: whoever hands it on copies it. */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key));
  }

  /** Sets a value, which is owned from now on; null removes the entry. */
  set(key: Uint8Array, value: Uint8Array | null): void {
    const text = textOf(key);
    const isKnown = this.#values.has(text);
    if (value !== null) this.#values.set(text, value);
    else this.#values.delete(text);
    if (isKnown === (value !== null)) return;
    this.#keys.splice(this.#indexOf(text), isKnown ? 1 : 0, ...(isKnown ? [] : [text]));
  }

  /** Entries of a range; keys are owned by the caller, values shared. */
  range({
    start,
    end,
    reverse,
    limit,
    maxBytes = Number.POSITIVE_INFINITY,
  }: EntryRange): (readonly [key: Uint8Array, value: Uint8Array])[] {
    const keys = this.#keys.slice(this.#indexOf(textOf(start)), this.#indexOf(textOf(end)));
    if (reverse === true) keys.reverse();
    const found: [Uint8Array, Uint8Array][] = [];
    let bytes = 0;
    for (const text of keys.slice(0, limit)) {
      const value = this.#values.get(text) ?? new Uint8Array(0);
      found.push([bytesOf(text), value]);
      bytes += value.length;
      if (bytes >= maxBytes) break;
    }
    return found;
  }

  /** Number of entries in a range. */
  count({ start, end, limit = Number.POSITIVE_INFINITY }: EntryRange): number {
    return Math.min(limit, Math.max(0, this.#indexOf(textOf(end)) - this.#indexOf(textOf(start))));
  }

  /** Index of the first key that is not below `text`. */
  #indexOf(text: string): number {
    const keys = this.#keys;
    let [low, high] = [0, keys.length];
    // Most are written at the end.
    if (high > 0 && (keys[high - 1] as string) < text) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] as string) < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
