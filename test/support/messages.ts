/** fast-check arbitraries of every message, in the form in which it comes out of the decoders. Long, for it is one table. */
import fc from 'fast-check';
import { ERROR_CODES, errorName } from '../../protocol/errors.ts';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts';
import { BULK_TYPE, TILE_TYPE } from '../../protocol/tile-frame.ts';
import { type Box, CHANNEL_RIGHTS, DTYPES, ENCODINGS, pathFault } from '../../protocol/volume.ts';

const SAFE = Number.MAX_SAFE_INTEGER;
const record = <T extends object, K extends keyof T>(model: { [P in keyof T]: fc.Arbitrary<T[P]> }, required: K[]) =>
  fc.record(model, { requiredKeys: required, noNullPrototype: true });
const all = <T extends object>(model: { [P in keyof T]: fc.Arbitrary<T[P]> }) =>
  fc.record(model, { noNullPrototype: true });

const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { nil: null });

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 1, 0x7fff_ffff, 0xffff_ffff));
const i32 = fc.oneof(fc.integer(), fc.constantFrom(-0x8000_0000, -1, 0, 0x7fff_ffff));
const size = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, SAFE));
const positive = size.map((n) => Math.max(1, n));
const id64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
);
const text = (maxBytes: number) =>
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((s) => new TextEncoder().encode(s).length <= maxBytes);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const vec3 = fc.tuple(i32, i32, i32);
const box = fc
  .tuple(i32, i32, i32, i32, i32, i32)
  .map(
    (b): Box => [
      Math.min(b[0], b[3]),
      Math.min(b[1], b[4]),
      Math.min(b[2], b[5]),
      Math.max(b[0], b[3]),
      Math.max(b[1], b[4]),
      Math.max(b[2], b[5]),
    ],
  )
  .filter((b) => b[0] < b[3] && b[1] < b[4] && b[2] < b[5]);
/** Legal paths, most of them beyond ASCII. */
export const path = fc
  .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/').normalize('NFC'))
  .filter((p) => pathFault(p) === undefined);

/** Integers in the JavaScript type that the decoder gives them. */
const wireInt = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).filter((n) => n > 2n ** 53n || n < -(2n ** 53n)),
);
const double = fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0));
const key = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((k) => k !== '__proto__');
const wireMapOf = (values: fc.Arbitrary<unknown>) => fc.dictionary(key, values, { maxKeys: 4, noNullPrototype: true });
const leaf = fc.oneof(fc.constant(null), fc.boolean(), wireInt, double, text(64), fc.uint8Array({ maxLength: 20 }));
const wire1 = fc.oneof(leaf, fc.array(leaf, { maxLength: 4 }), wireMapOf(leaf));
/** Any MessagePack value at most two containers deep. */
export const wire = fc.oneof(wire1, fc.array(wire1, { maxLength: 4 }), wireMapOf(wire1));
const wireMap = wireMapOf(wire);
/** Maps in places where the decoder takes integers only. */
const intMap = wireMapOf(fc.oneof(wireInt, text(20), fc.array(wireInt, { maxLength: 5 })));
const scalar = fc.oneof(fc.constant(null), fc.boolean(), wireInt, double, text(64), fc.uint8Array({ maxLength: 64 }));

const mapName = fc.constantFrom('base' as const, 'merged' as const);
const urgency = fc.integer({ min: 0, max: 7 });
const window = u32.map((n) => Math.max(1, n));
const past = { map: mapName, at: size, epoch: bytes(8) };
const feat = fc.array(text(64), { maxLength: 4 });
const user = all({ id: text(256), name: text(256) });
const subscribeOptions = {
  snapshot: fc.boolean(),
  filter: intMap,
  presence: fc.boolean(),
  wids: fc.array(bytes(16), { maxLength: 3 }),
  chk: bytes(8),
  snap: fc.tuple(size, text(64), size),
  win: window,
};
const position = { epoch: maybe(bytes(8)), after: maybe(size) };
const op = fc.oneof(
  all({ op: fc.constant('merge'), ids: fc.array(wireInt, { maxLength: 5 }) }),
  all({ op: fc.constant('write'), box, value: double }),
  all({
    op: fc.constant('put'),
    table: text(20),
    rows: fc.array(all({ key: wireInt, point: fc.tuple(double, double) })),
  }),
  all({ op: fc.constant('later'), with: wire1 }),
);
const tileHeader = <T extends number>(type: T, length: number) =>
  all({
    type: fc.constant(type),
    id: u32,
    flags: u8,
    item: u32,
    seq: size,
    mip: u8,
    x: i32,
    y: i32,
    z: i32,
    encoding: u8,
    rawLength: u32,
    crc32: u32,
    sizeX: u16,
    sizeY: u16,
    length: fc.constant(length),
  });
