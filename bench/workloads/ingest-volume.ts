/** An EM-like volume of uint8 as an uncompressed Zarr array: smooth blobs, membranes and the noise of a detector. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Voxels along each axis of a stored chunk. */
export const CHUNK_SIDE = 64;
/** Smooth structure repeats after so many voxels; the noise over it does not line up with that. */
const PERIOD = 128;
const NOISE_BYTES = 2 ** 22;

/**
 * Writes the volume.
 *
 * @param folder made; holds `.zarray`, dimensions z, y, x, one file a chunk.
 * @param side voxels along each axis, a multiple of 64.
 */
export async function writeVolume(folder: string, side: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const chunks = [CHUNK_SIDE, CHUNK_SIDE, CHUNK_SIDE];
  const meta = { zarr_format: 2, shape: [side, side, side], chunks, dtype: '|u1', order: 'C', fill_value: 0 };
  await writeFile(
    path.join(folder, '.zarray'),
    JSON.stringify({ ...meta, compressor: null, filters: null, dimension_separator: '.' }),
  );
  const tissue = makeTissue();
  const noise = makeNoise();
  const chunk = new Uint8Array(CHUNK_SIDE ** 3);
  const count = side / CHUNK_SIDE;
  let number = 0;
  for (let z = 0; z < count; z++)
    for (let y = 0; y < count; y++)
      for (let x = 0; x < count; x++) {
        fillChunk(chunk, [x, y, z], tissue, noise.subarray((number++ * 104_729) % (NOISE_BYTES - chunk.length)));
        const file = await open(path.join(folder, `${z}.${y}.${x}`), 'w');
        await file.write(chunk);
        await file.close();
      }
}

function fillChunk(chunk: Uint8Array, at: readonly number[], tissue: Uint8Array, noise: Uint8Array): void {
  const [x0 = 0, y0 = 0, z0 = 0] = at.map((index) => (index * CHUNK_SIDE) % PERIOD);
  for (let z = 0, i = 0; z < CHUNK_SIDE; z++)
    for (let y = 0; y < CHUNK_SIDE; y++) {
      const row = ((z0 + z) * PERIOD + y0 + y) * PERIOD + x0;
      for (let x = 0; x < CHUNK_SIDE; x++, i++) chunk[i] = (tissue[row + x] as number) + (noise[i] as number);
    }
}

/** Values 40..200, periodic. */
function makeTissue(): Uint8Array {
  const wave = Array.from({ length: PERIOD }, (_, i) => Math.sin((2 * Math.PI * i) / PERIOD));
  const at = (i: number): number => wave[i % PERIOD] as number;
  const voxels = new Uint8Array(PERIOD ** 3);
  for (let z = 0, i = 0; z < PERIOD; z++)
    for (let y = 0; y < PERIOD; y++)
      for (let x = 0; x < PERIOD; x++, i++) {
        const field = at(2 * x + y) + at(3 * y + z) + at(2 * z + 3 * x);
        // Where the field passes 0 there is a dark membrane.
        voxels[i] = Math.abs(field) < 0.15 ? 40 : 140 + 20 * field;
      }
  return voxels;
}

/** Values 0..31, about normal. */
function makeNoise(): Uint8Array {
  const noise = new Uint8Array(NOISE_BYTES);
  let state = 12_345;
  for (let i = 0; i < noise.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    noise[i] = ((state >>> 8) & 7) + ((state >>> 14) & 15) + ((state >>> 22) & 7);
  }
  return noise;
}
