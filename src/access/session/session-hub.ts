/**
 * What the sessions of one server share: counts, places for heavy work, one timer for all heartbeats, and the way out.
 */
import { BflyError, CLOSE_CODES } from '../../../protocol/errors.ts';
import { FRAME, HELLO_DEADLINE_MS, type Limits, PING_MS } from '../../../protocol/limits.ts';
import { TILE_HEADER_BYTES } from '../../../protocol/tile-frame.ts';
import type { Core } from '../../core/core.ts';
import type { EditLogs, OpenLog } from '../../core/edits/edit-logs.ts';
import type { Logger } from '../../utility/log.ts';
import { OPEN_AUTHORITY } from '../auth/anonymous.ts';
import type { Authority } from '../auth/authority.ts';
import { FailureLimit } from '../auth/failure-limit.ts';
import { LegacySockets } from '../legacy/legacy-sockets.ts';
import { PresenceRooms } from '../presence/presence.ts';
import type { Connection, ConnectionEvents } from '../transport/transport.ts';
import { CountedConnection, type SentCounts } from './counted-connection.ts';
import { Session } from './session.ts';
import type { SessionHome, SessionTimings } from './session-context.ts';

/** Times unless a test shortens them. */
export const DEFAULT_TIMINGS: SessionTimings = {
  helloMs: HELLO_DEADLINE_MS,
  pingMs: PING_MS,
  pongMs: 10_000,
  stuckMs: 60_000,
  sweepMs: 1_000,
  authWarnMs: 60_000,
};

/** What a hub is made of. */
export interface HubOptions {
  readonly core: Core;
  readonly logs: EditLogs;
  readonly limits: Limits;
  readonly log: Logger;
  /** Name and version for WELCOME. */
  readonly server: string;
  readonly timings: SessionTimings;
  /** The present in ms, monotonic or not; tests hold it. */
  readonly now: () => number;
  /** Milliseconds since 1970; default: the system's clock. */
  readonly time?: () => number;
  /** Default: everybody may everything. The caller closes it. */
  readonly authority?: Authority;
}

/** What the sessions of a server hold. */
export interface HubUse {
  readonly sessions: number;
  readonly requests: number;
  readonly streams: number;
  /** Bytes in the transport's buffers. */
  readonly bufferedBytes: number;
  /** CUTOUTs that are worked on. */
  readonly cutouts: number;
}

/** CUTOUTs that a server and one connection work on at once. */
const CUTOUTS_OF_SERVER = 8;

/** All sessions of a server. */
export class SessionHub implements SessionHome {
  readonly core: Core;
  readonly limits: Limits;
  readonly log: Logger;
  readonly server: string;
  readonly timings: SessionTimings;
  readonly now: () => number;
  readonly time: () => number;
  readonly authority: Authority;
  readonly tokenFailures: FailureLimit;
  readonly presence: PresenceRooms;
  /** Those of Butterfly's own socket. */
  readonly legacy: LegacySockets;
  /** What has left over all sockets of `bfly.v1`. */
  readonly sent: SentCounts = { tiles: 0, bytes: 0 };
  readonly #logs: EditLogs;
  readonly #forgetRules: () => void;
  readonly #sessions = new Set<Session>();
  readonly #byAddress = new Map<string, number>();
  readonly #waitingCutouts: (() => void)[] = [];
  #cutouts = 0;
  #scratch: Uint8Array | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #leaving = false;

