/** Voxels of arrays of any order of axes, put in ours. */
import type { Vec3 } from '../../protocol/volume.ts';

/** Where voxels are in an array: the first, and the steps to the next along x, y, z, all counted in voxels. */
export interface Strides {
  readonly start: number;
  readonly steps: Vec3;
}

/**
 * Copies a box of an array.
 *
 * @param source the array; borrowed, and given back where it is just what is wanted.
 * @param voxelBytes 1, 2, 4 or 8.
 * @param shape of the box, from `start` on.
 * @returns voxels, x fastest: owned where the source was.
 */
export function copyStrided(source: Uint8Array, voxelBytes: number, strides: Strides, shape: Vec3): Uint8Array {
  const { start, steps } = strides;
  const [nx, ny, nz] = shape;
  const bytes = nx * ny * nz * voxelBytes;
  const isOurs = steps[0] === 1 && (ny === 1 || steps[1] === nx) && (nz === 1 || steps[2] === nx * ny);
  // Of its own buffer, for whoever moves it to another thread.
  if (isOurs && start === 0 && source.length === bytes && source.buffer.byteLength === bytes) return source;
  const out = new Uint8Array(bytes);
  if (steps[0] === 1) copyRows(source, voxelBytes, strides, shape, out);
  else copyVoxels(source, voxelBytes, strides, shape, out);
  return out;
}

function copyRows(
  source: Uint8Array,
  voxelBytes: number,
  { start, steps }: Strides,
  shape: Vec3,
  out: Uint8Array,
): void {
  const [nx, ny, nz] = shape;
  const rowBytes = nx * voxelBytes;
  let to = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++, to += rowBytes) {
      const from = (start + y * steps[1] + z * steps[2]) * voxelBytes;
      out.set(source.subarray(from, from + rowBytes), to);
    }
}

/** By words: as numbers of fraction some patterns of bits would change on the way. */
function copyVoxels(
  source: Uint8Array,
  voxelBytes: number,
  { start, steps }: Strides,
  shape: Vec3,
  out: Uint8Array,
): void {
  const words = voxelBytes === 8 ? 2 : 1;
  const from = wordsOf(source, voxelBytes);
  const to = wordsOf(out, voxelBytes);
  const [sx, sy, sz] = [steps[0] * words, steps[1] * words, steps[2] * words];
  const [nx, ny, nz] = shape;
  let t = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++) {
      let s = start * words + y * sy + z * sz;
      for (let x = 0; x < nx; x++, s += sx) {
        to[t++] = from[s] as number;
        if (words === 2) to[t++] = from[s + 1] as number;
      }
    }
}

function wordsOf(bytes: Uint8Array, voxelBytes: number): Uint8Array | Uint16Array | Uint32Array {
  if (voxelBytes === 1) return bytes;
  const aligned = bytes.byteOffset % Math.min(4, voxelBytes) === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset, byteLength } = aligned;
  return voxelBytes === 2
    ? new Uint16Array(buffer, byteOffset, byteLength >>> 1)
    : new Uint32Array(buffer, byteOffset, byteLength >>> 2);
}
