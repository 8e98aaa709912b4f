/** What a log holds in memory: made from the store, and again where it cannot be trusted any more. */
import type { EditState } from '../../../protocol/edit-state.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import { openState } from './open-state.ts';
import { RecentScopes } from './recent-scopes.ts';
import type { Scope } from './scope.ts';
import type { VoxelHistory } from './voxel-history.ts';
import { Writers } from './writers.ts';

/** All that edits change of a log in memory, up to its tip: the last edit that was applied, durable or not. */
export interface LogMemory {
  readonly state: EditState;
  readonly voxels: VoxelHistory;
  readonly rows: ChannelRows;
  readonly writers: Writers;
  readonly scopes: RecentScopes;
}

/** A log's memory as it was read. */
export interface OpenedMemory {
  readonly memory: LogMemory;
  /** chk of the last edit, 8 zeros where there is none. */
  readonly chk: Uint8Array;
  /** Seq of the snapshot that it began with, 0 for none. */
  readonly checkpointSeq: number;
}

/**
 * Reads a log's memory from the store; its tip is the last edit there.
 *
 * @param scopeAt the scope of an edit of the log, durable or not.
 * @throws BflyError INTERNAL where edits are missing or damaged.
 */
export async function openMemory(
  context: LogContext,
  scopeAt: (seq: number) => Scope | undefined,
): Promise<OpenedMemory> {
  const { channel, database, writersPerUser } = context;
  const { state, voxels, rows, chk, checkpointSeq } = await openState(context);
  const writers = await Writers.open({ database, path: channel.number, limit: writersPerUser });
  const scopes = new RecentScopes(state.seq, scopeAt);
  return { memory: { state, voxels, rows, writers, scopes }, chk, checkpointSeq };
}
