/** Tiles as edits have left them: deltas laid over a tile of mip 0, coarser voxels made anew where finer ones were edited. Rules [E26], [E27]. */
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  type EncodingName,
  type Vec3,
  type VolumeType,
  volumeOf,
} from '../../protocol/volume.ts';
import { boundsOfMask, encodeMask, forEachRow, forEachRun } from '../../protocol/voxel-mask.ts';
import { copyBox } from '../query/copy-box.ts';
import { downsampleBlock, footprintOf } from './downsample.ts';
import { boxOfFrame, decodeTileFrame, makeTileFrame } from './tile.ts';
import { decodeDelta } from './voxel-delta.ts';

/** A tile of mip 0 and what was edited in it. All bytes are shared. */
export interface EditedTile {
  /** The tile as it was before these deltas. */
  readonly base: Uint8Array;
  /** In order of seq. */
  readonly deltas: readonly Uint8Array[];
  /** Voxels of `base` that hold an edit, over the tile's box; unset: not known. */
  readonly baseMask?: Uint8Array;
  readonly dtype: DType;
  readonly box: Box;
  /** Seq that made the tile what it is. */
  readonly seq: number;
  readonly encoding: EncodingName;
}

/** A tile that was edited; `mask` tells which of its voxels were, where that could be told. Owned. */
export interface EditedFrame {
  readonly frame: Uint8Array;
  readonly mask?: Uint8Array;
}

/** Lays deltas over a tile of mip 0. */
export async function editTile(tile: EditedTile): Promise<EditedFrame> {
  const { dtype, box, seq, encoding, deltas, baseMask } = tile;
  // A copy of its own buffer, which may be written, and viewed as numbers.
  const raw = Uint8Array.from(await decodeTileFrame(tile.base, dtype));
  for (const delta of deltas) layOver(raw, delta, BYTES_PER_VOXEL[dtype]);
  const frame = await makeTileFrame({ raw, dtype, mip: 0, box, seq, encoding });
  if (baseMask === undefined) return { frame };
  return { frame, mask: maskOfDeltas({ deltas, base: baseMask, voxels: volumeOf(boxShape(box)) }) };
}

/**
 * Writes a delta's values over the voxels of its tile.
 *
 * @param raw voxels of the tile, in a buffer of their own.
 * @param set marked with 1 where a voxel was written.
 */
export function layOver(raw: Uint8Array, delta: Uint8Array, voxelBytes: number, set?: Uint8Array): void {
  const { mask, values, uniform } = decodeDelta(delta);
  const voxels = raw.length / voxelBytes;
  const fill = uniform ? filler(raw, values, voxelBytes) : undefined;
  let from = 0;
  forEachRun(mask, voxels, (start, end) => {
    set?.fill(1, start, end);
    if (fill !== undefined) return fill(start, end);
    const bytes = (end - start) * voxelBytes;
    raw.set(values.subarray(from, from + bytes), start * voxelBytes);
    from += bytes;
  });
}

/** Writes one value into runs of voxels. `value` begins anywhere. */
function filler(raw: Uint8Array, value: Uint8Array, voxelBytes: number): (start: number, end: number) => void {
  const { buffer, byteOffset, length } = raw;
  const view = new DataView(value.buffer, value.byteOffset, voxelBytes);
  if (voxelBytes === 1) return (start, end) => raw.fill(view.getUint8(0), start, end);
  if (voxelBytes === 2) {
    const voxels = new Uint16Array(buffer, byteOffset, length / 2);
    return (start, end) => voxels.fill(view.getUint16(0, true), start, end);
  }
  if (voxelBytes === 4) {
    // As bits: a float's need not survive being a number.
    const voxels = new Uint32Array(buffer, byteOffset, length / 4);
    return (start, end) => voxels.fill(view.getUint32(0, true), start, end);
  }
  const voxels = new BigUint64Array(buffer, byteOffset, length / 8);
  return (start, end) => voxels.fill(view.getBigUint64(0, true), start, end);
}

