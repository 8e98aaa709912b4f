/** Files with volumes whose voxels a test knows. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type DType, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { tiffChunks } from '../../src/utility/tiff.ts';
import { seededRandom } from './seed.ts';

/** A volume in memory. */
export interface KnownVolume {
  readonly dtype: DType;
  readonly shape: Vec3;
  /** x fastest, little-endian. */
  readonly bytes: Uint8Array;
}

/** Grey values that differ from voxel to voxel and repeat nowhere soon. */
export function greyVolume(shape: Vec3, seed = 1): KnownVolume {
  const random = seededRandom(seed);
  const bytes = Uint8Array.from({ length: volumeOf(shape) }, () => Math.floor(random() * 256));
  return { dtype: 'uint8', shape, bytes };
}

/** Labels in boxes of `cell` voxels; some are background. */
export function labelVolume(shape: Vec3, cell: Vec3, seed = 1): KnownVolume {
  const random = seededRandom(seed);
  const cells = shape.map((size, axis) => Math.ceil(size / (cell[axis] ?? 1)));
  const [cx = 1, cy = 1, cz = 1] = cells;
  const ids = Uint32Array.from({ length: cx * cy * cz }, () => (random() < 0.1 ? 0 : Math.floor(random() * 2 ** 32)));
  const voxels = new Uint32Array(volumeOf(shape));
  let n = 0;
  for (let z = 0; z < shape[2]; z++)
    for (let y = 0; y < shape[1]; y++)
      for (let x = 0; x < shape[0]; x++) {
        const [i, j, k] = [Math.floor(x / cell[0]), Math.floor(y / cell[1]), Math.floor(z / cell[2])];
        voxels[n++] = ids[(k * cy + j) * cx + i] ?? 0;
      }
  return { dtype: 'uint32', shape, bytes: new Uint8Array(voxels.buffer) };
}

/** Writes a volume as a TIFF of several pages. */
export async function writeTiff(file: string, { dtype, shape, bytes }: KnownVolume): Promise<void> {
  async function* planes(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of tiffChunks({ dtype, shape, voxel: [4, 4, 40] }, planes())) chunks.push(chunk.slice());
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, Buffer.concat(chunks));
}

/** Voxels of a box that is inside the volume, x fastest. */
export function cutVolume({ shape, bytes }: KnownVolume, box: readonly number[], voxelBytes: number): Uint8Array {
  const [x0 = 0, y0 = 0, z0 = 0, x1 = 0, y1 = 0, z1 = 0] = box;
  const rows: Uint8Array[] = [];
  for (let z = z0; z < z1; z++)
    for (let y = y0; y < y1; y++) {
      const row = (z * shape[1] + y) * shape[0];
      rows.push(bytes.subarray((row + x0) * voxelBytes, (row + x1) * voxelBytes));
    }
  return Buffer.concat(rows);
}
