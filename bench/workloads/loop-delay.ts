/**
 * How late the event loop of a serving node is while it does heavy work: p99 of all its turns during a job, while somebody reads tiles and
 * somebody edits. Each job is done by a server over a store of its own.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Box } from '../../protocol/volume.ts';
import { connect, type Session } from '../../src/client/node.ts';
import { checkpointSeqs } from '../../src/core/edits/checkpoint.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import type { Row } from '../report.ts';
import { type ServerProcess, startServerProcess } from '../support/child.ts';
import { announce, type Figure, limitFor, rowOf, withServer } from '../support/duel.ts';
import type { BenchOptions } from '../support/options.ts';
import { writeVolume } from './ingest-volume.ts';
import { makeOpeningBench, OPENING_CHANNEL, OPENING_PATH } from './opening.ts';

const BAR_MS = 20;
const CACHE_BYTES = String(2 ** 28);
/** Voxels along each axis of the volume of files, whose levels 1 to 3 are made as they are asked for. */
const SIDE = 512;
const LEVELS = 4;
const LINKS = 1_000_000;
/** Edits behind the snapshot that make another one due: see `CheckpointKeeper`. */
const TAIL = 112_000;
const EM = 'bench/files/volume/em';
const CELLS = 'bench/files/volume/cells';
const PAINTED: Box = [0, 0, 0, 256, 256, 256];
const PAINTS = 8;
const EDIT_PAUSE_MS = 20;
const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

type Job = 'ingesting' | 'exporting' | 'rebuilding' | 'snapshotting';
const WORDS: Readonly<Record<Job, string>> = {
  ingesting: 'reading 128 MiB of files for the first time, with 3 levels',
  exporting: 'exporting 128 MiB',
  rebuilding: `${PAINTS} paints over 256³ voxels, and reading all levels after each`,
  snapshotting: `opening a log of ${LINKS.toLocaleString('en')} links and writing a snapshot of it`,
};
const nameOf = (job: Job): string => `event loop of a serving node, p99 while ${WORDS[job]} / ${BAR_MS} ms`;

