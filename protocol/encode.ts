/** Messages to bytes. Trailing fields that hold their default are left out. TILE frames are written by `tile-frame.ts`. */
import { EDITS_PREFIX_BYTES, writeEditsPrefix } from './edits-frame.ts';
import { ERROR_CODES } from './errors.ts';
import { MessageWriter } from './message-writer.ts';
import { type ClientMessage, FrameType, type ResumeRequest, type ServerMessage } from './messages.ts';
import { pack } from './msgpack.ts';
import { TILE_HEADER_BYTES, type TileHeader, writeTileHeader } from './tile-frame.ts';

type Fields = readonly unknown[];
type Options = Record<string, unknown>;

/** Only the options that are set; nothing where none is. */
function options(entries: Options): Fields {
  const set: Options = {};
  let any = false;
  for (const key in entries) {
    const value = entries[key];
    if (value === undefined) continue;
    set[key] = value;
    any = true;
  }
  return any ? [set] : [];
}

/**
 * Encodes a client's message.
 *
 * @returns borrowed bytes, see `pack`; BULK: owned bytes of header and payload.
 */
export function encodeClient(message: ClientMessage): Uint8Array {
  if (message.kind === 'BULK') return joinTile(message.header, message.payload);
  const [type, ...fields] = clientFields(message);
  return pack([type, message.id, ...fields]);
}

function clientFields(m: Exclude<ClientMessage, { kind: 'BULK' }>): Fields {
  switch (m.kind) {
    case 'HELLO': {
      const { kind: _kind, id: _id, resume, ...rest } = m;
      return [FrameType.HELLO, options({ ...rest, resume: resume?.map(resumeFields) })[0] ?? {}];
    }
    case 'PING':
      return [FrameType.PING, m.t];
    case 'PONG':
      return [FrameType.PING + FrameType.REPLY, m.t];
    case 'AUTH':
      return [FrameType.AUTH, m.token];
    case 'INFO':
      return [FrameType.INFO, m.path];
    case 'LIST':
      return [FrameType.LIST, m.path, ...options({ after: m.after, limit: m.limit })];
    case 'FEATURE':
      return [FrameType.FEATURE, m.path, m.feature, ...options({ id: m.key, box: m.box, mip: m.mip, after: m.after })];
    case 'UNIQUE':
      return [
        FrameType.UNIQUE,
        m.path,
        m.mip,
        m.box,
        ...options({ map: m.map, at: m.at, epoch: m.epoch, after: m.after }),
      ];
    case 'PULL': {
      const { kind: _kind, id: _id, path, mip, box, ...rest } = m;
      return [FrameType.PULL, path, mip, box, ...options(rest)];
    }
    case 'CREDIT':
      return [FrameType.CREDIT, m.grants];
    case 'CANCEL':
      return [FrameType.CANCEL];
    case 'PRIO':
      return [FrameType.PRIO, m.pull, m.urgency, m.focus];
    case 'CUTOUT': {
      const { kind: _kind, id: _id, path, mip, box, ...rest } = m;
      return [FrameType.CUTOUT, path, mip, box, ...options(rest)];
    }
    case 'EDIT': {
      const { kind: _kind, id: _id, path, wid, wseq, base, ops, ...rest } = m;
      return [FrameType.EDIT, path, wid, wseq, base, ops, ...options(rest)];
    }
    case 'SUBSCRIBE': {
      const { kind: _kind, id: _id, path, epoch, after, ...rest } = m;
      return [FrameType.SUBSCRIBE, path, epoch, after, ...options(rest)];
    }
    case 'UNSUBSCRIBE':
      return [FrameType.UNSUBSCRIBE, m.sub];
    case 'FOCUS':
      return [FrameType.FOCUS, m.sub, m.filter];
    case 'HISTORY':
      return [FrameType.HISTORY, m.path, m.after, m.limit, ...options({ user: m.user, kinds: m.kinds })];
    case 'PRESENCE':
      return [FrameType.PRESENCE, m.n, m.state];
    case 'IGNORED':
      return [0x60];
  }
}

function resumeFields(r: ResumeRequest): Fields {
  const { sub, path, epoch, after, ...rest } = r;
  return [sub, path, epoch, after, ...options({ ...rest })];
}

/**
 * Encodes a server's message.
 *
 * @returns borrowed bytes, see `pack`; TILE: owned bytes of header and payload (the server's own path is `tile-frame.ts`).
 */
export function encodeServer(message: ServerMessage): Uint8Array {
  if (message.kind === 'TILE') return joinTile(message.header, message.payload);
  if (message.kind === 'EDITS') return encodeEdits(message);
  if (message.kind === 'EDIT_OK') return encodeEditOk(message);
  const [type, ...fields] = serverFields(message);
  return pack([type, message.id, ...fields]);
}

const editOk = new MessageWriter(16 * 1024);

/** Sent for every edit: straight into a buffer. */
function encodeEditOk({ id, status, seq, dup, results }: Extract<ServerMessage, { kind: 'EDIT_OK' }>): Uint8Array {
  const start = editOk.begin();
  editOk.byte(0x95);
  editOk.value(FrameType.EDIT + FrameType.REPLY);
  editOk.value(id);
  editOk.value(status);
  editOk.value(seq);
  editOk.value(dup === undefined ? { results } : { dup, results });
  return editOk.part(start);
}

