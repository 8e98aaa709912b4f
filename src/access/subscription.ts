/**
 * One subscription: a cursor in a log. Nothing is queued: when there is credit and room, the next edits are read from the log. Rules [S1]..[S13].
 */
import { writeEditsPrefix } from '../../protocol/edits-frame.ts';
import { encodeServer } from '../../protocol/encode.ts';
import { SOCKET_BUFFER_HIGH } from '../../protocol/limits.ts';
import { wireChanges } from '../../protocol/wire-lists.ts';
import { type EditPiece, nameOf, pieceOf } from '../core/edits/edit-feed.ts';
import type { OpenLog } from '../core/edits/edit-logs.ts';
import { shortHash } from '../core/edits/edit-record.ts';
import type { LoggedRecord } from '../core/edits/edit-request.ts';
import type { EditFilter } from './edit-filter.ts';
import type { SnapshotPages } from './snapshot-pages.ts';
import type { Connection } from './transport.ts';

/** What a subscription needs of its session. */
export interface SubscriptionHost {
  readonly connection: Connection;
  now(): number;
  /** Sends a frame. Borrowed. */
  sendFrame(frame: Uint8Array): void;
  /** Whether a writer, by name, is of this session. */
  isOwn(writer: string): boolean;
  /** Writers of this session, by name. */
  readonly writers: ReadonlySet<string>;
  /** A snapshot of the present, for one that became void. */
  refreeze(sub: Subscription): SnapshotPages;
}

/** Of a lagging subscription so many bytes in so many ms go before the tiles. Rule [D18]. */
const URGENT_BYTES = 64 * 1024;
const URGENT_MS = 100;
/** A filter that passes nothing is told how far the log is once in this time. Rule [S12]. */
const EMPTY_MS = 1_000;

/** One subscription. */
export class Subscription {
  readonly id: number;
  readonly path: string;
  readonly open: OpenLog;
  readonly #host: SubscriptionHost;
  filter: EditFilter | undefined;
  /** Edits up to here have been read for it. */
  #cursor: number;
  /** Edits up to here it has been told of: behind `cursor` only where its filter left edits out. */
  #told: number;
  #snapshot: SnapshotPages | undefined;
  /** What is left of an edit that is sent in pieces. */
  #rest: readonly EditPiece[] = [];
  #live = false;
  /** It goes on in a later turn of the loop. */
  #resting = false;
  #ended = false;
  #sent = 0;
  #limit: number;
  #lastSent: number;
  #urgentSince = 0;
  #urgentBytes = 0;

  /** @param after the position that it begins behind; a snapshot sets another. */
  constructor(
    host: SubscriptionHost,
    id: number,
    open: OpenLog,
    after: number,
    settings: {
      readonly windowBytes: number;
      readonly filter: EditFilter | undefined;
      readonly snapshot: SnapshotPages | undefined;
    },
  ) {
    this.#host = host;
    this.id = id;
    this.path = open.log.path;
    this.open = open;
    this.#cursor = after;
    this.#told = after;
    this.filter = settings.filter;
    this.#snapshot = settings.snapshot;
    this.#limit = settings.windowBytes;
    this.#lastSent = host.now();
  }

  /** Whether it has all there is. */
  get isLive(): boolean {
    return this.#live && this.#cursor >= this.open.log.head;
  }

  /** Whether there is something that it has not been sent, whatever credit and room there are. */
  get owes(): boolean {
    return this.#snapshot !== undefined || this.#rest.length > 0 || this.#cursor < this.open.log.head;
  }

  /** Whether a snapshot with links is under way: without it the client knows nothing. */
  get isNew(): boolean {
    return this.#snapshot?.isWhole === true;
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#ended = true;
  }

  /** Takes a grant: bytes accepted since the beginning. */
  grant(bytes: number): void {
    this.#limit = Math.max(this.#limit, bytes);
  }

  /** Shows the state of a path before the edits go on: FOCUS. */
  showFirst(snapshot: SnapshotPages): void {
    this.#snapshot = snapshot;
    this.#rest = [];
    this.#live = false;
  }

  /** Sends what goes before tiles: edits, while there are not too many of them. */
  pumpUrgent(): void {
    const now = this.#host.now();
    if (now - this.#urgentSince >= URGENT_MS) {
      this.#urgentSince = now;
      this.#urgentBytes = 0;
    }
    while (this.#snapshot === undefined && this.#urgentBytes < URGENT_BYTES) {
      const before = this.#sent;
      if (!this.step()) return;
      this.#urgentBytes += this.#sent - before;
    }
  }

