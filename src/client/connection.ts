/** One lasting connection: makes links, comes back after losses, and carries unfinished operations from line to line. */
import { BflyError, DEFAULT_LIMITS, type Limits, type ServerMessage, type Welcome } from '../../protocol/index.ts';
import { Admission } from './admission.ts';
import { type BackOff, backOffMs, DEFAULT_BACK_OFF, STABLE_MS } from './back-off.ts';
import type { Clock } from './clock.ts';
import { Credentials } from './credentials.ts';
import type { EditingEvents } from './edit-result.ts';
import { Emitter } from './events.ts';
import { helloRoom, makeHello } from './hello.ts';
import { frameError, Line } from './line.ts';
import { type Goaway, Link, type Loss } from './link.ts';
import { type Operation, type OperationHost, onAbort } from './operation.ts';
import type { ConnectOptions, Environment } from './options.ts';
import { Resumes } from './resumes.ts';
import { SUBPROTOCOL } from './socket.ts';

/** Where a session stands. `offline`: the connection is lost and will be made again. */
export type SessionState = 'connecting' | 'live' | 'offline' | 'closed';

/** How a session ended. */
export interface SessionEnd {
  readonly code: number;
  readonly reason: string;
  /** Absent where the user closed it. */
  readonly error?: unknown;
}

/** Events of a session. */
export interface SessionEvents extends EditingEvents {
  readonly state: SessionState;
  readonly goaway: Goaway;
  /** The server has taken another token: who we are, and what we may do, may be others now. */
  readonly renewed: undefined;
  /** An error that belongs to no request, or the loss that ended a connection. */
  readonly error: BflyError;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** A lasting connection to one server. */
export class Connection implements OperationHost {
  readonly events = new Emitter<SessionEvents>();
  readonly closed: Promise<SessionEnd>;
  readonly carries: boolean;
  readonly clock: Clock;
  /** What each line begins with, besides operations. */
  readonly resumes = new Resumes();
  readonly #url: string;
  #options: ConnectOptions;
  readonly #environment: Environment;
  readonly #bounds: BackOff;
  readonly #operations = new Set<Operation>();
  readonly #admission: Admission;
  readonly #credentials: Credentials;
  readonly #forgetAbort: () => void;
  #state: SessionState = 'connecting';
  #end: ((end: SessionEnd) => void) | undefined;
  #ended: SessionEnd | undefined;
  #link: Link | undefined;
  #line: Line | undefined;
  #welcome: Welcome | undefined;
  #limits: Limits = DEFAULT_LIMITS;
  #attempt = 0;
  #liveAt = 0;
  #forgetTimer: (() => void) | undefined;

