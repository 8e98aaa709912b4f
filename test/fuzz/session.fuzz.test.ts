/**
 * Sessions under clients that do anything: legal, half legal and illegal frames in any order, grants and cancels of whatever, and
 * connections that end in the middle. A ledger beside each connection knows what it may expect.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeClient } from '../../protocol/encode.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { Limits } from '../../protocol/limits.ts';
import { type Box, boxShape, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { connect } from '../../src/client/node.ts';
import type { EditLog } from '../../src/core/edits/edit-log.ts';
import type { Source } from '../../src/image/source.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { FuzzClient } from '../support/fuzz-client.ts';
import { FuzzFrames } from '../support/fuzz-frames.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';
import { type Acknowledged, SessionLedger } from '../support/session-ledger.ts';
import { patternBytes, startTestServer, type TestServer, type TestVolume } from '../support/test-server.ts';

// BFLY_FUZZ_SEED repeats a run, BFLY_FUZZ_RUNS (connections of each suite) lengthens it.
const seed = testSeed('session fuzz');

const SHAPE: Vec3 = [100, 90, 70];
const em = patternBytes(volumeOf(SHAPE));
const SEG_SHAPE: Vec3 = [70, 40, 30];
const segments = new Uint8Array(
  Uint32Array.from({ length: volumeOf(SEG_SHAPE) }, (_, n) => Math.floor(n / 137) % 50).buffer,
);

/** The channel whose voxels are edited. */
const EDITED = 'lab/fly/cube/edited';

/** Time goes faster for the server: EDITs whose voxels never come are given up after 10 s. */
const HASTE = 20;

/** Of each hundred reads this many fail, and this many take their time. */
const READS = { failing: 15, slow: 30 };

function volumes(random: () => number): TestVolume[] {
  // As a file that nobody touches; an array in memory is another one whenever it is opened.
  const steady = (source: Source): Source => ({ ...source, info: { ...source.info, fingerprint: 'steady' } });
  const unsteady = (source: Source): Source => ({
    ...steady(source),
    async read(mip, box) {
      const dice = random() * 100;
      if (dice < READS.slow) await sleep(random() * 8);
      if (dice < READS.failing / 2) throw new BflyError('INTERNAL', 'the data are broken there');
      if (dice < READS.failing) throw new TypeError('a bug in a format');
      return source.read(mip, box);
    },
  });
  const broken = (): never => {
    throw new BflyError('UNSUPPORTED', 'the header is broken');
  };
  return [
    { path: 'lab/fly/cube/em', data: em, shape: SHAPE, dtype: 'uint8', wrap: steady },
    { path: 'lab/fly/cube/ids', data: segments, shape: SEG_SHAPE, dtype: 'uint32', wrap: steady },
    { path: 'lab/fly/cube/changing', data: em, shape: SHAPE, dtype: 'uint8', chunk: [16, 16, 16] },
    { path: 'lab/fly/cube/unsteady', data: em, shape: SHAPE, dtype: 'uint8', chunk: [32, 32, 32], wrap: unsteady },
    { path: EDITED, data: segments, shape: SEG_SHAPE, dtype: 'uint32', type: 'segmentation', wrap: steady },
    { path: 'lab/fly/cube/broken', data: em, shape: SHAPE, dtype: 'uint8', wrap: broken },
  ];
}

/** What one connection went through. */
interface Life {
  readonly faults: readonly string[];
  readonly tiles: number;
  readonly whole: number;
  /** Edits that it was told of, snapshots that it was given. */
  readonly edits: number;
  readonly snapshots: number;
  readonly acknowledged: readonly Acknowledged[];
}

const NOTHING = { tiles: 0, whole: 0, edits: 0, snapshots: 0, acknowledged: [] } as const;

/** One client from its first frame to its end, by the seed and its number alone. */
async function live(url: string, number: number, hasRates: boolean, epoch: Uint8Array): Promise<Life> {
  const frames = new FuzzFrames(seed + number * 7919);
  frames.epoch = epoch;
  const client = await FuzzClient.open(url, hasRates);
  if (frames.chance(12)) return beRude(client, frames);
  const win = frames.pick([1, 65_536, 2 ** 22]);
  client.send(encodeClient({ kind: 'HELLO', id: 1, v: [1], client: 'fuzz', feat: [], win, frame: 32_768 }).slice());
  await client.until(() => client.ledger !== undefined);
  const { ledger } = client;
  if (ledger === undefined) return { faults: ['no WELCOME', ...client.faults], ...NOTHING };
  if (frames.chance(5)) client.socket.pause();
  for (let steps = 10 + frames.below(80); steps > 0 && !client.over && !ledger.closing; steps--) {
    for (const frame of frames.any(ledger)) client.send(frame);
    if (frames.chance(40)) await turn();
    if (frames.chance(3) && !client.socket.isPaused) await client.until(() => ledger.due < 3, 100);
  }
  await part(client, ledger, frames, hasRates);
  const { tiles, whole, acknowledged, subscriptions } = ledger;
  const { edits, snapshots } = subscriptions;
  return { faults: [...client.faults, ...ledger.faults], tiles, whole, acknowledged, edits, snapshots };
}

