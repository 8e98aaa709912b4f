/** One path's room: who is shown in it, and what its receivers are owed. Rules [P1]..[P3]. */
import { BflyError } from '../../../protocol/errors.ts';
import { FrameType, type WireMap } from '../../../protocol/messages.ts';
import type { User } from '../../core/rights.ts';
import type { TokenBucket } from '../session/token-bucket.ts';
import { encodePeer, presenceFault } from './presence-state.ts';

/** A state that is not renewed for so long is gone, ms. */
export const PRESENCE_TTL_MS = 45_000;
/** Peers of a path that are shown; further ones wait for a place. */
export const PRESENCE_SHOWN = 200;

const MIN_GAP_MS = 50;
/** Together 32 KiB in any second: what may go at once, and what comes in again each second. Bytes. */
const BURST_BYTES = 8 * 1024;
const BYTES_PER_SECOND = 24 * 1024;
/** Room for a state and the longest names. */
const MAX_ROW_BYTES = 2 * 1024;
/** `[type, id as u32, array16 of rows]`, to be followed by the rows. */
const HEAD_BYTES = 10;
/** Where frames are put together: each is sent before the next begins. */
const FRAME = new Uint8Array(BURST_BYTES);

/** Somebody in a room, who sees the others. */
export interface PresencePeer {
  /** Id of the subscription, which PEERS has. */
  readonly sub: number;
  /** What others know the peer by: random, new for each join. */
  readonly peerId: string;
  readonly user: User;
  readonly color?: string | undefined;
  /** Sends a PEERS frame. Borrowed: valid until the call returns. */
  send(frame: Uint8Array): void;
  /** Nothing stands before PEERS: the socket's buffer is empty and no EDITS are owed. Rule [P3]. */
  isQuiet(): boolean;
}

/** A peer in its room, as sender and as receiver. */
export class Member {
  readonly peer: PresencePeer;
  /** Newest number that the peer gave; -1 before the first. */
  n = -1;
  /** When that was. */
  at: number;
  /** Newest state, not shown yet: a row of PEERS; null = none. */
  next: Uint8Array | null | undefined;
  /** The state that is shown, or would be if there were a place: a row of PEERS. */
  row: Uint8Array | null = null;
  /** Members that this one is to be told of, those that wait longest first. */
  readonly owed = new Set<Member>();
  /** Members that this one was told of and believes to be there. */
  readonly known = new Set<Member>();
  readonly #changes: TokenBucket;
  #sentAt = Number.NEGATIVE_INFINITY;
  #bytes = BURST_BYTES;
  #bytesAt: number;

  constructor(peer: PresencePeer, changes: TokenBucket, now: number) {
    this.peer = peer;
    this.#changes = changes;
    this.at = now;
    this.#bytesAt = now;
  }

  /** Whether a change may be shown now. */
  mayChange(now: number): boolean {
    return this.#changes.take(now) === 0;
  }

  /** Bytes that may be sent now; 0 where the last frame was just before. */
  room(now: number): number {
    if (now - this.#sentAt < MIN_GAP_MS) return 0;
    this.#bytes = Math.min(BURST_BYTES, this.#bytes + ((now - this.#bytesAt) * BYTES_PER_SECOND) / 1_000);
    this.#bytesAt = now;
    return this.#bytes;
  }

  sent(bytes: number, now: number): void {
    this.#bytes -= bytes;
    this.#sentAt = now;
  }
}

/** Everybody on one path. */
export class Room {
  readonly #members = new Set<Member>();
  readonly #shown = new Set<Member>();
  /** Have a state and no place. */
  readonly #waiting = new Set<Member>();
  readonly #changed = new Set<Member>();
  /** Are owed something. */
  readonly #receivers = new Set<Member>();

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  get busy(): boolean {
    return this.#changed.size > 0 || this.#receivers.size > 0;
  }

