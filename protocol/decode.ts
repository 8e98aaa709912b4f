/** Bytes of a client to a message. Nothing that has passed here is checked again. */
import { readOps } from './edit-integers.ts';
import { BflyError, MalformedFrame } from './errors.ts';
import {
  optional,
  owned,
  readArray,
  readBoolean,
  readBox,
  readBytes,
  readEncodings,
  readId64,
  readInt,
  readMap,
  readOneOf,
  readOptions,
  readPath,
  readScalar,
  readSize,
  readString,
  readU32,
  readVec3,
  withoutUndefined,
} from './fields.ts';
import { CLIENT_GUARD, guard, peekHead, withoutFloats } from './guard.ts';
import { InfoMemo } from './info-memo.ts';
import {
  type ClientMessage,
  type Edit,
  FrameType,
  type Hello,
  type ResumeRequest,
  type SubscribeOptions,
  type WireMap,
} from './messages.ts';
import { plainBytes, unpack } from './msgpack.ts';
import { BULK_TYPE, isTileFrame, readTileHeader, TILE_HEADER_BYTES } from './tile-frame.ts';

/** A frame that is wrong, but whose id could be read: it is answered by an ERROR of that id. */
export class BadFrame extends Error {
  override readonly name = 'BadFrame';
  /** Type of the frame. */
  readonly type: number;
  /** Id to answer; 0 for frames that have no reply. */
  readonly id: number;
  readonly fault: BflyError;

  constructor(type: number, id: number, fault: BflyError) {
    super(fault.message);
    this.type = type;
    this.id = hasReply(type) ? id : 0;
    this.fault = fault;
  }
}

const infos = new InfoMemo();

/** Whether a frame of this type is answered under its own id: the id of a reply (PONG) belongs to the server's side. Rule [X6]. */
function hasReply(type: number): boolean {
  return (
    type < FrameType.REPLY &&
    type !== FrameType.CREDIT &&
    type !== FrameType.CANCEL &&
    type !== FrameType.PRESENCE &&
    type !== FrameType.BULK
  );
}

/**
 * Decodes one frame of a client.
 *
 * @param bytes borrowed; `bin` fields of the message are views of it.
 * @throws BadFrame for a fault in a frame whose type and id can be read; MalformedFrame else.
 */
export function decodeClient(bytes: Uint8Array): ClientMessage {
  if (isTileFrame(bytes, BULK_TYPE)) return decodeBulk(bytes);
  const known = infos.read(bytes);
  if (known !== undefined) return known;
  const verdict = guard(bytes, CLIENT_GUARD);
  if (!verdict.ok) {
    const head = peekHead(bytes);
    if (head === undefined) throw new MalformedFrame(verdict.why);
    throw new BadFrame(head.type, head.id, new BflyError('BAD_REQUEST', `the frame is not legal: ${verdict.why}`));
  }
  const frame = unpack(bytes);
  if (!Array.isArray(frame)) throw new MalformedFrame('a frame is an array [type, id, ...fields]');
  const head = peekHead(bytes);
  if (head === undefined) throw new MalformedFrame('a frame begins with an integer type and a u32 id');
  // Floats are legal in few places: elsewhere the readers are to see that they are not integers.
  const strict = verdict.floats && !mayHoldFloats(head.type) ? (unpack(withoutFloats(bytes)) as unknown[]) : frame;
  try {
    const message = readFields(head.type, head.id, strict, frame);
    if (message.kind === 'INFO') infos.remember(bytes, message);
    return message;
  } catch (error) {
    if (error instanceof BflyError) throw new BadFrame(head.type, head.id, error);
    throw error;
  }
}

function mayHoldFloats(type: number): boolean {
  return type === FrameType.PING || type === FrameType.PING + FrameType.REPLY;
}

const badBulk = (): BflyError =>
  new BflyError('BAD_REQUEST', 'the BULK header must have the layout of rule [D20]: 64 bytes, constant offsets');

