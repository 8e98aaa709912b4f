/** One client of Butterfly's own socket: JSON in, JSON out, one message after the other. Rule [E36]; source: parity.md 5. */
import { randomBytes } from 'node:crypto';
import { BflyError, CLOSE_CODES } from '../../../protocol/errors.ts';
import type { Author, Right } from '../../core/rights.ts';
import { editsOfTables, type LegacyEdit } from '../../utility/legacy-ops.ts';
import type { Identity } from '../auth/authority.ts';
import type { SessionHome } from '../session/session-context.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import type { Connection, ConnectionEvents } from '../transport/transport.ts';
import { encodeLegacyReply, type LegacyMessage, readLegacyMessage } from './legacy-message.ts';
import type { LegacyFrame, LegacyMember, LegacyRoom } from './legacy-room.ts';
import { knownRegions } from './legacy-tables.ts';

/** Nothing but errors is sent while the socket holds more, bytes. */
const FULL_BYTES = 1024 * 1024;
/** A client that lets so much pile up is cut off. */
const CUT_OFF_BYTES = 3 * FULL_BYTES;
/** Messages that wait for the one before them. */
const MAX_WAITING = 64;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Nodes of one save: more would hold the process up. */
const MAX_SAVED = 131_072;
/** Saves are tried again so often where others declare the same regions at the same time. */
const SAVE_ATTEMPTS = 5;

/** What an error is sent as: a `save` with an error would be taken for a success by Butterfly's viewer. */
const ERROR_ACTION = 'error';

/** What a socket needs of the server. */
export type LegacyHome = Pick<SessionHome, 'limits' | 'log' | 'timings' | 'now' | 'time' | 'authority'>;

/** A socket from its handshake to its close. */
export class LegacySocket implements ConnectionEvents, LegacyMember {
  readonly remoteAddress: string;
  readonly #home: LegacyHome;
  readonly #connection: Connection;
  readonly #room: LegacyRoom;
  readonly #onClosed: () => void;
  readonly #frames: TokenBucket;
  readonly #edits: TokenBucket;
  readonly #wid = new Uint8Array(randomBytes(16));
  #wseq = 0;
  #identity: Identity;
  #tasks: Promise<void> = Promise.resolve();
  #waiting = 0;
  #waitingBytes = 0;
  #isClosed = false;
  /** Called when the socket can take more, or is gone. */
  #onReady: (() => void) | undefined;
  #lastProgress: number;
  #lastPing: number;

  /**
   * Sends the tables; then what changes.
   *
   * @param onClosed called once, when the connection is gone.
   */
  constructor(home: LegacyHome, connection: Connection, room: LegacyRoom, identity: Identity, onClosed: () => void) {
    this.#home = home;
    this.#connection = connection;
    this.remoteAddress = connection.remoteAddress;
    this.#room = room;
    this.#identity = identity;
    this.#onClosed = onClosed;
    const { limits } = home;
    const now = home.now();
    this.#frames = new TokenBucket(limits.framesPerSecond, limits.framesBurst, now);
    this.#edits = new TokenBucket(limits.editsPerSecond, limits.editsBurst, now);
    this.#lastProgress = now;
    this.#lastPing = now;
    this.#enqueue(0, () => this.#greet());
  }

  /** Whether nothing is under way and nothing waits to leave. */
  get isIdle(): boolean {
    return this.#waiting === 0 && this.#connection.bufferedBytes() === 0;
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes();
  }

  // --- events of the transport

  /** JSON in a binary frame is as good. */
  message(bytes: Uint8Array): void {
    this.text(bytes);
  }

  text(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#connection.bufferedBytes() > CUT_OFF_BYTES)
      return this.#cutOff(CLOSE_CODES.ABUSE, 'answers are not read');
    try {
      this.#take(bytes);
    } catch (error) {
      this.#fail(error);
    }
  }

  drained(): void {
    this.#lastProgress = this.#home.now();
    if (!this.isReady()) return;
    this.#onReady?.();
    this.#room.look();
  }

  closed(): void {
    this.#isClosed = true;
    this.#room.leave(this);
    this.#onReady?.();
    this.#onClosed();
  }

  // --- what the room asks for

  isReady(): boolean {
    return this.#isClosed || this.#connection.bufferedBytes() <= FULL_BYTES;
  }

  sendChange(frame: LegacyFrame): void {
    this.#send(frame.save);
  }

  sendFault(fault: BflyError): void {
    this.#fail(fault);
  }

  // --- what the server asks for

