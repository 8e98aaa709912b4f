/** The most frequent value of each footprint: how segmentations become coarser. */
import { BflyError } from '../../protocol/errors.ts';
import type { DType } from '../../protocol/volume.ts';
import { type FootprintPlan, type NumberArray, numbersOf } from './footprint.ts';

/** Turns the order of two's complement into that of unsigned numbers. */
const SIGN_BIT = 0x8000_0000;
const ALL_ONES = 0xffff_ffff;

/**
 * Writes the most frequent value of each footprint: 0 votes too; among equals the smallest that is not 0 wins.
 *
 * @param input, output voxels, x fastest, little-endian; borrowed until the call returns. `output` begins a buffer of its own.
 * @throws BflyError UNSUPPORTED for float32.
 */
export function writeModes(input: Uint8Array, output: Uint8Array, dtype: DType, plan: FootprintPlan): void {
  if (dtype === 'float32')
    throw new BflyError('UNSUPPORTED', 'a segmentation has voxels of an integer type, not float32');
  if (dtype === 'uint64' || dtype === 'int64') {
    const aligned = input.byteOffset % 4 === 0 ? input : Uint8Array.from(input);
    const words = (bytes: Uint8Array) => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    modeOfPairs(words(aligned), words(output), plan, dtype === 'int64' ? SIGN_BIT : 0);
    return;
  }
  modeOfNumbers(numbersOf(dtype, input), numbersOf(dtype, output), plan);
}

/** Votes of one footprint: distinct values as halves, and how often each. */
class Ballot {
  low = new Uint32Array(8);
  high = new Uint32Array(8);
  votes = new Uint32Array(8);
  count = 0;

  add(low: number, high: number): void {
    let i = 0;
    while (i < this.count && (this.low[i] !== low || this.high[i] !== high)) i++;
    if (i === this.count) {
      if (i === this.low.length) this.#grow();
      this.low[i] = low;
      this.high[i] = high;
      this.votes[i] = 0;
      this.count++;
    }
    this.votes[i] = (this.votes[i] as number) + 1;
  }

  /** Number of the winner. `sign` is flipped in the high halves, to bring signed numbers into order. */
  winner(sign: number): number {
    let best = 0;
    for (let i = 1; i < this.count; i++) {
      const lead = (this.votes[i] as number) - (this.votes[best] as number);
      if (lead > 0 || (lead === 0 && this.#before(i, best, sign))) best = i;
    }
    return best;
  }

  /** Whether value i is taken rather than value j at equal votes: 0 comes last. */
  #before(i: number, j: number, sign: number): boolean {
    if (this.low[i] === 0 && this.high[i] === 0) return false;
    if (this.low[j] === 0 && this.high[j] === 0) return true;
    const a = ((this.high[i] as number) ^ sign) >>> 0;
    const b = ((this.high[j] as number) ^ sign) >>> 0;
    return a < b || (a === b && (this.low[i] as number) < (this.low[j] as number));
  }

  #grow(): void {
    const grown = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const larger = new Uint32Array(2 * old.length);
      larger.set(old);
      return larger;
    };
    this.low = grown(this.low);
    this.high = grown(this.high);
    this.votes = grown(this.votes);
  }
}

/** 64-bit values as halves: BigInt in this loop would be some twenty times slower. */
function modeOfPairs(from: Uint32Array, to: Uint32Array, plan: FootprintPlan, sign: number): void {
  const { x, y, z, rowStride, sliceStride } = plan;
  const ballot = new Ballot();
  let at = 0;
  for (let oz = 0; oz < z.begins.length; oz++)
    for (let oy = 0; oy < y.begins.length; oy++) {
      const corner = (y.begins[oy] as number) * rowStride + (z.begins[oz] as number) * sliceStride;
      const rows = (y.ends[oy] as number) - (y.begins[oy] as number);
      const slices = (z.ends[oz] as number) - (z.begins[oz] as number);
      for (let ox = 0; ox < x.begins.length; ox++, at += 2) {
        const first = corner + (x.begins[ox] as number);
        const width = (x.ends[ox] as number) - (x.begins[ox] as number);
        to[at] = from[2 * first] as number;
        to[at + 1] = from[2 * first + 1] as number;
        if (isOnePair(from, first, width, rows, slices, plan)) continue;
        ballot.count = 0;
        for (let iz = 0; iz < slices; iz++)
          for (let iy = 0; iy < rows; iy++) {
            let i = 2 * (first + iy * rowStride + iz * sliceStride);
            for (const end = i + 2 * width; i < end; i += 2) ballot.add(from[i] as number, from[i + 1] as number);
          }
        const winner = ballot.winner(sign);
        to[at] = ballot.low[winner] as number;
        to[at + 1] = ballot.high[winner] as number;
      }
    }
}

/** Whether a footprint holds one value only, as most do inside a segment. */
function isOnePair(
  from: Uint32Array,
  first: number,
  width: number,
  rows: number,
  slices: number,
  plan: FootprintPlan,
): boolean {
  const low = from[2 * first];
  const high = from[2 * first + 1];
  for (let iz = 0; iz < slices; iz++)
    for (let iy = 0; iy < rows; iy++) {
      let i = 2 * (first + iy * plan.rowStride + iz * plan.sliceStride);
      for (const end = i + 2 * width; i < end; i += 2) if (from[i] !== low || from[i + 1] !== high) return false;
    }
  return true;
}

function modeOfNumbers(from: NumberArray, to: NumberArray, plan: FootprintPlan): void {
  const { x, y, z, rowStride, sliceStride } = plan;
  const ballot = new Ballot();
  let at = 0;
  for (let oz = 0; oz < z.begins.length; oz++)
    for (let oy = 0; oy < y.begins.length; oy++) {
      const corner = (y.begins[oy] as number) * rowStride + (z.begins[oz] as number) * sliceStride;
      const rows = (y.ends[oy] as number) - (y.begins[oy] as number);
      const slices = (z.ends[oz] as number) - (z.begins[oz] as number);
      for (let ox = 0; ox < x.begins.length; ox++, at++) {
        const first = corner + (x.begins[ox] as number);
        const width = (x.ends[ox] as number) - (x.begins[ox] as number);
        to[at] = from[first] as number;
        if (isOneNumber(from, first, width, rows, slices, plan)) continue;
        ballot.count = 0;
        for (let iz = 0; iz < slices; iz++)
          for (let iy = 0; iy < rows; iy++) {
            const row = first + iy * rowStride + iz * sliceStride;
            // As a 64-bit number in two's complement.
            for (let i = row; i < row + width; i++)
              ballot.add((from[i] as number) >>> 0, (from[i] as number) < 0 ? ALL_ONES : 0);
          }
        to[at] = ballot.low[ballot.winner(SIGN_BIT)] as number;
      }
    }
}

function isOneNumber(
  from: NumberArray,
  first: number,
  width: number,
  rows: number,
  slices: number,
  plan: FootprintPlan,
): boolean {
  const value = from[first];
  for (let iz = 0; iz < slices; iz++)
    for (let iy = 0; iy < rows; iy++) {
      const row = first + iy * plan.rowStride + iz * plan.sliceStride;
      for (let i = row; i < row + width; i++) if (from[i] !== value) return false;
    }
  return true;
}
