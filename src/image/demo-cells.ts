/** Cells out of nothing: a Voronoi diagram, stretched into neurites and warped. A function of coordinates and seed alone. */
import type { Box, Vec3 } from '../../protocol/volume.ts';
import { hashPoint, SmoothNoise } from './demo-noise.ts';

/** Typical size of a cell along its own three axes, voxels: neurites are long. */
const CELL: Vec3 = [46, 46, 190];
/** The cells' axes, a rotation: otherwise the slices would cut all of them alike. */
const AXES: readonly [Vec3, Vec3, Vec3] = [
  [0.8, -0.36, -0.48],
  [0, 0.8, -0.6],
  [0.6, 0.48, 0.64],
];
/** How far noise moves a point, voxels. */
const LARGE_WARP = 34;
const SMALL_WARP = 3.5;
const WARP_REACH = LARGE_WARP + SMALL_WARP;
/** Parts of a lattice place along each axis that have lists of their own. */
const PARTS = 4;
/** Numbers of a list's entry: place, weight and number of a cell. */
const ENTRY = 5;
const ID_BITS = 10;
const ID_MASK = (1 << ID_BITS) - 1;

/** What a row of voxels is part of. */
export interface AnatomyRow {
  /** Number of the cell among those of the box. */
  readonly cell: Int32Array;
  /** Distance to the nearest border between cells, voxels. */
  readonly border: Float64Array;
  /** Places after the warp, along the cells' axes, voxels. */
  readonly u: Float64Array;
  readonly v: Float64Array;
  readonly w: Float64Array;
}

/** The cells that a box can meet: a lattice of points, each moved at random within its place. */
export interface Cells {
  readonly from: readonly [number, number, number];
  readonly counts: readonly [number, number, number];
  /** Place of the point in units of the lattice. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
  /** How much larger than its neighbours it is, squared units. */
  readonly weight: Float64Array;
  readonly hash: Uint32Array;
  readonly idLow: Uint32Array;
  readonly idHigh: Uint32Array;
}

function placeCells(seed: number, box: Box): Cells {
  const bounds = ([0, 1, 2] as const).map((axis) => latticeBounds(axis, box));
  const from = bounds.map(([first]) => first) as unknown as [number, number, number];
  const counts = bounds.map(([first, last]) => last - first + 1) as unknown as [number, number, number];
  const total = counts[0] * counts[1] * counts[2];
  const cells: Cells = {
    from,
    counts,
    x: new Float64Array(total),
    y: new Float64Array(total),
    z: new Float64Array(total),
    weight: new Float64Array(total),
    hash: new Uint32Array(total),
    idLow: new Uint32Array(total),
    idHigh: new Uint32Array(total),
  };
  let at = 0;
  for (let k = from[2]; k < from[2] + counts[2]; k++)
    for (let j = from[1]; j < from[1] + counts[1]; j++)
      for (let i = from[0]; i < from[0] + counts[0]; i++) placeCell(cells, at++, seed, i, j, k);
  return cells;
}

function placeCell(cells: Cells, at: number, seed: number, i: number, j: number, k: number): void {
  const hash = hashPoint(seed, i, j, k);
  const more = hashPoint(seed ^ 0x5bd1_e995, i, j, k);
  const jitter = (bits: number): number => 0.12 + (0.76 * (bits & 0x3ff)) / 0x3ff;
  cells.x[at] = i + jitter(hash);
  cells.y[at] = j + jitter(hash >>> 10);
  cells.z[at] = k + jitter(hash >>> 20);
  cells.weight[at] = (0.3 * (more & 0xff)) / 0xff;
  cells.hash[at] = more;
  // The low half is unique for a thousand cells along each axis; every third id does not fit 32 bits.
  cells.idLow[at] = 1 + ((i & ID_MASK) | ((j & ID_MASK) << ID_BITS) | ((k & ID_MASK) << (2 * ID_BITS)));
  cells.idHigh[at] = more % 3 === 0 ? 1 + ((more >>> 24) & 0x0f) : 0;
}

/** First and last lattice place along an axis that the voxels of a box can ask for. */
function latticeBounds(axis: 0 | 1 | 2, box: Box): [number, number] {
  const [a, b, c] = AXES[axis];
  const low = Math.min(a * box[0], a * box[3]) + Math.min(b * box[1], b * box[4]) + Math.min(c * box[2], c * box[5]);
  const high = Math.max(a * box[0], a * box[3]) + Math.max(b * box[1], b * box[4]) + Math.max(c * box[2], c * box[5]);
  const reach = WARP_REACH * (Math.abs(a) + Math.abs(b) + Math.abs(c));
  return [Math.floor((low - reach) / CELL[axis]) - 1, Math.floor((high + reach) / CELL[axis]) + 1];
}

/** Which cell each voxel of a box is in, row by row. */
export class Anatomy {
  readonly cells: Cells;
  readonly row: AnatomyRow;
  readonly #box: Box;
  readonly #large: readonly SmoothNoise[];
  readonly #small: readonly SmoothNoise[];
  readonly #shift: Float64Array[];
  readonly #scratch: Float64Array;
  readonly #lists = new Map<number, Float64Array>();
  #list: Float64Array = new Float64Array(0);
  #listKey = -1;

  constructor(seed: number, box: Box) {
    const width = box[3] - box[0];
    this.#box = box;
    this.cells = placeCells(hashPoint(seed, 1, 0, 0), box);
    this.#large = [0, 1, 2].map((axis) => new SmoothNoise(hashPoint(seed, 2, axis, 0), 110, box));
    this.#small = [0, 1, 2].map((axis) => new SmoothNoise(hashPoint(seed, 3, axis, 0), 17, box));
    this.#shift = [0, 1, 2].map(() => new Float64Array(width));
    this.#scratch = new Float64Array(width);
    this.row = {
      cell: new Int32Array(width),
      border: new Float64Array(width),
      u: new Float64Array(width),
      v: new Float64Array(width),
      w: new Float64Array(width),
    };
  }

