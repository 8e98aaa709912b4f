import { describe, expect, it } from 'vitest';
import {
  ALL_SPACE,
  codeRanges,
  cornersOf,
  type Extent,
  extentOf,
  holdsPoint,
  meets,
  placeCode,
  SIZE_CLASSES,
  type SpaceBox,
  sizeClassOf,
} from '../../src/database/spatial-index.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

/** Numbers of all sizes, of both signs, whole or not. */
function numbers(random: () => number): () => number {
  return () => {
    const value = (random() - 0.5) * 2 ** (1 + Math.floor(random() * 25));
    return random() < 0.5 ? Math.floor(value) : value;
  };
}

function boxes(random: () => number): () => SpaceBox {
  const any = numbers(random);
  return () => {
    const low = [any(), any(), any()] as const;
    const size = (): number => Math.abs(any()) + 0.001;
    return [low[0], low[1], low[2], low[0] + size(), low[1] + size(), low[2] + size()];
  };
}

const isIn = (code: bigint, box: SpaceBox): boolean =>
  codeRanges(box).some(({ first, last }) => first <= code && code <= last);

describe('spatial index', () => {
  it('finds every point of a box in its ranges of codes, which are few, ascending and apart', () => {
    const random = seededRandom(testSeed('ranges of codes'));
    const [any, anyBox] = [numbers(random), boxes(random)];
    for (let run = 0; run < testRuns(500); run++) {
      const box = anyBox();
      const ranges = codeRanges(box);
      expect(ranges.length).toBeGreaterThan(0);
      expect(ranges.length).toBeLessThanOrEqual(48 + 1);
      for (const [i, { first, last }] of ranges.entries()) {
        expect(first <= last).toBe(true);
        if (i > 0) expect(first).toBeGreaterThan((ranges[i - 1]?.last ?? 0n) + 1n);
      }
      for (let k = 0; k < 20; k++) {
        const at = (axis: 0 | 1 | 2): number => box[axis] + random() * ((box[axis + 3] as number) - box[axis]);
        const point = random() < 0.8 ? ([at(0), at(1), at(2)] as const) : ([any(), any(), any()] as const);
        if (holdsPoint(box, ...point)) expect(isIn(placeCode(...point), box)).toBe(true);
      }
      expect(isIn(placeCode(box[0], box[1], box[2]), box)).toBe(true);
    }
  });

  it('looks at little besides the box', () => {
    // Of a grid of points around a box of 64³, at most as many are candidates as a box of twice the side has.
    const box: SpaceBox = [1000, 2000, 300, 1064, 2064, 364];
    let candidates = 0;
    const ranges = codeRanges(box);
    for (let x = 800; x < 1264; x += 8)
      for (let y = 1800; y < 2264; y += 8)
        for (let z = 100; z < 564; z += 8) {
          const code = placeCode(x, y, z);
          if (ranges.some(({ first, last }) => first <= code && code <= last)) candidates++;
        }
    expect(candidates).toBeGreaterThanOrEqual(8 ** 3);
    expect(candidates).toBeLessThanOrEqual(8 * 8 ** 3);
  });

  it('has one range for everything, and none for an empty box', () => {
    expect(codeRanges(ALL_SPACE)).toEqual([{ first: 0n, last: 2n ** 63n - 1n }]);
    expect(codeRanges([5, 5, 5, 5, 9, 9])).toEqual([]);
    expect(codeRanges([0, 0, 9, 1, 1, 3])).toEqual([]);
  });

  it('finds points beyond the range of cells', () => {
    const far: SpaceBox = [2 ** 30, -(2 ** 30), 0, 2 ** 30 + 10, -(2 ** 30) + 10, 10];
    expect(isIn(placeCode(2 ** 30 + 1, -(2 ** 30) + 1, 1), far)).toBe(true);
  });

  it('finds the corner of whatever meets a box', () => {
    const random = seededRandom(testSeed('classes of sizes'));
    const anyBox = boxes(random);
    let met = 0;
    for (let run = 0; run < testRuns(3_000); run++) {
      const [x0, y0, z0, x1, y1, z1] = anyBox();
      const extent: Extent = { low: [x0, y0, z0], high: [x1, y1, z1] };
      const sizeClass = sizeClassOf(extent);
      expect(sizeClass).toBeLessThan(SIZE_CLASSES);
      // A box that touches it somewhere.
      const touch = ([low, high]: readonly [number, number]): number => low + random() * (high - low);
      const [x, y, z] = [touch([x0, x1]), touch([y0, y1]), touch([z0, z1])];
      const box: SpaceBox = [x - random() * 50, y - random() * 50, z - random() * 50, x + 1, y + 1, z + 1];
      if (!meets(box, extent)) continue;
      met++;
      const corners = cornersOf(box, sizeClass);
      expect(holdsPoint(corners, x0, y0, z0)).toBe(true);
      expect(isIn(placeCode(x0, y0, z0), corners)).toBe(true);
    }
    expect(met).toBeGreaterThan(0);
  });

  it('takes the bounding box of the points of a row', () => {
    expect(extentOf({ key: 1n, point: [1, 2.5, 3] })).toEqual({ low: [1, 2.5, 3], high: [1, 2.5, 3] });
    expect(extentOf({ key: 1n, points: [5, 1, 9, -1, 7, 9.5] })).toEqual({ low: [-1, 1, 9], high: [5, 7, 9.5] });
    expect(extentOf({ key: 1n })).toBeUndefined();
    expect(extentOf({ key: 1n, point: [1, 2, Number.POSITIVE_INFINITY] })).toBeUndefined();
  });
});
