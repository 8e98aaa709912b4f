/** Coarser voxels one by one, as rule [E27] states them: the oracle for what the server builds. */
import type { Vec3, VolumeType, VoxelArray } from '../../protocol/volume.ts';

/**
 * One voxel of a level, made from the whole level below.
 *
 * @param finer voxels of the level below, x fastest; `shape` is its size.
 * @param factors finer voxels per coarser one along x, y, z.
 * @returns images: the mean, rounded half up; segmentations: the most frequent value, among equals the smallest that is not 0.
 */
export function naiveVoxel(
  finer: VoxelArray,
  shape: Vec3,
  factors: Vec3,
  type: VolumeType,
  [x, y, z]: Vec3,
): number | bigint {
  const [nx, ny, nz] = shape;
  const [fx, fy, fz] = factors;
  const values: (number | bigint)[] = [];
  for (let k = z * fz; k < Math.min(nz, (z + 1) * fz); k++)
    for (let j = y * fy; j < Math.min(ny, (y + 1) * fy); j++)
      for (let i = x * fx; i < Math.min(nx, (x + 1) * fx); i++)
        values.push(finer[(k * ny + j) * nx + i] as number | bigint); // inside the level
  return type === 'image' ? mean(values) : mode(values);
}

function mean(values: readonly (number | bigint)[]): number {
  return Math.floor(values.reduce((sum: number, value) => sum + Number(value), 0) / values.length + 0.5);
}

function mode(values: readonly (number | bigint)[]): number | bigint {
  const votes = new Map<number | bigint, number>();
  for (const value of values) votes.set(value, (votes.get(value) ?? 0) + 1);
  const most = Math.max(...votes.values());
  const winners = [...votes.keys()].filter((value) => votes.get(value) === most);
  const segments = winners.filter((value) => Number(value) !== 0).sort((a, b) => (a < b ? -1 : 1));
  return segments[0] ?? winners[0] ?? 0;
}
