/**
 * What one client may expect of the protocol, whatever it has sent: a model beside the connection.
 *
 * It is told of every frame that is sent and of every message that comes, and keeps what is wrong: answers to nothing, two answers
 * to one request, tiles beyond the credit, streams that go on after their end. What never comes stays `open`.
 */
import { BadFrame, decodeClient } from '../../protocol/decode.ts';
import { ERROR_CODES, MalformedFrame } from '../../protocol/errors.ts';
import { DEFAULT_LIMITS, WINDOW } from '../../protocol/limits.ts';
import type { ClientMessage, ServerMessage, Subscribe } from '../../protocol/messages.ts';
import { TILE_HEADER_BYTES, TileFlag } from '../../protocol/tile-frame.ts';
import { SubscriptionLedger } from './subscription-ledger.ts';

type Kind = ServerMessage['kind'];

/** What a server that keeps to the protocol does with a frame of a client that was welcomed. */
type Due =
  /** One reply, or an ERROR of its id or of id 0; `kind` where it may be a reply at all. */
  | { readonly due: 'answer'; readonly id: number; readonly kind?: Kind; readonly message?: ClientMessage }
  | { readonly due: 'nothing'; readonly message: ClientMessage }
  /** Nothing, or an ERROR of id 0 where it is wrong in a way that only the server knows. */
  | { readonly due: 'perhaps'; readonly message: ClientMessage }
  /** The connection ends. */
  | { readonly due: 'close' };

const REPLIES: Partial<Record<ClientMessage['kind'], Kind>> = {
  PING: 'PONG',
  INFO: 'INFO_OK',
  LIST: 'LIST_OK',
  FEATURE: 'FEATURE_OK',
  UNIQUE: 'UNIQUE_OK',
  PULL: 'PULL_OK',
  CUTOUT: 'CUTOUT_OK',
  PRIO: 'PRIO_OK',
  EDIT: 'EDIT_OK',
  SUBSCRIBE: 'SUBSCRIBE_OK',
  UNSUBSCRIBE: 'UNSUBSCRIBE_OK',
  FOCUS: 'FOCUS_OK',
  HISTORY: 'HISTORY_OK',
};

function dueFor(bytes: Uint8Array): Due {
  try {
    const message = decodeClient(bytes);
    const { id, kind } = message;
    if (bytes.length > DEFAULT_LIMITS.message && kind !== 'BULK') return { due: 'answer', id };
    if (kind === 'CREDIT' || kind === 'CANCEL' || kind === 'PONG' || kind === 'IGNORED')
      return { due: 'nothing', message };
    if (kind === 'PRESENCE' || kind === 'BULK') return { due: 'perhaps', message };
    const reply = REPLIES[kind];
    return { due: 'answer', id, message, ...(reply === undefined ? {} : { kind: reply }) };
  } catch (error) {
    if (error instanceof BadFrame) return { due: 'answer', id: error.id };
    if (error instanceof MalformedFrame) return { due: 'close' };
    throw error;
  }
}

interface Stream {
  readonly kind: 'PULL_OK' | 'CUTOUT_OK';
  /** Tiles of a pull, or bytes of a cutout, that were announced. */
  readonly announced: number;
  /** Bytes of its TILE messages, and of their payloads. */
  bytes: number;
  payload: number;
  items: number;
  failed: number;
  midway: boolean;
}

/** How often something of one id was asked for and answered. */
interface Count {
  asked: number;
  answered: number;
  /** By kind of reply: asked for less come. */
  readonly kinds: Map<Kind, number>;
  /** What was asked for and not answered, of those whose answer depends on it, in order. */
  readonly open: (ClientMessage | undefined)[];
}

/** An EDIT that was acknowledged. */
export interface Acknowledged {
  readonly path: string;
  readonly wid: Uint8Array;
  readonly wseq: number;
  readonly seq: number;
  readonly dup: boolean;
}

