/** The rows beside other readers of the same voxels: nginx on the same chunks as files, zarrita, TensorStore. Part of `npm run bench`; see `run.ts`. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { type Box, mipBox, volumeOf } from '../protocol/volume.ts';
import { copyBox } from '../src/query/copy-box.ts';
import { gridShape, tileBox, tilesIn } from '../src/query/tile-grid.ts';
import type { Row } from './report.ts';
import { hasNginx, startNginx } from './rivals/nginx.ts';
import { type ServerProcess, startServerProcess } from './support/child.ts';
import { alternate, announce, type Duel, type Figure, fightAll, rowOf, served, withServer } from './support/duel.ts';
import type { BenchOptions } from './support/options.ts';
import { mirrorChannel, type ServedFiles } from './support/served-files.ts';
import { type BenchChannel, CHANNELS, levelOf, tileCount, voxelsOf } from './support/store.ts';
import { measureBodies } from './workloads/bodies.ts';
import { checkPull } from './workloads/check-pull.ts';
import { measurePulls, type Rate } from './workloads/pull.ts';
import { openZarrCutoutBench } from './workloads/zarr-cutout.ts';

const { large: IMAGE, labels: LABELS } = CHANNELS;
const GiB = 2 ** 30;
const MB = 1e6;
/** Built beside this file's JavaScript, or in the source tree. */
const READ_ZARR = fileURLToPath(new URL('../../bench/workloads/read_zarr.py', import.meta.url));
const PYTHON = process.env['BFLY_PYTHON'] ?? 'python3';
const FILES = 'the same bytes as files behind nginx, one worker, sendfile';

const TITLES = {
  cutout: 'cutout 256³ uint8 from LMDB / zarrita on the same array on disk',
  image: `pull, 256 KiB raw tiles, hot / ${FILES}`,
  labels: `pull, segmentation, compressed_segmentation as stored, hot / ${FILES}`,
  precomputed: `GET of 256 KiB raw chunks, hot, /precomputed / ${FILES}`,
  tensorstore: 'TensorStore through /zarr / TensorStore on the same files behind nginx, one worker',
} as const;

