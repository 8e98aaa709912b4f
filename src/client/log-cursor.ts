/**
 * Where a subscription stands in the log of its path, and what each message does to it and to the folded state: sections of a
 * snapshot, then edits without a gap. Pure: no socket, no clock. Rules [S2], [S3], [S7]..[S11], [S13], [E32], [E33].
 */
import type { Changes } from '../../protocol/edit-changes.ts';
import { MalformedFrame, type ResumeRequest, type ServerMessage, type WireMap } from '../../protocol/index.ts';
import { isAscending, joinCut } from './cut-edits.ts';
import { type EditEvent, type IsMine, readEditEvent } from './edit-event.ts';
import { sameBytes } from './epochs.ts';
import { isKnownSection, type LoadedState, SnapshotLoad } from './snapshot-load.ts';

type Of<Kind extends ServerMessage['kind']> = Extract<ServerMessage, { kind: Kind }>;

/** The state that is folded; `EditView` of the protocol. */
export interface FoldedState extends LoadedState {
  clear(): void;
  /** What was loaded is the state of this seq. */
  begin(seq: number): void;
  apply(seq: number, changes: Changes): void;
}

/** What a message meant. */
export type Step =
  | { readonly kind: 'nothing' }
  /** These follow on what was known, and are in the state. May be none. */
  | { readonly kind: 'edits'; readonly edits: readonly EditEvent[] }
  /** A snapshot has begun that replaces what was known; edits between the two are not told. */
  | { readonly kind: 'restarted' }
  /** A snapshot is complete. */
  | { readonly kind: 'loaded' }
  /** It does not follow on what was known: subscribe again. */
  | { readonly kind: 'gap' };

const NOTHING: Step = { kind: 'nothing' };
const GAP: Step = { kind: 'gap' };

/** Flag of EDITS: the last edit's `parted` goes on in the next. */
const PARTED_GOES_ON = 1;

/** The position of one subscription. */
export class LogCursor {
  readonly #state: FoldedState;
  readonly #isMine: IsMine;
  #epoch: Uint8Array | undefined;
  #position: number | undefined;
  #head = 0;
  #live = false;
  #snapshot: SnapshotLoad | undefined;
  /** Regions and rows that FOCUS brought may be older than the links: they catch up from here. */
  #rowsFrom: number | undefined;
  /** Links are true at this seq. */
  #linkedTo = 0;
  /** An edit that is cut, and those before it in the same message. */
  #cut: { readonly upto: number; readonly records: readonly WireMap[] } | undefined;
  #chk: Uint8Array | undefined;
  /** Regions and rows are of another filter than the one that is wanted. */
  #isStale = false;
  /** Regions and rows are not all here, and no snapshot is on its way. */
  #isTorn = false;
  /** What the server sends now is of another filter than the one that is wanted. */
  #awaitsFocus = false;
  /** Only a snapshot helps. */
  #isVoid = false;
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

  /** Whether the state is not whole: a snapshot, or a part of it, is still to come. */
  get loading(): boolean {
    return this.#position === undefined || this.#snapshot !== undefined || this.#isTorn;
  }

  /** Whether regions and rows are those of the filter that is wanted. */
  get focused(): boolean {
    return !this.#isStale;
  }

  /**
   * Whether FOCUS is needed, and would bring regions and rows alone: the server sends the links anew to those who do not have them all,
   * or are behind.
   */
  get mayFocus(): boolean {
    return this.#isStale && this.#position !== undefined && this.#position >= this.#head;
  }

  /** Begins behind a seq, without a snapshot. */
  startAt(epoch: Uint8Array, seq: number): void {
    this.#epoch = epoch.slice();
    this.#state.begin(seq);
    this.#moveTo(seq);
    this.#head = Math.max(this.#head, seq);
  }

  /** What to subscribe with, together with the filter that is wanted now. */
  request(): Pick<ResumeRequest, 'epoch' | 'after' | 'snap' | 'chk'> {
    const epoch = this.#epoch ?? null;
    const snapshot = this.#snapshot;
    this.#awaitsFocus = false;
    if (this.#isVoid) return { epoch, after: null };
    if (snapshot !== undefined) {
      if (snapshot.isOutdated) snapshot.refilter();
      return { epoch, after: null, snap: snapshot.position };
    }
    if (this.#position === undefined) return { epoch, after: null };
    return { epoch, after: this.#position, ...(this.#chk === undefined ? {} : { chk: this.#chk }) };
  }

  /** The connection is gone, and with it what was half received. Links go on from where they were; for the rest there is FOCUS. */
  leave(): void {
    this.#live = false;
    this.#cut = undefined;
    this.#dropPart();
    if (this.#rowsFrom === undefined) return;
    this.#rowsFrom = undefined;
    this.#isStale = true;
    this.#isTorn = true;
  }

  /** Another filter is wanted: the rows that are here, and those that come before the server has heard of it, are not of it. */
  refocus(): void {
    this.#isStale = true;
    this.#awaitsFocus = true;
    if (this.#snapshot !== undefined) this.#snapshot.isOutdated = true;
  }

  /** The server has heard of the filter that is wanted: a snapshot under it is what comes next. */
  confirmFocus(): void {
    this.#awaitsFocus = false;
    if (this.#snapshot?.isWhole === true) this.#snapshot = undefined;
    else this.#dropPart();
  }

  /** What is known is of no use: the next request asks for everything. */
  forget(): void {
    this.#isVoid = true;
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
    this.#isVoid = false;
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
    const { seq, section, row } = message;
    if (!isKnownSection(section)) return NOTHING;
    const isKnown = this.#position !== undefined;
    const isNew = this.#snapshot?.seq !== seq || (section === 'links' && row === 0);
    if (isNew && !this.#beginSnapshot(seq, section, row)) return section === 'end' ? NOTHING : GAP;
    const snapshot = this.#snapshot;
    const step = snapshot?.take(message);
    if (snapshot === undefined || step === undefined || step === 'gap') return GAP;
    if (step === 'end') return this.#endSnapshot(snapshot);
    return isNew && snapshot.isWhole && isKnown ? { kind: 'restarted' } : NOTHING;
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
    this.#isStale = false;
    this.#isTorn = false;
  }

  /** Regions and rows of which some are here are of no use on another line, or under another filter. */
  #dropPart(): void {
    if (this.#snapshot?.isWhole !== false) return;
    this.#snapshot = undefined;
    this.#isStale = true;
    this.#isTorn = true;
  }

  /** @returns whether a snapshot may begin so. */
  #beginSnapshot(seq: number, section: string, row: number): boolean {
    if (row !== 0) return false;
    const isWhole = section === 'links';
    if (isWhole) this.#drop();
    else if ((section !== 'regions' && section !== 'meta') || this.#position === undefined) return false;
    else {
      this.#state.clearTables();
      this.#cut = undefined;
    }
    this.#isStale = this.#awaitsFocus || !isWhole;
    this.#snapshot = new SnapshotLoad(this.#state, { seq, isWhole, isOutdated: this.#awaitsFocus });
    return true;
  }

  #endSnapshot({ seq, isWhole, isOutdated }: SnapshotLoad): Step {
    this.#snapshot = undefined;
    this.#isStale = isOutdated;
    this.#isTorn = false;
    if (isWhole) {
      this.#state.begin(seq);
      this.#moveTo(seq);
    } else if (seq < (this.#position ?? 0)) this.#rowsFrom = seq;
    return { kind: 'loaded' };
  }
}

function withoutLinks({ joined: _joined, parted: _parted, ...rest }: Changes): Changes {
  return rest;
}