  readRow(y: number, z: number): void {
    this.#warp(y, z);
    this.#turn(y, z);
    const { u, v, w, cell, border } = this.row;
    for (let i = 0; i < cell.length; i++)
      this.#find((u[i] as number) / CELL[0], (v[i] as number) / CELL[1], (w[i] as number) / CELL[2], i, cell, border);
  }

  #warp(y: number, z: number): void {
    for (let axis = 0; axis < 3; axis++) {
      const shift = this.#shift[axis] as Float64Array;
      (this.#large[axis] as SmoothNoise).fillRow(y, z, shift);
      (this.#small[axis] as SmoothNoise).fillRow(y, z, this.#scratch);
      for (let i = 0; i < shift.length; i++)
        shift[i] = LARGE_WARP * (shift[i] as number) + SMALL_WARP * (this.#scratch[i] as number);
    }
  }

  #turn(y: number, z: number): void {
    const [dx, dy, dz] = this.#shift as [Float64Array, Float64Array, Float64Array];
    const [[a, b, c], [d, e, f], [g, h, k]] = AXES;
    const { u, v, w } = this.row;
    for (let i = 0; i < u.length; i++) {
      const px = this.#box[0] + i + (dx[i] as number);
      const py = y + (dy[i] as number);
      const pz = z + (dz[i] as number);
      u[i] = a * px + b * py + c * pz;
      v[i] = d * px + e * py + f * pz;
      w[i] = g * px + h * py + k * pz;
    }
  }

  /** The cell whose point is nearest, by the power distance, and the distance to the face between it and the second nearest. */
  #find(x: number, y: number, z: number, i: number, cell: Int32Array, border: Float64Array): void {
    this.#enter(Math.floor(x * PARTS), Math.floor(y * PARTS), Math.floor(z * PARTS));
    const list = this.#list;
    let first = 0;
    let second = 0;
    let nearest = Number.MAX_VALUE;
    let next = Number.MAX_VALUE;
    for (let n = 0; n < list.length; n += ENTRY) {
      const dx = (list[n] as number) - x;
      const dy = (list[n + 1] as number) - y;
      const dz = (list[n + 2] as number) - z;
      const distance = dx * dx + dy * dy + dz * dz - (list[n + 3] as number);
      if (distance < nearest) {
        next = nearest;
        second = first;
        nearest = distance;
        first = n;
      } else if (distance < next) {
        next = distance;
        second = n;
      }
    }
    const gx = ((list[second] as number) - (list[first] as number)) / CELL[0];
    const gy = ((list[second + 1] as number) - (list[first + 1] as number)) / CELL[1];
    const gz = ((list[second + 2] as number) - (list[first + 2] as number)) / CELL[2];
    cell[i] = list[first + 4] as number;
    border[i] = (next - nearest) / (2 * Math.sqrt(gx * gx + gy * gy + gz * gz));
  }

  /** Makes the list of a part of the lattice the one at hand. */
  #enter(px: number, py: number, pz: number): void {
    const [i0, j0, k0] = this.cells.from;
    const [nx, ny] = this.cells.counts;
    const key = px - i0 * PARTS + nx * PARTS * (py - j0 * PARTS + ny * PARTS * (pz - k0 * PARTS));
    if (key === this.#listKey) return;
    this.#listKey = key;
    let list = this.#lists.get(key);
    if (list === undefined) {
      list = listCells(this.cells, px, py, pz);
      this.#lists.set(key, list);
    }
    this.#list = list;
  }
}

/** Of the 27 cells around a part of the lattice those that can be nearest or second nearest to some point of it: mostly five or six. */
function listCells(cells: Cells, px: number, py: number, pz: number): Float64Array {
  const low: Vec3 = [px / PARTS, py / PARTS, pz / PARTS];
  const high: Vec3 = [(px + 1) / PARTS, (py + 1) / PARTS, (pz + 1) / PARTS];
  const around = neighbours(cells, low).map((n) => {
    const point: Vec3 = [cells.x[n] as number, cells.y[n] as number, cells.z[n] as number];
    const weight = cells.weight[n] as number;
    return { n, point, weight, ...distances(point, weight, low, high) };
  });
  const secondFarthest = around.map(({ farthest }) => farthest).sort((a, b) => a - b)[1] as number;
  const possible = around.filter(({ nearest }) => nearest <= secondFarthest);
  return Float64Array.from(possible.flatMap(({ n, point, weight }) => [...point, weight, n]));
}

function neighbours(cells: Cells, place: Vec3): number[] {
  const [nx, ny] = cells.counts;
  const [i, j, k] = place.map((at, axis) => Math.floor(at) - (cells.from[axis] as number)) as [number, number, number];
  const numbers: number[] = [];
  for (let dk = -1; dk <= 1; dk++)
    for (let dj = -1; dj <= 1; dj++)
      for (let di = -1; di <= 1; di++) numbers.push(i + di + nx * (j + dj + ny * (k + dk)));
  return numbers;
}

/** Smallest and largest power distance between a cell's point and the points of a box. */
function distances(point: Vec3, weight: number, low: Vec3, high: Vec3): { nearest: number; farthest: number } {
  let nearest = -weight;
  let farthest = -weight;
  for (const axis of [0, 1, 2] as const) {
    const below = low[axis] - point[axis];
    const above = point[axis] - high[axis];
    nearest += Math.max(below, above, 0) ** 2;
    farthest += Math.max(Math.abs(below), Math.abs(above)) ** 2;
  }
  return { nearest, farthest };
}
