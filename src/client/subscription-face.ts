/** A subscription as the user has it: what is known, and what can be asked of it. The work is in `subscription-operation.ts`. */
import type { EditView } from '../../protocol/edit-view.ts';
import { BflyError } from '../../protocol/index.ts';
import type { EditEvent } from './edit-event.ts';
import type { EditFeed } from './edit-feed.ts';
import type { Emitter } from './events.ts';
import type { LogCursor } from './log-cursor.ts';
import type { Peer, Presence, PresenceState } from './presence.ts';
import type { EditFilter, Subscription, SubscriptionEnd, SubscriptionEvents } from './subscription.ts';
import type { SubscriptionWaits } from './subscription-waits.ts';

/** What a subscription is made of. */
export interface SubscriptionParts {
  readonly path: string;
  readonly state: EditView;
  readonly cursor: LogCursor;
  readonly feed: EditFeed;
  readonly events: Emitter<SubscriptionEvents>;
  readonly waits: SubscriptionWaits;
  /** Undefined without the option `presence`. */
  readonly presence: Presence | undefined;
  /** Another filter is wanted. */
  focus(filter: EditFilter): void;
  close(): void;
}

const NOBODY: ReadonlyMap<string, Peer> = new Map();

/** The face of a subscription. */
export class SubscriptionFace implements Subscription {
  readonly path: string;
  readonly state: EditView;
  readonly presence: Subscription['presence'];
  readonly #parts: SubscriptionParts;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.path = parts.path;
    this.state = parts.state;
    this.presence = { set: (state) => this.#setPresence(state) };
  }

  get ready(): Promise<void> {
    return this.#parts.waits.ready;
  }

  get closed(): Promise<SubscriptionEnd> {
    return this.#parts.waits.closed;
  }

  get epoch(): Uint8Array | undefined {
    return this.#parts.cursor.epoch;
  }

  get seq(): number {
    return this.#parts.cursor.position ?? 0;
  }

  get head(): number {
    return this.#parts.cursor.head;
  }

  get behind(): number {
    return this.head - this.seq;
  }

  get live(): boolean {
    return this.#parts.cursor.live;
  }

  get loading(): boolean {
    return this.#parts.cursor.loading;
  }

  get peers(): ReadonlyMap<string, Peer> {
    return this.#parts.presence?.peers ?? NOBODY;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<EditEvent, undefined, undefined> {
    return this.#parts.feed.iterate();
  }

  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (value: SubscriptionEvents[Name]) => void,
  ): () => void {
    return this.#parts.events.on(name, listener);
  }

  until(seq: number): Promise<void> {
    return this.#parts.waits.until(seq);
  }

  focus(filter: EditFilter): Promise<void> {
    const focused = this.#parts.waits.focused();
    if (!this.#parts.waits.isOver) this.#parts.focus(filter);
    return focused;
  }

  close(): void {
    this.#parts.close();
  }

  #setPresence(state: PresenceState | null): void {
    if (this.#parts.presence === undefined)
      throw new BflyError('BAD_REQUEST', 'presence needs a subscription with the option presence: true');
    this.#parts.presence.set(state);
  }
}
