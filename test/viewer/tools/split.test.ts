import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxShape, volumeOf } from '../../../protocol/volume.ts';
import type { Box } from '../../../src/client/index.ts';
import { fits } from '../../../src/viewer/page/tools/cut-set.ts';
import { boundsOfId, neighbourhood, onlyOf, seedsOf, splitBox } from '../../../src/viewer/page/tools/split.ts';
import { testRuns, testSeed } from '../../support/seed.ts';
import { boxes, runs, setOf, sizes, textOf } from './arbitrary.ts';
import { voxelsOf } from './naive-brush.ts';

const WHOLE: Box = [-2, 0, 0, 18, 6, 6];

describe('what a split takes of a segment', () => {
  const options = { seed: testSeed('split'), numRuns: testRuns(200) };

  it('is the voxels of the stroke that have its id, for ids of any size', () => {
    fc.assert(
      fc.property(runs, fc.infiniteStream(fc.integer({ min: 0, max: 3 })), fc.boolean(), (added, stream, isLong) => {
        const { set, voxels } = setOf(added);
        const ids = [...stream.take(volumeOf(boxShape(WHOLE)))];
        const data = isLong ? BigUint64Array.from(ids, BigInt) : Uint32Array.from(ids);
        const wanted = new Set<string>();
        let at = 0;
        for (const voxel of voxelsOf(WHOLE)) if (ids[at++] === 2 && voxels.has(voxel.join())) wanted.add(voxel.join());
        expect(textOf(onlyOf(set, 2n, WHOLE, data))).toEqual(wanted);
      }),
      { ...options, numRuns: testRuns(40) },
    );
  });

  it('has so few seeds that they travel in one message, all of them of the stroke', () => {
    const { set } = setOf([
      [0, 700, 0, 0],
      [100, 900, 1, 0],
    ]);
    const seeds = seedsOf(set, 2);
    expect(seeds.length).toBeLessThanOrEqual(380);
    expect(seeds.length).toBeGreaterThan(150);
    expect(seeds.every(([x, y, z, group]) => set.has(x, y, z) && group === 2)).toBe(true);
    expect(seedsOf(setOf([[3, 4, 1, 2]]).set, 1)).toEqual([
      [3, 1, 2, 1],
      [4, 1, 2, 1],
      [5, 1, 2, 1],
      [6, 1, 2, 1],
    ]);
  });

  it('is looked for in a box around the seeds, within limits and volume, that cannot grow', () => {
    const bounds: Box = [0, 0, 0, 40, 40, 40];
    fc.assert(
      fc.property(boxes, sizes, fc.integer({ min: 1, max: 30_000 }), (seeds, voxel, most) => {
        const limits = { voxels: most, tiles: 64, chunk: [8, 8, 8], offset: [0, 0, 0] } as const;
        const box = neighbourhood(seeds, voxel, bounds, limits);
        if (box === undefined) {
          expect(fits(seeds, limits)).toBe(false);
          return;
        }
        expect(fits(box, limits)).toBe(true);
        for (const axis of [0, 1, 2] as const) {
          expect(box[axis]).toBeGreaterThanOrEqual(0);
          expect(box[axis]).toBeLessThanOrEqual(seeds[axis]);
          expect(box[axis + 3]).toBeLessThanOrEqual(40);
          expect(box[axis + 3]).toBeGreaterThanOrEqual(seeds[axis + 3] ?? 0);
        }
        const grown = box.map((value, axis) => (axis < 3 ? Math.max(0, value - 2) : Math.min(40, value + 2)));
        const isWhole = grown.every((value, axis) => value === box[axis]);
        expect(isWhole || !fits(grown as unknown as Box, limits)).toBe(true);
      }),
      options,
    );
  });

  it('is bounded by where its id is in a coarser level, one coarse voxel wider', () => {
    const data = new Uint32Array(4 * 4 * 2);
    data[1 + 4 * 2] = 7;
    data[2 + 4 * (2 + 4)] = 7;
    expect(boundsOfId(data, [10, 0, 0, 14, 4, 2], 7n, [2, 2, 1])).toEqual([20, 2, -1, 28, 8, 3]);
    expect(boundsOfId(data, [10, 0, 0, 14, 4, 2], 8n, [2, 2, 1])).toBeUndefined();
  });

  it('has a box that holds the seeds and where the segment is, within reach', () => {
    const reach: Box = [0, 0, 0, 100, 100, 100];
    expect(splitBox([50, 50, 50, 52, 52, 51], undefined, reach)).toEqual([34, 34, 34, 68, 68, 67]);
    expect(splitBox([50, 50, 50, 52, 52, 51], [-4, 40, 40, 60, 120, 60], reach)).toEqual([0, 34, 34, 68, 100, 67]);
  });
});
