/** What a brush covers when it is moved in a straight line: a ball, or a disc in the plane of a slice. Voxels may be longer along one axis. Pure. */
import type { Box, Vec3 } from '../../../client/index.ts';
import type { VoxelSet } from './voxel-set.ts';

/** A brush. */
export interface Brush {
  readonly shape: 'ball' | 'disc';
  /** In nm. */
  readonly radius: number;
}

/** Where voxels are. */
export interface VoxelGrid {
  /** Size of a voxel in nm. */
  readonly voxel: Vec3;
  /** All voxels that there are. */
  readonly bounds: Box;
}

/** Unit vectors, in nm, of a slice's right, down and into-the-screen directions. */
export type SliceAxes = readonly [right: Vec3, down: Vec3, into: Vec3];

/** Centres that lie on the edge of a brush are in it, whatever the rounding. In parts of a voxel. */
const EDGE = 1e-6;
/** A direction that differs from an axis by less is that axis. */
const ALONG = 1e-6;

/** The middle of the voxel that a place (nm) lies in. */
export function snap({ voxel }: VoxelGrid, place: Vec3): Vec3 {
  return map3((axis) => (Math.floor(place[axis] / voxel[axis] + 1e-9) + 0.5) * voxel[axis]);
}

/** The axis that a direction runs along; undefined where it is oblique. */
export function axisOf(direction: Vec3): 0 | 1 | 2 | undefined {
  return ([0, 1, 2] as const).find((axis) => Math.abs(direction[axis]) > 1 - ALONG);
}

/**
 * Adds the voxels whose centres a brush meets on its way between two places.
 *
 * A disc is one voxel thick where the slice runs along the axes; else it holds the voxels that the plane of the slice cuts.
 *
 * @param from, to in nm, as `snap` gives them. @param on a place on the slice, nm.
 */
export function sweep(
  set: VoxelSet,
  grid: VoxelGrid,
  brush: Brush,
  from: Vec3,
  to: Vec3,
  axes: SliceAxes,
  on: Vec3,
): void {
  const { voxel, bounds } = grid;
  const shape = new Sweep(grid, brush, from, to, axes, on);
  const [y0, y1] = shape.range(1);
  const [z0, z1] = shape.range(2);
  for (let z = Math.max(z0, bounds[2]); z < Math.min(z1, bounds[5]); z++)
    for (let y = Math.max(y0, bounds[1]); y < Math.min(y1, bounds[4]); y++) {
      const span = shape.span((y + 0.5) * voxel[1], (z + 0.5) * voxel[2]);
      if (span === undefined) continue;
      const x0 = Math.max(bounds[0], Math.ceil(span[0] / voxel[0] - 0.5 - EDGE));
      const x1 = Math.min(bounds[3], Math.floor(span[1] / voxel[0] - 0.5 + EDGE) + 1);
      set.add(x0, x1, y, z);
    }
}

/** Lowest and highest. */
type Span = readonly [number, number];
const EVERYWHERE: Span = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

/** The way of a brush, cut by lines along x. It is convex, so each line has one span in it. */
class Sweep {
  readonly #grid: VoxelGrid;
  readonly #radius: number;
  readonly #normal: Vec3 | undefined;
  /** Distance along the normal from the origin, and half the thickness, nm. */
  readonly #level: number;
  readonly #half: number;
  /** Coordinates in which the brush is round: those of the view for a disc, whose third is 0. */
  readonly #frame: readonly [Vec3, Vec3, Vec3];
  readonly #from: Vec3;
  readonly #to: Vec3;
  readonly #ends: readonly [Vec3, Vec3];

  constructor(grid: VoxelGrid, brush: Brush, from: Vec3, to: Vec3, axes: SliceAxes, on: Vec3) {
    const { voxel } = grid;
    this.#grid = grid;
    this.#radius = brush.radius;
    const [right, down, into] = axes;
    const isFlat = brush.shape === 'disc';
    this.#normal = isFlat ? into : undefined;
    // Where the slice runs along the axes it is a layer of voxels: the one that is shown.
    this.#level = dot(into, axisOf(into) === undefined ? on : snap(grid, on));
    this.#half = isFlat
      ? dot(
          map3((axis) => Math.abs(into[axis])),
          voxel,
        ) / 2
      : 0;
    this.#frame = isFlat
      ? [right, down, [0, 0, 0]]
      : [
          [1, 0, 0],
          [0, 1, 0],
          [0, 0, 1],
        ];
    this.#ends = [from, to];
    this.#from = this.#place(from);
    this.#to = this.#place(to);
  }