/** Measures everything about HTTP and files whose row's name contains `only`; says what is not installed. */
export async function httpRows(options: BenchOptions): Promise<Row[]> {
  const wanted = Object.values(TITLES).filter((title) => title.includes(options.only));
  const rows: Row[] = [];
  if (wanted.includes(TITLES.cutout)) rows.push(await cutoutRow(options));
  if (wanted.every((title) => title === TITLES.cutout)) return rows;
  if (!hasNginx()) {
    process.stderr.write('NOT RUN: rows beside nginx need nginx\n');
    return rows;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-files-'));
  try {
    const [image, labels] = await withServer(ours(options), async ({ port }) => [
      await mirrorChannel(port, IMAGE, folder, true),
      await mirrorChannel(port, LABELS, folder, false),
    ]);
    rows.push(...(await fightAll(fileDuels(options, folder, image, labels), options)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

function ours({ dataDir, transport }: BenchOptions): () => Promise<ServerProcess> {
  return () => startServerProcess('servers/ours.js', [dataDir, transport, String(GiB)]);
}

const megabytes = ({ perSecond, clientShare }: Rate): Figure => ({ value: perSecond / MB, clientShare });
const requests = ({ framesPerSecond = 0, clientShare }: Rate): Figure => ({ value: framesPerSecond, clientShare });

/** The rows beside nginx. */
function fileDuels(options: BenchOptions, folder: string, image: ServedFiles, labels: ServedFiles): Duel[] {
  const { seconds } = options;
  const nginx = (): Promise<ServerProcess> => startNginx(folder);
  const bodies = (files: ServedFiles, form: (rate: Rate) => Figure): ((server: ServerProcess) => Promise<Figure>) => {
    return async ({ port }) => form(await measureBodies(port, files.precomputed, seconds));
  };
  const isStored = (box: Box): Uint8Array => voxelsOf(IMAGE, box);
  const labelBytes = tilesOf(LABELS).reduce((sum, box) => sum + (labels.read(box)?.length ?? 0), 0);
  const duels: Duel[] = [
    {
      ...{ name: TITLES.image, unit: 'MB/s', bar: 1.3 },
      ours: served(ours(options), async ({ port }) =>
        megabytes(await measurePulls(port, IMAGE.path, IMAGE.shape, seconds)),
      ),
      rival: served(nginx, bodies(image, megabytes)),
      check: async () => {
        checkFiles(image);
        await withServer(ours(options), ({ port }) =>
          checkPull(port, IMAGE.path, { encoding: 'raw', tiles: tileCount(IMAGE) }, isStored),
        );
      },
    },
    {
      ...{ name: TITLES.labels, unit: 'requests/s', bar: 1.2 },
      ours: served(ours(options), async ({ port }) =>
        requests(await measurePulls(port, LABELS.path, LABELS.shape, seconds, 'cseg', labelBytes)),
      ),
      rival: served(nginx, bodies(labels, requests)),
      check: () =>
        withServer(ours(options), async ({ port }) => {
          const wanted = { encoding: 'cseg', tiles: tileCount(LABELS) } as const;
          await checkPull(port, LABELS.path, wanted, labels.read);
        }),
    },
    {
      ...{ name: TITLES.precomputed, unit: 'requests/s', bar: 0.5 },
      ours: served(ours(options), bodies(image, requests)),
      rival: served(nginx, bodies(image, requests)),
      check: async () => checkFiles(image),
    },
  ];
  const tensorstore = tensorstoreDuel(options, nginx);
  return tensorstore === undefined ? duels : [...duels, tensorstore];
}

function tilesOf(channel: BenchChannel): Box[] {
  const level = levelOf(channel);
  return [...tilesIn([0, 0, 0, ...gridShape(level)])].map((tile) => tileBox(level, ...tile));
}

/** @throws where a file does not hold what was stored. */
function checkFiles(files: ServedFiles): void {
  for (const box of tilesOf(IMAGE)) {
    const file = files.read(box);
    if (file === undefined || Buffer.compare(file, voxelsOf(IMAGE, box)) !== 0)
      throw new Error(`the file of ${box.join(', ')} does not hold what was stored`);
  }
}

function tensorstoreDuel(options: BenchOptions, nginx: () => Promise<ServerProcess>): Duel | undefined {
  if (!TITLES.tensorstore.includes(options.only)) return undefined;
  if (spawnSync(PYTHON, ['-c', 'import tensorstore']).status !== 0) {
    process.stderr.write(`NOT RUN: ${TITLES.tensorstore}: Python has no tensorstore; BFLY_PYTHON names one that has\n`);
    return undefined;
  }
  const whole = new Uint8Array(volumeOf(IMAGE.shape));
  const level = levelOf(IMAGE);
  for (const box of tilesOf(IMAGE)) copyBox(voxelsOf(IMAGE, box), box, whole, mipBox(level), 1);
  const sum = String(crc32(whole));
  const measure = async ({ port }: ServerProcess): Promise<Figure> => {
    const url = `http://127.0.0.1:${port}/zarr/${IMAGE.path}/0/`;
    const { stdout } = await promisify(execFile)(PYTHON, [READ_ZARR, url, String(options.seconds), sum]);
    return { value: Number(stdout) / MB };
  };
  return {
    ...{ name: TITLES.tensorstore, unit: 'MB/s', bar: 0.7 },
    ...{ ours: served(ours(options), measure), rival: served(nginx, measure) },
    // Each process compares what it reads first.
    check: async () => {},
  };
}

/** Both readers in this process, open over the whole row. */
async function cutoutRow({ dataDir, rounds, seconds }: BenchOptions): Promise<Row> {
  announce(TITLES.cutout);
  const bench = await openZarrCutoutBench(dataDir);
  try {
    await bench.check();
    const { ours, rival } = await alternate(
      async () => ({ value: (await bench.ours(seconds)) / MB }),
      async () => ({ value: (await bench.zarrita(seconds)) / MB }),
      rounds,
    );
    return rowOf({ name: TITLES.cutout, unit: 'MB/s', bar: 3 }, ours, rival);
  } finally {
    await bench.close();
  }
}
