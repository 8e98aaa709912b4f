import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EditEvent } from '../../../src/client/index.ts';
import { ChannelLog } from '../../../src/viewer/page/history/channel-log.ts';
import { authorsOf, rowsOf } from '../../../src/viewer/page/history/edit-rows.ts';
import { BODY_KINDS, plansOf } from '../../support/random-edits.ts';
import { randomLog } from '../../support/random-log.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

function edit(seq: number, time: number, name = 'Ada', op = 'merge'): EditEvent {
  return { seq, time, user: { id: 'u', name }, mine: false, ops: [{ op }], results: [], changes: { meta: {} } };
}

function logOf(...edits: EditEvent[]): ChannelLog {
  const log = new ChannelLog();
  log.begin((edits[0]?.seq ?? 1) - 1);
  log.addNewer(edits);
  return log;
}

/** Rule [E21]. */
function inForce(log: readonly EditEvent[]): boolean[] {
  const force = log.map(() => true);
  for (const { seq, ops } of [...log].reverse())
    if (force[seq - 1]) for (const op of ops) if (op['op'] === 'undo') force[Number(op['seq']) - 1] = false;
  return force;
}

describe('the log of a channel', () => {
  it('[E21] knows what is in force, however its edits come in from both ends', () => {
    const seed = testSeed('the log of a channel');
    fc.assert(
      fc.property(plansOf(40, BODY_KINDS).map(randomLog), fc.nat(100), fc.nat(100), (edits, middle, page) => {
        const log = new ChannelLog();
        const head = middle % (edits.length + 1);
        log.begin(head);
        for (const one of edits.slice(head)) expect(log.addNewer([one])).toBe(true);
        while (log.hasOlder)
          expect(log.addOlder(edits.slice(Math.max(0, log.first - 2 - (page % 7)), log.first - 1))).toBe(true);
        expect(log.edits).toEqual(edits);
        expect(edits.map(({ seq }) => log.isInForce(seq))).toEqual(inForce(edits));
        for (const { seq } of edits) expect(log.get(seq)).toBe(edits[seq - 1]);
      }),
      { seed, numRuns: testRuns(100) },
    );
  });

  it('takes nothing behind a gap, and what it knows twice', () => {
    const log = logOf(edit(5, 1), edit(6, 2));
    expect([log.first, log.head, log.hasOlder]).toEqual([5, 6, true]);
    expect(log.addNewer([edit(8, 3)])).toBe(false);
    expect(log.addNewer([edit(6, 2), edit(7, 3)])).toBe(true);
    expect(log.addOlder([edit(2, 0), edit(3, 0)])).toBe(false);
    expect(log.addOlder([edit(3, 0), edit(4, 0)])).toBe(true);
    expect(log.edits.map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7]);
  });

  it('forgets the oldest edits where there are too many', () => {
    const log = new ChannelLog(8);
    for (let seq = 1; seq <= 100; seq++) log.addNewer([edit(seq, seq)]);
    expect(log.edits.length).toBeLessThanOrEqual(8);
    expect(log.get(100)?.seq).toBe(100);
    expect(log.get(log.first)?.seq).toBe(log.first);
    expect(log.hasOlder).toBe(true);
  });

  it('knows since when an edit is where it is: a redo put it back', () => {
    const log = logOf(edit(1, 1), { ...edit(2, 2), changes: { undone: [1] } });
    expect([log.since(1), log.since(2)]).toEqual([2, 2]);
    log.addNewer([{ ...edit(3, 3), changes: { undone: [2], redone: [1] } }]);
    expect([log.isInForce(1), log.since(1)]).toEqual([true, 3]);
  });
});

describe('rows of edits', () => {
  const seqs = (logs: Readonly<Record<string, ChannelLog>>, filter = {}): string[] =>
    rowsOf(new Map(Object.entries(logs)), filter).map(({ path, edit: { seq } }) => `${path}${seq}`);

  it('are newest first, over all channels', () => {
    expect(seqs({ a: logOf(edit(1, 10), edit(2, 30)), b: logOf(edit(1, 20)) })).toEqual(['a2', 'b1', 'a1']);
  });

  it('keep the order of the log where a clock went back', () => {
    expect(seqs({ a: logOf(edit(1, 50), edit(2, 10)), b: logOf(edit(1, 20)) })).toEqual(['a2', 'a1', 'b1']);
    expect(seqs({ a: logOf(edit(1, 50), edit(2, 10)) })).toEqual(['a2', 'a1']);
  });

  it('leave out what another channel may have edits before', () => {
    const partial = logOf(edit(8, 25), edit(9, 40));
    expect(seqs({ a: logOf(edit(1, 10), edit(2, 30)), b: partial })).toEqual(['b9', 'a2', 'b8']);
    expect(seqs({ b: partial })).toEqual(['b9', 'b8']);
  });

  it('are those of one author and kind where that is asked', () => {
    const log = logOf(edit(1, 1), edit(2, 2, 'Bob'), edit(3, 3, 'Bob', 'undo'));
    expect(seqs({ a: log }, { author: 'u\nBob' })).toEqual(['a3', 'a2']);
    expect(seqs({ a: log }, { author: 'u\nBob', kind: 'merge' })).toEqual(['a2']);
    expect([...authorsOf([log]).values()]).toEqual(['Ada', 'Bob']);
  });
});