/** The end of a connection: in the middle of everything, or when all that was asked for has come. */
async function part(client: FuzzClient, ledger: SessionLedger, frames: FuzzFrames, hasRates: boolean): Promise<void> {
  if (ledger.closing) {
    client.socket.resume();
    const code = await client.closed;
    if (code !== 4003 && !hasRates) client.faults.push(`closed with ${code} after a frame that ends the connection`);
    return;
  }
  if (client.socket.isPaused || frames.chance(30)) {
    if (frames.chance(50)) client.socket.terminate();
    else {
      client.socket.resume();
      client.socket.close(1000);
    }
    await client.closed;
    return;
  }
  // In parts: grants for what is asked only now would come before the server knows of it otherwise.
  const everything = (): [number, number][] => [0, ...ledger.ids].map((id) => [id, Number.MAX_SAFE_INTEGER]);
  if (frames.chance(50)) for (const id of ledger.ids) client.send(encodeClient({ kind: 'CANCEL', id }).slice());
  client.send(encodeClient({ kind: 'CREDIT', id: 0, grants: everything() }).slice());
  if (!(await client.until(() => ledger.open === 0)))
    client.faults.push(
      `${ledger.due} answers never came; the streams ${ledger.streams} never ended; ${ledger.subscriptions.lagging} subscriptions never arrived`,
    );
  if (client.over && !hasRates) client.faults.push(`closed with ${await client.closed} for nothing`);
  client.socket.close(1000);
  await client.closed;
}

/** Anything but a proper beginning. */
async function beRude(client: FuzzClient, frames: FuzzFrames): Promise<Life> {
  const anything = new SessionLedger(0);
  const hello = encodeClient({ kind: 'HELLO', id: 1, v: [frames.below(3)], client: 'rude', feat: [] }).slice();
  const first = frames.pick<() => Uint8Array | string>([
    () => frames.legal(anything),
    () => frames.misplaced(),
    () => frames.mutated(hello),
    () => hello,
    () => new Uint8Array(20_000),
    () => 'text',
  ])();
  client.socket.send(first);
  for (let n = frames.below(5); n > 0; n--) client.socket.send(frames.legal(anything));
  const sent = await client.until(() => client.ledger !== undefined);
  if (client.ledger !== undefined || !sent) client.socket.terminate();
  const code = await client.closed;
  const isRight = [4001, 4002, 4003, 4004, 1006].includes(code);
  // A ledger that was not told of every frame has no say.
  return { faults: isRight ? [] : [`closed with ${code} after a bad beginning`], ...NOTHING };
}

/** Somebody who works as if nothing were. @returns how many answers were right. */
async function workOn(url: string, random: () => number, isOver: () => boolean): Promise<number> {
  const session = await connect(url, { reconnect: false });
  const below = (n: number): number => Math.floor(random() * n);
  let answers = 0;
  while (!isOver()) {
    const [x, y, z] = [below(110) - 10, below(100) - 10, below(80) - 10];
    const box: Box = [x, y, z, x + 1 + below(50), y + 1 + below(50), z + 1 + below(20)];
    const { data } = await session.cutout('lab/fly/cube/em', { box, mip: 0 });
    expect(Buffer.from(naive(box)).equals(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))).toBe(true);
    const ids = await session.unique('lab/fly/cube/ids', { box: [0, 0, 0, 70, 2, 1] });
    expect([...ids]).toEqual([0n, 1n]);
    expect((await session.list('lab/fly/cube')).length).toBe(6);
    answers += 3;
    // Under any rate of the suites.
    await sleep(15);
  }
  await session.close();
  return answers;
}

function naive(box: Box): Uint8Array {
  const [nx, ny, nz] = boxShape(box);
  const bytes = new Uint8Array(nx * ny * nz);
  let n = 0;
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++)
      for (let x = box[0]; x < box[3]; x++, n++) {
        const inside = x >= 0 && y >= 0 && z >= 0 && x < SHAPE[0] && y < SHAPE[1] && z < SHAPE[2];
        if (inside) bytes[n] = em[(z * SHAPE[1] + y) * SHAPE[0] + x] ?? 0;
      }
  return bytes;
}

