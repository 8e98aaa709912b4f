/** An edit log over a small volume in memory, without sockets, and the makings to verify it. */
import { randomBytes } from 'node:crypto';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { WireMap } from '../../protocol/messages.ts';
import { assembleCore } from '../../src/core/assemble.ts';
import type { Channel } from '../../src/core/channel.ts';
import type { EditLogs, OpenLog } from '../../src/core/edits/edit-logs.ts';
import type { EditRequest } from '../../src/core/edits/edit-request.ts';
import type { LogContext } from '../../src/core/edits/log-context.ts';
import { ALL_RIGHTS, type Author } from '../../src/core/rights.ts';
import type { Database } from '../../src/database/database.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import { openArraySource } from '../../src/image/array-source.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { type Logger, SILENT_LOG } from '../../src/utility/log.ts';

const PATH = 'lab/fly/cube/seg';
const SIDE = 8;
export const ADA: Author = { user: { id: 'ada', name: 'Ada' }, rights: ALL_RIGHTS };

/** A log that is open, and what it stands on. */
export interface OpenedLog extends OpenLog {
  readonly logs: EditLogs;
  readonly channel: Channel;
  readonly context: LogContext;
  /** Sends ops as Ada's, each call as the next edit of the same writer. */
  submit(...ops: WireMap[]): Promise<number>;
}

/** Opens the log of a segmentation of 8³ voxels in tiles of 4³; tables are kept. A second one on the same `database` is a restart. */
export async function openLogOn(database: Database, log: Logger = SILENT_LOG): Promise<OpenedLog> {
  const data = new Uint8Array(new Uint32Array(SIDE ** 3).fill(1).buffer);
  const maker = new InlineTileMaker(async () => {
    const source = await openArraySource({ data, shape: [SIDE, SIDE, SIDE], dtype: 'uint32', type: 'segmentation' });
    return {
      info: { ...source.info, fingerprint: PATH },
      read: source.read.bind(source),
      close: source.close.bind(source),
    };
  });
  const { core, logs } = assembleCore({
    ...{ database, maker, cacheBytes: 2 ** 20, limits: DEFAULT_LIMITS, log },
    channels: [{ path: PATH, spec: { path: PATH }, chunk: [4, 4, 4] }],
  });
  const channel = await core.updateQuery({ path: PATH });
  const open = logs.logOf(channel);
  if (open === undefined) throw new Error('the channel has no log');
  const wid = new Uint8Array(randomBytes(16));
  let wseq = 0;
  const submit = async (...ops: WireMap[]): Promise<number> => {
    const request: EditRequest = { wid, wseq: ++wseq, base: null, epoch: open.log.epoch, ops };
    return (await open.log.submit(request, ADA)).seq;
  };
  return { ...open, logs, channel, submit, context: contextOf(database, channel, log) };
}

function contextOf(database: Database, channel: Channel, log: Logger): LogContext {
  return {
    ...{ channel, database, log, writersPerUser: 16 },
    openRows: async () => new DatabaseLayer({ database, log }).channelTables(channel.path, channel.number),
    maxId: () => 1n,
    voxelDeps: () => {
      throw new Error('nothing is edited here');
    },
  };
}