/** The voxels that any of some deltas of one tile sets, and those of `base`. @returns an owned mask over the tile's box. */
export function maskOfDeltas(request: {
  readonly deltas: readonly Uint8Array[];
  readonly base: Uint8Array;
  readonly voxels: number;
}): Uint8Array {
  const set = new Uint8Array(request.voxels);
  const mark = (mask: Uint8Array): void => forEachRun(mask, set.length, (start, end) => set.fill(1, start, end));
  mark(request.base);
  for (const delta of request.deltas) mark(decodeDelta(delta).mask);
  return encodeMask(set);
}

/** A box of some voxels that were edited. */
export interface MaskedBox {
  readonly box: Box;
  /** Over `box`. */
  readonly mask: Uint8Array;
}

/** Which voxels of a box are made from edited voxels of the level below. @returns an owned mask over `box`. */
export function coarserMask(request: {
  readonly finer: readonly MaskedBox[];
  readonly box: Box;
  readonly factors: Vec3;
}): Uint8Array {
  const { box, factors } = request;
  const [fx, fy, fz] = factors;
  const [nx, ny, nz] = boxShape(box);
  const set = new Uint8Array(nx * ny * nz);
  for (const finer of request.finer)
    forEachRow(finer.mask, finer.box, (x0, x1, y, z) => {
      const cy = Math.floor(y / fy) - box[1];
      const cz = Math.floor(z / fz) - box[2];
      if (cy < 0 || cy >= ny || cz < 0 || cz >= nz) return;
      const row = (cz * ny + cy) * nx;
      const from = Math.max(0, Math.floor(x0 / fx) - box[0]);
      const to = Math.min(nx, Math.floor((x1 - 1) / fx) + 1 - box[0]);
      if (from < to) set.fill(1, row + from, row + to);
    });
  return encodeMask(set);
}

/** A tile of a coarser level of which some voxels are to be made anew. All bytes are shared. */
export interface RebuiltTile {
  /** The tile as it was ingested. */
  readonly base: Uint8Array;
  /** Voxels that are made anew, over `box`; at least one. Each has a footprint in the level below. */
  readonly mask: Uint8Array;
  /** Frames of the level below that meet the footprint of the masked voxels. */
  readonly finer: readonly Uint8Array[];
  readonly dtype: DType;
  readonly type: VolumeType;
  readonly factors: Vec3;
  /** The finer level's whole volume, to clip footprints. */
  readonly finerVolume: Box;
  readonly mip: number;
  readonly box: Box;
  readonly seq: number;
  readonly encoding: EncodingName;
}

/** Makes voxels of a coarser level anew, and leaves the others as they were. @returns an owned frame. */
export async function rebuildTile(tile: RebuiltTile): Promise<EditedFrame> {
  const { dtype, type, factors, finerVolume, mip, box, mask, seq, encoding } = tile;
  const voxelBytes = BYTES_PER_VOXEL[dtype];
  const raw = Uint8Array.from(await decodeTileFrame(tile.base, dtype));
  const tight = boundsOfMask(mask, box) ?? box;
  const inputBox = footprintOf(tight, factors, finerVolume);
  const input = new Uint8Array(volumeOf(boxShape(inputBox)) * voxelBytes);
  for (const frame of tile.finer)
    copyBox(await decodeTileFrame(frame, dtype), boxOfFrame(frame, dtype), input, inputBox, voxelBytes);
  const made = downsampleBlock(input, inputBox, dtype, type, tight, factors, finerVolume);
  const [width, height] = boxShape(tight);
  forEachRow(mask, box, (x0, x1, y, z, index) => {
    const from = (((z - tight[2]) * height + (y - tight[1])) * width + (x0 - tight[0])) * voxelBytes;
    raw.set(made.subarray(from, from + (x1 - x0) * voxelBytes), index * voxelBytes);
  });
  return { frame: await makeTileFrame({ raw, dtype, mip, box, seq, encoding }) };
}
