import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxShape, volumeOf } from '../../../protocol/volume.ts';
import { decodeMask } from '../../../protocol/voxel-mask.ts';
import { testRuns, testSeed } from '../../support/seed.ts';
import { boxes, runs, setOf, textOf } from './arbitrary.ts';
import { voxelsOf } from './naive-brush.ts';

describe('a set of voxels', () => {
  const seed = testSeed('voxel set');
  const options = { seed, numRuns: testRuns(300) };

  it('holds what was added, once, in whatever order it came', () => {
    fc.assert(
      fc.property(runs, (added) => {
        const { set, voxels } = setOf(added);
        expect(textOf(set)).toEqual(voxels);
        expect(set.count).toBe(voxels.size);
        const found = [...voxelsOf([-3, 0, 0, 20, 6, 6])].filter((voxel) => set.has(...voxel));
        expect(new Set(found.map((voxel) => voxel.join()))).toEqual(voxels);
      }),
      { ...options, numRuns: testRuns(50) },
    );
  });

  it('visits runs by z, y and x, apart from each other', () => {
    fc.assert(
      fc.property(runs, (added) => {
        const seen: (readonly [x0: number, x1: number, y: number, z: number])[] = [];
        setOf(added).set.forEachRun((...run) => seen.push(run));
        for (const [at, [x0, x1, y, z]] of seen.entries()) {
          const [, end, row, plane] = seen[at - 1] ?? [0, 0, 0, -1];
          const isLater = z > plane || (z === plane && (y > row || (y === row && x0 > end)));
          expect([x0, x1, y, z, isLater && x1 > x0]).toEqual([x0, x1, y, z, true]);
        }
      }),
      options,
    );
  });

  it('knows its smallest box', () => {
    fc.assert(
      fc.property(runs, (added) => {
        const { set, voxels } = setOf(added);
        const points = [...voxels].map((text) => text.split(',').map(Number));
        const low = [0, 1, 2].map((axis) => Math.min(...points.map((point) => point[axis] ?? 0)));
        const high = [0, 1, 2].map((axis) => Math.max(...points.map((point) => point[axis] ?? 0)) + 1);
        if (points.length > 0) expect(set.bounds).toEqual([...low, ...high]);
        else expect(set.bounds).toBeUndefined();
      }),
      options,
    );
  });

  it('gives what of it lies in a box, and the mask of a box that holds it [E8]', () => {
    fc.assert(
      fc.property(runs, boxes, (added, box) => {
        const { set, voxels } = setOf(added);
        const part = set.within(box);
        const mask = decodeMask(part.mask(box), volumeOf(boxShape(box)));
        const wanted = [...voxelsOf(box)].map((voxel) => (voxels.has(voxel.join()) ? 1 : 0));
        expect([...voxelsOf(box)].map((voxel) => (part.has(...voxel) ? 1 : 0))).toEqual(wanted);
        expect([...mask]).toEqual(wanted);
        expect(part.count).toBe(mask.reduce((sum, bit) => sum + bit, 0));
      }),
      { ...options, numRuns: testRuns(100) },
    );
  });
});
