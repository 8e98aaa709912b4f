/** Bytes of a server to a message, for clients. Unknown keys, trailing elements and unknown types are passed over. */
import { errorName, MalformedFrame } from './errors.ts';
import {
  badField,
  optional,
  readArray,
  readBytes,
  readDType,
  readId64,
  readMap,
  readNumbers3,
  readOneOf,
  readOptions,
  readScalar,
  readSize,
  readString,
  readU32,
  readVec3,
  withoutUndefined,
} from './fields.ts';
import { guard, SERVER_GUARD } from './guard.ts';
import type { Limits } from './limits.ts';
import {
  type EditRecord,
  FrameType,
  type ListEntry,
  type ServerMessage,
  type Welcome,
  type WireMap,
} from './messages.ts';
import { plainBytes, unpack } from './msgpack.ts';
import { isTileFrame, readTileHeader, TILE_HEADER_BYTES, TILE_TYPE } from './tile-frame.ts';
import {
  CHANNEL_RIGHTS,
  type ChannelInfo,
  type ChannelRight,
  type DatasetInfo,
  ENCODINGS,
  type EncodingName,
  type MipInfo,
} from './volume.ts';

const ANY = 0xffff;
const NOT_A_TILE = 'the TILE header does not have the layout of rule [D20]';

/**
 * Decodes one frame of a server.
 *
 * @param bytes borrowed; TILE payloads and `bin` fields of the message are views of it.
 * @throws MalformedFrame, BflyError BAD_REQUEST for a frame that no server of this version sends.
 */
export function decodeServer(bytes: Uint8Array): ServerMessage {
  if (isTileFrame(bytes, TILE_TYPE)) return decodeTile(bytes);
  const verdict = guard(bytes, SERVER_GUARD);
  if (!verdict.ok) throw new MalformedFrame(verdict.why);
  const f = unpack(bytes);
  if (!Array.isArray(f) || f.length < 2) throw new MalformedFrame('a frame is an array [type, id, ...fields]');
  const type = readU32(f[0], 'type');
  const id = readU32(f[1], 'id');
  return type >= FrameType.REPLY && type !== FrameType.ERROR
    ? readReply(type - FrameType.REPLY, id, f)
    : readEvent(type, id, f);
}

function decodeTile(bytes: Uint8Array): ServerMessage {
  const header = readTileHeader(bytes);
  if (header === undefined) throw new MalformedFrame(NOT_A_TILE);
  return { kind: 'TILE', id: header.id, header, payload: plainBytes(bytes).subarray(TILE_HEADER_BYTES) };
}

function readReply(request: number, id: number, f: readonly unknown[]): ServerMessage {
  switch (request) {
    case FrameType.HELLO:
      return readWelcome(id, readMap(f[2], 'WELCOME'));
    case FrameType.PING:
      return { kind: 'PONG', id, t: readScalar(f[2], 't') };
    case FrameType.AUTH: {
      const m = readMap(f[2], 'AUTH');
      return {
        kind: 'AUTH_OK',
        id,
        exp: optional(m['exp'], (v) => readSize(v, 'exp')) ?? null,
        user: readUser(m['user']),
      };
    }
    case FrameType.INFO:
      return { kind: 'INFO_OK', id, info: readInfo(readMap(f[2], 'INFO')) };
    case FrameType.LIST: {
      const m = readMap(f[2], 'LIST');
      const next = optional(m['next'], (v) => readString(v, 'next', ANY));
      return {
        kind: 'LIST_OK',
        id,
        entries: readArray(m['entries'], 'entries', ANY).map(readEntry),
        ...withoutUndefined({ next }),
      };
    }
    case FrameType.FEATURE:
      return {
        kind: 'FEATURE_OK',
        id,
        value: f[2],
        ...withoutUndefined({ after: optional(readOptions(f[3])['after'], (v) => readId64(v, 'after')) }),
      };
    case FrameType.UNIQUE: {
      const after = optional(readOptions(f[4])['after'], (v) => readId64(v, 'after'));
      return {
        kind: 'UNIQUE_OK',
        id,
        count: readSize(f[2], 'count'),
        ids: readBin(f[3], 'ids'),
        ...withoutUndefined({ after }),
      };
    }
    case FrameType.PULL: {
      const m = readMap(f[2], 'PULL');
      return {
        kind: 'PULL_OK',
        id,
        tiles: readSize(m['tiles'], 'tiles'),
        dtype: readDType(m['dtype']),
        at: readSize(m['at'], 'at'),
      };
    }
    case FrameType.PRIO:
      return { kind: 'PRIO_OK', id };
    case FrameType.CUTOUT: {
      const m = readMap(f[2], 'CUTOUT');
      return {
        kind: 'CUTOUT_OK',
        id,
        dtype: readDType(m['dtype']),
        shape: readVec3(m['shape'], 'shape'),
        bytes: readSize(m['bytes'], 'bytes'),
        seq: readSize(m['seq'], 'seq'),
        mime: readString(m['mime'], 'mime', 256),
      };
    }
    case FrameType.EDIT: {
      const m = readOptions(f[4]);
      return {
        kind: 'EDIT_OK',
        id,
        status: readOneOf(f[2], 'status', ['applied', 'noop']),
        seq: readSize(f[3], 'seq'),
        ...(m['dup'] === true ? { dup: true } : {}),
        results: readArray(m['results'] ?? [], 'results', ANY),
      };
    }
    case FrameType.SUBSCRIBE: {
      const m = readMap(f[2], 'SUBSCRIBE');
      return {
        kind: 'SUBSCRIBE_OK',
        id,
        ...readLogHead(m),
        mode: readOneOf(m['mode'], 'mode', ['tail', 'snapshot', 'reset']),
        writers: m['writers'],
      };
    }
    case FrameType.UNSUBSCRIBE:
      return { kind: 'UNSUBSCRIBE_OK', id };
    case FrameType.FOCUS:
      return { kind: 'FOCUS_OK', id };
    case FrameType.HISTORY: {
      const m = readMap(f[2], 'HISTORY');
      return {
        kind: 'HISTORY_OK',
        id,
        ...readLogHead(m),
        edits: readArray(m['edits'], 'edits', ANY).map(readEdit),
        more: m['more'] === true,
      };
    }
    default:
      return { kind: 'IGNORED', id };
  }
}

