/** Voxels as colours: three bytes for each voxel. Source: parity.md 6.2. */
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType, viewVoxels } from '../../protocol/volume.ts';
import { numbersOf } from './footprint.ts';

/** Multiplier and modulus of each plane. */
const PLANES = [
  [107, 700],
  [509, 900],
  [200, 777],
] as const;
const TWO_32 = 2 ** 32;
/** Bits at which each plane's product wraps for uint8: 509 does not fit 8 bits, so numpy widened its product to 16. */
const BYTE_WRAPS = [0xff, 0xffff, 0xff] as const;

/**
 * Butterfly's colours of ids: ((107·v) mod 700) mod 256, ((509·v) mod 900) mod 256, ((200·v) mod 777) mod 256, where each product
 * first wraps at the width of the dtype. Signed values count as unsigned of the same bits.
 *
 * @param raw voxels, little-endian; borrowed until the call returns.
 * @returns owned: the three planes' bytes, voxel by voxel.
 */
export function colormapVoxels(raw: Uint8Array, dtype: DType): Uint8Array {
  switch (BYTES_PER_VOXEL[dtype]) {
    case 1:
      return colormapNumbers(raw, (v, k, plane) => (v * k) & (BYTE_WRAPS[plane] as number));
    case 2:
      return colormapNumbers(viewVoxels('uint16', raw) as Uint16Array, (v, k) => (v * k) & 0xffff);
    case 8:
      return colormapPairs(viewVoxels('uint32', raw) as Uint32Array);
    default:
      return dtype === 'float32'
        ? colormapNumbers(numbersOf(dtype, raw), finiteProduct)
        : colormapNumbers(viewVoxels('uint32', raw) as Uint32Array, (v, k) => Math.imul(v, k) >>> 0);
  }
}

function finiteProduct(v: number, k: number, plane: number): number {
  if (!Number.isFinite(v)) return 0;
  const modulus = (PLANES[plane] as (typeof PLANES)[number])[1];
  // As numpy's modulo: never negative.
  return Math.floor((((v * k) % modulus) + modulus) % modulus);
}

function colormapNumbers(
  voxels: ArrayLike<number>,
  product: (value: number, multiplier: number, plane: number) => number,
): Uint8Array {
  const colours = new Uint8Array(voxels.length * 3);
  for (const [plane, [multiplier, modulus]] of PLANES.entries())
    for (let i = 0, at = plane; i < voxels.length; i++, at += 3)
      // A byte takes what is left of its value modulo 256.
      colours[at] = product(voxels[i] as number, multiplier, plane) % modulus;
  return colours;
}

/** 64-bit values as halves: products stay below 2⁴², where numbers are exact. */
function colormapPairs(words: Uint32Array): Uint8Array {
  const colours = new Uint8Array((words.length >> 1) * 3);
  for (const [plane, [multiplier, modulus]] of PLANES.entries()) {
    const weight = TWO_32 % modulus;
    for (let i = 0, at = plane; i < words.length; i += 2, at += 3) {
      const lowProduct = (words[i] as number) * multiplier;
      const low = lowProduct % TWO_32;
      const high = ((words[i + 1] as number) * multiplier + (lowProduct - low) / TWO_32) % TWO_32;
      colours[at] = ((high % modulus) * weight + low) % modulus;
    }
  }
  return colours;
}

/**
 * Ids as colours that can be read back: the three lowest bytes, lowest first.
 *
 * @param raw voxels, little-endian; borrowed until the call returns.
 * @returns owned: red, green, blue, voxel by voxel.
 * @throws BflyError BAD_REQUEST for float32, whose values are no ids.
 */
export function rgbVoxels(raw: Uint8Array, dtype: DType): Uint8Array {
  if (dtype === 'float32')
    throw new BflyError('BAD_REQUEST', 'The view rgb shows ids, and float32 voxels are none: ask for grayscale.');
  const voxelBytes = BYTES_PER_VOXEL[dtype];
  const colours = new Uint8Array((raw.length / voxelBytes) * 3);
  for (let from = 0, at = 0; from < raw.length; from += voxelBytes, at += 3) {
    colours[at] = raw[from] as number;
    if (voxelBytes > 1) colours[at + 1] = raw[from + 1] as number;
    if (voxelBytes > 2) colours[at + 2] = raw[from + 2] as number;
  }
  return colours;
}

/** Swaps the first and the third colour of each voxel, in place. */
export function reverseColours(colours: Uint8Array): void {
  for (let at = 0; at < colours.length; at += 3) {
    const first = colours[at] as number;
    colours[at] = colours[at + 2] as number;
    colours[at + 2] = first;
  }
}
