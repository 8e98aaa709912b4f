/**
 * Binary keys of the store. Every integer is big-endian, so that LMDB's order of bytes is the order of numbers.
 *
 * Sub-database `tiles`: one stored tile. Value: its whole TILE frame, in lmdb's LZ4 from 1000 bytes up.
 *
 * | offset | size | meaning                                                                                    |
 * |--------|------|--------------------------------------------------------------------------------------------|
 * | 0      | 4    | channel, 1..2³²-1                                                                          |
 * | 4      | 1    | mip                                                                                        |
 * | 5      | 8    | Morton code of x, y, z: bit i of x is bit 3i, of y 3i+1, of z 3i+2; the top bit is 0       |
 * | 13     | 8    | version: seq of the edit that made the tile, 0 as ingested, below 2⁵³                      |
 *
 * Neighbours in space are near each other in the file. The versions of a tile stand together, so that the newest that
 * is not above a seq is one step backwards from the key with that seq.
 *
 * Sub-database `edited`: the channels that ever had a tile of a version above 0. Value: one byte, 1.
 *
 * | offset | size | meaning |
 * |--------|------|---------|
 * | 0      | 4    | channel |
 *
 * Sub-database `records`: key: the record's name in UTF-8, 1..512 bytes; value: JSON text, up to 1 MiB.
 *
 * Sub-database `log`: the edit log. One path's entries stand together, and in it each kind.
 *
 * | offset | size | meaning                                 |
 * |--------|------|-----------------------------------------|
 * | 0      | 4    | number of the path in this database     |
 * | 4      | 1    | kind, see `LogKind`                     |
 * | 5      | 8    | RECORD, DELTA, TILES, SNAPSHOT: seq     |
 * | 13     | 4    | DELTA, SNAPSHOT: number of the part     |
 * | 5      | 16   | WRITER: the writer's id (wid)           |
 *
 * Sub-database `rows`: the tables of a path as edits changed them, and their spatial index. It came later than the others: where a
 * reader finds none, it is empty. What follows the number, from the kind on, is in `table-keys.ts`.
 *
 * | offset | size | meaning                             |
 * |--------|------|-------------------------------------|
 * | 0      | 4    | number of the path in this database |
 *
 * Main database: `bfly` the header and `owner` the process that writes (both JSON text, see `lmdb-environment.ts`),
 * beside the names of the sub-databases.
 */
import { BflyError } from '../../protocol/errors.ts';
import type { TileKey } from './database.ts';

/** Bytes of any key: what LMDB keeps in pages of 4096 bytes. */
export const MAX_KEY_BYTES = 1978;
/** Bytes of a tile's key. */
export const TILE_KEY_BYTES = 21;
/** Offset of the version in a tile's key: the bytes before it name the place, whatever the version. */
export const TILE_VERSION_OFFSET = 13;

/** Indices of tiles are below this. */
export const MAX_TILE_INDEX = 2 ** 21;
const MAX_CHANNEL = 2 ** 32 - 1;

/** Bit i of a 7-bit number moved to bit 3i. */
const SPREAD = new Uint32Array(128);
for (let n = 0; n < 128; n++) {
  let spread = 0;
  for (let bit = 0; bit < 7; bit++) spread |= ((n >> bit) & 1) << (3 * bit);
  SPREAD[n] = spread;
}

/** Morton code of the seven bits of x, y, z from `shift` up: 21 bits. */
export function morton7(x: number, y: number, z: number, shift: number): number {
  // Indices are masked to 7 bits and the table has 128 entries, so each is a number.
  return (
    (SPREAD[(x >>> shift) & 127] as number) |
    ((SPREAD[(y >>> shift) & 127] as number) << 1) |
    ((SPREAD[(z >>> shift) & 127] as number) << 2)
  );
}

function putUint32(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value >>> 24;
  into[offset + 1] = value >>> 16;
  into[offset + 2] = value >>> 8;
  into[offset + 3] = value;
}

/** Writes an integer below 2⁵³ as eight bytes. */
function putUint53(into: Uint8Array, offset: number, value: number): void {
  putUint32(into, offset, Math.floor(value / 0x1_0000_0000));
  putUint32(into, offset + 4, value >>> 0);
}

/**
 * Writes a tile's key.
 *
 * @param into where to write it, 21 bytes; a new array where absent
 * @returns `into`, owned by the caller
 * @throws INTERNAL where a field is out of range
 */
export function tileKey(key: TileKey, into: Uint8Array = new Uint8Array(TILE_KEY_BYTES)): Uint8Array {
  const { channel, mip, x, y, z, version } = key;
  const whole = x >>> 0 === x && y >>> 0 === y && z >>> 0 === z && mip >>> 0 === mip && channel >>> 0 === channel;
  if (!whole || (x | y | z) >>> 21 !== 0 || mip > 255 || channel === 0 || !isSeq(version)) throw badTileKey(key);
  const top = morton7(x, y, z, 14);
  const middle = morton7(x, y, z, 7);
  const bottom = morton7(x, y, z, 0);
  putUint32(into, 0, channel);
  into[4] = mip;
  putUint32(into, 5, (top << 10) | (middle >>> 11));
  putUint32(into, 9, ((middle & 0x7ff) << 21) | bottom);
  putUint53(into, TILE_VERSION_OFFSET, version);
  return into;
}

