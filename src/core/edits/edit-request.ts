/** What goes into an edit log and what comes out of it. Types only. */
import type { Changes } from '../../../protocol/edit-changes.ts';
import type { OpResult } from '../../../protocol/edit-ops.ts';
import type { Bulk, WireMap } from '../../../protocol/messages.ts';
import type { User } from '../rights.ts';

/** An EDIT as it came; see SPEC 6. All bytes are owned. */
export interface EditRequest {
  /** 16 bytes. */
  readonly wid: Uint8Array;
  readonly wseq: number;
  readonly base: number | null;
  /** As they came on the wire. */
  readonly ops: readonly WireMap[];
  readonly epoch?: Uint8Array | undefined;
  readonly policy?: 'none' | 'scope' | 'strict' | undefined;
  readonly note?: string | undefined;
  /** The whole voxels of a BULK that an op names, decoded from the wire but not from their encoding; waits for it for some time. */
  readonly bulk?: ((id: number) => Promise<Bulk>) | undefined;
  /** Told, before anything else is done, what the edit cost once it was applied: see `editCost`. */
  readonly applied?: ((cost: number) => void) | undefined;
}

/** The reply to an EDIT. */
export interface EditOutcome {
  readonly status: 'applied' | 'noop';
  readonly seq: number;
  /** It had been applied before. */
  readonly dup?: true;
  readonly results: readonly OpResult[];
}

/** One edit of a log that is durable. */
export interface LoggedRecord {
  readonly seq: number;
  /** Milliseconds since 1970, UTC. */
  readonly time: number;
  readonly user: User;
  /** 16 bytes. */
  readonly wid: Uint8Array;
  readonly wseq: number;
  readonly ops: readonly WireMap[];
  readonly results: readonly OpResult[];
  readonly changes: Changes;
  readonly note?: string | undefined;
  /** 8 bytes. */
  readonly chk: Uint8Array;
}

/** Edits that became durable together. */
export interface CommittedBatch {
  /** They are (from, upto]. */
  readonly from: number;
  readonly upto: number;
  readonly records: readonly LoggedRecord[];
  /** Their public parts, shared, in order. */
  readonly publicParts: readonly Uint8Array[];
}
