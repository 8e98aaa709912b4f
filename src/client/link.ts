/** The life of one socket: opening, HELLO and WELCOME, bytes to messages, and the watch over silence. Never comes back: see `connection.ts`. */
import {
  BflyError,
  CLOSE_CODES,
  type ClientMessage,
  decodeServer,
  encodeClient,
  MalformedFrame,
  PING_MS,
  type ServerMessage,
  type Welcome,
} from '../../protocol/index.ts';
import { closeError, closeVerdict, errorVerdict, type Verdict } from './back-off.ts';
import type { Clock } from './clock.ts';
import { frameError } from './line.ts';
import { messageBytes, type WebSocketLike } from './socket.ts';

/** Why and how a link ended. */
export interface Loss {
  readonly verdict: Verdict;
  readonly error: BflyError;
  /** Close code: the server's, or ours where we ended it. */
  readonly code: number;
  readonly reason: string;
  /** The server's wish for the wait before the next connection, ms; 0 = none. */
  readonly retryMs: number;
}

/** GOAWAY: the server will close soon. */
export interface Goaway {
  readonly code: number;
  readonly reason: string;
  readonly retryMs: number;
}

/** What a link tells its owner. */
export interface LinkEvents {
  welcomed(welcome: Welcome): void;
  /** @param bytes length of the whole WebSocket message. @throws MalformedFrame where the message is not to be expected. */
  message(message: ServerMessage, bytes: number): void;
  goaway(goaway: Goaway): void;
  /** Called once; nothing is called after it. */
  lost(loss: Loss): void;
}

/** The id of HELLO, free again after WELCOME. */
const HELLO_ID = 1;
/** A timer this late means that we slept, not that the server did: it gets another moment. */
const LATE_MS = 1_000;
/** Longest reason of a close frame that is sure to fit whatever its letters, characters. */
const REASON_LENGTH = 40;

/** Settings of a link. */
export interface LinkSettings {
  readonly socket: WebSocketLike;
  /** HELLO without its id. */
  readonly hello: Omit<Extract<ClientMessage, { kind: 'HELLO' }>, 'id'>;
  readonly clock: Clock;
  /** From now to WELCOME. */
  readonly connectTimeoutMs: number;
}

/** One socket from its opening to its end. */
export class Link {
  readonly #socket: WebSocketLike;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  #welcomed = false;
  #over = false;
  #goaway: Goaway | undefined;
  #heardAt: number;
  #silenceMs = 2 * PING_MS;
  #forgetTimer: () => void;

  constructor(settings: LinkSettings, events: LinkEvents) {
    this.#socket = settings.socket;
    this.#clock = settings.clock;
    this.#events = events;
    this.#heardAt = this.#clock.now();
    this.#forgetTimer = this.#clock.after(settings.connectTimeoutMs, () => this.#tooLate(settings.connectTimeoutMs));
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.addEventListener('open', () => this.send({ ...settings.hello, id: HELLO_ID }));
    this.#socket.addEventListener('message', (event) => this.#receive(event.data));
    this.#socket.addEventListener('close', (event) => this.#closed(event.code ?? 1006, event.reason ?? ''));
    // Nothing to learn here: browsers say nothing, and a close event follows everywhere.
    this.#socket.addEventListener('error', () => {});
  }

