/** What an export of voxels consists of: its levels, and the pieces that are pulled one after the other. Pure. */
import { BflyError } from '../../../protocol/errors.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  type ChannelInfo,
  type DType,
  type MipInfo,
  mipBox,
  type Vec3,
  type VolumeType,
} from '../../../protocol/volume.ts';
import { intersect } from '../../query/box.ts';
import { cutSlabs } from '../pull-slabs.ts';

/** One level of what is exported. */
export interface ExportLevel {
  readonly mip: number;
  readonly info: MipInfo;
  /** What is written of it, in voxels of the level; inside its volume. */
  readonly box: Box;
}

/** All that is exported. */
export interface ExportPlan {
  readonly path: string;
  readonly type: VolumeType;
  readonly dtype: DType;
  /** Finest first. */
  readonly levels: readonly ExportLevel[];
}

/** What is pulled and written at a time. */
export interface ExportPiece {
  readonly level: ExportLevel;
  /** Whole chunks of the export's grid, which begins at the level's box, or whole z planes. */
  readonly box: Box;
}

/** Bytes of a piece, unless one chunk, or one plane, is larger. */
const PIECE_BYTES = 32 * 1024 * 1024;

/**
 * Plans an export.
 *
 * @param channel with the dtype that is written.
 * @param box in voxels of the finest level that is written; default: all of it.
 * @param mips which levels, finest first.
 * @throws BflyError OUT_OF_BOUNDS where the box is outside.
 */
export function planExport(channel: ChannelInfo, mips: readonly MipInfo[], first: number, box?: Box): ExportPlan {
  const finest = mips[0] as MipInfo; // a channel has a level
  const whole = mipBox(finest);
  const wanted = box === undefined ? whole : intersect(box, whole);
  if (wanted === undefined)
    throw new BflyError('OUT_OF_BOUNDS', `the box is outside the volume; level ${first} is --box ${whole.join(',')}`);
  const levels = mips.map((info, n): ExportLevel => {
    const scaled = n === 0 ? wanted : scaledBox(wanted, finest, info);
    // A coarse level may have less than its share at the edge.
    return { mip: first + n, info, box: intersect(scaled, mipBox(info)) ?? mipBox(info) };
  });
  return { path: channel.path, type: channel.type, dtype: channel.dtype, levels };
}

/** The voxels of a coarser level that a box of a finer one touches. */
function scaledBox(box: Box, finer: MipInfo, coarser: MipInfo): Box {
  const factor = (axis: 0 | 1 | 2): number => Math.max(1, Math.round(coarser.voxel[axis] / finer.voxel[axis]));
  const low = (axis: 0 | 1 | 2): number => Math.floor(box[axis] / factor(axis));
  const high = (axis: 0 | 1 | 2): number => Math.ceil((box[axis + 3] as number) / factor(axis));
  return [low(0), low(1), low(2), high(0), high(1), high(2)];
}

/** Chunks of a level's export, as large as the server's. */
export function chunkOf({ info, box }: ExportLevel): Vec3 {
  const side = (axis: 0 | 1 | 2): number => Math.min(info.chunk[axis], (box[axis + 3] as number) - box[axis]);
  return [side(0), side(1), side(2)];
}

/** Pieces of whole chunks: runs of chunks along x. */
export function* chunkPieces({ levels, dtype }: ExportPlan): Generator<ExportPiece> {
  for (const level of levels) {
    const [x0, y0, z0, x1, y1, z1] = level.box;
    const [cx, cy, cz] = chunkOf(level);
    const run = cx * Math.max(1, Math.floor(PIECE_BYTES / (cx * cy * cz * BYTES_PER_VOXEL[dtype])));
    for (let z = z0; z < z1; z += cz)
      for (let y = y0; y < y1; y += cy)
        for (let x = x0; x < x1; x += run) {
          const box: Box = [x, y, z, Math.min(x1, x + run), Math.min(y1, y + cy), Math.min(z1, z + cz)];
          yield { level, box };
        }
  }
}

/**
 * Pieces of whole z planes; where a layer of chunks is more than `maxBytes`, of parts of them. Pieces end at the limits of the server's
 * chunks, so that none is sent twice, unless the planes of one chunk alone are too many.
 */
export function* planePieces({ levels, dtype }: ExportPlan, maxBytes = PIECE_BYTES): Generator<ExportPiece> {
  for (const level of levels) {
    const { box, info } = level;
    const [cx, cy, cz] = info.chunk;
    const [width, height] = [box[3] - box[0], box[4] - box[1]];
    const size = BYTES_PER_VOXEL[dtype];
    if (width * height * cz * size <= maxBytes) {
      for (const slab of cutSlabs(box, info, dtype, maxBytes)) yield { level, box: slab };
      continue;
    }
    const fitting = (bytes: number): number => Math.max(1, Math.floor(maxBytes / bytes));
    const rows = fitting(width * cy * cz * size);
    const isRow = width * cy * cz * size <= maxBytes;
    const columns = isRow ? Math.ceil(width / cx) + 1 : fitting(cx * cy * cz * size);
    for (const [z0, z1] of cutAlong(2, level, 1))
      for (const [y0, y1] of cutAlong(1, level, rows))
        for (const [x0, x1] of cutAlong(0, level, columns)) yield { level, box: [x0, y0, z0, x1, y1, z1] };
  }
}

/** Cuts a level's box along an axis at every so many limits of chunks. */
function* cutAlong(axis: 0 | 1 | 2, { box, info }: ExportLevel, chunks: number): Generator<readonly [number, number]> {
  const [side, origin, end] = [info.chunk[axis], info.offset[axis], box[axis + 3] as number];
  for (let from = box[axis]; from < end; ) {
    const to = Math.min(end, origin + (Math.floor((from - origin) / side) + chunks) * side);
    yield [from, to];
    from = to;
  }
}

/** The chunks of a piece, each with its index in the level's grid. */
export function* chunksOf({ level, box }: ExportPiece): Generator<{ readonly index: Vec3; readonly box: Box }> {
  const [x0, y0, z0] = level.box;
  const [cx, cy, cz] = chunkOf(level);
  const [, y, z, x1, y1, z1] = box;
  for (let x = box[0]; x < x1; x += cx)
    yield {
      index: [(x - x0) / cx, (y - y0) / cy, (z - z0) / cz],
      box: [x, y, z, Math.min(x1, x + cx), y1, z1],
    };
}
