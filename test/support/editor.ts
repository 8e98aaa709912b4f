/** A bare editor: speaks the rules of exactly-once as SPEC 6.3 states them, on connections that come and go. */
import type { ErrorName } from '../../protocol/errors.ts';
import type { Edit, ServerMessage, WireMap } from '../../protocol/messages.ts';
import { BareSession, Persistent } from './bare-session.ts';
import type { Claim } from './edit-claims.ts';
import { type EditLedger, editName } from './edit-ledger.ts';

export interface EditorOptions {
  url(): string;
  readonly path: string;
  readonly name: string;
  /** 16 bytes. */
  readonly wid: Uint8Array;
  readonly ledger: EditLedger;
  readonly random: () => number;
  /** Ops of the next EDIT. */
  nextOps(editor: Editor): readonly WireMap[];
  /** EDITs that may be unanswered; at most 16, default 4. */
  readonly window?: number;
  /** Mean pause after an answer before the next EDIT, ms; default 0. */
  readonly pauseMs?: number;
  /** Edits that it makes; default: until `finish`. */
  readonly edits?: number;
  /** Share of EDITs that are sent with a base, so that they may lose: rule [E17]. Default 0. */
  readonly withBase?: number;
  /** Hears how long each EDIT took from its (first) sending to its acknowledgement, ms. */
  readonly onLatency?: (ms: number) => void;
}

interface Pending {
  readonly edit: Omit<Edit, 'id'>;
  readonly firstSentAt: number;
  /** How often it has been sent: what is refused the first time was never applied, what is refused later may have been. */
  sent: number;
}

/** Errors after which the ops are sent again under a new number, where they cannot have been applied: rule [E15]. */
const AGAIN_AS_NEW: readonly ErrorName[] = ['REJECTED', 'UNAVAILABLE', 'RATE_LIMITED'];
/** Errors after which the same bytes are sent again. */
const AGAIN_AS_IS: readonly ErrorName[] = ['TIMEOUT', 'INTERNAL'];
/** Errors that say why ops cannot be applied. */
const REFUSALS: readonly ErrorName[] = ['CONFLICT', 'NOT_FOUND', 'BAD_REQUEST', 'LIMIT'];

/** The editor. */
export class Editor {
  readonly #options: EditorOptions;
  readonly #line: Persistent;
  /** Unanswered edits by wseq, in order. */
  readonly #pending = new Map<number, Pending>();
  /** Edits under way on the open connection, by id. */
  readonly #ids = new Map<number, number>();
  #wseq = 0;
  #made = 0;
  #epoch: Uint8Array | undefined;
  #token: string | undefined;
  #finishing: (() => void) | undefined;
  #resting = 0;
  /** Seqs that this editor was told, in order. */
  readonly seqs: number[] = [];

