/** The connected regions inside borders, numbered by their first voxel. */
import { type Vec3, volumeOf } from '../../protocol/volume.ts';

/** Numbered regions. */
export interface Regions {
  /** Owned: for each voxel the number of its region, from 1; 0 on borders. x fastest. */
  readonly numbers: Uint32Array;
  /** How many there are. */
  readonly count: number;
}

/**
 * Numbers the regions between borders, whose voxels are connected by their faces.
 *
 * @param borders other than 0 where a voxel is a border; borrowed.
 * @param isSolid whether regions go on from slice to slice; else each slice has its own.
 */
export function numberRegions(borders: Uint8Array, shape: Vec3, isSolid: boolean): Regions {
  const numbers = new Uint32Array(volumeOf(shape));
  const [sx, sy, sz] = shape;
  const slices = isSolid ? sz : 1;
  // Only a voxel behind a border, or the first of a row, can begin a region.
  const parents = new Uint32Array(1 + Math.ceil(sx / 2) * sy * slices);
  let count = 0;
  for (let z = 0; z < sz; z += slices) {
    const slab = { from: z * sx * sy, to: (z + slices) * sx * sy };
    const found = nameRuns(borders, numbers, parents, shape, slab);
    count = settle(numbers, parents, found, slab, count);
  }
  return { numbers, count };
}

interface Slab {
  readonly from: number;
  readonly to: number;
}

/** Gives voxels names in the order of the voxels, and notes which names mean the same region. @returns the number of names. */
function nameRuns(
  borders: Uint8Array,
  numbers: Uint32Array,
  parents: Uint32Array,
  [sx, sy]: Vec3,
  { from, to }: Slab,
): number {
  const inSlice = sx * sy;
  let names = 0;
  for (let row = from; row < to; row += sx) {
    const hasUp = row % inSlice !== 0;
    const hasBelow = row - from >= inSlice;
    let left = 0;
    for (let i = row; i < row + sx; i++) {
      if (borders[i] !== 0) {
        left = 0;
        continue;
      }
      const up = hasUp ? (numbers[i - sx] as number) : 0; // inside, as all below
      const below = hasBelow ? (numbers[i - inSlice] as number) : 0;
      let name = left || up || below;
      if (name === 0) {
        name = ++names;
        parents[name] = name;
      }
      if (up !== 0 && up !== name) join(parents, up, name);
      if (below !== 0 && below !== name) join(parents, below, name);
      numbers[i] = name;
      left = name;
    }
  }
  return names;
}

/** Makes two names one: the older one stands for both. */
function join(parents: Uint32Array, a: number, b: number): void {
  const [rootA, rootB] = [rootOf(parents, a), rootOf(parents, b)];
  if (rootA < rootB) parents[rootB] = rootA;
  else parents[rootA] = rootB;
}

function rootOf(parents: Uint32Array, name: number): number {
  let at = name;
  for (let parent = parents[at] as number; parent !== at; parent = parents[at] as number) {
    parents[at] = parents[parent] as number;
    at = parent;
  }
  return at;
}

/** Turns names into numbers, which go on from `count`: the oldest name of a region is that of its first voxel. @returns the new count. */
function settle(numbers: Uint32Array, parents: Uint32Array, names: number, { from, to }: Slab, count: number): number {
  let last = count;
  for (let name = 1; name <= names; name++) {
    const parent = parents[name] as number;
    // Parents are older, so they have their numbers already.
    parents[name] = parent === name ? ++last : (parents[parent] as number);
  }
  for (let i = from; i < to; i++) numbers[i] = parents[numbers[i] as number] as number;
  return last;
}
