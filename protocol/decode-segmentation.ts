/** Reading compressed segmentation; the format is described in `compressed-segmentation.ts`. */
import { BflyError } from './errors.ts';
import {
  DEFAULT_BLOCK,
  type Layout,
  layoutOf,
  MAX_TABLE_OFFSET,
  type Placed,
  place,
  type SegmentationDType,
  wordsOf,
} from './segmentation-layout.ts';
import type { Vec3 } from './volume.ts';

/**
 * Decompresses a box of ids.
 *
 * @param bytes borrowed; one channel with its one-word header.
 * @param size of the box in voxels, which the format does not hold.
 * @returns owned raw voxels, little-endian, x fastest.
 * @throws BflyError BAD_REQUEST where an offset or an index points outside the bytes, or the header is not this format's.
 */
export function decodeCompressedSegmentation(
  bytes: Uint8Array,
  size: Vec3,
  dtype: SegmentationDType,
  blockSize: Vec3 = DEFAULT_BLOCK,
): Uint8Array {
  const layout = layoutOf(size, dtype, blockSize);
  if (bytes.length % 4 !== 0) throw corrupt(`${bytes.length} bytes are not whole 32-bit words`);
  const words = wordsOf(bytes);
  if (words[0] !== 1) throw corrupt(`the first word is ${words[0] ?? 'missing'} instead of 1, the mark of one channel`);
  const data = words.subarray(1);
  if (data.length < 2 * layout.blocks) throw corrupt(`${layout.blocks} block headers do not fit ${bytes.length} bytes`);
  const out = new Uint32Array(size[0] * size[1] * size[2] * layout.wordsPerVoxel);
  const placed: Placed = { xEnd: 0, yEnd: 0, zEnd: 0, first: 0 };
  const { grid } = layout;
  let number = 0;
  for (let z = 0; z < grid[2]; z++)
    for (let y = 0; y < grid[1]; y++)
      for (let x = 0; x < grid[0]; x++) {
        place(layout, x, y, z, placed);
        decodeBlock(data, layout, number++, placed, out);
      }
  return new Uint8Array(out.buffer);
}

function corrupt(what: string): BflyError {
  return new BflyError('BAD_REQUEST', `compressed segmentation is corrupt: ${what}`);
}
function decodeBlock(data: Uint32Array, layout: Layout, number: number, placed: Placed, out: Uint32Array): void {
  const { wordsPerVoxel, blockVoxels } = layout;
  const head = data[2 * number] as number;
  const bits = head >>> 24;
  const table = head & MAX_TABLE_OFFSET;
  const values = data[2 * number + 1] as number;
  if (bits > 32 || (bits & (bits - 1)) !== 0)
    throw corrupt(`an index has ${bits} bits instead of 0, 1, 2, 4, 8, 16 or 32`);
  const entries = Math.floor((data.length - table) / wordsPerVoxel);
  if (entries < 1) throw corrupt(`the table of block ${number} begins behind the end`);
  if (bits === 0) {
    if (wordsPerVoxel === 2) fill64(data[table] as number, data[table + 1] as number, layout, placed, out);
    else fill32(data[table] as number, layout, placed, out);
    return;
  }
  const valueWords = Math.ceil((blockVoxels * bits) / 32);
  if (values + valueWords > data.length) throw corrupt(`the values of block ${number} reach behind the end`);
  if (2 ** bits > entries && largestIndex(data, values, layout, placed, bits) >= entries)
    throw corrupt(`an index of block ${number} points behind the end`);
  if (wordsPerVoxel === 2) unpack64(data, table, values, bits, layout, placed, out);
  else unpack32(data, table, values, bits, layout, placed, out);
}

function fill64(low: number, high: number, layout: Layout, placed: Placed, out: Uint32Array): void {
  if (low === 0 && high === 0) return;
  const [nx, ny] = layout.size;
  const { xEnd, yEnd, zEnd, first } = placed;
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++) {
      let to = 2 * (first + nx * (y + ny * z));
      for (const end = to + 2 * xEnd; to < end; to += 2) {
        out[to] = low;
        out[to + 1] = high;
      }
    }
}

function fill32(value: number, layout: Layout, placed: Placed, out: Uint32Array): void {
  if (value === 0) return;
  const [nx, ny] = layout.size;
  const { xEnd, yEnd, zEnd, first } = placed;
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++) {
      let to = first + nx * (y + ny * z);
      for (const end = to + xEnd; to < end; to++) out[to] = value;
    }
}

function maskOf(bits: number): number {
  return bits === 32 ? -1 : (1 << bits) - 1;
}

/** Largest index of a block's voxels; only asked where the table could end before it. */
function largestIndex(data: Uint32Array, values: number, layout: Layout, placed: Placed, bits: number): number {
  const [bx, by] = layout.block;
  const { xEnd, yEnd, zEnd } = placed;
  const mask = maskOf(bits);
  let largest = 0;
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++)
      for (let x = 0; x < xEnd; x++) {
        const bit = (x + bx * (y + by * z)) * bits;
        const i = (((data[values + Math.floor(bit / 32)] as number) >>> (bit % 32)) & mask) >>> 0;
        if (i > largest) largest = i;
      }
  return largest;
}

function unpack64(
  data: Uint32Array,
  table: number,
  values: number,
  bits: number,
  layout: Layout,
  placed: Placed,
  out: Uint32Array,
): void {
  const [nx, ny] = layout.size;
  const [bx, by] = layout.block;
  const { xEnd, yEnd, zEnd, first } = placed;
  const mask = maskOf(bits);
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++) {
      let to = 2 * (first + nx * (y + ny * z));
      let bit = bx * (y + by * z) * bits;
      for (const end = to + 2 * xEnd; to < end; to += 2, bit += bits) {
        const i = ((data[values + (bit >>> 5)] as number) >>> (bit & 31)) & mask;
        const at = table + 2 * i;
        out[to] = data[at] as number;
        out[to + 1] = data[at + 1] as number;
      }
    }
}

function unpack32(
  data: Uint32Array,
  table: number,
  values: number,
  bits: number,
  layout: Layout,
  placed: Placed,
  out: Uint32Array,
): void {
  const [nx, ny] = layout.size;
  const [bx, by] = layout.block;
  const { xEnd, yEnd, zEnd, first } = placed;
  const mask = maskOf(bits);
  for (let z = 0; z < zEnd; z++)
    for (let y = 0; y < yEnd; y++) {
      let to = first + nx * (y + ny * z);
      let bit = bx * (y + by * z) * bits;
      for (const end = to + xEnd; to < end; to++, bit += bits) {
        const i = ((data[values + (bit >>> 5)] as number) >>> (bit & 31)) & mask;
        out[to] = data[table + i] as number;
      }
    }
}
