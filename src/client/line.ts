/** A welcomed connection as operations use it: ids, answers, credit and round trips. Gone with its socket. */
import {
  BflyError,
  type ClientMessage,
  DEFAULT_LIMITS,
  type Limits,
  MalformedFrame,
  type ServerMessage,
  TILE_HEADER_BYTES,
  type Welcome,
} from '../../protocol/index.ts';
import type { Clock } from './clock.ts';
import { CreditAccount, CreditLedger } from './credit.ts';
import { clampWindow, WindowController } from './window.ts';

/** Who takes the answers to one request, or all that comes on one subscription. */
export interface Handler {
  /** Takes a message of so many bytes. @returns true when it was the last, and the id is free. @throws MalformedFrame. */
  receive(message: ServerMessage, bytes: number): boolean;
  /** The line is gone; no more messages come. */
  lost?(error: BflyError): void;
}

const MAX_ID = 0xffff_ffff;
/** At most one measurement in this time, ms. */
const PROBE_PAUSE_MS = 50;

/** One welcomed connection. */
export class Line {
  readonly welcome: Welcome;
  readonly limits: Limits;
  readonly credit: CreditLedger;
  readonly #controller: WindowController;
  readonly #fixedWindow: number | undefined;
  readonly #clock: Clock;
  readonly #transmit: (message: ClientMessage) => void;
  readonly #handlers = new Map<number, Handler>();
  #lastId = 0;
  #leaving = false;
  #tileBytes = 0;
  #probing = false;
  #probedAt = Number.NEGATIVE_INFINITY;
  #probedBytes = 0;

  /** @param fixedWindow bytes; undefined = tuned from the round trip. */
  constructor(
    welcome: Welcome,
    fixedWindow: number | undefined,
    clock: Clock,
    transmit: (message: ClientMessage) => void,
  ) {
    this.welcome = welcome;
    this.limits = readLimits(welcome.limits);
    this.#clock = clock;
    this.#transmit = transmit;
    this.#fixedWindow = fixedWindow === undefined ? undefined : clampWindow(fixedWindow);
    this.#controller = new WindowController(welcome.win);
    const connection = new CreditAccount(() => this.window, welcome.win);
    this.credit = new CreditLedger(connection, (grants) => transmit({ kind: 'CREDIT', id: 0, grants }), clock);
  }

  /** Credit window of the connection and of its streams, bytes. */
  get window(): number {
    return this.#fixedWindow ?? this.#controller.bytes;
  }

  /** Requests without a last answer. */
  get open(): number {
    return this.#handlers.size;
  }

  /** Whether the server has said that it will close: it answers new requests by UNAVAILABLE. */
  get leaving(): boolean {
    return this.#leaving;
  }

  leave(): void {
    this.#leaving = true;
  }

  /** Takes a free id for a request whose answers go to `handler`. */
  claim(handler: Handler): number {
    do this.#lastId = this.#lastId === MAX_ID ? 1 : this.#lastId + 1;
    while (this.#handlers.has(this.#lastId));
    this.#handlers.set(this.#lastId, handler);
    return this.#lastId;
  }

  /** Gives an id that WELCOME has confirmed to its handler. */
  adopt(id: number, handler: Handler): void {
    this.#handlers.set(id, handler);
  }

  /** Forgets a handler whose answers nobody reads any more; its id is free. */
  release(id: number): void {
    this.#handlers.delete(id);
  }

  send(message: ClientMessage): void {
    this.#transmit(message);
  }

  /** Measures a round trip, ms. Rejects with UNAVAILABLE where the line is lost before. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => {
      const sentAt = this.#clock.now();
      const before = this.#tileBytes;
      const id = this.claim({
        receive: (message) => {
          if (message.kind === 'IGNORED') return false;
          const ms = this.#clock.now() - sentAt;
          this.#controller.sample({ ms, bytes: this.#tileBytes - before });
          resolve(ms);
          return true;
        },
        lost: reject,
      });
      this.send({ kind: 'PING', id, t: null });
    });
  }

  /** Measures a round trip for the window alone. */
  probe(): void {
    if (this.#fixedWindow !== undefined || this.#probing) return;
    this.#probing = true;
    this.#probedAt = this.#clock.now();
    this.#probedBytes = this.#tileBytes;
    const done = (): void => {
      this.#probing = false;
    };
    this.ping().then(done, done);
  }

  /** Hands an answer to its request. @param bytes length of the whole message. @throws MalformedFrame. */
  receive(message: ServerMessage, bytes: number): void {
    if (message.kind === 'TILE') this.#countTile(bytes);
    const handler = this.#handlers.get(message.id);
    if (handler === undefined) return;
    if (handler.receive(message, bytes)) this.#handlers.delete(message.id);
  }

  /** The socket is gone. */
  drop(error: BflyError): void {
    this.credit.shut();
    const handlers = [...this.#handlers.values()];
    this.#handlers.clear();
    for (const handler of handlers) handler.lost?.(error);
  }

  #countTile(bytes: number): void {
    this.#tileBytes += bytes;
    this.credit.arrive(bytes);
    const enough = this.#tileBytes - this.#probedBytes >= this.window / 2;
    if (enough && this.#clock.now() - this.#probedAt >= PROBE_PAUSE_MS) this.probe();
  }
}

/** Bytes of a TILE message on the wire. */
export function tileMessageBytes(payload: Uint8Array): number {
  return TILE_HEADER_BYTES + payload.length;
}

/** The limits that the server named, and our defaults for those that it did not. */
function readLimits(named: Limits): Limits {
  const limits: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(named)) if (typeof value === 'number' && value > 0) limits[name] = value;
  return limits as unknown as Limits; // DEFAULT_LIMITS holds every key
}

/** The error in an ERROR frame. */
export function frameError(message: Extract<ServerMessage, { kind: 'ERROR' }>): BflyError {
  return new BflyError(message.error, message.message, {
    ...(message.retryMs === null ? {} : { retryMs: message.retryMs }),
    ...(message.details === undefined ? {} : { details: message.details }),
  });
}

/** The complaint about an answer that does not belong to its request. */
export function unexpected(message: ServerMessage, request: string): MalformedFrame {
  return new MalformedFrame(`${message.kind} came as an answer to ${request}`);
}
