/** Opening a log of many merges: from its snapshot, from one with edits behind it, and by a replay of all of them. */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { EditState } from '../../protocol/edit-state.ts';
import { BflyError } from '../../protocol/errors.ts';
import { pack } from '../../protocol/msgpack.ts';
import { type Channel, openChannel, saveChannelRecord } from '../../src/core/channel.ts';
import { CheckpointKeeper, dropCheckpoints } from '../../src/core/edits/checkpoint.ts';
import { EditLog } from '../../src/core/edits/edit-log.ts';
import { CHK_BYTES, encodeRecord, shortHash } from '../../src/core/edits/edit-record.ts';
import type { LogContext } from '../../src/core/edits/log-context.ts';
import { foldContext } from '../../src/core/edits/open-state.ts';
import type { Database, EntryWrite } from '../../src/database/database.ts';
import { logRecordKey } from '../../src/database/keys.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

/** The channel of the log, and its number. */
export const OPENING_PATH = 'bench/opening/links/seg';
export const OPENING_CHANNEL = 1;
/** Edits of one commit while the log is made. */
const BATCH = 10_000;
/** Bodies that grow, by turns. */
const BODIES = 1_000;
/** Above the ids that edits bring. */
const FIRST_IDS = 2n ** 40n;

/** A log to open again and again. */
export interface OpeningBench {
  /** Seconds until it is open, from what is stored of it. */
  open(): Promise<number>;
  /** Makes another `edits` merges, behind the snapshot. */
  grow(edits: number): Promise<void>;
  /** Writes a snapshot of the head. */
  snapshot(): Promise<void>;
  /** Removes the snapshots: opening is then a replay. */
  drop(): Promise<void>;
  close(): Promise<void>;
}

/** Makes a store with a log of merges, one link each, and no snapshot. */
export async function makeOpeningBench(dataDir: string, links: number): Promise<OpeningBench> {
  const database = await openLmdbDatabase(dataDir);
  const channel = await makeChannel(database);
  const context = contextOf(database, channel);
  const state = new EditState(foldContext(context, await context.openRows()));
  const writer = new Writer(database, channel.number, state);
  await writer.write(links);
  return {
    open: async () => {
      const start = performance.now();
      const log = await EditLog.open(context);
      const seconds = (performance.now() - start) / 1_000;
      if (log.head !== state.seq || log.tip.linkCount !== state.linkCount)
        throw new BflyError('INTERNAL', 'the log that was opened is not the one that was made');
      return seconds;
    },
    grow: (edits) => writer.write(edits),
    snapshot: () => new CheckpointKeeper(database, channel.number, -state.seq - 1_000).finish(state, state.seq),
    drop: () => dropCheckpoints(database, channel.number),
    close: () => database.close(),
  };
}

/** What an opening gave. */
export interface Opened {
  readonly seconds: number;
  readonly head: number;
  readonly links: number;
}

/** Opens the log of a store that nobody has open. */
export async function openOnce(dataDir: string): Promise<Opened> {
  const database = await openLmdbDatabase(dataDir);
  try {
    const context = contextOf(database, await makeChannel(database));
    const start = performance.now();
    const log = await EditLog.open(context);
    const seconds = (performance.now() - start) / 1_000;
    return { seconds, head: log.head, links: log.tip.linkCount };
  } finally {
    await database.close();
  }
}

/** Removes the snapshots of a store that nobody has open: opening is then a replay. */
export async function dropSnapshots(dataDir: string): Promise<void> {
  const database = await openLmdbDatabase(dataDir);
  const channel = await makeChannel(database);
  await dropCheckpoints(database, channel.number);
  await database.close();
}

/** Makes a store with a log of so many links and a snapshot of its head, and leaves it closed. */
export async function makeOpeningStore(dataDir: string, links: number): Promise<Opened> {
  const bench = await makeOpeningBench(dataDir, links);
  await bench.snapshot();
  await bench.close();
  return { seconds: 0, head: links, links };
}