const tile = <K extends string, T extends number>(kind: K, type: T) =>
  fc
    .uint8Array({ maxLength: 200 })
    .chain((payload) => tileHeader(type, payload.length).map((header) => ({ kind, id: header.id, header, payload })));

const k = <T extends string>(kind: T) => fc.constant(kind);

/** One arbitrary for each kind of client message. */
export const clientMessages: { readonly [K in ClientMessage['kind']]: fc.Arbitrary<ClientMessage> } = {
  HELLO: record(
    {
      kind: k('HELLO'),
      id: u32,
      v: fc.array(u32, { maxLength: 4 }),
      client: text(256),
      feat,
      token: text(100),
      name: text(64),
      color: text(32),
      win: window,
      frame: window,
      resume: fc.array(
        record({ sub: u32, path, ...position, ...subscribeOptions }, ['sub', 'path', 'epoch', 'after']),
        {
          maxLength: 3,
        },
      ),
    },
    ['kind', 'id', 'v', 'client', 'feat'],
  ),
  PING: all({ kind: k('PING'), id: u32, t: scalar }),
  PONG: all({ kind: k('PONG'), id: u32, t: scalar }),
  AUTH: all({ kind: k('AUTH'), id: u32, token: text(8_192) }),
  INFO: all({ kind: k('INFO'), id: u32, path }),
  LIST: record(
    {
      kind: k('LIST'),
      id: u32,
      path: fc.oneof(path, fc.constant('')),
      after: text(128),
      limit: fc.integer({ min: 1, max: 10_000 }),
    },
    ['kind', 'id', 'path'],
  ),
  FEATURE: record({ kind: k('FEATURE'), id: u32, path, feature: text(64), key: id64, box, mip: u8, after: id64 }, [
    'kind',
    'id',
    'path',
    'feature',
  ]),
  UNIQUE: record({ kind: k('UNIQUE'), id: u32, path, mip: u8, box, ...past, after: id64 }, [
    'kind',
    'id',
    'path',
    'mip',
    'box',
  ]),
  PULL: record(
    {
      kind: k('PULL'),
      id: u32,
      path,
      mip: u8,
      box,
      ...past,
      enc: fc.uniqueArray(fc.constantFrom(...ENCODINGS), { minLength: 1 }),
      urgency,
      order: fc.constantFrom('near' as const, 'scan' as const),
      focus: vec3,
      win: window,
      frame: window,
      replace: text(128),
      minSeq: size,
    },
    ['kind', 'id', 'path', 'mip', 'box'],
  ),
  CREDIT: all({ kind: k('CREDIT'), id: u32, grants: fc.array(fc.tuple(u32, size), { maxLength: 20 }) }),
  CANCEL: all({ kind: k('CANCEL'), id: u32 }),
  PRIO: all({ kind: k('PRIO'), id: u32, pull: u32, urgency, focus: maybe(vec3) }),
  CUTOUT: record(
    {
      kind: k('CUTOUT'),
      id: u32,
      path,
      mip: u8,
      box,
      ...past,
      format: fc.constantFrom('raw' as const, 'npy' as const, 'png' as const, 'jpeg' as const, 'tiff' as const),
      view: fc.constantFrom('grayscale' as const, 'colormap' as const, 'rgb' as const),
      urgency,
      win: window,
      frame: window,
    },
    ['kind', 'id', 'path', 'mip', 'box'],
  ),
  EDIT: record(
    {
      kind: k('EDIT'),
      id: u32,
      path,
      wid: bytes(16),
      wseq: positive,
      base: maybe(size),
      ops: fc.array(op, { maxLength: 5 }),
      epoch: bytes(8),
      policy: fc.constantFrom('none' as const, 'scope' as const, 'strict' as const),
      note: text(1_024),
    },
    ['kind', 'id', 'path', 'wid', 'wseq', 'base', 'ops'],
  ),
  BULK: tile('BULK', BULK_TYPE),
  SUBSCRIBE: record({ kind: k('SUBSCRIBE'), id: u32, path, ...position, ...subscribeOptions }, [
    'kind',
    'id',
    'path',
    'epoch',
    'after',
  ]),
  UNSUBSCRIBE: all({ kind: k('UNSUBSCRIBE'), id: u32, sub: u32 }),
  FOCUS: all({ kind: k('FOCUS'), id: u32, sub: u32, filter: intMap }),
  HISTORY: record(
    {
      kind: k('HISTORY'),
      id: u32,
      path,
      after: size,
      limit: fc.integer({ min: 1, max: 256 }),
      user: text(256),
      kinds: fc.array(text(32), { maxLength: 4 }),
    },
    ['kind', 'id', 'path', 'after', 'limit'],
  ),
  PRESENCE: all({ kind: k('PRESENCE'), id: u32, n: size, state: maybe(wireMap) }),
  IGNORED: all({ kind: k('IGNORED'), id: u32 }),
};

