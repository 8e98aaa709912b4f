import { describe, expect, it } from 'vitest';
import type { WireMap } from '../../protocol/messages.ts';
import type { Box } from '../../protocol/volume.ts';
import { editsOfTables, joinSets, type KnownRegions } from '../../src/utility/legacy-ops.ts';
import { compareNodes, DEMO_SPLIT, readNode, readSplit } from '../../src/utility/legacy-text.ts';

const EMPTY: KnownRegions = { regionOf: () => undefined, metaOf: () => undefined };
const set = (...nodes: string[]) => nodes.map((node) => readNode(node, 'node'));
const split = (text: string) => readSplit(text, 'split');

/** Ops with their ids as text, whatever form they have. */
function told(ops: readonly WireMap[]): unknown[] {
  return ops.map(({ ids, ...rest }) => {
    if (ids === undefined) return { ...rest, ...('id' in rest ? { id: String(rest['id']) } : {}) };
    if (ids instanceof Uint8Array) return { ...rest, ids: [...new BigUint64Array(ids.slice().buffer)].map(String) };
    return { ...rest, ids: (ids as unknown[]).map((id) => (typeof id === 'bigint' ? String(id) : id)) };
  });
}

describe('merges and splits as ops', () => {
  it('joins overlapping sets, and drops those of one', () => {
    const sets = [
      set('1', '2'),
      set('7'),
      set('5', '5'),
      set('3', '4'),
      set('9', '8'),
      set('4', '2'),
      [],
      set('8', '8:1'),
    ];
    expect(joinSets(sets).map((nodes) => nodes.sort(compareNodes).map(({ name }) => name))).toEqual([
      ['1', '2', '3', '4'],
      ['8', '8:1', '9'],
    ]);
  });

  it('declares the regions of a merge, with their box where the same save has it', () => {
    const edits = editsOfTables([set('1', '3:4', '3:5')], [split('3:4:0:1:0:2:0:3')], EMPTY);
    expect(edits).toHaveLength(1);
    expect(told(edits[0]?.ops ?? [])).toEqual([
      { op: 'region', id: '3', region: 4, box: [0, 0, 0, 1, 2, 3] },
      { op: 'region', id: '3', region: 5, box: null },
      { op: 'merge', ids: ['1', { new: 0 }, { new: 1 }] },
    ]);
    expect(edits[0]?.isCareful).toBe(true);
  });

  it('uses the alias of a region that is there, and does not say again what is there', () => {
    const box: Box = [2, 1, 0, 3, 2, 1];
    const known: KnownRegions = { ...EMPTY, regionOf: (id) => (id === 45n ? { alias: 99n, box } : undefined) };
    const edits = editsOfTables([set('1', '45:1')], [split(DEMO_SPLIT)], known);
    expect(edits.map(({ ops }) => told(ops))).toEqual([[{ op: 'merge', ids: ['1', '99'] }]]);
    expect(edits[0]?.isCareful).toBe(false);
  });

  it('keeps splits of empty boxes as metadata, and takes the last of a region', () => {
    const [first] = editsOfTables(
      [],
      ['45:0:0:0:0:0:0:0', '7:2:5:5:0:1:0:1', '7:3:0:1:0:1:0:1', '7:3:0:2:0:2:0:2'].map(split),
      EMPTY,
    );
    expect(told(first?.ops ?? [])).toEqual([
      { op: 'meta', key: 'butterfly.split:45:0', value: [0, 0, 0, 0, 0, 0] },
      { op: 'meta', key: 'butterfly.split:7:2', value: [5, 0, 0, 5, 1, 1] },
      { op: 'region', id: '7', region: 3, box: [0, 0, 0, 2, 2, 2] },
    ]);
  });

  it('has nothing to save where nothing is said', () => {
    expect(editsOfTables([[], set('5')], [], EMPTY)).toEqual([]);
  });

  it('cuts what is more than 1,024 ops into EDITs that are whole by themselves', () => {
    const pairs = Array.from({ length: 1_500 }, (_, i) => set(`${2 * i}`, `${2 * i + 1}`));
    const regions = set('9000', ...Array.from({ length: 1_200 }, (_, i) => `9000:${i + 1}`));
    const edits = editsOfTables([...pairs, regions], [], EMPTY);
    const merged: string[][] = [];
    for (const { ops } of edits) {
      expect(ops.length).toBeLessThanOrEqual(1_024);
      const names = told(ops).map((op) => op as { op: string; id: string; region: number; ids: unknown[] });
      for (const { op, ids } of names)
        if (op === 'merge')
          merged.push(
            ids.map((id) => {
              if (typeof id === 'string') return id;
              const declared = names[(id as { new: number }).new];
              expect(declared?.op).toBe('region');
              return `${declared?.id}:${declared?.region}`;
            }),
          );
    }
    const joined = joinSets(merged.map((nodes) => set(...nodes)));
    expect(joined.map((nodes) => nodes.length)).toEqual([...pairs.map(() => 2), 1_201]);
  });
});
