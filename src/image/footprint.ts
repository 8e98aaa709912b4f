/** Which finer voxels each voxel of a coarser box is made from. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, type DType, type Vec3, type VoxelArray, viewVoxels } from '../../protocol/volume.ts';

/** Typed arrays whose elements are numbers. */
export type NumberArray = Exclude<VoxelArray, BigUint64Array | BigInt64Array>;

/** Where the footprints of a row of output voxels begin and end, counted in the input block. */
export interface AxisPlan {
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  /** Every footprint has two voxels. */
  readonly pairs: boolean;
  /** Every footprint has one voxel. */
  readonly single: boolean;
}

/** The footprints of a box: along each axis, for they are boxes too. */
export interface FootprintPlan {
  readonly x: AxisPlan;
  readonly y: AxisPlan;
  readonly z: AxisPlan;
  /** Voxels of the input block from one row to the next. */
  readonly rowStride: number;
  /** Voxels of the input block from one slice to the next. */
  readonly sliceStride: number;
}

/** Index of a box's end along an axis. */
const END = [3, 4, 5] as const;

/** The box of the finer level that a box of the coarser one is made from. Each in voxels of its level. */
export function footprintOf(outputBox: Box, factors: Vec3, finerVolume: Box): Box {
  const begin = (axis: 0 | 1 | 2): number => Math.max(outputBox[axis] * factors[axis], finerVolume[axis]);
  const end = (axis: 0 | 1 | 2): number => Math.min(outputBox[END[axis]] * factors[axis], finerVolume[END[axis]]);
  return [begin(0), begin(1), begin(2), end(0), end(1), end(2)];
}

/**
 * Footprints of all voxels of a box.
 *
 * @param inputBox the voxels that are there. @param finerVolume the whole finer level, at whose ends footprints are cut.
 * @throws BflyError INTERNAL where a footprint is empty or not wholly inside `inputBox`.
 */
export function planFootprints(inputBox: Box, outputBox: Box, factors: Vec3, finerVolume: Box): FootprintPlan {
  const [width, height] = boxShape(inputBox);
  return {
    x: planAxis(0, inputBox, outputBox, factors, finerVolume),
    y: planAxis(1, inputBox, outputBox, factors, finerVolume),
    z: planAxis(2, inputBox, outputBox, factors, finerVolume),
    rowStride: width,
    sliceStride: width * height,
  };
}

/** Voxels of a type that JavaScript has as numbers. @throws BflyError INTERNAL for 64-bit types. */
export function numbersOf(dtype: DType, bytes: Uint8Array): NumberArray {
  const voxels = viewVoxels(dtype, bytes);
  if (voxels instanceof BigUint64Array || voxels instanceof BigInt64Array)
    throw new BflyError('INTERNAL', `${dtype} voxels are not numbers`);
  return voxels;
}

function planAxis(axis: 0 | 1 | 2, inputBox: Box, outputBox: Box, factors: Vec3, finerVolume: Box): AxisPlan {
  const factor = factors[axis];
  const from = outputBox[axis];
  const count = outputBox[END[axis]] - from;
  if (!Number.isSafeInteger(factor) || factor < 1)
    throw new BflyError('INTERNAL', `factors between levels are positive integers, not ${factors.join(', ')}`);
  const begins = new Int32Array(count);
  const ends = new Int32Array(count);
  let pairs = true;
  let single = true;
  for (let i = 0; i < count; i++) {
    const begin = Math.max((from + i) * factor, finerVolume[axis]);
    const end = Math.min((from + i + 1) * factor, finerVolume[END[axis]]);
    if (begin >= end || begin < inputBox[axis] || end > inputBox[END[axis]])
      throw new BflyError(
        'INTERNAL',
        `the block ${inputBox.join(', ')} does not hold the footprint of ${outputBox.join(', ')}`,
      );
    begins[i] = begin - inputBox[axis];
    ends[i] = end - inputBox[axis];
    pairs &&= end - begin === 2;
    single &&= end - begin === 1;
  }
  return { begins, ends, pairs, single };
}
