import { setMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type Box, type Limits, MalformedFrame, type TileHeader } from '../../protocol/index.ts';
import type { Connection } from '../../src/client/connection.ts';
import { Connection as LiveConnection } from '../../src/client/connection.ts';
import type { ConnectOptions } from '../../src/client/options.ts';
import type { Pull } from '../../src/client/pull.ts';
import { openSession, Session } from '../../src/client/session.ts';
import type { Tile } from '../../src/client/tile.ts';
import {
  chunksOf,
  FakeServer,
  type FakeVolume,
  ManualClock,
  naiveCutout,
  seededRandom,
  settled,
  tileFrames,
} from '../support/fake-server.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const ALL: Box = [0, 0, 0, 1_000, 1_000, 1_000];

const SMALL: FakeVolume = {
  dtype: 'uint8',
  offset: [0, 0, 0],
  shape: [40, 30, 20],
  chunk: [16, 16, 16],
  voxel: (x, y, z) => (x * 7 + y * 3 + z) & 255,
};

const ROW = 32 * KiB;
/** Holds every volume of `ofBytes`. */
const WIDE: Box = [0, 0, 0, MiB, 1_000, 1_000];

/** A volume of chunks along y, each of so many bytes: beyond a row a multiple of its length. */
function ofBytes(bytes: number, chunks: number): FakeVolume {
  const width = Math.min(bytes, ROW);
  const depth = Math.ceil(bytes / ROW);
  return { ...SMALL, shape: [width, chunks, depth], chunk: [width, 1, depth], voxel: (x, y) => (x + y) & 255 };
}

async function stage(
  options: ConnectOptions = {},
): Promise<{ server: FakeServer; clock: ManualClock; session: Session }> {
  const server = new FakeServer();
  const clock = new ManualClock();
  server.volumes.set('a', SMALL);
  const session = await openSession('ws://fake', options, { openSocket: server.transport, clock });
  await settled();
  return { server, clock, session };
}

/** A server at the other end of a fast line, 20 ms away. */
async function distant(): ReturnType<typeof stage> {
  const { server, clock, session: near } = await stage();
  await near.close();
  server.onCredit = (grants, connection) => void clock.after(20, () => connection.grant(grants));
  server.script = (message, connection) => {
    if (message.kind !== 'PING') return false;
    clock.after(20, () => connection.send({ kind: 'PONG', id: message.id, t: null }));
    return true;
  };
  const session = await openSession('ws://fake', {}, { openSocket: server.transport, clock });
  await clock.advance(100);
  return { server, clock, session };
}

async function collect(pull: Pull): Promise<Tile[]> {
  const tiles: Tile[] = [];
  for await (const tile of pull) tiles.push(tile);
  return tiles;
}

/** Lets time pass until a promise settles: grants may wait for a millisecond. */
async function inTime<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isDone = false;
  const done = (): void => {
    isDone = true;
  };
  promise.then(done, done);
  for (let i = 0; i < 100_000 && !isDone; i++) await clock.advance(1);
  if (!isDone) throw new Error('nothing moves any more');
  return promise;
}

function expectWhole(tiles: readonly Tile[], volume: FakeVolume, box: Box): void {
  const places = tiles.map((tile) => tile.box.join());
  expect(new Set(places).size).toBe(places.length);
  expect(new Set(places)).toEqual(new Set(chunksOf(volume, box).map((chunk) => chunk.join())));
  for (const tile of tiles) expect(Buffer.compare(tile.bytes(), naiveCutout(volume, tile.box))).toBe(0);
}

