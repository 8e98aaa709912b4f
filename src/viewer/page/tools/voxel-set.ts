/** A set of voxels of mip 0, as runs along x: what a stroke covers. Pure. */

import { type Box, boxShape } from '../../../../protocol/volume.ts';
import { MaskWriter } from '../../../../protocol/voxel-mask.ts';

/** Calls with one run: x0 (first), x1 (behind the last), y, z. */
export type RunVisitor = (x0: number, x1: number, y: number, z: number) => void;

/** Runs of one row, ascending, apart from each other: x0, x1, x0, x1, … */
type Row = number[];

/** Voxels that were added. */
export class VoxelSet {
  readonly #planes = new Map<number, Map<number, Row>>();
  #count = 0;
  #bounds: [number, number, number, number, number, number] | undefined;

  /** Number of voxels. */
  get count(): number {
    return this.#count;
  }

  /** The smallest box that holds all; undefined where there are none. */
  get bounds(): Box | undefined {
    return this.#bounds;
  }

  /** One of them; undefined where there are none. */
  get first(): readonly [x: number, y: number, z: number] | undefined {
    for (const [z, plane] of this.#planes) for (const [y, row] of plane) return [row[0] ?? 0, y, z];
    return undefined;
  }

  /** Adds voxels x0 ≤ x < x1 of a row. */
  add(x0: number, x1: number, y: number, z: number): void {
    if (x1 <= x0) return;
    const plane = this.#planes.get(z) ?? new Map<number, Row>();
    const row = plane.get(y) ?? [];
    if (row.length === 0) this.#planes.set(z, plane.set(y, row));
    this.#count += insert(row, x0, x1);
    this.#grow(x0, x1, y, z);
  }

  has(x: number, y: number, z: number): boolean {
    const row = this.#planes.get(z)?.get(y);
    if (row === undefined) return false;
    for (let at = 0; at < row.length; at += 2) if (x >= (row[at] ?? 0) && x < (row[at + 1] ?? 0)) return true;
    return false;
  }

  /** Visits all runs by z, then y, then x. */
  forEachRun(visit: RunVisitor): void {
    for (const z of [...this.#planes.keys()].sort(ascending)) this.forEachRunOfPlane(z, visit);
  }

  /** Visits the runs of one plane by y, then x. */
  forEachRunOfPlane(z: number, visit: RunVisitor): void {
    const plane = this.#planes.get(z);
    if (plane === undefined) return;
    for (const y of [...plane.keys()].sort(ascending)) this.forEachRunOfRow(y, z, visit);
  }

  /** Visits the runs of one row. */
  forEachRunOfRow(y: number, z: number, visit: RunVisitor): void {
    const row = this.#planes.get(z)?.get(y) ?? [];
    for (let at = 0; at < row.length; at += 2) visit(row[at] ?? 0, row[at + 1] ?? 0, y, z);
  }

  /** The voxels that lie in a box. Owned. */
  within(box: Box): VoxelSet {
    const inside = new VoxelSet();
    for (let z = box[2]; z < box[5]; z++)
      this.forEachRunOfPlane(z, (x0, x1, y) => {
        if (y >= box[1] && y < box[4]) inside.add(Math.max(x0, box[0]), Math.min(x1, box[3]), y, z);
      });
    return inside;
  }

  /** Its mask over a box that holds all of it, rule [E8]. */
  mask(box: Box): Uint8Array {
    const [nx, ny] = boxShape(box);
    const writer = new MaskWriter();
    this.forEachRun((x0, x1, y, z) => {
      const row = ((z - box[2]) * ny + (y - box[1])) * nx - box[0];
      writer.add(row + x0, row + x1);
    });
    return writer.finish();
  }

  #grow(x0: number, x1: number, y: number, z: number): void {
    const b = this.#bounds;
    if (b === undefined) {
      this.#bounds = [x0, y, z, x1, y + 1, z + 1];
      return;
    }
    this.#bounds = [
      Math.min(b[0], x0),
      Math.min(b[1], y),
      Math.min(b[2], z),
      Math.max(b[3], x1),
      Math.max(b[4], y + 1),
      Math.max(b[5], z + 1),
    ];
  }
}

/** Adds a run to a row. @returns how many voxels are new. */
function insert(row: Row, x0: number, x1: number): number {
  let from = 0;
  while (from < row.length && (row[from + 1] ?? 0) < x0) from += 2;
  let [low, high, known, to] = [x0, x1, 0, from];
  while (to < row.length && (row[to] ?? 0) <= x1) {
    const [start, end] = [row[to] ?? 0, row[to + 1] ?? 0];
    known += end - start;
    low = Math.min(low, start);
    high = Math.max(high, end);
    to += 2;
  }
  row.splice(from, to - from, low, high);
  return high - low - known;
}

function ascending(a: number, b: number): number {
  return a - b;
}
