/** One connected client: hello, then requests in, answers out. Turns messages into questions to the Core and its answers into messages. */
import { BadFrame, decodeClient } from '../../../protocol/decode.ts';
import { encodeError, encodeServer } from '../../../protocol/encode.ts';
import { BflyError, CLOSE_CODES, MalformedFrame } from '../../../protocol/errors.ts';
import { FRAME, MAX_REPLY, WINDOW } from '../../../protocol/limits.ts';
import type { ClientMessage, Hello, ServerMessage, Welcome, Wire } from '../../../protocol/messages.ts';
import { notFound } from '../../core/core.ts';
import type { Connection, ConnectionEvents } from '../transport/transport.ts';
import { SendQueue } from './send-queue.ts';
import { SessionAuth } from './session-auth.ts';
import type { OpenRequest, SessionContext, SessionHome } from './session-context.ts';
import { SessionWork } from './session-work.ts';
import { TokenBucket } from './token-bucket.ts';

/** What this server knows of the protocol. */
export const FEATURES = ['pull', 'cutout', 'unique', 'feature', 'edit', 'subscribe', 'presence', 'history'] as const;
const VERSION = 1;
/** Messages that nothing answers, rules [X6] and [F6]. */
const WITHOUT_REPLY: readonly ClientMessage['kind'][] = ['CREDIT', 'CANCEL', 'PONG', 'PRESENCE', 'BULK', 'IGNORED'];

/** Of those that can be renewed, where there are tokens. */
const AUTH_FEATURE = 'auth';

/** What an AUTH counts as, in frames. */
const AUTH_TOKENS = 20;

/** What may come while the token of HELLO is looked at. */
const EARLY_FRAMES = 64;
const EARLY_BYTES = 64 * 1024;

/** A client that asks on and on, and lets this much pile up unread, is cut off. */
const CUT_OFF_BYTES = 3 * 1024 * 1024;
/** Refusals for rate within `ABUSE_WINDOW_MS` that end a connection, in bursts. */
const ABUSE_BURSTS = 10;
const ABUSE_WINDOW_MS = 10_000;

/** A session from the handshake to the close. */
export class Session implements ConnectionEvents {
  readonly remoteAddress: string;
  readonly #home: SessionHome;
  readonly #onClosed: () => void;
  readonly #connection: Connection;
  readonly #requests = new Map<number, OpenRequest>();
  readonly #frames: TokenBucket;
  readonly #control: TokenBucket;
  #work: SessionWork | undefined;
  readonly #auth: SessionAuth;
  readonly #bearer: string | undefined;
  /** Frames that came before WELCOME and wait for it; undefined while nothing is looked at. */
  #early: Uint8Array[] | undefined;
  #earlyBytes = 0;
  #helloTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #lastHeard: number;
  #lastSent: number;
  /** Whether a message is being taken at this moment. */
  #isTaking = false;
  #lastProgress: number;
  #pingedAt: number | undefined;
  #refusals = 0;
  #refusalsSince = 0;
  #pingId = 0;

