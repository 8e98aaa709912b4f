/**
 * Sessions under clients that do anything: legal, half legal and illegal frames in any order, grants and cancels of whatever, and
 * connections that end in the middle. A ledger beside each connection knows what it may expect.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { decodeServer } from '../../protocol/decode-server.ts';
import { encodeClient } from '../../protocol/encode.ts';
import { BflyError } from '../../protocol/errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../../protocol/limits.ts';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts';
import { pack } from '../../protocol/msgpack.ts';
import { type Box, boxShape, ENCODINGS, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { loadUws } from '../../src/access/uws-transport.ts';
import { connect } from '../../src/client/node.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';
import { SessionLedger } from '../support/session-ledger.ts';
import { patternBytes, startTestServer, type TestServer, type TestVolume } from '../support/test-server.ts';

// BFLY_FUZZ_SEED repeats a run, BFLY_FUZZ_RUNS (connections of each suite) lengthens it.
const seed = testSeed('session fuzz');

const SHAPE: Vec3 = [100, 90, 70];
const WHOLE: Box = [0, 0, 0, ...SHAPE];
const em = patternBytes(volumeOf(SHAPE));
const SEG_SHAPE: Vec3 = [70, 40, 30];
const segments = new Uint8Array(
  Uint32Array.from({ length: volumeOf(SEG_SHAPE) }, (_, n) => Math.floor(n / 137) % 50).buffer,
);

/** Of each hundred reads this many fail, and this many take their time. */
const READS = { failing: 15, slow: 30 };

function volumes(random: () => number): TestVolume[] {
  const unsteady: TestVolume['wrap'] = (source) => ({
    ...source,
    async read(mip, box) {
      const dice = random() * 100;
      if (dice < READS.slow) await new Promise((resolve) => setTimeout(resolve, random() * 8));
      if (dice < READS.failing / 2) throw new BflyError('INTERNAL', 'the data are broken there');
      if (dice < READS.failing) throw new TypeError('a bug in a format');
      return source.read(mip, box);
    },
  });
  const broken: TestVolume['wrap'] = () => {
    throw new BflyError('UNSUPPORTED', 'the header is broken');
  };
  return [
    { path: 'lab/fly/cube/em', data: em, shape: SHAPE, dtype: 'uint8' },
    { path: 'lab/fly/cube/ids', data: segments, shape: SEG_SHAPE, dtype: 'uint32' },
    { path: 'lab/fly/cube/small', data: em, shape: SHAPE, dtype: 'uint8', chunk: [16, 16, 16] },
    { path: 'lab/fly/cube/unsteady', data: em, shape: SHAPE, dtype: 'uint8', chunk: [32, 32, 32], wrap: unsteady },
    { path: 'lab/fly/cube/broken', data: em, shape: SHAPE, dtype: 'uint8', wrap: broken },
  ];
}

const PATHS = [
  ...['em', 'ids', 'small', 'unsteady', 'em', 'unsteady', 'broken', 'none'].map((name) => `lab/fly/cube/${name}`),
  'lab/fly/cube',
  'lab',
];
/** Few, so that they are used again while they are in use. */
const IDS = 12;

/** Makes frames; everything depends on the seed alone. */
class Frames {
  readonly random: () => number;

