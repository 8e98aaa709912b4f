import { describe, expect, it } from 'vitest';
import { type ClientMessage, encodeClient, type ServerMessage } from '../../protocol/index.ts';
import type { EditEvent } from '../../src/client/edit-event.ts';
import type { Subscription, SubscriptionReset } from '../../src/client/subscription.ts';
import { editStage, inTime, PATH } from '../support/edit-stage.ts';
import type { FakeLog } from '../support/fake-log.ts';
import { type FakeConnection, seededRandom, settled } from '../support/fake-server.ts';
import { bin } from '../support/naive-log.ts';
import { testSeed } from '../support/seed.ts';

const merge = (...ids: bigint[]) => ({ op: 'merge', ids });
const cleave = (...ids: bigint[]) => ({ op: 'cleave', ids });
const put = (...keys: bigint[]) => ({
  op: 'put',
  table: 'annotation',
  rows: keys.map((key) => ({ key, kind: 'point', points: [1, 2, 3] })),
});

/** Some edits of every kind, and more than one page of a snapshot. */
function fill(log: FakeLog): void {
  log.foreign(merge(1n, 2n, 3n, 4n, 5n));
  log.foreign(cleave(3n, 4n));
  log.foreign(merge(10n, 11n), put(1n, 2n, 3n));
  log.foreign({ op: 'delete', table: 'annotation', keys: [2n] });
}

function expectState(subscription: Subscription, log: FakeLog): void {
  expect(subscription.seq).toBe(log.head);
  const naive = log.state();
  for (let id = 0n; id < 40n; id++) expect([id, subscription.state.rootOf(id)]).toEqual([id, naive.rootOf(id)]);
  const keys = [...subscription.state.rows('annotation').keys()].sort();
  expect(keys).toEqual([...naive.table('annotation').keys()].sort());
}

const count = (connection: FakeConnection, kind: ClientMessage['kind']): number => connection.all(kind).length;

/** Takes edits until there are so many. */
async function take(iterator: AsyncIterator<EditEvent>, n: number): Promise<number[]> {
  const seqs: number[] = [];
  while (seqs.length < n) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    seqs.push(value.seq);
  }
  return seqs;
}

