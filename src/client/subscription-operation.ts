/** The working subscription: asks for itself on each line, applies what comes, and begins again where something is missing. */
import { EditView } from '../../protocol/edit-view.ts';
import {
  BflyError,
  errorName,
  type ResumeRequest,
  type ServerMessage,
  type SubscribeOptions,
  type WireMap,
} from '../../protocol/index.ts';
import { type BackOff, backOffMs, errorVerdict } from './back-off.ts';
import type { Connection } from './connection.ts';
import { CreditAccount } from './credit.ts';
import type { EditEvent } from './edit-event.ts';
import { EditFeed } from './edit-feed.ts';
import { wireIds } from './edit-input.ts';
import type { Editing } from './editing.ts';
import { Emitter } from './events.ts';
import { frameError, type Handler, type Line, unexpected } from './line.ts';
import { LogCursor, type Step } from './log-cursor.ts';
import { type Operation, onAbort } from './operation.ts';
import { type Peer, Presence, type PresenceState } from './presence.ts';
import type { Resumable, ResumeAnswer } from './resumes.ts';
import { SeqWaiters } from './seq-waiters.ts';
import type {
  EditFilter,
  Subscription,
  SubscriptionEnd,
  SubscriptionEvents,
  SubscriptionOptions,
  SubscriptionProgress,
} from './subscription.ts';
import { clampWindow } from './window.ts';

const BOUNDS: BackOff = { minMs: 100, maxMs: 30_000 };
/** Gaps in a row after which everything is asked for anew. */
const GAPS_UNTIL_SNAPSHOT = 2;

/** Where a subscription comes from. */
export interface SubscriptionHome {
  readonly connection: Connection;
  readonly editing: Editing;
  /** Epoch and head of a path. */
  askHead(path: string): Promise<{ readonly epoch: Uint8Array; readonly head: number }>;
}

/** A subscription at work. */
export class SubscriptionOperation implements Subscription, Operation, Handler, Resumable {
  readonly isPull = false;
  readonly urgency = 0;
  readonly path: string;
  readonly state = new EditView();
  readonly ready: Promise<void>;
  readonly closed: Promise<SubscriptionEnd>;
  readonly #home: SubscriptionHome;
  readonly #options: SubscriptionOptions;
  readonly #events = new Emitter<SubscriptionEvents>();
  readonly #cursor: LogCursor;
  readonly #feed = new EditFeed((bytes) => this.#taken(bytes));
  readonly #presence: Presence;
  readonly #waiters = new SeqWaiters();
  readonly #forgetAbort: () => void;
  #settleReady: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #end: ((end: SubscriptionEnd) => void) | undefined;
  #filter: EditFilter | undefined;
  /** What was asked for on this line. */
  #askedFilter: EditFilter | undefined;
  /** Whether it is known where to begin. */
  #begun = false;
  #over = false;
  #line: Line | undefined;
  #id = 0;
  /** Whether the server has answered on this line. */
  #open = false;
  #account: CreditAccount | undefined;
  /** Bytes of an edit that came in pieces. */
  #cutBytes = 0;
  #gaps = 0;
  #refusals = 0;
  #forgetTimer: (() => void) | undefined;

