/** What the parts of a session share, and what they need of the server around them. Types only. */
import type { BflyError } from '../../../protocol/errors.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { EndStatus, ServerMessage } from '../../../protocol/messages.ts';
import type { Core } from '../../core/core.ts';
import type { OpenLog } from '../../core/edits/edit-logs.ts';
import type { Logger } from '../../utility/log.ts';
import type { Authority, Identity } from '../auth/authority.ts';
import type { FailureLimit } from '../auth/failure-limit.ts';
import type { PresenceRooms } from '../presence/presence.ts';
import type { Connection } from '../transport/transport.ts';
import type { SendQueue } from './send-queue.ts';

/** Times of a server; tests shorten them. */
export interface SessionTimings {
  /** From the handshake to a whole HELLO. */
  readonly helloMs: number;
  /** Silence of the server before a BEAT; the client's is three times as long. */
  readonly pingMs: number;
  /** After a PING to a silent client. */
  readonly pongMs: number;
  /** Bytes in the socket's buffer, none of which leaves. */
  readonly stuckMs: number;
  /** How often all sessions are looked at. */
  readonly sweepMs: number;
  /** Before a token ends, when AUTHREQ is sent; tokens that live less than twice as long are asked for half way. */
  readonly authWarnMs: number;
}

/** The server around a session. */
export interface SessionHome {
  readonly core: Core;
  readonly limits: Limits;
  readonly log: Logger;
  /** Name and version for WELCOME. */
  readonly server: string;
  readonly timings: SessionTimings;
  /** The present in ms; tests hold it. */
  readonly now: () => number;
  /** Milliseconds since 1970; tests hold it. */
  readonly time: () => number;
  readonly authority: Authority;
  readonly tokenFailures: FailureLimit;
  readonly presence: PresenceRooms;
  /** The edit log of a channel that is open; undefined where it has to be opened. */
  peekLog(path: string): OpenLog | undefined;
  /** Opens a channel and its edit log. @throws BflyError NOT_FOUND, and what is wrong with its source. */
  openLog(path: string): Promise<OpenLog>;
  /** The server is on its way out: new requests are refused. */
  readonly leaving: boolean;
  /** Runs `work` when one of the server's places for CUTOUTs is free; it must call `endCutout`. */
  startCutout(work: () => void): void;
  endCutout(): void;
  /** One buffer for frames that are copied when they are sent. Borrowed until the next call. */
  scratch(bytes: number): Uint8Array;
}

/** A request under way. */
export interface OpenRequest {
  /** The client does not want the answer any more: END or ERROR CANCELLED follows. */
  cancel(status: EndStatus): void;
  /** The connection is gone: nothing is to be sent. */
  drop(): void;
}

/** What the parts of one session share. */
export interface SessionContext {
  readonly home: SessionHome;
  readonly connection: Connection;
  readonly queue: SendQueue;
  readonly windowBytes: number;
  readonly frameBytes: number;
  /** Requests under way by id; an entry leaves when its END, ERROR or only reply has been sent. */
  readonly requests: Map<number, OpenRequest>;
  /** The colour that others see the user in, as HELLO named it. */
  readonly color: string | undefined;
  /** Who is on the other side, and what they may: AUTH and changed rules replace it, so ask whenever it matters. */
  identity(): Identity;
  /** @throws BflyError NOT_FOUND where the user may not read a path, as for a path that is not there. Rule [F18]. */
  checkRead(path: string): void;
  /** Calls `listener` whenever `identity` has become another one: what may be read no more has to end. */
  onIdentity(listener: () => void): void;
  send(message: ServerMessage): void;
  /** Sends an encoded reply to a request. Borrowed. */
  sendBytes(reply: Uint8Array, id: number): void;
  error(id: number, fault: BflyError): void;
  /** Sends what can be sent, in the order of rule [D18]. */
  pump(): void;
}
