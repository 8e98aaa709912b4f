/**
 * Where a subscription stands in the log of its path, and what each message does to it and to the folded state: sections of a
 * snapshot, then edits without a gap. Pure: no socket, no clock. Rules [S2], [S3], [S7]..[S11], [S13], [E32], [E33].
 */
import type { Changes } from '../../protocol/edit-changes.ts';
import { TABLES, type TableName } from '../../protocol/edit-ops.ts';
import { MalformedFrame, type ResumeRequest, type ServerMessage, type WireMap } from '../../protocol/index.ts';
import { type EditEvent, type IsMine, readEditEvent } from './edit-event.ts';
import { sameBytes } from './epochs.ts';

type Of<Kind extends ServerMessage['kind']> = Extract<ServerMessage, { kind: Kind }>;

/** The state that is folded; `EditView` of the protocol. */
export interface FoldedState {
  clear(): void;
  /** What was loaded is the state of this seq. */
  begin(seq: number): void;
  loadLinks(rows: Uint8Array): void;
  loadRegions(rows: unknown): void;
  loadRows(table: TableName, rows: unknown): void;
  loadMeta(meta: unknown): void;
  /** Forgets regions and rows. */
  clearTables(): void;
  apply(seq: number, changes: Changes): void;
}

/** What a message meant. */
export type Step =
  | { readonly kind: 'nothing' }
  /** These follow on what was known, and are in the state. May be none. */
  | { readonly kind: 'edits'; readonly edits: readonly EditEvent[] }
  /** A snapshot is complete. */
  | { readonly kind: 'loaded' }
  /** It does not follow on what was known: subscribe again. */
  | { readonly kind: 'gap' };

const NOTHING: Step = { kind: 'nothing' };
const GAP: Step = { kind: 'gap' };

/** Flag of EDITS: the last edit's `parted` goes on in the next. */
const PARTED_GOES_ON = 1;
const LINK_BYTES = 16;
const SECTIONS = ['links', 'regions', ...TABLES.map((table) => `rows:${table}`), 'end'];

interface Snapshot {
  readonly seq: number;
  /** Whether it replaces everything; else regions and rows alone, after FOCUS. */
  readonly isWhole: boolean;
  section: string;
  /** Nothing of it is here yet. */
  isFresh: boolean;
  /** Rows of the section that are here. */
  row: number;
  /** Another filter was asked for since it began. */
  isOutdated: boolean;
}

/** The position of one subscription. */
export class LogCursor {
  readonly #state: FoldedState;
  readonly #isMine: IsMine;
  #epoch: Uint8Array | undefined;
  #position: number | undefined;
  #head = 0;
  #live = false;
  #snapshot: Snapshot | undefined;
  /** Regions and rows that FOCUS brought may be older than the links: they catch up from here. */
  #rowsFrom: number | undefined;
  /** Links are true at this seq. */
  #linkedTo = 0;
  /** An edit that is cut, and those before it in the same message. */
  #cut: { readonly upto: number; readonly records: readonly WireMap[] } | undefined;
  #chk: Uint8Array | undefined;
  /** Regions and rows are of another filter. */
  #stale = false;
  /** The reply has told of another life of the log, and RESET is still to come. */
  #isAnnounced = false;

  constructor(state: FoldedState, isMine: IsMine) {
    this.#state = state;
    this.#isMine = isMine;
  }

  get epoch(): Uint8Array | undefined {
    return this.#epoch;
  }

  /** The state is that of this seq; undefined before the first snapshot. */
  get position(): number | undefined {
    return this.#position;
  }

