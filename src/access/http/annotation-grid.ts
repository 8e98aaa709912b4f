/**
 * Levels of cells that annotations are drawn from: a few from everywhere on the first, more and more on the finer ones.
 *
 * Each annotation stands on one level, by a hash of its key, in every cell that it meets. Where there are more of them, the same ones
 * come first.
 */

import { type Box, boxShape, type MipInfo, mipBox, type Vec3 } from '../../../protocol/volume.ts';
import type { RowBox } from '../../core/table-rows.ts';

/** One level of cells. */
export interface GridLevel {
  /** Number of cells along x, y, z. */
  readonly grid: Vec3;
  /** Size of a cell, in voxels of mip 0, fractions allowed. */
  readonly cell: Vec3;
  /** About how many annotations a cell has. */
  readonly limit: number;
  /** Annotations of smaller ranks, as a fraction, stand on this level or one before. */
  readonly upTo: number;
}

/** Annotations of a cell, where they are spread evenly. */
const LIMIT = 4_096;
const MOST_LEVELS = 8;
const RANKS = 2 ** 32;

/**
 * The levels for some annotations, coarse to fine.
 *
 * @param finest level 0 of the volume.
 */
export function gridLevels(finest: MipInfo, count: number): readonly GridLevel[] {
  // By powers of two: one annotation more shall not move all others.
  const total = 2 ** Math.ceil(Math.log2(Math.max(1, count)));
  const shape = boxShape(mipBox(finest));
  const levels: GridLevel[] = [];
  let grid: Vec3 = [1, 1, 1];
  let placed = 0;
  while (placed < total) {
    placed += levels.length === MOST_LEVELS - 1 ? total : LIMIT * grid[0] * grid[1] * grid[2];
    const cell: Vec3 = [shape[0] / grid[0], shape[1] / grid[1], shape[2] / grid[2]];
    levels.push({ grid, cell, limit: LIMIT, upTo: Math.min(1, placed / total) });
    grid = halved(grid, cell, finest.voxel);
  }
  return levels;
}

/** Cuts cells along the axes along which they are long, so that they become cubes. */
function halved(grid: Vec3, cell: Vec3, voxel: Vec3): Vec3 {
  const longest = Math.max(cell[0] * voxel[0], cell[1] * voxel[1], cell[2] * voxel[2]);
  const cut = (axis: 0 | 1 | 2): number => grid[axis] * (2 * cell[axis] * voxel[axis] > longest ? 2 : 1);
  return [cut(0), cut(1), cut(2)];
}

/** A number by chance, 0 to 2³² - 1, always the same for a key. */
export function rankOf(key: bigint): number {
  let hash = Number(key & 0xffff_ffffn) ^ Math.imul(Number((key >> 32n) & 0xffff_ffffn), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9_f3b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9_f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The level that an annotation stands on. */
export function levelOfKey(levels: readonly GridLevel[], key: bigint): number {
  const rank = rankOf(key) / RANKS;
  return levels.findIndex(({ upTo }) => rank < upTo);
}

/** The box of a cell; those at the ends hold what is outside the volume too. Undefined outside the grid. */
export function cellBox({ grid, cell }: GridLevel, bounds: Box, index: Vec3): RowBox | undefined {
  if (index.some((at, axis) => at >= (grid[axis] as number))) return undefined;
  const low = (axis: 0 | 1 | 2): number =>
    index[axis] === 0 ? Number.NEGATIVE_INFINITY : bounds[axis] + index[axis] * cell[axis];
  const high = (axis: 0 | 1 | 2): number =>
    index[axis] === grid[axis] - 1 ? Number.POSITIVE_INFINITY : bounds[axis] + (index[axis] + 1) * cell[axis];
  return [low(0), low(1), low(2), high(0), high(1), high(2)];
}