  constructor(options: EditorOptions) {
    this.#options = options;
    const { ledger, name, wid } = options;
    ledger.writer(name, wid);
    this.#line = new Persistent(
      () => this.#open(),
      (session) => this.#resume(session),
      options.random,
    );
  }

  get random(): () => number {
    return this.#options.random;
  }

  /** Epoch of the log, known by the time of the first `nextOps`. */
  get epoch(): Uint8Array | undefined {
    return this.#epoch;
  }

  start(): void {
    this.#line.start();
  }

  /** Makes no more edits, and resolves when all are answered. With `edits` set: when they are made. */
  async finish(): Promise<void> {
    if (this.#options.edits === undefined) this.#made = Number.POSITIVE_INFINITY;
    await new Promise<void>((resolve) => {
      this.#finishing = resolve;
      this.#fill();
    });
    await this.#line.stop();
  }

  /** Ends it where it stands. */
  stop(): Promise<void> {
    return this.#line.stop();
  }

  async #open(): Promise<BareSession> {
    const { url, name } = this.#options;
    const onMessage = (message: ServerMessage): void => this.#take(message);
    const session = await BareSession.open({ url: url(), client: name, token: this.#token, onMessage });
    // A writer belongs to the user who used it first.
    this.#token ??= session.welcome.session;
    return session;
  }

  #resume(session: BareSession): void {
    this.#ids.clear();
    if (this.#epoch === undefined) session.send({ kind: 'INFO', id: session.nextId(), path: this.#options.path });
    for (const pending of this.#pending.values()) this.#send(pending);
    this.#fill();
  }

  #take(message: ServerMessage): void {
    if (message.kind === 'INFO_OK' && message.info.kind === 'channel') {
      this.#epoch = Uint8Array.from(message.info.epoch);
      this.#fill();
    }
    if (message.kind === 'EDIT_OK') this.#acknowledged(message);
    if (message.kind === 'ERROR') this.#refused(message);
  }

  #acknowledged(message: Extract<ServerMessage, { kind: 'EDIT_OK' }>): void {
    const pending = this.#answered(message.id);
    if (pending === undefined) return;
    const { ledger, name, onLatency } = this.#options;
    const { seq, status, results } = message;
    const epoch = Buffer.from(this.#epoch ?? []).toString('hex');
    ledger.acknowledge(name, pending.edit.wseq, { epoch, seq, status, results });
    if (message.dup === true && pending.sent === 1) ledger.fault(`${pending.edit.note} is a dup and was sent once`);
    if (message.dup === true) ledger.repeated++;
    onLatency?.(performance.now() - pending.firstSentAt);
    this.seqs.push(seq);
    this.#pending.delete(pending.edit.wseq);
    this.#next();
  }

  #refused(message: Extract<ServerMessage, { kind: 'ERROR' }>): void {
    const { ledger, name } = this.#options;
    const pending = this.#answered(message.id);
    if (pending === undefined) return ledger.fault(`${name} was told ${message.error}: ${message.message}`);
    const { error } = message;
    const { wseq, ops } = pending.edit;
    // Only REJECTED says of a number that was sent before that it was never applied.
    const isNever = error === 'REJECTED' || pending.sent === 1;
    if (AGAIN_AS_IS.includes(error) || (AGAIN_AS_NEW.includes(error) && !isNever)) return this.#rest(pending);
    this.#pending.delete(wseq);
    ledger.refuse(name, wseq, message);
    if (AGAIN_AS_NEW.includes(error)) this.#make(ops);
    else if (!REFUSALS.includes(error)) ledger.fault(`${pending.edit.note} was told ${error}: ${message.message}`);
    this.#next();
  }

  #answered(id: number): Pending | undefined {
    const wseq = this.#ids.get(id);
    this.#ids.delete(id);
    return wseq === undefined ? undefined : this.#pending.get(wseq);
  }

  /** The same bytes again, a little later. */
  #rest(pending: Pending): void {
    setTimeout(() => this.#send(pending), 20 + 50 * this.random());
  }

  #next(): void {
    const { pauseMs = 0 } = this.#options;
    if (pauseMs === 0) return this.#fill();
    this.#resting++;
    setTimeout(
      () => {
        this.#resting--;
        this.#fill();
      },
      2 * pauseMs * this.random(),
    );
  }

  #fill(): void {
    const { window = 4, nextOps, edits = Number.POSITIVE_INFINITY } = this.#options;
    while (
      this.#made < edits &&
      this.#epoch !== undefined &&
      this.#line.session !== undefined &&
      this.#pending.size + this.#resting < window
    ) {
      this.#made++;
      this.#make(nextOps(this));
    }
    if (this.#made >= edits && this.#pending.size === 0) this.#finishing?.();
  }

  #make(ops: readonly WireMap[]): void {
    const { path, wid, name, ledger, random } = this.#options;
    // Numbers may be skipped.
    this.#wseq += random() < 0.1 ? 2 : 1;
    const wseq = this.#wseq;
    const claim = this.#claim();
    ledger.submit(name, wseq, ops, claim);
    const note = editName(name, wseq);
    const base = claim?.base ?? null;
    const edit = { kind: 'EDIT', path, wid, wseq, base, ops, note, ...this.#fieldsOf(ops, claim) } as const;
    const pending: Pending = { edit, firstSentAt: performance.now(), sent: 0 };
    this.#pending.set(wseq, pending);
    this.#send(pending);
  }

  /** What the next EDIT asks to be checked against, if anything: the newest edit that anybody was told of, or one of its own. */
  #claim(): Claim | undefined {
    const { ledger, random, withBase = 0 } = this.#options;
    if (withBase === 0 || random() >= withBase) return undefined;
    if (random() < 0.25) return { base: ledger.newest, policy: 'strict' };
    return { base: random() < 0.5 ? ledger.newest : (this.seqs.at(-1) ?? 0), policy: 'scope' };
  }

  /** An undo names the epoch of the edit that it undoes, a base the one that it counts in: rule [E13]. "scope" is what a base means by default. */
  #fieldsOf(ops: readonly WireMap[], claim: Claim | undefined): Pick<Edit, 'epoch' | 'policy'> {
    const needs = claim !== undefined || ops.some((op) => op['op'] === 'undo');
    return {
      ...(needs && this.#epoch !== undefined ? { epoch: this.#epoch } : {}),
      ...(claim?.policy === 'strict' ? { policy: 'strict' } : {}),
    };
  }

  #send(pending: Pending): void {
    const { session } = this.#line;
    if (session === undefined || !this.#pending.has(pending.edit.wseq)) return;
    const id = session.nextId();
    this.#ids.set(id, pending.edit.wseq);
    pending.sent++;
    session.send({ ...pending.edit, id });
  }
}
