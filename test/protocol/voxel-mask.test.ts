import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, boxShape, volumeOf } from '../../protocol/volume.ts';
import {
  boundsOfMask,
  countMask,
  decodeMask,
  encodeMask,
  forEachRow,
  forEachRun,
  fullMask,
  MaskWriter,
  maskOfBall,
  maskOfBox,
} from '../../protocol/voxel-mask.ts';
import { eachVoxel } from '../support/naive-edits.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('voxel masks');
const parameters = { seed, numRuns: testRuns(300) };

const voxels = fc.oneof(
  fc.array(fc.constantFrom(0, 1), { maxLength: 60 }),
  // Runs of more than one byte of LEB128.
  fc
    .array(fc.integer({ min: 0, max: 400 }), { maxLength: 6 })
    .map((runs) => runs.flatMap((length, i) => Array.from({ length }, () => i % 2))),
);

const runsOf = (mask: Uint8Array, volume: number): number[][] => {
  const runs: number[][] = [];
  forEachRun(mask, volume, (start, end) => runs.push([start, end]));
  return runs;
};

describe('a mask', () => {
  it('[E8] of runs is the voxels that it was made of', () => {
    fc.assert(
      fc.property(voxels, (set) => {
        const mask = encodeMask(Uint8Array.from(set));
        expect([...decodeMask(mask, set.length)]).toEqual(set);
        expect(countMask(mask, set.length)).toBe(set.filter((voxel) => voxel === 1).length);
        expect(runsOf(mask, set.length).every(([start = 0, end = 0]) => start < end)).toBe(true);
      }),
      parameters,
    );
  });

  it('[E8] begins with a skip, and leaves out what follows the last run', () => {
    expect([...encodeMask(Uint8Array.of(1, 1, 0, 1, 0, 0))]).toEqual([0, 2, 1, 1]);
    expect([...encodeMask(Uint8Array.of(0, 0, 1))]).toEqual([2, 1]);
    expect([...encodeMask(new Uint8Array(5))]).toEqual([]);
    expect([...fullMask(200)]).toEqual([0, 0xc8, 1]);
  });

  it('[E8] is read in whatever way its numbers are written: runs of nothing, zeros in front, an end that is skipped', () => {
    expect(runsOf(Uint8Array.of(0, 0, 0, 0), 4)).toEqual([]);
    expect(runsOf(Uint8Array.of(1, 0, 1, 2), 4)).toEqual([[2, 4]]);
    expect(runsOf(Uint8Array.of(0x81, 0, 2), 4)).toEqual([[1, 3]]);
    expect(runsOf(Uint8Array.of(1, 1, 2), 4)).toEqual([[1, 2]]);
  });

  it.each([
    ['more voxels than the box has', [2, 3], 4],
    ['more skipped than the box has', [5], 4],
    ['a number that is cut off', [1, 0x80], 4],
    ['a number above 2^53-1', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 2 ** 53],
    ['a number without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 4],
  ])('[E8] is refused for %s', (_, bytes, volume) => {
    expect(() => countMask(Uint8Array.from(bytes), volume)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('is cut into rows in order, and has the smallest box that holds it', () => {
    const side = fc.integer({ min: 1, max: 5 });
    const at = fc.integer({ min: -3, max: 3 });
    fc.assert(
      fc.property(
        fc.tuple(side, side, side, at, at, at),
        fc.infiniteStream(fc.boolean()),
        ([a, b, c, x, y, z], dice) => {
          const box: Box = [x, y, z, x + a, y + b, z + c];
          const set = Uint8Array.from({ length: a * b * c }, () => (dice.next().value === true ? 1 : 0));
          const mask = encodeMask(set);
          const expected: number[][] = [];
          eachVoxel(box, (i, j, k, index) => {
            if (set[index] === 1) expected.push([i, j, k, index, expected.length]);
          });
          const seen: number[][] = [];
          forEachRow(mask, box, (x0, x1, j, k, index, order) => {
            for (let i = x0; i < x1; i++) seen.push([i, j, k, index + i - x0, order + i - x0]);
          });
          expect(seen).toEqual(expected);
          const span = (axis: number): number[] => expected.map((voxel) => voxel[axis] as number);
          const bounds = [0, 1, 2].map((axis) => Math.min(...span(axis)));
          const ends = [0, 1, 2].map((axis) => Math.max(...span(axis)) + 1);
          expect(boundsOfMask(mask, box)).toEqual(expected.length === 0 ? undefined : [...bounds, ...ends]);
        },
      ),
      parameters,
    );
  });

  it('grows run by run, and runs that touch are one', () => {
    const writer = new MaskWriter(1);
    for (let at = 0; at < 3_000; at += 3) {
      writer.add(at, at + 1);
      writer.add(at + 1, at + 2);
      writer.add(at + 2, at + 2);
    }
    expect(writer.count).toBe(2_000);
    expect(runsOf(writer.finish(), 3_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => [3 * i, 3 * i + 2]));
  });
});

describe('masks of shapes', () => {
  const box: Box = [-2, 3, 1, 9, 12, 8];
  const setOf = (inside: (x: number, y: number, z: number) => boolean): number[] => {
    const set: number[] = [];
    eachVoxel(box, (x, y, z) => set.push(inside(x, y, z) ? 1 : 0));
    return set;
  };
  const decoded = (mask: Uint8Array): number[] => [...decodeMask(mask, volumeOf(boxShape(box)))];

  it('set the voxels of a box that lie in another one', () => {
    const inside = (x: number, y: number, z: number): boolean => x >= 0 && x < 4 && y < 5 && z >= 6;
    expect(decoded(maskOfBox(box, [0, -7, 6, 4, 5, 99]))).toEqual(setOf(inside));
    expect(maskOfBox(box, [9, 3, 1, 12, 12, 8])).toHaveLength(0);
  });

  it('set the voxels whose centre is not farther from the middle than the radius', () => {
    const ball = (x: number, y: number, z: number): boolean =>
      (x + 0.5 - 3) ** 2 + (y + 0.5 - 7.25) ** 2 + (z + 0.5 - 4) ** 2 <= 3.2 ** 2;
    expect(decoded(maskOfBall(box, [3, 7.25, 4], 3.2))).toEqual(setOf(ball));
    const disc = (x: number, y: number, z: number): boolean =>
      z === 4 && ((x + 0.5 - 3.5) / 4) ** 2 + ((y + 0.5 - 7.5) / 2) ** 2 <= 1;
    expect(decoded(maskOfBall(box, [3.5, 7.5, 4.5], [4, 2, 0.5]))).toEqual(setOf(disc));
  });
});