/** Book of one connection, from WELCOME on. */
export class SessionLedger {
  /** What was wrong, in order. */
  readonly faults: string[] = [];
  /** Answers that are still to come. */
  due = 0;
  /** A frame was sent that ends the connection. */
  closing = false;
  /** TILE messages that came. */
  tiles = 0;
  /** Streams that ended with all they had announced. */
  whole = 0;
  readonly acknowledged: Acknowledged[] = [];
  readonly subscriptions = new SubscriptionLedger(
    (text) => this.faults.push(text),
    (id) => this.#limits.get(id) ?? 0,
  );
  readonly #counts = new Map<number, Count>();
  readonly #streams = new Map<number, Stream>();
  /** Highest credit that the server may have, by stream id; 0 = the connection. */
  readonly #limits = new Map<number, number>();
  readonly #window: number;
  #connectionBytes = 0;
  /** SUBSCRIBEs that had no answer when an UNSUBSCRIBE of them was sent. */
  readonly #pending = new Map<ClientMessage, readonly Subscribe[]>();

  /** Frames without a reply that may be answered by an ERROR of id 0, and ERRORs of id 0 of which is not known what they answer. */
  #perhaps = 0;
  #unnamed = 0;

  /**
   * @param windowBytes first credit of the connection and of its streams, as WELCOME said.
   * @param hasRates whether the server has rates that this client passes.
   */
  constructor(windowBytes: number, hasRates = false) {
    this.subscriptions.isVague = hasRates;
    this.#window = windowBytes;
    this.#limits.set(0, windowBytes);
  }

  /** Answers that are still to come, and streams that have not ended. */
  get open(): number {
    return Math.max(0, this.due - this.#unnamed) + this.#streams.size + this.subscriptions.lagging;
  }

  /** Every id that was used. */
  get ids(): number[] {
    return [...this.#counts.keys()];
  }

  /** Ids of open streams. */
  get streams(): number[] {
    return [...this.#streams.keys()];
  }

  /** Bytes of TILE messages: of a stream that is open, or (id 0) of the connection. */
  bytesOf(id: number): number {
    if (id === 0) return this.#connectionBytes;
    return this.#streams.get(id)?.bytes ?? this.subscriptions.bytesOf(id);
  }

  /** Is told of a frame before it is sent. */
  sent(bytes: Uint8Array): void {
    const frame = dueFor(bytes);
    if (frame.due === 'close') this.closing = true;
    else if (frame.due === 'nothing') this.#grant(frame.message);
    else if (frame.due === 'perhaps') this.#perhaps++;
    else {
      const { id, message, kind } = frame;
      const isStream = message?.kind === 'PULL' || message?.kind === 'CUTOUT' || message?.kind === 'SUBSCRIBE';
      if (id !== 0 && isStream) this.#openWindow(id, message.win);
      if (id !== 0 && message?.kind === 'SUBSCRIBE') this.subscriptions.asked(message);
      const count = this.#count(id);
      count.open.push(message);
      if (message?.kind === 'UNSUBSCRIBE') this.#pending.set(message, this.subscriptions.pending(message.sub));
      count.asked++;
      if (kind !== undefined) count.kinds.set(kind, (count.kinds.get(kind) ?? 0) + 1);
      this.due++;
    }
  }

  #count(id: number): Count {
    const known = this.#counts.get(id);
    if (known !== undefined) return known;
    const count: Count = { asked: 0, answered: 0, kinds: new Map(), open: [] };
    this.#counts.set(id, count);
    return count;
  }

  #openWindow(id: number, wish: number | undefined): void {
    const window = wish === undefined ? this.#window : Math.min(WINDOW.max, Math.max(WINDOW.min, wish));
    const { asked, answered } = this.#count(id);
    // Where the id may be in use, the new request may be refused, and what the older one was granted holds.
    const isFree = asked === answered && !this.#streams.has(id) && !this.subscriptions.has(id);
    this.#limits.set(id, isFree ? window : Math.max(window, this.#limits.get(id) ?? 0));
  }

  #grant(message: ClientMessage): void {
    if (message.kind !== 'CREDIT') return;
    for (const [id, bytes] of message.grants) this.#limits.set(id, Math.max(bytes, this.#limits.get(id) ?? 0));
  }