  enter(member: Member): void {
    this.#members.add(member);
    for (const other of this.#shown) this.#owe(member, other);
  }

  leave(member: Member): void {
    if (!this.#members.delete(member)) return;
    this.#changed.delete(member);
    this.#receivers.delete(member);
    member.next = undefined;
    this.#hide(member);
  }

  update(member: Member, n: number, state: WireMap | null, now: number): BflyError | undefined {
    if (!this.#members.has(member) || n <= member.n) return undefined;
    const fault = state === null ? undefined : presenceFault(state);
    if (fault !== undefined) return fault;
    const row = state === null ? null : encodePeer(member.peer, n, state);
    if (row !== null && row.length > MAX_ROW_BYTES)
      return new BflyError('BAD_REQUEST', `state and user have more than ${MAX_ROW_BYTES} bytes together`);
    member.n = n;
    member.at = now;
    member.next = row;
    this.#changed.add(member);
    return undefined;
  }

  expire(now: number): void {
    for (const members of [this.#shown, this.#waiting, this.#changed])
      for (const member of members)
        if (now - member.at >= PRESENCE_TTL_MS) {
          member.next = null;
          this.#changed.add(member);
        }
  }

  tick(now: number): void {
    for (const member of this.#changed) {
      // A peer that goes goes at once.
      if (member.next !== null && !member.mayChange(now)) continue;
      this.#changed.delete(member);
      this.#publish(member);
    }
    for (const receiver of this.#receivers) {
      if (receiver.peer.isQuiet()) this.#send(receiver, now);
      if (receiver.owed.size === 0) this.#receivers.delete(receiver);
    }
  }

  #publish(member: Member): void {
    if (member.next === undefined) return;
    member.row = member.next;
    member.next = undefined;
    if (member.row === null) this.#hide(member);
    else if (this.#shown.has(member)) this.#tellOthers(member);
    else if (this.#shown.size < PRESENCE_SHOWN) this.#show(member);
    else this.#waiting.add(member);
  }

  #show(member: Member): void {
    this.#waiting.delete(member);
    this.#shown.add(member);
    this.#tellOthers(member);
  }

  #hide(member: Member): void {
    member.row = null;
    this.#waiting.delete(member);
    if (!this.#shown.delete(member)) return;
    this.#tellOthers(member);
    for (const next of this.#waiting) return this.#show(next);
  }

  #tellOthers(member: Member): void {
    for (const receiver of this.#members) if (receiver !== member) this.#owe(receiver, member);
  }

  /** Somebody who goes before the receiver heard of them is nobody's news. */
  #owe(receiver: Member, member: Member): void {
    if (!this.#shown.has(member) && !receiver.known.has(member)) receiver.owed.delete(member);
    else {
      receiver.owed.add(member);
      this.#receivers.add(receiver);
    }
  }

  /** One frame of what has been owed longest, as much as the receiver's rate has room for. */
  #send(receiver: Member, now: number): void {
    const room = receiver.room(now);
    let end = HEAD_BYTES;
    let rows = 0;
    for (const member of receiver.owed) {
      const row = this.#shown.has(member) ? member.row : null;
      const bytes = row ?? encodePeer(member.peer, Math.max(0, member.n), null);
      if (end + bytes.length > room) break;
      FRAME.set(bytes, end);
      end += bytes.length;
      rows++;
      receiver.owed.delete(member);
      if (row === null) receiver.known.delete(member);
      else receiver.known.add(member);
    }
    if (rows === 0) return;
    writeHead(FRAME, receiver.peer.sub, rows);
    receiver.sent(end, now);
    receiver.peer.send(FRAME.subarray(0, end));
  }
}

/** `[0x51, id, rows…]` up to the rows, each number as wide as any. */
function writeHead(frame: Uint8Array, sub: number, rows: number): void {
  frame.set([0x93, FrameType.PEERS, 0xce, sub >>> 24, sub >>> 16, sub >>> 8, sub, 0xdc, rows >>> 8, rows]);
}
