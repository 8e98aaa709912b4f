/**
 * Order of space: points near each other get numbers near each other, so that a box is a few ranges of an ordered map.
 *
 * A *cell* is 4 × 4 × 4 voxels of mip 0; cells count from -2²⁰ to 2²⁰-1 along each axis, and what lies beyond counts as the last cell.
 * A *place code* is the Morton code of a cell's three 21-bit numbers, 63 bits: bit i of x is bit 3i, of y 3i+1, of z 3i+2.
 * It only finds candidates; whether a row is in a box is decided by its coordinates.
 *
 * What fills more than a point is kept at its lower corner, in a *class of sizes*: class c holds what is less than 4 · 8ᶜ voxels wide
 * along every axis (the last class: everything), so that the corners of all that meet a box are in the box made that much wider below.
 */
import type { Row } from '../../protocol/edit-ops.ts';
import { morton7 } from './keys.ts';

/** Half-open box in voxels of mip 0; fractions and infinities allowed. */
export type SpaceBox = readonly [x0: number, y0: number, z0: number, x1: number, y1: number, z1: number];
/** Everything. */
export const ALL_SPACE: SpaceBox = [-Infinity, -Infinity, -Infinity, Infinity, Infinity, Infinity];

/** What a row's points fill, both corners included. */
export interface Extent {
  readonly low: readonly [number, number, number];
  readonly high: readonly [number, number, number];
}

/** Codes from `first` to `last`, both included. */
export interface CodeRange {
  readonly first: bigint;
  readonly last: bigint;
}

const CELL = 4;
const LEVELS = 21;
const MAX_CELL = 2 ** LEVELS - 1;
const MIDDLE = 2 ** (LEVELS - 1);
/** Number of classes of sizes: the last but one is as wide as two thirds of the range of cells. */
export const SIZE_CLASSES = 8;
/** Ranges that one box is cut into: more find fewer rows in vain and take more steps. */
const MOST_RANGES = 48;

function cellOf(coordinate: number): number {
  return Math.min(MAX_CELL, Math.max(0, Math.floor(coordinate / CELL) + MIDDLE));
}

/** Place code of a point as its upper and lower 32 bits. */
export function placeHalves(x: number, y: number, z: number): readonly [high: number, low: number] {
  const [i, j, k] = [cellOf(x), cellOf(y), cellOf(z)];
  const middle = morton7(i, j, k, 7);
  const high = (morton7(i, j, k, 14) << 10) | (middle >>> 11);
  const low = ((middle & 0x7ff) << 21) | morton7(i, j, k, 0);
  return [high >>> 0, low >>> 0];
}

/** Place code of a point. */
export function placeCode(x: number, y: number, z: number): bigint {
  const [high, low] = placeHalves(x, y, z);
  return (BigInt(high) << 32n) | BigInt(low);
}

