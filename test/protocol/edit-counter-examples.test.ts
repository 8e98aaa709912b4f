/** The counter-examples of [E35], one by one, and those of Butterfly's own merge and split tables. */
import { describe, expect, it } from 'vitest';
import type { IdRef, Op } from '../../protocol/edit-ops.ts';
import { EditState, type FoldContext, type VoxelOutcome } from '../../protocol/edit-state.ts';
import { EditView } from '../../protocol/edit-view.ts';
import { parseOps } from '../../protocol/parse-ops.ts';
import type { Box } from '../../protocol/volume.ts';

const CONTEXT: FoldContext = {
  maxId: () => 100n,
  maxLegalId: 2n ** 64n - 1n,
  baseRow: () => undefined,
  lastBaseKey: () => -1n,
};
const BOX: Box = [0, 0, 0, 8, 1, 1];

const merge = (...ids: (number | bigint)[]): Op => ({ op: 'merge', ids: ids.map(BigInt) });
const cleave = (...ids: (number | bigint)[]): Op => ({ op: 'cleave', ids: ids.map(BigInt) });
const undo = (seq: number): Op => ({ op: 'undo', seq });

/** Applies edits of one op each. */
function fold(...ops: Op[]): EditState {
  const state = new EditState(CONTEXT);
  for (const op of ops) state.apply([op]);
  return state;
}

function bodies(state: EditState, ...ids: number[]): string[] {
  return [...new Set(ids.map((id) => state.membersOf(BigInt(id)).join()))];
}

describe('[E35] counter-examples', () => {
  it('merge[4,2,5]; cleave[1,4]: 2 and 5 stay together', () => {
    expect(bodies(fold(merge(4, 2, 5), cleave(1, 4)), 1, 2, 4, 5)).toEqual(['1,4', '2,5']);
  });

  it('merge[1,5]; cleave[1,4]; undo 1; undo 2: nobody is merged', () => {
    const state = fold(merge(1, 5), cleave(1, 4), undo(1), undo(2));
    expect(bodies(state, 1, 4, 5)).toEqual(['1', '4', '5']);
    expect(state.linkCount).toBe(0);
  });

  it('merge[5,1]; merge[1,5]; undo 1: nothing changes, not even the root', () => {
    const state = fold(merge(5, 1), merge(1, 5));
    const { changes, status } = state.apply([undo(1)]);
    expect(changes).toEqual({ undone: [1] });
    expect(status).toBe('applied');
    expect(state.rootOf(5n)).toBe(1n);
  });

  it('merge[4,3]; cleave[4,2]: joined applies at once, then parted', () => {
    const state = new EditState(CONTEXT);
    const view = new EditView();
    for (const op of [merge(4, 3), cleave(4, 2)]) view.apply(state.seq, state.apply([op]).changes);
    expect([2n, 3n, 4n].map((id) => state.rootOf(id))).toEqual([2n, 3n, 2n]);
    expect([2n, 3n, 4n].map((id) => view.rootOf(id))).toEqual([2n, 3n, 2n]);
  });

  it('[E33] a row of joined whose target another row moves is not followed', () => {
    const view = new EditView();
    const rows = (...ids: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids).buffer);
    view.apply(1, { joined: rows(3n, 2n, 9n, 8n) });
    view.apply(2, { joined: rows(2n, 8n, 8n, 2n) });
    expect([2n, 3n, 8n, 9n].map((id) => view.rootOf(id))).toEqual([8n, 8n, 2n, 2n]);
    const other = new EditView();
    other.apply(1, { joined: rows(4n, 3n) });
    other.apply(2, { parted: [[9n, rows(3n)]] });
    expect(
      [3n, 4n].map((id) => other.rootOf(id)),
      'parted tells of its members alone',
    ).toEqual([9n, 3n]);
    view.apply(3, { joined: rows(2n, 1n, 1n, 5n), parted: [[7n, rows(9n)]] });
    expect([1n, 2n, 5n, 8n, 9n].map((id) => view.rootOf(id))).toEqual([5n, 8n, 5n, 1n, 7n]);
  });

  it('a split gets an id that nobody has merged, and undo frees none', () => {
    const state = fold(merge(101, 7), undo(1));
    const split: Op = { op: 'split', id: 5n, box: BOX, mask: new Uint8Array([0, 1]) };
    expect(state.apply([split]).results).toEqual([{ id: 102n, voxels: 0 }]);
    state.apply([undo(3)]);
    expect(state.planIds([split, merge(103)])).toEqual([104n, undefined]);
    expect(state.apply([split]).results).toEqual([{ id: 103n, voxels: 0 }]);
    expect([state.isAssigned(101n), state.isAssigned(102n), state.isAssigned(100n)]).toEqual([false, true, true]);
  });

  it('undo of a paint touches what the paint touched, and nothing that the split did', () => {
    const state = new EditState(CONTEXT);
    const outcome = (x: number): ReadonlyMap<number, VoxelOutcome> =>
      new Map([[0, { voxels: 1, touched: [[0, [x, 0, 0, x + 1, 1, 1]]] }]]);
    state.apply([{ op: 'write', box: BOX, value: 5n }], outcome(2));
    state.apply(
      [
        {
          op: 'split',
          id: 5n,
          box: BOX,
          seeds: [
            [1, 0, 0, 1],
            [6, 0, 0, 2],
          ],
        },
      ],
      outcome(5),
    );
    const { changes } = state.apply([undo(1)]);
    expect(changes).toEqual({ undone: [1], touched: [[0, [2, 0, 0, 3, 1, 1]]] });
    const redo = state.apply([undo(3)]).changes;
    expect(redo).toEqual({ undone: [3], redone: [1], touched: [[0, [2, 0, 0, 3, 1, 1]]] });
  });
});

