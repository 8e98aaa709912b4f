/** Dividing an object between two groups of seeds. SPEC rule [E10]. */

import type { Seed } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import { type Vec3, volumeOf } from '../../protocol/volume.ts';

/** An object in a box, and the seeds that divide it. */
export interface DivideRequest {
  /** 1 where a voxel of the box belongs to the object, else 0; x fastest. Borrowed. */
  readonly object: Uint8Array;
  /** Size of the box in voxels. */
  readonly shape: Vec3;
  /** Size of a voxel in nm; positive. */
  readonly voxel: Vec3;
  /** `[x, y, z, group]`, counted from the box's first voxel. */
  readonly seeds: readonly Seed[];
}

/** What is known of a voxel: whether it is the object's, the group of the nearest seed so far, and whether that is final. */
const OUTSIDE = 0;
const FIRST = 1;
const SECOND = 2;
const UNREACHED = 3;
const FINAL = 4;

const MAX_UINT32 = 0xffff_ffff;

/**
 * Finds the voxels of an object that are nearer to group 2's seeds than to group 1's: along paths through faces of the object's voxels, in nm.
 * Ties and voxels that no seed reaches are group 1's.
 *
 * Distances are sums of whole numbers (`stepsOf`), so they are exact, and equal ways are equal in whatever order their steps are added.
 * Time is linear in the voxels of the object; memory is at most 21 bytes a voxel of the box, and mostly 6 to 10.
 *
 * @returns owned: 1 where a voxel is group 2's, else 0; order of `object`.
 * @throws BflyError BAD_REQUEST with `details.field` "seeds" for a seed outside the object or of another group.
 */
export function divideBySeeds({ object, shape, voxel, seeds }: DivideRequest): Uint8Array<ArrayBuffer> {
  const voxels = volumeOf(shape);
  if (object.length !== voxels)
    throw new BflyError('INTERNAL', `a box of ${shape.join('×')} has ${voxels} voxels, not ${object.length}`);
  const state = Uint8Array.from(object, (inside) => (inside === 0 ? OUTSIDE : UNREACHED));
  const starts = plantSeeds(state, shape, seeds);
  if (seeds.some((seed) => seed[3] === 2)) {
    const steps = stepsOf(voxel, voxels);
    // No shortest way has more steps than there are voxels.
    const isShort = voxels * Math.max(...steps) <= MAX_UINT32;
    spread(state, isShort ? new Uint32Array(voxels) : new Float64Array(voxels), starts, shape, steps);
  }
  for (let i = 0; i < voxels; i++) state[i] = ((state[i] as number) & 3) === SECOND ? 1 : 0;
  return state;
}

/**
 * Lengths of a step along x, y, z as whole numbers in the ratio of the sizes. Sizes count as the decimal numbers that they are written as (3.97 is 397/100),
 * so the ratio is exact wherever every distance of the box stays below 2⁵³; else each is rounded to a 2⁻²⁸th of the largest or finer (2²⁴ voxels).
 *
 * @param voxels of the box: more than the steps of any way.
 */
export function stepsOf(voxel: Vec3, voxels: number): Vec3 {
  if (!voxel.every((size) => Number.isFinite(size) && size > 0))
    throw new BflyError('INTERNAL', `sizes of voxels are positive numbers, not ${voxel.join(', ')}`);
  const largest = Math.floor(Number.MAX_SAFE_INTEGER / Math.max(1, voxels));
  const exact = wholeRatio(voxel);
  if (exact.every((step) => step <= BigInt(largest))) return [Number(exact[0]), Number(exact[1]), Number(exact[2])];
  const unit = Math.max(...voxel);
  const rounded = (size: number): number => Math.max(1, Math.round((size / unit) * largest));
  return [rounded(voxel[0]), rounded(voxel[1]), rounded(voxel[2])];
}

function wholeRatio(voxel: Vec3): readonly [bigint, bigint, bigint] {
  const decimals = voxel.map((size) => {
    const [mantissa = '', power = '0'] = size.toExponential().split('e');
    const [whole = '', fraction = ''] = mantissa.split('.');
    return { digits: BigInt(whole + fraction), power: Number(power) - fraction.length };
  });
  const lowest = Math.min(...decimals.map(({ power }) => power));
  const [x = 1n, y = 1n, z = 1n] = decimals.map(({ digits, power }) => digits * 10n ** BigInt(power - lowest));
  const common = commonDivisor(commonDivisor(x, y), z);
  return [x / common, y / common, z / common];
}

function commonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : commonDivisor(b, a % b);
}

/** Marks the seeds in `state`. @returns their voxels, each once. */
function plantSeeds(state: Uint8Array, shape: Vec3, seeds: readonly Seed[]): number[] {
  const starts: number[] = [];
  for (const [index, [x, y, z, group]] of seeds.entries()) {
    if (group !== 1 && group !== 2) throw badSeed(index, 'is of no group: groups are 1 and 2');
    const inside = x >= 0 && y >= 0 && z >= 0 && x < shape[0] && y < shape[1] && z < shape[2];
    const at = x + shape[0] * (y + shape[1] * z);
    const before = inside ? state[at] : OUTSIDE;
    if (before === OUTSIDE || before === undefined)
      throw badSeed(index, 'is not on the object: seeds stand on voxels of the id that is split, inside the box');
    if (before === UNREACHED) starts.push(at);
    // A seed of both groups is as near to one as to the other.
    if (before === UNREACHED || group === 1) state[at] = group;
  }
  return starts;
}

function badSeed(index: number, what: string): BflyError {
  return new BflyError('BAD_REQUEST', `seeds[${index}] ${what}`, { details: { field: 'seeds' } });
}

/**
 * Dijkstra's search from all seeds at once. Steps have three lengths, one an axis, and voxels become final in order of their distance: what is reached
 * along one axis is reached in order too, so three plain queues and the nearest of their heads do what a heap would.
 *
 * @param distance room for the distance of each voxel.
 */
function spread(
  state: Uint8Array,
  distance: Uint32Array | Float64Array,
  starts: readonly number[],
  [nx, ny, nz]: Vec3,
  [stepX, stepY, stepZ]: Vec3,
): void {
  const slice = nx * ny;
  const alongX = new VoxelQueue();
  const alongY = new VoxelQueue();
  const alongZ = new VoxelQueue();
  const reach = (to: number, way: number, group: number, queue: VoxelQueue): void => {
    const known = state[to] as number;
    if (known === OUTSIDE || known >= FINAL) return;
    if (known === UNREACHED || way < (distance[to] as number)) {
      distance[to] = way;
      state[to] = group;
      queue.push(to);
    } else if (group === FIRST && way === distance[to]) state[to] = FIRST;
  };
  const settle = (at: number): void => {
    const group = state[at] as number;
    const way = distance[at] as number;
    state[at] = group | FINAL;
    const x = at % nx;
    const y = ((at - x) / nx) % ny;
    if (x > 0) reach(at - 1, way + stepX, group, alongX);
    if (x < nx - 1) reach(at + 1, way + stepX, group, alongX);
    if (y > 0) reach(at - nx, way + stepY, group, alongY);
    if (y < ny - 1) reach(at + nx, way + stepY, group, alongY);
    if (at >= slice) reach(at - slice, way + stepZ, group, alongZ);
    if (at < slice * (nz - 1)) reach(at + slice, way + stepZ, group, alongZ);
  };
  // A voxel that was reached again by a shorter way stands in several queues; where it is final, it is passed over.
  const headOf = (queue: VoxelQueue): number => {
    while (queue.head >= 0 && (state[queue.head] as number) >= FINAL) queue.shift();
    return queue.head >= 0 ? (distance[queue.head] as number) : Number.POSITIVE_INFINITY;
  };
  for (const start of starts) settle(start);
  for (;;) {
    const x = headOf(alongX);
    const y = headOf(alongY);
    const z = headOf(alongZ);
    const nearest = x <= y && x <= z ? alongX : y <= z ? alongY : alongZ;
    if (nearest.head < 0) return;
    settle(nearest.head);
    nearest.shift();
  }
}

/** Voxels that wait, first in first out; grows as it must. */
class VoxelQueue {
  /** The first voxel; -1 where there is none. */
  head = -1;
  #ring = new Uint32Array(1024);
  #first = 0;
  #length = 0;

  push(voxel: number): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#first + this.#length++) & (this.#ring.length - 1)] = voxel;
    if (this.#length === 1) this.head = voxel;
  }

  shift(): void {
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#length--;
    this.head = this.#length === 0 ? -1 : (this.#ring[this.#first] as number);
  }

  #grow(): void {
    const wider = new Uint32Array(2 * this.#ring.length);
    wider.set(this.#ring.subarray(this.#first));
    wider.set(this.#ring.subarray(0, this.#first), this.#ring.length - this.#first);
    this.#ring = wider;
    this.#first = 0;
  }
}
