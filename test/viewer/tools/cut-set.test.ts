import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxShape, volumeOf } from '../../../protocol/volume.ts';
import { cutSet, tilesOf } from '../../../src/viewer/page/tools/cut-set.ts';
import { testRuns, testSeed } from '../../support/seed.ts';
import { boxes, runs, setOf, textOf } from './arbitrary.ts';
import { voxelsOf } from './naive-brush.ts';

const limits = fc.record({
  voxels: fc.integer({ min: 1, max: 300 }),
  tiles: fc.integer({ min: 1, max: 6 }),
  chunk: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
  offset: fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 })),
});

describe('a set that is cut for the server', () => {
  const options = { seed: testSeed('cut set'), numRuns: testRuns(300) };

  it('comes in boxes that are within the limits, with every voxel once [L1]', () => {
    fc.assert(
      fc.property(runs, limits, (added, most) => {
        const { set, voxels } = setOf(added);
        const all: string[] = [];
        for (const { box, set: part } of cutSet(set, most)) {
          expect(part.bounds).toEqual(box);
          expect(volumeOf(boxShape(box))).toBeLessThanOrEqual(most.voxels);
          expect(tilesOf(box, most)).toBeLessThanOrEqual(most.tiles);
          all.push(...textOf(part));
        }
        expect(all.length).toBe(voxels.size);
        expect(new Set(all)).toEqual(voxels);
      }),
      options,
    );
  });

  it('counts the tiles that a box meets', () => {
    fc.assert(
      fc.property(boxes, limits, (box, { chunk, offset }) => {
        const tiles = new Set<string>();
        for (const voxel of voxelsOf(box))
          tiles.add(voxel.map((value, axis) => Math.floor((value - (offset[axis] ?? 0)) / (chunk[axis] ?? 1))).join());
        expect(tilesOf(box, { chunk, offset })).toBe(tiles.size);
      }),
      { ...options, numRuns: testRuns(60) },
    );
  });

  it('is left whole where it fits', () => {
    const { set } = setOf([[0, 4, 0, 0]]);
    expect(cutSet(set, { voxels: 4, tiles: 1, chunk: [8, 8, 8], offset: [0, 0, 0] })).toHaveLength(1);
  });
});
