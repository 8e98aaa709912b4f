/** Arithmetic of half-open boxes. Pure. */
import type { Box, Vec3 } from '../../protocol/volume.ts';

/** The common part of two boxes; undefined where they do not meet. */
export function intersect(a: Box, b: Box): Box | undefined {
  const x0 = Math.max(a[0], b[0]);
  const y0 = Math.max(a[1], b[1]);
  const z0 = Math.max(a[2], b[2]);
  const x1 = Math.min(a[3], b[3]);
  const y1 = Math.min(a[4], b[4]);
  const z1 = Math.min(a[5], b[5]);
  return x0 < x1 && y0 < y1 && z0 < z1 ? [x0, y0, z0, x1, y1, z1] : undefined;
}

/** Whether `outer` holds all of `inner`. */
export function contains(outer: Box, inner: Box): boolean {
  return (
    outer[0] <= inner[0] &&
    outer[1] <= inner[1] &&
    outer[2] <= inner[2] &&
    outer[3] >= inner[3] &&
    outer[4] >= inner[4] &&
    outer[5] >= inner[5]
  );
}

/** Moves a box by a vector. */
export function translate(box: Box, by: Vec3): Box {
  return [box[0] + by[0], box[1] + by[1], box[2] + by[2], box[3] + by[0], box[4] + by[1], box[5] + by[2]];
}

/** Number of voxels of a box, exact up to 2⁵³; 0 for an empty or inside-out box. */
export function boxVolume(box: Box): number {
  return Math.max(0, box[3] - box[0]) * Math.max(0, box[4] - box[1]) * Math.max(0, box[5] - box[2]);
}
