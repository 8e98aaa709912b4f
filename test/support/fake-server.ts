/** A server for tests of clients: in memory, one microtask away, with scriptable answers and strict credit. */
import { gzipSync } from 'node:zlib';
import { encodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type ClientMessage,
  crc32,
  DEFAULT_LIMITS,
  type DType,
  decodeClient,
  type EncodingName,
  encodeServer,
  encodingNumber,
  type ResumeRequest,
  type ServerMessage,
  TILE_HEADER_BYTES,
  TileFlag,
  type Vec3,
  viewVoxels,
  volumeOf,
  type Welcome,
  WINDOW,
} from '../../protocol/index.ts';
import { pack } from '../../protocol/msgpack.ts';
import type { Clock } from '../../src/client/clock.ts';
import type { SocketEvent, SocketFactory, WebSocketLike } from '../../src/client/socket.ts';
import { FakeLog, FakeSubscription, hex } from './fake-log.ts';

/** Time that only moves when it is told to. */
export class ManualClock implements Clock {
  #now = 1_000;
  #timers: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  readonly #random: () => number;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Time until the next timer. */
  get nextMs(): number | undefined {
    const at = this.#timers.map((timer) => timer.at).sort((a, b) => a - b)[0];
    return at === undefined ? undefined : at - this.#now;
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#random();
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets what is on its way arrive, then moves on, runs what is due in its order, and lets its messages arrive too. */
  async advance(ms: number): Promise<void> {
    await settled();
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers = this.#timers.filter((timer) => timer !== due);
      due.run();
      await settled();
    }
    this.#now = end;
    await settled();
  }

  /** Moves on without running anything, as a machine that slept. */
  skip(ms: number): void {
    this.#now += ms;
  }
}

/** All that runs in microtasks has run, and what follows from it. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Reproducible chance in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A level of a channel that the fake server holds. */
export interface FakeVolume {
  readonly dtype: DType;
  readonly offset: Vec3;
  readonly shape: Vec3;
  readonly chunk: Vec3;
  /** Value of a voxel; uint64 and int64 as bigint. */
  readonly voxel: (x: number, y: number, z: number) => number | bigint;
  /** Send chunks of one value as FILL. */
  readonly fill?: boolean;
  /** Encodings that are served. */
  readonly enc?: readonly EncodingName[];
  /** Chunks, by first voxel, that cannot be read. */
  readonly broken?: (x: number, y: number, z: number) => boolean;
  readonly crc?: boolean;
}

/** Boxes of the chunks that meet a box, in order z, y, x. */
export function chunksOf(volume: FakeVolume, box: Box): Box[] {
  const { offset, shape, chunk } = volume;
  const range = (axis: 0 | 1 | 2): number[] => {
    const low = Math.max(box[axis], offset[axis]);
    const high = Math.min(box[axis === 0 ? 3 : axis === 1 ? 4 : 5], offset[axis] + shape[axis]);
    const first: number[] = [];
    for (let at = offset[axis]; at < high; at += chunk[axis]) if (at + chunk[axis] > low) first.push(at);
    return high > low ? first : [];
  };
  const end = (axis: 0 | 1 | 2, at: number): number => Math.min(at + chunk[axis], offset[axis] + shape[axis]);
  const boxes: Box[] = [];
  for (const z of range(2))
    for (const y of range(1)) for (const x of range(0)) boxes.push([x, y, z, end(0, x), end(1, y), end(2, z)]);
  return boxes;
}

/** Voxels of a box, voxel by voxel, zeros outside: the oracle. */
export function naiveCutout(volume: FakeVolume, box: Box): Uint8Array {
  const bytes = new Uint8Array(volumeOf(boxShape(box)) * BYTES_PER_VOXEL[volume.dtype]);
  const voxels = viewVoxels(volume.dtype, bytes);
  let i = 0;
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++)
      for (let x = box[0]; x < box[3]; x++, i++) if (isInside(volume, x, y, z)) voxels[i] = volume.voxel(x, y, z);
  return bytes;
}

function isInside({ offset: [ox, oy, oz], shape: [sx, sy, sz] }: FakeVolume, x: number, y: number, z: number): boolean {
  return x >= ox && x < ox + sx && y >= oy && y < oy + sy && z >= oz && z < oz + sz;
}