describe('a subscription', () => {
  it('[S2] [S10] [S11] begins with a snapshot, and then has every edit', async () => {
    const { session, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    expect(subscription.loading).toBe(true);
    await subscription.ready;
    await settled();
    expect(subscription).toMatchObject({ seq: 4, head: 4, behind: 0, live: true, loading: false });
    expectState(subscription, log);
    log.foreign(cleave(1n), merge(4n, 10n));
    await settled();
    expectState(subscription, log);
  });

  it('[S2] begins behind a seq, without a snapshot', async () => {
    const { session, server, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH, { from: 2 });
    const seqs = take(subscription[Symbol.asyncIterator](), 3);
    await settled();
    log.foreign(merge(1n, 20n));
    expect(await seqs).toEqual([3, 4, 5]);
    expect(server.last.all('SUBSCRIBE')).toMatchObject([{ after: 2, epoch: log.epoch }]);
    expect([...subscription.state.rows('annotation').keys()]).toEqual([1n, 3n]);
  });

  it('begins behind the newest edit where no snapshot is wanted', async () => {
    const { session, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH, { snapshot: false });
    await subscription.ready;
    expect(subscription.seq).toBe(4);
    const seqs = take(subscription[Symbol.asyncIterator](), 1);
    log.foreign(merge(1n, 20n));
    expect(await seqs).toEqual([5]);
  });

  it('[E31] tells edits with who, when, what and whose', async () => {
    const { session, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const came: EditEvent[] = [];
    subscription.on('edits', (edits) => came.push(...edits));
    log.foreign(merge(1n, 2n));
    await session.edit(PATH, [{ op: 'cleave', ids: [2] }]);
    await settled();
    expect(came).toMatchObject([
      {
        seq: 1,
        time: 1_000,
        mine: false,
        user: { id: 'u9', name: 'Bob' },
        ops: [{ op: 'merge' }],
        results: [{ root: 1 }],
      },
      { seq: 2, mine: true, wseq: 1, user: { name: 'Ada' }, changes: { parted: expect.any(Array) } },
    ]);
  });

  it('knows its own edits on a later connection too', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const came: EditEvent[] = [];
    subscription.on('edits', (edits) => came.push(...edits));
    log.fates.push('apply', 'mute');
    await session.edit(PATH, [{ op: 'merge', ids: [1, 2] }]);
    server.script = (message) => {
      if (message.kind === 'EDIT') server.last.drop();
      return false;
    };
    log.subscribers.clear();
    const edit = session.edit(PATH, [{ op: 'merge', ids: [3, 4] }]);
    await settled();
    server.script = undefined;
    expect(await inTime(clock, edit)).toMatchObject({ seq: 2 });
    await clock.advance(100);
    expect(came.map(({ seq, mine }) => [seq, mine])).toEqual([
      [1, true],
      [2, true],
    ]);
  });

  it('says when everything is here, and how far it is', async () => {
    const { session, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    const lives: number[] = [];
    subscription.on('live', ({ seq }) => lives.push(seq));
    await subscription.until(4);
    await settled();
    const later = subscription.until(6);
    log.foreign(merge(1n, 20n));
    log.foreign(merge(1n, 21n));
    await later;
    expect(subscription.seq).toBe(6);
    expect(lives[0]).toBe(4);
  });

  it('[S4] is ended by the user, and then by nobody else', async () => {
    const { session, server, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const iterator = subscription[Symbol.asyncIterator]();
    subscription.close();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(await subscription.closed).toEqual({});
    await settled();
    expect(server.last.all('UNSUBSCRIBE')).toMatchObject([{ sub: server.last.all('SUBSCRIBE')[0]?.id }]);
    expect(log.subscribers.size).toBe(0);
    server.last.drop();
    await settled();
    expect(await subscription[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });

  it('that is closed before the server has answered is ended when it has', async () => {
    const { session, server, log } = await editStage();
    const subscription = session.subscribe(PATH);
    const subscribed = server.last.next('SUBSCRIBE');
    await subscribed;
    subscription.close();
    await expect(subscription.ready).rejects.toMatchObject({ code: 'CANCELLED' });
    await settled();
    expect(count(server.last, 'UNSUBSCRIBE')).toBe(1);
    expect(log.subscribers.size).toBe(0);
  });

  it('ends with the signal, and with the session', async () => {
    const { session } = await editStage();
    const abort = new AbortController();
    const first = session.subscribe(PATH, { signal: abort.signal });
    const second = session.subscribe(PATH);
    const third = session.subscribe(PATH, { signal: AbortSignal.abort('early') });
    expect(await third.closed).toEqual({ error: 'early' });
    await Promise.all([first.ready, second.ready]);
    const waiting = second.until(9);
    abort.abort('why');
    expect(await first.closed).toEqual({ error: 'why' });
    await session.close();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await second.closed).toMatchObject({ error: { code: 'CANCELLED' } });
    expect(await session.subscribe(PATH).closed).toMatchObject({ error: { code: 'CANCELLED' } });
  });

  it.each([
    [202, 'FORBIDDEN'],
    [203, 'NOT_FOUND'],
    [303, 'UNRECOVERABLE'],
  ])('[S4] that the server ends for good (%i) throws in its iterators', async (code, name) => {
    const { session, server, clock } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const next = subscription[Symbol.asyncIterator]().next();
    const id = server.last.all('SUBSCRIBE')[0]?.id ?? 0;
    server.last.send({ kind: 'UNSUBSCRIBED', id, code, reason: 'it is gone' });
    await expect(next).rejects.toMatchObject({ code: name, message: 'it is gone' });
    expect(await subscription.closed).toMatchObject({ error: { code: name } });
    await clock.advance(20_000);
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
  });

  it('[X3] that the server ends for now is asked for again, from where it was', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const [first] = server.last.subscriptions.values();
    first?.close();
    const resets: SubscriptionReset[] = [];
    subscription.on('reset', (reset) => resets.push(reset));
    const reason = 'the data of the path have changed: subscribe again';
    server.last.send({ kind: 'UNSUBSCRIBED', id: first?.id ?? 0, code: 101, reason });
    log.foreign(merge(1n, 20n));
    await clock.advance(1_000);
    expectState(subscription, log);
    expect(resets).toEqual([{ epoch: log.epoch, head: 5, newEpoch: false }]);
    expect(server.last.all('SUBSCRIBE').at(-1)).toMatchObject({ after: 4, epoch: log.epoch });
  });

  it('rejects where there is no such path', async () => {
    const { session, server } = await editStage();
    server.script = (message, connection) => {
      if (message.kind !== 'SUBSCRIBE') return false;
      connection.send({ kind: 'ERROR', id: message.id, code: 203, error: 'NOT_FOUND', message: 'no', retryMs: null });
      return true;
    };
    const subscription = session.subscribe(PATH);
    await expect(subscription.ready).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await subscription.closed).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});

describe('iterators', () => {
  it('each see all edits from when they began', async () => {
    const { session, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const first = subscription[Symbol.asyncIterator]();
    log.foreign(merge(1n, 2n));
    await settled();
    const second = subscription[Symbol.asyncIterator]();
    log.foreign(merge(3n, 4n));
    log.foreign(merge(5n, 6n));
    expect(await take(first, 3)).toEqual([1, 2, 3]);
    expect(await take(second, 2)).toEqual([2, 3]);
    await second.return?.();
    expect(await second.next()).toEqual({ done: true, value: undefined });
    log.foreign(merge(7n, 8n));
    expect(await take(first, 1)).toEqual([4]);
  });

  it('[S5] [D13] that are slow stop the server, not the memory; the slowest decides', async () => {
    const { session, clock, log } = await editStage();
    const subscription = session.subscribe(PATH, { window: 65_536 });
    await subscription.ready;
    const fast = subscription[Symbol.asyncIterator]();
    const slow = subscription[Symbol.asyncIterator]();
    const text = 'x'.repeat(8_000);
    for (let i = 0; i < 60; i++)
      log.foreign({ op: 'put', table: 'annotation', rows: [{ key: 1n, text: `${i}${text}` }] });
    await clock.advance(100);
    const [fake] = log.subscribers;
    const stopped = fake?.position ?? 0;
    expect(stopped).toBeGreaterThan(0);
    expect(stopped).toBeLessThan(12);
    expect(subscription.live).toBe(true); // it was, and nothing else was said
    void take(fast, 60);
    await clock.advance(100);
    expect(fake?.position).toBe(stopped);
    const seqs = take(slow, 60);
    await inTime(clock, seqs);
    expect(await seqs).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(fake?.position).toBe(60);
  });

  it('that leave free what they had not taken', async () => {
    const { session, clock, log } = await editStage();
    const subscription = session.subscribe(PATH, { window: 65_536 });
    await subscription.ready;
    const idle = subscription[Symbol.asyncIterator]();
    const text = 'x'.repeat(8_000);
    for (let i = 0; i < 40; i++)
      log.foreign({ op: 'put', table: 'annotation', rows: [{ key: 1n, text: `${i}${text}` }] });
    await clock.advance(100);
    expect(subscription.seq).toBeLessThan(40);
    await idle.return?.();
    await inTime(clock, subscription.until(40));
    expectState(subscription, log);
  });

  it('[S5] without one edits flow freely', async () => {
    const { session, clock, log } = await editStage();
    const subscription = session.subscribe(PATH, { window: 65_536 });
    await subscription.ready;
    const text = 'x'.repeat(8_000);
    for (let i = 0; i < 40; i++)
      log.foreign({ op: 'put', table: 'annotation', rows: [{ key: 1n, text: `${i}${text}` }] });
    await inTime(clock, subscription.until(40));
  });
});

describe('a lost connection', () => {
  it('[H11] is made good in HELLO: nothing is missing, nothing comes twice', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const seqs = take(subscription[Symbol.asyncIterator](), 4);
    log.foreign(merge(1n, 20n));
    await settled();
    server.last.drop();
    expect(subscription.live).toBe(false);
    log.foreign(merge(1n, 21n));
    log.foreign(cleave(20n));
    await clock.advance(1_000);
    log.foreign(merge(3n, 4n));
    expect(await seqs).toEqual([5, 6, 7, 8]);
    expectState(subscription, log);
    expect(subscription.live).toBe(true);
    const [hello] = server.last.all('HELLO');
    expect(hello?.resume).toMatchObject([{ path: PATH, epoch: log.epoch, after: 5, chk: expect.any(Uint8Array) }]);
    expect(count(server.last, 'SUBSCRIBE')).toBe(0);
  });

  it('in the middle of a snapshot goes on with it', async () => {
    const { session, server, clock, log } = await editStage();
    log.page = 1;
    fill(log);
    let snaps = 0;
    const subscription = session.subscribe(PATH);
    const first = server.last;
    first.framesLeft = Number.POSITIVE_INFINITY;
    const send = first.send.bind(first);
    first.send = (message) => {
      if (message.kind === 'SNAP' && ++snaps === 3) queueMicrotask(() => first.drop());
      else send(message);
    };
    await settled();
    log.foreign(merge(1n, 20n));
    await clock.advance(1_000);
    await subscription.ready;
    await settled();
    expectState(subscription, log);
    expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ after: null, snap: [4, 'links', 2] }]);
  });

  it('in the middle of a snapshot that is no more begins it anew', async () => {
    const { session, server, clock, log } = await editStage();
    log.page = 1;
    fill(log);
    let snaps = 0;
    const subscription = session.subscribe(PATH);
    const first = server.last;
    const send = first.send.bind(first);
    first.send = (message) => {
      if (message.kind === 'SNAP' && ++snaps === 3) queueMicrotask(() => first.drop());
      else send(message);
    };
    await settled();
    log.foreign(cleave(1n));
    log.snapshots.clear();
    await clock.advance(1_000);
    await settled();
    expectState(subscription, log);
  });

  it('is made good by SUBSCRIBE where WELCOME says nothing', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    server.welcome = { resume: [] };
    server.last.drop();
    log.foreign(merge(1n, 2n));
    await clock.advance(1_000);
    expectState(subscription, log);
    expect(server.last.all('SUBSCRIBE')).toMatchObject([{ after: 0 }]);
  });

  it('[H2] with more subscriptions than HELLO holds asks for the rest one by one', async () => {
    const { session, server, clock } = await editStage();
    server.welcome = { limits: { ...session.limits, hello: 1_500 } };
    server.last.drop();
    await clock.advance(1_000);
    const subscriptions = Array.from({ length: 60 }, () => session.subscribe(PATH));
    await Promise.all(subscriptions.map(({ ready }) => ready));
    server.last.drop();
    await clock.advance(3_000);
    const inHello = server.last.all('HELLO')[0]?.resume?.length ?? 0;
    expect(inHello).toBeGreaterThan(1);
    const [hello] = server.last.all('HELLO');
    expect(hello === undefined ? 0 : encodeClient(hello).length).toBeLessThanOrEqual(1_500);
    expect(inHello + count(server.last, 'SUBSCRIBE')).toBe(60);
    expect(subscriptions.every(({ live }) => live)).toBe(true);
  });

  it('keeps what iterators have not taken, and counts it against the new credit', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH, { window: 65_536 });
    await subscription.ready;
    const iterator = subscription[Symbol.asyncIterator]();
    const text = 'x'.repeat(8_000);
    const write = (i: number) => ({ op: 'put', table: 'annotation', rows: [{ key: 1n, text: `${i}${text}` }] });
    for (let i = 0; i < 30; i++) log.foreign(write(i));
    await clock.advance(100);
    const before = subscription.seq;
    server.last.drop();
    await clock.advance(1_000);
    const [fake] = log.subscribers;
    expect(fake?.sent).toBeLessThanOrEqual(65_536 + 4 * 8_100); // the first window is the server's to give
    expect(before).toBeGreaterThan(0);
    // What they take of the old makes no room for more than was sent already.
    const stopped = fake?.position;
    expect(await take(iterator, 7)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await clock.advance(100);
    expect(fake?.position).toBe(stopped);
    expect(await inTime(clock, take(iterator, 23))).toEqual(Array.from({ length: 23 }, (_, i) => i + 8));
  });
});

