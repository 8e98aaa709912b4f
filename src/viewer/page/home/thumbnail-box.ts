/** Which voxels a thumbnail shows. Pure. */
import type { Box, ChannelInfo, MipInfo } from '../../../client/index.ts';

/** One slice of one level. */
export interface ThumbnailBox {
  readonly mip: number;
  /** One voxel thick, in voxels of `mip`. */
  readonly box: Box;
}

/** Voxels along the shorter side that are enough: about 128, since levels are halved and rounded. */
const ENOUGH = 120;
/** Side of the middle that is shown of a slice which is too much. */
const MIDDLE = 128;
/** Voxels of the chunks that a thumbnail may cost: 4 × 4 chunks of 64³. Every whole pyramid has a level for that. */
const MAX_VOXELS = 2 ** 22;

/**
 * The middle slice of the coarsest level that is large enough, or of the finest.
 *
 * Where even that level is huge, the server makes coarse tiles on demand from a great many fine ones: then a few chunks in the middle do.
 */
export function thumbnailBox({ mips }: Pick<ChannelInfo, 'mips'>): ThumbnailBox | undefined {
  const coarsest = mips.findLastIndex(({ shape }) => Math.min(shape[0], shape[1]) >= ENOUGH);
  const mip = Math.max(0, coarsest);
  const level = mips[mip];
  if (level === undefined) return undefined;
  const { shape, offset } = level;
  const isWhole = chunkVoxels(level) <= MAX_VOXELS;
  const [x0, x1] = isWhole ? [offset[0], offset[0] + shape[0]] : middle(level, 0);
  const [y0, y1] = isWhole ? [offset[1], offset[1] + shape[1]] : middle(level, 1);
  const z = offset[2] + Math.floor(shape[2] / 2);
  return { mip, box: [x0, y0, z, x1, y1, z + 1] };
}

/** Voxels of all chunks that a slice of a level meets. */
function chunkVoxels({ shape, chunk }: MipInfo): number {
  return Math.ceil(shape[0] / chunk[0]) * Math.ceil(shape[1] / chunk[1]) * chunk[0] * chunk[1] * chunk[2];
}

/** Whole chunks around the middle of an axis, so that no chunk is read for a strip of it. */
function middle({ shape, chunk, offset }: MipInfo, axis: 0 | 1): [number, number] {
  const side = Math.ceil(MIDDLE / chunk[axis]) * chunk[axis];
  const chunks = Math.round((shape[axis] - side) / 2 / chunk[axis]);
  const from = Math.max(0, chunks) * chunk[axis];
  return [offset[axis] + from, offset[axis] + Math.min(shape[axis], from + side)];
}