interface FakeFrame {
  readonly message: ServerMessage;
  readonly bytes: number;
}

/** The frames of one tile. */
export function tileFrames(
  volume: FakeVolume,
  wished: readonly EncodingName[],
  stream: {
    readonly id: number;
    readonly item: number;
    readonly mip: number;
    readonly frame: number;
    readonly seq?: number;
  },
  box: Box,
): FakeFrame[] {
  const raw = naiveCutout(volume, box);
  const [sizeX, sizeY] = boxShape(box);
  const head = {
    type: 0x21,
    id: stream.id,
    item: stream.item,
    seq: stream.seq ?? 0,
    mip: stream.mip,
    x: box[0],
    y: box[1],
    z: box[2],
    sizeX,
    sizeY,
  } as const;
  const one = (flags: number, encoding: number, rawLength: number, payload: Uint8Array): FakeFrame => {
    const crc = volume.crc ? crc32(payload) : 0;
    const header = { ...head, flags, encoding, rawLength, crc32: crc, length: payload.length };
    return { message: { kind: 'TILE', id: stream.id, header, payload }, bytes: TILE_HEADER_BYTES + payload.length };
  };
  if (volume.broken?.(box[0], box[1], box[2]))
    return [one(TileFlag.LAST | TileFlag.ERROR, 0, raw.length, pack([100, 'the chunk is damaged']).slice())];
  const size = BYTES_PER_VOXEL[volume.dtype];
  const first = raw.subarray(0, size);
  if (volume.fill && raw.every((byte, i) => byte === first[i % size]))
    return [one(TileFlag.LAST | TileFlag.FILL, 0, raw.length, first)];
  const name = wished.find((wish) => (volume.enc ?? ['raw']).includes(wish)) ?? 'raw';
  const encoded = encode(name, raw, box, volume.dtype);
  const frames: FakeFrame[] = [];
  for (let at = 0; at < encoded.length; at += stream.frame) {
    const payload = encoded.subarray(at, at + stream.frame);
    const isLast = at + payload.length === encoded.length;
    const flags = (at > 0 ? TileFlag.CONT : 0) | (isLast ? TileFlag.LAST : 0);
    frames.push(one(flags, encodingNumber(name), at === 0 ? raw.length : at, payload));
  }
  return frames;
}

function encode(name: EncodingName, raw: Uint8Array, box: Box, dtype: DType): Uint8Array {
  const cseg = (): Uint8Array =>
    encodeCompressedSegmentation(raw, boxShape(box), dtype === 'uint32' ? 'uint32' : 'uint64', [8, 8, 8]);
  if (name === 'gzip') return gzipSync(raw);
  if (name === 'cseg') return cseg();
  if (name === 'cseg+gzip') return gzipSync(cseg());
  return raw;
}

/** WELCOME of the fake server. */
export const WELCOME: Welcome = {
  kind: 'WELCOME',
  id: 1,
  v: 1,
  server: 'fake/1',
  session: 'secret',
  user: { id: 'u1', name: 'Ada' },
  now: 0,
  feat: ['pull', 'edit', 'subscribe', 'presence', 'history'],
  ping: 25_000,
  win: 256 * 1024,
  frame: 64 * 1024,
  limits: DEFAULT_LIMITS,
  resume: [],
};

type Client = Extract<ClientMessage, { kind: string }>;
/** A message of one kind. */
export type Of<Kind extends Client['kind']> = Extract<ClientMessage, { kind: Kind }>;

class FakeSocket implements WebSocketLike {
  binaryType = 'blob';
  readonly #listeners = new Map<string, ((event: SocketEvent) => void)[]>();
  readonly #peer: () => FakeConnection;
  isOpen = false;
  isOver = false;

  constructor(peer: () => FakeConnection) {
    this.#peer = peer;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (!this.isOpen) throw new Error('the socket is not open');
    if (this.isOver) return;
    queueMicrotask(() => this.#peer().take(data));
  }

  close(code = 1005, reason = ''): void {
    queueMicrotask(() => {
      this.#peer().closedByClient ??= { code, reason };
      this.finish(code, reason);
    });
  }

  terminate(): void {
    this.#peer().isTerminated = true;
  }

  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: SocketEvent) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  fire(type: string, event: SocketEvent): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }

  finish(code: number, reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#peer().ended();
    this.fire('close', { code, reason });
  }
}