describe('[E21] undo', () => {
  it('refuses an unknown seq, its own included, with the op and its field', () => {
    const state = fold(merge(1, 2));
    for (const seq of [0, 2, 9])
      expect(() => state.apply([merge(3, 4), undo(seq)])).toThrow(
        expect.objectContaining({ code: 'NOT_FOUND', details: { op: 1, field: 'seq' } }),
      );
    expect([state.seq, state.rootOf(4n)]).toEqual([1, 4n]);
    const metas = ['a', 'b'].map((key): Op => ({ op: 'meta', key, value: 1 }));
    expect(() => state.apply([...metas, undo(9)])).toThrow();
    expect(state.apply([merge(1, 2)]).changes).toEqual({});
    expect([...state.meta]).toEqual([]);
  });

  it('of what is not in force is a noop that takes a seq, and counts as a second', () => {
    const state = fold(merge(1, 2), undo(1));
    expect(state.apply([undo(1)])).toEqual({ status: 'noop', results: [null], changes: {} });
    expect(state.seq).toBe(3);
    expect(state.apply([undo(2)]).changes).toEqual({ undone: [2] });
    expect(state.rootOf(2n), 'the second undo is still in force').toBe(2n);
    expect(state.apply([undo(3)]).changes.redone).toEqual([1]);
    expect(state.rootOf(2n)).toBe(1n);
  });

  it('of an undo of an undo turns the whole chain, and undo and redo are the identity', () => {
    const state = fold(merge(1, 2), merge(2, 3), undo(1));
    const { changes } = state.apply([undo(3)]);
    expect([changes.undone, changes.redone]).toEqual([[3], [1]]);
    const again = state.apply([undo(4)]).changes;
    expect([again.undone, again.redone]).toEqual([[1, 4], [3]]);
    expect([...state.outOfForce()].sort()).toEqual([1, 4]);
    expect([...state.outOfForce(4)].sort()).toEqual([3]);
    expect([...state.forceChanges()]).toEqual([
      [3, [1]],
      [4, [1, 3]],
      [5, [1, 3, 4]],
    ]);
  });
});