describe('a log that begins anew', () => {
  it('[S3] drops the state, says so, and gives the new one', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const resets: SubscriptionReset[] = [];
    subscription.on('reset', (reset) => resets.push(reset));
    const waiting = subscription.until(99);
    waiting.catch(() => {});
    server.last.drop();
    log.restore(7, 1);
    await clock.advance(1_000);
    expect(resets).toEqual([{ epoch: log.epoch, head: 1, newEpoch: true }]);
    await expect(waiting).rejects.toMatchObject({ code: 'EPOCH_MISMATCH' });
    expectState(subscription, log);
    log.foreign(merge(1n, 30n));
    await settled();
    expectState(subscription, log);
  });

  it('[S3] may say so on the living connection', async () => {
    const { session, server, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const [fake] = server.last.subscriptions.values();
    log.restore(7, 2);
    const id = fake?.id ?? 0;
    server.last.send({ kind: 'RESET', id, code: 302, epoch: log.epoch, head: log.head });
    await settled();
    expect(subscription.loading).toBe(true);
    const { sections, seq } = log.snapshot();
    for (const [section, rows] of sections)
      server.last.send({
        kind: 'SNAP',
        id,
        seq,
        section,
        row: 0,
        more: false,
        rows: section === 'links' ? bin((rows as bigint[][]).flat()) : rows,
      });
    await settled();
    expectState(subscription, log);
  });

  it('[S2] is noticed by its chain of digests where the epoch is the same', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    log.foreign(merge(1n, 2n));
    await settled();
    const resets: SubscriptionReset[] = [];
    subscription.on('reset', (reset) => resets.push(reset));
    server.last.drop();
    log.edits = [];
    log.foreign(merge(3n, 4n), merge(5n, 6n));
    const edit = log.edits[0];
    if (edit !== undefined) log.edits[0] = { ...edit, record: { ...edit.record, chk: new Uint8Array(8) } };
    await clock.advance(1_000);
    expect(resets).toMatchObject([{ newEpoch: false }]);
    expectState(subscription, log);
  });
});