function decodeBulk(bytes: Uint8Array): ClientMessage {
  const header = readTileHeader(bytes);
  if (header === undefined) throw new BadFrame(FrameType.BULK, 0, badBulk());
  return { kind: 'BULK', id: header.id, header, payload: plainBytes(bytes).subarray(TILE_HEADER_BYTES) };
}

/** `f` holds the fields with floats made unreadable as integers, `loose` as they came. */
function readFields(type: number, id: number, f: readonly unknown[], loose: readonly unknown[]): ClientMessage {
  switch (type) {
    case FrameType.HELLO:
      return readHello(id, readMap(f[2], 'HELLO'));
    case FrameType.PING:
      return { kind: 'PING', id, t: readScalar(f[2], 't') };
    case FrameType.PING + FrameType.REPLY:
      return { kind: 'PONG', id, t: readScalar(f[2], 't') };
    case FrameType.AUTH:
      return { kind: 'AUTH', id, token: readString(f[2], 'token', 8_192) };
    case FrameType.INFO:
      return { kind: 'INFO', id, path: readPath(f[2]) };
    case FrameType.LIST:
      return readList(id, f);
    case FrameType.FEATURE:
      return readFeature(id, f);
    case FrameType.UNIQUE:
      return readUnique(id, f);
    case FrameType.PULL:
      return readPull(id, f);
    case FrameType.CREDIT:
      return { kind: 'CREDIT', id, grants: readArray(f[2], 'grants', 1_000).map(readGrant) };
    case FrameType.CANCEL:
      return { kind: 'CANCEL', id };
    case FrameType.PRIO:
      return {
        kind: 'PRIO',
        id,
        pull: readU32(f[2], 'pull'),
        urgency: readUrgency(f[3]),
        focus: optional(f[4], (v) => readVec3(v, 'focus')) ?? null,
      };
    case FrameType.CUTOUT:
      return readCutout(id, f);
    case FrameType.EDIT:
      return readEdit(id, f, loose);
    case FrameType.BULK:
      throw badBulk();
    case FrameType.SUBSCRIBE:
      return {
        kind: 'SUBSCRIBE',
        id,
        path: readPath(f[2]),
        epoch: optional(f[3], readEpoch) ?? null,
        after: optional(f[4], (v) => readSize(v, 'after')) ?? null,
        ...readSubscribeOptions(readOptions(f[5])),
      };
    case FrameType.UNSUBSCRIBE:
      return { kind: 'UNSUBSCRIBE', id, sub: readU32(f[2], 'sub') };
    case FrameType.FOCUS:
      return { kind: 'FOCUS', id, sub: readU32(f[2], 'sub'), filter: owned(readMap(f[3], 'filter')) };
    case FrameType.HISTORY:
      return readHistory(id, f);
    case FrameType.PRESENCE:
      return {
        kind: 'PRESENCE',
        id,
        n: readSize(f[2], 'n'),
        state: optional(loose[3], (v) => readMap(v, 'state')) ?? null,
      };
  }
  if (type >= 0x60 && type <= 0x7f) return { kind: 'IGNORED', id };
  throw new BflyError(
    'UNSUPPORTED',
    `frames of type 0x${type.toString(16).padStart(2, '0')} are not known to this server`,
  );
}

const readEpoch = (value: unknown): Uint8Array => readBytes(value, 'epoch', 8);
const readUrgency = (value: unknown): number => readInt(value, 'urgency', 0, 7);
const readMip = (value: unknown): number => readInt(value, 'mip', 0, 255);
const readWindow = (value: unknown): number => readInt(value, 'win', 1, 0xffff_ffff);
const readFrameSize = (value: unknown): number => readInt(value, 'frame', 1, 0xffff_ffff);
const readMapName = (value: unknown): 'base' | 'merged' => readOneOf(value, 'map', ['base', 'merged']);