describe('a pull', () => {
  it('[D3] gives each chunk that meets the box, with its box, dtype, mip and seq', async () => {
    const { session, server } = await stage();
    const box: Box = [10, 10, 10, 20, 20, 20];
    const pull = session.pull('a', {
      box,
      enc: ['raw'],
      order: 'scan',
      focus: [1, 2, 3],
      urgency: 1,
      at: 3,
      map: 'base',
    });
    expect(pull.status).toBe('waiting');
    await expect(pull.ready).resolves.toEqual({ tiles: 8, dtype: 'uint8', at: 7 });
    const tiles = await collect(pull);
    expectWhole(tiles, SMALL, box);
    expect(tiles.map((tile) => tile.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(tiles[7]).toMatchObject({
      mip: 0,
      dtype: 'uint8',
      seq: 0,
      encoding: 'raw',
      fill: false,
      box: [16, 16, 16, 32, 30, 20],
    });
    expect(pull.status).toBe('done');
    expect(server.last.all('PULL')[0]).toMatchObject({
      order: 'scan',
      focus: [1, 2, 3],
      urgency: 1,
      at: 3,
      map: 'base',
      enc: ['raw'],
    });
  });

  it('asks for what the server has cheapest among what can be decoded, and asks for it once', async () => {
    const { session, server } = await stage();
    server.volumes.set('s', { ...SMALL, dtype: 'uint32', enc: ['cseg+zstd', 'cseg', 'zstd', 'gzip'] });
    expectWhole(await collect(session.pull('s', { box: ALL })), { ...SMALL, dtype: 'uint32' }, ALL);
    await collect(session.pull('s', { box: ALL }));
    expect(server.last.all('PULL').map((message) => message.enc)).toEqual([
      ['cseg', 'gzip', 'raw'],
      ['cseg', 'gzip', 'raw'],
    ]);
    expect(server.last.all('INFO').length).toBe(1);
  });

  it('takes the whole level where there is no box', async () => {
    const { session } = await stage();
    expectWhole(await collect(session.pull('a')), SMALL, ALL);
    await expect(session.pull('a', { mip: 3 }).next()).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('of nothing ends at once', async () => {
    const { session } = await stage();
    await expect(collect(session.pull('a', { box: [900, 0, 0, 901, 1, 1], enc: ['raw'] }))).resolves.toEqual([]);
  });

  it('[D21] joins the frames of a tile', async () => {
    const { session, server } = await stage();
    server.frame = 1_000;
    expectWhole(await collect(session.pull('a', { box: ALL, enc: ['raw'] })), SMALL, ALL);
  });

  it('[D5] gives a chunk that cannot be read as a tile with an error, and goes on', async () => {
    const { session, server } = await stage();
    server.volumes.set('b', { ...SMALL, broken: (x) => x === 16 });
    const tiles = await collect(session.pull('b', { box: ALL, enc: ['raw'] }));
    expect(tiles.length).toBe(12);
    const broken = tiles.filter((tile) => tile.error !== undefined);
    expect(broken.map((tile) => tile.box[0])).toEqual([16, 16, 16, 16]);
    expect(broken[0]?.error).toMatchObject({ name: 'BflyError', code: 'INTERNAL', message: 'the chunk is damaged' });
    expect(() => broken[0]?.voxels()).toThrow('the chunk is damaged');
  });

  it('[X1] throws the error of the server in the iteration, and ready rejects with it', async () => {
    const { session } = await stage();
    const pull = session.pull('gone', { box: ALL, enc: ['raw'] });
    await expect(pull.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(pull.ready).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(pull.next()).resolves.toEqual({ done: true, value: undefined });
    expect(pull.status).toBe('failed');
  });

  it('fails where what it has to ask first fails', async () => {
    const { session } = await stage();
    await expect(session.pull('gone', { box: ALL }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('[D7] ends where a newer pull has its key', async () => {
    const { session, server } = await stage();
    server.volumes.set('big', ofBytes(10_000, 50));
    server.script = (message, connection) => {
      const [older, newer] = connection.all('PULL');
      if (message === newer && older?.replace === newer?.replace) connection.end(older?.id ?? 0, 'replaced');
      return false;
    };
    const older = session.pull('big', { box: WIDE, enc: ['raw'], replace: 'view', window: 64 * KiB });
    await older.ready;
    await collect(session.pull('a', { box: ALL, enc: ['raw'], replace: 'view' }));
    expect(older.status).toBe('replaced');
    expect(await collect(older)).toHaveLength(7);
  });

  it('[D17] is given another urgency and focus while it runs, and on the next connection', async () => {
    const { session, server, clock } = await stage();
    server.volumes.set('big', ofBytes(64 * KiB, 20));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'], window: 64 * KiB });
    await pull.ready;
    pull.prioritise(0, [5, 6, 7]);
    await settled();
    const { id } = server.last.all('PULL')[0] ?? { id: 0 };
    expect(server.last.all('PRIO')[0]).toMatchObject({ pull: id, urgency: 0, focus: [5, 6, 7] });
    server.last.drop();
    await clock.advance(30_000);
    expect(server.last.all('PULL')[0]).toMatchObject({ urgency: 0, focus: [5, 6, 7] });
    pull.cancel();
  });
});

describe('leaving a pull', () => {
  it('[D17] by break cancels it, and its id is free when the server has ended it', async () => {
    const { session, server, clock } = await stage();
    server.volumes.set('big', ofBytes(100 * KiB, 50));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'] });
    for await (const tile of pull) if (tile.index === 2) break;
    expect(pull.status).toBe('cancelled');
    await clock.advance(10);
    expect(server.last.all('CANCEL').length).toBe(1);
    expect(server.last.pulls).toBe(0);
    expect(server.last.sent).toBeLessThan(2 * MiB);
    await expect(pull.next()).resolves.toEqual({ done: true, value: undefined });
  });

  it('by cancel ends an iteration that waits', async () => {
    const { session, server } = await stage();
    server.script = (message) => message.kind === 'PULL';
    const pull = session.pull('a', { box: ALL, enc: ['raw'] });
    const waiting = pull.next();
    pull.cancel();
    await expect(waiting).resolves.toEqual({ done: true, value: undefined });
    await expect(pull.ready).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('by its signal throws the reason', async () => {
    const { session, server } = await stage();
    const control = new AbortController();
    server.volumes.set('big', ofBytes(100 * KiB, 50));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'], signal: control.signal });
    const reading = (async () => {
      for await (const tile of pull) if (tile.index === 1) control.abort();
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await settled();
    expect(server.last.all('CANCEL').length).toBe(1);
    const aborted = AbortSignal.abort();
    await expect(session.pull('a', { box: ALL, enc: ['raw'], signal: aborted }).next()).rejects.toBe(aborted.reason);
    await expect(session.pull('a', { signal: aborted }).next()).rejects.toBe(aborted.reason);
  });

  it('drops what still comes, and grants the connection for it', async () => {
    const { session, server, clock } = await stage();
    server.script = (message) => message.kind === 'CANCEL';
    server.volumes.set('big', ofBytes(60 * KiB, 50));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'] });
    for await (const _ of pull) break;
    await clock.advance(10);
    server.script = undefined;
    const { id } = server.last.all('PULL')[0] ?? { id: 0 };
    server.last.end(id, 'cancelled');
    expectWhole(await inTime(clock, collect(session.pull('a', { box: ALL, enc: ['raw'] }))), SMALL, ALL);
    expect(server.last.limits.get(0)).toBeGreaterThanOrEqual(server.last.sent);
  });

  it('before it was sent sends nothing', async () => {
    const { session, server } = await stage();
    session.pull('a', { box: ALL }).cancel();
    await settled();
    expect(server.last.all('PULL')).toEqual([]);
  });
});

describe('credit', () => {
  it('[D13] is not granted for tiles that nobody takes, and the server stops there', async () => {
    const { session, server, clock } = await stage();
    server.volumes.set('big', ofBytes(10_000, 400));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'], window: 100_000 });
    await clock.advance(1_000);
    const { id } = server.last.all('PULL')[0] ?? { id: 0 };
    expect(server.last.sentOn(id)).toBe(10 * 10_064);
    for (let i = 0; i < 3; i++) await pull.next();
    await clock.advance(1);
    expect(server.last.limits.get(id)).toBe(100_000 + 3 * 10_064);
    expect(await inTime(clock, collect(pull))).toHaveLength(397);
  });

  it('[D13] of the connection does not wait for a pull that nobody reads', async () => {
    const { session, server, clock } = await stage();
    server.volumes.set('big', ofBytes(50_000, 100));
    const unread = session.pull('big', { box: WIDE, enc: ['raw'], window: 4 * MiB });
    await unread.ready;
    expect(
      await inTime(clock, collect(session.pull('big', { box: WIDE, enc: ['raw'], window: 64 * KiB }))),
    ).toHaveLength(100);
    unread.cancel();
  });

  it('[D11] counts whole messages, absolute and cumulative', async () => {
    const { session, server, clock } = await stage({ window: 64 * KiB });
    server.volumes.set('big', ofBytes(1_000, 1_000));
    await inTime(clock, collect(session.pull('big', { box: WIDE, enc: ['raw'] })));
    const { id } = server.last.all('PULL')[0] ?? { id: 0 };
    expect(server.last.sent).toBe(1_000 * 1_064);
    const offsets = server.last.all('CREDIT').flatMap((credit) => credit.grants.filter(([to]) => to === id));
    expect(offsets.every(([, bytes], i) => bytes > (offsets[i - 1]?.[1] ?? 0))).toBe(true);
    for (const [, bytes] of offsets) expect((bytes - 64 * KiB) % 1_064).toBe(0);
    // About one grant for each half window, not one for each tile.
    expect(offsets.length).toBeLessThan(100);
  });

  it('widens with the round trip on a fast link', async () => {
    const { session, server, clock } = await distant();
    server.volumes.set('big', ofBytes(64 * KiB, 300));
    await inTime(clock, collect(session.pull('big', { box: WIDE, enc: ['raw'] })));
    const promised = Math.max(...server.last.all('CREDIT').flatMap(({ grants }) => grants.map(([, bytes]) => bytes)));
    expect(promised - server.last.sent).toBeGreaterThan(MiB);
    const next = session.pull('big', { box: WIDE, enc: ['raw'] });
    await settled();
    expect(server.last.all('PULL').map((message) => message.win ?? 0)).toEqual([0, expect.any(Number)]);
    expect(server.last.all('PULL')[1]?.win).toBeGreaterThan(MiB);
    next.cancel();
  });

  it('[H7] that has grown on a fast link lets tiles come whole, and in few pieces before', async () => {
    const { session, server, clock } = await distant();
    server.volumes.set('big', ofBytes(256 * KiB, 100));
    const tiles: number[] = [];
    const send = server.last.send.bind(server.last);
    server.last.send = (message) => {
      if (message.kind === 'TILE') tiles.push(message.payload.length);
      send(message);
    };
    await inTime(clock, collect(session.pull('big', { box: WIDE, enc: ['raw'] })));
    expect(new Set(tiles)).toEqual(new Set([64 * KiB]));
    tiles.splice(0);
    await inTime(clock, collect(session.pull('big', { box: WIDE, enc: ['raw'] })));
    expect(tiles).toEqual(Array.from({ length: 100 }, () => 256 * KiB));
    const [before, after] = server.last.all('PULL');
    expect(before?.frame).toBeUndefined();
    expect(after?.frame).toBe((after?.win ?? 0) / 4);
  });

  it.each([
    ['its own', {}, { window: 4 * MiB }, MiB],
    ['its own, small as it is', { window: MiB }, { window: 70_000 }, 64 * KiB],
    ['the session’s', { window: 2 * MiB }, {}, 512 * KiB],
  ])('[H7] is four of the frames that the pull names, where the window is %s', async (_name, options, own, frame) => {
    const { server, clock } = await stage();
    server.welcome = { frame: 40 * KiB };
    const session = await openSession('ws://fake', options, { openSocket: server.transport, clock });
    await inTime(clock, collect(session.pull('a', { box: ALL, enc: ['raw'], ...own })));
    expect(server.last.all('PULL')).toMatchObject([{ frame }]);
  });

  it('[H7] has no say in a frame that the user has named, to the pull or to the session', async () => {
    const { server, clock } = await stage();
    server.welcome = { frame: 40_000 };
    const session = await openSession('ws://fake', { frame: 40_000 }, { openSocket: server.transport, clock });
    await inTime(clock, collect(session.pull('a', { box: ALL, enc: ['raw'], window: 4 * MiB })));
    await inTime(clock, collect(session.pull('a', { box: ALL, enc: ['raw'], frame: 50_000 })));
    expect(server.last.all('PULL').map(({ frame }) => frame)).toEqual([undefined, 50_000]);
  });

  it('[D12] closes on a server that takes no notice of it', async () => {
    const { session, server } = await stage();
    server.script = (message, connection) => {
      if (message.kind === 'PULL') connection.limits.set(message.id, 1e12).set(0, 1e12);
      return false;
    };
    server.volumes.set('big', ofBytes(100 * KiB, 60));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'] });
    await expect(session.closed).resolves.toMatchObject({
      error: { message: expect.stringContaining('were granted') },
    });
    await expect(collect(pull)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
  it.each(seeds)('[D12] [D14] is obeyed and never runs dry (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const pick = (low: number, high: number): number => Math.floor(low + random() * (high - low));
    const window = random() < 0.5 ? pick(64 * KiB, 200 * KiB) : pick(64 * KiB, 4 * MiB);
    const { session, server, clock } = await stage(random() < 0.5 ? { window } : {});
    server.frame = random() < 0.5 ? pick(32 * KiB, 4 * MiB) : pick(200, 64 * KiB);
    server.onCredit = (grants, connection) => {
      const times = random() < 0.3 ? 2 : 1;
      for (let i = 0; i < times; i++) {
        if (random() < 0.4) connection.grant(grants);
        else clock.after(pick(1, 30), () => connection.grant(grants));
      }
    };
    const volumes = [
      ofBytes(pick(1, 500), pick(1, 800)),
      ofBytes(pick(1, 300 * KiB), pick(1, 30)),
      ofBytes(pick(1, 4 * MiB), 3),
    ];
    const reads = volumes.map(async (volume, i) => {
      server.volumes.set(`v${i}`, volume);
      const own = random() < 0.5 ? { window: pick(64 * KiB, MiB) } : {};
      const pull = session.pull(`v${i}`, { box: WIDE, enc: ['raw'], ...own });
      let count = 0;
      for await (const tile of pull) {
        if (tile.index !== count++) throw new Error('a tile is missing');
        if (random() < 0.05) await new Promise<void>((resolve) => void clock.after(pick(1, 20), resolve));
      }
      return count;
    });
    const counts = await inTime(clock, Promise.all(reads));
    expect(counts).toEqual(volumes.map((volume) => volume.shape[1]));
    expect(session.state).toBe('live');
  });
});

describe('a pull over a lost connection', () => {
  it('goes on in the middle, with no tile twice and none missing', async () => {
    const { session, server, clock } = await stage();
    server.last.framesLeft = 5;
    const pull = session.pull('a', { box: ALL, enc: ['raw'] });
    expectWhole(await inTime(clock, collect(pull)), SMALL, ALL);
    expect(server.connections.length).toBe(2);
    expect(server.last.all('PULL').length).toBe(1);
  });

  it('forgets half a tile', async () => {
    const { session, server, clock } = await stage();
    server.frame = 1_000;
    server.last.framesLeft = 8;
    expectWhole(await inTime(clock, collect(session.pull('a', { box: ALL, enc: ['raw'] }))), SMALL, ALL);
  });

  it('keeps the tiles that wait for their consumer', async () => {
    const { session, server, clock } = await stage();
    server.last.framesLeft = 5;
    const pull = session.pull('a', { box: ALL, enc: ['raw'] });
    await clock.advance(30_000);
    expect(server.connections.length).toBe(2);
    expectWhole(await inTime(clock, collect(pull)), SMALL, ALL);
  });

  it('is not taken up again after it was cancelled', async () => {
    const { session, server, clock } = await stage();
    server.volumes.set('big', ofBytes(10_000, 50));
    server.script = (message) => message.kind === 'CANCEL';
    const pull = session.pull('big', { box: WIDE, enc: ['raw'], window: 64 * KiB });
    await pull.ready;
    pull.cancel();
    await settled();
    expect(server.last.pulls).toBe(1);
    server.last.drop();
    await clock.advance(30_000);
    expect(server.connections.length).toBe(2);
    expect(server.last.all('PULL')).toEqual([]);
  });

  it('[D13] does not grant the room of the tiles that still wait from before', async () => {
    const { session, server, clock } = await stage();
    server.volumes.set('big', ofBytes(10_000, 400));
    const pull = session.pull('big', { box: WIDE, enc: ['raw'], window: 100_000 });
    await clock.advance(10);
    server.last.drop();
    await clock.advance(10_000);
    const { id } = server.last.all('PULL')[0] ?? { id: 0 };
    // The same ten come again and are dropped at once; the room that they free is taken by those that wait.
    expect(server.connections.length).toBe(2);
    expect(server.last.sentOn(id)).toBeLessThanOrEqual(100_000 + 10_064);
    expect(await inTime(clock, collect(pull))).toHaveLength(400);
  });

  it('fails where the channel has another dtype meanwhile', async () => {
    const { session, server, clock } = await stage();
    server.last.framesLeft = 3;
    const reading = expect(collect(session.pull('a', { box: ALL, enc: ['raw'] }))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    server.volumes.set('a', { ...SMALL });
    await settled();
    server.volumes.set('a', { ...SMALL, dtype: 'uint16' });
    await clock.advance(10_000);
    await reading;
  });

  const seeds = [11, 12, 13, 14, 15, 16, 17, 18];
  it.each(seeds)('that breaks again and again still gives every tile once (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const { session, server, clock } = await stage();
    const volume: FakeVolume = { ...SMALL, fill: true, voxel: (x, y) => (x >> 4) + (y >> 4) };
    server.volumes.set('a', volume);
    server.frame = 900;
    const openings = server.transport;
    expect(openings).toBe(server.transport);
    server.last.framesLeft = 1 + Math.floor(random() * 6);
    server.script = (message, connection) => {
      // Each connection lives a little longer than the one before.
      if (message.kind === 'HELLO') connection.framesLeft = server.connections.length * 2 + Math.floor(random() * 8);
      return false;
    };
    const slow = async (): Promise<Tile[]> => {
      const tiles: Tile[] = [];
      for await (const tile of session.pull('a', { box: ALL, enc: ['raw'] })) {
        tiles.push(tile);
        if (random() < 0.3) await new Promise<void>((resolve) => void clock.after(1 + random() * 500, resolve));
      }
      return tiles;
    };
    expectWhole(await inTime(clock, slow()), volume, ALL);
    expect(server.connections.length).toBeGreaterThan(1);
  });
});

describe('frames that contradict each other', () => {
  const header = (flags: number, item: number, rawLength: number, length: number): TileHeader => ({
    type: 0x21,
    id: 0,
    flags,
    item,
    seq: 0,
    mip: 0,
    x: 0,
    y: 0,
    z: 0,
    encoding: 0,
    rawLength,
    crc32: 0,
    sizeX: 4,
    sizeY: 4,
    length,
  });
  it.each([
    ['a tile goes on that has not begun', [header(1 | 2, 0, 16, 16)]],
    ['a tile begins before the last has ended', [header(0, 0, 32, 16), header(2, 1, 16, 16)]],
    ['the frames leave a gap', [header(0, 0, 48, 16), header(1, 0, 32, 16)]],
    ['another item goes on', [header(0, 0, 32, 16), header(1 | 2, 1, 16, 16)]],
    ['the raw length is no box', [header(2, 0, 17, 17)]],
    ['the pull ends in the middle of a tile', [header(0, 0, 32, 16), undefined]],
  ] as const)('[F4] close the session: %s', async (_what, headers) => {
    const { session, server } = await stage();
    server.script = (message, connection) => {
      if (message.kind !== 'PULL') return false;
      const { id } = message;
      connection.send({ kind: 'PULL_OK', id, tiles: 2, dtype: 'uint8', at: 0 });
      for (const frame of headers)
        connection.send(
          frame === undefined
            ? { kind: 'END', id, status: 'done', sent: 0, failed: 0, bytes: 0 }
            : { kind: 'TILE', id, header: { ...frame, id }, payload: new Uint8Array(frame.length) },
        );
      return true;
    };
    await expect(collect(session.pull('a', { box: ALL, enc: ['raw'] }))).rejects.toMatchObject({
      message: expect.stringContaining('not bfly.v1'),
    });
    expect(session.state).toBe('closed');
    expect(new MalformedFrame('').name).toBe('MalformedFrame');
  });

  it('a TILE before the answer to PULL', async () => {
    const { session, server } = await stage();
    server.script = (message, connection) => {
      if (message.kind !== 'PULL') return false;
      const frames = tileFrames(SMALL, ['raw'], { id: message.id, item: 0, mip: 0, frame: MiB }, [0, 0, 0, 16, 16, 16]);
      for (const frame of frames) connection.send(frame.message);
      return true;
    };
    await expect(collect(session.pull('a', { box: ALL, enc: ['raw'] }))).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

describe('many pulls', () => {
  const limits = { framesPerSecond: 1e9, framesBurst: 1e9 } as unknown as Limits; // the other limits have their defaults

  async function connection(): Promise<{ server: FakeServer; clock: ManualClock; live: Connection; session: Session }> {
    const server = new FakeServer();
    const clock = new ManualClock();
    server.welcome = { limits };
    server.volumes.set('a', { ...SMALL, shape: [3, 1, 1], chunk: [2, 1, 1] });
    const live = new LiveConnection('ws://fake/v1', {}, { openSocket: server.transport, clock });
    await live.open();
    await settled();
    return { server, clock, live, session: new Session(live, {}) };
  }

  it('10,000 leave nothing behind, whether they ended, were left, aborted or failed', async () => {
    const { server, clock, live, session } = await connection();
    const { signal } = new AbortController();
    setMaxListeners(0, signal);
    let listeners = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const box: Box = [0, 0, 0, 3, 1, 1];
    const one = async (i: number): Promise<void> => {
      const pull = session.pull(i % 5 === 4 ? 'gone' : 'a', { box, enc: ['raw'], signal });
      if (i % 5 === 0) await collect(pull);
      else if (i % 5 === 1) for await (const _ of pull) break;
      else if (i % 5 === 2) pull.cancel();
      else if (i % 5 === 3)
        await session
          .pull('a', { box, enc: ['raw'], signal: AbortSignal.abort() })
          .next()
          .catch(() => {});
      else await pull.next().catch(() => {});
      if (i % 5 === 3) await collect(pull);
    };
    for (let i = 0; i < 10_000; i += 100) await Promise.all(Array.from({ length: 100 }, (_, k) => one(i + k)));
    await clock.advance(100);
    expect(live.operations).toBe(0);
    expect(live.admitted).toBe(0);
    expect(live.line?.open).toBe(0);
    expect(live.line?.credit.streams).toBe(0);
    expect(listeners).toBe(0);
    expect(server.last.pulls).toBe(0);
    expect(clock.timers).toBe(1); // the watch over silence
    expect(session.state).toBe('live');
  });

  it('[L1] run no more at once than the server allows, the urgent first', async () => {
    const { server, session } = await connection();
    const waiting: number[] = [];
    let most = 0;
    server.script = (message, connection) => {
      if (message.kind !== 'PULL') return false;
      waiting.push(message.id);
      most = Math.max(most, waiting.length);
      setImmediate(() => connection.answer({ ...message, id: waiting.shift() ?? 0 }));
      return true;
    };
    const order: number[] = [];
    const pulls = Array.from({ length: 120 }, (_, i) =>
      session.pull('a', { box: [0, 0, 0, 3, 1, 1], enc: ['raw'], urgency: i % 8 }),
    );
    pulls[100]?.prioritise(0);
    await Promise.all(pulls.map((pull) => collect(pull)));
    for (const message of server.last.all('PULL')) order.push(message.urgency ?? 3);
    expect(most).toBe(32);
    expect(order.slice(32)).toEqual([...order.slice(32)].sort((a, b) => a - b));
    expect(order.length).toBe(120);
    expect(order.filter((urgency) => urgency === 0).length).toBe(16);
  });
});