interface FakePull {
  readonly message: Of<'PULL'>;
  readonly volume: FakeVolume;
  readonly boxes: Box[];
  item: number;
  frames: FakeFrame[];
  sent: number;
}

/** The server's end of one connection. */
export class FakeConnection {
  readonly received: ClientMessage[] = [];
  readonly protocols: readonly string[];
  readonly url: string;
  readonly #server: FakeServer;
  readonly #socket: FakeSocket;
  readonly #pulls = new Map<number, FakePull>();
  readonly subscriptions = new Map<number, FakeSubscription>();
  /** Writers that were used or asked about here. */
  readonly writers = new Set<string>();
  #waiters: { readonly kind: string; readonly resolve: (message: ClientMessage) => void }[] = [];
  /** Absolute limits by stream, 0 = the connection, as granted. */
  readonly limits = new Map<number, number>();
  sent = 0;
  /** WELCOME's `win`. */
  #win = WELCOME.win;
  closedByClient: { code: number; reason: string } | undefined;
  isOver = false;
  /** Whether the client cut the connection without waiting for an answer to its close. */
  isTerminated = false;
  /** Frames that are still sent; for a connection that breaks in the middle. */
  framesLeft = Number.POSITIVE_INFINITY;

  constructor(server: FakeServer, url: string, protocols: readonly string[]) {
    this.#server = server;
    this.url = url;
    this.protocols = protocols;
    this.#socket = new FakeSocket(() => this);
  }

  get socket(): WebSocketLike {
    return this.#socket;
  }

  /** Pulls that have not ended. */
  get pulls(): number {
    return this.#pulls.size;
  }

