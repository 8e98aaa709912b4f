/** What one can do with a subscription. How it works: `subscription-operation.ts`. */
import type { EditView } from '../../protocol/edit-view.ts';
import type { Box, Position } from '../../protocol/index.ts';
import type { EditEvent } from './edit-event.ts';
import type { Peer, PresenceState } from './presence.ts';

/** Leaves out ops, touched boxes and rows that it does not meet; what moves ids between bodies, and one's own edits, pass always. */
export interface EditFilter {
  /** In voxels of mip 0. */
  readonly box?: Box;
  readonly mips?: readonly number[];
  readonly ids?: readonly (bigint | number)[];
  /** Names of ops. */
  readonly kinds?: readonly string[];
}

/** Options of a subscription. */
export interface SubscriptionOptions {
  /**
   * Begins behind this seq (of the log's present life, or of the one that a position names) instead of with a snapshot: `state` then
   * holds only what changed since.
   */
  readonly from?: number | Position;
  /** `false` without `from`: begins behind the newest edit. Default: a snapshot, then every edit. */
  readonly snapshot?: boolean;
  readonly filter?: EditFilter;
  /** Sees the others, and is seen. */
  readonly presence?: boolean;
  /** Fixed credit window in bytes, 64 KiB..4 MiB; default: the session's. */
  readonly window?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

/** How far a subscription is. */
export interface SubscriptionProgress {
  /** The state is that of this seq; 0 before the first. */
  readonly seq: number;
  /** The newest seq that the server has told of. */
  readonly head: number;
  /** Whether nothing more was to come when the server last said so. */
  readonly live: boolean;
  /** Whether a snapshot is on its way; the state is not whole then. */
  readonly loading: boolean;
}

/** The server has begun anew: what was known of the path is void, and a snapshot follows. */
export interface SubscriptionReset {
  readonly epoch: Uint8Array;
  readonly head: number;
  /** Whether the log has begun another life: seqs of before mean nothing now. */
  readonly newEpoch: boolean;
}

/** How a subscription ended. */
export interface SubscriptionEnd {
  /** Absent where the user closed it. */
  readonly error?: unknown;
}

/** Events of a subscription. */
export interface SubscriptionEvents {
  /** Edits that have just been applied to the state, in order. */
  readonly edits: readonly EditEvent[];
  /** Everything that there is has been seen. */
  readonly live: SubscriptionProgress;
  readonly reset: SubscriptionReset;
  /** The others, after a change. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** The state or the progress has changed. */
  readonly state: SubscriptionProgress;
  readonly end: SubscriptionEnd;
}

/**
 * The edits of a path as they come, and what they add up to. Over as many connections as it takes, without a gap and without a repeat.
 *
 * Every iterator (`for await`) sees all edits from when it began. The slowest decides how fast more may come: what is not taken stays
 * with the server. Without an iterator edits flow freely; listeners and `state` see them all.
 *
 * @example
 * const bodies = session.subscribe('exp/sample/dataset/labels');
 * await bodies.ready;
 * console.log(bodies.state.rootOf(17n));
 * for await (const edit of bodies) console.log(edit.seq, edit.user.name, edit.changes.touched);
 */
export interface Subscription extends AsyncIterable<EditEvent>, SubscriptionProgress {
  readonly path: string;
  /** The folded state at `seq`. Changed in place, never in the middle of an edit. */
  readonly state: EditView;
  /** The life of the log; undefined before the server's first answer. */
  readonly epoch: Uint8Array | undefined;
  /** `head - seq`. */
  readonly behind: number;
  /** The first time that the state is whole. Rejects where it never will be; that need not be handled. */
  readonly ready: Promise<void>;
  /** Resolves, never rejects, when the subscription is over. */
  readonly closed: Promise<SubscriptionEnd>;
  /** The others by `Peer.peer`; empty without the option `presence`. Changed in place. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** What the others see of us; needs the option `presence`. */
  readonly presence: {
    /** Shows a state until it is replaced; null = none. Call it as often as you like. @throws BflyError BAD_REQUEST over 512 bytes. */
    set(state: PresenceState | null): void;
  };
  /** Calls `listener` at every event of that name. @returns a function that ends it. */
  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (value: SubscriptionEvents[Name]) => void,
  ): () => void;
  /** Resolves when the state holds the edit of this seq. @throws BflyError EPOCH_MISMATCH where the log begins anew; how it ended. */
  until(seq: number): Promise<void>;
  /** Follows other things from now on. Resolves when their regions and rows are here; that it rejects need not be handled. */
  focus(filter: EditFilter): Promise<void>;
  close(): void;
}