function readEvent(type: number, id: number, f: readonly unknown[]): ServerMessage {
  switch (type) {
    case FrameType.PING:
      return { kind: 'PING', id, t: readScalar(f[2], 't') };
    case FrameType.GOAWAY:
      return {
        kind: 'GOAWAY',
        id,
        code: readU32(f[2], 'code'),
        reason: readString(f[3], 'reason', ANY),
        retryMs: optional(f[4], (v) => readSize(v, 'retryMs')) ?? 0,
      };
    case FrameType.AUTHREQ:
      return { kind: 'AUTHREQ', id, expiresInMs: readSize(f[2], 'expiresInMs') };
    case FrameType.TILE:
      throw new MalformedFrame(NOT_A_TILE);
    case FrameType.END: {
      const m = readOptions(f[3]);
      return {
        kind: 'END',
        id,
        status: readOneOf(f[2], 'status', ['done', 'cancelled', 'replaced']),
        sent: readSize(m['sent'] ?? 0, 'sent'),
        failed: readSize(m['failed'] ?? 0, 'failed'),
        bytes: readSize(m['bytes'] ?? 0, 'bytes'),
      };
    }
    case FrameType.EDITS:
      return {
        kind: 'EDITS',
        id,
        from: readSize(f[2], 'from'),
        upto: readSize(f[3], 'upto'),
        flags: readU32(f[4], 'flags'),
        edits: readArray(f[5], 'edits', ANY).map(readEdit),
      };
    case FrameType.LIVE:
      return { kind: 'LIVE', id, seq: readSize(f[2], 'seq') };
    case FrameType.RESET:
      return {
        kind: 'RESET',
        id,
        code: readU32(f[2], 'code'),
        epoch: readBytes(f[3], 'epoch', 8),
        head: readSize(f[4], 'head'),
      };
    case FrameType.SNAP:
      return {
        kind: 'SNAP',
        id,
        seq: readSize(f[2], 'seq'),
        section: readString(f[3], 'section', ANY),
        row: readSize(f[4], 'row'),
        more: f[5] === true,
        rows: f[6],
      };
    case FrameType.UNSUBSCRIBE:
      return { kind: 'UNSUBSCRIBED', id, code: readU32(f[2], 'code'), reason: readString(f[3], 'reason', ANY) };
    case FrameType.PEERS:
      return { kind: 'PEERS', id, peers: readArray(f[2], 'peers', ANY).map(readPeer) };
    case FrameType.BEAT:
      return { kind: 'BEAT', id };
    case FrameType.ERROR: {
      const code = readU32(f[2], 'code');
      const details = optional(f[5], (v) => readMap(v, 'details'));
      return {
        kind: 'ERROR',
        id,
        code,
        error: errorName(code),
        message: readString(f[3], 'message', ANY),
        retryMs: optional(f[4], (v) => readSize(v, 'retryMs')) ?? null,
        ...withoutUndefined({ details }),
      };
    }
    default:
      return { kind: 'IGNORED', id };
  }
}

