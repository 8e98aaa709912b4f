/**
 * One subscription: a cursor in a log. Nothing is queued: when there is credit and room, the next edits are read from the log. Rules [S1]..[S13].
 */
import { writeEditsPrefix } from '../../../protocol/edits-frame.ts';
import { encodeServer } from '../../../protocol/encode.ts';
import { SOCKET_BUFFER_HIGH } from '../../../protocol/limits.ts';
import { wireChanges } from '../../../protocol/wire-lists.ts';
import { type EditPiece, nameOf, pieceOf } from '../../core/edits/edit-feed.ts';
import type { OpenLog } from '../../core/edits/edit-logs.ts';
import { shortHash } from '../../core/edits/edit-record.ts';
import type { LoggedRecord } from '../../core/edits/edit-request.ts';
import { hasTime, inLaterTurn } from '../session/turns.ts';
import type { Connection } from '../transport/transport.ts';
import { EditFilter } from './edit-filter.ts';
import type { FrozenState } from './frozen-state.ts';
import { FOCUS_SECTIONS, SECTIONS, SnapshotPages } from './snapshot-pages.ts';

/** What a subscription needs of its session. */
export interface SubscriptionHost {
  readonly connection: Connection;
  now(): number;
  /** Sends a frame. Borrowed. */
  sendFrame(frame: Uint8Array): void;
  /** Whether the session has used a writer, by name, or asked for it. */
  isOwn(writer: string): boolean;
  /** Id of the user: the writers of others are never one's own. */
  user(): string;
  /** The present of a path, with its links or without. */
  freeze(open: OpenLog, hasLinks: boolean): FrozenState;
  /** Sends what can be sent on the connection. */
  pump(): void;
}