  constructor(home: SubscriptionHome, path: string, options: SubscriptionOptions) {
    this.#home = home;
    this.path = path;
    this.#options = options;
    this.#filter = options.filter;
    this.#cursor = new LogCursor(this.state, (wid) => home.editing.owns(path, wid));
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => {}); // whoever iterates hears of it there
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#presence = new Presence({
      clock: home.connection.clock,
      send: (n, state) => this.#sendPresence(n, state),
      changed: (peers) => this.#events.emit('peers', peers),
    });
    this.#forgetAbort = onAbort(options.signal, (reason) => this.#finish({ error: reason }));
    if (options.signal?.aborted) this.#finish({ error: options.signal.reason });
    else if (home.connection.state === 'closed') home.connection.submit(this);
    else void this.#begin();
  }

  get epoch(): Uint8Array | undefined {
    return this.#cursor.epoch;
  }

  get seq(): number {
    return this.#cursor.position ?? 0;
  }

  get head(): number {
    return this.#cursor.head;
  }

  get behind(): number {
    return this.head - this.seq;
  }

  get live(): boolean {
    return this.#cursor.live;
  }

  get loading(): boolean {
    return this.#cursor.loading;
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#presence.peers;
  }

  get presence(): Subscription['presence'] {
    return { set: (state) => this.#setPresence(state) };
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<EditEvent, undefined, undefined> {
    return this.#feed.iterate();
  }

  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (value: SubscriptionEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  until(seq: number): Promise<void> {
    if (!this.loading && this.seq >= seq) return Promise.resolve();
    return this.#waiters.add(seq);
  }

  focus(filter: EditFilter): void {
    if (this.#over) return;
    this.#filter = filter;
    this.#cursor.refocus();
    // On a line that has not answered yet, FOCUS follows the answer.
    if (this.#line !== undefined && this.#open) this.#sendFocus(this.#line, filter);
  }

  close(): void {
    this.#finish({});
  }

  // As an operation: SUBSCRIBE, where HELLO did not ask already.

  start(line: Line): void {
    const id = line.claim(this);
    const fixed = this.#fixedWindow();
    const win = fixed ?? line.window;
    this.#enter(line, id, win);
    const request = this.#request();
    line.send({ kind: 'SUBSCRIBE', id, ...request, ...(win === line.welcome.win ? {} : { win }) });
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  // As something that HELLO takes up again.

  resume(): Omit<ResumeRequest, 'sub'> | undefined {
    if (this.#over || !this.#begun) return undefined;
    this.#forgetTimer?.();
    this.#home.connection.finish(this);
    const win = this.#fixedWindow();
    return { ...this.#request(), ...(win === undefined ? {} : { win }) };
  }

  arrive(line: Line, answer: ResumeAnswer | undefined): void {
    if (this.#over || !this.#begun) return;
    if (answer === undefined) this.#home.connection.submit(this);
    else if ('error' in answer) this.#refused(answer.error);
    else {
      line.adopt(answer.sub, this);
      this.#enter(line, answer.sub, this.#fixedWindow() ?? line.welcome.win);
      this.#subscribed(readReply(answer.reply));
    }
  }

  // As a handler of what comes on its id.

  receive(message: ServerMessage, bytes: number): boolean {
    if (message.kind === 'IGNORED') return false;
    if (this.#over) return this.#receiveLate(message);
    switch (message.kind) {
      case 'SUBSCRIBE_OK':
        this.#home.connection.finish(this);
        this.#subscribed(message);
        return false;
      case 'EDITS':
        this.#cutBytes += bytes;
        this.#account?.arrive(bytes);
        this.#take(this.#cursor.edits(message));
        return false;
      case 'SNAP':
        this.#account?.arrive(bytes);
        this.#take(this.#cursor.snap(message));
        return false;
      case 'LIVE':
        this.#cursor.reached(message.seq);
        this.#progressed();
        this.#events.emit('live', this.#progress());
        return false;
      case 'RESET':
        this.#reset(this.#cursor.reset(message));
        return false;
      case 'PEERS':
        this.#presence.take(message.peers);
        return false;
      case 'UNSUBSCRIBED':
        this.#leaveLine();
        this.#refused(new BflyError(errorName(message.code), message.reason));
        return true;
      case 'ERROR':
        this.#home.connection.finish(this);
        this.#leaveLine();
        this.#refused(frameError(message));
        return true;
      default:
        throw unexpected(message, 'SUBSCRIBE');
    }
  }

  lost(_error: BflyError): void {
    this.#leaveLine();
    if (this.#over) this.#home.connection.finish(this);
    else this.#events.emit('state', this.#progress());
  }

  async #begin(): Promise<void> {
    this.#home.connection.resumes.add(this);
    const { from, snapshot } = this.#options;
    try {
      if (typeof from === 'object') this.#cursor.startAt(from.epoch, from.seq);
      else if (from !== undefined || snapshot === false) {
        const { epoch, head } = await this.#home.askHead(this.path);
        this.#cursor.startAt(epoch, from ?? head);
      }
    } catch (error) {
      this.#finish({ error });
    }
    if (this.#over) return;
    this.#begun = true;
    this.#home.connection.submit(this);
  }

  #request(): Omit<ResumeRequest, 'sub' | 'win'> {
    const wids = this.#home.editing.wids(this.path);
    const filter = this.#filter;
    const options: SubscribeOptions = {
      ...(filter === undefined ? {} : { filter: wireFilter(filter) }),
      ...(this.#options.presence === true ? { presence: true } : {}),
      ...(wids.length === 0 ? {} : { wids }),
    };
    return { path: this.path, ...this.#cursor.request(), ...options };
  }

  #fixedWindow(): number | undefined {
    return this.#options.window === undefined ? undefined : clampWindow(this.#options.window);
  }

  #enter(line: Line, id: number, firstLimit: number): void {
    this.#forgetTimer?.();
    this.#line = line;
    this.#id = id;
    this.#open = false;
    this.#cutBytes = 0;
    this.#askedFilter = this.#filter;
    const fixed = this.#fixedWindow();
    this.#account = new CreditAccount(() => fixed ?? line.window, firstLimit);
    this.#account.park(this.#feed.bytes); // what an earlier line brought takes room too
    line.credit.open(id, this.#account);
  }

  #subscribed(reply: { readonly epoch: Uint8Array; readonly head: number; readonly mode: string }): void {
    this.#open = true;
    this.#refusals = 0;
    if (this.#cursor.subscribed(reply)) this.#reset(true);
    this.#home.editing.epochs.learn(this.path, reply.epoch);
    if (this.#options.presence === true) this.#presence.arrive();
    if (this.#line !== undefined && this.#filter !== this.#askedFilter && this.#filter !== undefined)
      this.#sendFocus(this.#line, this.#filter);
    this.#progressed();
  }

  #reset(newEpoch: boolean): void {
    const { epoch, head } = this.#cursor;
    if (epoch === undefined) return;
    this.#cutBytes = 0;
    if (newEpoch) this.#waiters.fail(new BflyError('EPOCH_MISMATCH', 'the log of the path was begun anew'));
    this.#home.editing.epochs.learn(this.path, epoch);
    this.#events.emit('reset', { epoch, head, newEpoch });
    this.#events.emit('state', this.#progress());
  }

  #take(step: Step): void {
    if (step.kind === 'gap') return this.#again();
    if (step.kind === 'edits') {
      const bytes = this.#cutBytes;
      this.#cutBytes = 0;
      if (step.edits.length > 0) this.#gaps = 0;
      this.#account?.park(this.#feed.push(step.edits, bytes));
      if (step.edits.length > 0) this.#events.emit('edits', step.edits);
    }
    if (step.kind !== 'nothing') this.#progressed();
    this.#checkCredit();
  }

  #progressed(): void {
    if (!this.loading) {
      this.#settleReady?.resolve();
      this.#settleReady = undefined;
      this.#waiters.reach(this.seq);
    }
    this.#events.emit('state', this.#progress());
  }

  #progress(): SubscriptionProgress {
    const { seq, head, live, loading } = this;
    return { seq, head, live, loading };
  }

  /** Something is missing: subscribes again, from what is known. Rule [S8]. */
  #again(): void {
    this.#unsubscribe();
    if (++this.#gaps > GAPS_UNTIL_SNAPSHOT) this.#cursor.forget();
    const calm = this.#gaps - GAPS_UNTIL_SNAPSHOT;
    this.#askIn(calm < 0 ? 0 : backOffMs(calm, BOUNDS, 0, this.#home.connection.clock.random()));
    this.#events.emit('state', this.#progress());
  }

  #refused(error: BflyError): void {
    const isVoid = error.code === 'UNRECOVERABLE' || error.code === 'EPOCH_MISMATCH';
    if (!isVoid && errorVerdict(error) !== 'retry') return this.#finish({ error });
    if (isVoid) this.#cursor.forget();
    this.#askIn(backOffMs(this.#refusals++, BOUNDS, error.retryMs ?? 0, this.#home.connection.clock.random()));
  }

  #askIn(ms: number): void {
    const { connection } = this.#home;
    this.#forgetTimer?.();
    if (ms === 0) connection.submit(this);
    else this.#forgetTimer = connection.clock.after(ms, () => connection.submit(this));
  }

  /** Ends it with the server, which may have sent more before it hears of it. */
  #unsubscribe(): void {
    const line = this.#line;
    const sub = this.#id;
    this.#leaveLine();
    if (line === undefined) return;
    line.adopt(sub, { receive: () => false });
    const done = (message: ServerMessage): boolean => {
      if (message.kind === 'IGNORED') return false;
      line.release(sub);
      return true;
    };
    line.send({ kind: 'UNSUBSCRIBE', id: line.claim({ receive: done }), sub });
  }

  /** What comes after the end: one that the server had not yet opened is ended when it is. */
  #receiveLate(message: ServerMessage): boolean {
    if (message.kind !== 'SUBSCRIBE_OK' && message.kind !== 'ERROR') return false;
    this.#home.connection.finish(this);
    if (message.kind === 'SUBSCRIBE_OK') this.#unsubscribe();
    return message.kind === 'ERROR';
  }

  #sendFocus(line: Line, filter: EditFilter): void {
    this.#askedFilter = filter;
    const id = line.claim({
      receive: (message) => {
        // It knows no such subscription, or not such a filter: the next SUBSCRIBE tells which.
        if (message.kind === 'ERROR' && !this.#over && this.#line === line) this.#again();
        return message.kind !== 'IGNORED';
      },
    });
    line.send({ kind: 'FOCUS', id, sub: this.#id, filter: wireFilter(filter) });
  }

  #setPresence(state: PresenceState | null): void {
    if (this.#options.presence !== true)
      throw new BflyError('BAD_REQUEST', 'presence needs a subscription with the option presence: true');
    this.#presence.set(state);
  }

  #sendPresence(n: number, state: WireMap | null): boolean {
    const line = this.#line;
    if (line === undefined || !this.#open || !line.welcome.feat.includes('presence')) return false;
    line.send({ kind: 'PRESENCE', id: this.#id, n, state });
    return true;
  }

  #taken(bytes: number): void {
    this.#account?.take(bytes);
    this.#checkCredit();
  }

  #checkCredit(): void {
    if (this.#account !== undefined) this.#line?.credit.check(this.#account);
  }

  #leaveLine(): void {
    this.#line?.credit.close(this.#id);
    this.#line = undefined;
    this.#open = false;
    this.#account = undefined;
    this.#cursor.leave();
  }

  #finish(end: SubscriptionEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#forgetAbort();
    this.#forgetTimer?.();
    const { connection } = this.#home;
    connection.resumes.delete(this);
    // Before its answer nobody knows whether there is something to end.
    if (this.#open) this.#unsubscribe();
    if (this.#line === undefined) connection.finish(this);
    const error = 'error' in end ? end.error : new BflyError('CANCELLED', 'the subscription is closed');
    this.#settleReady?.reject(error);
    this.#waiters.fail(error);
    this.#presence.end();
    this.#feed.end(end);
    this.#events.emit('end', end);
    this.#end?.(end);
  }
}

function wireFilter({ ids, ...rest }: EditFilter): WireMap {
  return ids === undefined ? { ...rest } : { ...rest, ids: wireIds(ids, 'filter.ids') };
}

/** @throws BflyError BAD_REQUEST where the map is no reply to SUBSCRIBE. */
function readReply(reply: WireMap): { readonly epoch: Uint8Array; readonly head: number; readonly mode: string } {
  const { epoch, head, mode } = reply;
  if (epoch instanceof Uint8Array && typeof head === 'number' && typeof mode === 'string') return { epoch, head, mode };
  throw new BflyError('BAD_REQUEST', 'resume: each must be a map with epoch, head and mode');
}