describe('[E22], [E23] bodies', () => {
  it('merges lists that overlap, and fewer than two different ids change nothing', () => {
    const state = new EditState(CONTEXT);
    state.apply([merge(1, 2), merge(2, 3)]);
    expect(bodies(state, 1, 2, 3)).toEqual(['1,2,3']);
    for (const op of [merge(), merge(8), merge(8, 8)]) expect(state.apply([op]).status).toBe('noop');
  });

  it('calls a body by its smallest id that is not 0', () => {
    const state = fold(merge(0, 9), merge(9, 4));
    expect([0n, 4n, 9n].map((id) => state.rootOf(id))).toEqual([4n, 4n, 4n]);
    expect(fold(cleave(0)).rootOf(0n)).toBe(0n);
  });

  it('[E32] parts the small side and renames the large one where its root has gone', () => {
    const state = fold(merge(...Array.from({ length: 50 }, (_, i) => i + 1)));
    const { changes } = state.apply([cleave(1, 9)]);
    const members = changes.parted?.map(([root, ids]) => [root, ids.length / 8]);
    expect(members).toEqual([[1n, 2]]);
    expect([...new BigUint64Array((changes.joined ?? new Uint8Array()).slice().buffer)]).toEqual([1n, 2n]);
  });
});

/** Merges and splits as the original's sockets send them, on the fold. */
class Legacy {
  readonly state = new EditState({ ...CONTEXT, maxId: () => 2n ** 40n });

  /** One save: an edit of regions and merges. */
  save(merges: readonly (readonly string[])[], splits: readonly string[] = []): void {
    const ops: Op[] = [];
    const places = new Map<string, number>();
    for (const split of splits) {
      const [id = '', region = '', x0, x1, y0, y1, z0, z1] = split.split(':');
      const box = [x0, y0, z0, x1, y1, z1].map(Number);
      const isEmpty = box.every((edge) => edge === 0);
      const wire = { op: 'region', id: BigInt(id), region: Number(region), box: isEmpty ? null : box };
      places.set(`${id}:${region}`, ops.length);
      ops.push(...parseOps([wire]));
    }
    const node = (name: string): IdRef => {
      const [id = '', region = '0'] = name.split(':');
      if (region === '0') return BigInt(id);
      const alias = this.state.region(BigInt(id), Number(region))?.alias;
      if (alias !== undefined) return alias;
      const place =
        places.get(name) ?? ops.push({ op: 'region', id: BigInt(id), region: Number(region), box: null }) - 1;
      places.set(name, place);
      return { new: place };
    };
    const sets = merges.map((names) => names.map(node));
    for (const ids of sets) ops.push({ op: 'merge', ids });
    this.state.apply(ops);
  }

  /** The merge table: sets by their smallest member, members by id, then region. */
  merges(): string[][] {
    const links = this.state.freezeLinks();
    const words = new BigUint64Array(links.page(0, links.rows).buffer);
    const roots = new Set([...words].filter((_, i) => i % 2 === 1));
    const sets = [...roots].map((root) =>
      [...this.state.membersOf(root)]
        .map((id): [bigint, number] => {
          const region = this.state.regionOfAlias(id);
          return region === undefined ? [id, 0] : [region.id, region.region];
        })
        .sort((a, b) => Number(a[0] - b[0]) || a[1] - b[1]),
    );
    sets.sort(([a], [b]) => Number((a?.[0] ?? 0n) - (b?.[0] ?? 0n)) || (a?.[1] ?? 0) - (b?.[1] ?? 0));
    return sets.map((set) => set.map(([id, region]) => (region === 0 ? `${id}` : `${id}:${region}`)));
  }

  /** The split table. */
  splits(): string[] {
    return [...this.state.regions()].map(({ id, region, box }) => {
      const [x0, y0, z0, x1, y1, z1] = box ?? [0, 0, 0, 0, 0, 0];
      return [id, region, x0, x1, y0, y1, z0, z1].join(':');
    });
  }
}

