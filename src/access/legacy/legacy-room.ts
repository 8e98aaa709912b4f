/**
 * Those who follow one path over Butterfly's own socket. They are always sent the whole tables: made once for all, and no more often than
 * they can be read. What is sent is durable.
 */
import { BflyError } from '../../../protocol/errors.ts';
import type { EditLog } from '../../core/edits/edit-log.ts';
import type { LoggedRecord } from '../../core/edits/edit-request.ts';
import { tablesOf } from './legacy-tables.ts';

/** Time between two broadcasts, ms. */
const LEAST_GAP_MS = 100;
/** Tables that take long to make are made more rarely: they get no more of the process than one part in so many. */
const REST = 4;
/** How long edits may take to become durable before the tables are made again, ms: they may have been given up. */
const DURABLE_MS = 1_000;
/** Merged ids that tables are made of at most: making more would hold the process up for a second. */
const MAX_LINKS = 1_000_000;

/** What a room needs of a log. */
export type LegacyLog = Pick<EditLog, 'path' | 'epoch' | 'head' | 'tip' | 'reached' | 'onCommit' | 'submit'>;

/** The whole tables of a path, ready to be sent. */
export interface LegacyFrame {
  /** The edits that they hold. */
  readonly seq: number;
  /** Answer to `restore`; shared. */
  readonly restore: Uint8Array;
  /** What everybody is told after a `save`; shared. */
  readonly save: Uint8Array;
}

/** Somebody who follows a path. */
export interface LegacyMember {
  /** Whether the socket can take another frame; `look` is to be called when it can again. */
  isReady(): boolean;
  /** Sends what changed. Shared bytes. */
  sendChange(frame: LegacyFrame): void;
  /** Tells that what changed cannot be sent. */
  sendFault(fault: BflyError): void;
}

/** What a room is made with. */
export interface LegacyRoomOptions {
  readonly now: () => number;
  /** Hears of faults that nobody else hears of. */
  readonly onFault: (fault: unknown) => void;
  /** Default: `MAX_LINKS`. */
  readonly maxLinks?: number;
}

/** The followers of one log. */
export class LegacyRoom {
  readonly log: LegacyLog;
  readonly #options: LegacyRoomOptions;
  readonly #members = new Map<LegacyMember, { toldSeq: number }>();
  readonly #owed = new Set<LegacyMember>();
  readonly #forgetLog: () => void;
  #frame: LegacyFrame | undefined;
  #making: Promise<LegacyFrame> | undefined;
  /** The last durable edit that changed the tables. */
  #changedAt = 0;
  #isTelling = false;
  #restUntil = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;
  #isOver = false;

  constructor(log: LegacyLog, options: LegacyRoomOptions) {
    this.log = log;
    this.#options = options;
    this.#forgetLog = log.onCommit(({ records }) => this.#heard(records));
  }

  /**
   * The tables with every edit that is durable now, and perhaps later ones. Waits until all that is in them is durable.
   *
   * @throws BflyError TOO_LARGE
   */
  async tables(): Promise<LegacyFrame> {
    for (;;) {
      if (this.#frame !== undefined && this.#frame.seq >= this.#changedAt) return this.#frame;
      this.#making ??= this.#make().finally(() => {
        this.#making = undefined;
      });
      this.#frame = await this.#making;
    }
  }

  /** Begins to tell a member of changes after those that it has been sent; undefined: it could not be sent any. */
  enter(member: LegacyMember, sent: LegacyFrame | undefined): void {
    this.#members.set(member, { toldSeq: sent?.seq ?? 0 });
    if (sent !== undefined && sent.seq < this.#changedAt) this.#owe(member);
  }

  leave(member: LegacyMember): void {
    this.#members.delete(member);
    this.#owed.delete(member);
  }

  /** Owes a member the tables with the edit `seq` in them; it may have been sent them before. Undefined: anew in any case. */
  owe(member: LegacyMember, seq: number | undefined): void {
    const known = this.#members.get(member);
    if (known !== undefined && (seq === undefined || known.toldSeq < seq)) this.#owe(member);
  }

  /** A member that was not ready may be so now. */
  look(): void {
    if (this.#owed.size > 0) this.#tell();
  }

  /** Ends everything that is under way. */
  close(): void {
    this.#isOver = true;
    this.#forgetLog();
    this.#wake?.();
    this.#members.clear();
    this.#owed.clear();
  }

  #heard(records: readonly LoggedRecord[]): void {
    const last = records.findLast(({ changes }) => changesTables(changes));
    if (last === undefined) return;
    this.#changedAt = last.seq;
    for (const member of this.#members.keys()) this.#owed.add(member);
    this.look();
  }

  #owe(member: LegacyMember): void {
    this.#owed.add(member);
    this.#tell();
  }

  async #make(): Promise<LegacyFrame> {
    for (;;) {
      const state = this.log.tip;
      const { seq } = state;
      const { maxLinks = MAX_LINKS } = this.#options;
      if (state.linkCount > maxLinks)
        throw new BflyError('TOO_LARGE', `more than ${maxLinks} ids are merged here: use a client of bfly.v1`);
      const began = this.#options.now();
      const { merge, split } = tablesOf(state);
      const tables = `"merge":${JSON.stringify(merge)},"split":${JSON.stringify(split)},"error":""}`;
      const [restore, save] = ['restore', 'save'].map((action) => Buffer.from(`{"action":"${action}",${tables}`));
      this.#restUntil = this.#options.now() + REST * (this.#options.now() - began);
      await this.log.reached(seq, DURABLE_MS).catch(() => {});
      // Where a commit failed the state is another one, and what was in this one may never have been.
      const isDurable = this.log.tip === state && this.log.head >= seq;
      if ((isDurable || this.#isOver) && restore !== undefined && save !== undefined) return { seq, restore, save };
    }
  }

  #tell(): void {
    if (this.#isTelling || this.#isOver) return;
    this.#isTelling = true;
    this.#tellAll().catch((fault: unknown) => this.#options.onFault(fault));
  }

  async #tellAll(): Promise<void> {
    try {
      // In a turn of its own: what becomes durable together is told together.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#tellReady();
    } finally {
      // Not a moment later: whoever is owed something from now on begins anew.
      this.#isTelling = false;
    }
  }

  async #tellReady(): Promise<void> {
    for (;;) {
      const restMs = this.#restUntil - this.#options.now();
      if (restMs > 0) await this.#rest(restMs);
      if (this.#isOver || ![...this.#owed].some((member) => member.isReady())) return;
      const frame = await this.tables().catch((fault: unknown) => {
        if (fault instanceof BflyError) return fault;
        throw fault;
      });
      if (!(frame instanceof BflyError) && frame.seq < this.#changedAt) continue;
      for (const member of this.#owed) if (member.isReady()) this.#send(member, frame);
      this.#restUntil = Math.max(this.#restUntil, this.#options.now() + LEAST_GAP_MS);
    }
  }

  #send(member: LegacyMember, frame: LegacyFrame | BflyError): void {
    this.#owed.delete(member);
    const known = this.#members.get(member);
    if (known === undefined) return;
    if (frame instanceof BflyError) return member.sendFault(frame);
    known.toldSeq = frame.seq;
    member.sendChange(frame);
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function changesTables(changes: LoggedRecord['changes']): boolean {
  const { joined, parted, regions, goneRegions, meta } = changes;
  return [joined, parted, regions, goneRegions].some((part) => (part?.length ?? 0) > 0) || meta !== undefined;
}