  /**
   * Sends one frame, if there is one to send, credit for it and room in the socket.
   *
   * @returns whether one was sent.
   */
  step(): boolean {
    if (this.#resting || this.#sent >= this.#limit || this.#host.connection.bufferedBytes() > SOCKET_BUFFER_HIGH)
      return false;
    if (this.#snapshot !== undefined) return this.#stepSnapshot(this.#snapshot);
    const [piece, ...rest] = this.#rest;
    if (piece !== undefined) {
      this.#rest = rest;
      this.#sendPiece(piece);
      return true;
    }
    if (this.#cursor >= this.open.log.head) return this.#goLive();
    this.#live = this.#live && this.open.log.head - this.#cursor < 10_000;
    return this.filter === undefined ? this.#stepPiece() : this.#stepFiltered(this.filter);
  }

  /** An empty EDITS where nothing was sent for `quietMs`. Rule [S9]. */
  sweep(quietMs: number): void {
    if (!this.isLive || this.#host.now() - this.#lastSent < quietMs || this.#sent >= this.#limit) return;
    this.#sendEdits(
      encodeServer({ kind: 'EDITS', id: this.id, from: 0, upto: 0, flags: 0, edits: [] }),
      this.#cursor,
      0,
    );
  }

  #stepSnapshot(snapshot: SnapshotPages): boolean {
    const { standing } = snapshot.state;
    // It is sent when the commit that is under way is over.
    if (standing === 'waiting') return false;
    if (standing === 'void') {
      this.#snapshot = this.#host.refreeze(this);
      return this.step();
    }
    const frame = snapshot.next(this.id);
    if (frame !== undefined) {
      this.#count(frame.length);
      this.#host.sendFrame(frame);
      return true;
    }
    this.#snapshot = undefined;
    const { seq } = snapshot.state;
    // Without links the client is where it was with them: the edits from there on bring it to the same rows.
    this.#told = snapshot.isWhole ? seq : Math.min(this.#told, seq);
    this.#cursor = this.#told;
    return this.step();
  }

  #stepPiece(): boolean {
    const { feed } = this.open;
    const found = feed.next(this.#cursor);
    if (found === undefined) return false;
    const { writers, isOwn } = this.#host;
    const mine = writers.size > 0 && [...writers].some((writer) => found.writers.has(writer));
    const piece = mine ? feed.forAuthor(found, isOwn) : found;
    this.#rest = piece.rest;
    this.#sendPiece(piece);
    return true;
  }

  #sendPiece({ frame, upto, flags }: EditPiece): void {
    this.#cursor = upto;
    this.#sendEdits(frame, upto, flags);
  }

  #stepFiltered(filter: EditFilter): boolean {
    const records = this.open.feed.records(this.#cursor);
    const last = records[records.length - 1];
    if (last === undefined) return false;
    const edits = records.map((record) => this.#filtered(record, filter)).filter((edit) => edit !== undefined);
    const [only] = edits;
    this.#cursor = last.seq;
    if (only !== undefined && records.length === 1) {
      const piece = pieceOf(last.seq, only, last.wid);
      this.#rest = piece.rest;
      this.#sendPiece(piece);
      return true;
    }
    if (edits.length === 0 && this.#host.now() - this.#lastSent < EMPTY_MS)
      return this.#cursor < this.open.log.head ? this.#goOnLater() : this.step();
    this.#sendEdits(encodeServer({ kind: 'EDITS', id: this.id, from: 0, upto: 0, flags: 0, edits }), last.seq, 0);
    return true;
  }

  /** Much may be passed over before something is to be sent: others have their turn in between. */
  #goOnLater(): false {
    if (!this.#resting)
      setImmediate(() => {
        this.#resting = false;
        if (!this.#ended) this.pumpUrgent();
      });
    this.#resting = true;
    return false;
  }

  #filtered(record: LoggedRecord, filter: EditFilter): Record<string, unknown> | undefined {
    const isOwn = this.#host.isOwn(nameOf(record.wid));
    const left = isOwn ? record : filter.apply(record);
    if (left === undefined) return undefined;
    const { seq, time, user, results, note, chk } = record;
    const writer = isOwn ? { wid: record.wid, wseq: record.wseq } : { w: shortHash(record.wid, 4) };
    const { ops } = left;
    const changes = wireChanges(left.changes);
    return { seq, time, user, ...writer, ops, results, changes, ...(note === undefined ? {} : { note }), chk };
  }

  /** Tells once that there is nothing more. LIVE takes no credit. */
  #goLive(): boolean {
    if (this.#live) return false;
    if (this.#told < this.#cursor)
      this.#sendEdits(
        encodeServer({ kind: 'EDITS', id: this.id, from: 0, upto: 0, flags: 0, edits: [] }),
        this.#cursor,
        0,
      );
    this.#live = true;
    this.#lastSent = this.#host.now();
    this.#host.sendFrame(encodeServer({ kind: 'LIVE', id: this.id, seq: this.#cursor }));
    return true;
  }

  /** @param frame EDITS with any prefix; borrowed, its prefix is written over. */
  #sendEdits(frame: Uint8Array, upto: number, flags: number): void {
    writeEditsPrefix(frame, this.id, this.#told, upto, flags);
    // An edit in pieces moves the position with its last one.
    if ((flags & 1) === 0) this.#told = upto;
    this.#count(frame.length);
    this.#host.sendFrame(frame);
  }

  #count(bytes: number): void {
    this.#sent += bytes;
    this.#lastSent = this.#host.now();
  }
}
