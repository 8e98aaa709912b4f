import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EditView } from '../../../protocol/edit-view.ts';
import type { EditEvent } from '../../../src/client/index.ts';
import { Timeline } from '../../../src/viewer/page/history/timeline.ts';
import { BodySets } from '../../../src/viewer/page/neuroglancer/body-sets.ts';
import { groupsOf, NaiveSets } from '../../support/naive-sets.ts';
import { ALL_KINDS, BODY_KINDS, plansOf, SOME_IDS } from '../../support/random-edits.ts';
import { randomLog } from '../../support/random-log.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const IDS = [...new Set([...SOME_IDS, ...Array.from({ length: 40 }, (_, id) => BigInt(id))])];

function naive(log: readonly EditEvent[], seq: number): EditView {
  const view = new EditView();
  for (const edit of log.slice(0, seq)) view.apply(edit.seq, edit.changes);
  return view;
}

const log = plansOf(40, BODY_KINDS).map(randomLog);

describe('a timeline', () => {
  it('has the bodies of every moment, in whatever order it is asked, however few checkpoints it may keep', () => {
    const seed = testSeed('a timeline');
    fc.assert(
      fc.property(
        log,
        fc.array(fc.nat(1_000), { maxLength: 12 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(400),
        (edits, jumps, every, bytes) => {
          const timeline = new Timeline(every, bytes);
          expect(timeline.add(edits)).toBe(true);
          for (const jump of jumps) {
            const seq = jump % (edits.length + 1);
            const bodies = timeline.bodiesAt(seq);
            const view = naive(edits, seq);
            expect(bodies.seq).toBe(seq);
            expect(IDS.map((id) => bodies.rootOf(id))).toEqual(IDS.map((id) => view.rootOf(id)));
            expect(groupsOf(IDS, (id) => bodies.membersOf(id))).toEqual(groupsOf(IDS, (id) => view.membersOf(id)));
          }
        },
      ),
      { seed, numRuns: testRuns(150) },
    );
  });

  it('tells which ids to look at between two moments: sets that are made right for those alone are right', async () => {
    const seed = testSeed('a timeline, ids');
    await fc.assert(
      fc.asyncProperty(log, fc.array(fc.nat(1_000), { maxLength: 12 }), async (edits, jumps) => {
        const timeline = new Timeline(5);
        timeline.add(edits);
        const sets = new NaiveSets();
        const shown = new BodySets(sets);
        let at = 0;
        await shown.fill(timeline.bodiesAt(0).links());
        for (const jump of jumps) {
          const seq = jump % (edits.length + 1);
          shown.show(timeline.between(at, seq).ids ?? [], timeline.bodiesAt(seq));
          at = seq;
          const view = naive(edits, seq);
          expect(sets.groups()).toEqual(groupsOf(IDS, (id) => view.membersOf(id)));
        }
      }),
      { seed, numRuns: testRuns(150) },
    );
  });

  it('tells which boxes of mip 0 differ between two moments', () => {
    const seed = testSeed('a timeline, boxes');
    fc.assert(
      fc.property(plansOf(20, ALL_KINDS).map(randomLog), fc.nat(100), fc.nat(100), (edits, a, b) => {
        const timeline = new Timeline();
        timeline.add(edits);
        const [from, to] = [a % (edits.length + 1), b % (edits.length + 1)];
        const passed = edits.slice(Math.min(from, to), Math.max(from, to));
        const boxes = passed.flatMap(({ changes }) => changes.touched ?? []).filter(([mip]) => mip === 0);
        expect(timeline.between(from, to).boxes).toEqual(boxes.map(([, box]) => box));
      }),
      { seed, numRuns: testRuns(60) },
    );
  });

  it('knows nothing beyond what it was given: everything may differ there', () => {
    const timeline = new Timeline();
    expect(timeline.between(0, 1)).toEqual({ ids: undefined, boxes: undefined });
    expect(timeline.between(0, 0)).toEqual({ ids: [], boxes: [] });
  });

  it('takes what it knows twice, and nothing behind a gap or without its changes', () => {
    const [first, second, third] = [1, 2, 3].map((seq) => edit(seq));
    if (first === undefined || second === undefined || third === undefined) throw new Error('three edits');
    const timeline = new Timeline();
    expect(timeline.add([first])).toBe(true);
    expect(timeline.add([third])).toBe(false);
    expect(timeline.add([first, second])).toBe(true);
    expect(timeline.head).toBe(2);
    expect(timeline.add([{ ...third, cut: true }])).toBe(false);
    expect(timeline.moment(2)).toMatchObject({ seq: 2, time: 2, user: 'Ada', words: 'merged 2 segments into 1' });
  });

  it('keeps fewer checkpoints where they are large', () => {
    const few = new Timeline(2, 64);
    const many = new Timeline(2);
    for (let seq = 1; seq <= 32; seq++) {
      few.add([edit(seq)]);
      many.add([edit(seq)]);
    }
    expect(many.checkpoints).toBe(16);
    expect(few.checkpoints).toBeLessThanOrEqual(4);
    expect(few.bodiesAt(7).rootOf(8n)).toBe(1n);
    expect(few.bodiesAt(6).rootOf(8n)).toBe(8n);
  });
});

/** Edit `seq` joins `seq + 1` to 1. */
function edit(seq: number): EditEvent {
  const ids = [1n, BigInt(seq + 1)];
  return {
    ...{ seq, time: seq, user: { id: 'a', name: 'Ada' }, mine: false, ops: [{ op: 'merge', ids }] },
    ...{ results: [{ root: 1 }], changes: { joined: new Uint8Array(BigUint64Array.of(ids[1] ?? 0n, 1n).buffer) } },
  };
}