/** A cube of cells: of level 0 there is one, each level halves the sides. */
interface Node {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/**
 * Ranges of codes that together hold every point of a box, and few others.
 *
 * @returns ascending, apart from each other; none for an empty box.
 */
export function codeRanges(box: SpaceBox): CodeRange[] {
  if (!(box[0] < box[3] && box[1] < box[4] && box[2] < box[5])) return [];
  const low = [cellOf(box[0]), cellOf(box[1]), cellOf(box[2])] as const;
  const high = [lastCell(box[3]), lastCell(box[4]), lastCell(box[5])] as const;
  const ranges: CodeRange[] = [];
  let partial: Node[] = [{ x: 0, y: 0, z: 0 }];
  for (let level = 0; partial.length > 0; level++) {
    const side = 2 ** (LEVELS - level);
    const inside = partial.filter((node) => isInside(node, side, low, high));
    const cut = partial.filter((node) => !inside.includes(node));
    const finer = cut.flatMap((node) => childrenOf(node, side / 2, low, high));
    for (const node of inside) ranges.push(rangeOf(node, side));
    if (ranges.length + finer.length > MOST_RANGES) {
      for (const node of cut) ranges.push(rangeOf(node, side));
      break;
    }
    partial = finer;
  }
  return joined(ranges);
}

/** Cell of the last point before an excluded coordinate. */
function lastCell(coordinate: number): number {
  return Math.min(MAX_CELL, Math.max(0, Math.ceil(coordinate / CELL) - 1 + MIDDLE));
}

type Cell = readonly [number, number, number];

/** @param side of the node's cube in cells; its position is in cells too. */
function isInside({ x, y, z }: Node, side: number, low: Cell, high: Cell): boolean {
  const end = side - 1;
  return x >= low[0] && y >= low[1] && z >= low[2] && x + end <= high[0] && y + end <= high[1] && z + end <= high[2];
}

function childrenOf({ x, y, z }: Node, side: number, low: Cell, high: Cell): Node[] {
  const children: Node[] = [];
  for (let child = 0; child < 8; child++) {
    const node = { x: x + (child & 1) * side, y: y + ((child >> 1) & 1) * side, z: z + (child >> 2) * side };
    const isApart =
      node.x > high[0] ||
      node.y > high[1] ||
      node.z > high[2] ||
      node.x + side <= low[0] ||
      node.y + side <= low[1] ||
      node.z + side <= low[2];
    if (!isApart) children.push(node);
  }
  return children;
}

function rangeOf({ x, y, z }: Node, side: number): CodeRange {
  const first = placeCode((x - MIDDLE) * CELL, (y - MIDDLE) * CELL, (z - MIDDLE) * CELL);
  return { first, last: first + BigInt(side) ** 3n - 1n };
}

/** Ranges in order, those that touch as one. */
function joined(ranges: readonly CodeRange[]): CodeRange[] {
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1));
  const all: CodeRange[] = [];
  for (const range of sorted) {
    const before = all.at(-1);
    if (before !== undefined && before.last + 1n >= range.first)
      all[all.length - 1] = { first: before.first, last: range.last };
    else all.push(range);
  }
  return all;
}

/** Class of sizes of what fills an extent. */
export function sizeClassOf({ low, high }: Extent): number {
  const width = Math.max(high[0] - low[0], high[1] - low[1], high[2] - low[2]);
  let sizeClass = 0;
  while (sizeClass < SIZE_CLASSES - 1 && width >= classWidth(sizeClass)) sizeClass++;
  return sizeClass;
}

function classWidth(sizeClass: number): number {
  return sizeClass === SIZE_CLASSES - 1 ? Infinity : CELL * 8 ** sizeClass;
}

/** The box that holds the lower corners of all of a class that meets a box. */
export function cornersOf([x0, y0, z0, x1, y1, z1]: SpaceBox, sizeClass: number): SpaceBox {
  const width = classWidth(sizeClass);
  return [x0 - width, y0 - width, z0 - width, x1, y1, z1];
}

/** Whether a point lies in a box. */
export function holdsPoint(box: SpaceBox, x: number, y: number, z: number): boolean {
  return x >= box[0] && y >= box[1] && z >= box[2] && x < box[3] && y < box[4] && z < box[5];
}

/** Whether an extent and a box have a point in common. */
export function meets([x0, y0, z0, x1, y1, z1]: SpaceBox, { low, high }: Extent): boolean {
  return high[0] >= x0 && high[1] >= y0 && high[2] >= z0 && low[0] < x1 && low[1] < y1 && low[2] < z1;
}

/** What a row fills: its `point`, or the bounding box of its `points`; undefined where it has no place. */
export function extentOf(row: Row): Extent | undefined {
  const flat = row['points'] ?? row['point'];
  if (!Array.isArray(flat) || flat.length < 3) return undefined;
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i + 2 < flat.length; i += 3)
    for (let axis = 0; axis < 3; axis++) {
      const value = Number(flat[i + axis]);
      if (!Number.isFinite(value)) return undefined;
      low[axis] = Math.min(low[axis] as number, value);
      high[axis] = Math.max(high[axis] as number, value);
    }
  return { low, high };
}
