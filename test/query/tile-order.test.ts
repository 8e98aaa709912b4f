import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Vec3 } from '../../protocol/volume.ts';
import { type TileRange, tilesIn } from '../../src/query/tile-grid.ts';
import { NearOrder, ScanOrder, type TileOrder } from '../../src/query/tile-order.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const coordinate = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 25 }) },
  { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 100_000 }) },
);
const anyFocus: fc.Arbitrary<Vec3> = fc.tuple(coordinate, coordinate, coordinate);
/** Up to some 3,000 tiles: near cubes, plates and sticks. */
const anyRange: fc.Arbitrary<TileRange> = fc
  .tuple(
    fc.tuple(fc.integer({ min: -3, max: 9 }), fc.integer({ min: -3, max: 9 }), fc.integer({ min: -3, max: 9 })),
    fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 14 })),
      fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 50 }), fc.constant(1)),
      fc.tuple(fc.constant(1), fc.constant(2), fc.integer({ min: 1, max: 1_500 })),
    ),
  )
  .map(([at, size]) => [at[0], at[1], at[2], at[0] + size[0], at[1] + size[1], at[2] + size[2]]);
/** Take so many tiles, then look elsewhere. */
const anyMoves = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), anyFocus), { maxLength: 6 });

const nameOf = (tile: Vec3): string => tile.join(',');

function take(order: TileOrder, most = Number.POSITIVE_INFINITY): Vec3[] {
  const into: [number, number, number] = [0, 0, 0];
  const taken: Vec3[] = [];
  while (taken.length < most && order.next(into)) taken.push([...into]);
  return taken;
}

/** A focus outside counts as the nearest tile inside. */
function inside(range: TileRange, focus: Vec3): Vec3 {
  const at = (axis: 0 | 1 | 2): number => Math.min(Math.max(focus[axis], range[axis]), (range[axis + 3] as number) - 1);
  return [at(0), at(1), at(2)];
}

/** Shell and squared distance of a tile: what the order must not decrease in. */
function rank(tile: Vec3, focus: Vec3): number[] {
  const d = tile.map((at, axis) => Math.abs(at - (focus[axis] as number)));
  return [Math.max(...d), d.reduce((sum, n) => sum + n * n, 0)];
}

function sortedRanks(tiles: readonly Vec3[], focus: Vec3): number[][] {
  return tiles.map((tile) => rank(tile, focus)).sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d);
}

describe('scan order', () => {
  it('gives every tile of a range once, x fastest, and is not moved by a focus', () => {
    fc.assert(
      fc.property(anyRange, anyMoves, (range, moves) => {
        const order: TileOrder = new ScanOrder(range);
        const given: Vec3[] = [];
        for (const [count, focus] of moves) {
          given.push(...take(order, count));
          order.refocus(focus);
        }
        given.push(...take(order));
        expect(given.map(nameOf)).toEqual([...tilesIn(range)].map(nameOf));
        expect(order.next([0, 0, 0])).toBe(false);
      }),
      { seed: testSeed('scan order'), numRuns: testRuns(60) },
    );
  });
});

describe('near order', () => {
  it('[D8] gives every tile once, always the nearest that is left, however often the focus moves', () => {
    fc.assert(
      fc.property(anyRange, anyFocus, anyMoves, (range, firstFocus, moves) => {
        const order = new NearOrder(range, firstFocus);
        const left = new Map([...tilesIn(range)].map((tile) => [nameOf(tile), tile as Vec3]));
        let focus = inside(range, firstFocus);
        for (const [count, nextFocus] of [...moves, [Number.POSITIVE_INFINITY, firstFocus] as const]) {
          const nearest = sortedRanks([...left.values()], focus);
          const given = take(order, count);
          expect(given.map((tile) => rank(tile, focus))).toEqual(nearest.slice(0, given.length));
          expect(given.length).toBe(Math.min(count, left.size));
          for (const tile of given) expect(left.delete(nameOf(tile))).toBe(true);
          order.refocus(nextFocus);
          focus = inside(range, nextFocus);
        }
        expect(left.size).toBe(0);
        expect(order.next([0, 0, 0])).toBe(false);
      }),
      { seed: testSeed('near order'), numRuns: testRuns(60) },
    );
  });

  it('goes z, y, x among tiles that are equally far, so that two servers send alike', () => {
    const order = new NearOrder([-1, -1, -1, 2, 2, 2], [0, 0, 0]);
    expect(take(order, 7)).toEqual([
      [0, 0, 0],
      [0, 0, -1],
      [0, -1, 0],
      [-1, 0, 0],
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  it('begins at once however far away the focus is', () => {
    const order = new NearOrder([0, 0, 0, 2, 2, 2], [2 ** 31, -(2 ** 31), 2 ** 31]);
    const started = performance.now();
    expect(take(order)).toHaveLength(8);
    order.refocus([-(2 ** 31), 0, 0]);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('gives every tile once of a large pull that is refocused all the time', () => {
    const range: TileRange = [0, 0, 0, 128, 64, 2];
    const order = new NearOrder(range, [0, 0, 0]);
    const names = new Set<string>();
    const into: [number, number, number] = [0, 0, 0];
    for (let n = 0; order.next(into); n++) {
      names.add(nameOf(into));
      order.refocus([(n * 37) % 128, (n * 11) % 64, n % 2]);
    }
    expect(names.size).toBe(128 * 64 * 2);
  });

  it('stays ended when it is refocused after its last tile', () => {
    const order = new NearOrder([0, 0, 0, 3, 1, 1], [0, 0, 0]);
    expect(take(order)).toHaveLength(3);
    order.refocus([2, 0, 0]);
    expect(order.next([0, 0, 0])).toBe(false);
  });
});
