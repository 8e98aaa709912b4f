/**
 * What one client may expect of the protocol, whatever it has sent: a model beside the connection.
 *
 * It is told of every frame that is sent and of every message that comes, and keeps what is wrong: replies to nothing, two answers
 * to one request, tiles beyond the credit, streams that do not end.
 */
import { BadFrame, decodeClient } from '../../protocol/decode.ts';
import { MalformedFrame } from '../../protocol/errors.ts';
import { WINDOW } from '../../protocol/limits.ts';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts';
import { TILE_HEADER_BYTES, TileFlag } from '../../protocol/tile-frame.ts';

/** What a frame calls for. */
type Due =
  /** One reply, or an ERROR of its id or of id 0. */
  | { readonly due: 'reply'; readonly id: number; readonly message?: ClientMessage }
  /** Nothing. */
  | { readonly due: 'nothing'; readonly message?: ClientMessage }
  /** The end of the connection. */
  | { readonly due: 'close' };

const REPLIES: Partial<Record<ClientMessage['kind'], ServerMessage['kind']>> = {
  PING: 'PONG',
  INFO: 'INFO_OK',
  LIST: 'LIST_OK',
  UNIQUE: 'UNIQUE_OK',
  PULL: 'PULL_OK',
  CUTOUT: 'CUTOUT_OK',
  PRIO: 'PRIO_OK',
};

/** What a server that keeps to the protocol does with a frame of a client that was welcomed. */
export function dueFor(bytes: Uint8Array): Due {
  try {
    const message = decodeClient(bytes);
    switch (message.kind) {
      case 'CREDIT':
      case 'CANCEL':
      case 'PONG':
      case 'IGNORED':
        return { due: 'nothing', message };
      case 'PRESENCE':
      case 'BULK':
        return { due: 'reply', id: 0, message };
      default:
        return { due: 'reply', id: message.id, message };
    }
  } catch (error) {
    if (error instanceof BadFrame) return { due: 'reply', id: error.id };
    if (error instanceof MalformedFrame) return { due: 'close' };
    throw error;
  }
}

interface Stream {
  readonly kind: 'PULL_OK' | 'CUTOUT_OK';
  /** Tiles, or bytes of a cutout, that were announced. */
  readonly announced: number;
  /** Bytes of its TILE messages. */
  bytes: number;
  items: number;
  failed: number;
  payload: number;
  midway: boolean;
}

/** Book of one connection, from WELCOME on. */
export class SessionLedger {
  /** What was wrong, in order. */
  readonly faults: string[] = [];
  /** Requests that were sent, by id, and the kinds of reply that they may get. */
  readonly #asked = new Map<number, (ServerMessage['kind'] | undefined)[]>();
  readonly #streams = new Map<number, Stream>();
  /** Highest grant by id; what the client's windows give from the beginning included. */
  readonly #limits = new Map<number, number>();
  readonly #window: number;
  #connectionBytes = 0;
  /** Answers that are still to come. */
  #due = 0;
  #closing = false;
  #answered = 0;
  #tiles = 0;

  /** @param windowBytes first credit of the connection and its streams, as WELCOME said. */
  constructor(windowBytes: number) {
    this.#window = windowBytes;
    this.#limits.set(0, windowBytes);
  }

  /** Answers that are still to come, and streams that have not ended. */
  get open(): number {
    return this.#due + this.#streams.size;
  }

  /** Whether a frame was sent that ends the connection. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Replies and errors that came. */
  get answered(): number {
    return this.#answered;
  }

  get tiles(): number {
    return this.#tiles;
  }

  /** Ids of streams under way. */
  get streams(): number[] {
    return [...this.#streams.keys()];
  }

  /** Ids that have, or may have, a request under way. */
  get ids(): number[] {
    return [...this.#asked.keys()];
  }

  /** Is told of a frame before it is sent. */
  sent(bytes: Uint8Array): void {
    const due = dueFor(bytes);
    if (due.due === 'close') this.#closing = true;
    else if (due.due === 'nothing') this.#grant(due.message);
    else {
      this.#due++;
      const reply = due.message === undefined ? undefined : REPLIES[due.message.kind];
      this.#asked.set(due.id, [...(this.#asked.get(due.id) ?? []), reply]);
      if (due.message?.kind === 'PULL' || due.message?.kind === 'CUTOUT') this.#openWindow(due.id, due.message.win);
    }
  }

  #openWindow(id: number, wish: number | undefined): void {
    const window = wish === undefined ? this.#window : Math.min(WINDOW.max, Math.max(WINDOW.min, wish));
    // A second request of an id that is in use is refused, so what was granted before still holds.
    const isFree = (this.#asked.get(id)?.length ?? 0) <= 1 && !this.#streams.has(id);
    this.#limits.set(id, isFree ? window : Math.max(window, this.#limits.get(id) ?? 0));
  }

  #grant(message: ClientMessage | undefined): void {
    if (message?.kind !== 'CREDIT') return;
    for (const [id, bytes] of message.grants) this.#limits.set(id, Math.max(bytes, this.#limits.get(id) ?? 0));
  }

  /** Is told of every message that comes after WELCOME, in order. `size` is that of the whole message. */
  received(message: ServerMessage, size: number): void {
    switch (message.kind) {
      case 'TILE':
        return this.#tile(message, size);
      case 'END':
        return this.#end(message);
      case 'ERROR':
        return this.#error(message);
      case 'PULL_OK':
        return this.#start(message.id, message.kind, message.tiles);
      case 'CUTOUT_OK':
        return this.#start(message.id, message.kind, message.bytes);
      case 'INFO_OK':
      case 'LIST_OK':
      case 'UNIQUE_OK':
      case 'PONG':
      case 'PRIO_OK':
        return this.#reply(message.id, message.kind);
      case 'PING':
      case 'BEAT':
      case 'GOAWAY':
        return;
      default:
        this.#fault(`${message.kind} ${message.id} came out of nowhere`);
    }
  }

  #fault(what: string): void {
    this.faults.push(what);
  }