  #place(place: Vec3): Vec3 {
    return map3((axis) => dot(this.#frame[axis], place));
  }

  /** Voxels along an axis that may be met. */
  range(axis: 0 | 1 | 2): Span {
    const [a, b] = this.#ends;
    const n = this.#normal?.[axis] ?? 0;
    // The ends may lie half a voxel off the plane.
    const reach = this.#radius * Math.sqrt(Math.max(0, 1 - n * n)) + 2 * this.#half * Math.abs(n);
    const size = this.#grid.voxel[axis];
    const low = Math.min(a[axis], b[axis]) - reach;
    const high = Math.max(a[axis], b[axis]) + reach;
    return [Math.floor(low / size) - 1, Math.ceil(high / size) + 1];
  }

  /** What of the line along x at y, z is covered; all in nm. */
  span(y: number, z: number): Span | undefined {
    const line: Vec3 = [0, y, z];
    const slab = this.#slab(line);
    if (slab === undefined) return undefined;
    const start = this.#place(line);
    const step = this.#place([1, 0, 0]);
    const round = union(
      union(this.#ball(start, step, this.#from), this.#ball(start, step, this.#to)),
      this.#tube(start, step),
    );
    return round === undefined ? undefined : meet(slab, round);
  }

  #slab(line: Vec3): Span | undefined {
    const n = this.#normal;
    if (n === undefined) return EVERYWHERE;
    const off = dot(n, line) - this.#level;
    const half = this.#half + EDGE;
    if (Math.abs(n[0]) < 1e-9) return Math.abs(off) <= half ? EVERYWHERE : undefined;
    return sorted((-half - off) / n[0], (half - off) / n[0]);
  }

  #ball(start: Vec3, step: Vec3, centre: Vec3): Span | undefined {
    const w = minus(start, centre);
    return within(dot(step, step), 2 * dot(w, step), dot(w, w) - this.#radius ** 2);
  }

  /** Where the line is between the ends, and near enough to the way between them. */
  #tube(start: Vec3, step: Vec3): Span | undefined {
    const way = minus(this.#to, this.#from);
    const length = dot(way, way);
    if (length === 0) return undefined;
    const w = minus(start, this.#from);
    const [along, begin] = [dot(step, way), dot(w, way)];
    const between =
      Math.abs(along) < 1e-9 * Math.sqrt(length) ? undefined : sorted(-begin / along, (length - begin) / along);
    if (between === undefined && (begin < 0 || begin > length)) return undefined;
    const near = within(
      dot(step, step) - along ** 2 / length,
      2 * (dot(w, step) - (begin * along) / length),
      dot(w, w) - begin ** 2 / length - this.#radius ** 2,
    );
    return near === undefined ? undefined : meet(near, between ?? EVERYWHERE);
  }
}

/** Where a·x² + b·x + c ≤ 0; a is not below 0. */
function within(a: number, b: number, c: number): Span | undefined {
  if (a < 1e-12) return c <= 1e-9 ? EVERYWHERE : undefined;
  const root = b * b - 4 * a * c;
  if (root < 0) return undefined;
  const half = Math.sqrt(root);
  return [(-b - half) / (2 * a), (-b + half) / (2 * a)];
}

function union(a: Span | undefined, b: Span | undefined): Span | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
}

function meet(a: Span, b: Span): Span | undefined {
  const span: Span = [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
  return span[0] > span[1] ? undefined : span;
}

function sorted(a: number, b: number): Span {
  return a < b ? [a, b] : [b, a];
}

function map3(value: (axis: 0 | 1 | 2) => number): Vec3 {
  return [value(0), value(1), value(2)];
}

function minus(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

/** The product of two vectors. */
export function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