const MERGES: readonly (readonly [
  string,
  readonly (readonly (readonly string[])[])[],
  readonly (readonly string[])[],
])[] = [
  ['M1', [[['1', '2']]], [['1', '2']]],
  ['M2', [[['1', '2']], [['2', '3']]], [['1', '2', '3']]],
  ['M3', [[['2', '3']], [['1', '2']]], [['1', '2', '3']]],
  [
    'M4',
    [
      [
        ['1', '2'],
        ['2', '3'],
      ],
    ],
    [['1', '2', '3']],
  ],
  [
    'M5',
    [
      [
        ['10', '20'],
        ['30', '40'],
        ['20', '30'],
      ],
    ],
    [['10', '20', '30', '40']],
  ],
  [
    'M6',
    [
      [
        ['1', '2'],
        ['3', '4'],
      ],
      [['2', '4']],
    ],
    [['1', '2', '3', '4']],
  ],
  [
    'M7',
    [
      [
        ['1', '2'],
        ['3', '4'],
      ],
      [['3', '2']],
    ],
    [['1', '2', '3', '4']],
  ],
  [
    'M8',
    [
      [
        ['1', '2'],
        ['3', '4'],
      ],
      [['1', '3']],
    ],
    [['1', '2', '3', '4']],
  ],
  ['M9', [[['10', '20']], [['30', '40']], [['20', '30']]], [['10', '20', '30', '40']]],
  ['M10', [[['1', '2']], [['1', '2']]], [['1', '2']]],
  ['M11', [[['5']]], []],
  ['M12', [[['0', '7']]], [['0', '7']]],
  [
    'M13',
    [
      [
        ['1', '2'],
        ['1', '3'],
      ],
    ],
    [['1', '2', '3']],
  ],
  ['M14', [[['4294967296', '4294967297']]], [['4294967296', '4294967297']]],
  [
    'M15',
    [
      [
        ['9223372036854775805', '9223372036854775806'],
        ['18446744073709551614', '18446744073709551615', '0'],
      ],
    ],
    [
      ['0', '18446744073709551614', '18446744073709551615'],
      ['9223372036854775805', '9223372036854775806'],
    ],
  ],
  ['M17', [[['1', '3:4']]], [['1', '3:4']]],
  ['M18', [[['3', '3:1']]], [['3', '3:1']]],
  ['M19', [[['1:2', '3']]], [['1:2', '3']]],
  ['M20', [[[]], []], []],
  [
    'M21',
    [[['1', '2:5']], [['2', '9']]],
    [
      ['1', '2:5'],
      ['2', '9'],
    ],
  ],
];

const SPLITS: readonly (readonly [string, readonly (readonly string[])[], readonly string[]])[] = [
  ['S1', [['45:1:2:3:1:2:0:1']], ['45:1:2:3:1:2:0:1']],
  ['S2', [['45:1:2:3:1:2:0:1'], ['46:1:0:8:0:8:0:8']], ['45:1:2:3:1:2:0:1', '46:1:0:8:0:8:0:8']],
  ['S3', [['45:1:2:3:1:2:0:1', '45:2:2:3:1:2:0:1']], ['45:1:2:3:1:2:0:1', '45:2:2:3:1:2:0:1']],
  ['S5', [['45:1:2:3:1:2:0:1:99']], ['45:1:2:3:1:2:0:1']],
  ['S6', [['45:0:0:0:0:0:0:0']], ['45:0:0:0:0:0:0:0']],
];

describe('[E36] merges and splits of the original', () => {
  it.each(MERGES)('%s has the sets that it should have had', (_, saves, expected) => {
    const legacy = new Legacy();
    for (const merges of saves) legacy.save(merges);
    expect(legacy.merges()).toEqual(expected);
  });

  it('M16 refuses what is no id, and takes integers for strings', () => {
    expect(parseOps([{ op: 'merge', ids: [1, 2] }])).toEqual([merge(1, 2)]);
    for (const id of ['a', '-1', -1, 1.5])
      expect(() => parseOps([{ op: 'merge', ids: [1, id] }])).toThrow(
        expect.objectContaining({ code: 'BAD_REQUEST', details: { op: 0, field: 'ids' } }),
      );
  });

  it.each(SPLITS)('%s keeps the splits that it should have kept', (_, saves, expected) => {
    const legacy = new Legacy();
    for (const splits of saves) legacy.save([], splits);
    expect(legacy.splits()).toEqual(expected);
  });

  it('S4 refuses a split without its bounds', () => {
    const legacy = new Legacy();
    expect(() => legacy.save([], ['45:1:2:3'])).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
    expect(legacy.splits()).toEqual([]);
  });
});