  constructor(salt: number) {
    this.random = seededRandom(seed + salt * 7919);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** True so often of a hundred. */
  chance(percent: number): boolean {
    return this.random() * 100 < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T; // the callers' lists are not empty
  }

  id(): number {
    return this.chance(2) ? this.pick([0, 0xffff_ffff]) : 1 + this.below(IDS);
  }

  /** Inside, sticking out, outside, or absurdly large. */
  box(): Box {
    if (this.chance(5))
      return this.pick<Box>([
        [-(2 ** 31), 0, 0, 2 ** 31 - 1, 1, 1],
        [0, 0, 0, 2 ** 31 - 1, 2 ** 31 - 1, 9],
      ]);
    if (this.chance(15)) return WHOLE;
    const [x, y, z] = [this.below(160) - 30, this.below(140) - 30, this.below(120) - 30];
    return [x, y, z, x + 1 + this.below(90), y + 1 + this.below(90), z + 1 + this.below(70)];
  }

  #options(): object {
    const maybe = (percent: number, fields: () => object): object => (this.chance(percent) ? fields() : {});
    return {
      ...maybe(30, () => ({ urgency: this.below(8) })),
      ...maybe(30, () => ({ win: this.pick([1, 65_536, 100_000, 2 ** 32 - 1]) })),
      ...maybe(60, () => ({ frame: this.pick([1, 32_768, 40_000, 2 ** 32 - 1]) })),
      ...maybe(3, () => ({ map: this.pick(['base', 'merged']) })),
      ...maybe(3, () => ({ at: this.below(2) })),
    };
  }

  pull(): ClientMessage {
    return {
      kind: 'PULL',
      id: this.id(),
      path: this.pick(PATHS),
      mip: this.chance(80) ? 0 : this.below(5),
      box: this.box(),
      ...this.#options(),
      ...(this.chance(50) ? { enc: [this.pick(ENCODINGS), this.pick(ENCODINGS)] } : {}),
      ...(this.chance(40) ? { order: this.pick(['near', 'scan'] as const) } : {}),
      ...(this.chance(20) ? { focus: [this.below(300) - 100, this.below(300) - 100, this.below(99)] as const } : {}),
      ...(this.chance(40) ? { replace: this.pick(['a', 'b', '']) } : {}),
    };
  }

  cutout(): ClientMessage {
    const format = this.chance(85) ? this.pick(['raw', 'npy'] as const) : this.pick(['png', 'jpeg', 'tiff'] as const);
    return {
      kind: 'CUTOUT',
      id: this.id(),
      path: this.pick(PATHS),
      mip: this.chance(80) ? 0 : this.below(5),
      box: this.box(),
      format,
      ...(this.chance(10) ? { view: this.pick(['grayscale', 'colormap', 'rgb'] as const) } : {}),
      ...this.#options(),
    };
  }

  /** Grants that help, are late, lower, absurd, or for nobody. */
  credit(ledger: SessionLedger): ClientMessage {
    const grants = Array.from({ length: 1 + this.below(4) }, (): [number, number] => {
      const id = this.chance(40) ? 0 : this.id();
      const more = this.pick([0, 1, 20_000, 65_536, 300_000, 2 ** 22]);
      if (this.chance(5)) return [id, this.pick([0, Number.MAX_SAFE_INTEGER, 2 ** 40])];
      return [id, Math.max(0, ledger.bytesOf(id) + (this.chance(20) ? -more : more))];
    });
    return {
      kind: 'CREDIT',
      id: this.chance(95) ? 0 : this.id(),
      grants: this.chance(20) ? [...grants, ...grants] : grants,
    };
  }

  question(): ClientMessage {
    const [id, path] = [this.id(), this.pick(PATHS)];
    switch (this.below(5)) {
      case 0:
        return { kind: 'INFO', id, path };
      case 1:
        return {
          kind: 'LIST',
          id,
          path: this.chance(30) ? '' : path,
          ...(this.chance(30) ? { after: 'em', limit: 1 } : {}),
        };
      case 2:
        return {
          kind: 'UNIQUE',
          id,
          path,
          mip: this.below(2),
          box: this.box(),
          ...(this.chance(20) ? { after: 3n } : {}),
        };
      case 3:
        return { kind: 'PRIO', id, pull: this.id(), urgency: this.below(8), focus: this.chance(50) ? null : [1, 2, 3] };
      default:
        return { kind: 'PING', id, t: this.pick<null | string | number>([null, 'ping', 7]) };
    }
  }