function isSeq(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function badTileKey(key: TileKey): BflyError {
  const limits = [
    ['channel', 1, MAX_CHANNEL],
    ['mip', 0, 255],
    ['x', 0, MAX_TILE_INDEX - 1],
    ['y', 0, MAX_TILE_INDEX - 1],
    ['z', 0, MAX_TILE_INDEX - 1],
    ['version', 0, Number.MAX_SAFE_INTEGER],
  ] as const;
  for (const [name, least, most] of limits) {
    const value = key[name];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    return new BflyError('INTERNAL', `${name} of a tile key must be an integer ${least}..${most}, not ${value}`);
  }
  return new BflyError('INTERNAL', 'a tile key must have integers in all its fields');
}

/** Whether two tile keys name the same place, whatever their versions. */
export function isSameTile(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TILE_VERSION_OFFSET; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Half-open range of keys. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** All tile keys of a channel, or of one level of it. */
export function tileRange(channel: number, mip?: number): KeyRange {
  const prefix = mip === undefined ? channelKey(channel) : Uint8Array.of(...channelKey(channel), mip);
  // No key reaches 255s up to the version: the Morton code's first byte is at most 127.
  const end = new Uint8Array(TILE_KEY_BYTES).fill(255);
  end.set(prefix);
  return { start: prefix, end };
}

/** Key of a channel in `edited`. */
export function channelKey(channel: number): Uint8Array {
  const key = new Uint8Array(4);
  putUint32(key, 0, channel);
  return key;
}

/** Kinds of entries in the edit log; a number is never given a new meaning. */
export const LogKind = {
  /** An edit: ops, results, changes, author. */
  RECORD: 1,
  /** Voxels that an edit changed, in parts. */
  DELTA: 2,
  /** A writer: its user, the last wseq applied, and what came of its last edits. */
  WRITER: 3,
  /** Tiles that the DELTAs of an edit change, by part: opening a log reads these, which are small, and no voxels. */
  TILES: 4,
  /** The folded state at a seq, in parts. */
  SNAPSHOT: 5,
} as const;

/** Bytes of a writer's id. */
export const WID_BYTES = 16;

/** Key of an edit; seq from 1, below 2⁵³. */
export function logRecordKey(path: number, seq: number): Uint8Array {
  return seqKey(path, LogKind.RECORD, seq);
}

/** Key of one part, from 0, of the voxels that an edit changed. */
export function logDeltaKey(path: number, seq: number, part: number): Uint8Array {
  return seqKey(path, LogKind.DELTA, seq, part);
}

/** Key of the list of tiles whose voxels an edit changed. */
export function logTilesKey(path: number, seq: number): Uint8Array {
  return seqKey(path, LogKind.TILES, seq);
}

/** Key of one part, from 0, of the state at `seq`. */
export function logSnapshotKey(path: number, seq: number, part: number): Uint8Array {
  return seqKey(path, LogKind.SNAPSHOT, seq, part);
}

/** Key of a writer; `wid` has 16 bytes and is borrowed. */
export function logWriterKey(path: number, wid: Uint8Array): Uint8Array {
  const key = new Uint8Array(5 + WID_BYTES);
  putLogHead(key, path, LogKind.WRITER);
  key.set(wid, 5);
  return key;
}

/** Number of the part in a DELTA or SNAPSHOT key. */
export function logPart(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(13);
}

/** Seq of a RECORD, DELTA, TILES or SNAPSHOT key. */
export function logSeq(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(5) * 0x1_0000_0000 + view.getUint32(9);
}

/** All entries of a path's log, or of one kind in it. */
export function logRange(path: number, kind?: number): KeyRange {
  const start = kind === undefined ? channelKey(path) : Uint8Array.of(...channelKey(path), kind);
  // Kinds stay below 255, and a key with a wid of 255s ends there.
  const end = new Uint8Array(5 + WID_BYTES + 9).fill(255);
  end.set(start);
  return { start, end };
}

/** All entries of a path in `rows`. */
export function rowsRange(path: number): KeyRange {
  const end = path < MAX_CHANNEL ? channelKey(path + 1) : new Uint8Array(MAX_KEY_BYTES).fill(255);
  return { start: channelKey(path), end };
}

function seqKey(path: number, kind: number, seq: number, part?: number): Uint8Array {
  const key = new Uint8Array(part === undefined ? 13 : 17);
  putLogHead(key, path, kind);
  putUint53(key, 5, seq);
  if (part !== undefined) putUint32(key, 13, part);
  return key;
}

function putLogHead(key: Uint8Array, path: number, kind: number): void {
  putUint32(key, 0, path);
  key[4] = kind;
}
