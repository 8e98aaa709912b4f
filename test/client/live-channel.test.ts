import { describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../protocol/index.ts';
import { DEFAULT_BACK_OFF } from '../../src/client/back-off.ts';
import type { EditOp } from '../../src/client/edit-input.ts';
import type { LiveChannel, RolledBackEdit } from '../../src/client/live-channel.ts';
import { type EditStage, editStage, inTime, PATH } from '../support/edit-stage.ts';
import { seededRandom, settled } from '../support/fake-server.ts';
import { bin, idsOf, type NaiveState } from '../support/naive-log.ts';
import { testSeed } from '../support/seed.ts';

interface LiveStage extends EditStage {
  readonly labels: LiveChannel;
  /** EDITs that the server has and has not worked on, oldest first. */
  readonly held: (() => void)[];
}

/** A channel whose edits the server keeps until they are let go. */
async function stage(isHolding = true): Promise<LiveStage> {
  const all = await editStage();
  const held: (() => void)[] = [];
  const labels = all.session.open(PATH);
  await labels.subscription.ready;
  await settled();
  all.server.script = (message: ClientMessage, connection) => {
    if (message.kind !== 'EDIT' || !isHolding) return false;
    held.push(() => all.log.take(message, connection));
    return true;
  };
  return { ...all, labels, held };
}

const merge = (...ids: number[]): EditOp => ({ op: 'merge', ids });
const cleave = (...ids: number[]): EditOp => ({ op: 'cleave', ids });
const put = (key: number, text: string): EditOp => ({ op: 'put', table: 'annotation', rows: [{ key, text }] });

const wire = (op: EditOp): Record<string, unknown> =>
  op.op === 'put'
    ? { ...op, rows: op.rows.map((row) => ({ ...row, key: BigInt(row.key ?? 0) })) }
    : { ...op, ...('ids' in op ? { ids: [...op.ids] } : {}) };

function expectView(labels: LiveChannel, naive: NaiveState, ids = 24): void {
  for (let i = 0; i < ids; i++) {
    const id = BigInt(i);
    expect([id, labels.view.rootOf(id)]).toEqual([id, naive.rootOf(id)]);
    expect([...labels.view.membersOf(id)].sort((a, b) => Number(a - b))).toEqual(naive.membersOf(id));
  }
  const rows = [...labels.view.rows('annotation')].map(({ key, text }) => [key, text]).sort();
  expect(rows).toEqual([...naive.table('annotation')].map(([key, row]) => [key, row['text']]).sort());
  for (const [key, row] of naive.table('annotation'))
    expect(labels.view.row('annotation', key)?.['text']).toEqual(row['text']);
}

describe('own edits', () => {
  it('show at once, and are the log’s when they are answered', async () => {
    const { labels, log, held } = await stage();
    const done = labels.edit([merge(5, 3, 7), cleave(3), put(1, 'here')]);
    expect(labels.view.rootOf(7)).toBe(5n);
    expect(labels.view.rootOf(3n)).toBe(3n);
    expect(labels.view.row('annotation', 1)).toMatchObject({ text: 'here' });
    expect(labels.subscription.state.rootOf(7n)).toBe(7n);
    expect(labels.pending).toBe(1);
    await settled();
    held.shift()?.();
    expect(await done).toMatchObject({ seq: 1 });
    await settled();
    expect(labels.pending).toBe(0);
    expect(labels.subscription.state.rootOf(7n)).toBe(5n);
    expectView(labels, log.state());
  });

  it('are put on top again when others were first', async () => {
    const { labels, log, held } = await stage();
    void labels.edit([merge(4, 5)]);
    void labels.edit([cleave(4)]);
    log.foreign({ op: 'merge', ids: [4n, 2n] });
    log.foreign({ op: 'merge', ids: [5n, 9n] });
    await settled();
    expect(labels.view.rootOf(9)).toBe(2n);
    expect(labels.view.rootOf(4)).toBe(4n);
    expect(labels.pending).toBe(2);
    while (held.length > 0) {
      held.shift()?.();
      await settled();
    }
    expect(labels.pending).toBe(0);
    expectView(labels, log.state());
  });

  it('are taken back when they are refused, and that is told', async () => {
    const { labels, log, held } = await stage();
    const rolledBack: RolledBackEdit[] = [];
    labels.on('rolledBack', (edit) => rolledBack.push(edit));
    const bad = labels.edit([merge(4, 5), { op: 'write', box: [1, 2, 3, 4, 5, 6], value: 7 }]);
    const good = labels.edit([merge(5, 6)]);
    expect(labels.view.rootOf(6)).toBe(4n);
    expect(labels.view.touched).toEqual([[1, 2, 3, 4, 5, 6]]);
    const changes: unknown[] = [];
    labels.on('change', ({ touched }) => changes.push(...touched));
    await settled();
    log.fates.push('FORBIDDEN');
    held.shift()?.();
    await expect(bad).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await settled();
    expect(rolledBack).toMatchObject([{ ops: [{ op: 'merge' }, { op: 'write' }], error: { code: 'FORBIDDEN' } }]);
    expect(changes).toEqual([[1, 2, 3, 4, 5, 6]]);
    expect(labels.view.touched).toEqual([]);
    expect(labels.view.rootOf(6)).toBe(5n);
    held.shift()?.();
    await good;
    await settled();
    expectView(labels, log.state());
  });

  it('show until the state holds them, also where the answer is the first to come', async () => {
    const { labels, log, held, clock } = await stage();
    const done = labels.edit([merge(4, 5)]);
    await settled();
    const [fake] = log.subscribers;
    fake?.close();
    held.shift()?.();
    await done;
    await settled();
    expect(labels.pending).toBe(1);
    expect(labels.view.rootOf(5)).toBe(4n);
    if (fake !== undefined) log.subscribers.add(fake);
    fake?.pump();
    await clock.advance(0);
    expect(labels.pending).toBe(0);
    expect(labels.view.rootOf(5)).toBe(4n);
  });

  it('without a key have one below 0 until the server gives one', async () => {
    const { labels, held } = await stage();
    void labels.edit([{ op: 'put', table: 'annotation', rows: [{ text: 'a' }, { text: 'b' }] }]);
    expect([...labels.view.rows('annotation')]).toEqual([
      { key: -1n, text: 'a' },
      { key: -2n, text: 'b' },
    ]);
    await settled();
    held.shift()?.();
    await settled();
    expect([...labels.view.rows('annotation')].map(({ key }) => key)).toEqual([1_100n, 1_101n]);
  });

  it('of ids that are not there yet do not show before they are answered', async () => {
    const { labels } = await stage();
    const split: EditOp = { op: 'split', id: 9, box: [0, 0, 0, 2, 2, 2], mask: Uint8Array.of(0, 1) };
    void labels.edit([split, { op: 'merge', ids: [{ new: 0 }, 3] }, merge(3, 4)]);
    expect(labels.view.rootOf(4)).toBe(3n);
    expect(labels.view.touched).toEqual([[0, 0, 0, 2, 2, 2]]);
  });

  it('are told as unsaved, with whether they show, until the state holds them', async () => {
    const { labels, held } = await stage();
    const told: string[][] = [];
    const names = (): string[] =>
      labels.unsaved.map(({ ops, isPredicted, seq }) => `${ops.map(({ op }) => op)} ${isPredicted} ${seq}`);
    labels.on('change', () => told.push(names()));
    const first = labels.edit([merge(4, 5), put(1, 'here')]);
    expect(told).toEqual([['merge,put true undefined']]);
    await settled();
    held.shift()?.();
    await first;
    await settled();
    expect(labels.unsaved).toEqual([]);
    const undo = labels.undo();
    await settled();
    void labels.edit([cleave(4), { op: 'write', box: [0, 0, 0, 1, 1, 1], value: 7 }]);
    void labels.edit([
      { op: 'split', id: 9, box: [0, 0, 0, 2, 2, 2], mask: Uint8Array.of(0, 1) },
      { op: 'merge', ids: [{ new: 0 }, 3] },
    ]);
    expect(names()).toEqual(['undo false undefined', 'cleave,write false undefined', 'split,merge false undefined']);
    expect(labels.pending).toBe(3);
    expect(told.at(-1)).toEqual(names());
    await settled();
    held.shift()?.();
    await undo;
    await settled();
    expect(names()).toEqual(['cleave,write false undefined', 'split,merge false undefined']);
  });

  it('that are undone and refused are unsaved no more, and nothing that showed is taken back', async () => {
    const { labels, log } = await stage(false);
    let rolledBack = 0;
    labels.on('rolledBack', () => rolledBack++);
    await labels.edit([merge(4, 5)]);
    log.fates.push('FORBIDDEN');
    const undo = labels.undo();
    await expect(undo).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect([labels.pending, rolledBack]).toEqual([0, 0]);
  });

  it('that cannot be sent are rejected, and show nothing', async () => {
    const { labels } = await stage();
    await expect(labels.edit([])).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(labels.pending).toBe(0);
  });

  it('survive lost connections', async () => {
    const { labels, log, server, clock } = await stage(false);
    log.fates.push('mute', 'mute');
    const edits = [labels.edit([merge(4, 5)]), labels.edit([cleave(5)])];
    await settled();
    server.last.drop();
    log.foreign({ op: 'merge', ids: [4n, 1n] });
    await inTime(clock, Promise.all(edits));
    await settled();
    expect(labels.pending).toBe(0);
    expectView(labels, log.state());
  });

  it('are given back where the log begins anew', async () => {
    const { labels, log, server, clock, session } = await stage();
    let orphans = 0;
    session.on('orphaned', () => orphans++);
    const rolledBack: RolledBackEdit[] = [];
    labels.on('rolledBack', (edit) => rolledBack.push(edit));
    const edit = labels.edit([merge(4, 5)]);
    edit.catch(() => {});
    await settled();
    server.last.drop();
    log.restore(9);
    await clock.advance(3_000);
    await expect(edit).rejects.toMatchObject({ code: 'EPOCH_MISMATCH' });
    expect([orphans, rolledBack.length, labels.pending]).toEqual([1, 1, 0]);
    expectView(labels, log.state());
  });
});

describe('optimistic state', () => {
  const seeds = [testSeed('optimistic state'), 1, 2, 3, 4, 5, 6, 7];

  it.each(seeds)(
    'is at every moment the committed state with the own edits on top, and in the end the log (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const { labels, log, held, server, clock } = await stage();
      const pick = (n: number): number => Math.floor(random() * n);
      const own: { readonly ops: EditOp[]; seq?: number; isOver?: boolean }[] = [];
      const op = (): EditOp => {
        const what = random();
        if (what < 0.45) return merge(pick(20), pick(20), pick(20));
        if (what < 0.75) return cleave(...Array.from({ length: 1 + pick(4) }, () => pick(20)));
        if (what < 0.9) return put(pick(6), `text ${pick(1_000)}`);
        return { op: 'delete', table: 'annotation', keys: [pick(6)] };
      };
      const check = (): void => {
        // The log up to where we are, and what of ours is not in it.
        const seq = labels.subscription.loading ? undefined : labels.subscription.seq;
        if (seq === undefined) return;
        const naive = log.state(seq);
        const known = new Set(log.edits.slice(0, seq).map((edit) => JSON.stringify(edit.ops, text)));
        for (const { ops, isOver } of own) {
          const wired = ops.map(wire);
          if (isOver === true || known.has(JSON.stringify(wired, text))) continue;
          for (const one of wired) naive.apply(one);
        }
        expectView(labels, naive, 20);
      };
      for (let i = 0; i < 80; i++) {
        const what = random();
        if (what < 0.35) {
          const mark = put(100 + i, `own ${i}`); // makes each edit another
          const edit: (typeof own)[number] = { ops: [...Array.from({ length: 1 + pick(3) }, op), mark] };
          own.push(edit);
          labels.edit(edit.ops).catch(() => {
            edit.isOver = true;
          });
        } else if (what < 0.6) {
          const ops = Array.from({ length: 1 + pick(2) }, op);
          log.foreign(...ops.map(wire));
        } else if (what < 0.7 && log.head > 0) log.foreign({ op: 'undo', seq: 1 + pick(log.head) });
        else if (what < 0.9) {
          if (random() < 0.25) log.fates.push('FORBIDDEN');
          held.shift()?.();
        } else if (what < 0.95) {
          held.splice(0);
          server.last.drop();
          await clock.advance(3_000);
        }
        if (random() < 0.7) await settled();
        if (random() < 0.5) {
          await settled();
          check();
        }
      }
      log.fates.splice(0);
      // Quiet for longer than the longest pause before a connection is tried again.
      for (let quietMs = 0; quietMs <= DEFAULT_BACK_OFF.maxMs; ) {
        await clock.advance(3_000);
        const next = held.shift();
        next?.();
        quietMs = next === undefined ? quietMs + 3_000 : 0;
      }
      expect(labels.pending).toBe(0);
      check();
      expectView(labels, log.state(), 20);
    },
  );
});