  /**
   * @param onClosed called once, when the connection is gone.
   * @param bearer token of the handshake, for a HELLO without one. Rule [H8].
   */
  constructor(home: SessionHome, connection: Connection, onClosed: () => void, bearer?: string) {
    this.#home = home;
    this.#onClosed = onClosed;
    this.#connection = connection;
    this.remoteAddress = connection.remoteAddress;
    this.#bearer = bearer;
    this.#auth = new SessionAuth({
      home,
      remoteAddress: this.remoteAddress,
      requests: this.#requests,
      send: (message) => this.#send(message),
      error: (id, fault) => this.#error(id, fault),
      close: (code, reason) => this.close(code, reason),
    });
    const now = home.now();
    this.#lastHeard = now;
    this.#lastSent = now;
    this.#lastProgress = now;
    const { limits } = home;
    this.#frames = new TokenBucket(limits.framesPerSecond, limits.framesBurst, now);
    this.#control = new TokenBucket(limits.controlPerSecond, limits.controlPerSecond, now);
    // Absolute: no traffic puts it off. Rule [H2].
    this.#helloTimer = setTimeout(
      () => this.close(CLOSE_CODES.HELLO_TOO_LATE, 'no HELLO within the time for it'),
      home.timings.helloMs,
    );
  }

  /** Whether WELCOME has been sent. */
  get welcomed(): boolean {
    return this.#work !== undefined;
  }

  /** Whether nothing is under way and nothing waits to leave. */
  get idle(): boolean {
    const subscriptions = this.#work?.subscriptions.size ?? 0;
    return this.#requests.size === subscriptions && this.#connection.bufferedBytes() === 0;
  }

  get openRequests(): number {
    return this.#requests.size;
  }

  get openStreams(): number {
    return this.#work?.queue.size ?? 0;
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes();
  }

  // --- events of the transport

  message(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#lastHeard = this.#home.now();
    this.#pingedAt = undefined;
    if (this.#early !== undefined) return this.#keepEarly(this.#early, bytes);
    if (this.#work === undefined && bytes.length > this.#home.limits.hello)
      return this.close(CLOSE_CODES.ABUSE, `the first frame is larger than ${this.#home.limits.hello} bytes`);
    if (this.#connection.bufferedBytes() > CUT_OFF_BYTES)
      return this.#cutOff(CLOSE_CODES.ABUSE, 'answers are not read');
    this.#isTaking = true;
    try {
      this.#take(decodeClient(bytes), bytes.length);
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#isTaking = false;
    }
  }

  text(): void {
    this.close(CLOSE_CODES.MALFORMED, 'text messages are not part of bfly.v1: send binary MessagePack');
  }

  drained(): void {
    this.#lastProgress = this.#home.now();
    this.#work?.questions.run();
    this.#pump();
  }

  #pump(): void {
    const work = this.#work;
    if (work === undefined) return;
    // Replies, then edits, then a piece of a longer catch-up, then tiles: rule [D18].
    work.subscriptions.pumpUrgent();
    work.subscriptions.pumpOne();
    work.queue.pump();
    work.subscriptions.pumpRest();
  }

  closed(): void {
    if (this.#helloTimer !== undefined) clearTimeout(this.#helloTimer);
    this.#closed = true;
    this.#dropRequests();
    this.#work?.close();
    this.#onClosed();
  }

  /** The requests are gone before the first is dropped: what it made way for sees that nobody waits any more. */
  #dropRequests(): void {
    this.#work?.subscriptions.close();
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.drop();
  }

  // --- what the hub asks for

  /** Heartbeats and the watch over silent and stuck clients. Rule [C6]. */
  sweep(now: number): void {
    // Nothing comes before WELCOME, which may wait for subscriptions.
    if (this.#closed || !this.welcomed || this.#early !== undefined) return;
    this.#auth.sweep();
    if (this.#closed) return;
    this.#work?.sweep(now);
    const { pingMs, pongMs, stuckMs } = this.#home.timings;
    if (this.#connection.bufferedBytes() === 0) this.#lastProgress = now;
    else if (now - this.#lastProgress >= stuckMs) return this.#cutOff(CLOSE_CODES.DEAD, 'nothing leaves the socket');
    if (this.#pingedAt !== undefined && now - this.#pingedAt >= pongMs)
      return this.#cutOff(CLOSE_CODES.DEAD, 'nothing heard');
    if (this.#pingedAt === undefined && now - this.#lastHeard >= 3 * pingMs) {
      this.#pingedAt = now;
      this.#send({ kind: 'PING', id: ++this.#pingId, t: null });
    } else if (now - this.#lastSent >= pingMs) this.#send({ kind: 'BEAT', id: 0 });
  }

  /** The rules of who may what have changed. */
  rulesChanged(): void {
    if (!this.#closed) this.#auth.rulesChanged();
  }

  /** Announces that the connection will be closed. */
  goAway(code: number, reason: string, retryMs: number): void {
    if (!this.#closed && this.welcomed) this.#send({ kind: 'GOAWAY', id: 0, code, reason, retryMs });
  }

  /** Closes the connection behind what was sent. */
  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.welcomed && code !== CLOSE_CODES.SHUTTING_DOWN)
      this.#connection.send(encodeServer({ kind: 'GOAWAY', id: 0, code, reason, retryMs: 0 }));
    this.#home.log.info({ code, reason, address: this.remoteAddress }, 'closing a connection');
    this.#connection.close(code, reason);
    this.#dropRequests();
  }

  /** A close frame would never leave: what is in the socket's buffer stands before it. */
  #cutOff(code: number, reason: string): void {
    this.close(code, reason);
    this.#connection.terminate();
  }

  // --- messages in

  #take(message: ClientMessage, bytes: number): void {
    if (this.#work === undefined) {
      if (message.kind !== 'HELLO')
        return this.close(CLOSE_CODES.NO_HELLO, `the first frame is HELLO, not ${message.kind}`);
      return this.#hello(message);
    }
    if (message.kind === 'BULK' ? bytes > this.#home.limits.bulk + 64 : bytes > this.#home.limits.message)
      throw new BadFrame(
        0,
        hasReply(message) ? message.id : 0,
        new BflyError('TOO_LARGE', `a message may have ${this.#home.limits.message} bytes`),
      );
    if (!this.#isWithinRate(isControl(message), tokensOf(message), hasReply(message) ? message.id : undefined)) return;
    switch (message.kind) {
      case 'PONG':
      case 'IGNORED':
        return;
      case 'PING':
        return this.#send({ kind: 'PONG', id: message.id, t: message.t });
      case 'CREDIT':
        for (const [id, offset] of message.grants) {
          this.#work.queue.grant(id, offset);
          this.#work.subscriptions.grant(id, offset);
        }
        return this.#pump();
      case 'CANCEL':
        this.#requests.get(message.id)?.cancel('cancelled');
        return;
      case 'PRESENCE':
        return this.#work.subscriptions.presence(message);
      case 'BULK':
        return this.#work.edits.bulk(message);
      default:
        return this.#request(message);
    }
  }

  /** Charges a frame to its rate. Over it the frame is answered, where frames of its kind are, and given up. Rules [L3], [L4]. */
  #isWithinRate(isControl: boolean, tokens: number, answerId: number | undefined): boolean {
    // A message is being taken: no need to look at the clock again.
    const now = this.#lastHeard;
    const retryMs = (isControl ? this.#control : this.#frames).take(now, tokens);
    if (retryMs === 0) return true;
    if (now - this.#refusalsSince > ABUSE_WINDOW_MS) {
      this.#refusalsSince = now;
      this.#refusals = 0;
    }
    const burst = isControl ? this.#home.limits.controlPerSecond : this.#home.limits.framesBurst;
    if (++this.#refusals > ABUSE_BURSTS * burst) this.close(CLOSE_CODES.RATE, 'too many frames for too long');
    else if (answerId !== undefined)
      this.#error(this.#freeId(answerId), new BflyError('RATE_LIMITED', 'too many frames; wait a moment', { retryMs }));
    return false;
  }

  /** An ERROR of an id in use would end what uses it: it goes to the connection. Rule [X5]. */
  #freeId(id: number): number {
    return this.#requests.has(id) ? 0 : id;
  }

  #hello(hello: Hello): void {
    if (!hello.v.includes(VERSION)) return this.close(CLOSE_CODES.VERSION, 'this server speaks version 1');
    const asked = {
      // '' as a variable of the environment that is set to nothing.
      token: hello.token === undefined || hello.token === '' ? this.#bearer : hello.token,
      name: hello.name,
      canRenew: hello.feat.includes(AUTH_FEATURE),
    };
    this.#early = [];
    this.#auth.admit(hello.id, asked, (session) => {
      if (this.#closed) return;
      this.#welcome(hello, session, () => {
        const early = this.#early ?? [];
        this.#early = undefined;
        for (const bytes of early) this.message(bytes);
      });
    });
  }

  /** Keeps a frame until WELCOME has been sent; `bytes` is borrowed. */
  #keepEarly(early: Uint8Array[], bytes: Uint8Array): void {
    this.#earlyBytes += bytes.length;
    if (early.length >= EARLY_FRAMES || this.#earlyBytes > EARLY_BYTES)
      return this.close(CLOSE_CODES.ABUSE, `more than ${EARLY_FRAMES} frames or ${EARLY_BYTES} bytes before WELCOME`);
    early.push(bytes.slice());
  }

  /** @param done called when WELCOME has been sent: at once unless subscriptions are to be taken up again. */
  #welcome(hello: Hello, session: string, done: () => void): void {
    clearTimeout(this.#helloTimer);
    this.#helloTimer = undefined;
    const home = this.#home;
    const win = clamp(hello.win ?? WINDOW.default, WINDOW);
    const frame = clamp(hello.frame ?? Math.floor(win / FRAME.share), FRAME);
    const queue = new SendQueue(this.#connection, win);
    const context: SessionContext = {
      home,
      connection: this.#connection,
      queue,
      windowBytes: win,
      frameBytes: frame,
      requests: this.#requests,
      color: hello.color,
      identity: () => this.#auth.identity,
      checkRead: (path) => {
        if (!this.#auth.identity.rights.allows('read', path)) throw notFound(path);
      },
      onIdentity: (listener) => this.#auth.onChange(listener),
      send: (message) => this.#send(message),
      sendBytes: (reply, id) => this.#sendBytes(reply, id),
      error: (id, fault) => this.#error(id, fault),
      pump: () => this.#pump(),
    };
    const work = new SessionWork(context);
    this.#work = work;
    const greet = (resume: Wire[]): void => this.#greet(hello, session, { win, frame, resume });
    if (hello.resume === undefined || hello.resume.length === 0) {
      greet([]);
      return done();
    }
    work.subscriptions
      .resume(hello.resume)
      .then(({ replies, begin }) => {
        // They were taken up for a connection that has gone meanwhile.
        if (this.#closed) return this.#dropRequests();
        greet(replies);
        begin();
        done();
      })
      .catch((error: unknown) => {
        home.log.error({ err: error }, 'subscriptions could not be taken up again');
        this.close(CLOSE_CODES.INTERNAL, 'the server failed');
      });
  }

  #greet(hello: Hello, session: string, granted: Pick<Welcome, 'win' | 'frame' | 'resume'>): void {
    const home = this.#home;
    const { user, expiresAt } = this.#auth.identity;
    const features: readonly string[] = home.authority.isOpen ? FEATURES : [...FEATURES, AUTH_FEATURE];
    this.#send({
      kind: 'WELCOME',
      id: hello.id,
      v: VERSION,
      server: home.server,
      session,
      user,
      now: home.time(),
      ...(expiresAt === undefined ? {} : { exp: expiresAt }),
      feat: features.filter((feature) => hello.feat.includes(feature)),
      ping: home.timings.pingMs,
      limits: home.limits,
      ...granted,
    });
  }

  /** A message that opens a request of its own. */
  #request(message: Extract<ClientMessage, { id: number }>): void {
    if (message.id === 0 || this.#requests.has(message.id))
      return this.#error(
        0,
        new BflyError(
          'BAD_REQUEST',
          `the id ${message.id} is ${message.id === 0 ? 'kept for the connection' : 'in use'}`,
        ),
      );
    if (this.#requests.size >= this.#home.limits.requests)
      return this.#error(
        message.id,
        new BflyError('LIMIT', `at most ${this.#home.limits.requests} requests may be open`),
      );
    // What was applied before is answered even now: another number would apply it again. Rule [E15].
    if (this.#home.leaving && !(message.kind === 'EDIT' && this.#work?.edits.isRepeated(message)))
      return this.#error(message.id, new BflyError('UNAVAILABLE', 'the server is shutting down', { retryMs: 500 }));
    this.#answer(message);
  }

  #answer(message: Extract<ClientMessage, { id: number }>): void {
    const work = this.#work;
    if (work === undefined) return;
    switch (message.kind) {
      case 'HELLO':
        return this.#error(message.id, new BflyError('BAD_REQUEST', 'HELLO comes once, as the first frame'));
      case 'AUTH':
        return this.#auth.renew(message);
      case 'PULL':
        return work.pulls.pull(message);
      case 'CUTOUT':
        return work.pulls.cutout(message);
      case 'PRIO':
        return work.pulls.prioritise(message);
      case 'EDIT':
        return work.edits.edit(message);
      case 'SUBSCRIBE':
        return work.subscriptions.subscribe(message);
      case 'UNSUBSCRIBE':
        return work.subscriptions.unsubscribe(message);
      case 'FOCUS':
        return work.subscriptions.focus(message);
      case 'INFO':
      case 'LIST':
      case 'FEATURE':
      case 'UNIQUE':
      case 'HISTORY':
        return work.questions.ask(message);
      default:
        return this.#error(message.id, new BflyError('UNSUPPORTED', `${message.kind} is not supported by this server`));
    }
  }

  #refuse(error: unknown): void {
    if (error instanceof BadFrame && this.#work !== undefined) {
      if (this.#isWithinRate(false, 1, error.id)) this.#error(this.#freeId(error.id), error.fault);
    } else if (error instanceof BadFrame || error instanceof MalformedFrame) {
      const code = this.#work === undefined && error instanceof BadFrame ? CLOSE_CODES.NO_HELLO : CLOSE_CODES.MALFORMED;
      this.close(code, error.message);
    } else throw error;
  }

  // --- messages out

  #send(message: ServerMessage): void {
    if (this.#closed) return;
    this.#sendBytes(encodeServer(message), message.id);
  }

  #sendBytes(bytes: Uint8Array, id: number): void {
    if (this.#closed) return;
    if (bytes.length > MAX_REPLY && id !== 0)
      return this.#error(
        id,
        new BflyError('TOO_LARGE', `the answer is larger than ${MAX_REPLY} bytes; ask for a part`),
      );
    this.#sent();
    this.#connection.send(bytes);
  }

  /** Notes that something leaves: a beat later than it might be does no harm, and most answers leave while their request is taken. */
  #sent(): void {
    this.#lastSent = this.#isTaking ? this.#lastHeard : this.#home.now();
  }

  #error(id: number, fault: BflyError): void {
    if (this.#closed) return;
    this.#sent();
    this.#connection.send(encodeError(id, fault.code, fault.message, fault.retryMs, fault.details));
  }
}

/** Frames that steer what is under way have a rate of their own. */
function isControl({ kind }: ClientMessage): boolean {
  return kind === 'CREDIT' || kind === 'CANCEL' || kind === 'PRIO' || kind === 'PONG';
}

/** A CREDIT of many grants is as much work as several, and so is a token. */
function tokensOf(message: ClientMessage): number {
  if (message.kind === 'AUTH') return AUTH_TOKENS;
  return message.kind === 'CREDIT' ? 1 + Math.floor(message.grants.length / 32) : 1;
}

function hasReply({ kind }: ClientMessage): boolean {
  return !WITHOUT_REPLY.includes(kind);
}

function clamp(value: number, range: { readonly min: number; readonly max: number }): number {
  return Math.min(range.max, Math.max(range.min, value));
}