  constructor(url: string, options: ConnectOptions, environment: Environment) {
    this.#url = url;
    this.#options = options;
    this.#environment = environment;
    this.clock = environment.clock;
    this.carries = options.reconnect !== false;
    this.#credentials = new Credentials(options.token);
    this.#bounds = { ...DEFAULT_BACK_OFF, ...(options.reconnect === false ? {} : options.reconnect) };
    this.#admission = new Admission(this.clock, (operation) => this.#start(operation));
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#forgetAbort = onAbort(options.signal, (reason) => this.end({ code: 1000, reason: 'aborted', error: reason }));
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The newest WELCOME. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** The server's newest limits. */
  get limits(): Limits {
    return this.#limits;
  }

  /** The line of this moment, if there is one. */
  get line(): Line | undefined {
    return this.#line;
  }

  /** Operations that are not over. */
  get operations(): number {
    return this.#operations.size;
  }

  /** Operations that wait or run under the server's limits. */
  get admitted(): number {
    return this.#admission.size;
  }

  /**
   * Connects for the first time.
   *
   * @throws BflyError of the loss; the signal's reason.
   */
  async open(): Promise<void> {
    if (this.#options.signal?.aborted) this.end({ code: 1000, reason: 'aborted', error: this.#options.signal.reason });
    else void this.#connect();
    await Promise.race([this.closed, this.#whenLive()]);
    if (this.#ended !== undefined) throw this.#ended.error ?? new BflyError('CANCELLED', 'the session was closed');
  }

  /** Another name or colour from now on: HELLO alone tells them, so a connection is made anew. */
  introduce(person: { readonly name?: string; readonly color?: string }): void {
    this.#options = { ...this.#options, ...person };
    const link = this.#link;
    if (link === undefined || this.#ended !== undefined) return; // the next HELLO says it
    this.#link = undefined;
    link.close(1000, 'another name');
    this.#leaveLine(new BflyError('UNAVAILABLE', 'the connection is made anew'));
    this.#setState('offline');
    this.#comeBack(0);
  }

  submit(operation: Operation): void {
    if (this.#ended !== undefined) {
      operation.fail(this.#ended.error ?? this.#endError());
      return;
    }
    this.#operations.add(operation);
    this.#admission.add(operation);
  }

  finish(operation: Operation): void {
    if (this.#operations.delete(operation)) this.#admission.remove(operation);
  }

  /** Ends everything, once. */
  end(end: SessionEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = end;
    this.#forgetAbort();
    this.#forgetTimer?.();
    this.#link?.close(end.code, end.reason);
    this.#leaveLine(this.#endError());
    const operations = [...this.#operations];
    this.#operations.clear();
    for (const operation of operations) {
      this.#admission.remove(operation);
      operation.fail(end.error ?? this.#endError());
    }
    this.resumes.fail(end.error ?? this.#endError());
    this.#setState('closed');
    this.#end?.(end);
  }

  #start(operation: Operation): void {
    if (this.#line === undefined) return;
    try {
      operation.start(this.#line);
    } catch (cause) {
      operation.fail(new BflyError('BAD_REQUEST', 'the request holds a value that cannot be sent', { cause }));
    }
  }

  #endError(): BflyError {
    const cause = this.#ended?.error;
    return cause instanceof BflyError ? cause : new BflyError('CANCELLED', 'the session is closed');
  }

  #whenLive(): Promise<void> {
    return new Promise((resolve) => {
      const forget = this.events.on('state', (state) => {
        if (state === 'connecting') return;
        forget();
        resolve();
      });
    });
  }

  async #connect(): Promise<void> {
    let token: string | undefined;
    try {
      token = await this.#credentials.token();
    } catch (error) {
      return this.#lost({ verdict: 'retry', error: asError(error), code: 1000, reason: 'no token', retryMs: 0 });
    }
    if (this.#ended !== undefined) return;
    try {
      this.#link = this.#openLink(token);
    } catch (error) {
      this.#lost({ verdict: 'retry', error: asError(error), code: 1006, reason: '', retryMs: 0 });
    }
  }

  #openLink(token: string | undefined): Link {
    const { transport, connectTimeoutMs } = this.#options;
    const resume = this.resumes.request(helloRoom(this.#limits.hello, token));
    const hello = makeHello(this.#options, token, resume);
    const socket = (transport ?? this.#environment.openSocket)(this.#url, [SUBPROTOCOL]);
    return new Link(
      { socket, hello, clock: this.clock, connectTimeoutMs: connectTimeoutMs ?? CONNECT_TIMEOUT_MS },
      {
        welcomed: (welcome) => this.#live(welcome),
        message: (message, bytes) => this.#receive(message, bytes),
        goaway: (goaway) => this.#leaving(goaway),
        lost: (loss) => this.#lost(loss),
      },
    );
  }

  #live(welcome: Welcome): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#welcome = welcome;
    this.#credentials.welcomed(welcome.session);
    this.#liveAt = this.clock.now();
    const line = new Line(welcome, this.#options.window, this.clock, (message) => link.send(message));
    this.#line = line;
    this.#limits = line.limits;
    this.#setState('live');
    if (this.#line !== line) return; // a listener has closed the session
    line.probe();
    // First what others did: it may show that what waits to be sent belongs to a log that is no more.
    this.resumes.welcome(line, welcome);
    this.#admission.open(line.limits);
  }

  /** What runs may finish; the server would refuse what is new, so it waits for the next line. Rule [C4]. */
  #leaving(goaway: Goaway): void {
    this.#line?.leave();
    this.#admission.hold();
    this.events.emit('goaway', goaway);
  }

  #receive(message: ServerMessage, bytes: number): void {
    if (message.kind === 'AUTHREQ') void this.#renewToken();
    else if (message.kind === 'ERROR' && message.id === 0) this.events.emit('error', frameError(message));
    else this.#line?.receive(message, bytes);
  }

  /** The token of the living connection runs out. */
  async #renewToken(): Promise<void> {
    const line = this.#line;
    if (line === undefined || !this.#credentials.canRenew) return;
    try {
      const token = await this.#credentials.token(true);
      if (line !== this.#line || token === undefined) return;
      const id = line.claim({ receive: (message) => this.#takeAuth(message) });
      line.send({ kind: 'AUTH', id, token });
    } catch (error) {
      this.events.emit('error', asError(error));
    }
  }

  #takeAuth(message: ServerMessage): boolean {
    if (message.kind === 'AUTH_OK' && this.#welcome !== undefined) {
      this.#welcome = { ...this.#welcome, user: message.user };
      this.events.emit('renewed', undefined);
    }
    if (message.kind === 'ERROR') this.events.emit('error', frameError(message));
    return message.kind !== 'IGNORED';
  }

  #lost(loss: Loss): void {
    if (this.#ended !== undefined) return;
    const wasLive = this.#line !== undefined;
    if (wasLive && this.clock.now() - this.#liveAt >= STABLE_MS) {
      this.#attempt = 0;
      this.#credentials.stable();
    }
    this.#link = undefined;
    const verdict = this.#credentials.judge(loss.verdict);
    if (verdict === 'stop' || !this.carries || this.#welcome === undefined) {
      this.end({ code: loss.code, reason: loss.reason, error: loss.error });
      return;
    }
    this.#leaveLine(loss.error);
    this.#setState('offline');
    if (wasLive) this.events.emit('error', loss.error);
    this.#comeBack(verdict === 'renew' && this.#credentials.refused() ? 0 : this.#nextWait(loss.retryMs));
  }

  #nextWait(retryMs: number): number {
    return backOffMs(this.#attempt++, this.#bounds, retryMs, this.clock.random());
  }

  #comeBack(ms: number): void {
    if (this.#ended !== undefined) return; // a listener has closed the session
    this.#forgetTimer = this.clock.after(ms, () => void this.#connect());
  }

  #leaveLine(error: BflyError): void {
    const line = this.#line;
    this.#line = undefined;
    this.#admission.shut();
    line?.drop(error);
  }

  #setState(state: SessionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.events.emit('state', state);
  }
}

function asError(cause: unknown): BflyError {
  return cause instanceof BflyError ? cause : new BflyError('UNAVAILABLE', 'the socket could not be opened', { cause });
}
