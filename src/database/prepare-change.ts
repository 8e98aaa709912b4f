/** Checks a change before anything of it is written, and takes the copies that outlive the call. */
import { BflyError } from '../../protocol/errors.ts';
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import type { Change } from './database.ts';
import { tileKey } from './keys.ts';

/** Bytes of a record's name in UTF-8. */
export const MAX_RECORD_NAME_BYTES = 512;
/** Bytes of a record's JSON text in UTF-8. */
export const MAX_RECORD_BYTES = 1024 * 1024;

/** A tile to write; both arrays are owned. */
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

/** A change that cannot fail for what is in it. */
export interface PreparedChange {
  readonly tiles: readonly PreparedTile[];
  readonly records: readonly PreparedRecord[];
}

/**
 * Checks and copies a change.
 *
 * @throws INTERNAL for a tile's key out of range or a frame without a header, BAD_REQUEST for a record's name or value that
 *   cannot be kept, TOO_LARGE for one beyond its limit
 */
export function prepareChange(change: Change): PreparedChange {
  const records = (change.records ?? []).map(([name, value]) => prepareRecord(name, value));
  const tiles = (change.tiles ?? []).map(({ key, frame }) => {
    if (frame.length < TILE_HEADER_BYTES)
      throw new BflyError(
        'INTERNAL',
        `a stored frame must have its header of ${TILE_HEADER_BYTES} bytes, not ${frame.length} bytes`,
      );
    return { key: tileKey(key), frame: new Uint8Array(frame), channel: key.channel, version: key.version };
  });
  return { tiles, records };
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
