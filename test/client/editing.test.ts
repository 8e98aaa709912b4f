import { describe, expect, it, vi } from 'vitest';
import { BULK_TYPE, type Bulk, TileFlag } from '../../protocol/index.ts';
import { ConflictError, type OrphanedEdit, type RecoveredEdit } from '../../src/client/edit-result.ts';
import type { SavedWriter, WriterStore } from '../../src/client/writer-store.ts';
import { editStage, inTime, PATH } from '../support/edit-stage.ts';
import { hex } from '../support/fake-log.ts';
import { settled } from '../support/fake-server.ts';

const merge = (...ids: number[]) => [{ op: 'merge', ids }] as const;

/** Numbers of the EDITs that came, without the writer. */
const numbers = (arrivals: readonly string[]): number[] => arrivals.map((arrival) => Number(arrival.split(':')[1]));
const writersOf = (arrivals: readonly string[]): number =>
  new Set(arrivals.map((arrival) => arrival.split(':')[0])).size;

describe('an edit', () => {
  it('[E4] resolves with its seq and the results of its ops', async () => {
    const { session, log } = await editStage();
    const result = await session.edit(PATH, [
      { op: 'merge', ids: [5n, 3] },
      { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3], text: 'here' }] },
    ]);
    expect(result).toEqual({
      status: 'applied',
      seq: 1,
      dup: false,
      results: [{ root: 3n }, { keys: [1_100n] }],
    });
    expect(log.edits).toHaveLength(1);
  });

  it('[E2] has a writer of 16 bytes that its path keeps, numbers that rise, and the epoch', async () => {
    const { session, server, log } = await editStage();
    await session.edit(PATH, merge(1, 2));
    await session.edit(PATH, merge(3, 4), { base: 1, policy: 'strict', note: 'why' });
    const [first, second] = server.last.all('EDIT');
    expect(first?.wid.length).toBe(16);
    expect(hex(first?.wid ?? new Uint8Array())).toBe(hex(second?.wid ?? new Uint8Array()));
    expect([first?.wseq, second?.wseq]).toEqual([1, 2]);
    expect(second).toMatchObject({ base: 1, policy: 'strict', note: 'why', epoch: log.epoch });
  });

  it('[F15] sends ids as integers, above 16 of them as bytes', async () => {
    const { session, server } = await editStage();
    const many = BigUint64Array.from({ length: 17 }, (_, i) => 2n ** 63n + BigInt(i));
    await session.edit(PATH, [
      { op: 'merge', ids: [2n ** 63n, 7] },
      { op: 'cleave', ids: many },
    ]);
    const [few, bytes] = server.last.all('EDIT')[0]?.ops ?? [];
    expect(few?.['ids']).toEqual([2n ** 63n, 7]);
    expect(hex(bytes?.['ids'] as Uint8Array)).toBe(hex(new Uint8Array(many.buffer)));
  });

  it('is not changed by what the caller does to its arrays afterwards', async () => {
    const { session, server } = await editStage();
    const ids = [1, 2];
    const voxels = new Uint32Array([7]);
    const rows = [{ key: 1, kind: 'point', points: [1, 2, 3] }];
    const edit = session.edit(PATH, [
      { op: 'merge', ids },
      { op: 'write', box: [0, 0, 0, 1, 1, 1], voxels },
      { op: 'put', table: 'annotation', rows },
    ]);
    ids.push(3);
    voxels[0] = 9;
    rows[0]?.points.push(4);
    await edit;
    const ops = server.last.all('EDIT')[0]?.ops;
    expect(ops?.[0]?.['ids']).toEqual([1, 2]);
    expect(ops?.[1]?.['values']).toEqual(Uint8Array.of(7, 0, 0, 0));
    expect(ops?.[2]?.['rows']).toMatchObject([{ points: [1, 2, 3] }]);
  });

  it.each([
    ['no ops', []],
    ['an id below 0', merge(-1)],
    ['an id that a number cannot hold', merge(2 ** 60)],
    ['value and voxels at once', [{ op: 'write', box: [0, 0, 0, 1, 1, 1], value: 1, voxels: new Uint8Array(1) }]],
    ['too few voxels', [{ op: 'write', box: [0, 0, 0, 2, 1, 1], voxels: new Uint8Array(1) }]],
    ['a function', [{ op: 'meta', key: 'k', value: () => {} }]],
  ] as const)('rejects %s before it is sent', async (_name, ops) => {
    const { session, server } = await editStage();
    await expect(session.edit(PATH, ops as Parameters<typeof session.edit>[1])).rejects.toThrow();
    expect(server.last.all('EDIT')).toEqual([]);
  });

  it('[L1] rejects with TOO_LARGE what is more than one message', async () => {
    const { session, server } = await editStage();
    const text = 'x'.repeat(2 ** 20);
    const edit = session.edit(PATH, [{ op: 'put', table: 'annotation', rows: [{ text }] }]);
    await expect(edit).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(server.last.all('EDIT')).toEqual([]);
  });

  it('[E3] waits in line behind 16 that have no answer', async () => {
    const { session, server, log } = await editStage();
    const held: (() => void)[] = [];
    server.script = (message, connection) => {
      if (message.kind !== 'EDIT') return false;
      held.push(() => log.take(message, connection));
      return true;
    };
    const edits = Array.from({ length: 40 }, (_, i) => session.edit(PATH, merge(i, i + 1)));
    await settled();
    expect(held).toHaveLength(16);
    held.shift()?.();
    await settled();
    expect(held).toHaveLength(16);
    while (held.length > 0) {
      held.shift()?.();
      await settled();
    }
    expect((await Promise.all(edits)).map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });

  it('keeps the rate of the server', async () => {
    const { session, server, clock } = await editStage();
    const edits = Array.from({ length: 250 }, (_, i) => session.edit(PATH, merge(i, i + 1)));
    await clock.advance(0);
    expect(server.last.all('EDIT')).toHaveLength(180);
    await session.info(PATH); // others do not wait behind them
    await clock.advance(1_000);
    const sent = server.last.all('EDIT').length;
    expect(sent).toBeLessThanOrEqual(225);
    expect(sent).toBeGreaterThanOrEqual(224);
    await inTime(clock, Promise.all(edits));
  });

  it('ends the waiting when it is aborted; what was not sent never is', async () => {
    const { session, server, log } = await editStage();
    server.script = (message) => message.kind === 'EDIT';
    const under = new AbortController();
    const sent = session.edit(PATH, merge(1, 2), { signal: under.signal });
    for (let i = 0; i < 15; i++) void session.edit(PATH, merge(i, i + 1)).catch(() => {});
    const waiting = session.edit(PATH, merge(80, 90), { signal: under.signal });
    await settled();
    under.abort();
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' });
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    server.script = undefined;
    for (const message of server.last.all('EDIT')) log.take(message, server.last);
    await settled();
    expect(log.edits).toHaveLength(16);
    expect(log.edits.some(({ ops }) => String(ops[0]?.['ids']) === '80,90')).toBe(false);
  });

  it('that was sent and is aborted is not sent again on the next connection', async () => {
    const { session, server, clock, log } = await editStage();
    server.script = (message) => message.kind === 'EDIT';
    const under = new AbortController();
    const aborted = session.edit(PATH, merge(1, 2), { signal: under.signal });
    const other = session.edit(PATH, merge(3, 4));
    await settled();
    under.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    server.script = undefined;
    server.last.drop();
    expect(await inTime(clock, other)).toMatchObject({ seq: 1 });
    expect(numbers(log.arrivals)).toEqual([2]);
  });

  it('rejects with CANCELLED when the session is closed, sent or not', async () => {
    const { session, server } = await editStage();
    server.script = (message) => message.kind === 'EDIT';
    const edits = Array.from({ length: 20 }, () => session.edit(PATH, merge(1, 2)));
    await settled();
    const outcomes = Promise.allSettled(edits);
    await session.close();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'CANCELLED' } });
    await expect(session.edit(PATH, merge(1, 2))).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('rejects where the path cannot be read', async () => {
    const { session } = await editStage();
    await expect(session.edit('e/s/d/other', merge(1, 2))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('exactly once', () => {
  it('[E15] sends the same bytes again after a lost connection, in the same order, and is told the seq it had', async () => {
    const { session, server, clock, log } = await editStage();
    log.fates.push('mute', 'mute', 'apply');
    const first = server.last;
    first.framesLeft = Number.POSITIVE_INFINITY;
    const edits = [merge(1, 2), merge(3, 4)].map((ops) => session.edit(PATH, ops));
    await settled();
    first.drop();
    const third = session.edit(PATH, merge(5, 6));
    await clock.advance(1_000);
    expect(await Promise.all(edits)).toMatchObject([
      { seq: 1, dup: true },
      { seq: 2, dup: true },
    ]);
    expect(await third).toMatchObject({ seq: 3, dup: false });
    expect(log.edits).toHaveLength(3);
    expect(numbers(log.arrivals)).toEqual([1, 2, 1, 2, 3]);
    expect(server.last.all('EDIT')[0]).toEqual({ ...first.all('EDIT')[0], id: server.last.all('EDIT')[0]?.id });
  });

  it.each(['TIMEOUT', 'INTERNAL'] as const)('[E15] sends the same bytes again after %s', async (fate) => {
    const { session, clock, log } = await editStage();
    log.fates.push(fate, fate);
    expect(await inTime(clock, session.edit(PATH, merge(1, 2)))).toMatchObject({ seq: 1 });
    expect(numbers(log.arrivals)).toEqual([1, 1, 1]);
  });

  it.each(['REJECTED', 'UNAVAILABLE', 'RATE_LIMITED'] as const)(
    '[E15] sends the same ops under a new number after %s',
    async (fate) => {
      const { session, clock, log } = await editStage();
      log.fates.push(fate, fate);
      expect(await inTime(clock, session.edit(PATH, merge(1, 2)))).toMatchObject({ seq: 1 });
      expect(numbers(log.arrivals)).toEqual([1, 2, 3]);
      expect(writersOf(log.arrivals)).toBe(1);
    },
  );

  it('waits as long as the server says', async () => {
    const { session, clock, log } = await editStage();
    log.fates.push('RATE_LIMITED');
    log.retryMs = 700;
    const edit = session.edit(PATH, merge(1, 2));
    await clock.advance(699);
    expect(log.arrivals).toHaveLength(1);
    await inTime(clock, edit);
    expect(log.arrivals).toHaveLength(2);
  });

  it('keeps the order of what was refused and of what waits behind it', async () => {
    const { session, clock, log } = await editStage();
    // The third is refused, and everything that was sent before that was known: as a rate does.
    log.fates.push('apply', 'apply', ...Array.from({ length: 16 }, () => 'RATE_LIMITED' as const));
    const edits = Array.from({ length: 20 }, (_, i) => session.edit(PATH, merge(i, 100)));
    const results = await inTime(clock, Promise.all(edits));
    expect(results.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(new Set(log.arrivals).size).toBe(log.arrivals.length);
  });

  it('sends nothing more after a refusal until all that was sent is answered', async () => {
    const { session, server, clock, log } = await editStage();
    const held: (() => void)[] = [];
    server.script = (message, connection) => {
      if (message.kind !== 'EDIT') return false;
      held.push(() => log.take(message, connection));
      return true;
    };
    const edits = Array.from({ length: 20 }, (_, i) => session.edit(PATH, merge(i, 100)));
    await settled();
    log.fates.push(...Array.from({ length: 16 }, () => 'RATE_LIMITED' as const));
    held.shift()?.();
    await clock.advance(30_000);
    expect(held).toHaveLength(15);
    for (const answer of held.splice(0)) answer();
    for (let i = 0; i < 20; i++) {
      await clock.advance(1_000);
      for (const answer of held.splice(0)) answer();
    }
    expect((await Promise.all(edits)).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('[E14] of an answer that came too late takes a new number where the old one is over', async () => {
    const { session, clock, log } = await editStage();
    // The first has a fault; the second is applied meanwhile, so the number of the first is past.
    log.fates.push('TIMEOUT', 'apply');
    const results = await inTime(
      clock,
      Promise.all([session.edit(PATH, merge(1, 2)), session.edit(PATH, merge(3, 4))]),
    );
    expect(results.map(({ seq }) => seq)).toEqual([2, 1]);
    expect(numbers(log.arrivals)).toEqual([1, 2, 1, 3]);
  });

  it('[E14] goes on under a new name where another tab has used the number', async () => {
    const { session, clock, log } = await editStage();
    log.fates.push('apply', 'WSEQ_REUSED');
    const results = await inTime(
      clock,
      Promise.all([merge(1, 2), merge(3, 4), merge(5, 6)].map((ops) => session.edit(PATH, ops))),
    );
    expect(results.map(({ seq }) => seq).sort()).toEqual([1, 2, 3]);
    expect(writersOf(log.arrivals)).toBe(2);
    expect(log.edits).toHaveLength(3);
    await session.edit(PATH, merge(7, 8));
    expect(writersOf(log.arrivals)).toBe(2);
  });

  it('gives up an edit that the server fails at each time', async () => {
    const { session, clock, log } = await editStage();
    log.fates.push(...Array.from({ length: 8 }, () => 'INTERNAL' as const));
    const bad = session.edit(PATH, merge(1, 2));
    bad.catch(() => {});
    await expect(inTime(clock, bad)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await session.edit(PATH, merge(3, 4))).toMatchObject({ seq: 1 });
  });

  it.each(['BAD_REQUEST', 'FORBIDDEN', 'NOT_FOUND', 'READ_ONLY', 'LIMIT', 'TOO_LARGE'] as const)(
    '[X3] rejects with %s, and what is behind it goes on',
    async (fate) => {
      const { session, log } = await editStage();
      log.fates.push(fate);
      const [bad, good] = [session.edit(PATH, merge(1, 2)), session.edit(PATH, merge(3, 4))];
      await expect(bad).rejects.toMatchObject({ code: fate });
      expect(await good).toMatchObject({ seq: 1 });
    },
  );

  it('[E19] rejects with the edits that were first', async () => {
    const { session, log } = await editStage();
    log.foreign({ op: 'merge', ids: [1n, 2n] });
    const error = await session.edit(PATH, merge(2, 3), { base: 0 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConflictError);
    if (!(error instanceof ConflictError)) return;
    expect(error).toMatchObject({ code: 'CONFLICT', head: 1, more: false });
    expect(error.edits).toMatchObject([{ seq: 1, mine: false, user: { name: 'Bob' } }]);
  });

  it('goes on under another name after another login', async () => {
    const { session, server, clock, log } = await editStage();
    await session.edit(PATH, merge(1, 2));
    server.welcome = { user: { id: 'u2', name: 'Eve' } };
    server.last.drop();
    await clock.advance(1_000);
    await session.edit(PATH, merge(3, 4));
    expect(writersOf(log.arrivals)).toBe(2);
    expect(numbers(log.arrivals)).toEqual([1, 1]);
  });
});

describe('a log that begins anew', () => {
  it('[E16] gives edits without an answer back to the user, and takes a new writer', async () => {
    const { session, server, clock, log } = await editStage();
    await session.edit(PATH, merge(1, 2));
    const orphans: OrphanedEdit[] = [];
    session.on('orphaned', (orphan) => orphans.push(orphan));
    server.script = (message) => message.kind === 'EDIT';
    const edits = [merge(3, 4), merge(5, 6)].map((ops) => session.edit(PATH, ops));
    const outcomes = Promise.allSettled(edits);
    await settled();
    server.last.drop();
    log.restore(9);
    server.script = undefined;
    await clock.advance(1_000);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'EPOCH_MISMATCH' } });
    expect(log.edits).toEqual([]);
    expect(orphans).toHaveLength(2);
    expect(await orphans[0]?.again()).toMatchObject({ seq: 1 });
    expect(log.edits[0]?.ops).toMatchObject([{ op: 'merge', ids: [3, 4] }]);
    expect(writersOf(log.arrivals)).toBe(2);
  });

  it('[E16] sends nothing of what waits unseen', async () => {
    const { session, server, log } = await editStage();
    const seen: number[] = [];
    server.script = (message) => {
      if (message.kind === 'EDIT') seen.push(message.wseq);
      return message.kind === 'EDIT';
    };
    const edits = Array.from({ length: 30 }, (_, i) => session.edit(PATH, merge(i, i + 1)));
    const outcomes = Promise.allSettled(edits);
    await settled();
    log.restore(9);
    server.script = undefined;
    for (const message of server.last.all('EDIT')) log.take(message, server.last);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'EPOCH_MISMATCH' } });
    expect(seen).toHaveLength(16);
    expect(server.last.all('EDIT')).toHaveLength(16);
  });
});

describe('voxels', () => {
  const big = Uint32Array.from({ length: 128 * 128 * 16 }, (_, i) => i);

  it('[E9] stand in the edit where they are few', async () => {
    const { session, server } = await editStage();
    await session.edit(PATH, [{ op: 'write', box: [4, 5, 6, 6, 6, 6 + 1], voxels: new Uint32Array([1, 2]) }]);
    const op = server.last.all('EDIT')[0]?.ops[0];
    expect(op).toMatchObject({ op: 'write', box: [4, 5, 6, 6, 6, 7] });
    expect(hex(op?.['values'] as Uint8Array)).toBe('0100000002000000');
    expect(server.last.all('BULK')).toEqual([]);
  });

  it('[E12] [D21] travel in frames behind their edit where they are many, cut as the server takes them', async () => {
    const { session, server, log } = await editStage();
    server.welcome = {};
    const box = [10, 20, 30, 138, 148, 46] as const;
    await session.edit(PATH, [{ op: 'write', box, voxels: big }]);
    const edit = server.last.all('EDIT')[0];
    const frames = server.last.all('BULK');
    expect(log.edits).toHaveLength(1);
    expect(frames).toHaveLength(1);
    expect(frames[0]?.header).toMatchObject({
      type: BULK_TYPE,
      id: edit?.ops[0]?.['bulk'],
      flags: TileFlag.LAST,
      item: 0,
      seq: edit?.wseq,
      x: 10,
      y: 20,
      z: 30,
      sizeX: 128,
      sizeY: 128,
      rawLength: big.byteLength,
      encoding: 0,
    });
    expect(hex(frames[0]?.payload ?? new Uint8Array())).toBe(hex(new Uint8Array(big.buffer)));
  });

  it('[E12] are sent again with their edit, in frames of at most the limit', async () => {
    const server = await editStage();
    server.server.welcome = { limits: { ...server.session.limits, bulk: 400_000 } };
    server.server.last.drop();
    await server.clock.advance(1_000);
    server.log.fates.push('TIMEOUT', 'REJECTED');
    await inTime(server.clock, server.session.edit(PATH, [{ op: 'write', box: [0, 0, 0, 128, 128, 16], voxels: big }]));
    const edits = server.server.last.all('EDIT');
    const frames = server.server.last.all('BULK');
    expect(edits.map(({ wseq }) => wseq)).toEqual([1, 1, 2]);
    expect(new Set(edits.map(({ ops }) => ops[0]?.['bulk'])).size).toBe(1);
    expect(frames).toHaveLength(9);
    const last: Bulk[] = frames.slice(6);
    expect(last.map(({ header }) => header.flags)).toEqual([0, TileFlag.CONT, TileFlag.CONT | TileFlag.LAST]);
    expect(last.map(({ header }) => header.rawLength)).toEqual([big.byteLength, 400_000, 800_000]);
    expect(last.every(({ header }) => header.seq === 2)).toBe(true);
  });

  it('[E12] wait for those before them, so that few wait on the connection', async () => {
    const { session, server, log } = await editStage();
    const held: (() => void)[] = [];
    server.script = (message, connection) => {
      if (message.kind !== 'EDIT') return false;
      held.push(() => log.take(message, connection));
      return true;
    };
    const voxels = new Uint8Array(5 * 2 ** 20);
    const box = [0, 0, 0, 1024, 1024, 5] as const;
    const edits = [0, 1, 2].map(() => session.edit(PATH, [{ op: 'write', box, voxels }]));
    await settled();
    expect(held).toHaveLength(1);
    while (held.length > 0) {
      held.shift()?.();
      await settled();
    }
    expect((await Promise.all(edits)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });
});

describe('a store of writers', () => {
  function memoryStore(isSlow = false): WriterStore & { readonly saved: Map<string, SavedWriter> } {
    const saved = new Map<string, SavedWriter>();
    return {
      saved,
      load: (path) => saved.get(path),
      save: (path, writer) => {
        saved.set(path, structuredClone(writer));
        return isSlow ? new Promise((resolve) => setImmediate(resolve)) : undefined;
      },
    };
  }

  it.each([false, true])('knows of each edit before it is sent (slow: %s)', async (isSlow) => {
    const writers = memoryStore(isSlow);
    const { session, server } = await editStage({ writers });
    const known: number[] = [];
    server.script = (message) => {
      if (message.kind === 'EDIT')
        known.push(writers.saved.get(PATH)?.pending.findIndex(({ wseq }) => wseq === message.wseq) ?? -1);
      return false;
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => session.edit(PATH, merge(i, i + 1))));
    expect(known).toHaveLength(20);
    expect(known).not.toContain(-1);
    await settled();
    expect(writers.saved.get(PATH)).toMatchObject({ wseq: 20, pending: [] });
  });

  it.each([false, true])('keeps also what waits for others to be answered (slow: %s)', async (isSlow) => {
    const writers = memoryStore(isSlow);
    const { session, server, log, open } = await editStage({ writers });
    await session.recover(PATH);
    server.script = (message) => message.kind === 'EDIT';
    const outcomes = Promise.allSettled(Array.from({ length: 40 }, (_, i) => session.edit(PATH, merge(i, i + 1))));
    await settled();
    const saved = structuredClone(writers.saved.get(PATH)); // the page goes without a word
    expect(saved?.pending).toHaveLength(40);
    await session.close();
    await outcomes;
    if (saved !== undefined) writers.saved.set(PATH, saved);
    server.script = undefined;
    const reloaded = await open({ writers });
    const recovered: RecoveredEdit[] = [];
    reloaded.on('recovered', (edit) => recovered.push(edit));
    await reloaded.recover(PATH);
    await vi.waitFor(() => expect(recovered).toHaveLength(40));
    expect(log.edits).toHaveLength(40);
  });

  it('[E15] lets a reloaded page go on: what had no answer is applied once', async () => {
    const writers = memoryStore();
    const { session, server, log, open } = await editStage({ writers });
    log.fates.push('mute');
    const lost = session.edit(PATH, merge(1, 2));
    const unsent = session.edit(PATH, merge(3, 4));
    server.script = (message) => message.kind === 'EDIT' && message.wseq === 2;
    const outcomes = Promise.allSettled([lost, unsent]);
    await settled();
    const saved = structuredClone(writers.saved.get(PATH)); // the page goes without a word
    await session.close();
    await outcomes;
    if (saved !== undefined) writers.saved.set(PATH, saved);
    server.script = undefined;
    const reloaded = await open({ writers });
    const recovered: RecoveredEdit[] = [];
    reloaded.on('recovered', (edit) => recovered.push(edit));
    expect(await reloaded.edit(PATH, merge(5, 6))).toMatchObject({ seq: 3 });
    expect(recovered).toMatchObject([{ result: { seq: 1, dup: true } }, { result: { seq: 2, dup: false } }]);
    expect(writersOf(log.arrivals)).toBe(1);
    expect(log.edits).toHaveLength(3);
  });

  it('gives the edits of another user back instead of sending them', async () => {
    const writers = memoryStore();
    const { session, server, log, open } = await editStage({ writers });
    server.script = (message) => message.kind === 'EDIT';
    const outcome = session.edit(PATH, merge(1, 2)).catch((error: unknown) => error);
    await settled();
    const saved = structuredClone(writers.saved.get(PATH));
    await session.close();
    await outcome;
    if (saved !== undefined) writers.saved.set(PATH, saved);
    server.script = undefined;
    server.welcome = { user: { id: 'u2', name: 'Eve' } };
    const reloaded = await open({ writers });
    const orphans: OrphanedEdit[] = [];
    reloaded.on('orphaned', (orphan) => orphans.push(orphan));
    await reloaded.recover(PATH);
    expect(orphans).toMatchObject([{ error: { code: 'FORBIDDEN' } }]);
    expect(log.edits).toEqual([]);
  });

  it('that fails is told of, and stops no edit', async () => {
    const writers: WriterStore = {
      load: () => Promise.reject(new Error('no disk')),
      save: () => {
        throw new Error('no disk');
      },
    };
    const { session } = await editStage({ writers });
    const errors: unknown[] = [];
    session.on('error', (error) => errors.push(error));
    expect(await session.edit(PATH, merge(1, 2))).toMatchObject({ seq: 1 });
    expect(errors).not.toEqual([]);
  });
});
