/**
 * Who else is there: a room for each path, in which the newest state of everybody reaches everybody else, conflated. Rules [P1]..[P3].
 *
 * A receiver that lags is owed peers, not messages: a set of at most the peers that are shown and those that it still believes in.
 */
import type { BflyError } from '../../../protocol/errors.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import { Member, type PresencePeer, Room } from './presence-room.ts';

export { PRESENCE_SHOWN, PRESENCE_TTL_MS, type PresencePeer } from './presence-room.ts';

/** Time between two PEERS to one receiver, ms: a little more than 1/20 s, since timers come late or on time. */
export const PRESENCE_TICK_MS = 51;
/** A tick that took long is followed by a rest that is as many times as long: presence gets no more of the process than that. */
const REST = 4;

/** A peer's place in a room. */
export interface Membership {
  /**
   * Shows a new state, or with nil none. A stale `n` is ignored; what comes faster than is shown is conflated.
   *
   * @param state borrowed.
   * @returns what is wrong with the state, for the sender: nothing has changed then.
   */
  update(n: number, state: WireMap | null): BflyError | undefined;
  /** The others are told that the peer is gone. */
  leave(): void;
}

/** Settings of the rooms of a server. */
export interface PresenceOptions {
  /** The present in ms. */
  readonly now: () => number;
  /** Changes of one peer a second that are shown. */
  readonly presencePerSecond: number;
  /** Time between ticks; 0 = whoever made it calls `tick`. Default `PRESENCE_TICK_MS`. */
  readonly tickMs?: number;
}

/** The rooms of a server. */
export class PresenceRooms {
  readonly #options: PresenceOptions;
  readonly #tickMs: number;
  readonly #rooms = new Map<string, Room>();
  /** Rooms in which somebody is owed something or has changed. */
  readonly #busy = new Set<Room>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastTick = Number.NEGATIVE_INFINITY;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#tickMs = options.tickMs ?? PRESENCE_TICK_MS;
  }

  /** Rooms with somebody in them. */
  get size(): number {
    return this.#rooms.size;
  }

  /** Whether somebody is owed something. */
  get owing(): boolean {
    return this.#busy.size > 0;
  }

  /** Enters a room: everybody who is shown in it is sent, and what changes from now on. */
  join(path: string, peer: PresencePeer): Membership {
    const { now, presencePerSecond } = this.#options;
    let room = this.#rooms.get(path);
    if (room === undefined) {
      room = new Room();
      this.#rooms.set(path, room);
    }
    const entered = room;
    const member = new Member(peer, new TokenBucket(presencePerSecond, presencePerSecond, now()), now());
    entered.enter(member);
    this.#look(entered);
    return {
      update: (n, state) => {
        const fault = entered.update(member, n, state, now());
        this.#look(entered);
        return fault;
      },
      leave: () => {
        entered.leave(member);
        if (entered.isEmpty && this.#rooms.get(path) === entered) this.#rooms.delete(path);
        this.#look(entered);
      },
    };
  }

  /** Shows what changed and sends what is owed, where the receivers can take it. */
  tick(now: number): void {
    this.#lastTick = now;
    for (const room of this.#busy) {
      room.tick(now);
      if (!room.busy) this.#busy.delete(room);
    }
  }

  /** Ends states that were not renewed; called about once a second. Rule [P2]. */
  expire(now: number): void {
    for (const room of this.#rooms.values()) {
      room.expire(now);
      this.#look(room);
    }
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#rooms.clear();
    this.#busy.clear();
  }

  #look(room: Room): void {
    if (!room.busy) return void this.#busy.delete(room);
    this.#busy.add(room);
    this.#wake();
  }

  /** At once where the last tick was long ago: the first of many changes does not wait for the rest. */
  #wake(): void {
    if (this.#tickMs === 0 || this.#timer !== undefined) return;
    const delay = Math.min(this.#tickMs, Math.max(0, this.#lastTick + this.#tickMs - this.#options.now()));
    this.#sleep(delay);
  }

  #sleep(ms: number): void {
    this.#timer = setTimeout(() => {
      const began = this.#options.now();
      this.tick(began);
      this.#timer = undefined;
      if (this.owing) this.#sleep(Math.max(this.#tickMs, REST * (this.#options.now() - began)));
    }, ms);
    this.#timer.unref();
  }
}
