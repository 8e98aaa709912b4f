/** One stroke of a brush over a channel, as it grows. Pure. */
import { mipBox } from '../../../../protocol/volume.ts';
import { BflyError, type ChannelInfo, type EditOp, type Limits, type Vec3 } from '../../../client/index.ts';
import { type Brush, type SliceAxes, snap, sweep, type VoxelGrid } from './brush.ts';
import { type BoxLimits, cutSet } from './cut-set.ts';
import { VoxelSet } from './voxel-set.ts';

/** The boxes of one EDIT together may have this many times what one may. Rule [L1]. */
const BOXES = 16;

/** Where the voxels of mip 0 of a channel are. */
export function gridOf(info: ChannelInfo): VoxelGrid {
  const [finest] = info.mips;
  if (finest === undefined) throw new BflyError('BAD_REQUEST', `${info.path} has no levels`);
  return { voxel: finest.voxel, bounds: mipBox(finest) };
}

/** What one box of a write or split may hold. */
export function boxLimits(info: ChannelInfo, limits: Pick<Limits, 'writeVoxels' | 'writeTiles'>): BoxLimits {
  const [finest] = info.mips;
  return {
    voxels: limits.writeVoxels,
    tiles: limits.writeTiles,
    chunk: finest?.chunk ?? [64, 64, 64],
    offset: finest?.offset ?? [0, 0, 0],
  };
}

/** A stroke. */
export class Stroke {
  readonly set = new VoxelSet();
  readonly brush: Brush;
  readonly #grid: VoxelGrid;
  readonly #axes: SliceAxes;
  #last: Vec3 | undefined;
  #first: Vec3 | undefined;

  /** @param axes of the slice that it is drawn on. */
  constructor(grid: VoxelGrid, brush: Brush, axes: SliceAxes) {
    this.#grid = grid;
    this.brush = brush;
    this.#axes = axes;
  }

  /** The voxel that it began in; undefined where that is outside the volume. */
  get first(): Vec3 | undefined {
    const { voxel, bounds } = this.#grid;
    const place = this.#first;
    if (place === undefined) return undefined;
    const at = (axis: 0 | 1 | 2): number => Math.floor(place[axis] / voxel[axis]);
    const first: Vec3 = [at(0), at(1), at(2)];
    return first.every((value, axis) => value >= (bounds[axis] ?? 0) && value < (bounds[axis + 3] ?? 0))
      ? first
      : undefined;
  }

  /** Goes on to a place, nm. @returns whether it covers more than before. */
  to(place: Vec3): boolean {
    const next = snap(this.#grid, place);
    const last = this.#last ?? next;
    if (this.#last !== undefined && next.every((value, axis) => value === last[axis])) return false;
    this.#first ??= next;
    this.#last = next;
    const before = this.set.count;
    sweep(this.set, this.#grid, this.brush, last, next, this.#axes, place);
    return this.set.count > before;
  }
}

/**
 * The ops that give voxels one value: one for each box, all in one edit.
 *
 * @throws BflyError TOO_LARGE where one edit cannot hold them.
 */
export function writeOps(set: VoxelSet, value: number | bigint | 'new', limits: BoxLimits): EditOp[] {
  const parts = cutSet(set, limits);
  if (parts.length > BOXES)
    throw new BflyError('TOO_LARGE', 'the stroke is too long for one edit: make it in several shorter ones');
  return parts.map(({ box, set: part }, index) => ({
    op: 'write',
    box,
    mask: part.mask(box),
    value: value === 'new' && index > 0 ? { new: 0 } : value,
  }));
}
