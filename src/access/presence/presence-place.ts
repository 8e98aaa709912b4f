/** A subscription's place among those who are there. */
import { randomBytes } from 'node:crypto';
import type { BflyError } from '../../../protocol/errors.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import type { Membership, PresencePeer, PresenceRooms } from './presence.ts';

/** Joins a room once its subscription's reply has been sent. */
export class PresencePlace {
  readonly #rooms: PresenceRooms;
  readonly #path: string;
  readonly #peer: PresencePeer;
  #membership: Membership | undefined;

  constructor(rooms: PresenceRooms, path: string, peer: Omit<PresencePeer, 'peerId'>) {
    this.#rooms = rooms;
    this.#path = path;
    this.#peer = { ...peer, peerId: randomBytes(6).toString('base64url') };
  }

  join(): void {
    this.#membership ??= this.#rooms.join(this.#path, this.#peer);
  }

  /** Shows a state. @returns what is wrong with it. */
  update(n: number, state: WireMap | null): BflyError | undefined {
    return this.#membership?.update(n, state);
  }

  leave(): void {
    this.#membership?.leave();
  }
}
