import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Box } from '../../protocol/volume.ts';
import { boxVolume, contains, intersect, translate } from '../../src/query/box.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const side = fc.tuple(fc.integer({ min: -8, max: 8 }), fc.integer({ min: 1, max: 6 }));
const anyBox = fc
  .tuple(side, side, side)
  .map(([x, y, z]): Box => [x[0], y[0], z[0], x[0] + x[1], y[0] + y[1], z[0] + z[1]]);

function has(box: Box, x: number, y: number, z: number): boolean {
  return x >= box[0] && x < box[3] && y >= box[1] && y < box[4] && z >= box[2] && z < box[5];
}

function* voxels(box: Box): Generator<[number, number, number]> {
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++) for (let x = box[0]; x < box[3]; x++) yield [x, y, z];
}

describe('boxes', () => {
  const random = { seed: testSeed('box'), numRuns: testRuns(500) };

  it('meet in exactly the voxels that both have', () => {
    fc.assert(
      fc.property(anyBox, anyBox, (a, b) => {
        const common = intersect(a, b);
        const both = [...voxels(a)].filter(([x, y, z]) => has(b, x, y, z));
        expect(common === undefined ? [] : [...voxels(common)]).toEqual(both);
      }),
      random,
    );
  });

  it('that only touch do not meet', () => {
    expect(intersect([0, 0, 0, 2, 2, 2], [2, 0, 0, 4, 2, 2])).toBeUndefined();
    expect(intersect([0, 0, 0, 2, 2, 2], [0, 0, -1, 2, 2, 0])).toBeUndefined();
  });

  it('that are empty or inside out meet nothing', () => {
    expect(intersect([0, 0, 0, 9, 9, 9], [3, 3, 3, 3, 5, 5])).toBeUndefined();
    expect(intersect([0, 0, 0, 9, 9, 9], [5, 5, 5, 3, 3, 3])).toBeUndefined();
  });

  it('contain another where every voxel of it is in them', () => {
    fc.assert(
      fc.property(anyBox, anyBox, (a, b) => {
        expect(contains(a, b)).toBe([...voxels(b)].every(([x, y, z]) => has(a, x, y, z)));
      }),
      random,
    );
    expect(contains([0, 0, 0, 4, 4, 4], [0, 0, 0, 4, 4, 4])).toBe(true);
  });

  it('keep their size when they are moved', () => {
    expect(translate([1, 2, 3, 4, 6, 8], [10, -20, 30])).toEqual([11, -18, 33, 14, -14, 38]);
  });

  it('have as many voxels as one can count, and none when inside out', () => {
    fc.assert(
      fc.property(anyBox, (box) => {
        expect(boxVolume(box)).toBe([...voxels(box)].length);
      }),
      random,
    );
    expect(boxVolume([5, 5, 5, 3, 3, 3])).toBe(0);
    expect(boxVolume([0, 0, 0, 0, 9, 9])).toBe(0);
    expect(boxVolume([0, 0, 0, 2 ** 18, 2 ** 18, 2 ** 16])).toBe(2 ** 52);
  });
});