describe('[E5] regions', () => {
  const region = (id: number, number: number, box: Box | null = null): Op => ({
    op: 'region',
    id: BigInt(id),
    region: number,
    box,
  });

  it('keep the alias of their first declaration, in force or not', () => {
    const state = fold(region(5, 1, BOX), undo(1));
    expect([state.region(5n, 1), state.regionOfAlias(101n)]).toEqual([undefined, undefined]);
    expect(state.planIds([region(5, 1), region(5, 2), region(5, 2)])).toEqual([undefined, 101n + 1n, 102n]);
    const { results, changes } = state.apply([region(5, 1)]);
    expect(results).toEqual([{ alias: 101n }]);
    expect(changes.regions).toEqual([{ id: 5n, region: 1, box: null, alias: 101n }]);
    state.apply([undo(2)]);
    expect(state.region(5n, 1)?.box, 'the latest in force decides').toBeNull();
    expect(state.apply([undo(3)]).changes.regions).toEqual([{ id: 5n, region: 1, box: BOX, alias: 101n }]);
    expect(state.apply([undo(1)]).changes.goneRegions).toEqual([[5n, 1]]);
  });

  it('that are declared as they were change nothing', () => {
    const state = fold(region(5, 1, BOX));
    expect(state.apply([region(5, 1, BOX)])).toEqual({ status: 'noop', results: [{ alias: 101n }], changes: {} });
    expect(state.apply([region(5, 1)]).status).toBe('applied');
  });

  it('are of ids of voxels: an alias is none', () => {
    const state = fold(region(5, 1));
    for (const op of [region(101, 1), { op: 'split', id: 101n, box: BOX, mask: new Uint8Array([0, 1]) } as const])
      expect(() => state.apply([op])).toThrow(expect.objectContaining({ details: { op: 0, field: 'id' } }));
  });
});

describe('[E28] rows', () => {
  const base = { key: 4n, point: [0, 0, 0], pre: 1n, post: 2n };
  const row = (key?: bigint): { key?: bigint; point: number[]; pre: bigint; post: bigint } => ({
    ...(key === undefined ? {} : { key }),
    ...{ point: [1, 1, 1], pre: 1n, post: 2n },
  });
  const start = (): EditState =>
    new EditState({
      ...CONTEXT,
      baseRow: (table, key) => (table === 'synapse' && key === 4n ? base : undefined),
      lastBaseKey: (table) => (table === 'synapse' ? 4n : -1n),
    });
  const put = (create: boolean, ...keys: (bigint | undefined)[]): Op => ({
    ...{ op: 'put', table: 'synapse', create },
    rows: keys.map(row),
  });

  it('get the next key ever, above those of the base, of the past and of the same edit', () => {
    const state = start();
    expect(state.apply([put(false, undefined, 9n, undefined)]).results).toEqual([{ keys: [10n, 9n, 11n] }]);
    state.apply([undo(1)]);
    expect(state.apply([put(false, undefined)]).results).toEqual([{ keys: [12n] }]);
    state.apply([put(false, 2n ** 64n - 1n)]);
    expect(() => state.apply([put(false, undefined)])).toThrow(expect.objectContaining({ code: 'LIMIT' }));
  });

  it('with create replace none, and are created again after an undo', () => {
    const state = start();
    for (const keys of [[4n], [7n, 7n]])
      expect(() => state.apply([put(true, ...keys)])).toThrow(
        expect.objectContaining({ details: { op: 0, field: 'rows' } }),
      );
    state.apply([put(true, 7n)]);
    state.apply([undo(1), put(true, 7n)]);
    expect(state.row('synapse', 7n)).toEqual({ key: 7n, ...row() });
  });

  it('come back from the base when the edit that changed or removed them is undone', () => {
    const state = start();
    state.apply([put(false, 4n)]);
    expect(state.apply([{ op: 'delete', table: 'synapse', keys: [4n, 5n] }]).changes.gone).toEqual({ synapse: [4n] });
    expect([...state.editedRows('synapse')]).toEqual([[4n, undefined]]);
    expect(state.apply([undo(2)]).changes.rows).toEqual({ synapse: [{ key: 4n, ...row() }] });
    expect(state.apply([undo(1)]).changes.rows).toEqual({ synapse: [base] });
    expect([...state.editedRows('synapse')]).toEqual([]);
  });
});
