/** Writes small pictures: tiles of grids and slices of stacks. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import h5wasm, { ready } from 'h5wasm/node';
import sharp from 'sharp';
import type { DType } from '../../protocol/volume.ts';
import { writeTiff } from '../../src/image/tiff-picture.ts';

/** Pixels of a picture, rows from the top. */
export type Pixels = Uint8Array | Uint16Array | Int32Array | Uint32Array | BigUint64Array;

const H5_TYPES = { uint8: '<B', uint16: '<H', int32: '<i', uint32: '<I', uint64: '<Q' } as const;

function dtypeOf(pixels: Pixels): keyof typeof H5_TYPES {
  if (pixels instanceof Uint8Array) return 'uint8';
  if (pixels instanceof Uint16Array) return 'uint16';
  if (pixels instanceof Int32Array) return 'int32';
  return pixels instanceof Uint32Array ? 'uint32' : 'uint64';
}

/** Writes a file by its ending, in folders that are made as needed. */
export async function writePicture(file: string, pixels: Pixels, width: number): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const height = pixels.length / width;
  const dtype = dtypeOf(pixels);
  const ending = extname(file);
  if (ending === '.h5' || ending === '.hdf5') {
    await ready;
    const created = new h5wasm.File(file, 'w');
    created.create_dataset({ name: 'IdMap', data: pixels, shape: [height, width], dtype: H5_TYPES[dtype] });
    created.close();
  } else if (ending === '.tif') {
    const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    writeFileSync(file, writeTiff(bytes, width, height, dtype satisfies DType, 1));
  } else {
    if (!(pixels instanceof Uint8Array || pixels instanceof Uint16Array)) throw new Error(`${ending} of ${dtype}`);
    const image = sharp(pixels, { raw: { width, height, channels: 1 } });
    const grey = image.toColourspace(pixels instanceof Uint16Array ? 'grey16' : 'b-w');
    writeFileSync(file, await (ending === '.png' ? grey.png() : grey.jpeg({ quality: 100 })).toBuffer());
  }
}

/** Pixels of one value. */
export function flat<T extends Pixels>(pixels: T, value: number): T {
  for (let i = 0; i < pixels.length; i++) pixels[i] = pixels instanceof BigUint64Array ? BigInt(value) : value;
  return pixels;
}
