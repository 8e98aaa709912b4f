/** What an edit log is made of. Types only. */
import type { Changes } from '../../../protocol/edit-changes.ts';
import type { Row, TableName } from '../../../protocol/edit-ops.ts';
import type { EditState } from '../../../protocol/edit-state.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import type { Logger } from '../../utility/log.ts';
import type { Channel } from '../channel.ts';
import type { ChannelEdits } from './channel-edits.ts';
import type { EditRequest } from './edit-request.ts';
import type { VoxelDeps } from './voxel-edits.ts';

/** Rows of one channel's tables: those that were there before any edit, and what edits made of them. */
export interface ChannelRows {
  baseRow(table: TableName, key: bigint): Row | undefined;
  /** The greatest key of the base rows, -1n for none. */
  lastBaseKey(table: TableName): bigint;
  /** Base rows behind a key, ascending. */
  baseRows(table: TableName, afterKey: bigint | undefined, limit: number): Row[];
  /** A row as it is now, edited or base. */
  row(table: TableName, key: bigint): Row | undefined;
  /** Rows that edits changed, as they are in the store, ascending; null: a base row that is gone. */
  changedRows(table: TableName): Iterable<readonly [key: bigint, row: Row | null]>;
  /** Entries for the commit of the edit that made these rows. */
  overlayWrites(rows: Changes['rows'], gone: Changes['gone']): EntryWrite[];
  /** Rows by table, without a scan. */
  counts(): Readonly<Partial<Record<TableName, number>>>;
}

/** What an edit log is made of. */
export interface LogContext {
  readonly channel: Channel;
  readonly database: Database;
  readonly log: Logger;
  /** The channel's tables as they are in the store: made anew where the log is. */
  openRows(): Promise<ChannelRows>;
  readonly writersPerUser: number;
  /** Hears of every commit that was kept: its edits, and how long the store took, ms. */
  readonly onCommit?: (edits: number, ms: number) => void;
  /** The largest ingested id, where it is known by now. */
  maxId(): bigint | undefined;
  /** What edits of voxels need besides the ops. */
  voxelDeps(state: () => EditState, edits: ChannelEdits, bulk: EditRequest['bulk']): VoxelDeps;
}
