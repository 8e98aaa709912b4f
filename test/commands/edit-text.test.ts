import { describe, expect, it } from 'vitest';
import { cleanText, counted } from '../../src/client/words.ts';
import { jsonLine, plainEdit, plainValue } from '../../src/commands/edit-json.ts';
import { describeEdit } from '../../src/commands/edit-text.ts';
import { formatHistory } from '../../src/commands/history.ts';
import { findUndos } from '../../src/commands/redo.ts';

const bin = (...ids: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids).buffer);

interface Told {
  readonly ops: readonly object[];
  readonly results: readonly unknown[];
  readonly text: string;
}

describe('an edit in words', () => {
  const told = [
    [[{ op: 'merge', ids: [17, 2n ** 63n] }], [{ root: 17 }], 'merge 17, 9223372036854775808 → 17'],
    [[{ op: 'merge', ids: bin(1n, 2n) }], [], 'merge 1, 2'],
    [[{ op: 'merge', ids: [1, { new: 0 }] }], [{ root: 1n }], 'merge 1, new of op 0 → 1'],
    [[{ op: 'cleave', ids: [1, 2, 3, 4, 5, 6, 7] }], [{ root: 1 }], 'cleave 1, 2, 3, 4, 5, … (7) → 1'],
    [[{ op: 'split', id: 5, box: [0, 0, 0, 1, 1, 1] }], [{ id: 9n, voxels: 1 }], 'split 5 → 9 (1 voxel)'],
    [[{ op: 'region', id: 5, region: 2, box: null }], [{ alias: 8 }], 'region 5:2 → 8'],
    [[{ op: 'write', box: [0, 0, 0, 2, 1, 1], value: 7 }], [{ voxels: 2 }], 'write 7 into 0,0,0,2,1,1 (2 voxels)'],
    [[{ op: 'put', table: 'synapse', rows: [] }], [{ keys: bin(4n) }], 'put synapse 4'],
    [[{ op: 'delete', table: 'neuron', keys: [3] }], [null], 'delete neuron 3'],
    [
      [
        { op: 'undo', seq: 4 },
        { op: 'undo', seq: 5 },
      ],
      [null, null],
      'undo 4; undo 5',
    ],
    [[{ op: 'meta', key: 'k\u001b[31m', value: 1 }], [null], 'meta k [31m'],
    [[{ op: 'later' }], [], 'later'],
    [[{ op: 'merge' }], [], 'merge'],
    [Array.from({ length: 5 }, (_, seq) => ({ op: 'undo', seq })), [], 'undo 0; undo 1; undo 2; and 2 more'],
    [[], [], 'nothing that the filter shows'],
  ] as const;

  it.each(told.map(([ops, results, text]): Told => ({ ops, results, text })))('$text', ({ ops, results, text }) => {
    expect(describeEdit(ops, results)).toBe(text);
  });

  it('cannot garble the terminal, whatever others write', () => {
    expect(cleanText('a\u001b]0;x\u0007b\nc\u202e')).toBe('a ]0;x b c');
    const edit = {
      seq: 1,
      time: 0,
      user: { id: 'u', name: 'eve\n2  root' },
      mine: false,
      ops: [],
      results: [],
      changes: {},
    };
    expect(formatHistory([{ ...edit, note: 'a\nb' }]).split('\n')).toHaveLength(3);
  });

  it('counts', () => {
    expect([counted(1, 'body', 'bodies'), counted(1_200, 'body', 'bodies')]).toEqual(['1 body', '1,200 bodies']);
  });
});

describe('an edit in JSON', () => {
  it('has every id as a text, however it travelled, and numbers where no id is meant', () => {
    expect(
      plainValue([
        { op: 'merge', ids: [1, 2n, { new: 0 }] },
        { op: 'delete', keys: bin(2n ** 64n - 1n) },
        { op: 'undo', seq: 3 },
      ]),
    ).toEqual([
      { op: 'merge', ids: ['1', '2', { new: 0 }] },
      { op: 'delete', keys: ['18446744073709551615'] },
      { op: 'undo', seq: 3 },
    ]);
  });

  it('leaves alone what users put into metadata and properties', () => {
    expect(plainValue({ op: 'meta', value: { id: 5, ids: [1] }, props: { key: 1 } })).toEqual({
      op: 'meta',
      value: { id: 5, ids: [1] },
      props: { key: 1 },
    });
  });

  it('is one line, with pairs of ids as lists and other bytes as base64', () => {
    const edit = {
      seq: 9,
      time: 5,
      user: { id: 'u', name: 'Ada' },
      mine: true,
      ops: [{ op: 'split', id: 1, mask: Uint8Array.of(1, 2) }],
      results: [{ id: 7n }],
      changes: {
        joined: bin(3n, 1n, 4n, 1n),
        parted: [[2n, bin(2n, 5n)]],
        gone: { synapse: [6n] },
        goneRegions: [[8n, 1]],
      },
    } as const;
    const line = jsonLine(plainEdit(edit));
    expect(line.match(/\n/g)).toHaveLength(1);
    expect(JSON.parse(line)).toEqual({
      seq: 9,
      time: 5,
      user: { id: 'u', name: 'Ada' },
      ops: [{ op: 'split', id: '1', mask: 'AQI=' }],
      results: [{ id: '7' }],
      changes: {
        joined: [
          ['3', '1'],
          ['4', '1'],
        ],
        parted: [['2', ['2', '5']]],
        gone: { synapse: ['6'] },
        goneRegions: [['8', 1]],
      },
    });
  });
});

describe('what redo undoes', () => {
  const undo = (seq: number, ...named: number[]) => ({ seq, ops: named.map((name) => ({ op: 'undo', seq: name })) });

  it('is each undo in force that names the edit [E21]', () => {
    expect(findUndos([], 1)).toEqual([]);
    expect(findUndos([undo(4, 1)], 1)).toEqual([4]);
    expect(findUndos([undo(4, 1), undo(5, 1)], 1)).toEqual([4, 5]);
    expect(findUndos([undo(4, 1), undo(5, 4)], 1)).toEqual([]);
    expect(findUndos([undo(4, 1), undo(5, 4), undo(6, 5)], 1)).toEqual([4]);
    expect(findUndos([undo(4, 1, 2), undo(5, 3)], 2)).toEqual([4]);
  });

  it('is the edit itself where that is an undo in force, and the undo of it where it is not', () => {
    expect(findUndos([undo(4, 1)], 4)).toEqual([4]);
    expect(findUndos([undo(4, 1), undo(5, 4)], 4)).toEqual([5]);
  });
});
