/** What a brush covers, voxel by voxel, from the definitions alone. */
import type { Box, Vec3 } from '../../../src/client/index.ts';
import type { Brush, SliceAxes, VoxelGrid } from '../../../src/viewer/page/tools/brush.ts';

/** How a voxel lies to a brush: in it, out of it, or so near its edge that rounding decides. */
export type Lies = 'in' | 'out' | 'edge';

const NEAR = 1e-4;

function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function minus(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

/** How far a point is from the way between two others. */
export function distance(p: Vec3, a: Vec3, b: Vec3): number {
  const way = minus(b, a);
  const length = dot(way, way);
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, dot(minus(p, a), way) / length));
  return Math.hypot(...minus(p, [a[0] + t * way[0], a[1] + t * way[1], a[2] + t * way[2]]));
}

function onPlane(p: Vec3, plane: Vec3, normal: Vec3): Vec3 {
  const off = dot(minus(p, plane), normal);
  return [p[0] - off * normal[0], p[1] - off * normal[1], p[2] - off * normal[2]];
}

/** @param on a place on the slice; for slices along the axes the middle of its layer. */
export function lies(
  voxel: Vec3,
  { voxel: size }: VoxelGrid,
  { shape, radius }: Brush,
  from: Vec3,
  to: Vec3,
  [, , normal]: SliceAxes,
  on: Vec3,
): Lies {
  const middle: Vec3 = [(voxel[0] + 0.5) * size[0], (voxel[1] + 0.5) * size[1], (voxel[2] + 0.5) * size[2]];
  if (shape === 'ball') return judge(distance(middle, from, to), radius);
  const half = (Math.abs(normal[0]) * size[0] + Math.abs(normal[1]) * size[1] + Math.abs(normal[2]) * size[2]) / 2;
  const round = judge(
    distance(onPlane(middle, on, normal), onPlane(from, on, normal), onPlane(to, on, normal)),
    radius,
  );
  const flat = judge(Math.abs(dot(minus(middle, on), normal)), half);
  if (round === 'out' || flat === 'out') return 'out';
  return round === 'in' && flat === 'in' ? 'in' : 'edge';
}

function judge(value: number, most: number): Lies {
  if (Math.abs(value - most) < NEAR * (1 + most)) return 'edge';
  return value < most ? 'in' : 'out';
}

/** Every voxel of a box. */
export function* voxelsOf([x0, y0, z0, x1, y1, z1]: Box): Generator<Vec3> {
  for (let z = z0; z < z1; z++) for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) yield [x, y, z];
}