/** Of a lagging subscription so many bytes in so many ms go before the tiles. Rule [D18]. */
const URGENT_BYTES = 64 * 1024;
const URGENT_MS = 100;
/** A filter that passes nothing is told how far the log is once in this time. Rule [S12]. */
const EMPTY_MS = 1_000;
const NO_FILTER = new EditFilter({});

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
  /** Without links it begins when the edits up to it have been told. */
  #snapshot: SnapshotPages | undefined;
  /** What is left of an edit that is sent in pieces. */
  #rest: readonly EditPiece[] = [];
  /** Edits for its filter, read as far as the seq `at`. */
  #reading: { readonly at: number; readonly records: Iterator<LoggedRecord, undefined> } | undefined;
  #live = false;
  /** Its reply has been sent. */
  #begun = false;
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
    return this.#live && !this.owes;
  }

  /** Whether there is something that it has not been sent, whatever credit and room there are. */
  get owes(): boolean {
    return this.#snapshot !== undefined || this.#rest.length > 0 || this.#cursor < this.open.log.head;
  }

  /** The reply has been sent; nothing is sent before. */
  begin(): void {
    this.#begun = true;
    this.#lastSent = this.#host.now();
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#ended = true;
  }

  /** Takes a grant: bytes accepted since the beginning. */
  grant(bytes: number): void {
    this.#limit = Math.max(this.#limit, bytes);
  }

  /**
   * Another filter, and what it shows. Rule [S13]: links that were on their way are sent anew with the rest; otherwise the edits up to
   * the state that is shown are told first, so that nothing of them is lost.
   */
  focus(filter: EditFilter): void {
    this.filter = filter;
    this.#live = false;
    const before = this.#snapshot;
    const sections = before?.isWhole === true ? SECTIONS : FOCUS_SECTIONS;
    // One that has begun begins anew where it stands: edits cannot be told in the middle of it.
    this.#snapshot = new SnapshotPages(before?.state ?? this.#host.freeze(this.open, false), filter, sections);
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
    if (!this.#begun || this.#ended || this.#resting || this.#sent >= this.#limit) return false;
    if (this.#host.connection.bufferedBytes() > SOCKET_BUFFER_HIGH) return false;
    return this.#snapshot === undefined ? this.#stepEdits() : this.#stepSnapshot(this.#snapshot);
  }

  #stepEdits(): boolean {
    if (this.#rest.length > 0) return this.#stepRest();
    const { head } = this.open.log;
    const { filter } = this;
    if (filter !== undefined) this.open.feed.want();
    if (this.#cursor >= head) return this.#goLive();
    this.#live = this.#live && head - this.#cursor < 10_000;
    return filter === undefined || filter.isOpen ? this.#stepPiece() : this.#stepFiltered(filter, head);
  }

  #stepRest(): boolean {
    const [piece, ...rest] = this.#rest;
    if (piece === undefined) return false;
    this.#rest = rest;
    this.#sendPiece(piece);
    return true;
  }

  /** An empty EDITS where nothing was sent for `quietMs`, or edits were passed over. Rules [S9], [S12]. */
  sweep(quietMs: number): void {
    const dueMs = this.#told < this.#cursor ? Math.min(EMPTY_MS, quietMs) : quietMs;
    if (!this.#begun || !this.isLive || this.#host.now() - this.#lastSent < dueMs || this.#sent >= this.#limit) return;
    this.#sendPosition();
  }

  #stepSnapshot(snapshot: SnapshotPages): boolean {
    const { state, isWhole } = snapshot;
    const { standing } = state;
    if (standing === 'void') {
      const sections = isWhole ? SECTIONS : FOCUS_SECTIONS;
      this.#snapshot = new SnapshotPages(this.#host.freeze(this.open, isWhole), this.filter, sections);
      return this.step();
    }
    if (!isWhole && (this.#told < state.seq || this.#rest.length > 0)) return this.#catchUp(state.seq);
    // It is sent when the commit that is under way is over.
    if (standing === 'waiting') return false;
    const frame = snapshot.next(this.id);
    if (frame === 'later') return this.#goOnLater();
    if (frame !== undefined) {
      this.#count(frame.length);
      this.#host.sendFrame(frame);
      return true;
    }
    this.#snapshot = undefined;
    this.#told = state.seq;
    this.#cursor = state.seq;
    return this.step();
  }

  /** Tells of the edits up to a seq, and of no more. */
  #catchUp(upto: number): boolean {
    if (this.#rest.length > 0) return this.#stepRest();
    const last = Math.min(upto, this.open.log.head);
    if (this.#cursor < last) return this.#stepFiltered(this.filter ?? NO_FILTER, last);
    if (this.#told === this.#cursor) return false;
    this.#sendPosition();
    return true;
  }

  #stepPiece(): boolean {
    const { feed } = this.open;
    const found = feed.next(this.#cursor);
    if (found === undefined) return false;
    const piece = this.#hasOwn(found.writers) ? feed.forAuthor(found, (writer) => this.#isOwn(writer)) : found;
    this.#rest = piece.rest;
    this.#sendPiece(piece);
    return true;
  }

  #hasOwn(writers: ReadonlySet<string>): boolean {
    for (const writer of writers) if (this.#isOwn(writer)) return true;
    return false;
  }

  /** A writer that was asked for before anybody had used it may have become another user's. */
  #isOwn(writer: string): boolean {
    const { isOwn, user } = this.#host;
    return isOwn(writer) && this.open.log.lastOf(widOf(writer), user()) !== undefined;
  }

  #sendPiece({ frame, upto, flags }: EditPiece): void {
    this.#cursor = upto;
    this.#sendEdits(frame, upto, flags);
  }

  /** Takes in edits up to `upto`, as many as fit a message and this turn. */
  #stepFiltered(filter: EditFilter, upto: number): boolean {
    const edits: Record<string, unknown>[] = [];
    let last: LoggedRecord | undefined;
    let count = 0;
    do {
      const record = this.#nextRecord(upto, count === 0);
      if (record === undefined) break;
      const edit = this.#filtered(record, filter);
      if (edit !== undefined) edits.push(edit);
      last = record;
      this.#cursor = record.seq;
      count++;
    } while (hasTime());
    if (last === undefined) return false;
    const [only] = edits;
    // It may be one that has to be cut.
    if (only !== undefined && count === 1) {
      const piece = pieceOf(last.seq, only, last.wid);
      this.#rest = piece.rest;
      this.#sendPiece(piece);
    } else if (edits.length === 0 && this.#host.now() - this.#lastSent < EMPTY_MS)
      return this.#cursor < upto ? this.#goOnLater() : this.step();
    else this.#sendEdits(encodeServer({ kind: 'EDITS', id: this.id, from: 0, upto: 0, flags: 0, edits }), last.seq, 0);
    return true;
  }

  /**
   * The edit behind the cursor, up to `upto`; undefined where there is none, or where a message is full. What was read from the store
   * serves over several turns.
   */
  #nextRecord(upto: number, isFirst: boolean): LoggedRecord | undefined {
    if (this.#cursor >= upto) {
      this.#reading = undefined;
      return undefined;
    }
    const known = this.#reading;
    const goesOn = known?.at === this.#cursor;
    const records = goesOn ? known.records : this.open.feed.records(this.#cursor, this.open.log.head);
    const { value } = records.next();
    this.#reading = value === undefined ? undefined : { at: value.seq, records };
    // The end of a page: the next one begins another message.
    return value === undefined && goesOn && isFirst ? this.#nextRecord(upto, isFirst) : (value ?? undefined);
  }

  /** Much may be passed over before something is to be sent: others have their turn in between. */
  #goOnLater(): false {
    this.#resting = true;
    inLaterTurn(() => {
      this.#resting = false;
      if (!this.#ended) this.#host.pump();
    });
    return false;
  }

  #filtered(record: LoggedRecord, filter: EditFilter): Record<string, unknown> | undefined {
    const isOwn = this.#isOwn(nameOf(record.wid));
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
    if (this.#told < this.#cursor) this.#sendPosition();
    this.#live = true;
    this.#lastSent = this.#host.now();
    this.#host.sendFrame(encodeServer({ kind: 'LIVE', id: this.id, seq: this.#cursor }));
    return true;
  }

  /** Tells how far the log has been read, by an empty EDITS. */
  #sendPosition(): void {
    const frame = encodeServer({ kind: 'EDITS', id: this.id, from: 0, upto: 0, flags: 0, edits: [] });
    this.#sendEdits(frame, this.#cursor, 0);
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

/** The writer's id that `nameOf` gave a name. */
function widOf(writer: string): Uint8Array {
  return Buffer.from(writer, 'latin1');
}
