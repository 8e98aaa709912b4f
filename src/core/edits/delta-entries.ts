/**
 * What the log keeps of the voxels that an edit changed: its DELTAs, and a list of their tiles that tells where they are without reading
 * them. The list: number of tiles, then for each, by part, x, y, z and the crc32 of its DELTA; all of them LEB128 numbers.
 */
import { crc32 } from 'node:zlib';
import { BflyError } from '../../../protocol/errors.ts';
import type { Vec3 } from '../../../protocol/volume.ts';
import { putVarint } from '../../../protocol/voxel-mask.ts';
import type { EntryWrite } from '../../database/database.ts';
import { logDeltaKey, logTilesKey } from '../../database/keys.ts';

/** More than any number here takes. */
const VARINT_BYTES = 8;

/** An edit's voxels in one tile of mip 0, as `encodeDelta` gives them. */
export interface TileDelta {
  readonly tile: Vec3;
  readonly bytes: Uint8Array;
}

/** Tiles whose voxels an edit changed, by part. */
export interface ChangedTiles {
  readonly seq: number;
  readonly tiles: readonly Vec3[];
  /** crc32 of each DELTA. */
  readonly sums: readonly number[];
}

/** Entries for the commit of an edit that changed voxels; none where it changed none. Their bytes are owned or those of `deltas`. */
export function deltaEntries(path: number, seq: number, deltas: readonly TileDelta[]): EntryWrite[] {
  if (deltas.length === 0) return [];
  return [
    { store: 'log', key: logTilesKey(path, seq), value: encodeTiles(deltas) },
    ...deltas.map(({ bytes }, part): EntryWrite => ({ store: 'log', key: logDeltaKey(path, seq, part), value: bytes })),
  ];
}

function encodeTiles(deltas: readonly TileDelta[]): Uint8Array {
  const list = new Uint8Array(VARINT_BYTES * (1 + 4 * deltas.length));
  let at = putVarint(list, 0, deltas.length);
  for (const { tile, bytes } of deltas) for (const number of [...tile, crc32(bytes)]) at = putVarint(list, at, number);
  return list.slice(0, at);
}

/** Reads a list of tiles. @param seq of its edit, to name it. @throws BflyError INTERNAL where the bytes are none. */
export function decodeTiles(bytes: Uint8Array, seq: number): ChangedTiles {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 42; scale *= 0x80) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw damaged(seq);
  };
  const count = next();
  if (count > bytes.length) throw damaged(seq);
  const tiles: Vec3[] = [];
  const sums: number[] = [];
  for (let part = 0; part < count; part++) {
    tiles.push([next(), next(), next()]);
    sums.push(next());
  }
  if (at !== bytes.length) throw damaged(seq);
  return { seq, tiles, sums };
}

function damaged(seq: number): BflyError {
  return new BflyError('INTERNAL', `the list of tiles of edit ${seq} is damaged: restore the store from a backup`);
}
