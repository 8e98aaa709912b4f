/** SUBSCRIBE, UNSUBSCRIBE, FOCUS and PRESENCE of one session. */
import { encodeServer } from '../../../protocol/encode.ts';
import { BflyError, ERROR_CODES } from '../../../protocol/errors.ts';
import { WINDOW } from '../../../protocol/limits.ts';
import type { ClientMessage, ResumeRequest, ServerMessage, Subscribe, Wire } from '../../../protocol/messages.ts';
import { nameOf } from '../../core/edits/edit-feed.ts';
import type { OpenLog } from '../../core/edits/edit-logs.ts';
import { PresencePlace } from '../presence/presence-place.ts';
import type { OpenRequest, SessionContext } from '../session/session-context.ts';
import { hasTime, inLaterTurn } from '../session/turns.ts';
import { EditFilter } from './edit-filter.ts';
import { freeze, freezeTables, frozenAt } from './frozen-states.ts';
import { SECTIONS, SnapshotPages } from './snapshot-pages.ts';
import { Subscription, type SubscriptionHost } from './subscription.ts';

type Request = Subscribe | ResumeRequest;
type Reply = Omit<Extract<ServerMessage, { kind: 'SUBSCRIBE_OK' }>, 'kind' | 'id'>;

/** A subscription that is open, with all that ends with it. */
interface Entry {
  readonly subscription: Subscription;
  readonly request: OpenRequest;
  readonly presence: PresencePlace | undefined;
  readonly forget: () => void;
}

/** Names of writers that a session may ask for. */
const MAX_WRITERS = 4_096;

/** Subscriptions of one session. */
export class Subscriptions {
  readonly #context: SessionContext;
  readonly #host: SubscriptionHost;
  readonly #entries = new Map<number, Entry>();
  readonly #writers: Set<string>;
  #closed = false;
  /** It goes on in a later turn of the loop. */
  #resting = false;
  /** SUBSCRIBEs without a reply. */
  readonly #opening = new Map<number, OpenRequest>();
  /** Grants for them. */
  readonly #early = new Map<number, number>();

