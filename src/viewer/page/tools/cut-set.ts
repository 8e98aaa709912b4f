/** Cuts sets of voxels into boxes that the server takes. Pure. */
import { boxShape, volumeOf } from '../../../../protocol/volume.ts';
import type { Box, Vec3 } from '../../../client/index.ts';
import type { VoxelSet } from './voxel-set.ts';

/** What one box may hold, and where the tiles are that are counted. */
export interface BoxLimits {
  readonly voxels: number;
  readonly tiles: number;
  /** Size of a tile, in voxels. */
  readonly chunk: Vec3;
  /** Where the grid of tiles begins. */
  readonly offset: Vec3;
}

/** A part of a set, and the smallest box that holds it. */
export interface SetPart {
  readonly box: Box;
  readonly set: VoxelSet;
}

/** How many tiles a box meets. */
export function tilesOf(box: Box, { chunk, offset }: Pick<BoxLimits, 'chunk' | 'offset'>): number {
  let tiles = 1;
  for (const axis of [0, 1, 2] as const) {
    const first = Math.floor((box[axis] - offset[axis]) / chunk[axis]);
    const last = Math.ceil(((box[axis + 3] ?? 0) - offset[axis]) / chunk[axis]);
    tiles *= last - first;
  }
  return tiles;
}

/** Whether a box is within the limits. */
export function fits(box: Box, limits: BoxLimits): boolean {
  return volumeOf(boxShape(box)) <= limits.voxels && tilesOf(box, limits) <= limits.tiles;
}

/** Disjoint parts that are the set together, each within the limits; none where the set is empty. */
export function cutSet(set: VoxelSet, limits: BoxLimits): SetPart[] {
  const box = set.bounds;
  if (box === undefined) return [];
  if (fits(box, limits) || volumeOf(boxShape(box)) === 1) return [{ box, set }];
  return halves(box, limits).flatMap((half) => cutSet(set.within(half), limits));
}

/** Two halves of a box, cut across its longest way, between tiles where it is longer than one. */
function halves(box: Box, { chunk, offset }: BoxLimits): readonly [Box, Box] {
  const shape = boxShape(box);
  const inTiles = (axis: 0 | 1 | 2): number => shape[axis] / chunk[axis];
  const axes = ([0, 1, 2] as const).filter((axis) => shape[axis] > 1);
  const axis = axes.reduce((best, other) => (inTiles(other) > inTiles(best) ? other : best), axes[0] ?? 0);
  const [from, to] = [box[axis], box[axis + 3] ?? 0];
  const middle = Math.floor((from + to) / 2);
  const edge = offset[axis] + Math.round((middle - offset[axis]) / chunk[axis]) * chunk[axis];
  const at = edge > from && edge < to ? edge : Math.max(from + 1, middle);
  const [low, high] = [[...box], [...box]];
  low[axis + 3] = at;
  high[axis] = at;
  return [asBox(low), asBox(high)];
}

function asBox([x0 = 0, y0 = 0, z0 = 0, x1 = 0, y1 = 0, z1 = 0]: readonly number[]): Box {
  return [x0, y0, z0, x1, y1, z1];
}