  constructor(options: HubOptions) {
    this.core = options.core;
    this.#logs = options.logs;
    this.presence = new PresenceRooms({
      now: options.now,
      presencePerSecond: options.limits.presencePerSecond,
    });
    this.limits = options.limits;
    this.log = options.log;
    this.server = options.server;
    this.timings = options.timings;
    this.now = options.now;
    this.time = options.time ?? Date.now;
    this.authority = options.authority ?? OPEN_AUTHORITY;
    this.tokenFailures = new FailureLimit(options.now);
    this.legacy = new LegacySockets(this);
    this.#forgetRules = this.authority.onChange(() => {
      for (const session of this.#sessions) session.rulesChanged();
      this.legacy.rulesChanged();
    });
    this.#sweeper = setInterval(() => this.sweep(), options.timings.sweepMs);
    this.#sweeper.unref();
  }

  /** Open connections, welcomed or not. */
  get size(): number {
    return this.#sessions.size;
  }

  /** What the sessions hold at the moment, for metrics and tests. Walks all sessions. */
  use(): HubUse {
    const use = { sessions: this.#sessions.size, requests: 0, streams: 0, bufferedBytes: 0, cutouts: this.#cutouts };
    for (const session of this.#sessions) {
      use.requests += session.openRequests;
      use.streams += session.openStreams;
      use.bufferedBytes += session.bufferedBytes;
    }
    use.bufferedBytes += this.legacy.bufferedBytes;
    return use;
  }

  /** Whether the server is on its way out: new requests are then refused. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** Why a further connection of this address is refused; undefined where it is welcome. */
  refusal(address: string): string | undefined {
    if (this.#leaving) return 'the server is shutting down';
    if ((this.#byAddress.get(address) ?? 0) >= this.limits.connectionsPerAddress)
      return `more than ${this.limits.connectionsPerAddress} connections from this address`;
    let unwelcomed = 0;
    for (const session of this.#sessions) if (!session.welcomed) unwelcomed++;
    return unwelcomed >= this.limits.unwelcomed ? 'too many connections that have not said hello' : undefined;
  }

  /**
   * Takes an open connection.
   *
   * @param bearer token of the handshake's `Authorization`.
   */
  open(connection: Connection, bearer?: string): ConnectionEvents {
    const session: Session = new Session(
      this,
      new CountedConnection(connection, this.sent),
      () => this.#closed(session),
      bearer,
    );
    this.#sessions.add(session);
    this.#count(connection.remoteAddress);
    return session;
  }

  /** Counts a connection of Butterfly's own socket that is about to be opened. @returns what ends this; calling it again does nothing. */
  reserveLegacy(address: string): () => void {
    this.#count(address);
    let isCounted = true;
    return () => {
      if (isCounted) this.#discount(address);
      isCounted = false;
    };
  }

  #closed(session: Session): void {
    if (this.#sessions.delete(session)) this.#discount(session.remoteAddress);
  }

  #count(address: string): void {
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
  }

  #discount(address: string): void {
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }

  peekLog(path: string): OpenLog | undefined {
    const channel = this.core.peekChannel(path);
    return channel === undefined ? undefined : this.#logs.logOf(channel);
  }

  async openLog(path: string): Promise<OpenLog> {
    const open = this.#logs.logOf(await this.core.updateQuery({ path }));
    if (open === undefined) throw new BflyError('UNSUPPORTED', `${path} takes no edits`);
    return open;
  }

  /** Runs `work` when one of the server's places for CUTOUTs is free; it must call `endCutout`. */
  startCutout(work: () => void): void {
    if (this.#cutouts < CUTOUTS_OF_SERVER) {
      this.#cutouts++;
      work();
    } else this.#waitingCutouts.push(work);
  }

  /** Gives a place back. */
  endCutout(): void {
    const next = this.#waitingCutouts.shift();
    if (next === undefined) this.#cutouts--;
    // Later: one that was given up ends at once, and a long line of them would fill the stack.
    else queueMicrotask(next);
  }

  /** One buffer for frames that are copied when they are sent. Borrowed until the next call. */
  scratch(bytes: number): Uint8Array {
    this.#scratch ??= new Uint8Array(TILE_HEADER_BYTES + FRAME.max);
    return this.#scratch.subarray(0, bytes);
  }

  /** Looks at every session: heartbeats, silence, sockets that are stuck. */
  sweep(): void {
    const now = this.now();
    for (const session of this.#sessions) session.sweep(now);
    this.legacy.sweep(now);
    this.presence.expire(now);
  }

  /**
   * Says GOAWAY to everybody, lets open pulls and cutouts finish, then closes what is left.
   *
   * @param graceMs how long unfinished work may take.
   */
  async leave(graceMs: number): Promise<void> {
    this.#leaving = true;
    for (const session of this.#sessions) session.goAway(CLOSE_CODES.SHUTTING_DOWN, 'the server is shutting down', 500);
    const deadline = Date.now() + graceMs;
    while (this.#sessions.size + this.legacy.size > 0 && Date.now() < deadline) {
      this.legacy.leave(false);
      for (const session of this.#sessions)
        if (session.idle) session.close(CLOSE_CODES.SHUTTING_DOWN, 'the server is shutting down');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const session of this.#sessions) session.close(CLOSE_CODES.SHUTTING_DOWN, 'the server is shutting down');
    this.legacy.leave(true);
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    this.#forgetRules();
    this.presence.close();
  }
}
