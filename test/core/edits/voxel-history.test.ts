import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type Box, type MipInfo, mipBox, type Vec3 } from '../../../protocol/volume.ts';
import { coarserBox, footprintFactors, touchedBoxes, VoxelHistory } from '../../../src/core/edits/voxel-history.ts';
import { pyramid } from '../../../src/image/downsample.ts';
import { gridShape, tileBox, tilesIn } from '../../../src/query/tile-grid.ts';
import { eachVoxel } from '../../support/naive-edits.ts';
import { seededRandom, testRuns, testSeed } from '../../support/seed.ts';

const level = (shape: Vec3, chunk: Vec3, offset: Vec3 = [0, 0, 0]): MipInfo => ({
  shape,
  chunk,
  offset,
  voxel: [1, 1, 1],
});
const BASE = level([13, 9, 6], [4, 3, 2], [-3, 5, 1]);
const MIPS = [BASE, ...pyramid(BASE)];

/** What happened, in order. */
type Event =
  | { readonly seq: number; readonly tiles: readonly Vec3[] }
  | { readonly seq: number; readonly turned: readonly number[] };

/** Voxels of mip 0 under each voxel's footprint, one level after the other. */
function reaches(mips: readonly MipInfo[], factors: readonly Vec3[], from: Vec3, mip: number, tile: Vec3): boolean {
  const wanted = tileBox(mips[mip] as MipInfo, ...tile);
  let voxels = new Set<string>();
  eachVoxel(tileBox(mips[0] as MipInfo, ...from), (...at) => voxels.add(at.slice(0, 3).join()));
  for (let m = 1; m <= mip; m++) {
    const [fx, fy, fz] = factors[m] as Vec3;
    const above = new Set<string>();
    for (const voxel of voxels) {
      const [x = 0, y = 0, z = 0] = voxel.split(',').map(Number);
      const box = mipBox(mips[m] as MipInfo);
      const [a, b, c] = [Math.floor(x / fx), Math.floor(y / fy), Math.floor(z / fz)];
      if (a >= box[0] && a < box[3] && b >= box[1] && b < box[4] && c >= box[2] && c < box[5])
        above.add(`${a},${b},${c}`);
    }
    voxels = above;
  }
  return [...voxels].some((voxel) => {
    const [x = 0, y = 0, z = 0] = voxel.split(',').map(Number);
    return x >= wanted[0] && x < wanted[3] && y >= wanted[1] && y < wanted[4] && z >= wanted[2] && z < wanted[5];
  });
}

