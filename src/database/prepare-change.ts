/** Checks a change before anything of it is written, and takes the copies that outlive the call. */
import { BflyError } from '../../protocol/errors.ts';
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import type { Change, EntryRange, EntryStore, EntryWrite } from './database.ts';
import { MAX_KEY_BYTES, tileKey } from './keys.ts';

/** Bytes of a record's name in UTF-8. */
export const MAX_RECORD_NAME_BYTES = 512;
/** Bytes of a record's JSON text in UTF-8. */
export const MAX_RECORD_BYTES = 1024 * 1024;

/** A tile to write; both arrays are owned, or lent until it is written. */
export interface PreparedTile {
  readonly key: Uint8Array;
  readonly frame: Uint8Array;
  readonly channel: number;
  readonly version: number;
}

/** A record to write (JSON text) or remove (undefined). */
export interface PreparedRecord {
  readonly name: Uint8Array;
  readonly text: string | undefined;
}

/** An entry to write or remove (null); both arrays are owned, or lent until it is written. */
export interface PreparedEntry {
  readonly store: EntryStore;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** A change that cannot fail for what is in it. */
export interface PreparedChange {
  readonly tiles: readonly PreparedTile[];
  readonly records: readonly PreparedRecord[];
  readonly entries: readonly PreparedEntry[];
}

/**
 * Checks and copies a change.
 *
 * @param takesLent whether what is lent is not copied: for who is done with it once the commit settles.
 * @throws INTERNAL for a tile's key out of range, a frame without a header or an entry's key of no length that can be kept,
 *   BAD_REQUEST for a record's name or value that cannot be kept, TOO_LARGE for one beyond its limit
 */
export function prepareChange(change: Change, takesLent = false): PreparedChange {
  const isLent = takesLent && change.isLent === true;
  const records = (change.records ?? []).map(([name, value]) => prepareRecord(name, value));
  const tiles = (change.tiles ?? []).map(({ key, frame }) => {
    if (frame.length < TILE_HEADER_BYTES)
      throw new BflyError(
        'INTERNAL',
        `a stored frame must have its header of ${TILE_HEADER_BYTES} bytes, not ${frame.length} bytes`,
      );
    const own = isLent ? frame : new Uint8Array(frame);
    return { key: tileKey(key), frame: own, channel: key.channel, version: key.version };
  });
  return { tiles, records, entries: prepareEntries(change.entries ?? [], isLent) };
}

/** Copies entries into one piece of memory: an allocation for each would cost more than the copy. */
function prepareEntries(entries: readonly EntryWrite[], isLent: boolean): readonly PreparedEntry[] {
  let size = 0;
  for (const { key, value } of entries) {
    checkEntryKey(key);
    size += key.length + (value?.length ?? 0);
  }
  if (isLent) return entries;
  const memory = new Uint8Array(size);
  let end = 0;
  const take = (bytes: Uint8Array): Uint8Array => {
    const start = end;
    end += bytes.length;
    memory.set(bytes, start);
    return memory.subarray(start, end);
  };
  return entries.map(({ store, key, value }) => ({ store, key: take(key), value: value && take(value) }));
}

/** @throws INTERNAL where LMDB could not keep an entry under a key. */
export function checkEntryKey({ length }: Uint8Array): void {
  if (length < 1 || length > MAX_KEY_BYTES)
    throw new BflyError('INTERNAL', `the key of an entry must have 1..${MAX_KEY_BYTES} bytes, not ${length}`);
}

/**
 * Checks a range of entries.
 *
 * @returns whether anything can be in it
 * @throws INTERNAL where an end is longer than any key, or the limit or the bytes are no count
 */
export function checkEntryRange({ start, end, limit, maxBytes }: EntryRange): boolean {
  for (const { length } of [start, end])
    if (length > MAX_KEY_BYTES)
      throw new BflyError('INTERNAL', `the ends of a range may have ${MAX_KEY_BYTES} bytes, not ${length}`);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0))
    throw new BflyError('INTERNAL', `the limit of a range must be an integer from 0, not ${limit}`);
  if (maxBytes !== undefined && !(maxBytes >= 0))
    throw new BflyError('INTERNAL', `the bytes of a range must be a number from 0, not ${maxBytes}`);
  return limit !== 0 && Buffer.compare(start, end) < 0;
}

/**
 * Bytes of a record's name.
 *
 * @throws BAD_REQUEST, TOO_LARGE
 */
export function recordKey(name: string): Uint8Array {
  // A lone surrogate has no UTF-8: two names would become one.
  if (name === '' || /\p{Surrogate}/u.test(name))
    throw new BflyError('BAD_REQUEST', 'the name of a record must be well-formed text that is not empty');
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length > MAX_RECORD_NAME_BYTES)
    throw new BflyError(
      'TOO_LARGE',
      `the name of a record may have ${MAX_RECORD_NAME_BYTES} bytes of UTF-8, not ${bytes.length}`,
    );
  return bytes;
}

function prepareRecord(name: string, value: unknown): PreparedRecord {
  const key = recordKey(name);
  return { name: key, text: value === null ? undefined : recordText(name, value) };
}

function recordText(name: string, value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new BflyError('BAD_REQUEST', `the value of record ${name} must be JSON: no bigint, no cycle`, { cause });
  }
  if (text === undefined) throw new BflyError('BAD_REQUEST', `the value of record ${name} must be JSON, or null`);
  const size = Buffer.byteLength(text, 'utf8');
  if (size <= MAX_RECORD_BYTES) return text;
  throw new BflyError(
    'TOO_LARGE',
    `the value of record ${name} may have ${MAX_RECORD_BYTES} bytes of JSON, not ${size}`,
  );
}
