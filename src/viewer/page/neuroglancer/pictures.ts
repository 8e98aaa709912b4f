/** Grey voxels as pictures and back, by what the browser can do: a picture is sx wide and sy·sz high. */
import type { Vec3 } from '../../../client/index.ts';

/** @returns a picture, as good as can be. */
export async function pictureOf(voxels: Uint8Array, [sx, sy, sz]: Vec3, format: 'jpeg' | 'png'): Promise<Uint8Array> {
  const pixels = new ImageData(sx, sy * sz);
  for (let i = 0; i < voxels.length; i++)
    pixels.data.fill(voxels[i] ?? 0, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4);
  const canvas = new OffscreenCanvas(sx, sy * sz);
  canvas.getContext('2d')?.putImageData(pixels, 0, 0);
  const blob = await canvas.convertToBlob({ type: `image/${format}`, quality: 1 });
  return new Uint8Array(await blob.arrayBuffer());
}

/** @returns the voxels of a picture, x fastest. */
export async function voxelsOf(picture: Uint8Array, [sx, sy, sz]: Vec3): Promise<Uint8Array> {
  const blob = new Blob([picture as BufferSource]); // never shared memory
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  const context = new OffscreenCanvas(sx, sy * sz).getContext('2d', { willReadFrequently: true });
  context?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context?.getImageData(0, 0, sx, sy * sz).data ?? new Uint8ClampedArray();
  const voxels = new Uint8Array(sx * sy * sz);
  for (let i = 0; i < voxels.length; i++) voxels[i] = pixels[4 * i] ?? 0;
  return voxels;
}