const channel = record(
  {
    path,
    kind: k('channel'),
    type: fc.constantFrom('image' as const, 'segmentation' as const),
    dtype: fc.constantFrom(...DTYPES),
    mips: fc.array(
      all({ shape: vec3, chunk: vec3, voxel: fc.tuple(double, double, double), offset: vec3 }).filter((mip) =>
        mip.voxel.every(Number.isFinite),
      ),
      { maxLength: 3 },
    ),
    enc: fc.uniqueArray(fc.constantFrom(...ENCODINGS)),
    source: text(20),
    editable: fc.boolean(),
    epoch: bytes(8),
    first: size,
    head: size,
    tables: fc.dictionary(key, size, { maxKeys: 3, noNullPrototype: true }),
    maxId: id64,
    edited: size,
    rights: fc.subarray([...CHANNEL_RIGHTS]),
  },
  ['path', 'kind', 'type', 'dtype', 'mips', 'enc', 'source', 'editable', 'epoch', 'first', 'head', 'tables'],
);
const edits = fc.array(wireMap, { maxLength: 4 });

/** One arbitrary for each kind of server message. */
export const serverMessages: { readonly [K in ServerMessage['kind']]: fc.Arbitrary<ServerMessage> } = {
  WELCOME: record(
    {
      kind: k('WELCOME'),
      id: u32,
      v: u32,
      server: text(100),
      session: text(100),
      user,
      now: size,
      feat,
      exp: size,
      ping: size,
      win: size,
      frame: size,
      limits: fc.constant(DEFAULT_LIMITS),
      resume: fc.array(wire, { maxLength: 3 }),
    },
    ['kind', 'id', 'v', 'server', 'session', 'user', 'now', 'feat', 'ping', 'win', 'frame', 'limits', 'resume'],
  ),
  PING: all({ kind: k('PING'), id: u32, t: scalar }),
  PONG: all({ kind: k('PONG'), id: u32, t: scalar }),
  GOAWAY: all({ kind: k('GOAWAY'), id: u32, code: u32, reason: text(123), retryMs: size }),
  AUTH_OK: all({ kind: k('AUTH_OK'), id: u32, exp: maybe(size), user }),
  AUTHREQ: all({ kind: k('AUTHREQ'), id: u32, expiresInMs: size }),
  INFO_OK: all({
    kind: k('INFO_OK'),
    id: u32,
    info: fc.oneof(channel, all({ path, kind: k('dataset'), channels: fc.array(channel, { maxLength: 2 }) })),
  }),
  LIST_OK: record(
    {
      kind: k('LIST_OK'),
      id: u32,
      entries: fc.array(
        all({
          name: text(128),
          kind: fc.constantFrom('experiment' as const, 'sample' as const, 'dataset' as const, 'channel' as const),
          path,
        }),
        { maxLength: 4 },
      ),
      next: text(128),
    },
    ['kind', 'id', 'entries'],
  ),
  FEATURE_OK: record({ kind: k('FEATURE_OK'), id: u32, value: wire, after: id64 }, ['kind', 'id', 'value']),
  UNIQUE_OK: record(
    { kind: k('UNIQUE_OK'), id: u32, count: size, ids: fc.uint8Array({ maxLength: 64 }), after: id64 },
    ['kind', 'id', 'count', 'ids'],
  ),
  PULL_OK: all({ kind: k('PULL_OK'), id: u32, tiles: size, dtype: fc.constantFrom(...DTYPES), at: size }),
  TILE: tile('TILE', TILE_TYPE),
  END: all({
    kind: k('END'),
    id: u32,
    status: fc.constantFrom('done' as const, 'cancelled' as const, 'replaced' as const),
    sent: size,
    failed: size,
    bytes: size,
  }),
  PRIO_OK: all({ kind: k('PRIO_OK'), id: u32 }),
  CUTOUT_OK: all({
    kind: k('CUTOUT_OK'),
    id: u32,
    dtype: fc.constantFrom(...DTYPES),
    shape: vec3,
    bytes: size,
    seq: size,
    mime: text(256),
  }),
  EDIT_OK: record(
    {
      kind: k('EDIT_OK'),
      id: u32,
      status: fc.constantFrom('applied' as const, 'noop' as const),
      seq: size,
      dup: fc.constant(true),
      results: fc.array(wire, { maxLength: 4 }),
    },
    ['kind', 'id', 'status', 'seq', 'results'],
  ),
  SUBSCRIBE_OK: all({
    kind: k('SUBSCRIBE_OK'),
    id: u32,
    epoch: bytes(8),
    first: size,
    head: size,
    mode: fc.constantFrom('tail' as const, 'snapshot' as const, 'reset' as const),
    writers: fc.array(fc.tuple(bytes(16), size), { maxLength: 3 }),
  }),
  EDITS: all({ kind: k('EDITS'), id: u32, from: size, upto: size, flags: u8, edits }),
  LIVE: all({ kind: k('LIVE'), id: u32, seq: size }),
  RESET: all({ kind: k('RESET'), id: u32, code: u32, epoch: bytes(8), head: size }),
  SNAP: all({
    kind: k('SNAP'),
    id: u32,
    seq: size,
    section: text(64),
    row: size,
    more: fc.boolean(),
    rows: fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.array(wireMap, { maxLength: 3 })),
  }),
  UNSUBSCRIBE_OK: all({ kind: k('UNSUBSCRIBE_OK'), id: u32 }),
  UNSUBSCRIBED: all({ kind: k('UNSUBSCRIBED'), id: u32, code: u32, reason: text(123) }),
  FOCUS_OK: all({ kind: k('FOCUS_OK'), id: u32 }),
  HISTORY_OK: all({
    kind: k('HISTORY_OK'),
    id: u32,
    epoch: bytes(8),
    first: size,
    head: size,
    edits,
    more: fc.boolean(),
  }),
  PEERS: all({
    kind: k('PEERS'),
    id: u32,
    peers: fc.array(fc.tuple(text(64), size, maybe(wireMap)), { maxLength: 4 }),
  }),
  BEAT: all({ kind: k('BEAT'), id: u32 }),
  ERROR: fc.oneof(fc.constantFrom(...Object.values(ERROR_CODES)), fc.integer({ min: 0, max: 999 })).chain((code) =>
    record(
      {
        kind: k('ERROR'),
        id: u32,
        code: fc.constant(code),
        error: fc.constant(errorName(code)),
        message: text(500),
        retryMs: maybe(size),
        details: wireMap,
      },
      ['kind', 'id', 'code', 'error', 'message', 'retryMs'],
    ),
  ),
  IGNORED: all({ kind: k('IGNORED'), id: u32 }),
};

/** Any message of a client. */
export const clientMessage = fc.oneof(...Object.values(clientMessages));
/** Any message of a server. */
export const serverMessage = fc.oneof(...Object.values(serverMessages));