  /** Sends a message; nothing after the end. */
  send(message: ClientMessage): void {
    if (!this.#over) this.#socket.send(encodeClient(message).slice()); // the encoder's bytes are borrowed, the socket keeps its own
  }

  /** Ends the link from this side, without `lost`. */
  close(code: number, reason: string): void {
    if (!this.#finish()) return;
    this.#socket.close(code, reason.slice(0, REASON_LENGTH));
  }

  /** Ends the link because of what the server sent. */
  #malformed(why: string): void {
    const error = new BflyError('INTERNAL', `the server sent a frame that is not bfly.v1: ${why}`);
    this.#fail({ verdict: 'stop', error, code: CLOSE_CODES.MALFORMED, reason: why, retryMs: 0 });
  }

  #receive(data: unknown): void {
    if (this.#over) return;
    this.#heardAt = this.#clock.now();
    const bytes = messageBytes(data);
    try {
      if (bytes === undefined) throw new MalformedFrame('it is text, and all frames are binary');
      const message = decodeServer(bytes);
      if (this.#welcomed) this.#take(message, bytes.length);
      else this.#takeFirst(message);
    } catch (error) {
      // The reader of a field says BAD_REQUEST, which here is the server's fault.
      if (error instanceof MalformedFrame || error instanceof BflyError) this.#malformed(error.message);
      else throw error;
    }
  }

  #take(message: ServerMessage, bytes: number): void {
    if (message.kind === 'PING') this.send({ kind: 'PONG', id: message.id, t: message.t });
    else if (message.kind === 'GOAWAY') this.#takeGoaway(message);
    else if (message.kind !== 'BEAT') this.#events.message(message, bytes);
  }

  #takeFirst(message: ServerMessage): void {
    switch (message.kind) {
      case 'WELCOME':
        this.#welcome(message);
        break;
      case 'PING':
        this.send({ kind: 'PONG', id: message.id, t: message.t });
        break;
      case 'GOAWAY':
        this.#takeGoaway(message);
        break;
      case 'ERROR': {
        const error = frameError(message);
        const { message: reason, retryMs } = message;
        this.#fail({ verdict: errorVerdict(error), error, code: 1000, reason, retryMs: retryMs ?? 0 });
        break;
      }
      case 'BEAT':
      case 'IGNORED':
        break;
      default:
        throw new MalformedFrame(`${message.kind} came before WELCOME`);
    }
  }

  #welcome(welcome: Welcome): void {
    if (welcome.v !== 1) {
      const error = new BflyError('UNSUPPORTED', `the server speaks version ${welcome.v}, this client version 1`);
      this.#fail({ verdict: 'stop', error, code: CLOSE_CODES.VERSION, reason: 'version', retryMs: 0 });
      return;
    }
    this.#welcomed = true;
    this.#silenceMs = 2 * welcome.ping;
    this.#forgetTimer();
    this.#watch(this.#silenceMs, false);
    this.#events.welcomed(welcome);
  }

  #takeGoaway({ code, reason, retryMs }: Goaway): void {
    this.#goaway = { code, reason, retryMs };
    this.#events.goaway(this.#goaway);
  }

  /** Looks after `ms` whether anything has been heard. */
  #watch(ms: number, graced: boolean): void {
    const due = this.#clock.now() + ms;
    this.#forgetTimer = this.#clock.after(ms, () => {
      const now = this.#clock.now();
      const silentMs = now - this.#heardAt;
      if (silentMs < this.#silenceMs) return this.#watch(this.#silenceMs - silentMs, false);
      if (!graced && now - due > LATE_MS) return this.#watch(LATE_MS, true);
      const error = new BflyError('UNAVAILABLE', `nothing was heard from the server for ${this.#silenceMs} ms`);
      this.#fail({ verdict: 'retry', error, code: CLOSE_CODES.DEAD, reason: 'nothing heard', retryMs: 0 });
    });
  }

  #tooLate(ms: number): void {
    const error = new BflyError('UNAVAILABLE', `the server did not answer within ${ms} ms`);
    this.#fail({ verdict: 'retry', error, code: CLOSE_CODES.DEAD, reason: 'no WELCOME', retryMs: 0 });
  }

  /** The socket has closed by itself or by the server. */
  #closed(code: number, reason: string): void {
    if (!this.#finish()) return;
    // 1005 and 1006 say nothing about the cause; the GOAWAY before them did.
    const told = this.#goaway !== undefined && (code === 1005 || code === 1006) ? this.#goaway : { code, reason };
    const retryMs = this.#goaway?.retryMs ?? 0;
    const error = closeError(told.code, told.reason, retryMs === 0 ? undefined : retryMs);
    this.#events.lost({ verdict: closeVerdict(told.code), error, code: told.code, reason: told.reason, retryMs });
  }

  #fail(loss: Loss): void {
    if (!this.#finish()) return;
    this.#socket.close(loss.code, loss.reason.slice(0, REASON_LENGTH));
    if (loss.code === CLOSE_CODES.DEAD) this.#socket.terminate?.();
    this.#events.lost(loss);
  }

  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#forgetTimer();
    return true;
  }
}