  /** The newest seq that the server has told of. */
  get head(): number {
    return Math.max(this.#head, this.#position ?? 0);
  }

  /** Whether everything that had happened was here when the server last said so. */
  get live(): boolean {
    return this.#live;
  }

  /** Whether sections of a snapshot are on their way. */
  get loading(): boolean {
    return this.#position === undefined || this.#snapshot !== undefined;
  }

  /** Whether regions and rows are those of the filter that was asked for last. */
  get focused(): boolean {
    return !this.#stale;
  }

  /** Begins behind a seq, without a snapshot. */
  startAt(epoch: Uint8Array, seq: number): void {
    this.#epoch = epoch.slice();
    this.#state.begin(seq);
    this.#moveTo(seq);
    this.#head = Math.max(this.#head, seq);
  }

  /** What to subscribe with. */
  request(): Pick<ResumeRequest, 'epoch' | 'after' | 'snap' | 'chk'> {
    const epoch = this.#epoch ?? null;
    const snapshot = this.#snapshot;
    if (snapshot?.isWhole === true && !snapshot.isOutdated)
      return { epoch, after: null, snap: [snapshot.seq, snapshot.section, snapshot.row] };
    // Half of the rows of another filter are no position.
    if (this.#position === undefined || this.#stale || snapshot !== undefined) return { epoch, after: null };
    return { epoch, after: this.#position, ...(this.#chk === undefined ? {} : { chk: this.#chk }) };
  }

  /** The connection is gone, and with it what was half received. */
  leave(): void {
    this.#live = false;
    this.#cut = undefined;
    if (this.#rowsFrom !== undefined) this.#stale = true;
  }

  /** The rows that are here, and those on their way, belong to another filter than the one that is asked for. */
  refocus(): void {
    this.#stale = true;
    if (this.#snapshot !== undefined) this.#snapshot.isOutdated = true;
  }

  /** What is known is of no use: the next request asks for everything. */
  forget(): void {
    this.#stale = true;
    this.#snapshot = undefined;
    this.#cut = undefined;
  }

  /** SUBSCRIBE's reply. @returns whether the log has begun another life, where no RESET follows to say so. */
  subscribed(reply: { readonly epoch: Uint8Array; readonly head: number; readonly mode: string }): boolean {
    const isNew = this.#epoch !== undefined && !sameBytes(this.#epoch, reply.epoch);
    if (isNew) this.#drop();
    this.#isAnnounced = isNew && reply.mode === 'reset';
    this.#epoch = reply.epoch.slice();
    this.#head = reply.head;
    this.#live = false;
    this.#cut = undefined;
    if (reply.mode === 'tail') this.#snapshot = undefined;
    return isNew && !this.#isAnnounced;
  }

  /** RESET: local state is void. @returns whether the log has begun another life. */
  reset(message: Of<'RESET'>): boolean {
    const isNew = this.#isAnnounced || (this.#epoch !== undefined && !sameBytes(this.#epoch, message.epoch));
    this.#isAnnounced = false;
    this.#drop();
    this.#epoch = message.epoch.slice();
    this.#head = message.head;
    return isNew;
  }

  /** LIVE. */
  reached(seq: number): void {
    this.#head = Math.max(this.#head, seq);
    this.#live = true;
  }

  /** SNAP. @throws MalformedFrame, BflyError where its rows cannot be read. */
  snap(message: Of<'SNAP'>): Step {
    const { seq, section, row, more, rows } = message;
    if (section === 'meta' && this.#snapshot?.seq === seq) this.#state.loadMeta(rows);
    if (!SECTIONS.includes(section)) return NOTHING;
    const isNew = this.#snapshot?.seq !== seq || (section === 'links' && row === 0 && !this.#snapshot.isFresh);
    if (isNew && !this.#beginSnapshot(seq, section, row)) return section === 'end' ? NOTHING : GAP;
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return GAP;
    snapshot.isFresh = false;
    if (section !== snapshot.section || row !== snapshot.row) return GAP;
    snapshot.row += this.#load(section, rows);
    if (more) return NOTHING;
    const next = SECTIONS[SECTIONS.indexOf(section) + 1];
    if (next === undefined) return this.#endSnapshot(snapshot);
    snapshot.section = next;
    snapshot.row = 0;
    return NOTHING;
  }

  /** EDITS. @throws BflyError where an edit cannot be read. */
  edits(message: Of<'EDITS'>): Step {
    const { from, upto, flags } = message;
    if (this.#position === undefined || this.#snapshot !== undefined || !this.#follows(from, upto)) return GAP;
    const records = this.#cut === undefined ? message.edits : joinCut(this.#cut.records, message.edits);
    if ((flags & PARTED_GOES_ON) !== 0) {
      this.#cut = { upto, records };
      return NOTHING;
    }
    this.#cut = undefined;
    if (from === this.#rowsFrom) this.#position = from;
    this.#rowsFrom = undefined;
    const edits = records.map((record) => readEditEvent(record, this.#isMine));
    if (!isAscending(edits, this.#position, upto)) return GAP;
    const fresh = edits.filter(({ seq, changes }) => {
      const isFresh = seq > this.#linkedTo;
      this.#state.apply(seq, isFresh ? changes : withoutLinks(changes));
      return isFresh;
    });
    this.#moveTo(upto);
    const last = edits.at(-1);
    this.#chk = last?.seq === upto ? last.chk?.slice() : upto === from ? this.#chk : undefined;
    return { kind: 'edits', edits: fresh };
  }

  #follows(from: number, upto: number): boolean {
    if (upto < from) throw new MalformedFrame('EDITS ends before it begins');
    if (this.#cut !== undefined) return upto === this.#cut.upto;
    return from === this.#position || from === this.#rowsFrom;
  }

  #moveTo(seq: number): void {
    if (seq !== this.#position) this.#chk = undefined;
    this.#position = seq;
    this.#linkedTo = Math.max(this.#linkedTo, seq);
  }

  #drop(): void {
    this.#state.clear();
    this.#position = undefined;
    this.#linkedTo = 0;
    this.#snapshot = undefined;
    this.#cut = undefined;
    this.#rowsFrom = undefined;
    this.#chk = undefined;
    this.#live = false;
    this.#stale = false;
  }

  /** @returns whether a snapshot may begin so. */
  #beginSnapshot(seq: number, section: string, row: number): boolean {
    if (row !== 0) return false;
    if (section === 'links') {
      this.#drop();
      this.#snapshot = { seq, isWhole: true, section, row: 0, isFresh: true, isOutdated: false };
      return true;
    }
    if (section !== 'regions' || this.#position === undefined) return false;
    this.#state.clearTables();
    this.#cut = undefined;
    this.#snapshot = { seq, isWhole: false, section, row: 0, isFresh: true, isOutdated: false };
    return true;
  }

  /** @returns rows. */
  #load(section: string, rows: unknown): number {
    if (section === 'end') return 0;
    if (section === 'links') {
      if (!(rows instanceof Uint8Array)) throw new MalformedFrame('SNAP of links has no bytes');
      this.#state.loadLinks(rows);
      return Math.floor(rows.length / LINK_BYTES);
    }
    if (!Array.isArray(rows)) throw new MalformedFrame(`SNAP of ${section} has no rows`);
    const table = TABLES.find((name) => section === `rows:${name}`);
    if (table === undefined) this.#state.loadRegions(rows);
    else this.#state.loadRows(table, rows);
    return rows.length;
  }

  #endSnapshot({ seq, isWhole, isOutdated }: Snapshot): Step {
    this.#snapshot = undefined;
    this.#stale = isOutdated;
    if (isWhole) {
      this.#state.begin(seq);
      this.#moveTo(seq);
    } else if (seq < (this.#position ?? 0)) this.#rowsFrom = seq;
    return { kind: 'loaded' };
  }
}

/** The rows of `parted` that come later belong to the last edit that came before. Rule [S7]. */
function joinCut(before: readonly WireMap[], after: readonly WireMap[]): readonly WireMap[] {
  const last = before.at(-1);
  const [first, ...rest] = after;
  if (last === undefined || first === undefined || first['seq'] !== last['seq']) return [...before, ...after];
  const changes = mapOf(last['changes']);
  const parted = [...listOf(changes['parted']), ...listOf(mapOf(first['changes'])['parted'])];
  return [...before.slice(0, -1), { ...last, changes: { ...changes, parted } }, ...rest];
}

function mapOf(value: unknown): WireMap {
  return typeof value === 'object' && value !== null ? (value as WireMap) : {}; // an object of the wire is a map
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isAscending(edits: readonly EditEvent[], after: number, upto: number): boolean {
  let before = after;
  for (const { seq } of edits) {
    if (seq <= before || seq > upto) return false;
    before = seq;
  }
  return true;
}

function withoutLinks({ joined: _joined, parted: _parted, ...rest }: Changes): Changes {
  return rest;
}
