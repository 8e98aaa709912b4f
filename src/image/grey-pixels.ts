/** Voxels as grey pixels of 8 or 16 bits, for picture formats. */
import { type DType, viewVoxels } from '../../protocol/volume.ts';

/** Rows of grey pixels: 8 bits each, or 16. */
export type GreyPixels = Uint8Array | Uint16Array;

/**
 * Fits voxels to what a picture can hold. uint8, and where 16 bits are allowed uint16, stay as they are; int8, and int16 likewise, are
 * moved up by half their range, so that dark stays dark. All else is stretched to 0..255: float32 from 0..1 where all of it is in
 * there, everything else from the smallest value to the largest (one value all over becomes 0; what is not finite is 0).
 *
 * @param raw voxels, little-endian; shared.
 * @param wide whether the format has 16 bits.
 * @returns shared for uint8 and uint16 (a view of `raw` where its alignment allows that), else owned.
 */
export function greyPixels(raw: Uint8Array, dtype: DType, wide: false): Uint8Array;
export function greyPixels(raw: Uint8Array, dtype: DType, wide: boolean): GreyPixels;
export function greyPixels(raw: Uint8Array, dtype: DType, wide: boolean): GreyPixels {
  const voxels = viewVoxels(dtype, raw);
  if (voxels instanceof Uint8Array) return voxels;
  if (voxels instanceof Int8Array) return Uint8Array.from(voxels, (value) => value + 0x80);
  if (wide && voxels instanceof Uint16Array) return voxels;
  if (wide && voxels instanceof Int16Array) return Uint16Array.from(voxels, (value) => value + 0x8000);
  if (voxels instanceof BigUint64Array || voxels instanceof BigInt64Array)
    // A grey value does not need more than the 53 bits that are left.
    return stretched(Float64Array.from(voxels, Number));
  return stretched(voxels, voxels instanceof Float32Array);
}

function stretched(values: ArrayLike<number>, keepUnit = false): Uint8Array {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  if (keepUnit && least >= 0 && most <= 1) {
    least = 0;
    most = 1;
  }
  const pixels = new Uint8Array(values.length);
  if (!(most > least)) return pixels;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (Number.isFinite(value)) pixels[i] = Math.round(((value - least) / (most - least)) * 255);
  }
  return pixels;
}