  /** Is told of every message that comes behind WELCOME, in order; `size` is that of the whole message. */
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
      case 'FEATURE_OK':
      case 'UNIQUE_OK':
      case 'PONG':
      case 'PRIO_OK':
        return void this.#reply(message.id, message.kind);
      case 'EDIT_OK':
        return this.#edited(message);
      case 'HISTORY_OK':
        return this.#history(message);
      case 'SUBSCRIBE_OK':
        this.#reply(message.id, message.kind);
        return this.subscriptions.opened(message);
      case 'UNSUBSCRIBE_OK':
      case 'FOCUS_OK':
        return this.#ofSubscription(message);
      case 'EDITS':
      case 'SNAP':
      case 'LIVE':
      case 'RESET':
      case 'PEERS':
      case 'UNSUBSCRIBED':
        return this.subscriptions.received(message, size);
      case 'PING':
      case 'BEAT':
      case 'GOAWAY':
        return;
      default:
        this.faults.push(`${message.kind} ${message.id} came out of nowhere`);
    }
  }

  /** @returns what was asked, if anything was. */
  #reply(id: number, kind: Kind): ClientMessage | undefined {
    const { kinds, open } = this.#count(id);
    const left = kinds.get(kind) ?? 0;
    kinds.set(kind, left - 1);
    if (left <= 0) this.faults.push(`${kind} ${id} answers nothing that was asked`);
    this.#answer(id, kind);
    const at = open.findIndex((message) => message !== undefined && REPLIES[message.kind] === kind);
    return at < 0 ? undefined : open.splice(at, 1)[0];
  }

  #edited({ id, seq, dup = false, results }: Extract<ServerMessage, { kind: 'EDIT_OK' }>): void {
    // Of several it is not known which were refused.
    const isSure = this.#count(id).open.filter((message) => message?.kind === 'EDIT').length === 1;
    const asked = this.#reply(id, 'EDIT_OK');
    if (!isSure || asked?.kind !== 'EDIT') return;
    if (results.length !== asked.ops.length)
      this.faults.push(`EDIT_OK ${id} has ${results.length} results of ${asked.ops.length} ops`);
    this.acknowledged.push({ path: asked.path, wid: asked.wid, wseq: asked.wseq, seq, dup });
  }

  #history({ id, edits, more, head }: Extract<ServerMessage, { kind: 'HISTORY_OK' }>): void {
    const asked = this.#reply(id, 'HISTORY_OK');
    if (asked?.kind !== 'HISTORY') return;
    const { after, limit, user, kinds } = asked;
    const seqs = edits.map((edit) => edit['seq'] as number);
    const isWhole = user === undefined && kinds === undefined;
    if (seqs.some((seq, i) => (isWhole ? seq !== after + 1 + i : seq <= (seqs[i - 1] ?? after)) || seq > after + limit))
      this.faults.push(`HISTORY_OK ${id} of (${after}, ${after + limit}] holds ${seqs}`);
    if (isWhole && more !== after + seqs.length < head && after < head)
      this.faults.push(`HISTORY_OK ${id} tells more: ${more} behind ${after + seqs.length} of ${head}`);
  }

  /** What UNSUBSCRIBE and FOCUS mean is known for certain where one of their id was under way: else nothing is taken from it. */
  #ofSubscription({ id, kind }: Extract<ServerMessage, { kind: 'UNSUBSCRIBE_OK' | 'FOCUS_OK' }>): void {
    const asked = this.#reply(id, kind);
    if (asked?.kind === 'UNSUBSCRIBE') this.subscriptions.unsubscribed(asked.sub, this.#pending.get(asked) ?? []);
    if (asked?.kind === 'FOCUS') this.subscriptions.focused(asked.sub);
  }

  #answer(id: number, what: string): void {
    const count = this.#count(id);
    if (++count.answered > count.asked) this.faults.push(`${what}: the id ${id} was answered more often than asked`);
    if (--this.due < 0) this.faults.push(`${what} ${id}: more answers than requests`);
  }

  #start(id: number, kind: Stream['kind'], announced: number): void {
    if (this.#streams.has(id)) this.faults.push(`${kind} ${id} came while the stream ${id} was open`);
    this.#reply(id, kind);
    this.#streams.set(id, { kind, announced, bytes: 0, items: 0, failed: 0, payload: 0, midway: false });
  }

  #tile({ id, header, payload }: Extract<ServerMessage, { kind: 'TILE' }>, size: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return void this.faults.push(`TILE ${id} belongs to no open stream`);
    const [limit = 0, connectionLimit = 0] = [this.#limits.get(id), this.#limits.get(0)];
    if (stream.bytes >= limit) this.faults.push(`TILE ${id} began at ${stream.bytes}; the stream's credit is ${limit}`);
    if (this.#connectionBytes >= connectionLimit)
      this.faults.push(`TILE ${id} began at ${this.#connectionBytes}; the connection's credit is ${connectionLimit}`);
    if (size !== TILE_HEADER_BYTES + payload.length) this.faults.push(`TILE ${id} has another length than it says`);
    if (header.item !== stream.items) this.faults.push(`TILE ${id} is item ${header.item}, not ${stream.items}`);
    const isContinued = (header.flags & TileFlag.CONT) !== 0;
    if (isContinued !== stream.midway)
      this.faults.push(`TILE ${id}: CONT ${isContinued} where ${stream.midway} is right`);
    this.tiles++;
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
    if (stream === undefined) return void this.faults.push(`END ${id} ends no open stream`);
    this.#streams.delete(id);
    const isDone = status === 'done';
    if (isDone) this.whole++;
    if (isDone && stream.midway) this.faults.push(`stream ${id} is done in the middle of a tile`);
    if (bytes !== stream.bytes) this.faults.push(`END ${id} counts ${bytes} bytes; ${stream.bytes} came`);
    if (stream.kind === 'PULL_OK') {
      if (failed !== stream.failed || sent !== stream.items - stream.failed)
        this.faults.push(`END ${id} counts ${sent} and ${failed}; ${stream.items} came, ${stream.failed} failed`);
      if (isDone && stream.items !== stream.announced)
        this.faults.push(`pull ${id} is done after ${stream.items} of ${stream.announced} tiles`);
    } else if (isDone && stream.payload !== stream.announced)
      this.faults.push(`cutout ${id} is done after ${stream.payload} of ${stream.announced} bytes`);
  }

  #error({ id, code, message }: Extract<ServerMessage, { kind: 'ERROR' }>): void {
    if (message === '' || /\n|\/(tmp|work|home)\/|\.[jt]s:\d/.test(message))
      this.faults.push(`ERROR ${id} says ${JSON.stringify(message)}`);
    // It ends a stream where one of its id is open; else it is the answer to a request.
    if (id !== 0 && (this.#streams.delete(id) || this.subscriptions.ended(id))) return;
    if (id !== 0) {
      const refused = this.#count(id).open.shift();
      if (refused?.kind === 'SUBSCRIBE') this.subscriptions.refused(refused);
      return this.#answer(id, 'ERROR');
    }
    const named = /^the id (\d+) is (in use|kept)/.exec(message)?.[1];
    if (named !== undefined) return this.#inUse(Number(named));
    // Of a frame without a reply, or of a bad one whose id was in use: which it was, the counts need not know.
    this.#unnamed++;
    if (code !== ERROR_CODES.NOT_FOUND) this.subscriptions.isVague = true;
    if (this.#unnamed > this.#perhaps + this.due) this.faults.push(`ERROR 0 (${message}): more answers than requests`);
  }

  /** A request whose id is taken was refused: what has the id is the first of its kind, or is open. */
  #inUse(id: number): void {
    if (--this.due < 0) this.faults.push(`ERROR 0 (${id} is in use): more answers than requests`);
    const at = this.#streams.has(id) || this.subscriptions.has(id) ? 0 : 1;
    const [refused] = this.#count(id).open.splice(at, 1);
    if (refused?.kind === 'SUBSCRIBE') this.subscriptions.refused(refused);
  }
}
