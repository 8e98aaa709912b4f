/** How the voxels of a channel lie on a slice panel, and which of a set are to be seen there. Pure. */
import type { Vec3 } from '../../../client/index.ts';
import { axisOf, dot, type SliceAxes } from './brush.ts';
import type { VoxelSet } from './voxel-set.ts';

/** A panel as far as it matters here: places in nm. */
export interface SliceView {
  readonly axes: SliceAxes;
  readonly nmPerPixel: number;
  /** The place at the left and top edge of the panel. */
  readonly origin: Vec3;
}

/** A panel that shows one layer of voxels: how voxel coordinates of two axes become pixels. */
export interface LayerFrame {
  /** The axis that is looked along, and the layer that is seen. */
  readonly across: 0 | 1 | 2;
  readonly layer: number;
  /** The other axes. */
  readonly u: 0 | 1 | 2;
  readonly v: 0 | 1 | 2;
  /** As a canvas takes it: x = a·u + c·v + e, y = b·u + d·v + f. */
  readonly transform: readonly [a: number, b: number, c: number, d: number, e: number, f: number];
}

/** The frame of a panel that looks along an axis; undefined for an oblique one. */
export function layerFrame({ axes, nmPerPixel, origin }: SliceView, voxel: Vec3): LayerFrame | undefined {
  const [right, down, into] = axes;
  const across = axisOf(into);
  if (across === undefined) return undefined;
  const [u, v] = (
    [
      [1, 2],
      [0, 2],
      [0, 1],
    ] as const
  )[across];
  const layer = Math.floor(origin[across] / voxel[across] + 1e-6);
  const scale = (direction: Vec3, axis: 0 | 1 | 2): number => (direction[axis] * voxel[axis]) / nmPerPixel;
  const transform = [
    scale(right, u),
    scale(down, u),
    scale(right, v),
    scale(down, v),
    -(right[u] * origin[u] + right[v] * origin[v]) / nmPerPixel,
    -(down[u] * origin[u] + down[v] * origin[v]) / nmPerPixel,
  ] as const;
  return { across, layer, u, v, transform };
}

/** Visits rectangles of the frame's u and v, disjoint, that are the voxels of a set in its layer. */
export function forEachRectangle(
  set: VoxelSet,
  { across, layer }: LayerFrame,
  visit: (u0: number, v0: number, u1: number, v1: number) => void,
): void {
  const { bounds } = set;
  if (bounds === undefined) return;
  if (across === 2) {
    set.forEachRunOfPlane(layer, (x0, x1, y) => visit(x0, y, x1, y + 1));
    return;
  }
  for (let z = bounds[2]; z < bounds[5]; z++)
    if (across === 1) set.forEachRunOfRow(layer, z, (x0, x1) => visit(x0, z, x1, z + 1));
    else
      set.forEachRunOfPlane(z, (x0, x1, y) => {
        if (layer >= x0 && layer < x1) visit(y, z, y + 1, z + 1);
      });
}

/** Where a brush touches a panel: a circle or a line of this length, in pixels. */
export interface BrushMark {
  readonly kind: 'circle' | 'line';
  readonly x: number;
  readonly y: number;
  /** Half its size. */
  readonly radius: number;
  /** Of a line: how it lies, radians. */
  readonly angle: number;
}

/**
 * The mark of a brush at a place on a panel.
 *
 * @param into the direction into the slice on which the brush paints. @param thickness of that slice, nm.
 */
export function brushMark(
  { axes, nmPerPixel, origin }: SliceView,
  brush: { readonly shape: 'ball' | 'disc'; readonly radius: number },
  centre: Vec3,
  into: Vec3,
  thickness: number,
): BrushMark | undefined {
  const [right, down, normal] = axes;
  const off: Vec3 = [centre[0] - origin[0], centre[1] - origin[1], centre[2] - origin[2]];
  const depth = dot(off, normal);
  const [x, y] = [dot(off, right) / nmPerPixel, dot(off, down) / nmPerPixel];
  const isFacing = Math.abs(dot(into, normal)) > 0.99;
  if (brush.shape === 'disc' && isFacing)
    return Math.abs(depth) <= thickness / 2 + 1e-6
      ? { kind: 'circle', x, y, radius: brush.radius / nmPerPixel, angle: 0 }
      : undefined;
  if (Math.abs(depth) >= brush.radius) return undefined;
  const radius = Math.sqrt(brush.radius ** 2 - depth ** 2) / nmPerPixel;
  if (brush.shape === 'ball') return { kind: 'circle', x, y, radius, angle: 0 };
  const [a, b] = [dot(into, right), dot(into, down)];
  return { kind: 'line', x, y, radius, angle: Math.atan2(a, -b) };
}
