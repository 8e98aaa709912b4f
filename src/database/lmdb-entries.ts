/** Entries of LMDB's sub-databases as their readers get them. */
import type { Database as LmdbStore, RangeOptions } from 'lmdb';
import type { EntryRange } from './database.ts';

/** A sub-database from bytes to bytes. */
export type LmdbEntries = LmdbStore<Uint8Array, Uint8Array>;

/** A value, owned by the caller. */
export function readEntry(store: LmdbEntries, key: Uint8Array): Uint8Array | undefined {
  const value = store.getBinary(key);
  return value === undefined ? undefined : plain(value);
}

/** Entries of a range that is not empty; keys and values are owned by the caller. */
export function readEntries(store: LmdbEntries, range: EntryRange): (readonly [key: Uint8Array, value: Uint8Array])[] {
  const found: [Uint8Array, Uint8Array][] = [];
  const { maxBytes = Number.POSITIVE_INFINITY } = range;
  let bytes = 0;
  for (const { key, value } of store.getRange(boundsOf(range))) {
    found.push([plain(key), plain(value)]);
    bytes += value.length;
    if (bytes >= maxBytes) break;
  }
  return found;
}

/** Keys of a range that is not empty, owned by the caller. LMDB keeps large values on pages of their own, which are not touched. */
export function readEntryKeys(store: LmdbEntries, range: EntryRange): Uint8Array[] {
  return Array.from(store.getKeys(boundsOf(range)), plain);
}

/** Number of entries in a range that is not empty. */
export function countEntries(store: LmdbEntries, { start, end, limit }: EntryRange): number {
  const count = store.getKeysCount({ start, end });
  return Math.min(count, limit ?? count);
}

/** The reader's own copy without what Buffer adds: the `slice` of a Buffer would not copy. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A range as lmdb takes it: backwards from behind the last. */
function boundsOf({ start, end, reverse, limit }: EntryRange): RangeOptions {
  const bounds: RangeOptions =
    reverse === true ? { start: end, exclusiveStart: true, end: start, inclusiveEnd: true, reverse } : { start, end };
  return limit === undefined ? bounds : { ...bounds, limit };
}
