/**
 * Strips and tiles of a TIFF: bytes of the file in, voxels out. Written out here because the decoders of the libraries at hand either
 * never end on damaged LZW or take whole files into memory.
 *
 * Source: TIFF 6.0 (Adobe, 1992), sections 9, 13 and 14; TIFF Technical Note 3 (predictor 3).
 */
import { swapByteOrder } from './voxel-type.ts';
import { inflateBytes } from './zlib-bytes.ts';

/** Names of the compressions that can be decoded. */
export const TIFF_COMPRESSIONS: Readonly<Record<number, string>> = {
  1: 'none',
  5: 'LZW',
  8: 'deflate',
  32773: 'PackBits',
  32946: 'deflate',
};

/** How the voxels of a block are stored. */
export interface BlockCoding {
  readonly compression: number;
  readonly predictor: number;
  readonly littleEndian: boolean;
  readonly bytesPerVoxel: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Decodes a strip or tile.
 *
 * @param bytes owned by this function; may come back as the result.
 * @returns owned voxels of the whole block, little-endian.
 * @throws Error where the bytes are not such a block.
 */
export async function decodeTiffBlock(bytes: Uint8Array, coding: BlockCoding): Promise<Uint8Array> {
  const { width, height, bytesPerVoxel, predictor, littleEndian } = coding;
  const expected = width * height * bytesPerVoxel;
  const voxels = (await decompress(bytes, coding.compression, expected)).subarray(0, expected);
  if (voxels.length < expected)
    throw new Error(`a strip or tile decodes to ${voxels.length} bytes instead of ${expected}`);
  if (predictor === 3) return undoFloatPredictor(voxels, coding);
  if (!littleEndian) swapByteOrder(voxels, bytesPerVoxel);
  return predictor === 2 ? undoDifferences(voxels, coding) : voxels;
}

async function decompress(bytes: Uint8Array, compression: number, expected: number): Promise<Uint8Array> {
  switch (compression) {
    case 1:
      return bytes;
    case 5:
      return decodeLzw(bytes, expected);
    case 8:
    case 32946:
      return await inflateBytes(bytes, expected + 65_536);
    case 32773:
      return decodePackBits(bytes, expected);
    default:
      throw new Error(`compression ${compression} is not known`);
  }
}

const CLEAR = 256;
const END = 257;
const MAX_CODES = 4096;

/** LZW with the highest bits first and codes that widen one early, as TIFF has it. */
function decodeLzw(bytes: Uint8Array, expected: number): Uint8Array {
  if (bytes[0] === 0 && ((bytes[1] ?? 0) & 1) === 1) throw new Error('LZW of before TIFF 5.0 is not known');
  const out = new Uint8Array(expected);
  // Each string is the one before it in `prefix` and one byte more.
  const prefix = new Uint16Array(MAX_CODES);
  const suffix = new Uint8Array(MAX_CODES);
  const length = new Uint16Array(MAX_CODES).fill(1, 0, CLEAR);
  for (let i = 0; i < CLEAR; i++) suffix[i] = i;
  let next = END + 1;
  let width = 9;
  let previous = -1;
  let bits = 0;
  let held = 0;
  let at = 0;
  let done = 0;
  while (done < expected) {
    for (; held < width; held += 8) {
      if (at >= bytes.length) return out.subarray(0, done);
      bits = ((bits << 8) | (bytes[at++] as number)) & 0xff_ffff;
    }
    held -= width;
    const code = (bits >>> held) & ((1 << width) - 1);
    if (code === END) break;
    if (code === CLEAR) {
      next = END + 1;
      width = 9;
      previous = -1;
      continue;
    }
    const known = code < CLEAR || (code > END && code < next);
    if (!known && (code !== next || previous < 0 || next >= MAX_CODES))
      throw new Error(`LZW code ${code} is not in the table`);
    if (previous >= 0 && next < MAX_CODES) {
      prefix[next] = previous;
      length[next] = (length[previous] as number) + 1;
      let first = known ? code : previous;
      while (first >= CLEAR) first = prefix[first] as number;
      suffix[next] = first;
      next++;
    }
    const run = length[code] as number;
    for (let i = done + run - 1, from = code; i >= done; i--, from = prefix[from] as number)
      if (i < expected) out[i] = suffix[from] as number;
    done += run;
    previous = code;
    if (next >= (1 << width) - 1 && width < 12) width++;
  }
  return out.subarray(0, Math.min(done, expected));
}

function decodePackBits(bytes: Uint8Array, expected: number): Uint8Array {
  const out = new Uint8Array(expected);
  let done = 0;
  for (let at = 0; at < bytes.length && done < expected; ) {
    const head = bytes[at++] as number;
    if (head === 128) continue;
    if (head < 128) {
      const run = bytes.subarray(at, at + Math.min(head + 1, expected - done));
      out.set(run, done);
      done += run.length;
      at += head + 1;
    } else {
      const end = Math.min(expected, done + 257 - head);
      if (at < bytes.length) out.fill(bytes[at] as number, done, end);
      done = end;
      at++;
    }
  }
  return out.subarray(0, done);
}

/** Predictor 2: each voxel is stored as its difference to the one at its left. */
function undoDifferences(voxels: Uint8Array, { width, height, bytesPerVoxel }: BlockCoding): Uint8Array {
  const whole = voxels.byteOffset % bytesPerVoxel === 0 ? voxels : new Uint8Array(voxels);
  const { buffer, byteOffset } = whole;
  const count = width * height;
  if (bytesPerVoxel === 8) {
    const numbers = new BigUint64Array(buffer, byteOffset, count);
    for (let i = 0; i < count; i++)
      if (i % width !== 0) numbers[i] = (numbers[i] as bigint) + (numbers[i - 1] as bigint);
    return whole;
  }
  const numbers =
    bytesPerVoxel === 1
      ? new Uint8Array(buffer, byteOffset, count)
      : bytesPerVoxel === 2
        ? new Uint16Array(buffer, byteOffset, count)
        : new Uint32Array(buffer, byteOffset, count);
  for (let row = 0; row < count; row += width)
    for (let i = row + 1; i < row + width; i++) numbers[i] = (numbers[i] as number) + (numbers[i - 1] as number);
  return whole;
}

/** Predictor 3: a row's highest bytes stand first, then the next, …; and each byte is the difference to the one before it. */
function undoFloatPredictor(voxels: Uint8Array, { width, height, bytesPerVoxel }: BlockCoding): Uint8Array {
  const rowBytes = width * bytesPerVoxel;
  const out = new Uint8Array(voxels.length);
  for (let start = 0; start < height * rowBytes; start += rowBytes) {
    let sum = 0;
    for (let i = 0; i < rowBytes; i++) {
      sum = (sum + (voxels[start + i] as number)) & 0xff;
      const byte = bytesPerVoxel - 1 - Math.floor(i / width);
      out[start + (i % width) * bytesPerVoxel + byte] = sum;
    }
  }
  return out;
}