  open(): void {
    if (this.#socket.isOver) return;
    this.#socket.isOpen = true;
    this.#socket.fire('open', {});
  }

  ended(): void {
    this.isOver = true;
    this.#pulls.clear();
    for (const subscription of this.subscriptions.values()) subscription.close();
  }

  send(message: ServerMessage): void {
    this.sendBytes(encodeServer(message).slice());
  }

  /** Sends a message as it is: bytes, or anything a socket could give. */
  sendBytes(data: unknown): void {
    queueMicrotask(() => {
      if (this.#socket.isOver) return;
      this.#socket.fire('message', { data: data instanceof Uint8Array ? data.slice().buffer : data });
    });
  }

  /** A clean close by the server. */
  close(code: number, reason = ''): void {
    queueMicrotask(() => this.#socket.finish(code, reason));
  }

  /** The network is gone. */
  drop(): void {
    this.#socket.finish(1006, '');
  }

  take(data: Uint8Array): void {
    if (this.isOver) return;
    const message = decodeClient(data);
    this.received.push(message);
    const waiting = this.#waiters.filter((waiter) => waiter.kind === message.kind);
    this.#waiters = this.#waiters.filter((waiter) => waiter.kind !== message.kind);
    for (const waiter of waiting) waiter.resolve(message);
    if (this.#server.script?.(message, this) === true) return;
    this.answer(message);
  }

  /** Messages of a kind so far. */
  all<Kind extends Client['kind']>(kind: Kind): Of<Kind>[] {
    return this.received.filter((message): message is Of<Kind> => message.kind === kind);
  }

  /** The next message of a kind. */
  next<Kind extends Client['kind']>(kind: Kind): Promise<Of<Kind>> {
    return new Promise((resolve) => {
      this.#waiters.push({ kind, resolve: (message) => resolve(message as Of<Kind>) }); // filtered by kind
    });
  }

  /** What the fake server does where no script stands in the way. */
  answer(message: ClientMessage): void {
    switch (message.kind) {
      case 'HELLO':
        this.#win = clampWindow(message.win ?? this.#server.welcome.win ?? WELCOME.win);
        this.limits.set(0, this.#win);
        this.#welcome(message);
        break;
      case 'PING':
        this.send({ kind: 'PONG', id: message.id, t: message.t });
        break;
      case 'PULL':
        this.#pull(message);
        break;
      case 'CREDIT':
        if (this.#server.onCredit === undefined) this.grant(message.grants);
        else this.#server.onCredit(message.grants, this);
        break;
      case 'CANCEL':
        this.end(message.id, 'cancelled');
        break;
      case 'PRIO':
        this.send({ kind: 'PRIO_OK', id: message.id });
        break;
      case 'INFO':
        this.#info(message);
        break;
      case 'LIST':
        this.send({ kind: 'LIST_OK', id: message.id, entries: [] });
        break;
      case 'EDIT':
        this.writers.add(hex(message.wid));
        this.#server.log(message.path).take(message, this);
        break;
      case 'SUBSCRIBE': {
        const { reply, follow } = this.subscribe(message.id, message);
        this.send({ kind: 'SUBSCRIBE_OK', id: message.id, ...reply } as ServerMessage);
        follow();
        break;
      }
      case 'UNSUBSCRIBE':
        this.subscriptions.get(message.sub)?.close();
        this.subscriptions.delete(message.sub);
        this.send({ kind: 'UNSUBSCRIBE_OK', id: message.id });
        break;
      case 'FOCUS':
        this.send({ kind: 'FOCUS_OK', id: message.id });
        this.subscriptions.get(message.sub)?.focus(message.filter);
        break;
      case 'HISTORY':
        this.#history(message);
        break;
      case 'AUTH':
        this.send({ kind: 'AUTH_OK', id: message.id, exp: null, user: { id: 'u2', name: 'Renewed' } });
        break;
    }
  }

  #welcome(message: Of<'HELLO'>): void {
    const follows: (() => void)[] = [];
    const resume = (message.resume ?? []).map((entry) => {
      const { reply, follow } = this.subscribe(entry.sub, entry);
      follows.push(follow);
      return reply;
    });
    this.send({ ...WELCOME, resume, ...this.#server.welcome, id: message.id, win: this.#win });
    if (this.#server.welcome.resume === undefined) for (const follow of follows) follow();
    else for (const { sub } of message.resume ?? []) this.subscriptions.delete(sub);
  }

  /** Opens a subscription. */
  subscribe(id: number, request: Of<'SUBSCRIBE'> | ResumeRequest): ReturnType<FakeSubscription['open']> {
    for (const wid of request.wids ?? []) this.writers.add(hex(wid));
    const isOwn = (wid: string): boolean => this.writers.has(wid);
    const log = this.#server.log(request.path);
    const subscription = new FakeSubscription(log, id, request, this, this.#win, isOwn);
    this.subscriptions.set(id, subscription);
    return subscription.open();
  }

  #history({ id, path, after, limit }: Of<'HISTORY'>): void {
    const { epoch, edits, head } = this.#server.log(path);
    const some = edits.slice(after, after + Math.min(limit, this.#server.historyPage)).map(({ record }) => record);
    this.send({ kind: 'HISTORY_OK', id, epoch, first: 1, head, edits: some, more: after + some.length < head });
  }

  grant(grants: Of<'CREDIT'>['grants']): void {
    for (const [id, bytes] of grants) this.limits.set(id, Math.max(bytes, this.limits.get(id) ?? 0));
    for (const [id, bytes] of grants) this.subscriptions.get(id)?.grant(bytes);
    this.pump();
  }

  end(id: number, status: 'done' | 'cancelled' | 'replaced'): void {
    const pull = this.#pulls.get(id);
    if (pull === undefined) return;
    this.#pulls.delete(id);
    this.send({ kind: 'END', id, status, sent: pull.item, failed: 0, bytes: pull.sent });
  }

  /** Bytes that were sent on an open pull. */
  sentOn(id: number): number {
    return this.#pulls.get(id)?.sent ?? 0;
  }

  /** Sends frames of all pulls in turn, as far as credit goes. */
  pump(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const [id, pull] of [...this.#pulls]) {
        if (this.#isDone(pull)) this.end(id, 'done');
        else moved = this.#sendFrame(id, pull) || moved;
      }
    }
  }

  #isDone(pull: FakePull): boolean {
    return pull.frames.length === 0 && pull.item === pull.boxes.length;
  }

  #sendFrame(id: number, pull: FakePull): boolean {
    if (this.sent >= (this.limits.get(0) ?? 0) || pull.sent >= (this.limits.get(id) ?? 0)) return false;
    if (this.framesLeft <= 0) return false;
    const box = pull.boxes[pull.item];
    if (pull.frames.length === 0 && box !== undefined) {
      const { mip, enc, frame } = pull.message;
      const stream = { id, item: pull.item++, mip, frame: this.#server.frame ?? frame ?? WELCOME.frame };
      pull.frames = tileFrames(pull.volume, enc ?? ['raw'], stream, box);
    }
    const next = pull.frames.shift();
    if (next === undefined) return false;
    pull.sent += next.bytes;
    this.sent += next.bytes;
    this.send(next.message);
    if (--this.framesLeft === 0) queueMicrotask(() => this.drop());
    return true;
  }

  #pull(message: Of<'PULL'>): void {
    const volume = this.#server.volumes.get(message.path);
    if (volume === undefined) {
      this.send({
        kind: 'ERROR',
        id: message.id,
        code: 203,
        error: 'NOT_FOUND',
        message: 'path is not there',
        retryMs: null,
      });
      return;
    }
    const boxes = chunksOf(volume, message.box);
    this.#pulls.set(message.id, { message, volume, boxes, item: 0, frames: [], sent: 0 });
    if (!this.limits.has(message.id)) this.limits.set(message.id, clampWindow(message.win ?? this.#win));
    this.send({ kind: 'PULL_OK', id: message.id, tiles: boxes.length, dtype: volume.dtype, at: 7 });
    this.pump();
  }

  #info({ id, path }: Of<'INFO'>): void {
    const volume = this.#server.volumes.get(path);
    if (volume === undefined) {
      this.send({ kind: 'ERROR', id, code: 203, error: 'NOT_FOUND', message: `${path} is not there`, retryMs: null });
      return;
    }
    const { shape, chunk, offset, dtype } = volume;
    this.send({
      kind: 'INFO_OK',
      id,
      info: {
        path,
        kind: 'channel',
        type: dtype === 'uint8' ? 'image' : 'segmentation',
        dtype,
        mips: [{ shape, chunk, voxel: [8, 8, 30], offset }],
        enc: volume.enc ?? ['raw'],
        source: 'memory',
        editable: false,
        epoch: this.#server.log(path).epoch,
        first: 1,
        head: this.#server.log(path).head,
        tables: {},
      },
    });
  }
}

/** Rule [H7]. */
function clampWindow(wish: number): number {
  return Math.min(WINDOW.max, Math.max(WINDOW.min, wish));
}

/** A server whose connections live in memory. */
export class FakeServer {
  readonly connections: FakeConnection[] = [];
  readonly volumes = new Map<string, FakeVolume>();
  readonly #logs = new Map<string, FakeLog>();
  /** Edits of one answer to HISTORY. */
  historyPage = 256;
  /** Fields of WELCOME that differ from `WELCOME`. */
  welcome: Partial<Welcome> = {};
  /** Largest TILE payload, whatever the pull says; undefined: what it says. */
  frame: number | undefined;
  /** Sees each message first. @returns true = it was answered. */
  script: ((message: ClientMessage, connection: FakeConnection) => boolean | undefined) | undefined;
  /** Stands between a CREDIT and its effect. */
  onCredit: ((grants: Of<'CREDIT'>['grants'], connection: FakeConnection) => void) | undefined;
  /** How each next connection begins: `refuse` fails the handshake, `hang` never opens. */
  readonly openings: ('refuse' | 'hang')[] = [];
  #waiters: ((connection: FakeConnection) => void)[] = [];

  /** What `ConnectOptions.transport` takes. */
  readonly transport: SocketFactory = (url, protocols) => {
    const connection = new FakeConnection(this, url, protocols);
    this.connections.push(connection);
    const opening = this.openings.shift();
    queueMicrotask(() => {
      if (opening === 'refuse') connection.drop();
      else if (opening === undefined) connection.open();
      for (const waiter of this.#waiters.splice(0)) waiter(connection);
    });
    return connection.socket;
  };

  /** The edit log of a path. */
  log(path: string): FakeLog {
    let log = this.#logs.get(path);
    if (log === undefined) {
      log = new FakeLog();
      this.#logs.set(path, log);
    }
    return log;
  }

  /** The newest connection. */
  get last(): FakeConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) throw new Error('nobody has connected');
    return connection;
  }

  /** The next connection, once it is made. */
  nextConnection(): Promise<FakeConnection> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