/** What the log of a path holds, and what was promised of it. Rules [E4], [E15], [S1]. */
function faultsOfLog(log: EditLog, acknowledged: readonly Acknowledged[]): string[] {
  const faults: string[] = [];
  const names = new Map<number, string>();
  const known = new Set<string>();
  for (let seq = 1; seq <= log.head; seq++) {
    const { wid, wseq } = log.reader.record(seq);
    const name = `${Buffer.from(wid).toString('hex')} ${wseq}`;
    if (known.has(name)) faults.push(`edit ${seq} was applied twice`);
    known.add(name);
    names.set(seq, name);
  }
  for (const { wid, wseq, seq } of acknowledged)
    if (names.get(seq) !== `${Buffer.from(wid).toString('hex')} ${wseq}`)
      faults.push(`edit ${seq} is another than was told`);
  return faults;
}

/** What the unsteady source's faults are logged as. */
const BROKEN_SOURCE = /a bug in a format/;

const WITHOUT_RATES: Partial<Limits> = {
  editsPerSecond: 1e9,
  editsBurst: 1e9,
  framesPerSecond: 1e9,
  framesBurst: 1e9,
  controlPerSecond: 1e9,
};
const TIGHT: Partial<Limits> = {
  requests: 5,
  pulls: 2,
  framesPerSecond: 400 / HASTE,
  framesBurst: 20,
  controlPerSecond: 2_000,
};
/** Connections that misbehave at the same time. */
const AT_ONCE = 5;

describe('session fuzz', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.stop(0);
    server = undefined;
  });

  const { missing } = loadUws();
  if (missing !== undefined) console.warn(`NOT RUN: the session fuzz over uWebSockets.js: ${missing}`);
  const all = [
    { kind: 'ws', what: 'ample limits', limits: WITHOUT_RATES, usual: 150 },
    { kind: 'ws', what: 'tight limits', limits: TIGHT, usual: 60 },
    { kind: 'uws', what: 'ample limits', limits: WITHOUT_RATES, usual: 100 },
  ] as const;
  const suites = all.filter(({ kind }) => kind === 'ws' || missing === undefined);

  it.each(suites)(
    'over $kind, with $what: every request is answered once, nothing is left behind',
    {
      timeout: 1_000_000,
    },
    async ({ kind, limits, usual, what }) => {
      const salt = 1_000_000 * all.findIndex((suite) => suite.kind === kind && suite.what === what);
      const logged: string[] = [];
      const log = {
        ...SILENT_LOG,
        error: (fields: Readonly<Record<string, unknown>>, message: string): void =>
          void logged.push(`${message}: ${String(fields['err'] ?? fields['fault'] ?? '')}`),
      };
      server = await startTestServer({
        ...{ kind, volumes: volumes(seededRandom(seed)), limits, cacheBytes: 2 ** 20, log },
        now: () => HASTE * performance.now(),
        timings: { sweepMs: 50, stuckMs: 1e9, pongMs: 1e9, helloMs: 60_000 },
      });
      const { url, hub, core } = server;
      const { epoch } = (await hub.openLog(EDITED)).log;
      const connections = testRuns(usual);
      let next = 0;
      let over = false;
      const worker = workOn(url, seededRandom(seed + 1), () => over).catch((error: unknown) => error);
      const sum = { tiles: 0, whole: 0, edits: 0, snapshots: 0 };
      const acknowledged: Acknowledged[] = [];
      const misbehave = async (): Promise<void> => {
        while (next < connections) {
          const number = salt + next++;
          const life = await live(url, number, what === 'tight limits', epoch);
          expect({ number, faults: life.faults }).toEqual({ number, faults: [] });
          sum.tiles += life.tiles;
          sum.whole += life.whole;
          sum.edits += life.edits;
          sum.snapshots += life.snapshots;
          acknowledged.push(...life.acknowledged);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, misbehave)).finally(() => {
        over = true;
      });
      const answers = await worker;
      if (answers instanceof Error) throw answers;
      expect(answers).toBeGreaterThan(10);
      // The fuzz is worth something only where much of it goes well.
      expect(sum.tiles).toBeGreaterThan(connections);
      expect(sum.whole).toBeGreaterThan(connections / 10);
      expect(sum.edits).toBeGreaterThan(connections);
      expect(sum.snapshots).toBeGreaterThan(connections / 10);
      expect(acknowledged.length).toBeGreaterThan(connections);
      await expect
        .poll(() => hub.use(), { timeout: 10_000 })
        .toEqual({
          sessions: 0,
          requests: 0,
          streams: 0,
          bufferedBytes: 0,
          cutouts: 0,
        });
      await expect.poll(() => core.tiles.loading, { timeout: 10_000 }).toBe(0);
      expect(hub.presence.size).toBe(0);
      for (const path of new Set(acknowledged.map((edit) => edit.path)))
        expect(
          faultsOfLog(
            (await hub.openLog(path)).log,
            acknowledged.filter((edit) => edit.path === path),
          ),
        ).toEqual([]);
      expect(logged.filter((line) => !BROKEN_SOURCE.test(line))).toEqual([]);
    },
  );
});