/** Stands between the fake server and the client. */
function tamper(connection: FakeConnection, change: (message: ServerMessage) => ServerMessage[]): void {
  const send = connection.send.bind(connection);
  connection.send = (message) => {
    for (const other of change(message)) send(other);
  };
}

describe('gaps', () => {
  it('[S8] make the client subscribe again from its position', async () => {
    const { session, server, clock, log } = await editStage();
    log.batch = 1;
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const seqs = take(subscription[Symbol.asyncIterator](), 3);
    let isLost = false;
    tamper(server.last, (message) => {
      if (message.kind !== 'EDITS' || message.upto !== 2 || isLost) return [message];
      isLost = true;
      return [];
    });
    log.foreign(merge(1n, 2n));
    log.foreign(merge(3n, 4n));
    log.foreign(merge(5n, 6n));
    await clock.advance(0);
    expect(await seqs).toEqual([1, 2, 3]);
    expectState(subscription, log);
    expect(server.last.all('SUBSCRIBE').map(({ after }) => after)).toEqual([null, 1]);
    expect(count(server.last, 'UNSUBSCRIBE')).toBe(1);
  });

  it('that do not end become a snapshot, and do not spin', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    let isBroken = true;
    tamper(server.last, (message) => {
      if (message.kind === 'EDITS' && isBroken) return [{ ...message, from: message.from + 1, upto: message.upto + 1 }];
      return message.kind === 'SNAP' && isBroken ? [{ ...message, row: message.row + 1 }] : [message];
    });
    log.foreign(merge(1n, 2n));
    await clock.advance(60_000);
    const asked = server.last.all('SUBSCRIBE');
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.length).toBeLessThan(20);
    expect(asked.at(-1)).toMatchObject({ after: null });
    isBroken = false;
    log.foreign(merge(3n, 4n));
    await clock.advance(60_000);
    expectState(subscription, log);
  });

  it('[S8] an edit that comes twice is applied once', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    const came: number[] = [];
    subscription.on('edits', (edits) => came.push(...edits.map(({ seq }) => seq)));
    let isDoubled = true;
    tamper(server.last, (message) => {
      if (message.kind !== 'EDITS' || !isDoubled) return [message];
      isDoubled = false;
      return [message, message];
    });
    log.foreign(merge(1n, 2n));
    log.foreign(merge(3n, 4n));
    await clock.advance(1_000);
    expect(came).toEqual([1, 2]);
    expectState(subscription, log);
  });

  it('[S9] an empty EDITS at the position is no gap, and one elsewhere is', async () => {
    const { session, server, clock, log } = await editStage();
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    log.foreign(merge(1n, 2n));
    await settled();
    const [fake] = server.last.subscriptions.values();
    const id = fake?.id ?? 0;
    server.last.send({ kind: 'EDITS', id, from: 1, upto: 1, flags: 0, edits: [] });
    await clock.advance(1_000);
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
    server.last.send({ kind: 'EDITS', id, from: 3, upto: 3, flags: 0, edits: [] });
    await clock.advance(1_000);
    expect(count(server.last, 'SUBSCRIBE')).toBe(2);
    expectState(subscription, log);
  });
});

