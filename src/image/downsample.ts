/**
 * Coarser levels: which there are, and how a box of one is made from the level below.
 *
 * Coordinates are absolute, so the value of a coarse voxel depends on the volume alone and never on how it is cut into boxes:
 * voxel i of a level is made from voxels [i·f, (i+1)·f) of the finer one that are inside its volume.
 * Images: the mean, summed as float64 in x, y, z order, integers rounded half up. Segmentations: the most frequent id, 0 included; among
 * equals the smallest that is not 0.
 */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, type DType, type MipInfo, type Vec3, type VolumeType } from '../../protocol/volume.ts';
import { rawLengthOf } from './codecs/codec.ts';
import { planFootprints } from './footprint.ts';
import { writeMeans } from './footprint-mean.ts';
import { writeModes } from './footprint-mode.ts';

export { footprintOf } from './footprint.ts';

/**
 * The level above one: factor 2 along the axes whose voxels are less than twice as long as the smallest of an axis that still has several
 * chunks, so that voxels grow towards cubes. Chunks keep their size.
 *
 * @returns the level itself with factors 1 where it fits one chunk.
 */
export function coarserMip(mip: MipInfo): { readonly mip: MipInfo; readonly factors: Vec3 } {
  const { shape, chunk, voxel, offset } = mip;
  const [cx, cy, cz] = chunk;
  const long = [shape[0] > cx, shape[1] > cy, shape[2] > cz];
  const smallest = Math.min(...voxel.filter((_, axis) => long[axis]));
  const factor = (extent: number, size: number): number => (extent > 1 && size < 2 * smallest ? 2 : 1);
  const factors: Vec3 = long.includes(true)
    ? [factor(shape[0], voxel[0]), factor(shape[1], voxel[1]), factor(shape[2], voxel[2])]
    : [1, 1, 1];
  const [fx, fy, fz] = factors;
  const first: Vec3 = [Math.floor(offset[0] / fx), Math.floor(offset[1] / fy), Math.floor(offset[2] / fz)];
  // From the end, not from the shape: with an odd offset a level may need one voxel more to cover the one below.
  const size = (axis: 0 | 1 | 2, f: number): number => Math.ceil((offset[axis] + shape[axis]) / f) - first[axis];
  return {
    factors,
    mip: {
      shape: [size(0, fx), size(1, fy), size(2, fz)],
      chunk,
      voxel: [voxel[0] * fx, voxel[1] * fy, voxel[2] * fz],
      offset: first,
    },
  };
}

/** 2³² voxels along an axis become one. */
const MAX_LEVELS = 32;

/** The levels above one, without itself, finest first, up to the first that fits one chunk. */
export function pyramid(base: MipInfo): MipInfo[] {
  const levels: MipInfo[] = [];
  for (let { mip, factors } = coarserMip(base); factors.some((f) => f > 1); { mip, factors } = coarserMip(mip)) {
    levels.push(mip);
    // Two voxels on both sides of 0 never become one.
    if (levels.length === MAX_LEVELS) break;
  }
  return levels;
}

/**
 * Makes a box of a coarser level.
 *
 * @param input voxels of `inputBox`, x fastest, little-endian. Borrowed until the call returns.
 * @param inputBox in voxels of the finer level; holds the footprint of `outputBox`.
 * @param type image: mean; segmentation: mode.
 * @param outputBox in voxels of the coarser level.
 * @param factors finer voxels per coarser one along each axis, positive integers.
 * @param finerVolume the whole finer level, at whose ends footprints are cut.
 * @returns owned voxels of `outputBox`.
 * @throws BflyError UNSUPPORTED for float32 ids; INTERNAL where the input does not hold what the output needs.
 */
export function downsampleBlock(
  input: Uint8Array,
  inputBox: Box,
  dtype: DType,
  type: VolumeType,
  outputBox: Box,
  factors: Vec3,
  finerVolume: Box,
): Uint8Array {
  const inputShape = boxShape(inputBox);
  if (input.length !== rawLengthOf(inputShape, dtype))
    throw new BflyError('INTERNAL', `a block of ${inputShape.join('×')} ${dtype} does not have ${input.length} bytes`);
  const plan = planFootprints(inputBox, outputBox, factors, finerVolume);
  const output = new Uint8Array(rawLengthOf(boxShape(outputBox), dtype));
  if (type === 'segmentation') writeModes(input, output, dtype, plan);
  else writeMeans(input, output, dtype, plan);
  return output;
}
