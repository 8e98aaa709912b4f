/** What of a segment is split off: seeds, and the box in which they are looked at; or the voxels under a brush. Pure. */

import { boxShape } from '../../../../protocol/volume.ts';
import type { Box, Seed, Vec3, VoxelArray } from '../../../client/index.ts';
import { type BoxLimits, fits } from './cut-set.ts';
import { VoxelSet } from './voxel-set.ts';

/** Seeds of one group of a split; more are thinned out: a message has 4,096 nodes, a seed is 5. */
const SEEDS = 380;
/** Voxels around the seeds that are looked at in any case. */
const AROUND = 16;

/** The voxels of a set that have an id. @param voxels of the box, x fastest. */
export function onlyOf(set: VoxelSet, id: bigint, box: Box, voxels: VoxelArray): VoxelSet {
  const [nx, ny] = boxShape(box);
  const wanted = typeof voxels[0] === 'bigint' ? id : Number(id);
  const only = new VoxelSet();
  set.within(box).forEachRun((x0, x1, y, z) => {
    const row = ((z - box[2]) * ny + (y - box[1])) * nx - box[0];
    let start = x0;
    for (let x = x0; x < x1; x++) {
      if (voxels[row + x] === wanted) continue;
      only.add(start, x, y, z);
      start = x + 1;
    }
    only.add(start, x1, y, z);
  });
  return only;
}

/** Seeds of a group, evenly thinned out where there are too many. */
export function seedsOf(set: VoxelSet, group: 1 | 2): Seed[] {
  const every = Math.max(1, Math.ceil(set.count / SEEDS));
  const seeds: Seed[] = [];
  let n = 0;
  set.forEachRun((x0, x1, y, z) => {
    for (let x = x0; x < x1; x++) if (n++ % every === 0) seeds.push([x, y, z, group]);
  });
  return seeds;
}

/** The smallest box that holds both. */
export function joinBoxes(a: Box | undefined, b: Box | undefined): Box | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const low = (axis: number): number => Math.min(a[axis] ?? 0, b[axis] ?? 0);
  const high = (axis: number): number => Math.max(a[axis] ?? 0, b[axis] ?? 0);
  return [low(0), low(1), low(2), high(3), high(4), high(5)];
}

/** What two boxes have in common; undefined for nothing. */
export function meetBoxes(a: Box, b: Box): Box | undefined {
  const low = (axis: 0 | 1 | 2): number => Math.max(a[axis], b[axis]);
  const high = (axis: 3 | 4 | 5): number => Math.min(a[axis], b[axis]);
  const box: Box = [low(0), low(1), low(2), high(3), high(4), high(5)];
  return boxShape(box).every((size) => size > 0) ? box : undefined;
}

/** A box with so many voxels more on each side, within bounds. */
function padded(box: Box, by: Vec3, bounds: Box): Box {
  const grown: Box = [box[0] - by[0], box[1] - by[1], box[2] - by[2], box[3] + by[0], box[4] + by[1], box[5] + by[2]];
  return meetBoxes(grown, bounds) ?? box;
}

/**
 * The largest box around seeds that one split may look at: it grows by as many nm on every side.
 *
 * @param seeds their bounds. @returns undefined where the seeds alone are too far apart.
 */
export function neighbourhood(seeds: Box, voxel: Vec3, bounds: Box, limits: BoxLimits): Box | undefined {
  if (!fits(seeds, limits)) return undefined;
  const unit = Math.min(...voxel);
  const by = (n: number): Vec3 => [
    Math.round((n * unit) / voxel[0]),
    Math.round((n * unit) / voxel[1]),
    Math.round((n * unit) / voxel[2]),
  ];
  // Doubling, then halving: the largest n whose box fits.
  let good = 0;
  let step = 1;
  const largest = Math.max(...boxShape(bounds)) * Math.ceil(Math.max(...voxel) / unit);
  while (step < largest && fits(padded(seeds, by(step), bounds), limits)) {
    good = step;
    step *= 2;
  }
  for (let width = step; width >= 1; width = Math.floor(width / 2))
    if (good + width <= largest && fits(padded(seeds, by(good + width), bounds), limits)) good += width;
  return padded(seeds, by(good), bounds);
}

/** Where an id is in voxels of a coarser level, as a box of mip 0, a coarse voxel wider on each side; undefined for nowhere. */
export function boundsOfId(voxels: VoxelArray, box: Box, id: bigint, scale: Vec3): Box | undefined {
  const [nx, ny] = boxShape(box);
  const wanted = typeof voxels[0] === 'bigint' ? id : Number(id);
  let [x0, y0, z0, x1, y1, z1] = [Infinity, Infinity, Infinity, -Infinity, -Infinity, -Infinity];
  for (let at = voxels.indexOf(wanted as never); at >= 0; at = voxels.indexOf(wanted as never, at + 1)) {
    const row = Math.floor(at / nx);
    const [x, y, z] = [at - row * nx, row % ny, Math.floor(row / ny)];
    if (x < x0) x0 = x;
    if (x >= x1) x1 = x + 1;
    if (y < y0) y0 = y;
    if (y >= y1) y1 = y + 1;
    if (z < z0) z0 = z;
    if (z >= z1) z1 = z + 1;
  }
  if (x0 === Infinity) return undefined;
  const low = (value: number, axis: 0 | 1 | 2): number => Math.floor((box[axis] + value - 1) * scale[axis]);
  const high = (value: number, axis: 0 | 1 | 2): number => Math.ceil((box[axis] + value + 1) * scale[axis]);
  return [low(x0, 0), low(y0, 1), low(z0, 2), high(x1, 0), high(y1, 1), high(z1, 2)];
}

/** The box of a split by seeds: where the segment is, and a little around the seeds, within what may be looked at. */
export function splitBox(seeds: Box, found: Box | undefined, reach: Box): Box {
  const near = padded(seeds, [AROUND, AROUND, AROUND], reach);
  return meetBoxes(joinBoxes(found, near) ?? near, reach) ?? near;
}
