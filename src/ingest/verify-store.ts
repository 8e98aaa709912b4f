/** Verifies the edit logs of a store that lies on this machine. */
import { setTimeout as wait } from 'node:timers/promises';
import { BflyError } from '../../protocol/errors.ts';
import { type Channel, channelRecord, openChannel } from '../core/channel.ts';
import { dropCheckpoints } from '../core/edits/checkpoint.ts';
import type { LogContext } from '../core/edits/log-context.ts';
import { type VerifyReport, verifyLog } from '../core/edits/verify.ts';
import type { Database } from '../database/database.ts';
import { openLmdbDatabase } from '../database/lmdb-database.ts';
import { DatabaseLayer } from '../database/tables.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import { SILENT_LOG } from '../utility/log.ts';
import { editedPaths, editsOf } from './edited-paths.ts';

/** What a verification of one path found. */
export type StoreReport = VerifyReport;

/** Which logs to verify. */
export interface VerifyStoreOptions {
  /** Folder of the store, or of a copy of it. */
  readonly dataDir: string;
  /** One channel; default: every channel with edits. */
  readonly path?: string;
  /** Removes the snapshots of the logs that are whole, so that their next opening replays them. No server may use the store. */
  readonly dropSnapshots?: boolean;
}

/** How often a log is read anew because a server wrote to it meanwhile. */
const TRIES = 5;
const PAUSE_MS = 200;

/**
 * Verifies the logs of a store. Without `dropSnapshots` nothing is written, and a server may use the store meanwhile.
 *
 * @returns one report for each log, by path.
 * @throws BflyError NOT_FOUND where there is no store, or no such channel in it; UNAVAILABLE where a server goes on writing, or where
 *   snapshots are to be removed and a server uses the store.
 */
export async function verifyStore({
  dataDir,
  path,
  dropSnapshots = false,
}: VerifyStoreOptions): Promise<StoreReport[]> {
  const database = await openLmdbDatabase(dataDir, { readOnly: !dropSnapshots });
  try {
    const reports: StoreReport[] = [];
    for (const name of path === undefined
      ? editedPaths(database).map((edited) => edited.path)
      : [knownPath(database, path)]) {
      const channel = await openChannel({ path: name }, database, NO_MAKER);
      const report = await verifyAtRest(database, channel);
      reports.push(report);
      if (dropSnapshots && report.faults.length === 0) await dropCheckpoints(database, channel.number);
    }
    return reports;
  } finally {
    await database.close();
  }
}

function knownPath(database: Database, path: string): string {
  if (channelRecord(database, path) !== undefined) return path;
  throw new BflyError('NOT_FOUND', `${path} is not in the store; without a path, every channel with edits is verified`);
}

/** A log that grew while it was read proves nothing: its parts are of different moments. */
async function verifyAtRest(database: Database, channel: Channel): Promise<StoreReport> {
  for (let left = TRIES; ; left--) {
    const before = editsOf(database, channel.number);
    const report = await verifyWhole(contextOf(database, channel), before);
    if (editsOf(database, channel.number) === before) return report;
    if (left <= 1)
      throw new BflyError(
        'UNAVAILABLE',
        `${channel.path} is being edited all the time; verify a copy of the store (bfly backup), or the server by its URL`,
      );
    await wait(PAUSE_MS);
  }
}

/** A log that cannot even be replayed has that fault. */
async function verifyWhole(context: LogContext, edits: number): Promise<StoreReport> {
  try {
    return await verifyLog(context);
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    return { path: context.channel.path, edits, links: 0, deltas: 0, snapshot: 0, faults: [error.message] };
  }
}

function contextOf(database: Database, channel: Channel): LogContext {
  // Rows of files are not needed to replay edits; what edits made of rows is in the store.
  const tables = new DatabaseLayer({ database, log: SILENT_LOG });
  return {
    channel,
    database,
    log: SILENT_LOG,
    openRows: async () => tables.channelTables(channel.path, channel.number),
    maxId: () => channel.maxId,
    writersPerUser: 0,
    voxelDeps: () => {
      throw new BflyError('INTERNAL', 'nothing is edited while a log is verified');
    },
  };
}

const unused = (): never => {
  throw new BflyError('INTERNAL', 'no tile is made while a log is verified');
};
/** A channel that the store knows is opened without a look at its source. */
const NO_MAKER: TileMaker = {
  open: unused,
  fromSource: unused,
  fromSourceBlock: unused,
  file: unused,
  fromFiner: unused,
  transcode: unused,
  unique: unused,
  maxId: unused,
  work: unused,
  render: unused,
  close: async () => {},
};
