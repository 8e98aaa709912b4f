/** Which channels of a dataset are opened together. Pure. */
import type { ChannelInfo } from '../../../client/index.ts';

/** Channels without a segmentation that are shown together at most. */
const MAX_IMAGES = 4;
/** Sizes that differ by less are the same: levels and voxel sizes are rounded. */
const SAME = 0.02;

/**
 * The first image with a segmentation, that of the same size if there is one; else all of a few.
 *
 * @param infos of the dataset's channels as far as they are known, in its order.
 * @returns at least two, or none.
 */
export function openedTogether(infos: readonly ChannelInfo[]): readonly ChannelInfo[] {
  const image = infos.find(({ type }) => type === 'image');
  const segmentations = infos.filter(({ type }) => type === 'segmentation');
  if (image !== undefined && segmentations.length > 0) {
    const fitting = segmentations.find((info) => isSameSize(info, image)) ?? segmentations[0];
    return fitting === undefined ? [] : [image, fitting];
  }
  return infos.length >= 2 && infos.length <= MAX_IMAGES ? infos : [];
}

function isSameSize(a: ChannelInfo, b: ChannelInfo): boolean {
  const [sizeA, sizeB] = [extent(a), extent(b)];
  return sizeA.every((side, axis) => Math.abs(side - (sizeB[axis] ?? 0)) <= SAME * side);
}

/** In nm. */
function extent({ mips }: ChannelInfo): number[] {
  const level = mips[0];
  return level === undefined ? [] : level.shape.map((side, axis) => side * (level.voxel[axis] ?? 1));
}
