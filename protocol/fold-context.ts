/** What the fold of edits takes in and gives out. Types only. */
import type { Changes } from './edit-changes.ts';
import type { Op, OpResult, Row, TableName } from './edit-ops.ts';
import type { Box } from './volume.ts';

/** Facts of a channel that edits do not hold. */
export interface FoldContext {
  /** Largest ingested id; undefined = not known yet, then an op that needs a new id is UNSUPPORTED. It may become known, and stays then. */
  maxId(): bigint | undefined;
  /** Greatest id that the dtype of the channel holds. */
  readonly maxLegalId: bigint;
  /** Most ids of one body; default: the protocol's, [L1]. */
  readonly bodyIds?: number;
  /** A row that was there before any edit. */
  baseRow(table: TableName, key: bigint): Row | undefined;
  /** Greatest key of those rows, -1n if there is none. */
  lastBaseKey(table: TableName): bigint;
}

/** What came of a `split` or `write` op: voxels that it set, and the boxes that changed, by mip. */
export interface VoxelOutcome {
  readonly voxels: number;
  readonly touched: readonly (readonly [mip: number, box: Box])[];
}

/** An edit of a log. */
export interface LoggedEdit {
  readonly seq: number;
  readonly ops: readonly Op[];
  /** As recorded; ids and keys that the edit was given are taken from here. */
  readonly results: readonly OpResult[];
  /** `touched` of its changes; of an edit without voxel ops it is passed over. */
  readonly touched: readonly (readonly [mip: number, box: Box])[];
}

/** What came of an edit. */
export interface Applied {
  /** "noop": nothing changed. It takes a seq all the same. */
  readonly status: 'applied' | 'noop';
  readonly results: readonly OpResult[];
  readonly changes: Changes;
}
