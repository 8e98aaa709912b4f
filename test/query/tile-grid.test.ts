import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, type MipInfo, mipBox, type Vec3 } from '../../protocol/volume.ts';
import { boxVolume, contains, intersect } from '../../src/query/box.ts';
import { gridShape, tileAt, tileBox, tilesIn, tilesOf } from '../../src/query/tile-grid.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const vec = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min, max }));
const anyLevel = fc
  .record({ shape: vec(1, 20), chunk: vec(1, 8), offset: vec(-10, 10) })
  .map((level): MipInfo => ({ ...level, voxel: [1, 1, 1] }));
const anyBox = fc
  .tuple(vec(-25, 35), vec(1, 30))
  .map(([at, size]): Box => [at[0], at[1], at[2], at[0] + size[0], at[1] + size[1], at[2] + size[2]]);

const wholeGrid = (level: MipInfo): Vec3[] => [...tilesIn([0, 0, 0, ...gridShape(level)])];

describe('the grid of chunks', () => {
  const random = { seed: testSeed('tile-grid'), numRuns: testRuns(200) };

  it('covers the volume exactly once', () => {
    fc.assert(
      fc.property(anyLevel, (level) => {
        const boxes = wholeGrid(level).map(([x, y, z]) => tileBox(level, x, y, z));
        const volume = mipBox(level);
        let voxels = 0;
        for (const box of boxes) voxels += boxVolume(box);
        expect(voxels).toBe(boxVolume(volume));
        // As many voxels as the volume, all of them inside and none twice along an edge: every voxel once.
        const faults = boxes.filter(
          (box, index) =>
            !contains(volume, box) || boxes.slice(index + 1, index + 10).some((other) => intersect(box, other)),
        );
        expect(faults).toEqual([]);
      }),
      random,
    );
  });

  it('gives exactly the tiles that a box meets', () => {
    fc.assert(
      fc.property(anyLevel, anyBox, (level, box) => {
        const met = wholeGrid(level).filter(([x, y, z]) => intersect(tileBox(level, x, y, z), box) !== undefined);
        expect([...tilesIn(tilesOf(level, box))]).toEqual(met);
      }),
      random,
    );
  });

  it('finds each voxel in the tile that has it', () => {
    fc.assert(
      fc.property(anyLevel, (level) => {
        for (const [x, y, z] of wholeGrid(level).slice(0, 40)) {
          const box = tileBox(level, x, y, z);
          expect(tileAt(level, [box[0], box[1], box[2]])).toEqual([x, y, z]);
          expect(tileAt(level, [box[3] - 1, box[4] - 1, box[5] - 1])).toEqual([x, y, z]);
        }
      }),
      random,
    );
  });

  it('goes on outside the volume, so that a focus there still has a tile', () => {
    const level: MipInfo = { shape: [8, 8, 8], chunk: [4, 4, 4], voxel: [1, 1, 1], offset: [2, 0, 0] };
    expect(tileAt(level, [1, -1, 100])).toEqual([-1, -1, 25]);
  });

  it('gives no range for a box outside', () => {
    const level: MipInfo = { shape: [8, 8, 8], chunk: [4, 4, 4], voxel: [1, 1, 1], offset: [0, 0, 0] };
    expect(tilesOf(level, [8, 0, 0, 9, 1, 1])).toBeUndefined();
    expect([...tilesIn(undefined)]).toEqual([]);
  });
});
