/** The mean of each footprint: how images become coarser. */
import type { DType } from '../../protocol/volume.ts';
import { type AxisPlan, type FootprintPlan, type NumberArray, numbersOf } from './footprint.ts';

/**
 * Writes the mean of each footprint: summed as float64 in x, y, z order, integers rounded half up; 64-bit integers exactly.
 *
 * @param input, output voxels, x fastest, little-endian; borrowed until the call returns. `output` begins a buffer of its own.
 */
export function writeMeans(input: Uint8Array, output: Uint8Array, dtype: DType, plan: FootprintPlan): void {
  if (dtype === 'uint64' || dtype === 'int64') {
    meanOfBigInts(bigIntsOf(dtype, input), bigIntsOf(dtype, output), plan);
    return;
  }
  const { x, y, z } = plan;
  const squares = dtype === 'uint8' && x.pairs && y.pairs;
  const isEven = squares && z.pairs && isInWords(input, output, plan);
  if (isEven) meanOf8BytesInWords(input, output, plan);
  else if (squares && z.pairs) meanOf8Bytes(input, output, plan);
  else if (squares && z.single) meanOf4Bytes(input, output, plan);
  else meanOfNumbers(numbersOf(dtype, input), numbersOf(dtype, output), plan, dtype !== 'float32');
}

/** Whether every row of the input begins at a word of 4 bytes, as does every pair of output voxels in it. */
function isInWords(input: Uint8Array, output: Uint8Array, { x, rowStride, sliceStride }: FootprintPlan): boolean {
  const isEven = (x.begins[0] as number) % 4 === 0 && x.begins.length % 2 === 0;
  const rowsFit = rowStride % 4 === 0 && sliceStride % 4 === 0;
  return isEven && rowsFit && input.byteOffset % 4 === 0 && output.byteOffset % 2 === 0;
}

/** `meanOf8Bytes`, two voxels at a time: sums of up to 8 bytes side by side in the halves of a word. A third of its time. */
function meanOf8BytesInWords(input: Uint8Array, output: Uint8Array, plan: FootprintPlan): void {
  const { x, y, z } = plan;
  const from = new Uint32Array(input.buffer, input.byteOffset, input.length >> 2);
  const to = new Uint16Array(output.buffer, output.byteOffset, output.length >> 1);
  const [row, slice, pairs] = [plan.rowStride >> 2, plan.sliceStride >> 2, x.begins.length >> 1];
  const HALVES = 0x00ff_00ff;
  const first = (x.begins[0] as number) >> 2;
  let at = 0;
  for (const zBegin of z.begins)
    for (const yBegin of y.begins) {
      let i = first + yBegin * row + zBegin * slice;
      for (const end = at + pairs; at < end; at++, i++) {
        const a = from[i] as number;
        const b = from[i + row] as number;
        const c = from[i + slice] as number;
        const d = from[i + row + slice] as number;
        const even = (a & HALVES) + (b & HALVES) + (c & HALVES) + (d & HALVES);
        const odd = ((a >>> 8) & HALVES) + ((b >>> 8) & HALVES) + ((c >>> 8) & HALVES) + ((d >>> 8) & HALVES);
        // Half of 8 in each half: rounded half up.
        const sums = even + odd + 0x0004_0004;
        to[at] = ((sums >>> 3) & 0xff) | ((sums >>> 11) & 0xff00);
      }
    }
}

function meanOf8Bytes(from: Uint8Array, to: Uint8Array, plan: FootprintPlan): void {
  const { x, y, z, rowStride, sliceStride } = plan;
  let at = 0;
  for (const zBegin of z.begins)
    for (const yBegin of y.begins) {
      let a = (x.begins[0] as number) + yBegin * rowStride + zBegin * sliceStride;
      let b = a + rowStride;
      let c = a + sliceStride;
      let d = b + sliceStride;
      for (const end = at + x.begins.length; at < end; at++) {
        const upper = (from[a] as number) + (from[a + 1] as number) + (from[b] as number) + (from[b + 1] as number);
        const lower = (from[c] as number) + (from[c + 1] as number) + (from[d] as number) + (from[d + 1] as number);
        to[at] = (upper + lower + 4) >>> 3;
        a += 2;
        b += 2;
        c += 2;
        d += 2;
      }
    }
}

