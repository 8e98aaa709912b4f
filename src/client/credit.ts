/** Who has been promised how many bytes: the client's side of protocol section 5. */
import { FRAME, MalformedFrame, TILE_HEADER_BYTES } from '../../protocol/index.ts';
import type { Clock } from './clock.ts';

/** A message may be started one byte before the limit: what comes past it is at most this. */
const OVERSHOOT = FRAME.max + TILE_HEADER_BYTES;

/** When an account wants to promise more: at once, before long, or not yet. */
export type Due = 'now' | 'soon' | 'no';

/**
 * One level of credit: a stream, or the connection. Bytes are whole WebSocket messages, absolute and cumulative.
 *
 * Bytes count as used up when they come, but for those that are parked: complete tiles that nobody has taken yet.
 * So frames of a half-received tile never hold up its other half, whatever the window.
 */
export class CreditAccount {
  readonly #window: () => number;
  #received = 0;
  #parked = 0;
  #granted: number;

  /**
   * @param window the window at this moment, bytes.
   * @param firstLimit what the server takes as granted from the start.
   */
  constructor(window: () => number, firstLimit: number) {
    this.#window = window;
    this.#granted = firstLimit;
  }

  /** The offset up to which the server may start messages. */
  get granted(): number {
    return this.#granted;
  }

  get received(): number {
    return this.#received;
  }

  /** @throws MalformedFrame where more came than was ever granted. */
  arrive(bytes: number): void {
    this.#received += bytes;
    if (this.#received > this.#granted + OVERSHOOT)
      throw new MalformedFrame(`${this.#received} bytes came where ${this.#granted} were granted`);
  }

  /** Bytes that came and wait for their consumer. */
  park(bytes: number): void {
    this.#parked += bytes;
  }

  /** Parked bytes that their consumer has taken. */
  take(bytes: number): void {
    this.#parked -= bytes;
  }

  due(): Due {
    const window = this.#window();
    const more = this.#target(window) - this.#granted;
    if (more <= 0) return 'no';
    if (more * 2 >= window) return 'now';
    // Nothing promised is in flight: the server waits, though its consumer has enough to do for half a window.
    return this.#received >= this.#granted ? 'soon' : 'no';
  }

  /** Promises what is due. @returns the new offset. */
  grant(): number {
    this.#granted = Math.max(this.#granted, this.#target(this.#window()));
    return this.#granted;
  }

  #target(window: number): number {
    return this.#received - this.#parked + window;
  }
}

/** Pairs of stream id (0 = the connection) and absolute offset. */
export type Grants = readonly (readonly [id: number, bytes: number])[];

/** Small grants wait this long for company: CREDIT frames are counted by the server. */
const SOON_MS = 1;

/** All accounts of one connection; what is due at the same time travels in one CREDIT. */
export class CreditLedger {
  readonly #send: (grants: Grants) => void;
  readonly #clock: Clock;
  readonly #accounts = new Map<number, CreditAccount>();
  readonly #connection: CreditAccount;
  #flushing = false;
  #forgetTimer: (() => void) | undefined;
  #closed = false;

  constructor(connection: CreditAccount, send: (grants: Grants) => void, clock: Clock) {
    this.#connection = connection;
    this.#accounts.set(0, connection);
    this.#send = send;
    this.#clock = clock;
  }

  /** Streams that are accounted for. */
  get streams(): number {
    return this.#accounts.size - 1;
  }

  open(id: number, account: CreditAccount): void {
    this.#accounts.set(id, account);
    this.check(account);
  }

  close(id: number): void {
    this.#accounts.delete(id);
  }

  /** Bytes of a counted message came on the connection, whatever its stream. */
  arrive(bytes: number): void {
    this.#connection.arrive(bytes);
    this.check(this.#connection);
  }

  /** To be called after every change of an account. */
  check(account: CreditAccount): void {
    const due = account.due();
    if (due === 'now') this.#flushInThisTurn();
    else if (due === 'soon') this.#forgetTimer ??= this.#clock.after(SOON_MS, () => this.#flush());
  }

  /** The connection is gone. */
  shut(): void {
    this.#closed = true;
    this.#forgetTimer?.();
    this.#accounts.clear();
  }

  #flushInThisTurn(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    this.#forgetTimer?.();
    this.#forgetTimer = undefined;
    if (this.#closed) return;
    const grants: (readonly [number, number])[] = [];
    for (const [id, account] of this.#accounts) if (account.due() !== 'no') grants.push([id, account.grant()]);
    if (grants.length > 0) this.#send(grants);
  }
}
