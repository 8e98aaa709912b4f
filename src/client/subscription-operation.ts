/** The working subscription: asks for itself on each line, applies what comes, and begins again where something is missing. */
import { EditView } from '../../protocol/edit-view.ts';
import { BflyError, errorName, type ResumeRequest, type ServerMessage } from '../../protocol/index.ts';
import { AskingAgain } from './asking-again.ts';
import { errorVerdict } from './back-off.ts';
import type { Connection } from './connection.ts';
import { EditFeed } from './edit-feed.ts';
import type { Editing } from './editing.ts';
import { Emitter } from './events.ts';
import { frameError, type Handler, type Line, unexpected } from './line.ts';
import { LogCursor, type Step } from './log-cursor.ts';
import { type Operation, onAbort } from './operation.ts';
import { Presence } from './presence.ts';
import type { Resumable, ResumeAnswer } from './resumes.ts';
import type {
  Subscription,
  SubscriptionEnd,
  SubscriptionEvents,
  SubscriptionOptions,
  SubscriptionProgress,
} from './subscription.ts';
import { SubscriptionFace } from './subscription-face.ts';
import { SubscriptionFilter } from './subscription-filter.ts';
import { fixedWindow, readReply, type SubscribeReply, SubscriptionPlace, wireOptions } from './subscription-place.ts';
import { SubscriptionWaits } from './subscription-waits.ts';

/** Where a subscription comes from. */
export interface SubscriptionHome {
  readonly connection: Connection;
  readonly editing: Editing;
  /** Epoch and head of a path. */
  askHead(path: string): Promise<{ readonly epoch: Uint8Array; readonly head: number }>;
}

/** A subscription at work. */
export class SubscriptionOperation implements Operation, Handler, Resumable {
  readonly isPull = false;
  readonly urgency = 0;
  /** What the user has of it. */
  readonly face: Subscription;
  readonly #path: string;
  readonly #home: SubscriptionHome;
  readonly #options: SubscriptionOptions;
  readonly #events = new Emitter<SubscriptionEvents>();
  readonly #cursor: LogCursor;
  readonly #feed = new EditFeed((bytes) => this.#place?.take(bytes));
  readonly #presence: Presence;
  readonly #filter: SubscriptionFilter;
  readonly #waits: SubscriptionWaits;
  readonly #asking: AskingAgain;
  readonly #forgetAbort: () => void;
  /** Whether it is known where to begin. */
  #begun = false;
  /** The server has ended it for now. */
  #isExpelled = false;
  /** On the line of this moment. */
  #place: SubscriptionPlace | undefined;
  /** Bytes of an edit that came in pieces. */
  #cutBytes = 0;

  constructor(home: SubscriptionHome, path: string, options: SubscriptionOptions) {
    this.#home = home;
    this.#path = path;
    this.#options = options;
    const state = new EditView();
    this.#cursor = new LogCursor(state, (wid) => home.editing.owns(path, wid));
    this.#filter = new SubscriptionFilter(this.#cursor, options.filter);
    this.#waits = new SubscriptionWaits(this.#cursor);
    this.#presence = new Presence({
      clock: home.connection.clock,
      send: (n, state) => this.#place?.showPresence(n, state) === true,
      changed: (peers) => this.#events.emit('peers', peers),
    });
    this.face = new SubscriptionFace({
      ...{ path, state, cursor: this.#cursor, feed: this.#feed, events: this.#events, waits: this.#waits },
      presence: options.presence === true ? this.#presence : undefined,
      focus: (filter) => {
        this.#filter.want(filter);
        this.#tellFilter();
      },
      close: () => this.#finish({}),
    });
    this.#asking = new AskingAgain(home.connection.clock, () => home.connection.submit(this));
    this.#forgetAbort = onAbort(options.signal, (reason) => this.#finish({ error: reason }));
    if (options.signal?.aborted) this.#finish({ error: options.signal.reason });
    else if (home.connection.state === 'closed') home.connection.submit(this);
    else void this.#begin();
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
        this.#cutBytes = 0;
        this.#reset(this.#cursor.reset(message));
        return false;
      case 'PEERS':
        this.#presence.take(message.peers);
        return false;
      case 'UNSUBSCRIBED':
        this.#leaveLine();
        this.#expelled(new BflyError(errorName(message.code), message.reason));
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
        const { epoch, head } = await this.#home.askHead(this.#path);
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
    const wids = this.#home.editing.wids(this.#path);
    return {
      path: this.#path,
      ...this.#cursor.request(),
      ...wireOptions(this.#filter.wanted, presence === true, wids),
    };
  }

  #enter(line: Line, id: number, firstLimit: number): void {
    this.#asking.stop();
    this.#cutBytes = 0;
    const window = fixedWindow(this.#options);
    const parked = this.#feed.bytes; // what an earlier line brought takes room too
    this.#place = new SubscriptionPlace(line, { id, firstLimit, window, parked });
  }

  #subscribed(reply: SubscribeReply): void {
    this.#place?.open();
    this.#asking.opened();
    if (this.#cursor.subscribed(reply)) this.#reset(true);
    else if (this.#isExpelled && reply.mode === 'tail') this.#reset(false);
    this.#isExpelled = false;
    this.#home.editing.epochs.learn(this.#path, reply.epoch);
    if (this.#options.presence === true) this.#presence.arrive();
    this.#progressed();
  }

  #reset(newEpoch: boolean): void {
    const { epoch, head } = this.#cursor;
    if (epoch === undefined) return;
    if (newEpoch) this.#waits.newEpoch();
    this.#home.editing.epochs.learn(this.#path, epoch);
    this.#events.emit('reset', { epoch, head, newEpoch });
    this.#events.emit('state', this.#progress());
  }

  #takeSnap(message: Extract<ServerMessage, { kind: 'SNAP' }>): void {
    const before = this.#cursor.loading;
    this.#take(this.#cursor.snap(message));
    if (!before && this.#cursor.loading) this.#events.emit('state', this.#progress());
  }

  #take(step: Step): void {
    if (step.kind === 'gap') return this.#again();
    if (step.kind === 'restarted') this.#reset(false);
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
    this.#waits.look();
    this.#tellFilter();
    this.#events.emit('state', this.#progress());
  }

  #progress(): SubscriptionProgress {
    const { seq, head, live, loading } = this.face;
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

  /** The server has ended it: for now, where the code says so. Rules [S4], [X3]. */
  #expelled(error: BflyError): void {
    if (errorVerdict(error) !== 'retry') return this.#finish({ error });
    this.#isExpelled = true;
    this.#refused(error);
    this.#events.emit('state', this.#progress());
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

  #tellFilter(): void {
    // Where it is refused the next SUBSCRIBE tells why.
    this.#filter.tell(this.#place, (place) => {
      if (this.#place === place) this.#again();
    });
  }

  #leaveLine(): void {
    this.#place?.leave();
    this.#place = undefined;
    this.#cursor.leave();
  }

  get #over(): boolean {
    return this.#waits.isOver;
  }

  #finish(end: SubscriptionEnd): void {
    if (this.#over) return;
    this.#waits.end(end);
    this.#forgetAbort();
    this.#asking.stop();
    const { connection } = this.#home;
    connection.resumes.delete(this);
    // Before its answer nobody knows whether there is something to end.
    if (this.#place?.isOpen === true) this.#unsubscribe();
    if (this.#place === undefined) connection.finish(this);
    this.#presence.end();
    this.#feed.end(end);
    this.#events.emit('end', end);
  }
}
