import { fromArrayBuffer } from 'geotiff';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { BYTES_PER_VOXEL, type DType, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { type TiffLayout, tiffChunks, tiffFault } from '../../src/utility/tiff.ts';

async function* slabs(bytes: Uint8Array, planeBytes: number, planes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += planeBytes * planes) yield bytes.subarray(at, at + planeBytes * planes);
}

async function write(layout: TiffLayout, bytes: Uint8Array, planes = 1): Promise<Buffer> {
  const planeBytes = layout.shape[0] * layout.shape[1] * BYTES_PER_VOXEL[layout.dtype];
  const chunks: Uint8Array[] = [];
  for await (const chunk of tiffChunks(layout, slabs(bytes, planeBytes, planes))) chunks.push(chunk.slice());
  return Buffer.concat(chunks);
}

/** Bytes that are different in every voxel and exact as float32. */
function voxels(dtype: DType, shape: Vec3): Uint8Array {
  const view = viewVoxels(dtype, new Uint8Array(shape[0] * shape[1] * shape[2] * BYTES_PER_VOXEL[dtype]));
  for (let i = 0; i < view.length; i++) view[i] = dtype === 'float32' ? i * 1.5 - 7 : (i * 2654435761) % 2 ** 31;
  return new Uint8Array(view.buffer);
}

describe('a TIFF', () => {
  const dtypes: DType[] = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32'];
  it.each(dtypes)('of %s is read by geotiff page for page', async (dtype) => {
    const shape: Vec3 = [5, 3, 4];
    const bytes = voxels(dtype, shape);
    const file = await write({ dtype, shape, voxel: [10, 10, 30] }, bytes, 2);
    const tiff = await fromArrayBuffer(
      file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer,
    );
    expect(await tiff.getImageCount()).toBe(4);
    const wanted = viewVoxels(dtype, bytes);
    for (let z = 0; z < 4; z++) {
      const image = await tiff.getImage(z);
      expect([image.getWidth(), image.getHeight()]).toEqual([5, 3]);
      const rasters = await image.readRasters({ interleave: true });
      expect(rasters.constructor.name).toBe(wanted.constructor.name);
      expect([...rasters]).toEqual([...wanted.subarray(z * 15, z * 15 + 15)]);
    }
  });

  it('is read by libtiff, with its pages and resolution', async () => {
    const shape: Vec3 = [5, 3, 4];
    const bytes = voxels('uint8', shape);
    const file = await write({ dtype: 'uint8', shape, voxel: [8, 8, 40] }, bytes, 4);
    const { pages, width, height, density } = await sharp(file).metadata();
    expect([pages, width, height]).toEqual([4, 5, 3]);
    expect(density).toBe(Math.round((1e7 / 8) * 2.54));
    expect(await sharp(file, { pages: -1 }).toColourspace('b-w').raw().toBuffer()).toEqual(Buffer.from(bytes));
  });

  it('refuses 64 bits and more than 4 GiB, saying what to write instead', () => {
    expect(tiffFault({ dtype: 'uint64', shape: [1, 1, 1], voxel: [1, 1, 1] })).toMatchObject({
      code: 'UNSUPPORTED',
      message: 'TIFF has no uint64 that programs can read; write .npy or .raw',
    });
    expect(tiffFault({ dtype: 'uint8', shape: [65536, 65536, 1], voxel: [1, 1, 1] })).toMatchObject({
      code: 'TOO_LARGE',
    });
    expect(tiffFault({ dtype: 'uint8', shape: [65536, 65535, 1], voxel: [1, 1, 1] })).toBeUndefined();
  });
});
