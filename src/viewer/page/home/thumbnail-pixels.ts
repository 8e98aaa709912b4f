/** Pixels of thumbnails from voxels. Pure. */
import type { ChannelInfo, VoxelArray } from '../../../client/index.ts';
import { idColor, type Rgb } from './id-color.ts';

/** Pixels, row by row, 4 bytes each: red, green, blue, opacity. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** Part of the voxels that is shown as black, and as white. */
const CUT = 0.01;

/**
 * Paints a slice.
 *
 * @param voxels of one slice, x fastest; borrowed.
 * @returns grey from black at 1 % of the voxels to white at 99 % for images, a colour for each id for segmentations.
 */
export function paintSlice(type: ChannelInfo['type'], voxels: VoxelArray, width: number, height: number): Picture {
  const rgba = new Uint8ClampedArray(width * height * 4);
  const paint = type === 'segmentation' ? idPainter() : greyPainter(voxels);
  for (let n = 0; n < width * height; n++) {
    const [red, green, blue] = paint(voxels[n] ?? 0);
    rgba.set([red, green, blue, 255], n * 4);
  }
  return { width, height, rgba };
}

function idPainter(): (voxel: number | bigint) => Rgb {
  const colors = new Map<number | bigint, Rgb>();
  return (voxel) => {
    const known = colors.get(voxel);
    if (known !== undefined) return known;
    const color = idColor(BigInt.asUintN(64, BigInt(typeof voxel === 'bigint' ? voxel : Math.trunc(voxel) || 0)));
    colors.set(voxel, color);
    return color;
  };
}

function greyPainter(voxels: VoxelArray): (voxel: number | bigint) => Rgb {
  const { low, high } = greyRange(voxels);
  return (voxel) => {
    const grey = stretch(Number(voxel), low, high);
    return [grey, grey, grey];
  };
}

/** Values that become black and white. */
export interface GreyRange {
  readonly low: number;
  readonly high: number;
}

/** The values that 1 % of the voxels are not above, and 99 %; voxels that are no numbers do not count. */
export function greyRange(voxels: VoxelArray): GreyRange {
  const values = Float64Array.from(voxels as ArrayLike<number | bigint>, Number) // 64-bit greys are shown as near as may be
    .filter((value) => Number.isFinite(value))
    .sort();
  const at = (part: number): number => values[Math.round(part * (values.length - 1))] ?? 0;
  return { low: at(CUT), high: at(1 - CUT) };
}

/** Grey of a value, 0 to 255; in the middle where all values are the same. */
export function stretch(value: number, low: number, high: number): number {
  if (Number.isNaN(value)) return 0;
  if (high <= low) return value < low ? 0 : value > high ? 255 : 128;
  return Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));
}