function readHello(id: number, m: WireMap): Hello {
  return {
    kind: 'HELLO',
    id,
    v: readArray(m['v'], 'v', 16).map((v) => readU32(v, 'v: each version')),
    client: optional(m['client'], (v) => readString(v, 'client', 256)) ?? '',
    feat: (optional(m['feat'], (v) => readArray(v, 'feat', 64)) ?? []).map((v) => readString(v, 'feat: each name', 64)),
    ...withoutUndefined({
      token: optional(m['token'], (v) => readString(v, 'token', 8_192)),
      name: optional(m['name'], (v) => readString(v, 'name', 64)),
      color: optional(m['color'], (v) => readString(v, 'color', 32)),
      win: optional(m['win'], readWindow),
      frame: optional(m['frame'], readFrameSize),
      resume: optional(m['resume'], (v) => readArray(v, 'resume', 128).map(readResume)),
    }),
  };
}

function readResume(value: unknown): ResumeRequest {
  const f = readArray(value, 'resume: each', 16);
  return {
    sub: readU32(f[0], 'resume: sub'),
    path: readPath(f[1]),
    epoch: optional(f[2], readEpoch) ?? null,
    after: optional(f[3], (v) => readSize(v, 'resume: after')) ?? null,
    ...readSubscribeOptions(readOptions(f[4])),
  };
}

function readSubscribeOptions(o: WireMap): SubscribeOptions {
  return withoutUndefined({
    snapshot: optional(o['snapshot'], (v) => readBoolean(v, 'snapshot')),
    filter: optional(o['filter'], (v) => owned(readMap(v, 'filter'))),
    presence: optional(o['presence'], (v) => readBoolean(v, 'presence')),
    wids: optional(o['wids'], (v) => readArray(v, 'wids', 64).map((wid) => readBytes(wid, 'wids: each', 16))),
    chk: optional(o['chk'], (v) => readBytes(v, 'chk', 8)),
    snap: optional(o['snap'], readSnapPoint),
    win: optional(o['win'], readWindow),
  });
}

function readSnapPoint(value: unknown): readonly [number, string, number] {
  const f = readArray(value, 'snap', 3);
  return [readSize(f[0], 'snap: seq'), readString(f[1], 'snap: section', 64), readSize(f[2], 'snap: row')];
}

function readList(id: number, f: readonly unknown[]): ClientMessage {
  const o = readOptions(f[3]);
  return {
    kind: 'LIST',
    id,
    path: f[2] === '' ? '' : readPath(f[2]),
    ...withoutUndefined({
      after: optional(o['after'], (v) => readString(v, 'after', 128)),
      limit: optional(o['limit'], (v) => readInt(v, 'limit', 1, 10_000)),
    }),
  };
}

function readFeature(id: number, f: readonly unknown[]): ClientMessage {
  const o = readOptions(f[4]);
  return {
    kind: 'FEATURE',
    id,
    path: readPath(f[2]),
    feature: readString(f[3], 'feature', 64),
    ...withoutUndefined({
      key: optional(o['id'], (v) => readId64(v, 'id')),
      box: optional(o['box'], (v) => readBox(v, 'box')),
      mip: optional(o['mip'], readMip),
      after: optional(o['after'], (v) => readId64(v, 'after')),
    }),
  };
}

function readUnique(id: number, f: readonly unknown[]): ClientMessage {
  const o = readOptions(f[5]);
  return {
    kind: 'UNIQUE',
    id,
    path: readPath(f[2]),
    mip: readMip(f[3]),
    box: readBox(f[4], 'box'),
    ...readPast(o),
    ...withoutUndefined({ after: optional(o['after'], (v) => readId64(v, 'after')) }),
  };
}

/** Options that choose which state of the volume is read. */
function readPast(o: WireMap): { map?: 'base' | 'merged'; at?: number; epoch?: Uint8Array } {
  return withoutUndefined({
    map: optional(o['map'], readMapName),
    at: optional(o['at'], (v) => readSize(v, 'at')),
    epoch: optional(o['epoch'], readEpoch),
  });
}

