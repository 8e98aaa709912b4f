/**
 * What the log keeps of the voxels that an edit changed: its DELTAs, and a list of their tiles that tells where they are without reading
 * them. The list: number of tiles, then x, y, z of each by part, all of them LEB128 numbers.
 */
import { BflyError } from '../../../protocol/errors.ts';
import type { Vec3 } from '../../../protocol/volume.ts';
import { putVarint } from '../../../protocol/voxel-mask.ts';
import type { EntryWrite } from '../../database/database.ts';
import { logDeltaKey, logTilesKey } from '../../database/keys.ts';

/** Bytes of a tile's index, and more than that of any number. */
const VARINT_BYTES = 8;

/** An edit's voxels in one tile of mip 0, as `encodeDelta` gives them. */
export interface TileDelta {
  readonly tile: Vec3;
  readonly bytes: Uint8Array;
}

/** Entries for the commit of an edit that changed voxels; none where it changed none. Their bytes are owned or those of `deltas`. */
export function deltaEntries(path: number, seq: number, deltas: readonly TileDelta[]): EntryWrite[] {
  if (deltas.length === 0) return [];
  const value = encodeTiles(deltas.map(({ tile }) => tile));
  return [
    { store: 'log', key: logTilesKey(path, seq), value },
    ...deltas.map(
      ({ bytes }, part): EntryWrite => ({ store: 'log', key: logDeltaKey(path, seq, part), value: bytes }),
    ),
  ];
}

/** Puts a list of tiles into bytes; owned. */
export function encodeTiles(tiles: readonly Vec3[]): Uint8Array {
  const bytes = new Uint8Array(VARINT_BYTES * (1 + 3 * tiles.length));
  let at = putVarint(bytes, 0, tiles.length);
  for (const tile of tiles) for (const index of tile) at = putVarint(bytes, at, index);
  return bytes.slice(0, at);
}

/** Reads a list of tiles. @param seq of its edit, to name it. @throws BflyError INTERNAL where the bytes are none. */
export function decodeTiles(bytes: Uint8Array, seq: number): Vec3[] {
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
  const tiles = Array.from({ length: count }, (): Vec3 => [next(), next(), next()]);
  if (at !== bytes.length) throw damaged(seq);
  return tiles;
}

function damaged(seq: number): BflyError {
  return new BflyError('INTERNAL', `the list of tiles of edit ${seq} is damaged: restore the store from a backup`);
}
