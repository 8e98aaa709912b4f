import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, boxShape, volumeOf } from '../../protocol/volume.ts';
import { copyBox, sampleBox } from '../../src/query/copy-box.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const vec = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min, max }));
const anyBox = (at: number, size: number) =>
  fc
    .tuple(vec(-at, at), vec(1, size))
    .map(([from, s]): Box => [from[0], from[1], from[2], from[0] + s[0], from[1] + s[1], from[2] + s[2]]);
const width = fc.constantFrom(1, 2, 4, 8);
/** Bytes in front of a view in its buffer: aligned and not. */
const lead = fc.integer({ min: 0, max: 9 });

/** Random bytes of a box, as a view that begins `front` bytes into its buffer, with as many behind it. */
function bytesFor(box: Box, voxelBytes: number, front: number, random: () => number): Uint8Array {
  const length = volumeOf(boxShape(box)) * voxelBytes;
  const buffer = Uint8Array.from({ length: length + 2 * front }, () => Math.floor(random() * 256));
  return buffer.subarray(front, front + length);
}

function at(box: Box, x: number, y: number, z: number): number | undefined {
  if (x < box[0] || y < box[1] || z < box[2] || x >= box[3] || y >= box[4] || z >= box[5]) return undefined;
  const [nx, ny] = boxShape(box);
  return ((z - box[2]) * ny + (y - box[1])) * nx + (x - box[0]);
}

/** What a copy must leave: the whole target buffer, with voxel (x, y, z) taken from (x·step, y·step, z) where that is. */
function expected(
  source: Uint8Array,
  sourceBox: Box,
  target: Uint8Array,
  targetBox: Box,
  voxelBytes: number,
  step: number,
): Uint8Array {
  const whole = new Uint8Array(target.buffer).slice();
  const out = whole.subarray(target.byteOffset, target.byteOffset + target.length);
  let to = 0;
  for (let z = targetBox[2]; z < targetBox[5]; z++)
    for (let y = targetBox[1]; y < targetBox[4]; y++)
      for (let x = targetBox[0]; x < targetBox[3]; x++, to++) {
        const from = at(sourceBox, x * step, y * step, z);
        if (from === undefined) continue;
        for (let b = 0; b < voxelBytes; b++) out[to * voxelBytes + b] = source[from * voxelBytes + b] as number;
      }
  return whole;
}

describe('copyBox', () => {
  const seed = testSeed('copy-box');

  it.each([
    ['small boxes', 6, 9],
    // Rows beyond the length that is copied word by word.
    ['long rows', 20, 300],
  ])('copies what two boxes have in common and touches nothing else: %s', (_, reach, size) => {
    const random = seededRandom(seed);
    const rows = size > 100 ? fc.integer({ min: 1, max: 4 }) : fc.integer({ min: 1, max: size });
    const box = fc
      .tuple(vec(-reach, reach), fc.integer({ min: 1, max: size }), rows, rows)
      .map(([from, x, y, z]): Box => [from[0], from[1], from[2], from[0] + x, from[1] + y, from[2] + z]);
    fc.assert(
      fc.property(box, box, width, lead, lead, (sourceBox, targetBox, voxelBytes, sourceLead, targetLead) => {
        const source = bytesFor(sourceBox, voxelBytes, sourceLead, random);
        const target = bytesFor(targetBox, voxelBytes, targetLead, random);
        const whole = expected(source, sourceBox, target, targetBox, voxelBytes, 1);
        copyBox(source, sourceBox, target, targetBox, voxelBytes);
        expect(Buffer.compare(new Uint8Array(target.buffer), whole)).toBe(0);
      }),
      { seed, numRuns: testRuns(600) },
    );
  });

  it('copies whole planes where rows are equally long on both sides', () => {
    const random = seededRandom(seed);
    fc.assert(
      fc.property(anyBox(3, 6), vec(-2, 2), width, (sourceBox, [, y, z], voxelBytes) => {
        const targetBox: Box = [
          sourceBox[0],
          sourceBox[1] + y,
          sourceBox[2] + z,
          sourceBox[3],
          sourceBox[4] + y + 1,
          sourceBox[5] + z + 1,
        ];
        const source = bytesFor(sourceBox, voxelBytes, 0, random);
        const target = bytesFor(targetBox, voxelBytes, 0, random);
        const whole = expected(source, sourceBox, target, targetBox, voxelBytes, 1);
        copyBox(source, sourceBox, target, targetBox, voxelBytes);
        expect(Buffer.compare(new Uint8Array(target.buffer), whole)).toBe(0);
      }),
      { seed, numRuns: testRuns(300) },
    );
  });

  it('finds its place in buffers of more than 2 GiB, on either side', () => {
    // Never touched but in a few places, so it takes no memory to speak of.
    const large = new Uint8Array(4 * 2 ** 15 * (2 ** 15 - 1));
    const largeBox: Box = [0, 0, 0, 2 ** 15, 2 ** 15 - 1, 1];
    const small = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const smallBox: Box = [100, 32_000, 0, 101, 32_002, 1];
    copyBox(small, smallBox, large, largeBox, 4);
    const row = 4 * 2 ** 15;
    expect([...large.subarray(32_000 * row + 400, 32_000 * row + 405)]).toEqual([1, 2, 3, 4, 0]);
    expect([...large.subarray(32_001 * row + 400, 32_001 * row + 405)]).toEqual([5, 6, 7, 8, 0]);
    const back = new Uint8Array(8);
    copyBox(large, largeBox, back, smallBox, 4);
    expect(back).toEqual(small);
  });

  it('reads the last bytes of a buffer whose length is no multiple of four', () => {
    for (let length = 1; length <= 24; length++)
      for (let from = 0; from < length; from++)
        for (const shift of [0, 1, 2, 3]) {
          const source = Uint8Array.from({ length }, (_, index) => index + 1);
          // Two rows' worth of target, so that the copied row is no whole row of it.
          const target = new Uint8Array(shift + length + 1).subarray(shift);
          copyBox(source, [0, 0, 0, length, 1, 1], target, [from, 0, 0, from + length + 1, 1, 1], 1);
          expect([...target.subarray(0, length - from)]).toEqual([...source.subarray(from)]);
          expect(target.subarray(length - from).every((byte) => byte === 0)).toBe(true);
        }
  });
});

describe('sampleBox', () => {
  it('takes the first of every n voxels along x and y, and every slice', () => {
    const seed = testSeed('sample-box');
    const random = seededRandom(seed);
    const step = fc.constantFrom(1, 2, 3, 4, 8);
    fc.assert(
      fc.property(anyBox(10, 14), anyBox(6, 9), width, lead, step, (sourceBox, targetBox, voxelBytes, front, n) => {
        const source = bytesFor(sourceBox, voxelBytes, front, random);
        const target = bytesFor(targetBox, voxelBytes, front, random);
        const whole = expected(source, sourceBox, target, targetBox, voxelBytes, n);
        sampleBox(source, sourceBox, target, targetBox, voxelBytes, n);
        expect(Buffer.compare(new Uint8Array(target.buffer), whole)).toBe(0);
      }),
      { seed, numRuns: testRuns(600) },
    );
  });
});
