import { describe, expect, it } from 'vitest';
import { digestOf, mergeEdits, regionEdits } from '../../src/commands/import-plan.ts';
import type { KnownRegions } from '../../src/utility/legacy-ops.ts';
import { readNode, readSplit } from '../../src/utility/legacy-text.ts';

const set = (...nodes: string[]) => nodes.map((node) => readNode(node, 'a node'));
const known = (regions: Readonly<Record<string, bigint>> = {}): KnownRegions => ({
  regionOf: (id, region) => {
    const alias = regions[`${id}:${region}`];
    return alias === undefined ? undefined : { alias, box: null };
  },
  metaOf: () => undefined,
});

describe('edits of an import', () => {
  it('declare first what merges name: regions of splits with their boxes, others without', () => {
    const split = readSplit('45:1:2:3:1:2:0:1', 'a split');
    const sets = [set('1', '45:1'), set('7:2', '8:3', '7:2')];
    expect(regionEdits(sets, [split], known({ '8:3': 99n })).flat()).toEqual([
      { op: 'region', id: 45n, region: 1, box: [2, 1, 0, 3, 2, 1] },
      { op: 'region', id: 7n, region: 2, box: null },
    ]);
    expect(regionEdits(sets, [], known({ '8:3': 99n, '7:2': 98n, '45:1': 97n }))).toEqual([]);
  });

  it('merge by aliases, the same ones each time, with the same digest', () => {
    const sets = [set('1', '2', '3:4'), set('3', '2'), set('9', '10')];
    const edits = mergeEdits(sets, known({ '3:4': 77n }));
    expect(edits.map((ops) => ops.map((ids) => [...ids].sort()))).toEqual([[[1n, 2n, 3n, 77n].sort(), [10n, 9n]]]);
    const epoch = new Uint8Array(8);
    const digest = digestOf('a/b/c/d', epoch, edits);
    expect(digestOf('a/b/c/d', epoch, mergeEdits(sets, known({ '3:4': 77n })))).toEqual(digest);
    expect(digestOf('a/b/c/e', epoch, edits)).not.toEqual(digest);
    expect(digestOf('a/b/c/d', Uint8Array.of(1), edits)).not.toEqual(digest);
    expect(digestOf('a/b/c/d', epoch, mergeEdits(sets, known({ '3:4': 78n })))).not.toEqual(digest);
  });

  it('of large sets hang together by their first id, and each fits a message', () => {
    const large = Array.from({ length: 150_000 }, (_, i) => readNode(i + 1, 'a node'));
    const edits = mergeEdits([large, set('500000', '500001')], known());
    expect(edits.map((ops) => ops.reduce((sum, ids) => sum + ids.length, 0))).toEqual([65_536, 65_536, 18_932]);
    for (const [ids] of edits) expect(ids?.[0]).toBe(1n);
    expect(new Set(edits.flat(2)).size).toBe(150_002);
    const many = Array.from({ length: 3_000 }, (_, i) => set(String(2 * i), String(2 * i + 1)));
    expect(mergeEdits(many, known()).map((ops) => ops.length)).toEqual([1_024, 1_024, 952]);
  });
});
