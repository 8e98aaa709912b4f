/** The rows of long jobs, and of what they cost those who are served meanwhile. Part of `npm run bench`; see `run.ts`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Row } from './report.ts';
import { startServerProcess } from './support/child.ts';
import {
  alternate,
  announce,
  type Figure,
  fightAll,
  limitFor,
  rowOf,
  type Side,
  served,
  withServer,
} from './support/duel.ts';
import type { BenchOptions } from './support/options.ts';
import { measureFirstTile, PULLS } from './workloads/first-tile.ts';
import { checkStore, hasTensorstore, type IngestKind, measureIngest } from './workloads/ingest.ts';
import { writeVolume } from './workloads/ingest-volume.ts';
import { delayRows } from './workloads/loop-delay.ts';
import { dropSnapshots, makeOpeningStore, openInProcess } from './workloads/opening.ts';
import { checkPull, type PullerKind, pullInProcess } from './workloads/sdk-pull.ts';

const CACHE_BYTES = String(2 ** 28);
const MB = 1e6;
/** 1 GiB of uint8. */
const SIDE = 1_024;
const VOLUME_BYTES = SIDE ** 3;
/** What is ingested once to see that it comes out right. */
const CHECKED_SIDE = 128;
const INGEST_BAR = 150;
const LINKS = 10_000_000;

/** Measures the jobs whose row's name contains `only`. */
export async function jobRows(how: BenchOptions): Promise<Row[]> {
  return [
    ...(await fightAll([firstTile(how), sdkPull(how)], how)),
    ...(await ingestRows(how)),
    ...(await openingRows(how)),
    ...(await delayRows(how)),
  ];
}

function startServer({ dataDir, transport }: BenchOptions): ReturnType<typeof startServerProcess> {
  return startServerProcess('servers/watched.js', [dataDir, transport, CACHE_BYTES]);
}

function firstTile(how: BenchOptions): Parameters<typeof fightAll>[0][number] {
  const side = (isUrgent: boolean): Side =>
    served(
      () => startServer(how),
      async ({ port }) => ({ value: await measureFirstTile(port, isUrgent) }),
    );
  return {
    name: `first visible tile while ${PULLS} pulls fill a link of 100 Mbit/s / the same without urgency`,
    ...{ unit: 'ms', bar: 0.2, lowerIsBetter: true },
    ...{ ours: side(true), rival: side(false) },
    // Every tile that is waited for is compared with the store.
    check: async () => {},
  };
}

function sdkPull(how: BenchOptions): Parameters<typeof fightAll>[0][number] {
  const side = (kind: PullerKind): Side =>
    served(
      () => startServer(how),
      async ({ port }) => {
        const { bytes, seconds, clientShare } = await pullInProcess(kind, port);
        // Of the SDK it is the client that is measured.
        return { value: bytes / MB / seconds, ...(kind === 'raw' ? { clientShare } : {}) };
      },
    );
  return {
    name: 'the SDK in Node pulls 1 GiB over one connection / a bare socket that counts the bytes',
    ...{ unit: 'MB/s', bar: 0.5 },
    ...{ ours: side('sdk'), rival: side('raw') },
    check: () =>
      withServer(
        () => startServer(how),
        ({ port }) => checkPull(port),
      ),
  };
}

/** A folder on the disk of the store that is measured, removed in the end. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-jobs-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ingestRows({ rounds, only }: BenchOptions): Promise<Row[]> {
  const name = 'bfly ingest of 1 GiB uint8 (Zarr, uncompressed) with its pyramid, until it is on the disk';
  const besides = {
    bar: `${name} / ${INGEST_BAR} MB/s`,
    cp: `${name} / cp -r of the same files, until they are on the disk`,
    tensorstore: `${name} / tensorstore, copy and downsample, until it is on the disk`,
  };
  if (!Object.values(besides).some((title) => title.includes(only))) return [];
  announce(name);
  return inFolder(async (folder) => {
    const small = path.join(folder, 'small');
    await writeVolume(small, CHECKED_SIDE);
    await measureIngest('bfly', small, folder, (store) => checkStore(small, store));
    const volume = path.join(folder, 'volume');
    await writeVolume(volume, SIDE);
    const side =
      (kind: IngestKind): Side =>
      async () => ({
        value: VOLUME_BYTES / MB / (await measureIngest(kind, volume, folder)),
      });
    const { ours, rival: copied } = await alternate(side('bfly'), side('cp'), rounds);
    const form = { unit: 'MB/s' };
    const rows = [
      rowOf({ ...form, name: besides.bar, bar: 1 }, ours, limitFor(ours, INGEST_BAR)),
      rowOf({ ...form, name: besides.cp }, ours, copied),
    ];
    if (await hasTensorstore()) {
      const others: Figure[] = [];
      for (let round = 0; round < rounds; round++) others.push(await side('tensorstore')());
      rows.push(rowOf({ ...form, name: besides.tensorstore }, ours, others));
    } else process.stderr.write('no Python with tensorstore (BFLY_PYTHON): its row is left out\n');
    return rows.filter((row) => row.name.includes(only));
  });
}

async function openingRows({ rounds, only }: BenchOptions): Promise<Row[]> {
  const links = Number(process.env['BFLY_BENCH_LINKS'] ?? LINKS);
  const name = `a log of ${links.toLocaleString('en')} links opened from its snapshot / by a replay of all edits, measured once`;
  if (!name.includes(only)) return [];
  announce(name);
  return inFolder(async (folder) => {
    const made = await makeOpeningStore(folder, links);
    const opened: Figure[] = [];
    for (let round = 0; round < rounds; round++) opened.push({ value: await openInProcess(folder, made) });
    await dropSnapshots(folder);
    const replayed = await openInProcess(folder, made);
    return [rowOf({ name, unit: 's', bar: 0.1, lowerIsBetter: true }, opened, limitFor(opened, replayed))];
  });
}