/** Measures the jobs whose row's name contains `only`. */
export async function delayRows({ transport, rounds, only }: BenchOptions): Promise<Row[]> {
  const wanted = (Object.keys(WORDS) as Job[]).filter((job) => nameOf(job).includes(only));
  if (wanted.length === 0) return [];
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-delay-'));
  const delays: Record<Job, Delay[]> = { ingesting: [], exporting: [], rebuilding: [], snapshotting: [] };
  const note = (job: Job, delay: Delay): void => void delays[job].push(delay);
  try {
    announce(`event loop while ${wanted.join(', ')}`);
    const volume = path.join(folder, 'volume');
    const log = path.join(folder, 'log');
    if (wanted.some((job) => job !== 'snapshotting')) await writeVolume(volume, SIDE);
    if (wanted.includes('snapshotting')) await makeLog(log);
    for (let round = 0; round < rounds; round++) {
      if (wanted.some((job) => job !== 'snapshotting')) await measureVolume(folder, volume, transport, wanted, note);
      if (wanted.includes('snapshotting')) note('snapshotting', await measureSnapshot(folder, log, transport));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return wanted.map((job) => rowFor(job, delays[job]));
}

interface Delay {
  readonly p99: number;
  readonly max: number;
}

function rowFor(job: Job, delays: readonly Delay[]): Row {
  const figures = delays.map(({ p99 }): Figure => ({ value: p99 }));
  const form = { name: nameOf(job), unit: 'ms', bar: 1, lowerIsBetter: true };
  const longest = Math.max(...delays.map(({ max }) => max));
  const row = rowOf(form, figures, limitFor(figures, BAR_MS));
  return { ...row, notes: [...(row.notes ?? []), `the longest turn was ${longest.toFixed(0)} ms`] };
}

/** Watches the event loop of a server while it does a job and others use it. */
async function watch(
  server: ServerProcess,
  session: Session,
  use: { readonly read: string; readonly edit: string },
  job: () => Promise<void>,
): Promise<Delay> {
  await server.ask('reset');
  const users = { stop: false };
  const using = Promise.all([readOn(session, use.read, users), editOn(session, use.edit, users)]);
  try {
    await Promise.race([job(), using]);
    return (await server.ask('delay')) as Delay;
  } finally {
    users.stop = true;
    await using;
  }
}

async function readOn(session: Session, from: string, users: { stop: boolean }): Promise<void> {
  while (!users.stop) {
    for await (const _tile of session.pull(from, { box: [0, 0, 0, 64, 64, 64], urgency: 0 }));
    await sleep(2 * EDIT_PAUSE_MS);
  }
}

async function editOn(session: Session, to: string, users: { stop: boolean }): Promise<void> {
  for (let n = 0; !users.stop; n++) {
    await session.edit(to, [{ op: 'merge', ids: [1 + (n % 100), 2 + (n % 100)] }]);
    await sleep(EDIT_PAUSE_MS);
  }
}

async function measureVolume(
  folder: string,
  volume: string,
  transport: string,
  wanted: readonly Job[],
  note: (job: Job, delay: Delay) => void,
): Promise<void> {
  const dataDir = mkdtempSync(path.join(folder, 'store-'));
  const start = (): Promise<ServerProcess> =>
    startServerProcess('servers/watched.js', [dataDir, transport, CACHE_BYTES, volume]);
  await withServer(start, async (server) => {
    const session = await connect(`ws://127.0.0.1:${server.port}`);
    const measure = async (job: Job, work: () => Promise<void>): Promise<void> => {
      const delay = await watch(server, session, { read: EM, edit: CELLS }, work);
      if (wanted.includes(job)) note(job, delay);
    };
    await measure('ingesting', () => readLevels(session, EM, undefined));
    if (wanted.includes('exporting'))
      await measure('exporting', () => exportVolume(server.port, path.join(dataDir, 'exported')));
    if (wanted.includes('rebuilding')) {
      await readLevels(session, CELLS, PAINTED);
      await measure('rebuilding', () => paintAll(session));
    }
    await session.close();
  });
  rmSync(dataDir, { recursive: true, force: true });
}

/** Reads all levels of a channel, or of a box of it. @throws Error where tiles are missing. */
async function readLevels(session: Session, from: string, box: Box | undefined): Promise<void> {
  for (let mip = 0; mip < LEVELS; mip++) {
    const part = box?.map((edge) => edge / 2 ** mip) as Box | undefined;
    let tiles = 0;
    for await (const tile of session.pull(from, { mip, ...(part === undefined ? {} : { box: part }) })) {
      if (tile.error !== undefined) throw tile.error;
      tiles++;
    }
    const side = Math.ceil((part === undefined ? SIDE / 2 ** mip : part[3]) / 64);
    if (tiles !== side ** 3) throw new Error(`${tiles} tiles of level ${mip} came instead of ${side ** 3}`);
  }
}

async function exportVolume(port: number, target: string): Promise<void> {
  mkdirSync(target);
  await promisify(execFile)(process.execPath, [
    CLI,
    'export',
    `http://127.0.0.1:${port}`,
    EM,
    target,
    '--to',
    'ome-zarr',
  ]);
}

async function paintAll(session: Session): Promise<void> {
  for (let value = 1; value <= PAINTS; value++) {
    await session.edit(CELLS, [{ op: 'write', box: PAINTED, value }]);
    await readLevels(session, CELLS, PAINTED);
    for await (const tile of session.pull(CELLS, { mip: LEVELS - 1, box: [0, 0, 0, 32, 32, 32] }))
      if (tile.bytes()[0] !== value) throw new Error('a coarse level does not show what was painted');
  }
}

/** A log with a snapshot, and behind it as many edits as make another one due. */
async function makeLog(dataDir: string): Promise<void> {
  mkdirSync(dataDir);
  const bench = await makeOpeningBench(dataDir, LINKS);
  await bench.snapshot();
  await bench.grow(TAIL);
  await bench.close();
}

async function measureSnapshot(folder: string, log: string, transport: string): Promise<Delay> {
  const dataDir = path.join(folder, 'log-copy');
  cpSync(log, dataDir, { recursive: true });
  const start = (): Promise<ServerProcess> =>
    startServerProcess('servers/watched.js', [dataDir, transport, CACHE_BYTES]);
  const delay = await withServer(start, async (server) => {
    const session = await connect(`ws://127.0.0.1:${server.port}`);
    // The first edit opens the log, and finds a snapshot due; the others come while it is written.
    const found = await watch(server, session, { read: OPENING_PATH, edit: OPENING_PATH }, () => sleep(SNAPSHOT_MS));
    await session.close();
    return found;
  });
  await checkSnapshot(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
  return delay;
}

/** Long enough to open the log and to write its snapshot. */
const SNAPSHOT_MS = 10_000;

/** @throws Error where the server wrote no snapshot. */
async function checkSnapshot(dataDir: string): Promise<void> {
  const database = await openLmdbDatabase(dataDir, { readOnly: true });
  const [newest = 0] = checkpointSeqs(database, OPENING_CHANNEL);
  await database.close();
  if (newest < LINKS + TAIL) throw new Error('no snapshot was written');
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
