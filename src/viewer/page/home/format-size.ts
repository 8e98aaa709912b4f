/** Sizes as people read them. Pure. */
import type { MipInfo, Vec3 } from '../../../client/index.ts';

const UNITS = [
  { name: 'mm', nm: 1e6 },
  { name: 'µm', nm: 1e3 },
  { name: 'nm', nm: 1 },
] as const;

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const rounded = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });
const exact = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** A count: `1,940`. */
export function formatCount(count: number): string {
  return whole.format(count);
}

/** `1 channel`, `1,940 channels`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A size in voxels: `512 × 512 × 128`. */
export function formatVoxels(shape: Vec3): string {
  return shape.map((side) => whole.format(side)).join(' × ');
}

/** Voxels that are larger, in nm, are no microscope's: they are told in millimetres. */
const LARGE = 50_000;

/** The size of a voxel, given in nanometres: `8 × 8 × 40 nm`, or `8 nm` where all sides are the same. */
export function formatVoxelSize(voxel: Vec3): string {
  const unit = Math.min(...voxel) >= LARGE ? UNITS[0] : UNITS[2];
  const sides = voxel.map((side) => exact.format(side / unit.nm));
  return `${new Set(sides).size === 1 ? sides[0] : sides.join(' × ')} ${unit.name}`;
}

/** The size of a level as a thing, in the unit that its longest side asks for: `4.1 × 4.1 × 5.12 µm`. */
export function formatExtent({ shape, voxel }: Pick<MipInfo, 'shape' | 'voxel'>): string {
  const sides = shape.map((side, axis) => side * (voxel[axis] ?? 1));
  const longest = Math.max(...sides);
  const unit = UNITS.find(({ nm }) => longest >= nm) ?? UNITS[2];
  return `${sides.map((side) => rounded.format(side / unit.nm)).join(' × ')} ${unit.name}`;
}