function reply(request: number, ...fields: unknown[]): Fields {
  return [request + FrameType.REPLY, ...fields];
}

function serverFields(m: Exclude<ServerMessage, { kind: 'TILE' | 'EDITS' | 'EDIT_OK' }>): Fields {
  switch (m.kind) {
    case 'WELCOME': {
      const { kind: _kind, id: _id, ...rest } = m;
      return reply(FrameType.HELLO, ...options(rest));
    }
    case 'PING':
      return [FrameType.PING, m.t];
    case 'PONG':
      return reply(FrameType.PING, m.t);
    case 'GOAWAY':
      return [FrameType.GOAWAY, m.code, m.reason, m.retryMs];
    case 'AUTH_OK':
      return reply(FrameType.AUTH, { exp: m.exp, user: m.user });
    case 'AUTHREQ':
      return [FrameType.AUTHREQ, m.expiresInMs];
    case 'INFO_OK':
      return reply(FrameType.INFO, m.info);
    case 'LIST_OK':
      return reply(FrameType.LIST, { entries: m.entries, ...(options({ next: m.next })[0] as object) });
    case 'FEATURE_OK':
      return reply(
        FrameType.FEATURE,
        m.value,
        ...options({ more: m.after === undefined ? undefined : true, after: m.after }),
      );
    case 'UNIQUE_OK':
      return reply(
        FrameType.UNIQUE,
        m.count,
        m.ids,
        ...options({ more: m.after === undefined ? undefined : true, after: m.after }),
      );
    case 'PULL_OK':
      return reply(FrameType.PULL, { tiles: m.tiles, dtype: m.dtype, at: m.at });
    case 'END':
      return [FrameType.END, m.status, { sent: m.sent, failed: m.failed, bytes: m.bytes }];
    case 'PRIO_OK':
      return reply(FrameType.PRIO);
    case 'CUTOUT_OK':
      return reply(FrameType.CUTOUT, {
        dtype: m.dtype,
        shape: m.shape,
        bytes: m.bytes,
        seq: m.seq,
        mime: m.mime,
      });
    case 'SUBSCRIBE_OK':
      return reply(FrameType.SUBSCRIBE, {
        epoch: m.epoch,
        first: m.first,
        head: m.head,
        mode: m.mode,
        writers: m.writers,
      });
    case 'LIVE':
      return [FrameType.LIVE, m.seq];
    case 'RESET':
      return [FrameType.RESET, m.code, m.epoch, m.head];
    case 'SNAP':
      return [FrameType.SNAP, m.seq, m.section, m.row, m.more, m.rows];
    case 'UNSUBSCRIBE_OK':
      return reply(FrameType.UNSUBSCRIBE);
    case 'UNSUBSCRIBED':
      return [FrameType.UNSUBSCRIBE, m.code, m.reason];
    case 'FOCUS_OK':
      return reply(FrameType.FOCUS);
    case 'HISTORY_OK':
      return reply(FrameType.HISTORY, {
        epoch: m.epoch,
        first: m.first,
        head: m.head,
        edits: m.edits,
        more: m.more,
      });
    case 'PEERS':
      return [FrameType.PEERS, m.peers];
    case 'BEAT':
      return [FrameType.BEAT];
    case 'ERROR':
      return [FrameType.ERROR, m.code, m.message, m.retryMs, ...(m.details === undefined ? [] : [m.details])];
    case 'IGNORED':
      return [0x60];
  }
}

/**
 * Rewrites the id of an encoded reply (a type of 0x80 and more, in two bytes) whose id was encoded as a whole u32: as wide as any,
 * which is legal for small ids too.
 */
export function writeReplyId(reply: Uint8Array, id: number): void {
  // [0] array, [1..2] cc TYPE, [3] ce, [4..7] id
  reply[4] = id >>> 24;
  reply[5] = id >>> 16;
  reply[6] = id >>> 8;
  reply[7] = id;
}

/** An ERROR frame from a name of the table. */
export function encodeError(
  id: number,
  error: keyof typeof ERROR_CODES,
  message: string,
  retryMs?: number,
  details?: Readonly<Record<string, unknown>>,
): Uint8Array {
  const code = ERROR_CODES[error];
  return pack([FrameType.ERROR, id, code, message, retryMs ?? null, ...(details === undefined ? [] : [details])]);
}

/** EDITS: 27 fixed bytes that differ by subscription, then the array of edits, which is encoded once for everybody. Rule [S6]. */
function encodeEdits(m: Extract<ServerMessage, { kind: 'EDITS' }>): Uint8Array {
  const edits = pack(m.edits);
  const frame = new Uint8Array(EDITS_PREFIX_BYTES + edits.length);
  writeEditsPrefix(frame, m.id, m.from, m.upto, m.flags);
  frame.set(edits, EDITS_PREFIX_BYTES);
  return frame;
}

function joinTile(header: TileHeader, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(TILE_HEADER_BYTES + payload.length);
  frame.set(payload, TILE_HEADER_BYTES);
  writeTileHeader(frame, { ...header, length: payload.length });
  return frame;
}