describe('the history of voxels', () => {
  it('[D20] knows since when every tile of every level is as it is, at every seq', () => {
    const random = seededRandom(testSeed('voxel history'));
    const factors = footprintFactors(MIPS);
    const finest = [...tilesIn([0, 0, 0, ...gridShape(BASE)])];
    for (let run = 0; run < testRuns(4); run++) {
      const history = new VoxelHistory(MIPS, factors);
      expect(history.isEditedAt(99)).toBe(false);
      const events: Event[] = [];
      let head = 0;
      for (let step = 0; step < 12; step++) {
        head += 1 + Math.floor(random() * 3);
        const tiles = finest.filter(() => random() < 0.06);
        const edits = events.filter((event) => 'tiles' in event && event.tiles.length > 0).map(({ seq }) => seq);
        if (random() < 0.4) {
          const turned = edits.filter(() => random() < 0.4);
          history.force(head, [...turned, head + 1_000]);
          events.push({ seq: head, turned });
        } else {
          history.add(head, tiles);
          events.push({ seq: head, tiles });
        }
      }
      const tilesOf = (event: Event): readonly Vec3[] =>
        'tiles' in event ? event.tiles : event.turned.flatMap((seq) => history.touchedBy(seq));
      for (const [mip, { shape }] of MIPS.entries())
        for (const tile of tilesIn([0, 0, 0, ...gridShape(MIPS[mip] as MipInfo)])) {
          expect(shape).toBeDefined();
          const seqs = events
            .filter((event) => tilesOf(event).some((from) => reaches(MIPS, factors, from, mip, tile)))
            .map(({ seq }) => seq);
          for (let at = 0; at <= head + 1; at++)
            expect([mip, tile, at, history.versionAt(mip, tile, at)]).toEqual([
              mip,
              tile,
              at,
              Math.max(0, ...seqs.filter((seq) => seq <= at)),
            ]);
        }
      const first = Math.min(...events.filter((event) => tilesOf(event).length > 0).map(({ seq }) => seq));
      expect(history.isEditedAt(first - 1)).toBe(false);
      expect(history.isEditedAt(first)).toBe(first !== Number.POSITIVE_INFINITY);
    }
  });

  it('[E21] knows which deltas of a tile are in force, and what a kept state can be built on', () => {
    const history = new VoxelHistory([BASE], [[1, 1, 1]]);
    const [tile, other]: Vec3[] = [
      [0, 0, 0],
      [1, 1, 1],
    ];
    history.add(1, [other as Vec3, tile as Vec3]);
    history.add(3, [tile as Vec3]);
    history.force(5, [1]);
    history.add(6, [tile as Vec3]);
    history.force(7, [3]);
    history.force(8, [1]);
    const at = tile as Vec3;
    expect(history.deltasOf(at, 6)).toEqual([
      { seq: 1, part: 1 },
      { seq: 3, part: 0 },
      { seq: 6, part: 0 },
    ]);
    expect(history.deltasOf(at, 5, 1)).toEqual([{ seq: 3, part: 0 }]);
    expect(history.deltasOf([2, 2, 0], 9)).toEqual([]);
    expect([4, 5, 7, 8].map((seq) => history.isInForce(1, seq))).toEqual([true, false, false, true]);
    expect(history.touchedBy(1)).toEqual([other, tile]);
    expect(history.touchedBy(2)).toEqual([]);
    // At 6, edits 3 and 6 hold; 1 has been undone since 5.
    expect(history.baseFor(at, 5, 6)).toBe(5);
    expect(history.baseFor(at, 3, 6)).toBe(0);
    // At 8, 1 holds again: what was kept at 1 can be built on, what was kept at 3 holds 3 too.
    expect(history.baseFor(at, 3, 8)).toBe(2);
    expect(history.baseFor(at, 2, 8)).toBe(2);
    expect(history.baseFor(at, 6, 8)).toBe(0);
    expect(history.baseFor(at, 0, 8)).toBe(0);
  });

  it('[E21] equals a model that looks at every event: undos and redos of a few edits again and again', () => {
    const random = seededRandom(testSeed('voxel force'));
    const below = (n: number): number => Math.floor(random() * n);
    const grid: Vec3[] = [...tilesIn([0, 0, 0, ...gridShape(BASE)])].slice(0, 6);
    for (let run = 0; run < testRuns(40); run++) {
      const history = new VoxelHistory(MIPS, footprintFactors(MIPS));
      const made = new Map<number, readonly Vec3[]>();
      const turns: { readonly at: number; readonly edit: number }[] = [];
      let head = 0;
      for (let step = 0; step < 25; step++) {
        head += 1 + below(2);
        if (below(3) === 0 || made.size === 0) {
          const tiles = grid.filter(() => below(2) === 0);
          history.add(head, tiles);
          if (tiles.length > 0) made.set(head, tiles);
          // An edit may write and undo.
          if (below(2) === 0) continue;
        }
        const turned = [...made.keys()].filter((edit) => edit < head && below(3) === 0);
        history.force(head, turned);
        for (const edit of turned) turns.push({ at: head, edit });
        // What is asked for now must not be taken for true later.
        for (const tile of grid) history.versionAt(0, tile, head);
      }
      const isInForce = (edit: number, at: number): boolean =>
        turns.filter((turn) => turn.edit === edit && turn.at <= at).length % 2 === 0;
      for (const tile of grid) {
        const own = [...made.keys()].filter((edit) => made.get(edit)?.includes(tile));
        const times = [...own, ...turns.filter(({ edit }) => own.includes(edit)).map(({ at }) => at)];
        for (let at = 0; at <= head; at++) {
          expect(history.versionAt(0, tile, at)).toBe(Math.max(0, ...times.filter((time) => time <= at)));
          expect(history.deltasOf(tile, at).map(({ seq }) => seq)).toEqual(own.filter((edit) => edit <= at));
          for (const edit of own.filter((one) => one <= at))
            expect(history.isInForce(edit, at)).toBe(isInForce(edit, at));
          const from = below(at + 1);
          const other = own.filter((edit) => edit <= from && isInForce(edit, from) !== isInForce(edit, at));
          expect(history.baseFor(tile, from, at)).toBe(other.length === 0 ? from : Math.min(...other) - 1);
        }
      }
    }
  });

  it('grows by what an undo says, not by the tiles that it turns', () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    const bytesInUse = (): number => {
      if (typeof collect === 'function') collect();
      return process.memoryUsage().heapUsed;
    };
    const large = level([256, 256, 1], [4, 4, 1]);
    const history = new VoxelHistory([large], [[1, 1, 1]]);
    const tiles = [...tilesIn([0, 0, 0, ...gridShape(large)])];
    expect(tiles.length).toBe(4_096);
    history.add(1, tiles);
    history.force(2, [1]);
    const before = bytesInUse();
    for (let seq = 3; seq < 1_000; seq++) history.force(seq, [1]);
    expect(bytesInUse() - before).toBeLessThan(4 * 1024 * 1024);
    expect(history.versionAt(0, [63, 63, 0], 1_000)).toBe(999);
    expect(history.versionAt(0, [63, 63, 0], 500)).toBe(500);
  });

  it('takes changes in the order of their seqs alone', () => {
    const history = new VoxelHistory([BASE], [[1, 1, 1]]);
    history.add(4, [[0, 0, 0]]);
    history.force(4, [4]);
    expect(() => history.add(3, [[0, 0, 0]])).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});

describe('footprints', () => {
  it('[E27] have the rounded ratio of the shapes; built levels the factors that they were built with', () => {
    const mips = [
      level([100, 9, 7], [9, 9, 9]),
      level([67, 4, 7], [9, 9, 9]),
      level([34, 2, 4], [9, 9, 9]),
      level([1, 1, 4], [9, 9, 9]),
    ];
    expect(footprintFactors(mips)).toEqual([
      [1, 1, 1],
      [1, 2, 1],
      [2, 2, 2],
      [34, 2, 1],
    ]);
    expect(
      footprintFactors(mips, [
        [1, 1, 1],
        [1, 1, 1],
        [2, 2, 2],
        [7, 2, 1],
      ]),
    ).toEqual([
      [1, 1, 1],
      [1, 2, 1],
      [2, 2, 2],
      [7, 2, 1],
    ]);
  });

  it('[E32] of a box of mip 0 are told for every level that shows it', () => {
    const mips = [
      level([10, 10, 10], [4, 4, 4], [-5, 0, 0]),
      level([5, 5, 10], [4, 4, 4], [-3, 0, 0]),
      level([2, 2, 10], [4, 4, 4], [-2, 0, 0]),
    ];
    const factors: Vec3[] = [
      [1, 1, 1],
      [2, 2, 1],
      [2, 2, 1],
    ];
    expect(touchedBoxes([-5, 1, 2, -4, 3, 4], mips, factors)).toEqual([
      [0, [-5, 1, 2, -4, 3, 4]],
      [1, [-3, 0, 2, -2, 2, 4]],
      [2, [-2, 0, 2, -1, 1, 4]],
    ]);
    // The second level is cut off before the voxels of x = 3 and 4, and what is not there is not above either.
    expect(touchedBoxes([3, 0, 0, 5, 1, 1], mips, factors)).toEqual([
      [0, [3, 0, 0, 5, 1, 1]],
      [1, [1, 0, 0, 2, 1, 1]],
    ]);
    const far: Box = [4, 0, 0, 5, 1, 1];
    expect(touchedBoxes(far, mips, factors)).toEqual([[0, far]]);
    expect(coarserBox(far, [2, 2, 1], mips[1] as MipInfo)).toBeUndefined();
  });
});
