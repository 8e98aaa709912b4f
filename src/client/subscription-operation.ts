/** The working subscription: asks for itself on each line, applies what comes, and begins again where something is missing. */
import { EditView } from '../../protocol/edit-view.ts';
import { BflyError, errorName, type ResumeRequest, type ServerMessage } from '../../protocol/index.ts';
import { AskingAgain } from './asking-again.ts';
import type { Connection } from './connection.ts';
import type { EditEvent } from './edit-event.ts';
import { EditFeed } from './edit-feed.ts';
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
import { fixedWindow, readReply, type SubscribeReply, SubscriptionPlace, wireOptions } from './subscription-place.ts';

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
  readonly #feed = new EditFeed((bytes) => this.#place?.take(bytes));
  readonly #presence: Presence;
  readonly #waiters = new SeqWaiters();
  /** Those who wait for rows of a filter. */
  readonly #focusing = new SeqWaiters();
  readonly #asking: AskingAgain;
  readonly #forgetAbort: () => void;
  #settleReady: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #end: ((end: SubscriptionEnd) => void) | undefined;
  #filter: EditFilter | undefined;
  /** Whether it is known where to begin. */
  #begun = false;
  #over = false;
  /** On the line of this moment. */
  #place: SubscriptionPlace | undefined;
  /** Bytes of an edit that came in pieces. */
  #cutBytes = 0;

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
      send: (n, state) => this.#place?.showPresence(n, state) === true,
      changed: (peers) => this.#events.emit('peers', peers),
    });
    this.#asking = new AskingAgain(home.connection.clock, () => home.connection.submit(this));
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
    if (this.#over) return Promise.reject(new BflyError('CANCELLED', 'the subscription is over'));
    return this.#waiters.add(seq);
  }

  focus(filter: EditFilter): Promise<void> {
    if (this.#over) return Promise.reject(new BflyError('CANCELLED', 'the subscription is over'));
    this.#filter = filter;
    this.#cursor.refocus();
    // On a line that has not answered yet, FOCUS follows the answer.
    if (this.#place?.isOpen === true) this.#sendFocus(this.#place, filter);
    const focused = this.#focusing.add(0);
    focused.catch(() => {}); // whoever waits for it hears of it there
    return focused;
  }

  close(): void {
    this.#finish({});
  }

  // As an operation: SUBSCRIBE, where HELLO did not ask already.

  start(line: Line): void {
    const id = line.claim(this);
    const win = fixedWindow(this.#options) ?? line.window;
    this.#enter(line, id, win);
    line.send({ kind: 'SUBSCRIBE', id, ...this.#request(), ...(win === line.welcome.win ? {} : { win }) });
  }

  fail(error: unknown): void {
    this.#finish({ error });
  }

  // As something that HELLO takes up again.

  resume(): Omit<ResumeRequest, 'sub'> | undefined {
    if (this.#over || !this.#begun) return undefined;
    this.#asking.stop();
    this.#home.connection.finish(this);
    const win = fixedWindow(this.#options);
    return { ...this.#request(), ...(win === undefined ? {} : { win }) };
  }

  arrive(line: Line, answer: ResumeAnswer | undefined): void {
    if (this.#over || !this.#begun) return;
    if (answer === undefined) this.#home.connection.submit(this);
    else if ('error' in answer) this.#refused(answer.error);
    else {
      line.adopt(answer.sub, this);
      this.#enter(line, answer.sub, fixedWindow(this.#options) ?? line.welcome.win);
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
        this.#place?.arrive(bytes);
        this.#take(this.#cursor.edits(message));
        return false;
      case 'SNAP':
        this.#place?.arrive(bytes);
        this.#takeSnap(message);
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
    const { presence } = this.#options;
    const wids = this.#home.editing.wids(this.path);
    return { path: this.path, ...this.#cursor.request(), ...wireOptions(this.#filter, presence === true, wids) };
  }

  #enter(line: Line, id: number, firstLimit: number): void {
    this.#asking.stop();
    this.#cutBytes = 0;
    const window = fixedWindow(this.#options);
    const parked = this.#feed.bytes; // what an earlier line brought takes room too
    this.#place = new SubscriptionPlace(line, { id, firstLimit, window, parked, filter: this.#filter });
  }

  #subscribed(reply: SubscribeReply): void {
    const place = this.#place;
    place?.open();
    this.#asking.opened();
    if (this.#cursor.subscribed(reply)) this.#reset(true);
    this.#home.editing.epochs.learn(this.path, reply.epoch);
    if (this.#options.presence === true) this.#presence.arrive();
    const filter = this.#filter;
    if (place !== undefined && filter !== undefined && filter !== place.filter) this.#sendFocus(place, filter);
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

  #takeSnap(message: Extract<ServerMessage, { kind: 'SNAP' }>): void {
    const before = this.loading;
    this.#take(this.#cursor.snap(message));
    if (!before && this.loading) this.#events.emit('state', this.#progress());
  }

  #take(step: Step): void {
    if (step.kind === 'gap') return this.#again();
    if (step.kind === 'edits') {
      const bytes = this.#cutBytes;
      this.#cutBytes = 0;
      if (step.edits.length > 0) this.#asking.followed();
      this.#place?.park(this.#feed.push(step.edits, bytes));
      if (step.edits.length > 0) this.#events.emit('edits', step.edits);
    }
    if (step.kind !== 'nothing') this.#progressed();
    this.#place?.check();
  }

  #progressed(): void {
    if (!this.loading) {
      this.#settleReady?.resolve();
      this.#settleReady = undefined;
      this.#waiters.reach(this.seq);
      if (this.#cursor.focused) this.#focusing.reach(0);
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
    if (this.#asking.afterGap()) this.#cursor.forget();
    this.#events.emit('state', this.#progress());
  }

  #refused(error: BflyError): void {
    const next = this.#asking.afterRefusal(error);
    if (next === 'anew') this.#cursor.forget();
    else if (next === 'end') this.#finish({ error });
  }

  #unsubscribe(): void {
    const place = this.#place;
    this.#leaveLine();
    place?.unsubscribe();
  }

  /** What comes after the end: one that the server had not yet opened is ended when it is. */
  #receiveLate(message: ServerMessage): boolean {
    if (message.kind !== 'SUBSCRIBE_OK' && message.kind !== 'ERROR') return false;
    this.#home.connection.finish(this);
    if (message.kind === 'SUBSCRIBE_OK') this.#unsubscribe();
    return message.kind === 'ERROR';
  }

  #sendFocus(place: SubscriptionPlace, filter: EditFilter): void {
    // Where it is refused the next SUBSCRIBE tells why.
    place.focus(filter, () => {
      if (this.#place === place) this.#again();
    });
  }

  #setPresence(state: PresenceState | null): void {
    if (this.#options.presence !== true)
      throw new BflyError('BAD_REQUEST', 'presence needs a subscription with the option presence: true');
    this.#presence.set(state);
  }

  #leaveLine(): void {
    this.#place?.leave();
    this.#place = undefined;
    this.#cursor.leave();
  }

  #finish(end: SubscriptionEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#forgetAbort();
    this.#asking.stop();
    const { connection } = this.#home;
    connection.resumes.delete(this);
    // Before its answer nobody knows whether there is something to end.
    if (this.#place?.isOpen === true) this.#unsubscribe();
    if (this.#place === undefined) connection.finish(this);
    const error = 'error' in end ? end.error : new BflyError('CANCELLED', 'the subscription is closed');
    this.#settleReady?.reject(error);
    this.#waiters.fail(error);
    this.#focusing.fail(error);
    this.#presence.end();
    this.#feed.end(end);
    this.#events.emit('end', end);
    this.#end?.(end);
  }
}