describe('an edit in pieces', () => {
  /** EDITS of one cleave whose `parted` is cut in three. */
  function pieces(log: FakeLog, id: number, from: number): ServerMessage[] {
    const edit = log.edits[from];
    if (edit === undefined) throw new Error('there is no such edit');
    const changes = edit.record['changes'] as { readonly parted: readonly (readonly [bigint, Uint8Array])[] };
    const cut = changes.parted.flatMap(([root, members]) => [
      [root, members.subarray(0, 8)],
      [root, members.subarray(8)],
    ]);
    const piece = (edits: Record<string, unknown>[], flags: number): ServerMessage => ({
      kind: 'EDITS',
      id,
      from,
      upto: from + 1,
      flags,
      edits,
    });
    return [
      piece([{ ...edit.record, changes: { ...changes, parted: cut.slice(0, 1) } }], 1),
      piece([{ seq: edit.seq, changes: { parted: cut.slice(1, 2) } }], 1),
      piece([{ seq: edit.seq, changes: { parted: cut.slice(2) } }], 0),
    ];
  }

  it('[S7] is applied when it is whole, and moves the position then', async () => {
    const { session, server, log } = await editStage();
    log.foreign(merge(1n, 2n, 3n, 4n, 5n, 6n));
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const [fake] = server.last.subscriptions.values();
    fake?.close();
    log.foreign(cleave(4n, 5n, 6n));
    const [first, second, third] = pieces(log, fake?.id ?? 0, 1);
    const came: EditEvent[] = [];
    subscription.on('edits', (edits) => came.push(...edits));
    for (const piece of [first, second]) if (piece !== undefined) server.last.send(piece);
    await settled();
    expect(subscription.seq).toBe(1);
    expect(subscription.state.rootOf(5n)).toBe(1n);
    if (third !== undefined) server.last.send(third);
    await settled();
    expectState(subscription, log);
    expect(came).toMatchObject([{ seq: 2, user: { name: 'Bob' } }]);
  });

  it('[S7] that is cut by a lost connection comes again as a whole', async () => {
    const { session, server, clock, log } = await editStage();
    log.foreign(merge(1n, 2n, 3n, 4n, 5n, 6n));
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const [fake] = server.last.subscriptions.values();
    fake?.close();
    log.foreign(cleave(4n, 5n, 6n));
    const [first] = pieces(log, fake?.id ?? 0, 1);
    if (first !== undefined) server.last.send(first);
    await settled();
    server.last.drop();
    await clock.advance(1_000);
    expectState(subscription, log);
    expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ after: 1 }]);
  });
});