const text = (_key: string, value: unknown): unknown => {
  if (value instanceof Uint8Array) return idsOf(value).map(Number);
  return typeof value === 'bigint' ? Number(value) : value;
};

describe('undo', () => {
  it('[E21] takes the newest own edit out of force, and redo puts it back in its place', async () => {
    const { labels, log } = await stage(false);
    await labels.edit([merge(1, 2)]);
    await labels.edit([merge(2, 3)]);
    log.foreign({ op: 'merge', ids: [3n, 4n] });
    expect(labels.canUndo).toBe(true);
    expect(await labels.undo()).toMatchObject({ seq: 4 });
    expect(log.edits[3]?.ops).toEqual([{ op: 'undo', seq: 2 }]);
    await settled();
    expect(labels.view.rootOf(4)).toBe(3n);
    expect(await labels.redo()).toMatchObject({ seq: 5 });
    expect(log.edits[4]?.ops).toEqual([{ op: 'undo', seq: 4 }]);
    await settled();
    expect(labels.view.rootOf(4)).toBe(1n);
    expect(await labels.undo()).toMatchObject({ seq: 6 });
    expect(log.edits[5]?.ops).toEqual([{ op: 'undo', seq: 2 }]);
    expect(await labels.undo()).toMatchObject({ seq: 7 });
    expect(log.edits[6]?.ops).toEqual([{ op: 'undo', seq: 1 }]);
    expect(await labels.undo()).toBeUndefined();
    expect(labels.canUndo).toBe(false);
    await labels.redo();
    await labels.redo();
    expect(await labels.redo()).toBeUndefined();
    await settled();
    expectView(labels, log.state());
    expect(labels.view.rootOf(4)).toBe(1n);
  });

  it('waits for edits and steps that are under way', async () => {
    const { labels, log, held } = await stage();
    void labels.edit([merge(1, 2)]);
    void labels.edit([merge(3, 4)]);
    const steps = Promise.all([labels.undo(), labels.undo(), labels.redo()]);
    for (let i = 0; i < 8; i++) {
      await settled();
      held.shift()?.();
    }
    expect((await steps).map((step) => step?.seq)).toEqual([3, 4, 5]);
    expect(log.edits.slice(2).map(({ ops }) => ops[0]?.['seq'])).toEqual([2, 1, 4]);
  });

  it('of a new edit there is no redo', async () => {
    const { labels } = await stage(false);
    await labels.edit([merge(1, 2)]);
    await labels.undo();
    expect(labels.canRedo).toBe(true);
    await labels.edit([merge(3, 4)]);
    expect(labels.canRedo).toBe(false);
    expect(await labels.redo()).toBeUndefined();
  });

  it('[E21] passes over edits that are out of force, and that were refused', async () => {
    const { labels, log } = await stage(false);
    await labels.edit([merge(1, 2)]);
    await labels.edit([merge(3, 4)]);
    log.fates.push('FORBIDDEN');
    await labels.edit([merge(5, 6)]).catch(() => {});
    log.foreign({ op: 'undo', seq: 2 });
    await settled();
    expect(await labels.undo()).toMatchObject({ seq: 4 });
    expect(log.edits[3]?.ops).toEqual([{ op: 'undo', seq: 1 }]);
  });

  it('that failed can be tried again', async () => {
    const { labels, log } = await stage(false);
    await labels.edit([merge(1, 2)]);
    log.fates.push('FORBIDDEN');
    await expect(labels.undo()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await labels.undo()).toMatchObject({ seq: 2 });
  });

  it('[S1] does not reach into another life of the log', async () => {
    const { labels, log, server, clock } = await stage(false);
    await labels.edit([merge(1, 2)]);
    server.last.drop();
    log.restore(9, 1);
    await clock.advance(3_000);
    expect(labels.canUndo).toBe(false);
    expect(await labels.undo()).toBeUndefined();
  });
});

it('reads what others merge by the hundred', async () => {
  const { labels, log } = await stage(false);
  const ids = Array.from({ length: 100 }, (_, i) => BigInt(1_000 - i));
  log.foreign({ op: 'merge', ids: bin(ids) });
  await settled();
  await labels.edit([{ op: 'cleave', ids: ids.slice(50) }]);
  await settled();
  expect(labels.view.rootOf(1_000n)).toBe(951n);
  expect(labels.view.membersOf(901n)).toHaveLength(50);
});