function meanOf4Bytes(from: Uint8Array, to: Uint8Array, plan: FootprintPlan): void {
  const { x, y, z, rowStride, sliceStride } = plan;
  let at = 0;
  for (const zBegin of z.begins)
    for (const yBegin of y.begins) {
      let a = (x.begins[0] as number) + yBegin * rowStride + zBegin * sliceStride;
      let b = a + rowStride;
      for (const end = at + x.begins.length; at < end; at++) {
        const sum = (from[a] as number) + (from[a + 1] as number) + (from[b] as number) + (from[b + 1] as number);
        to[at] = (sum + 2) >>> 2;
        a += 2;
        b += 2;
      }
    }
}

/** Sums of a whole output row grow together, row of input by row: each sum still runs in x, y, z order. */
function meanOfNumbers(from: NumberArray, to: NumberArray, plan: FootprintPlan, round: boolean): void {
  const { x, y, z, rowStride, sliceStride } = plan;
  const width = x.begins.length;
  const sums = new Float64Array(width);
  let at = 0;
  for (let oz = 0; oz < z.begins.length; oz++)
    for (let oy = 0; oy < y.begins.length; oy++, at += width) {
      sums.fill(0);
      const rows =
        ((y.ends[oy] as number) - (y.begins[oy] as number)) * ((z.ends[oz] as number) - (z.begins[oz] as number));
      for (let iz = z.begins[oz] as number; iz < (z.ends[oz] as number); iz++)
        for (let iy = y.begins[oy] as number; iy < (y.ends[oy] as number); iy++)
          addRow(from, iy * rowStride + iz * sliceStride, x, sums);
      for (let ox = 0; ox < width; ox++) {
        const value = (sums[ox] as number) / (((x.ends[ox] as number) - (x.begins[ox] as number)) * rows);
        to[at + ox] = round ? Math.floor(value + 0.5) : value;
      }
    }
}

function addRow(from: NumberArray, row: number, x: AxisPlan, sums: Float64Array): void {
  const { begins, ends } = x;
  for (let ox = 0; ox < begins.length; ox++) {
    let sum = sums[ox] as number;
    for (let i = row + (begins[ox] as number), end = row + (ends[ox] as number); i < end; i++) sum += from[i] as number;
    sums[ox] = sum;
  }
}

function bigIntsOf(dtype: 'uint64' | 'int64', bytes: Uint8Array): BigUint64Array | BigInt64Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
  return dtype === 'uint64'
    ? new BigUint64Array(buffer, byteOffset, length / 8)
    : new BigInt64Array(buffer, byteOffset, length / 8);
}

function meanOfBigInts(
  from: BigUint64Array | BigInt64Array,
  to: BigUint64Array | BigInt64Array,
  plan: FootprintPlan,
): void {
  const { x, y, z, rowStride, sliceStride } = plan;
  let at = 0;
  for (let oz = 0; oz < z.begins.length; oz++)
    for (let oy = 0; oy < y.begins.length; oy++)
      for (let ox = 0; ox < x.begins.length; ox++) {
        let sum = 0n;
        let count = 0n;
        for (let iz = z.begins[oz] as number; iz < (z.ends[oz] as number); iz++)
          for (let iy = y.begins[oy] as number; iy < (y.ends[oy] as number); iy++)
            for (let ix = x.begins[ox] as number; ix < (x.ends[ox] as number); ix++, count++)
              sum += from[ix + iy * rowStride + iz * sliceStride] as bigint;
        to[at++] = roundedQuotient(sum, count);
      }
}

/** sum / count, rounded half up; BigInt's own division cuts towards 0. */
function roundedQuotient(sum: bigint, count: bigint): bigint {
  const doubled = 2n * sum + count;
  const quotient = doubled / (2n * count);
  return doubled < 0n && quotient * 2n * count !== doubled ? quotient - 1n : quotient;
}