describe('a filter', () => {
  it('[S12] [S13] can be changed: regions and rows come anew, the links stay', async () => {
    const { session, server, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH, { filter: { box: [0, 0, 0, 9, 9, 9], ids: [2n ** 60n] } });
    await subscription.ready;
    await settled();
    expect(server.last.all('SUBSCRIBE')[0]?.filter).toEqual({ box: [0, 0, 0, 9, 9, 9], ids: [2n ** 60n] });
    await subscription.focus({ kinds: ['put'] });
    await settled();
    expect(server.last.all('FOCUS')).toMatchObject([{ filter: { kinds: ['put'] } }]);
    expectState(subscription, log);
    log.foreign(merge(1n, 20n));
    await settled();
    expectState(subscription, log);
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
  });

  /** Rows of FOCUS that are older than the links by some edits, which would do harm if their links were applied twice. */
  async function olderRows(age: number) {
    const stage = await editStage();
    const { session, server, log } = stage;
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    log.snapshot();
    const [fake] = server.last.subscriptions.values();
    const edits = [[merge(23n, 25n)], [cleave(25n), put(30n)], [merge(25n, 29n)], [put(31n)]];
    for (const ops of edits.slice(0, age)) log.foreign(...ops);
    await settled();
    server.script = (message, connection) => {
      if (message.kind !== 'FOCUS') return false;
      connection.send({ kind: 'FOCUS_OK', id: message.id });
      fake?.focus(message.filter, 4);
      return true;
    };
    return { ...stage, subscription };
  }

  it.each([0, 4])('[S13] may come with rows that are older than the links by %i edits', async (age) => {
    const { server, log, subscription } = await olderRows(age);
    const came: number[] = [];
    subscription.on('edits', (edits) => came.push(...edits.map(({ seq }) => seq)));
    await subscription.focus({});
    await settled();
    log.foreign(merge(21n, 30n), put(40n));
    await settled();
    expectState(subscription, log);
    expect(came).toEqual([5 + age]);
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
  });

  it('[S13] whose rows have not caught up when the connection is lost comes anew', async () => {
    const { server, clock, log, subscription } = await olderRows(4);
    tamper(server.last, (message) => (message.kind === 'EDITS' ? [] : [message]));
    const focused = subscription.focus({});
    await settled();
    server.script = undefined;
    server.last.drop();
    expect(subscription.loading).toBe(true);
    await clock.advance(3_000);
    await focused;
    expectState(subscription, log);
    expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ after: 8 }]);
    expect(count(server.last, 'FOCUS')).toBe(1);
  });

  /** Sections that came with a first row, in order. */
  function sectionsOf(connection: FakeConnection): string[] {
    const sections: string[] = [];
    tamper(connection, (message) => {
      if (message.kind === 'SNAP' && message.row === 0) sections.push(message.section);
      return [message];
    });
    return sections;
  }
  const keys = (subscription: Subscription): bigint[] => [...subscription.state.rows('annotation').keys()];

  it('[S13] that was changed while the connection was lost: the edits go on, and the rows come anew', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const came: number[] = [];
    subscription.on('edits', (edits) => came.push(...edits.map(({ seq }) => seq)));
    server.last.drop();
    const focused = subscription.focus({ ids: [3] });
    log.foreign(merge(1n, 20n));
    await clock.advance(1_000);
    await focused;
    expect(keys(subscription)).toEqual([3n]);
    expect(came).toEqual([5]);
    expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ after: 4, filter: { ids: [3] } }]);
    expect(count(server.last, 'FOCUS')).toBe(1);
    expect(count(server.last, 'SUBSCRIBE')).toBe(0);
  });

  it('[S13] that was changed while much was missed is told when that is here, so that the links stay', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH, { window: 65_536 });
    await subscription.ready;
    await settled();
    const seqs = take(subscription[Symbol.asyncIterator](), 40);
    let resets = 0;
    subscription.on('reset', () => resets++);
    server.last.drop();
    const focused = subscription.focus({ ids: [3] });
    const text = 'x'.repeat(16_000);
    for (let i = 0; i < 40; i++)
      log.foreign({ op: 'put', table: 'annotation', rows: [{ key: 3n, text: `${i}${text}` }] });
    await inTime(clock, focused);
    expect(await seqs).toEqual(Array.from({ length: 40 }, (_, i) => i + 5));
    expect(keys(subscription)).toEqual([3n]);
    expect([resets, count(server.last, 'FOCUS')]).toEqual([0, 1]);
  });

  it('[S13] that is changed between HELLO and WELCOME is told when the server can hear of it', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    server.last.drop();
    let focused: Promise<void> | undefined;
    server.script = (message) => {
      if (message.kind === 'HELLO') focused = subscription.focus({ ids: [3] });
      return false;
    };
    await clock.advance(1_000);
    await focused;
    expect(keys(subscription)).toEqual([3n]);
  });

  it('[S13] that is changed during the first snapshot does not begin it anew', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    log.page = 1;
    const sections = sectionsOf(server.last);
    const send = server.last.send.bind(server.last);
    let subscription: Subscription | undefined;
    let focused: Promise<void> | undefined;
    server.last.send = (message) => {
      send(message);
      if (message.kind === 'SNAP' && message.row === 1) focused ??= subscription?.focus({ ids: [3] });
    };
    subscription = session.subscribe(PATH);
    await clock.advance(100);
    await focused;
    expect(keys(subscription)).toEqual([3n]);
    expect(sections.filter((section) => section === 'links')).toHaveLength(1);
    expect(sections.filter((section) => section === 'end')).toHaveLength(2);
    expect([count(server.last, 'FOCUS'), count(server.last, 'SUBSCRIBE')]).toEqual([1, 1]);
    log.foreign(merge(1n, 20n), put(3n, 5n));
    await settled();
    expect(subscription.state.rootOf(20n)).toBe(1n);
    expect(keys(subscription)).toEqual([3n]);
  });

  it('[S13] that is changed before the server has answered is told after the snapshot', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await server.last.next('SUBSCRIBE');
    const focused = subscription.focus({ ids: [3] });
    await clock.advance(100);
    await focused;
    expect(keys(subscription)).toEqual([3n]);
    expect([count(server.last, 'FOCUS'), count(server.last, 'SUBSCRIBE')]).toEqual([1, 1]);
  });

  it('[S13] that is changed twice at once is the last one', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    log.page = 1;
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const focused = [subscription.focus({}), subscription.focus({ ids: [1] }), subscription.focus({ ids: [3] })];
    await clock.advance(5_000);
    await Promise.all(focused);
    expect(keys(subscription)).toEqual([3n]);
    expect([count(server.last, 'FOCUS'), count(server.last, 'SUBSCRIBE')]).toEqual([3, 1]);
  });

  it('[S13] whose rows come while an older one’s are on their way begins them anew', async () => {
    const { session, server, clock, log } = await editStage();
    log.foreign(...Array.from({ length: 40 }, (_, i) => ({ ...put(BigInt(i)), big: 'x' })));
    log.page = 1;
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    let taken = 0;
    const [fake] = server.last.subscriptions.values();
    tamper(server.last, (message) => {
      // Credit stops the first in the middle.
      if (message.kind === 'SNAP' && ++taken === 10 && fake !== undefined) fake.limit = 0;
      return [message];
    });
    const first = subscription.focus({});
    await settled();
    expect(subscription.loading).toBe(true);
    const second = subscription.focus({ ids: [3, 5] });
    await settled();
    if (fake !== undefined) fake.grant(1e9);
    await clock.advance(5_000);
    await Promise.all([first, second]);
    expect(keys(subscription)).toEqual([3n, 5n]);
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
  });

  it('[S13] may come with the links too, where edits were still to come: that is a reset', async () => {
    const { session, server, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    const sections = sectionsOf(server.last);
    const resets: SubscriptionReset[] = [];
    subscription.on('reset', (reset) => resets.push(reset));
    const [fake] = log.subscribers;
    if (fake !== undefined) log.subscribers.delete(fake);
    log.foreign(merge(1n, 20n));
    log.foreign(cleave(5n), put(9n));
    if (fake !== undefined) log.subscribers.add(fake);
    await subscription.focus({});
    await settled();
    expect(sections[0]).toBe('links');
    expectState(subscription, log);
    expect(resets).toMatchObject([{ newEpoch: false }]);
    log.foreign(cleave(20n));
    await settled();
    expectState(subscription, log);
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
  });

  it('[S12] lets rows go that do not meet it any more', async () => {
    const { session, server, log } = await editStage();
    fill(log);
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await settled();
    expect(keys(subscription)).toEqual([1n, 3n]);
    const id = server.last.all('SUBSCRIBE')[0]?.id ?? 0;
    const change = { seq: 5, time: 1, user: { id: 'u9', name: 'Bob' }, w: new Uint8Array(4), ops: [], results: [] };
    const edits = [{ ...change, changes: { gone: { annotation: [1, 77] } } }];
    server.last.send({ kind: 'EDITS', id, from: 4, upto: 5, flags: 0, edits });
    await settled();
    expect(keys(subscription)).toEqual([3n]);
  });

  it.each(['rows', 'links'])(
    '[S11] that is changed where a snapshot is cut off in its %s keeps the links',
    async (where) => {
      const { session, server, clock, log } = await editStage();
      fill(log);
      log.page = 1;
      const first = server.last;
      let pages = 0;
      const send = first.send.bind(first);
      first.send = (message) => {
        if (message.kind === 'SNAP' && message.section.startsWith(where) && ++pages === 2)
          queueMicrotask(() => first.drop());
        else send(message);
      };
      const subscription = session.subscribe(PATH);
      await settled();
      const focused = subscription.focus({ ids: [3] });
      await clock.advance(3_000);
      await focused;
      expect(keys(subscription)).toEqual([3n]);
      for (let id = 0n; id < 40n; id++) expect(subscription.state.rootOf(id)).toBe(log.state().rootOf(id));
      const links = where === 'links' ? 1 : 4;
      expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ after: null, snap: [4, 'links', links] }]);
      expect(count(server.last, 'FOCUS')).toBe(0);
    },
  );
});