function readPull(id: number, f: readonly unknown[]): ClientMessage {
  const o = readOptions(f[5]);
  return {
    kind: 'PULL',
    id,
    path: readPath(f[2]),
    mip: readMip(f[3]),
    box: readBox(f[4], 'box'),
    ...readPast(o),
    ...withoutUndefined({
      enc: optional(o['enc'], readEncodings),
      urgency: optional(o['urgency'], readUrgency),
      order: optional(o['order'], (v) => readOneOf(v, 'order', ['near', 'scan'])),
      focus: optional(o['focus'], (v) => readVec3(v, 'focus')),
      win: optional(o['win'], readWindow),
      frame: optional(o['frame'], readFrameSize),
      replace: optional(o['replace'], (v) => readString(v, 'replace', 128)),
      minSeq: optional(o['minSeq'], (v) => readSize(v, 'minSeq')),
    }),
  };
}

function readCutout(id: number, f: readonly unknown[]): ClientMessage {
  const o = readOptions(f[5]);
  return {
    kind: 'CUTOUT',
    id,
    path: readPath(f[2]),
    mip: readMip(f[3]),
    box: readBox(f[4], 'box'),
    ...readPast(o),
    ...withoutUndefined({
      format: optional(o['format'], (v) => readOneOf(v, 'format', ['raw', 'npy', 'png', 'jpeg', 'tiff'])),
      view: optional(o['view'], (v) => readOneOf(v, 'view', ['grayscale', 'colormap', 'rgb'])),
      urgency: optional(o['urgency'], readUrgency),
      win: optional(o['win'], readWindow),
      frame: optional(o['frame'], readFrameSize),
    }),
  };
}

function readGrant(value: unknown): readonly [number, number] {
  const f = readArray(value, 'grants: each', 16);
  return [readU32(f[0], 'grants: id'), readSize(f[1], 'grants: bytes')];
}

/** The envelope is read strictly; what the ops mean is read where they are applied, but for floats in their integer fields. */
function readEdit(id: number, f: readonly unknown[], loose: readonly unknown[]): ClientMessage {
  const path = readPath(f[2]);
  const wid = readBytes(f[3], 'wid', 16);
  const wseq = readInt(f[4], 'wseq', 1, Number.MAX_SAFE_INTEGER);
  const base = optional(f[5], (v) => readSize(v, 'base')) ?? null;
  const ops = owned(readOps(f[6], loose[6]));
  const message: Mutable<Edit> = { kind: 'EDIT', id, path, wid, wseq, base, ops };
  if (f[7] === undefined) return message;
  // One by one: to spread them together costs as much as all the rest.
  const o = readOptions(f[7]);
  const epoch = optional(o['epoch'], readEpoch);
  const policy = optional(o['policy'], readPolicy);
  const note = optional(o['note'], readNote);
  if (epoch !== undefined) message.epoch = epoch;
  if (policy !== undefined) message.policy = policy;
  if (note !== undefined) message.note = note;
  return message;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const POLICIES = ['none', 'scope', 'strict'] as const;
const readPolicy = (value: unknown): (typeof POLICIES)[number] => readOneOf(value, 'policy', POLICIES);
const readNote = (value: unknown): string => readString(value, 'note', 1_024);

function readHistory(id: number, f: readonly unknown[]): ClientMessage {
  const o = readOptions(f[5]);
  return {
    kind: 'HISTORY',
    id,
    path: readPath(f[2]),
    after: readSize(f[3], 'after'),
    limit: optional(f[4], (v) => readInt(v, 'limit', 1, 256)) ?? 256,
    ...withoutUndefined({
      user: optional(o['user'], (v) => readString(v, 'user', 256)),
      kinds: optional(o['kinds'], (v) => readArray(v, 'kinds', 16).map((kind) => readString(kind, 'kinds: each', 32))),
    }),
  };
}