  /** @param writers names of the session's writers; those that subscriptions ask for are added. */
  constructor(context: SessionContext, writers: Set<string>) {
    this.#context = context;
    this.#writers = writers;
    const { now } = context.home;
    this.#host = {
      connection: context.connection,
      now,
      sendFrame: (frame) => context.sendBytes(frame, 0),
      isOwn: (writer) => writers.has(writer),
      user: () => context.identity().user.id,
      freeze: (open, hasLinks) => (hasLinks ? freeze(open, now()) : freezeTables(open, now())),
      pump: () => this.#pumpAll(),
    };
    context.onIdentity(() => this.#checkRights());
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes a SUBSCRIBE; reply and edits follow. */
  subscribe(message: Subscribe): void {
    const { error } = this.#context;
    const request = this.#placeholder(message.id);
    this.#open(message.path).then(
      (open) => {
        if (!this.#settle(message.id, request)) return;
        try {
          const start = this.#start(message.id, message, open);
          this.grant(message.id, this.#early.get(message.id) ?? 0);
          this.#context.send({ kind: 'SUBSCRIBE_OK', id: message.id, ...start.reply });
          start.begin();
        } catch (fault) {
          error(message.id, this.#fault(fault));
        }
      },
      (fault: unknown) => {
        if (this.#settle(message.id, request)) error(message.id, this.#fault(fault));
      },
    );
  }

  /** Ends the wait for a path. @returns whether anybody still waits. */
  #settle(id: number, request: OpenRequest): boolean {
    const { requests } = this.#context;
    if (this.#opening.get(id) === request) this.#opening.delete(id);
    return requests.get(id) === request && requests.delete(id);
  }

  /**
   * Takes subscriptions up again. Rule [H11].
   *
   * @returns what WELCOME says of them; `begin` lets them go, once WELCOME has been sent.
   */
  async resume(list: readonly ResumeRequest[]): Promise<{ readonly replies: Wire[]; begin(): void }> {
    const opened = await Promise.allSettled(list.map(({ path }) => this.#open(path)));
    // Nobody would end them.
    if (this.#closed) return { replies: [], begin: () => {} };
    const begins: (() => void)[] = [];
    const replies = list.map((request, i): Wire => {
      const result = opened[i] as PromiseSettledResult<OpenLog>;
      try {
        if (result.status === 'rejected') throw result.reason;
        if (request.sub === 0 || this.#context.requests.has(request.sub))
          throw new BflyError('BAD_REQUEST', `the id ${request.sub} is in use`);
        const { reply, begin } = this.#start(request.sub, request, result.value);
        begins.push(begin);
        return reply;
      } catch (error) {
        const { code, message } = this.#fault(error);
        return { error: [ERROR_CODES[code], message] };
      }
    });
    return {
      replies,
      begin: () => {
        for (const begin of begins) begin();
      },
    };
  }

  unsubscribe(message: Extract<ClientMessage, { kind: 'UNSUBSCRIBE' }>): void {
    // One whose path is still being opened has no reply yet.
    this.#opening.get(message.sub)?.cancel('cancelled');
    this.#end(message.sub);
    this.#context.send({ kind: 'UNSUBSCRIBE_OK', id: message.id });
  }

  focus(message: Extract<ClientMessage, { kind: 'FOCUS' }>): void {
    const { error, send } = this.#context;
    const entry = this.#entries.get(message.sub);
    if (entry === undefined)
      return error(message.id, new BflyError('NOT_FOUND', `there is no subscription ${message.sub}`));
    try {
      entry.subscription.focus(new EditFilter(message.filter));
      send({ kind: 'FOCUS_OK', id: message.id });
      this.pumpRest();
    } catch (fault) {
      error(message.id, this.#fault(fault));
    }
  }

  presence(message: Extract<ClientMessage, { kind: 'PRESENCE' }>): void {
    const place = this.#entries.get(message.id)?.presence;
    const fault =
      place === undefined
        ? new BflyError('NOT_FOUND', `there is no subscription ${message.id} with presence`)
        : place.update(message.n, message.state);
    if (fault !== undefined) this.#context.error(0, fault);
  }

  /** Takes a grant. Unknown ids are no fault. */
  grant(id: number, bytes: number): void {
    if (this.#opening.has(id)) this.#early.set(id, Math.max(bytes, this.#early.get(id) ?? 0));
    this.#entries.get(id)?.subscription.grant(bytes);
  }

  /** Sends what goes before tiles. Rule [D18]. */
  pumpUrgent(): void {
    for (const [id, entry] of this.#entries) this.#urge(id, entry);
  }

  #urge(id: number, { subscription }: Entry): void {
    try {
      subscription.pumpUrgent();
    } catch (fault) {
      this.#expel(id, this.#fault(fault));
    }
  }

  /** Edits that cannot be read end the subscription, not the server. */
  #step(id: number, { subscription }: Entry): boolean {
    try {
      return subscription.step();
    } catch (fault) {
      this.#expel(id, this.#fault(fault));
      return false;
    }
  }

  /** In a turn of its own: nobody else hears of what goes wrong. */
  #pumpAll(): void {
    try {
      if (!this.#closed) this.#context.pump();
    } catch (error) {
      this.#context.home.log.error({ err: error }, 'edits could not be sent');
    }
  }

  /** Sends a frame of a longer catch-up: one that goes even where tiles wait. */
  pumpOne(): void {
    for (const [id, entry] of this.#entries) {
      if (!this.#step(id, entry)) continue;
      // The next turn is another's.
      if (this.#entries.delete(id)) this.#entries.set(id, entry);
      return;
    }
  }

  /** Sends all that can be sent, one after the other; where that is too much for a turn of the loop, it goes on in a later one. */
  pumpRest(): void {
    for (let sent = true; sent && !this.#resting; ) {
      sent = false;
      for (const [id, entry] of this.#entries) {
        sent = this.#step(id, entry) || sent;
        if (hasTime()) continue;
        // The next turn begins with another.
        if (this.#entries.delete(id)) this.#entries.set(id, entry);
        return this.#goOnLater(sent);
      }
    }
  }

  #goOnLater(isNeeded: boolean): void {
    if (!isNeeded && this.#entries.size === 1) return;
    this.#resting = true;
    inLaterTurn(() => {
      this.#resting = false;
      this.#host.pump();
    });
  }

  sweep(): void {
    const { pingMs } = this.#context.home.timings;
    let owes = false;
    for (const { subscription } of this.#entries.values()) {
      subscription.sweep(pingMs);
      owes ||= subscription.owes;
    }
    // Whatever was missed that would have made it go on.
    if (owes) this.#context.pump();
  }

  /** The connection is gone: nothing is opened any more. */
  close(): void {
    this.#closed = true;
  }

  #placeholder(id: number): OpenRequest {
    const { requests, error } = this.#context;
    const request: OpenRequest = {
      cancel: () => {
        if (this.#settle(id, request)) error(id, new BflyError('CANCELLED', 'cancelled'));
      },
      drop: () => this.#opening.delete(id),
    };
    requests.set(id, request);
    this.#opening.set(id, request);
    this.#early.delete(id);
    return request;
  }

  async #open(path: string): Promise<OpenLog> {
    const { home, checkRead } = this.#context;
    checkRead(path);
    return home.peekLog(path) ?? (await home.openLog(path));
  }

  /** Head and cursor are taken here, in one step: rule [S8]. */
  #start(id: number, request: Request, open: OpenLog): { readonly reply: Reply; begin(): void } {
    const { home, identity } = this.#context;
    if (this.#entries.size >= home.limits.subscriptions)
      throw new BflyError('LIMIT', `at most ${home.limits.subscriptions} subscriptions may be open`);
    // The right may have gone while the path was opened.
    this.#context.checkRead(open.log.path);
    const filter = request.filter === undefined ? undefined : new EditFilter(request.filter);
    const { log } = open;
    const mode = modeOf(request, open);
    const snapshot = mode === 'tail' ? undefined : this.#snapshot(request, open, filter);
    const user = identity().user.id;
    const writers = (request.wids ?? []).map((wid) => {
      const last = log.lastOf(wid, user);
      if (last !== undefined && this.#writers.size < MAX_WRITERS) this.#writers.add(nameOf(wid));
      return [wid, last ?? 0];
    });
    const reply: Reply = { epoch: log.epoch, first: 1, head: log.head, mode, writers };
    const after = mode === 'tail' ? (request.after ?? 0) : 0;
    const windowBytes = Math.min(WINDOW.max, Math.max(WINDOW.min, request.win ?? this.#context.windowBytes));
    const subscription = new Subscription(this.#host, id, open, after, { windowBytes, filter, snapshot });
    // From now on nothing is missed; nothing is sent before the reply, which leaves in the same turn.
    const entry = this.#enter(id, subscription, request.presence === true);
    const begin = (): void => {
      if (this.#entries.get(id) !== entry) return;
      subscription.begin();
      if (mode === 'reset') {
        const code = isSame(request.epoch, log.epoch) ? ERROR_CODES.UNRECOVERABLE : ERROR_CODES.EPOCH_MISMATCH;
        this.#context.send({ kind: 'RESET', id, code, epoch: log.epoch, head: log.head });
      }
      entry.presence?.join();
      this.pumpRest();
    };
    return { reply, begin };
  }

  #snapshot(request: Request, open: OpenLog, filter: EditFilter | undefined): SnapshotPages {
    const now = this.#context.home.now();
    const { snap } = request;
    const cutOff =
      snap === undefined || !isSame(request.epoch, open.log.epoch) ? undefined : frozenAt(open, snap[0], now);
    if (snap !== undefined && cutOff !== undefined)
      return new SnapshotPages(cutOff, filter, SECTIONS, { section: snap[1], row: snap[2] });
    return new SnapshotPages(freeze(open, now), filter, SECTIONS);
  }

  #enter(id: number, subscription: Subscription, presence: boolean): Entry {
    const { home, requests, connection, identity } = this.#context;
    const request: OpenRequest = { cancel: () => this.#cancel(id), drop: () => this.#end(id) };
    const place = presence
      ? new PresencePlace(home.presence, subscription.path, {
          sub: id,
          user: identity().user,
          color: this.#context.color,
          send: (frame) => this.#context.sendBytes(frame, 0),
          isQuiet: () => connection.bufferedBytes() === 0 && subscription.isLive,
        })
      : undefined;
    const { log } = subscription.open;
    const forgetCommits = log.onCommit(() => {
      this.#urge(id, entry);
      // A snapshot that waited for this commit, or more than goes before tiles.
      if (subscription.owes) this.#context.pump();
    });
    const gone = new BflyError('UNAVAILABLE', 'the data of the path have changed: subscribe again');
    const forgetClose = log.onClose(() => this.#expel(id, gone));
    const forget = (): void => {
      forgetCommits();
      forgetClose();
    };
    const entry = { subscription, request, presence: place, forget };
    this.#entries.set(id, entry);
    requests.set(id, request);
    return entry;
  }

  /** CANCEL has no reply of its own: the ERROR tells when the id is free. Rule [D17]. */
  #cancel(id: number): void {
    this.#end(id);
    this.#context.error(id, new BflyError('CANCELLED', 'cancelled'));
  }

  #end(id: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#context.requests.delete(id);
    entry.subscription.end();
    entry.forget();
    entry.presence?.leave();
  }

  #checkRights(): void {
    for (const [id, { subscription }] of this.#entries)
      try {
        this.#context.checkRead(subscription.path);
      } catch (error) {
        this.#expel(id, this.#fault(error));
      }
  }

  /** Ends a subscription from this side. Rule [S4]. */
  #expel(id: number, { code, message }: BflyError): void {
    this.#end(id);
    this.#context.sendBytes(encodeServer({ kind: 'UNSUBSCRIBED', id, code: ERROR_CODES[code], reason: message }), 0);
  }

  #fault(error: unknown): BflyError {
    if (error instanceof BflyError) return error;
    this.#context.home.log.error({ err: error }, 'a subscription failed');
    return new BflyError('INTERNAL', 'the subscription failed inside the server');
  }
}

/** Rule [S2]. */
function modeOf(request: Request, { log }: OpenLog): 'tail' | 'snapshot' | 'reset' {
  if (request.snapshot === true || request.snap !== undefined) {
    const isOther = request.epoch !== null && !isSame(request.epoch, log.epoch);
    return isOther ? 'reset' : 'snapshot';
  }
  const { after, chk } = request;
  if (after === null) return 'snapshot';
  if (!isSame(request.epoch, log.epoch) || after > log.head) return 'reset';
  if (chk !== undefined && !isSame(chk, log.chkAt(after))) return 'reset';
  return 'tail';
}

function isSame(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && Buffer.compare(a, b) === 0;
}
