/** Ops as they come on the wire: what is read, and what is refused. */
import { describe, expect, it } from 'vitest';
import { readChanges } from '../../protocol/edit-changes.ts';
import { EditState } from '../../protocol/edit-state.ts';
import type { WireMap } from '../../protocol/messages.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { parseOps } from '../../protocol/parse-ops.ts';

const BOX = [0, 0, 0, 2, 2, 2];
const MASK = new Uint8Array([1, 3]);
const bin = (...ids: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids).buffer);
const split = { op: 'split', id: 7, box: BOX, mask: MASK };
const region = { op: 'region', id: 7, region: 1, box: null };
const point = { kind: 'point', points: [1, 2, 3] };
const put = (table: string, ...rows: unknown[]): WireMap => ({ op: 'put', table, rows });

describe('[E5] ops as they come', () => {
  it('[F15] read ids as numbers, as bigints, and lists of them as bin too', () => {
    expect(parseOps([{ op: 'merge', ids: [1, 2n ** 60n] }])).toEqual([{ op: 'merge', ids: [1n, 2n ** 60n] }]);
    expect(parseOps([{ op: 'cleave', ids: bin(5n, 2n ** 64n - 1n) }])).toEqual([
      { op: 'cleave', ids: [5n, 2n ** 64n - 1n] },
    ]);
    const keys = bin(1n, 2n);
    expect(parseOps([{ op: 'delete', table: 'synapse', keys }])).toEqual([
      { op: 'delete', table: 'synapse', keys: [1n, 2n] },
    ]);
  });

  it('[E1] read {new: k} of an earlier op that creates an id', () => {
    const write = { op: 'write', box: BOX, value: 'new' };
    const ops = [
      split,
      region,
      write,
      { op: 'merge', ids: [{ new: 0 }, { new: 1 }, { new: 2 }, 4] },
      { ...write, value: { new: 0 } },
    ];
    expect(parseOps(ops)[3]).toEqual({ op: 'merge', ids: [{ new: 0 }, { new: 1 }, { new: 2 }, 4n] });
    expect(parseOps(ops)[4]).toMatchObject({ value: { new: 0 } });
  });

  it('read every op, its optional fields left out', () => {
    const ops: WireMap[] = [
      split,
      {
        op: 'split',
        id: 7n,
        box: BOX,
        seeds: [
          [0, 0, 0, 1],
          [1, 1, 1, 2],
        ],
      },
      { ...region, box: BOX },
      { op: 'write', box: BOX, mask: MASK, value: 2.5 },
      { op: 'write', box: BOX, values: new Uint8Array(8) },
      { op: 'write', box: BOX, bulk: 3 },
      { ...put('annotation', { ...point, extra: { a: [1, null] } }), create: true },
      { op: 'undo', seq: 5 },
      { op: 'meta', key: 'k' },
    ];
    expect(parseOps(ops)).toEqual([
      { ...split, id: 7n },
      {
        op: 'split',
        id: 7n,
        box: BOX,
        seeds: [
          [0, 0, 0, 1],
          [1, 1, 1, 2],
        ],
      },
      { op: 'region', id: 7n, region: 1, box: BOX },
      { op: 'write', box: BOX, mask: MASK, value: 2.5 },
      { op: 'write', box: BOX, values: new Uint8Array(8) },
      { op: 'write', box: BOX, bulk: 3 },
      { op: 'put', table: 'annotation', rows: [{ ...point, extra: { a: [1, null] } }], create: true },
      { op: 'undo', seq: 5 },
      { op: 'meta', key: 'k', value: null },
    ]);
  });

  it('[E7] bring rows into their normal form, and own their bytes', () => {
    const props = new Uint8Array([1, 2]);
    const rows = [{ key: 3, ...point, ids: bin(1n, 9n), props, text: 'x', author: 'a', time: 5 }];
    const [op] = parseOps([put('annotation', ...rows), put('synapse', { pre: 1, post: 2n, point: [0.5, 1, 2] })]);
    props[0] = 99;
    const row = { key: 3n, ...point, ids: [1n, 9n], props: new Uint8Array([1, 2]), text: 'x', author: 'a', time: 5 };
    expect(op).toMatchObject({ rows: [row] });
    expect(op?.op === 'put' && op.rows[0]).toEqual(row);
  });

  const refused: readonly (readonly [what: string, field: string, ...ops: WireMap[]])[] = [
    ['an unknown op', 'op', { op: 'paint' }],
    ['no op', 'op', {}],
    ['an id below 0', 'ids', { op: 'merge', ids: [-1] }],
    ['an id of 2^64', 'ids', { op: 'merge', ids: [2n ** 64n] }],
    ['half an id', 'ids', { op: 'merge', ids: new Uint8Array(12) }],
    ['a list that is none', 'ids', { op: 'merge', ids: 5 }],
    ['{new} of itself', 'ids', split, { op: 'merge', ids: [{ new: 1 }] }],
    ['{new} of an op that creates none', 'ids', { op: 'undo', seq: 1 }, { op: 'merge', ids: [{ new: 0 }] }],
    ['{new} of no number', 'ids', split, { op: 'merge', ids: [{ new: 'x' }] }],
    ['a split of an alias', 'id', region, { ...split, id: { new: 0 } }],
    ['a written alias', 'value', region, { op: 'write', box: BOX, value: { new: 0 } }],
    ['a split with both', 'seeds', { ...split, seeds: [[0, 0, 0, 1]] }],
    ['a split with neither', 'mask', { op: 'split', id: 7, box: BOX }],
    ['an empty box', 'box', { ...split, box: [0, 0, 0, 0, 1, 1] }],
    ['[E8] a mask that is longer than its box', 'mask', { ...split, mask: new Uint8Array([0, 9]) }],
    ['[E8] a mask that is cut off', 'mask', { ...split, mask: new Uint8Array([0x80]) }],
    ['a mask that is no bytes', 'mask', { ...split, mask: [1, 2] }],
    ['a seed of a third group', 'seeds', { op: 'split', id: 7, box: BOX, seeds: [[0, 0, 0, 3]] }],
    ['a seed without its group', 'seeds', { op: 'split', id: 7, box: BOX, seeds: [[0, 0, 0]] }],
    ['a region below 0', 'region', { ...region, region: -1 }],
    ['NaN as a voxel', 'value', { op: 'write', box: BOX, value: Number.NaN }],
    ['a text as a voxel', 'value', { op: 'write', box: BOX, value: 'old' }],
    ['two values', 'bulk', { op: 'write', box: BOX, value: 1, bulk: 1 }],
    ['values that are no bytes', 'values', { op: 'write', box: BOX, values: [1] }],
    ['an unknown table', 'table', put('cells')],
    ['rows that are no maps', 'rows', put('neuron', 5)],
    ['create that is no boolean', 'create', { ...put('synapse'), create: 1 }],
    ['a neuron without its id', 'key', put('neuron', { point: [0, 0, 0] })],
    ['a synapse without an end', 'post', put('synapse', { pre: 1, point: [0, 0, 0] })],
    ['NaN in a point', 'point', put('synapse', { pre: 1, post: 1, point: [0, Number.NaN, 0] })],
    ['a point of two numbers', 'point', put('neuron', { key: 1, point: [0, 0] })],
    ['an annotation of no kind', 'kind', put('annotation', { ...point, kind: 'blob' })],
    ['a line of one point', 'points', put('annotation', { ...point, kind: 'line' })],
    ['half a point', 'points', put('annotation', { kind: 'polyline', points: [1, 2, 3, 4, 5, 6, 7] })],
    ['NaN deep in a row', 'props', put('annotation', { ...point, props: { a: [Number.NaN] } })],
    ['ids that are none', 'ids', put('annotation', { ...point, ids: ['x'] })],
    ['a time that is none', 'time', put('annotation', { ...point, time: 0.5 })],
    ['keys that are none', 'keys', { op: 'delete', table: 'neuron', keys: [1.5] }],
    ['a seq that is none', 'seq', { op: 'undo', seq: 'x' }],
    ['metadata without a key', 'key', { op: 'meta', value: 1 }],
    ['metadata of NaN', 'value', { op: 'meta', key: 'a', value: [Number.NaN] }],
  ];

  it.each(refused.map(([what, field, ...ops]) => ({ what, field, ops })))(
    '[E11] refuse $what, naming the op and its field',
    ({ field, ops }) => {
      const details = { op: ops.length - 1, field };
      expect(() => parseOps(ops)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST', details }));
      expect(() => parseOps(ops)).toThrow(new RegExp(`ops\\[${ops.length - 1}\\]\\.${field}`));
    },
  );
});

describe('[E32] changes as they come', () => {
  it('are the same after a journey as before it', () => {
    const state = new EditState({
      maxId: () => 2n ** 33n,
      maxLegalId: 2n ** 64n - 1n,
      baseRow: () => undefined,
      lastBaseKey: () => -1n,
    });
    const ops = parseOps([
      split,
      { op: 'merge', ids: [1, 2, 2n ** 63n] },
      { ...region, box: BOX },
      put('annotation', { ...point, ids: [1, 2n ** 60n], props: { deep: [1, 'x', new Uint8Array([7])] } }),
      { op: 'meta', key: 'a', value: { b: [1, null] } },
    ]);
    const voxels = new Map([[0, { voxels: 3, touched: [[0, [0, 0, 0, 2, 2, 2]]] as const }]]);
    const { changes } = state.apply(ops, voxels);
    const bytes = pack(changes).slice();
    const read = readChanges(unpack(bytes));
    bytes.fill(0);
    expect(read).toEqual(changes);
    expect(Object.keys(changes).sort()).toEqual(['joined', 'meta', 'regions', 'rows', 'touched']);
  });

  it('may have parts of later versions, and no parts at all', () => {
    expect(readChanges({ later: 5, undone: null })).toEqual({});
    expect(readChanges(null)).toEqual({});
    expect(() => readChanges({ joined: new Uint8Array(8) })).toThrow('joined');
  });
});