describe('metadata', () => {
  it('[S11] comes with the snapshot, also with one that was cut off behind it', async () => {
    const { session, server, clock, log } = await editStage();
    fill(log);
    log.meta.set('name', 'Ada').set('n', 7);
    const subscription = session.subscribe(PATH);
    const first = server.last;
    const send = first.send.bind(first);
    first.send = (message) => {
      if (message.kind === 'SNAP' && message.section === 'end') queueMicrotask(() => first.drop());
      else send(message);
    };
    await settled();
    expect(subscription.loading).toBe(true);
    await clock.advance(3_000);
    await subscription.ready;
    expectState(subscription, log);
    expect(Object.fromEntries(subscription.state.meta)).toEqual({ name: 'Ada', n: 7 });
    expect(server.last.all('HELLO')[0]?.resume).toMatchObject([{ snap: [4, 'meta', 2] }]);
  });

  it('[S13] may come with the rows of FOCUS', async () => {
    const { session, server, log } = await editStage();
    fill(log);
    log.meta.set('name', 'Ada');
    const subscription = session.subscribe(PATH);
    await subscription.ready;
    await subscription.focus({ ids: [3] });
    expect(subscription.state.meta.get('name')).toBe('Ada');
    expect(count(server.last, 'SUBSCRIBE')).toBe(1);
  });
});