  /** What this server does not support, and what only servers say. */
  misplaced(): Uint8Array {
    const [id, path] = [this.id(), this.pick(PATHS)];
    return this.pick<() => Uint8Array>([
      () => encodeClient({ kind: 'HELLO', id, v: [1], client: 'again', feat: [] }).slice(),
      () => encodeClient({ kind: 'SUBSCRIBE', id, path, epoch: null, after: null }).slice(),
      () => encodeClient({ kind: 'HISTORY', id, path, after: 0, limit: 9 }).slice(),
      () => encodeClient({ kind: 'FEATURE', id, path, feature: 'all_neurons' }).slice(),
      () => encodeClient({ kind: 'PRESENCE', id, n: 1, state: null }).slice(),
      () => encodeClient({ kind: 'PONG', id, t: null }).slice(),
      () => pack([0x60 + this.below(32), id, 'anyone may ignore this']).slice(),
      () => pack([this.pick([0x90, 0xa0, 0x81, 0xfe, 0x21, 0x22, 0x03]), id, path, 0, {}]).slice(),
      () =>
        pack([this.pick([0x10, 0x20, 0x13, 0x28, 0x25, 0x23, 0x24]), id, this.pick([null, 5, path, [], 1.5])]).slice(),
      () => pack([0x20, id, path, 0, [0, 0, 0, 0, 5, 5], {}]).slice(),
      () => pack([0x10, id, path, new Uint8Array(this.pick([10, 70_000, DEFAULT_LIMITS.message]))]).slice(),
      () => pack([0x24, id, new Uint8Array(DEFAULT_LIMITS.message)]).slice(),
    ])();
  }

  legal(ledger: SessionLedger): Uint8Array {
    const dice = this.below(100);
    const message: ClientMessage =
      dice < 30
        ? this.pull()
        : dice < 42
          ? this.cutout()
          : dice < 65
            ? this.credit(ledger)
            : dice < 78
              ? { kind: 'CANCEL', id: this.id() }
              : this.question();
    return encodeClient(message).slice();
  }

  any(ledger: SessionLedger): Uint8Array {
    if (this.chance(80)) return this.legal(ledger);
    if (this.chance(60)) return this.misplaced();
    return this.mutated(this.legal(ledger));
  }

  mutated(frame: Uint8Array): Uint8Array {
    const at = this.below(frame.length);
    switch (this.below(4)) {
      case 0:
        return frame.slice(0, at);
      case 1:
        return Uint8Array.from([...frame.subarray(0, at), this.below(256), ...frame.subarray(at)]);
      case 2:
        return Uint8Array.from([...frame, this.below(256)]);
      default: {
        const changed = frame.slice();
        for (let n = 1 + this.below(3); n > 0; n--) changed[this.below(changed.length)] = this.below(256);
        return changed;
      }
    }
  }
}

/** A connection, and the ledger that is kept beside it. */
class Client {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  ledger: SessionLedger | undefined;
  readonly faults: string[] = [];
  over = false;
  #waiting: (() => void)[] = [];

  readonly #hasRates: boolean;

  private constructor(socket: WebSocket, hasRates: boolean) {
    this.socket = socket;
    this.#hasRates = hasRates;
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => this.#receive(data));
    this.closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        this.over = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  static async open(url: string, hasRates: boolean): Promise<Client> {
    const client = new Client(new WebSocket(url, ['bfly.v1'], { perMessageDeflate: false }), hasRates);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', resolve);
      client.socket.once('error', reject);
    });
    return client;
  }

  #receive(data: Buffer): void {
    let message: ServerMessage;
    try {
      message = decodeServer(data);
    } catch (error) {
      this.faults.push(`a message that is not legal: ${error}`);
      return;
    }
    if (this.ledger !== undefined) this.ledger.received(message, data.length);
    else if (message.kind === 'WELCOME') this.ledger = new SessionLedger(message.win, this.#hasRates);
    else if (message.kind !== 'ERROR') this.faults.push(`${message.kind} came before WELCOME`);
    this.#wake();
  }

  send(frame: Uint8Array): void {
    if (this.over) return;
    this.ledger?.sent(frame);
    this.socket.send(frame);
  }

  /** Waits until something holds or the connection is over; false where that takes too long. */
  async until(holds: () => boolean, atMostMs = 10_000): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, atMostMs);
    while (!holds() && !this.over && !late) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    clearTimeout(timer);
    return !late;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** What one connection went through. */
