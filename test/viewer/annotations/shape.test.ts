import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TableName } from '../../../protocol/edit-ops.ts';
import { parseRow } from '../../../protocol/parse-rows.ts';
import type { Row, RowInput } from '../../../src/client/index.ts';
import { movedRow, rowOf, type ShapeKind, shapeOf } from '../../../src/viewer/page/annotations/shape.ts';
import type { Place } from '../../../src/viewer/page/stage.ts';
import { fakeInfo } from '../../support/fake-stage.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const info = fakeInfo('a/b/c/d', [4, 4, 40]);

/** As the server takes a row and tells it. */
function kept(row: RowInput, table: TableName, key = 7n): Row {
  return { ...parseRow(row, table, 0, 0), key };
}

describe('rows and shapes', () => {
  it('shows points of a row, voxels of mip 0, as nanometres', () => {
    const row = { key: 3n, kind: 'line', points: [1, 2, 3, 1.5, 2, 0], text: 'here' };
    const shape = shapeOf('annotation', row, info);
    expect(shape).toMatchObject({ kind: 'line', key: 3n, low: [4, 8, 0], high: [6, 8, 120] });
    expect(shape?.points).toEqual([
      [4, 8, 120],
      [6, 8, 0],
    ]);
  });

  it('[E7] makes rows that a server takes, and finds the same places in them', () => {
    const seed = testSeed('[E7] makes rows that a server takes');
    // Thousandths of a voxel: what is finer is rounded away.
    const coordinate = (size: number): fc.Arbitrary<number> =>
      fc.integer({ min: -5_000, max: 5_000 }).map((n) => (n / 1_000) * size);
    const place = fc.tuple(coordinate(4), coordinate(4), coordinate(40));
    const kinds: Readonly<Record<Exclude<ShapeKind, 'polyline'>, number>> = {
      point: 1,
      line: 2,
      box: 2,
      ellipsoid: 2,
      synapse: 2,
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[])),
        fc.array(place, { minLength: 2, maxLength: 2 }),
        fc.array(place, { minLength: 2, maxLength: 2 }),
        (kind, first, second) => {
          const table = kind === 'synapse' ? 'synapse' : 'annotation';
          const more = kind === 'synapse' ? { pre: 3n, post: 4n, text: 'a' } : { text: 'a' };
          const points = first.slice(0, kinds[kind]) as Place[]; // triples
          const shape = shapeOf(table, kept(rowOf(kind, points, info, more), table), info);
          expect(shape?.kind).toBe(kind);
          expectNear(shape?.points, points);
          if (shape === undefined) return;
          const there = second.slice(0, kinds[kind]) as Place[];
          const moved = shapeOf(table, kept(movedRow(shape, there, info), table), info);
          expectNear(moved?.points, there);
          expect(moved?.row['text']).toBe('a');
          expect([moved?.row['pre'], moved?.row['post']]).toEqual([shape.row['pre'], shape.row['post']]);
        },
      ),
      { seed, numRuns: testRuns(200) },
    );
  });

  it('shows a synapse of which only its point is known as that point, and moves it whole', () => {
    const row = { key: 1n, pre: 5n, post: 6n, point: [10, 10, 2] };
    const shape = shapeOf('synapse', row, info);
    expect(shape?.points).toEqual([[40, 40, 80]]);
    if (shape === undefined) return;
    const moved = movedRow(shape, [[44, 40, 80]], info);
    expect(moved).toEqual({ key: 1n, pre: 5n, post: 6n, point: [11, 10, 2] });
  });

  it('puts a synapse in the middle between its ends', () => {
    const row = rowOf(
      'synapse',
      [
        [0, 0, 0],
        [8, 4, 40],
      ],
      info,
      { pre: 1n, post: 2n },
    );
    expect(row).toEqual({ point: [1, 0.5, 0.5], prePoint: [0, 0, 0], postPoint: [2, 1, 1], pre: 1n, post: 2n });
  });

  it('shows nothing of a row without a place, of an unknown kind, or with too few points', () => {
    for (const row of [
      { key: 1n },
      { key: 1n, kind: 'star', points: [1, 2, 3] },
      { key: 1n, kind: 'line', points: [1, 2, 3] },
      { key: 1n, kind: 'point', points: [1, 'x', 3] },
      { key: 1n, kind: 'synapse', points: [1, 2, 3] },
    ])
      expect(shapeOf('annotation', row, info)).toBeUndefined();
  });
});

function expectNear(found: readonly Place[] | undefined, wanted: readonly Place[]): void {
  expect(found?.length).toBe(wanted.length);
  for (const [i, place] of wanted.entries())
    for (const axis of [0, 1, 2] as const) expect(found?.[i]?.[axis]).toBeCloseTo(place[axis], 6);
}