describe('whatever happens', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'the state is that of the log, and no edit is missed or doubled (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const { session, server, clock, log } = await editStage();
      const pick = (n: number): bigint => BigInt(Math.floor(random() * n));
      const subscription = session.subscribe(PATH, { window: 65_536 });
      await subscription.ready;
      const iterator = subscription[Symbol.asyncIterator]();
      const seqs: number[] = [];
      const reading = (async () => {
        for (;;) {
          const { value, done } = await iterator.next();
          if (done === true) return;
          seqs.push(value.seq);
          if (random() < 0.2) await settled();
        }
      })();
      for (let i = 0; i < 150; i++) {
        log.batch = 1 + Math.floor(random() * 4);
        const what = random();
        if (what < 0.4) log.foreign(merge(pick(30), pick(30)));
        else if (what < 0.6) log.foreign(cleave(pick(30), pick(30)), put(pick(8)));
        else if (what < 0.7 && log.head > 0) log.foreign({ op: 'undo', seq: 1 + Number(pick(log.head)) });
        else if (what < 0.75) server.last.drop();
        else if (what < 0.8) server.last.framesLeft = Number.POSITIVE_INFINITY;
        else if (what < 0.85) {
          const { send } = server.last;
          let isOn = true;
          server.last.send = (message) => {
            if (message.kind === 'EDITS' && isOn) isOn = false;
            else send.call(server.last, message);
          };
        } else await clock.advance(random() * 2_000);
      }
      await clock.advance(120_000);
      expectState(subscription, log);
      subscription.close();
      await reading;
      expect(seqs).toEqual(Array.from({ length: log.head }, (_, i) => i + 1));
    },
  );
});

describe('filters that change all the time', () => {
  it.each([testSeed('filters'), 1, 2, 3, 4, 5, 6, 7, 8])(
    '[S13] leave the rows of the last one, and the links of all (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const { session, server, clock, log } = await editStage();
      const pick = (n: number): bigint => BigInt(Math.floor(random() * n));
      const subscription = session.subscribe(PATH, { window: 65_536 });
      const seqs: number[] = [];
      subscription.on('edits', (edits) => seqs.push(...edits.map(({ seq }) => seq)));
      let resets = 0;
      subscription.on('reset', () => resets++);
      let ids: bigint[] | undefined;
      let focused: Promise<void> | undefined;
      for (let i = 0; i < 150; i++) {
        log.batch = 1 + Math.floor(random() * 4);
        log.page = 1 + Math.floor(random() * 3);
        const what = random();
        if (what < 0.3) log.foreign(merge(pick(30), pick(30)), put(pick(12)));
        else if (what < 0.5) log.foreign(cleave(pick(30)), { op: 'delete', table: 'annotation', keys: [pick(12)] });
        else if (what < 0.75) {
          ids = random() < 0.2 ? undefined : [pick(12), pick(12), pick(12)];
          focused = subscription.focus(ids === undefined ? {} : { ids });
        } else if (what < 0.8) server.last.drop();
        else if (what < 0.85) for (const fake of log.subscribers) fake.limit = fake.sent;
        else if (what < 0.9) for (const fake of log.subscribers) fake.grant(fake.sent + 65_536);
        else await clock.advance(random() * 2_000);
        if (random() < 0.3) await settled();
      }
      // Where the test took the credit away it gives it back.
      for (let i = 0; i < 20; i++) {
        for (const fake of [...log.subscribers]) fake.grant(fake.sent + 65_536);
        await clock.advance(5_000);
      }
      await focused;
      const naive = log.state();
      for (let id = 0n; id < 40n; id++) expect([id, subscription.state.rootOf(id)]).toEqual([id, naive.rootOf(id)]);
      const wanted = [...naive.table('annotation').keys()].filter((key) => ids?.includes(key) !== false).sort();
      expect([...subscription.state.rows('annotation').keys()].sort()).toEqual(wanted);
      expect(subscription).toMatchObject({ seq: log.head, loading: false });
      expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
      if (resets === 0) expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] ?? 0) + i));
    },
  );
});

it('[D11] counts EDITS and SNAP on their subscription alone', async () => {
  const { session, server, clock, log } = await editStage({ window: 65_536 });
  const subscription = session.subscribe(PATH);
  await subscription.ready;
  const text = 'x'.repeat(8_000);
  for (let i = 0; i < 40; i++)
    log.foreign({ op: 'put', table: 'annotation', rows: [{ key: 1n, text: `${i}${text}` }] });
  await inTime(clock, subscription.until(40));
  const [fake] = server.last.subscriptions.values();
  const grants = server.last.all('CREDIT').flatMap((message) => message.grants);
  expect(grants.length).toBeGreaterThan(0);
  expect(grants.every(([id]) => id === fake?.id)).toBe(true);
  const last = grants.at(-1)?.[1] ?? 0;
  expect(last).toBeLessThanOrEqual((fake?.sent ?? 0) + 65_536);
});
