/** Finds boxes in space that are near a place, among very many: a uniform grid of cells, in nanometres. Pure. */
import type { Place } from '../stage.ts';

/** Something with a place. */
export interface Placed {
  readonly low: Place;
  readonly high: Place;
}

/** Items that a cell shall hold, about. */
const PER_CELL = 8;
/** What would stand in more cells than this is kept aside. */
const MAX_CELLS = 27;
/** Cells are counted from -REACH to REACH along each axis; what is beyond stands in the outermost. */
const REACH = 1 << 16;
const SPAN = 2 * REACH + 1;

type Cell = readonly [number, number, number];

/** The edge of cells, nm, for `count` items that fill a box. */
export function cellSize(count: number, low: Place, high: Place): number {
  const edges = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
  const longest = Math.max(...edges.filter(Number.isFinite), 1);
  const wanted = Math.max(1, count / PER_CELL);
  let size = longest;
  // Flat and long boxes need finer cells than cubes do.
  const cells = (): number => edges.reduce((product, edge) => product * Math.max(1, Math.ceil(edge / size)), 1);
  while (cells() < wanted && longest / size < REACH / 2) size /= 1.25;
  return size;
}

/** The items, in a grid whose cells have a fixed size. */
export class GridIndex<T extends Placed> {
  readonly #size: number;
  readonly #cells = new Map<number, Set<T>>();
  /** Items that are larger than a few cells. */
  readonly #large = new Set<T>();
  readonly #low: [number, number, number] = [REACH, REACH, REACH];
  readonly #high: [number, number, number] = [-REACH, -REACH, -REACH];
  #count = 0;

  /** @param size edge of a cell, nm, above 0. */
  constructor(size: number) {
    this.#size = size;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds an item that is not there. */
  add(item: T): void {
    this.#count++;
    const cells = this.#cellsOf(item);
    if (cells === undefined) {
      this.#large.add(item);
      return;
    }
    for (const cell of cells) {
      const number = numberOf(cell);
      const items = this.#cells.get(number);
      if (items === undefined) this.#cells.set(number, new Set([item]));
      else items.add(item);
      for (const axis of [0, 1, 2] as const) {
        this.#low[axis] = Math.min(this.#low[axis], cell[axis]);
        this.#high[axis] = Math.max(this.#high[axis], cell[axis]);
      }
    }
  }

  /** Removes an item that is there. */
  remove(item: T): void {
    this.#count--;
    const cells = this.#cellsOf(item);
    if (cells === undefined) this.#large.delete(item);
    for (const cell of cells ?? []) {
      const number = numberOf(cell);
      const items = this.#cells.get(number);
      items?.delete(item);
      if (items?.size === 0) this.#cells.delete(number);
    }
  }

  /**
   * Items that meet a box, those near its middle first, at most about `limit`: the search goes outward cell by cell and ends with the shell
   * in which there are enough; the nearest of those are given.
   */
  near({ low, high }: Placed, limit: number): T[] {
    const found = new Set<T>();
    const take = (item: T): void => {
      if (meets(item, low, high)) found.add(item);
    };
    for (const item of this.#large) take(item);
    const middle: Place = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2];
    const from = this.#cellOf(low).map((c, axis) => Math.max(c, this.#low[axis] ?? c));
    const to = this.#cellOf(high).map((c, axis) => Math.min(c, this.#high[axis] ?? c));
    const cells = from.reduce((product, c, axis) => product * Math.max(0, (to[axis] ?? c) - c + 1), 1);
    // One item far away makes for very many empty cells.
    if (cells > 4 * this.#cells.size + MAX_CELLS)
      for (const items of this.#cells.values()) for (const item of items) take(item);
    else if (cells > 0)
      this.#visitOutward(this.#cellOf(middle), from, to, (items) => {
        for (const item of items) take(item);
        return found.size >= limit;
      });
    return nearest([...found], middle, limit);
  }

  /** Visits cells shell by shell around one. @param visit tells whether that is enough: the shell is ended all the same. */
  #visitOutward(around: Cell, from: readonly number[], to: readonly number[], visit: (items: Set<T>) => boolean): void {
    const edge = (axis: number, radius: number): [number, number] => [
      Math.max(from[axis] ?? 0, (around[axis] ?? 0) - radius),
      Math.min(to[axis] ?? 0, (around[axis] ?? 0) + radius),
    ];
    const distance = (axis: number, end: readonly number[]): number => Math.abs((end[axis] ?? 0) - (around[axis] ?? 0));
    const last = Math.max(...[0, 1, 2].map((axis) => Math.max(distance(axis, from), distance(axis, to))));
    for (let radius = 0; radius <= last; radius++) {
      const [[x0, x1], [y0, y1], [z0, z1]] = [edge(0, radius), edge(1, radius), edge(2, radius)];
      let isEnough = false;
      for (let x = x0; x <= x1; x++)
        for (let y = y0; y <= y1; y++) {
          const isRim = Math.abs(x - around[0]) === radius || Math.abs(y - around[1]) === radius;
          // Inside the shell only its two lids are new.
          const step = isRim || radius === 0 ? 1 : 2 * radius;
          const first = isRim ? z0 : around[2] - radius;
          for (let z = first; z <= z1; z += step) {
            const items = z < z0 ? undefined : this.#cells.get(numberOf([x, y, z]));
            if (items !== undefined && visit(items)) isEnough = true;
          }
        }
      if (isEnough) return;
    }
  }

  #cellOf(place: Place): Cell {
    const at = (value: number): number => Math.max(-REACH, Math.min(REACH, Math.floor(value / this.#size)));
    return [at(place[0]), at(place[1]), at(place[2])];
  }

  /** Undefined where there are too many. */
  #cellsOf({ low, high }: Placed): Cell[] | undefined {
    const [from, to] = [this.#cellOf(low), this.#cellOf(high)];
    if ((to[0] - from[0] + 1) * (to[1] - from[1] + 1) * (to[2] - from[2] + 1) > MAX_CELLS) return undefined;
    const cells: Cell[] = [];
    for (let x = from[0]; x <= to[0]; x++)
      for (let y = from[1]; y <= to[1]; y++) for (let z = from[2]; z <= to[2]; z++) cells.push([x, y, z]);
    return cells;
  }
}

function numberOf([x, y, z]: Cell): number {
  return ((x + REACH) * SPAN + (y + REACH)) * SPAN + (z + REACH);
}

function meets(item: Placed, low: Place, high: Place): boolean {
  return (
    item.low[0] <= high[0] &&
    item.high[0] >= low[0] &&
    item.low[1] <= high[1] &&
    item.high[1] >= low[1] &&
    item.low[2] <= high[2] &&
    item.high[2] >= low[2]
  );
}

/** The `limit` items nearest to a place, by their boxes, the nearest first. */
export function nearest<T extends Placed>(items: readonly T[], place: Place, limit: number): T[] {
  if (items.length <= limit) return [...items];
  return items
    .map((item) => ({ item, distance: distanceTo(item, place) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map(({ item }) => item);
}

/** Squared. */
function distanceTo({ low, high }: Placed, place: Place): number {
  let sum = 0;
  for (const axis of [0, 1, 2] as const) {
    const away = Math.max(low[axis] - place[axis], place[axis] - high[axis], 0);
    sum += away * away;
  }
  return sum;
}