const readEdit = (value: unknown): EditRecord => readMap(value, 'edits: each');

function readBin(value: unknown, field: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw badField(field, 'bytes (bin)');
}

function readUser(value: unknown): { readonly id: string; readonly name: string } {
  const m = readMap(value ?? {}, 'user');
  return { id: readString(m['id'] ?? '', 'user: id', ANY), name: readString(m['name'] ?? '', 'user: name', ANY) };
}

function readWelcome(id: number, m: WireMap): Welcome {
  return {
    kind: 'WELCOME',
    id,
    v: readU32(m['v'], 'v'),
    server: readString(m['server'] ?? '', 'server', ANY),
    session: readString(m['session'] ?? '', 'session', ANY),
    user: readUser(m['user']),
    now: readSize(m['now'] ?? 0, 'now'),
    feat: readArray(m['feat'] ?? [], 'feat', ANY).map((v) => readString(v, 'feat', ANY)),
    ...withoutUndefined({ exp: optional(m['exp'], (v) => readSize(v, 'exp')) }),
    ping: readSize(m['ping'], 'ping'),
    win: readSize(m['win'], 'win'),
    frame: readSize(m['frame'], 'frame'),
    // A later server may announce more, an earlier one fewer: clients read the limits that they know.
    limits: readMap(m['limits'] ?? {}, 'limits') as unknown as Limits,
    resume: readArray(m['resume'] ?? [], 'resume', ANY),
  };
}

function readInfo(m: WireMap): ChannelInfo | DatasetInfo {
  if (m['kind'] === 'dataset') {
    const channels = readArray(m['channels'], 'channels', ANY).map((channel) =>
      readChannel(readMap(channel, 'channel')),
    );
    return { path: readString(m['path'], 'path', ANY), kind: 'dataset', channels };
  }
  return readChannel(m);
}

function readChannel(m: WireMap): ChannelInfo {
  const tables = readMap(m['tables'] ?? {}, 'tables');
  return {
    path: readString(m['path'], 'path', ANY),
    kind: 'channel',
    type: readOneOf(m['type'], 'type', ['image', 'segmentation']),
    dtype: readDType(m['dtype']),
    mips: readArray(m['mips'], 'mips', 256).map(readMipInfo),
    enc: readArray(m['enc'] ?? ['raw'], 'enc', 64).filter((name): name is EncodingName =>
      (ENCODINGS as readonly unknown[]).includes(name),
    ),
    source: readString(m['source'] ?? '', 'source', ANY),
    editable: m['editable'] === true,
    epoch: readBytes(m['epoch'], 'epoch', 8),
    first: readSize(m['first'] ?? 1, 'first'),
    head: readSize(m['head'] ?? 0, 'head'),
    tables: Object.fromEntries(Object.entries(tables).map(([name, count]) => [name, readSize(count, name)])),
    ...withoutUndefined({
      maxId: optional(m['maxId'], (v) => readId64(v, 'maxId')),
      edited: optional(m['edited'], (v) => readSize(v, 'edited')),
      rights: optional(m['rights'], (v) =>
        readArray(v, 'rights', 64).filter((name): name is ChannelRight =>
          (CHANNEL_RIGHTS as readonly unknown[]).includes(name),
        ),
      ),
    }),
  };
}

function readMipInfo(value: unknown): MipInfo {
  const m = readMap(value, 'mip');
  return {
    shape: readVec3(m['shape'], 'shape'),
    chunk: readVec3(m['chunk'], 'chunk'),
    voxel: readNumbers3(m['voxel'], 'voxel'),
    offset: readVec3(m['offset'], 'offset'),
  };
}

function readEntry(value: unknown): ListEntry {
  const m = readMap(value, 'entry');
  return {
    name: readString(m['name'], 'name', ANY),
    kind: readOneOf(m['kind'], 'kind', ['experiment', 'sample', 'dataset', 'channel']),
    path: readString(m['path'], 'path', ANY),
  };
}

function readLogHead(m: WireMap): { epoch: Uint8Array; first: number; head: number } {
  return {
    epoch: readBytes(m['epoch'], 'epoch', 8),
    first: readSize(m['first'] ?? 1, 'first'),
    head: readSize(m['head'], 'head'),
  };
}

function readPeer(value: unknown): readonly [string, number, WireMap | null] {
  const f = readArray(value, 'peer', 16);
  return [readString(f[0], 'peer', ANY), readSize(f[1], 'n'), optional(f[2], (v) => readMap(v, 'state')) ?? null];
}
