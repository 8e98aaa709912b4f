/** A Core with the edit logs of its channels: what every server is made of. */
import type { Limits } from '../../protocol/limits.ts';
import type { Database } from '../database/database.ts';
import { DatabaseLayer } from '../database/tables.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import type { Logger } from '../utility/log.ts';
import type { Channel, ChannelEntry } from './channel.ts';
import { Core } from './core.ts';
import { EditLogs } from './edits/edit-logs.ts';
import type { ChannelRows } from './edits/log-context.ts';

/** What a server's heart is made of. */
export interface AssembleOptions {
  readonly database: Database;
  readonly maker: TileMaker;
  readonly cacheBytes: number;
  readonly channels: readonly ChannelEntry[];
  readonly log: Logger;
  readonly limits: Pick<Limits, 'writeVoxels' | 'writeTiles' | 'writersPerUser'>;
  /** Hears of every commit of edits: how many, and how long the store took, ms. */
  readonly onCommit?: (edits: number, ms: number) => void;
  /** Rows from files; a channel's log waits for them. Unset: none. */
  readonly tables?: DatabaseLayer;
  /** Default: the tables of a channel in `tables`, once they are loaded. */
  rowsOf?(channel: Channel): Promise<ChannelRows>;
}

/** Puts a Core and its edit logs together: each needs the other. */
export function assembleCore(options: AssembleOptions): { readonly core: Core; readonly logs: EditLogs } {
  const { database, maker, log, limits, tables = new DatabaseLayer(options) } = options;
  const logs: EditLogs = new EditLogs({
    writersPerUser: limits.writersPerUser,
    ...(options.onCommit === undefined ? {} : { onCommit: options.onCommit }),
    database,
    log,
    rowsOf: options.rowsOf ?? ((channel) => rowsIn(tables, channel)),
    maxIdOf: (channel) => core.knownMaxId(channel),
    voxelDeps: (channel) => (state, edits, bulk) => ({
      ...{ channel, edits, maker, limits },
      reader: core.tiles,
      planIds: (ops) => idsByOp(state().planIds(ops)),
      turnedBy: (undone) => state().turnedBy(undone),
      isAssigned: (id) => state().isAssigned(id),
      maxId: () => core.ensureMaxId(channel),
      ...(bulk === undefined ? {} : { bulk }),
    }),
  });
  const core: Core = new Core({ ...options, edits: logs, tables });
  return { core, logs };
}

function idsByOp(ids: readonly (bigint | undefined)[]): ReadonlyMap<number, bigint> {
  return new Map(ids.flatMap((id, op) => (id === undefined ? [] : [[op, id] as const])));
}

async function rowsIn(tables: DatabaseLayer, channel: Channel): Promise<ChannelRows> {
  await tables.ready(channel.path);
  return tables.channelTables(channel.path, channel.number);
}

/** Tables of a channel without any, which keep nothing. */
export const NO_ROWS: ChannelRows = {
  baseRow: () => undefined,
  lastBaseKey: () => -1n,
  baseRows: () => [],
  row: () => undefined,
  changedRows: () => [],
  overlayWrites: () => [],
  counts: () => ({}),
};
