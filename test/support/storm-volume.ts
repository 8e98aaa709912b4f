/** The volumes that the servers of storms serve: see `storm-child.mjs`. */
import type { Box, Vec3 } from '../../protocol/volume.ts';

/** Path of the segmentation uint64: blocks of 8³, each an id: 1, 2, 3, … along x, y, z. */
export const SEGMENTATION = 'storm/s/d/seg';
/** Its size in voxels, two tiles along x, and its largest id. */
export const SHAPE: Vec3 = [128, 32, 32];
export const MAX_ID = 256;
/** Where two tiles meet: what storms do to voxels they do here. */
export const SEAM: Box = [48, 0, 0, 80, 32, 32];
/** Path of the image of random bytes, where there is one. */
export const NOISE = 'storm/s/d/em';

const BLOCK = 8;

/** Where an ingested id is. */
export function blockOf(id: number): Box {
  const [nx, ny] = [SHAPE[0] / BLOCK, SHAPE[1] / BLOCK];
  const at = id - 1;
  const [x, y, z] = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
  return [x * BLOCK, y * BLOCK, z * BLOCK, (x + 1) * BLOCK, (y + 1) * BLOCK, (z + 1) * BLOCK];
}

/** The segmentation as it was ingested, x fastest. */
export function ingested(): BigUint64Array<ArrayBuffer> {
  const [nx, ny, nz] = SHAPE;
  const ids = new BigUint64Array(nx * ny * nz);
  for (let id = 1; id <= MAX_ID; id++) {
    const [x0, y0, z0, x1, y1, z1] = blockOf(id);
    for (let z = z0; z < z1; z++)
      for (let y = y0; y < y1; y++) ids.fill(BigInt(id), (z * ny + y) * nx + x0, (z * ny + y) * nx + x1);
  }
  return ids;
}