interface Life {
  readonly faults: readonly string[];
  readonly tiles: number;
  readonly whole: number;
}

/** One client from its first frame to its end, by the seed and its number alone. */
async function live(url: string, number: number, hasRates: boolean): Promise<Life> {
  const frames = new Frames(number);
  const client = await Client.open(url, hasRates);
  if (frames.chance(12)) return beRude(client, frames);
  const win = frames.pick([1, 65_536, 2 ** 22]);
  client.send(encodeClient({ kind: 'HELLO', id: 1, v: [1], client: 'fuzz', feat: [], win, frame: 32_768 }).slice());
  await client.until(() => client.ledger !== undefined);
  const { ledger } = client;
  if (ledger === undefined) return { faults: ['no WELCOME', ...client.faults], tiles: 0, whole: 0 };
  if (frames.chance(5)) client.socket.pause();
  for (let steps = 10 + frames.below(80); steps > 0 && !client.over && !ledger.closing; steps--) {
    client.send(frames.any(ledger));
    if (frames.chance(40)) await turn();
    if (frames.chance(3) && !client.socket.isPaused) await client.until(() => ledger.due < 3, 100);
  }
  await part(client, ledger, frames, hasRates);
  return { faults: [...client.faults, ...ledger.faults], tiles: ledger.tiles, whole: ledger.whole };
}

/** The end of a connection: in the middle of everything, or when all that was asked for has come. */
async function part(client: Client, ledger: SessionLedger, frames: Frames, hasRates: boolean): Promise<void> {
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
    client.faults.push(`${ledger.due} answers never came; the streams ${ledger.streams} never ended`);
  if (client.over && !hasRates) client.faults.push(`closed with ${await client.closed} for nothing`);
  client.socket.close(1000);
  await client.closed;
}

/** Anything but a proper beginning. */
async function beRude(client: Client, frames: Frames): Promise<Life> {
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
  return { faults: isRight ? [] : [`closed with ${code} after a bad beginning`], tiles: 0, whole: 0 };
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
    expect((await session.list('lab/fly/cube')).length).toBe(5);
    answers += 3;
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

const WITHOUT_RATES: Partial<Limits> = { framesPerSecond: 1e9, framesBurst: 1e9, controlPerSecond: 1e9 };
const TIGHT: Partial<Limits> = {
  requests: 5,
  pulls: 2,
  framesPerSecond: 400,
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
      server = await startTestServer({ kind, volumes: volumes(seededRandom(seed)), limits, cacheBytes: 2 ** 20 });
      const { url, hub, core } = server;
      const connections = testRuns(usual);
      let next = 0;
      let over = false;
      const worker = workOn(url, seededRandom(seed + 1), () => over).catch((error: unknown) => error);
      const sum = { tiles: 0, whole: 0 };
      const misbehave = async (): Promise<void> => {
        while (next < connections) {
          const number = salt + next++;
          const life = await live(url, number, what === 'tight limits');
          expect({ number, faults: life.faults }).toEqual({ number, faults: [] });
          sum.tiles += life.tiles;
          sum.whole += life.whole;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, misbehave)).finally(() => {
        over = true;
      });
      expect(await worker).toBeGreaterThan(10);
      // The fuzz is worth something only where much of it goes well.
      expect(sum.tiles).toBeGreaterThan(connections);
      expect(sum.whole).toBeGreaterThan(connections / 10);
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
    },
  );
});