  #reply(id: number, kind: ServerMessage['kind']): boolean {
    const asked = this.#asked.get(id) ?? [];
    const at = asked.indexOf(kind);
    if (at < 0) {
      this.#fault(`${kind} ${id} answers nothing that was asked`);
      return false;
    }
    this.#settle(id, at);
    return true;
  }

  /** One answer less is due. */
  #settle(id: number, at: number): void {
    const asked = (this.#asked.get(id) ?? []).toSpliced(at, 1);
    if (asked.length === 0) this.#asked.delete(id);
    else this.#asked.set(id, asked);
    this.#due--;
    this.#answered++;
  }

  #start(id: number, kind: Stream['kind'], announced: number): void {
    if (this.#streams.has(id)) this.#fault(`${kind} ${id} came while the stream ${id} was open`);
    if (!this.#reply(id, kind)) return;
    this.#streams.set(id, { kind, announced, bytes: 0, items: 0, failed: 0, payload: 0, midway: false });
  }

  #tile({ id, header, payload }: Extract<ServerMessage, { kind: 'TILE' }>, size: number): void {
    this.#tiles++;
    const stream = this.#streams.get(id);
    const limit = this.#limits.get(id) ?? 0;
    const connectionLimit = this.#limits.get(0) ?? 0;
    if (stream === undefined) return this.#fault(`TILE ${id} belongs to no stream`);
    if (stream.bytes >= limit) this.#fault(`TILE ${id} began at ${stream.bytes}, the stream's credit is ${limit}`);
    if (this.#connectionBytes >= connectionLimit)
      this.#fault(`TILE ${id} began at ${this.#connectionBytes}, the connection's credit is ${connectionLimit}`);
    if (size !== TILE_HEADER_BYTES + payload.length) this.#fault(`TILE ${id} has another length than it says`);
    if (header.item !== stream.items) this.#fault(`TILE ${id} is item ${header.item}, not ${stream.items}`);
    const isContinued = (header.flags & TileFlag.CONT) !== 0;
    if (isContinued !== stream.midway) this.#fault(`TILE ${id}: CONT is ${isContinued}, midway is ${stream.midway}`);
    stream.bytes += size;
    stream.payload += payload.length;
    this.#connectionBytes += size;
    stream.midway = (header.flags & TileFlag.LAST) === 0;
    if (stream.midway || stream.kind === 'CUTOUT_OK') return;
    stream.items++;
    if ((header.flags & TileFlag.ERROR) !== 0) stream.failed++;
  }

  #end({ id, status, sent, failed, bytes }: Extract<ServerMessage, { kind: 'END' }>): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#fault(`END ${id} ends no stream`);
    this.#streams.delete(id);
    if (bytes !== stream.bytes) this.#fault(`END ${id} counts ${bytes} bytes, ${stream.bytes} came`);
    if (stream.kind === 'PULL_OK') {
      if (failed !== stream.failed || sent !== stream.items - stream.failed)
        this.#fault(`END ${id} counts ${sent}+${failed} tiles, ${stream.items} came, ${stream.failed} of them failed`);
      if (status === 'done' && stream.items !== stream.announced)
        this.#fault(`pull ${id} is done after ${stream.items} of ${stream.announced} tiles`);
    } else if (status === 'done' && stream.payload !== stream.announced)
      this.#fault(`cutout ${id} is done after ${stream.payload} of ${stream.announced} bytes`);
    if (status === 'done' && stream.midway) this.#fault(`stream ${id} is done in the middle of a tile`);
  }

  #error({ id, message }: Extract<ServerMessage, { kind: 'ERROR' }>): void {
    if (message === '' || message.includes('\n') || /\/(tmp|work|home)\//.test(message))
      this.#fault(`ERROR ${id} says "${message}"`);
    if (id === 0) return this.#errorOfNobody(message);
    // An ERROR with an id ends the request of that id: the stream, where one is open.
    if (this.#streams.delete(id)) return;
    const asked = this.#asked.get(id);
    if (asked === undefined) return this.#fault(`ERROR ${id} (${message}) answers nothing that was asked`);
    // Which of several requests of one id is meant cannot be told: the oldest that is not yet answered.
    this.#settle(id, 0);
  }

  /** A frame without an id of its own, or whose id is in use. */
  #errorOfNobody(message: string): void {
    this.#answered++;
    this.#due--;
    const named = /^the id (\d+) is/.exec(message)?.[1];
    const ids = named === undefined ? [0, ...this.#asked.keys()] : [Number(named)];
    // Where the message names no id, one whose request is certainly answered twice else is taken.
    const id = ids.find((candidate) => this.#asked.has(candidate));
    if (id === undefined) return this.#fault(`ERROR 0 (${message}) answers nothing that was asked`);
    const asked = this.#asked.get(id) ?? [];
    const rest = asked.slice(0, -1);
    if (rest.length === 0) this.#asked.delete(id);
    else this.#asked.set(id, rest);
  }
}
