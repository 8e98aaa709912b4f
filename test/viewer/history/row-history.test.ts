import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EditView } from '../../../protocol/edit-view.ts';
import type { EditEvent, Row } from '../../../src/client/index.ts';
import { SHOWN_TABLES } from '../../../src/viewer/page/annotations/shape.ts';
import { RowHistory } from '../../../src/viewer/page/history/row-history.ts';
import { plansOf } from '../../support/random-edits.ts';
import { randomLog } from '../../support/random-log.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const log = plansOf(40, { put: 6, delete: 4, undo: 6, merge: 1 }).map(randomLog);

function naive(edits: readonly EditEvent[], seq: number): EditView {
  const view = new EditView();
  for (const edit of edits.slice(0, seq)) view.apply(edit.seq, edit.changes);
  return view;
}

function historyOf(edits: readonly EditEvent[], most?: number): RowHistory {
  const history = new RowHistory(most);
  for (const edit of edits) history.add(edit);
  return history;
}

/** Names of all rows that any edit told of. */
function namesIn(edits: readonly EditEvent[]): Set<string> {
  return new Set(
    edits.flatMap(({ changes: { rows, gone } }) =>
      SHOWN_TABLES.flatMap((table) => [
        ...(rows?.[table] ?? []).map(({ key }) => `${table} ${key}`),
        ...(gone?.[table] ?? []).map((key) => `${table} ${key}`),
      ]),
    ),
  );
}

const synapse = (key: bigint, x: number): Row => ({ key, pre: 1n, post: 2n, point: [x, 0, 0] });

function edit(seq: number, more: Partial<EditEvent>): EditEvent {
  return {
    ...{ seq, time: seq, user: { id: 'a', name: 'Ada' }, mine: false, ops: [], results: [], changes: {} },
    ...more,
  };
}

describe('the history of rows', () => {
  it('has the rows of every moment, as the changes up to it make them, undo and redo included', () => {
    const seed = testSeed('the history of rows');
    fc.assert(
      fc.property(log, (edits) => {
        const history = historyOf(edits);
        const names = namesIn(edits);
        for (let seq = 0; seq <= edits.length; seq++) {
          const view = naive(edits, seq);
          for (const table of SHOWN_TABLES) {
            const told = new Map(history.changed(table, seq));
            expect(new Set([...told.keys()].map((key) => `${table} ${key}`))).toEqual(
              new Set([...names].filter((name) => name.startsWith(table))),
            );
            for (const [key, row] of told) {
              expect(row ?? undefined).toEqual(view.row(table, key));
              expect(history.row(table, key, seq)).toBe(row);
            }
          }
        }
      }),
      { seed, numRuns: testRuns(50) },
    );
  });

  it('tells which rows to look at between two moments: all others are the same', () => {
    const seed = testSeed('the history of rows, between');
    fc.assert(
      fc.property(log, fc.nat(100), fc.nat(100), (edits, a, b) => {
        const history = historyOf(edits);
        const [from, to] = [a % (edits.length + 1), b % (edits.length + 1)];
        const passed = edits.slice(Math.min(from, to), Math.max(from, to));
        const told = history.between(from, to)?.map(([table, key]) => `${table} ${key}`) ?? [];
        expect(told.length).toBe(new Set(told).size);
        expect(new Set(told)).toEqual(namesIn(passed));
      }),
      { seed, numRuns: testRuns(50) },
    );
  });

  it('knows nothing of rows that no edit changed', () => {
    expect(historyOf([]).row('synapse', 4n, 0)).toBeUndefined();
  });

  it('asks what a synapse was before the first edit, unless an edit made it', () => {
    const put = { op: 'put', table: 'synapse', rows: [{ pre: 1 }, { key: 8n, pre: 1 }] };
    const made = synapse(20n, 1);
    const history = historyOf([
      edit(1, { ops: [put], results: [{ keys: [20n, 8n] }], changes: { rows: { synapse: [made, synapse(8n, 2)] } } }),
      edit(2, { changes: { gone: { synapse: [9n, 8n], annotation: [3n] } } }),
    ]);
    expect(history.takeUnasked()).toEqual([8n, 9n]);
    expect(history.takeUnasked()).toEqual([]);
    expect(history.unknown).toBe(2);
    expect(history.row('synapse', 9n, 1)).toBeNull();
    history.setBefore(9n, synapse(9n, 5));
    history.setBefore(8n, null);
    expect(history.unknown).toBe(0);
    expect([0, 1, 2].map((seq) => history.row('synapse', 9n, seq)?.['point'])).toEqual([
      [5, 0, 0],
      [5, 0, 0],
      undefined,
    ]);
    expect([0, 1, 2].map((seq) => history.row('synapse', 8n, seq)?.['point'])).toEqual([
      undefined,
      [2, 0, 0],
      undefined,
    ]);
    expect([0, 1].map((seq) => history.row('synapse', 20n, seq))).toEqual([null, made]);
  });

  it('keeps nothing of too many rows, and says so', () => {
    const put = (seq: number): EditEvent => edit(seq, { changes: { rows: { synapse: [synapse(BigInt(seq), 1)] } } });
    const history = historyOf([put(1), put(2), put(3)], 2);
    expect(history.isWhole).toBe(false);
    expect([...history.changed('synapse', 3)]).toEqual([]);
    expect(historyOf([put(1), put(2)], 2).isWhole).toBe(true);
  });

  it('tells of very many rows only that they may be any', () => {
    const rows = Array.from({ length: 5_001 }, (_, i) => synapse(BigInt(i), i));
    const history = historyOf([edit(1, { changes: { rows: { synapse: rows } } })]);
    expect(history.between(0, 1)).toBeUndefined();
    expect(history.between(1, 1)).toEqual([]);
  });
});
