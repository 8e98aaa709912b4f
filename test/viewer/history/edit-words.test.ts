import { describe, expect, it } from 'vitest';
import type { EditEvent } from '../../../src/client/index.ts';
import { editWords } from '../../../src/viewer/page/history/edit-words.ts';

const bin = (...ids: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids).buffer);
const NOW = { joined: bin(2n, 1n) };

function edit(
  ops: EditEvent['ops'],
  results: EditEvent['results'] = [],
  changes: EditEvent['changes'] = NOW,
): EditEvent {
  return { seq: 20, time: 5, user: { id: 'u', name: 'Ada' }, mine: false, ops, results, changes };
}

describe('an edit in plain words', () => {
  const BOX = [0, 0, 0, 1, 1, 1];
  const told: readonly (readonly [EditEvent['ops'], EditEvent['results'], string])[] = [
    [[{ op: 'merge', ids: [1, 2n, 2] }], [{ root: 1 }], 'merged 2 segments into 1'],
    [[{ op: 'merge', ids: bin(1n, 2n, 3n) }], [], 'merged 3 segments'],
    [[{ op: 'merge', ids: [1, { new: 0 }] }], [{ root: 1 }], 'merged 2 segments into 1'],
    [[{ op: 'cleave', ids: [7] }], [{ root: 7 }], 'cleaved 7 out of its body'],
    [[{ op: 'cleave', ids: [7, 8] }], [{ root: 7 }], 'cleaved 2 segments out into 7'],
    [[{ op: 'split', id: 5, box: BOX }], [{ id: 9n, voxels: 1_200 }], 'split 1,200 voxels off 5 as 9'],
    [[{ op: 'split', id: 5, box: BOX }], [], 'split 5'],
    [[{ op: 'write', box: BOX, value: 7 }], [{ voxels: 1_200 }], 'painted 1,200 voxels with 7'],
    [[{ op: 'write', box: BOX, value: 0n }], [{ voxels: 1 }], 'erased 1 voxel'],
    [[{ op: 'write', box: BOX, value: 'new' }], [{ voxels: 3, id: 12 }], 'painted 3 voxels with new 12'],
    [[{ op: 'write', box: BOX, values: bin(1n) }], [], 'painted voxels'],
    [[{ op: 'put', table: 'annotation', rows: [{ kind: 'point' }, { kind: 'point' }] }], [], 'added 2 points'],
    [[{ op: 'put', table: 'annotation', rows: [{ kind: 'box' }, { kind: 'box' }] }], [], 'added 2 boxes'],
    [[{ op: 'put', table: 'annotation', rows: [{ kind: 'point' }, { kind: 'line' }] }], [], 'added 2 annotations'],
    [[{ op: 'put', table: 'synapse', rows: [{ key: 4, pre: 1 }] }], [], 'changed 1 synapse'],
    [[{ op: 'put', table: 'neuron', rows: [{ key: 4 }] }], [], 'named 1 body'],
    [[{ op: 'delete', table: 'annotation', keys: [3, 4] }], [], 'deleted 2 annotations'],
    [[{ op: 'meta', key: 'a\u202eb' }], [], 'changed metadata “a b”'],
    [[{ op: 'region', id: 5, region: 2 }], [], 'marked part 2 of 5'],
    [[{ op: 'later' }], [], 'did “later”'],
    [[{ op: 'merge' }, { op: 'put' }, { op: 'undo' }], [], 'undid edits, merged segments, added rows'],
    [[], [], 'changed something elsewhere'],
    [
      [1, 2, 3, 4, 5].map((id) => ({ op: 'cleave', ids: [id] })),
      [],
      'cleaved 1 out of its body, cleaved 2 out of its body, cleaved 3 out of its body, 2 more changes',
    ],
  ];

  it.each(told.map(([ops, results, text]) => ({ ops, results, text })))('$text', ({ ops, results, text }) => {
    expect(editWords(edit(ops, results))).toBe(text);
  });

  it('says where nothing changed, but not of an edit of which that is not told', () => {
    const none = edit([{ op: 'merge', ids: [1] }], [], {});
    expect(editWords(none)).toBe('merged 1 segment (nothing changed)');
    expect(editWords({ ...none, time: 0 })).toBe('merged 1 segment');
    expect(editWords({ ...none, cut: true, ops: [{ op: 'merge' }] })).toBe('merged segments');
  });

  it('[E21] says of an undo what it came to: an undo of an undo is a redo', () => {
    const isUndo = (seq: number): boolean => seq > 10;
    const undo = (seqs: readonly number[], changes: EditEvent['changes']): string =>
      editWords(
        edit(
          seqs.map((seq) => ({ op: 'undo', seq })),
          [],
          changes,
        ),
        isUndo,
      );
    expect(undo([4], { undone: [4] })).toBe('undid 4');
    expect(undo([4, 5], { undone: [4, 5] })).toBe('undid 4, 5');
    expect(undo([11], { undone: [11], redone: [4] })).toBe('redid 4');
    expect(undo([12], { undone: [4, 12], redone: [11] })).toBe('undid 4');
    expect(undo([4, 11], { undone: [4, 11], redone: [3] })).toBe('undid 4 and redid 3');
    expect(undo([1, 2, 3, 4], { undone: [1, 2, 3, 4] })).toBe('undid 4 edits');
    expect(undo([4], {})).toBe('undid 4 (nothing changed)');
  });
});
