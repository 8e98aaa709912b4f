import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellSize, GridIndex, nearest, type Placed } from '../../../src/viewer/page/annotations/grid-index.ts';
import type { Place } from '../../../src/viewer/page/stage.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const place = fc.tuple(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -20, max: 20 }),
) as fc.Arbitrary<Place>;
const item: fc.Arbitrary<Placed> = fc
  .tuple(place, fc.constantFrom(0, 0, 3, 60, 1_000_000))
  .map(([low, size]) => ({ low, high: [low[0] + size, low[1] + size / 2, low[2] + size] }));
const box: fc.Arbitrary<Placed> = fc
  .tuple(place, fc.integer({ min: 0, max: 400 }))
  .map(([low, size]) => ({ low, high: [low[0] + size, low[1] + size, low[2] + size] }));

function isIn(a: Placed, b: Placed): boolean {
  return ([0, 1, 2] as const).every((axis) => a.low[axis] <= b.high[axis] && a.high[axis] >= b.low[axis]);
}

describe('the grid of shapes', () => {
  it('finds exactly what meets a box, after any adding and removing', () => {
    const seed = testSeed('finds exactly what meets a box');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(item, fc.boolean()), { maxLength: 60 }),
        box,
        fc.constantFrom(1, 7, 50, 1_000),
        (items, wanted, size) => {
          const index = new GridIndex<Placed>(size);
          for (const [one] of items) index.add(one);
          for (const [one, stays] of items) if (!stays) index.remove(one);
          const there = items.flatMap(([one, stays]) => (stays ? [one] : []));
          expect(index.count).toBe(there.length);
          expect(new Set(index.near(wanted, 1_000))).toEqual(new Set(there.filter((one) => isIn(one, wanted))));
        },
      ),
      { seed, numRuns: testRuns(300) },
    );
  });

  it('gives so many as are asked for, those near the middle of the box', () => {
    const index = new GridIndex<Placed>(10);
    const points = Array.from({ length: 1_000 }, (_, i): Placed => {
      const at: Place = [(i % 100) * 10, Math.floor(i / 100) * 10, 0];
      return { low: at, high: at };
    });
    for (const point of points) index.add(point);
    const found = index.near({ low: [0, 0, -5], high: [1_000, 100, 5] }, 20);
    expect(found).toHaveLength(20);
    for (const { low } of found) expect(Math.hypot(low[0] - 500, low[1] - 50)).toBeLessThan(60);
  });

  it('looks at few empty cells where one item is far from all others', () => {
    const index = new GridIndex<Placed>(1);
    const far: Place = [1e9, -1e9, 1e9];
    for (const at of [[0, 0, 0], [5, 5, 5], far] as Place[]) index.add({ low: at, high: at });
    // Cell by cell this would not end.
    expect(index.near({ low: [-2e9, -2e9, -2e9], high: [2e9, 2e9, 2e9] }, 10)).toHaveLength(3);
  });

  it('chooses cells that hold few items each, in flat volumes too', () => {
    for (const high of [
      [1_000, 1_000, 1_000],
      [100_000, 100_000, 1],
      [1_000_000, 1, 1],
    ] as Place[]) {
      const size = cellSize(80_000, [0, 0, 0], high);
      const cells = high.reduce((product, edge) => product * Math.max(1, Math.ceil(edge / size)), 1);
      expect(cells).toBeGreaterThanOrEqual(10_000);
      expect(cells).toBeLessThan(40_000);
    }
    expect(cellSize(0, [Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity])).toBe(1);
  });

  it('takes the nearest by their boxes, the nearest first', () => {
    const wide: Placed = { low: [-100, 50, 0], high: [100, 60, 0] };
    const points = [90, 10, 70].map((x): Placed => ({ low: [x, 0, 0], high: [x, 0, 0] }));
    expect(nearest([wide, ...points], [0, 0, 0], 2)).toEqual([points[1], wide]);
  });
});