/** Opens the log of a store in a process of its own. @throws Error where it is not the one that was made. */
export async function openInProcess(dataDir: string, made: Opened): Promise<number> {
  const child = fork(fileURLToPath(new URL('./opening-child.js', import.meta.url)), [dataDir], { stdio: 'inherit' });
  const [opened] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the opening ended with ${code}`))),
  ])) as [Opened];
  if (child.exitCode === null) await once(child, 'exit');
  if (opened.head !== made.head || opened.links !== made.links)
    throw new Error('the log that was opened is not the one that was made');
  return opened.seconds;
}

async function makeChannel(database: Database): Promise<Channel> {
  await saveChannelRecord(database, OPENING_PATH, {
    number: OPENING_CHANNEL,
    fingerprint: 'bench',
    epoch: '0102030405060708',
    sourceKind: 'bench',
    type: 'segmentation',
    dtype: 'uint64',
    mips: [{ shape: [512, 512, 512], chunk: [64, 64, 64], voxel: [8, 8, 8], offset: [0, 0, 0] }],
    sourceMips: 1,
    ownChunks: [true],
    shifts: [[0, 0, 0]],
    ingested: true,
  });
  const maker = new InlineTileMaker(() => {
    throw new BflyError('INTERNAL', 'the source is not needed');
  });
  return await openChannel({ path: OPENING_PATH }, database, maker);
}

function contextOf(database: Database, channel: Channel): LogContext {
  const tables = new DatabaseLayer({ database, log: SILENT_LOG });
  return {
    ...{ channel, database, log: SILENT_LOG, writersPerUser: 16, maxId: () => 1n << 41n },
    openRows: async () => tables.channelTables(channel.path, channel.number),
    voxelDeps: () => {
      throw new BflyError('INTERNAL', 'no voxels are edited');
    },
  };
}

/** Writes edits as the log does, but for their writers. */
class Writer {
  readonly #database: Database;
  readonly #number: number;
  readonly #state: EditState;
  readonly #wid = new Uint8Array(randomBytes(16));
  readonly #w = shortHash(this.#wid, 4);
  readonly #user = { id: 'bench', name: 'Bench' };
  #chk: Uint8Array = new Uint8Array(CHK_BYTES);
  #random = 12_345;

  constructor(database: Database, number: number, state: EditState) {
    this.#database = database;
    this.#number = number;
    this.#state = state;
  }

  async write(edits: number): Promise<void> {
    let written = Promise.resolve();
    for (let left = edits; left > 0; left -= BATCH) {
      const entries = Array.from({ length: Math.min(left, BATCH) }, () => this.#next());
      await written;
      // The next ones are made while these are written.
      written = this.#database.commit({ entries });
    }
    await written;
  }

  /** One more id, merged with any one before it of its body. */
  #next(): EntryWrite {
    const n = this.#state.seq + 1;
    const body = n % BODIES;
    const before = Math.floor(n / BODIES);
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    const other = body + BODIES * Math.floor((this.#random / 2 ** 32) * before);
    const ids = [idOf(n), before === 0 ? FIRST_IDS + BigInt(body) : idOf(other)];
    const { status, results, changes } = this.#state.apply([{ op: 'merge', ids }]);
    const ops = [{ op: 'merge', ids }];
    const { value, chk } = encodeRecord(
      {
        ...{ seq: n, time: 1_700_000_000_000 + n, user: this.#user, wid: this.#wid, w: this.#w, wseq: n, ops },
        ...{ packedOps: pack(ops).slice(), results, changes, status },
        scope: { reads: [], writes: ids.map((id) => `b${id}`) },
      },
      this.#chk,
    );
    this.#chk = chk;
    return { store: 'log', key: logRecordKey(this.#number, n), value };
  }
}

/** Ids scattered over 40 bits, all different. */
function idOf(n: number): bigint {
  return BigInt((n * 0x9e37_79b1) % 2 ** 32) * 256n + BigInt(n % 251) + 1n;
}
