/** The SDK and the server, edit by edit, over real sockets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/client/edit-result.ts';
import type { LiveChannel } from '../../src/client/live-channel.ts';
import { connect, type Session } from '../../src/client/node.ts';
import type { ConnectOptions } from '../../src/client/options.ts';
import type { Subscription } from '../../src/client/subscription.ts';
import { lineTransports } from '../support/line-server.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const PATH = 'exp/sample/data/labels';
const SHAPE = [64, 48, 32] as const;

/** Every voxel holds the id of its 16-cube, from 1. */
function labels(): Uint8Array {
  const [nx, ny, nz] = SHAPE;
  const voxels = new Uint32Array(nx * ny * nz);
  for (let z = 0, i = 0; z < nz; z++)
    for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++, i++) voxels[i] = idAt(x, y, z);
  return new Uint8Array(voxels.buffer);
}
const idAt = (x: number, y: number, z: number): number => 1 + (x >> 4) + 4 * (y >> 4) + 12 * (z >> 4);

describe.each(lineTransports('the SDK and edits'))('edits by the SDK over %s', (kind) => {
  let server: TestServer;
  let sessions: Session[] = [];

  beforeEach(async () => {
    server = await startTestServer({
      kind,
      volumes: [
        { path: PATH, data: labels(), shape: SHAPE, dtype: 'uint32', type: 'segmentation', chunk: [16, 16, 16] },
      ],
      limits: { editsPerSecond: 100_000, editsBurst: 100_000, framesPerSecond: 100_000, framesBurst: 100_000 },
    });
  });
  afterEach(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    sessions = [];
    await server.stop();
  });

  async function open(options: ConnectOptions = {}): Promise<Session> {
    const session = await connect(server.url, { reconnect: { minMs: 10, maxMs: 50 }, ...options });
    sessions.push(session);
    return session;
  }

  /** What one connection saw, to be cut at will. */
  async function cuttable(options: ConnectOptions = {}): Promise<{ session: Session; cut: () => void }> {
    const { WebSocket } = await import('ws');
    let last: InstanceType<typeof WebSocket> | undefined;
    const transport: NonNullable<ConnectOptions['transport']> = (url, protocols) => {
      last = new WebSocket(url, [...protocols], { perMessageDeflate: false });
      return last;
    };
    return { session: await open({ ...options, transport }), cut: () => last?.terminate() };
  }

  const seqOf = async (edit: Promise<{ readonly seq: number }>): Promise<number> => (await edit).seq;

  function expectSame(a: Subscription, b: Subscription): void {
    for (let id = 0n; id < 60n; id++) expect([id, a.state.rootOf(id)]).toEqual([id, b.state.rootOf(id)]);
    expect([...a.state.rows('annotation').keys()].sort()).toEqual([...b.state.rows('annotation').keys()].sort());
    expect([...a.state.regions()].length).toBe([...b.state.regions()].length);
  }

  it('[E4] are durable, numbered and told to everybody, the author included', async () => {
    const [ada, bob] = [await open({ name: 'Ada' }), await open({ name: 'Bob' })];
    const [mine, theirs] = [ada.subscribe(PATH), bob.subscribe(PATH)];
    await Promise.all([mine.ready, theirs.ready]);
    const [own, foreign] = [mine[Symbol.asyncIterator](), theirs[Symbol.asyncIterator]()];
    const result = await ada.edit(PATH, [
      { op: 'merge', ids: [5n, 3, 7] },
      { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3], text: 'here' }] },
    ]);
    expect(result).toMatchObject({ status: 'applied', seq: 1, dup: false, results: [{ root: 3n }, { keys: [0n] }] });
    expect((await own.next()).value).toMatchObject({ seq: 1, mine: true, wseq: 1, user: { name: 'Ada' } });
    expect((await foreign.next()).value).toMatchObject({ seq: 1, mine: false, user: { name: 'Ada' } });
    expect(theirs.state.rootOf(7n)).toBe(3n);
    expect(theirs.state.row('annotation', 0n)).toMatchObject({ text: 'here' });
    await theirs.until(1);
    expect(await ada.edit(PATH, [{ op: 'merge', ids: [5, 7] }])).toMatchObject({ status: 'noop', seq: 2 });
  });

  it('[S2] [S10] begin with a snapshot for whoever comes later', async () => {
    const ada = await open();
    await ada.edit(PATH, [{ op: 'merge', ids: [1, 2, 3, 4] }]);
    await ada.edit(PATH, [{ op: 'cleave', ids: [2, 3] }]);
    await ada.edit(PATH, [{ op: 'region', id: 9, region: 1, box: [0, 0, 0, 4, 4, 4] }]);
    await ada.edit(PATH, [{ op: 'put', table: 'annotation', rows: [{ key: 5, kind: 'point', points: [1, 2, 3] }] }]);
    const whole = ada.subscribe(PATH, { from: 0 });
    const late = (await open()).subscribe(PATH);
    await late.ready;
    await Promise.all([whole.until(4), late.until(4)]);
    expect(late.state.rootOf(3n)).toBe(2n);
    expect(late.state.rootOf(4n)).toBe(1n);
    expectSame(whole, late);
    expect(late.state.region(9n, 1)).toMatchObject({ box: [0, 0, 0, 4, 4, 4] });
  });

  it('[E15] [S8] survive connections that are cut: each is applied once, everybody sees all of them in order', async () => {
    const random = seededRandom(testSeed(`cuts over ${kind}`));
    const writers = await Promise.all([cuttable(), cuttable(), cuttable()]);
    const watched = await open();
    const steady = watched.subscribe(PATH, { from: 0 });
    const seen: number[] = [];
    steady.on('edits', (edits) => seen.push(...edits.map(({ seq }) => seq)));
    const subscriptions = writers.map(({ session }) => session.subscribe(PATH));
    await Promise.all(subscriptions.map(({ ready }) => ready));
    const iterated = subscriptions.map(async (subscription) => {
      const seqs: number[] = [];
      for await (const { seq } of subscription) seqs.push(seq);
      return seqs;
    });
    const edits: Promise<number>[] = [];
    for (let i = 0; i < 120; i++) {
      const writer = writers[i % 3];
      if (writer === undefined) continue;
      const pick = (): number => 1 + Math.floor(random() * 24);
      const op = random() < 0.6 ? 'merge' : 'cleave';
      const mark = {
        op: 'put',
        table: 'annotation',
        rows: [{ key: 1_000 + i, kind: 'point', points: [i, 0, 0] }],
      } as const;
      edits.push(seqOf(writer.session.edit(PATH, [{ op, ids: [pick(), pick(), pick()] }, mark])));
      if (random() < 0.08) writer.cut();
      if (random() < 0.3) await Promise.race(edits.slice(-1));
    }
    const seqs = await Promise.all(edits);
    expect([...seqs].sort((a, b) => a - b)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    for (const writer of [0, 1, 2]) {
      const own = seqs.filter((_, i) => i % 3 === writer);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
    await Promise.all([steady, ...subscriptions].map((subscription) => subscription.until(120)));
    for (const subscription of subscriptions) expectSame(steady, subscription);
    expect(steady.state.rows('annotation').size).toBe(120);
    expect(seen).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
    for (const subscription of subscriptions) subscription.close();
    for (const one of await Promise.all(iterated)) expect(one).toEqual(one.map((_, i) => (one[0] ?? 0) + i));
  });

  it('[E17] [E19] with a base lose against those who were first, and are told who that was', async () => {
    const [ada, bob] = [await open({ name: 'Ada' }), await open({ name: 'Bob' })];
    await bob.edit(PATH, [{ op: 'merge', ids: [1, 2] }]);
    await bob.edit(PATH, [{ op: 'merge', ids: [8, 9] }]);
    const error = await ada.edit(PATH, [{ op: 'cleave', ids: [2] }], { base: 0 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConflictError);
    if (!(error instanceof ConflictError)) return;
    expect(error.head).toBe(2);
    expect(error.edits).toMatchObject([{ seq: 1, user: { name: 'Bob' }, ops: [{ op: 'merge' }] }]);
    expect(await ada.edit(PATH, [{ op: 'cleave', ids: [2] }], { base: error.head })).toMatchObject({ seq: 3 });
  });

  it('[E9] [E12] [E26] write voxels, in the edit and in bulk, and reads show them', async () => {
    const ada = await open();
    const watching = ada.subscribe(PATH, { snapshot: false });
    await watching.ready;
    const few = await ada.edit(PATH, [{ op: 'write', box: [1, 2, 3, 3, 3, 4], voxels: new Uint32Array([7, 9]) }]);
    expect(few.results).toEqual([{ voxels: 2 }]);
    const [nx, ny, nz] = SHAPE;
    const voxels = Uint32Array.from({ length: nx * ny * nz }, (_, i) => 1 + (i % 20));
    const many = await ada.edit(PATH, [{ op: 'write', box: [0, 0, 0, nx, ny, nz], voxels }]);
    await watching.until(many.seq);
    const { data } = await ada.cutout(PATH);
    expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(voxels.buffer))).toBe(0);
    const before = await ada.cutout(PATH, { box: [0, 2, 3, 4, 3, 4], at: few.seq });
    expect([...before.data]).toEqual([idAt(0, 2, 3), 7, 9, idAt(3, 2, 3)]);
  });

  it('[E5] split by a mask, and what was split is a body of its own', async () => {
    const ada = await open();
    const half = ada.open(PATH);
    await half.subscription.ready;
    // A row of 16 voxels of id 1: the first 4 of them.
    const { results, seq } = await half.edit([
      { op: 'split', id: 1, box: [0, 0, 0, 16, 1, 1], mask: Uint8Array.of(0, 4) },
    ]);
    expect(results).toEqual([{ id: 25n, voxels: 4 }]);
    await half.subscription.until(seq);
    const { data } = await ada.cutout(PATH, { box: [0, 0, 0, 6, 1, 1] });
    expect([...data].map(Number)).toEqual([25, 25, 25, 25, 1, 1]);
    expect(half.view.rootOf(25)).toBe(25n);
  });

  it('show at once, and others’ come between', async () => {
    const [ada, bob] = [await open(), await open()];
    const [a, b] = [ada.open(PATH), bob.open(PATH)];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    const random = seededRandom(testSeed(`two channels over ${kind}`));
    const edits: Promise<{ readonly seq: number }>[] = [];
    const pick = (): number => 1 + Math.floor(random() * 16);
    for (let i = 0; i < 100; i++) {
      const channel: LiveChannel = i % 2 === 0 ? a : b;
      const ids = [pick(), pick()];
      const op = random() < 0.6 ? 'merge' : 'cleave';
      edits.push(channel.edit([{ op, ids }]));
      const [first = 0, second = 0] = ids;
      expect(channel.view.rootOf(first)).toBe(channel.view.rootOf(second));
      if (random() < 0.2) await edits.at(-1);
    }
    const seqs = (await Promise.all(edits)).map(({ seq }) => seq);
    await Promise.all([a, b].map(({ subscription }) => subscription.until(Math.max(...seqs))));
    await Promise.resolve();
    expect([a.pending, b.pending]).toEqual([0, 0]);
    for (let id = 0n; id < 20n; id++) {
      expect(a.view.rootOf(id)).toBe(b.view.rootOf(id));
      expect(a.view.rootOf(id)).toBe(a.subscription.state.rootOf(id));
    }
  });

  it('[E21] are undone and redone', async () => {
    const ada = (await open()).open(PATH);
    await ada.subscription.ready;
    await ada.edit([{ op: 'merge', ids: [1, 2] }]);
    await ada.edit([{ op: 'merge', ids: [2, 3] }]);
    expect(await ada.undo()).toMatchObject({ seq: 3, status: 'applied' });
    await ada.subscription.until(3);
    expect(ada.view.rootOf(3)).toBe(3n);
    expect(await ada.redo()).toMatchObject({ seq: 4 });
    await ada.subscription.until(4);
    expect(ada.view.rootOf(3)).toBe(1n);
    await ada.undo();
    await ada.undo();
    expect(await ada.undo()).toBeUndefined();
    await ada.subscription.until(6);
    expect([1, 2, 3].map((id) => ada.view.rootOf(id))).toEqual([1n, 2n, 3n]);
  });

  it('[S12] [S13] come filtered, and another filter brings its rows', async () => {
    const [ada, bob] = [await open(), await open()];
    const row = (key: number, x: number) => ({ key, kind: 'point', points: [x, 1, 1] });
    await ada.edit(PATH, [{ op: 'put', table: 'annotation', rows: [row(1, 5), row(2, 40)] }]);
    const near = bob.subscribe(PATH, { filter: { box: [0, 0, 0, 16, 16, 16] } });
    await near.ready;
    expect([...near.state.rows('annotation').keys()]).toEqual([1n]);
    const { seq } = await ada.edit(PATH, [
      { op: 'put', table: 'annotation', rows: [row(3, 6), row(4, 41)] },
      { op: 'merge', ids: [1, 2] },
    ]);
    await near.until(seq);
    expect([...near.state.rows('annotation').keys()]).toEqual([1n, 3n]);
    expect(near.state.rootOf(2n)).toBe(1n);
    await near.focus({ box: [32, 0, 0, 64, 16, 16] });
    await near.until(seq);
    expect([...near.state.rows('annotation').keys()]).toEqual([2n, 4n]);
    const later = await ada.edit(PATH, [
      { op: 'put', table: 'annotation', rows: [row(5, 7), row(6, 42)] },
      { op: 'cleave', ids: [2] },
    ]);
    await near.until(later.seq);
    expect([...near.state.rows('annotation').keys()]).toEqual([2n, 4n, 6n]);
    expect(near.state.rootOf(2n)).toBe(2n);
  });

  it('[S12] let rows go that leave the filter, and bring them back', async () => {
    const [ada, bob] = [await open(), await open()];
    const at = (x: number) =>
      [{ op: 'put', table: 'annotation', rows: [{ key: 1, kind: 'point', points: [x, 1, 1] }] }] as const;
    const near = bob.subscribe(PATH, { filter: { box: [0, 0, 0, 16, 16, 16] } });
    await near.ready;
    const keysAfter = async (x: number): Promise<bigint[]> => {
      const { seq } = await ada.edit(PATH, at(x));
      await near.until(seq);
      return [...near.state.rows('annotation').keys()];
    };
    expect(await keysAfter(5)).toEqual([1n]);
    expect(await keysAfter(40)).toEqual([]);
    expect(await keysAfter(6)).toEqual([1n]);
  });

  it('[S13] come filtered anew whenever that is asked for: before the first answer, in a snapshot, over a lost line', async () => {
    const ada = await open();
    const random = seededRandom(testSeed(`filters over ${kind}`));
    const { session, cut } = await cuttable();
    for (let i = 0; i < 40; i++)
      await ada.edit(PATH, [
        { op: 'merge', ids: Array.from({ length: 500 }, (_, j) => 100 + 1_000 * i + j) },
        { op: 'put', table: 'annotation', rows: [{ key: i, kind: 'point', points: [i, 1, 1] }] },
      ]);
    const watching = session.subscribe(PATH, { filter: { box: [0, 0, 0, 1, 2, 2] }, window: 65_536 });
    let resets = 0;
    watching.on('reset', () => resets++);
    let focused: Promise<void> = Promise.resolve();
    let from = 0;
    for (let i = 0; i < 30; i++) {
      from = Math.floor(random() * 36);
      focused = watching.focus({ box: [from, 0, 0, from + 4, 2, 2] });
      if (random() < 0.2) cut();
      if (random() < 0.3) await ada.edit(PATH, [{ op: 'merge', ids: [1, 100 + i] }]);
      if (random() < 0.3) await focused;
    }
    await focused;
    const keys = [...watching.state.rows('annotation').keys()].map(Number).sort((a, b) => a - b);
    expect(keys).toEqual([from, from + 1, from + 2, from + 3]);
    const whole = ada.subscribe(PATH);
    await whole.ready;
    await watching.until(whole.seq);
    for (let i = 0; i < 40; i++)
      for (const id of [1, 100 + 1_000 * i, 101 + 1_000 * i, 599 + 1_000 * i])
        expect([id, watching.state.rootOf(BigInt(id))]).toEqual([id, whole.state.rootOf(BigInt(id))]);
    expect(resets).toBeLessThan(30);
  });

  it('[S14] are told again as history', async () => {
    const ada = await open();
    for (let i = 0; i < 300; i++)
      void ada.edit(PATH, [{ op: i % 3 === 0 ? 'cleave' : 'merge', ids: [1 + (i % 20), 2 + (i % 20)] }]);
    await ada.edit(PATH, [{ op: 'merge', ids: [1, 2] }]);
    const seqs: number[] = [];
    for await (const { seq, mine } of ada.history(PATH)) {
      seqs.push(seq);
      expect(mine).toBe(true);
    }
    expect(seqs).toEqual(Array.from({ length: 301 }, (_, i) => i + 1));
    let cleaves = 0;
    for await (const { ops } of ada.history(PATH, { kinds: ['cleave'] })) if (ops[0]?.['op'] === 'cleave') cleaves++;
    expect(cleaves).toBe(100);
  });

  it('[S5] wait with the server for an iterator that is slow', async () => {
    const [ada, bob] = [await open(), await open()];
    const slow = bob.subscribe(PATH, { window: 65_536 });
    await slow.ready;
    const iterator = slow[Symbol.asyncIterator]();
    const text = 'x'.repeat(4_000);
    const edits: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++)
      edits.push(
        ada.edit(PATH, [
          { op: 'put', table: 'annotation', rows: [{ key: i + 1, kind: 'point', points: [0, 0, 0], text }] },
        ]),
      );
    await Promise.all(edits);
    await bob.ping();
    expect(slow.seq).toBeGreaterThan(0);
    expect(slow.seq).toBeLessThan(60);
    for (let seq = 1; seq <= 200; seq++) expect((await iterator.next()).value).toMatchObject({ seq });
    expect(slow.state.rows('annotation').size).toBe(200);
  });

  it('[P1] [P3] of the cursor are told to the others alone', async () => {
    const [ada, bob] = [await open({ name: 'Ada', color: '#f00' }), await open({ name: 'Bob' })];
    const [a, b] = [ada.subscribe(PATH, { presence: true }), bob.subscribe(PATH, { presence: true })];
    await Promise.all([a.ready, b.ready]);
    const seen = new Promise<void>((resolve) => {
      b.on('peers', (peers) => {
        if ([...peers.values()].some(({ state }) => state.cursor?.[0] === 9)) resolve();
      });
    });
    for (let i = 0; i < 10; i++) a.presence.set({ cursor: [i, 2, 3], select: [2n ** 60n] });
    await seen;
    expect([...b.peers.values()]).toMatchObject([
      { name: 'Ada', color: '#f00', state: { cursor: [9, 2, 3], select: [2n ** 60n] } },
    ]);
    expect(a.peers.size).toBe(0);
    const gone = new Promise<void>((resolve) => {
      b.on('peers', ({ size }) => {
        if (size === 0) resolve();
      });
    });
    a.close();
    await gone;
  });
});