  /** Pings, the watch over stuck clients, and the end of tokens. */
  sweep(now: number): void {
    if (this.#isClosed) return;
    const { pingMs, stuckMs } = this.#home.timings;
    if (this.#connection.bufferedBytes() === 0) this.#lastProgress = now;
    else if (now - this.#lastProgress >= stuckMs) return this.#cutOff(CLOSE_CODES.DEAD, 'nothing leaves the socket');
    const { expiresAt } = this.#identity;
    if (expiresAt !== undefined && this.#home.time() >= expiresAt)
      return this.close(CLOSE_CODES.TOKEN_EXPIRED, 'the token has ended');
    if (now - this.#lastPing < pingMs) return;
    this.#lastPing = now;
    this.#connection.ping();
  }

  /** The rules have changed: ends the socket where they let it in no more. */
  rulesChanged(): void {
    const identity = this.#home.authority.renew(this.#identity);
    if (identity?.rights.allows('read', this.#room.log.path) !== true)
      return this.close(CLOSE_CODES.TOKEN_REVOKED, 'the right to read this was taken back');
    this.#identity = identity;
  }

  /** Closes the connection behind what was sent. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#home.log.info(
      { code, reason, address: this.remoteAddress },
      "closing a connection of Butterfly's own socket",
    );
    this.#connection.close(code, reason);
  }

  /** A close frame would never leave: what is in the socket's buffer stands before it. */
  #cutOff(code: number, reason: string): void {
    this.close(code, reason);
    this.#connection.terminate();
  }

  // --- messages

  #take(bytes: Uint8Array): void {
    this.#charge(this.#frames);
    if (this.#waiting >= MAX_WAITING || this.#waitingBytes + bytes.length > MAX_WAITING_BYTES)
      throw new BflyError('LIMIT', `at most ${MAX_WAITING} messages may wait for an answer`);
    const message = readLegacyMessage(bytes);
    if (message.action === 'save') this.#charge(this.#edits);
    this.#enqueue(bytes.length, () => this.#answer(message));
  }

  #charge(bucket: TokenBucket): void {
    const retryMs = bucket.take(this.#home.now());
    if (retryMs > 0)
      throw new BflyError('RATE_LIMITED', `too many messages; send this one again in ${retryMs} ms`, { retryMs });
  }

  /** Runs a task when those before it are done; a fault of it is told to the client. */
  #enqueue(bytes: number, task: () => Promise<void>): void {
    this.#waiting++;
    this.#waitingBytes += bytes;
    this.#tasks = this.#tasks.then(async () => {
      try {
        if (!this.#isClosed) await task();
      } catch (error) {
        this.#fail(error);
      } finally {
        this.#waiting--;
        this.#waitingBytes -= bytes;
      }
    });
  }

  async #greet(): Promise<void> {
    let frame: LegacyFrame | undefined;
    try {
      frame = await this.#room.tables();
      this.#send(frame.restore);
    } finally {
      if (!this.#isClosed) this.#room.enter(this, frame);
    }
  }

  async #answer(message: LegacyMessage): Promise<void> {
    switch (message.action) {
      case 'echo':
        return this.#send(encodeLegacyReply(message.text, ''));
      case 'restore': {
        const frame = await this.#room.tables();
        await this.#ready();
        return this.#send(frame.restore);
      }
      case 'save':
        return this.#room.owe(this, await this.#save(message));
    }
  }

  /** @returns the seq behind which everything is saved; undefined where there was nothing to save. */
  async #save(message: Extract<LegacyMessage, { action: 'save' }>): Promise<number | undefined> {
    const { log } = this.#room;
    const nodes = message.sets.reduce((sum, set) => sum + set.length, message.splits.length);
    if (nodes > MAX_SAVED)
      throw new BflyError(
        'TOO_LARGE',
        `a save may name ${MAX_SAVED} ids and splits; this one has ${nodes}: save in parts`,
      );
    if (!this.#identity.rights.allows('edit', log.path))
      throw new BflyError('FORBIDDEN', 'saving needs the right "edit" on this channel');
    for (let attempt = 1; ; attempt++) {
      const base = log.tip.seq;
      try {
        let seq: number | undefined;
        for (const edit of editsOfTables(message.sets, message.splits, knownRegions(log.tip)))
          seq = await this.#submit(edit, base);
        return seq;
      } catch (error) {
        // Somebody declared the same region: it is there now, and saving again changes nothing of what was saved.
        const isRace = error instanceof BflyError && error.code === 'CONFLICT';
        if (!isRace || attempt === SAVE_ATTEMPTS) throw error;
      }
    }
  }

  async #submit({ ops, isCareful }: LegacyEdit, base: number): Promise<number> {
    const { log } = this.#room;
    const careful = { base, epoch: log.epoch, policy: 'scope' } as const;
    const request = { wid: this.#wid, wseq: ++this.#wseq, ops, ...(isCareful ? careful : { base: null }) };
    return (await log.submit(request, this.#author())).seq;
  }

  /** Splits that are no regions are kept as metadata: whoever may save regions may save these. */
  #author(): Author {
    const { user, rights } = this.#identity;
    const allows = (right: Right, path: string): boolean => rights.allows(right === 'admin' ? 'edit' : right, path);
    return { user, rights: { allows } };
  }

  #fail(error: unknown): void {
    if (!(error instanceof BflyError)) this.#home.log.error({ err: error }, 'a message could not be answered');
    const message = error instanceof BflyError ? error.message : 'a fault of the server; nothing is known to be saved';
    this.#send(encodeLegacyReply(ERROR_ACTION, message));
  }

  #send(bytes: Uint8Array): void {
    if (!this.#isClosed) this.#connection.sendText(bytes);
  }

  /** Resolves when the socket can take another frame, or is gone. */
  async #ready(): Promise<void> {
    while (!this.isReady())
      await new Promise<void>((resolve) => {
        this.#onReady = resolve;
      });
    this.#onReady = undefined;
  }
}
