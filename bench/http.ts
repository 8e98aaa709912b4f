/** The rows of plain HTTP, beside nginx on the same chunks as files, and of other readers of Zarr. Part of `npm run bench`; see `run.ts`. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { MipInfo } from '../protocol/volume.ts';
import { connect } from '../src/client/node.ts';
import { gridShape, tileBox, tilesIn } from '../src/query/tile-grid.ts';
import { makeRow, type Row } from './report.ts';
import { hasNginx, startNginx } from './rivals/nginx.ts';
import { type ServerProcess, startServerProcess } from './support/child.ts';
import { CHANNELS } from './support/store.ts';
import { measureBodies } from './workloads/bodies.ts';
import { measurePulls } from './workloads/pull.ts';
import { hasWrk, measureHttp } from './workloads/wrk.ts';
import { openZarrCutoutBench } from './workloads/zarr-cutout.ts';

/** How to measure. */
export interface HttpBenchOptions {
  readonly dataDir: string;
  readonly transport: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly only: string;
}

const { path: PATH, shape, chunk } = CHANNELS.large;
const LEVEL: MipInfo = { shape, chunk, voxel: [8, 8, 8], offset: [0, 0, 0] };
const GiB = 2 ** 30;
const MB = 1e6;
/** Built beside this file's JavaScript, or in the source tree. */
const READ_ZARR = fileURLToPath(new URL('../../bench/workloads/read_zarr.py', import.meta.url));
const PYTHON = process.env['BFLY_PYTHON'] ?? 'python3';

const TITLES = {
  socket: '64³ uint8 chunks, hot, bfly.v1 / the same as files behind nginx, one worker',
  precomputed: '64³ uint8 chunks, hot, /precomputed / the same as files behind nginx, one worker',
  cutout: 'cutout 256³ uint8 from LMDB / zarrita on the same array on disk',
  tensorstore: 'TensorStore through /zarr / TensorStore on the same files behind nginx, one worker',
} as const;

/** Measures everything about HTTP whose row's name contains `only`; says what is not installed. */
export async function httpRows(options: HttpBenchOptions): Promise<Row[]> {
  const wanted = Object.values(TITLES).filter((title) => title.includes(options.only));
  if (wanted.length === 0) return [];
  const rows: Row[] = [];
  if (wanted.includes(TITLES.cutout)) rows.push(await cutoutRow(options));
  if (!hasNginx() || !hasWrk()) {
    process.stderr.write('NOT RUN: rows beside nginx need nginx and wrk\n');
    return rows;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-files-'));
  try {
    await mirror(options, folder);
    for (const run of [socketRow, precomputedRow, tensorstoreRow]) {
      const row = await run(options, folder, wanted);
      if (row !== undefined) rows.push(row);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

type Measure = (port: number) => Promise<number>;

/** Both sides in every round, in fresh processes, who comes first alternating. */
async function duel(
  options: HttpBenchOptions,
  folder: string,
  ours: Measure,
  rival: Measure,
): Promise<readonly [number[], number[]]> {
  const figures: [number[], number[]] = [[], []];
  for (let round = 0; round < options.rounds; round++)
    for (const side of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const server = await (side === 0 ? startOurs(options) : startNginx(folder));
      try {
        figures[side].push(await (side === 0 ? ours : rival)(server.port));
      } finally {
        await server.stop();
      }
    }
  return figures;
}

function startOurs({ dataDir, transport }: HttpBenchOptions): Promise<ServerProcess> {
  return startServerProcess('servers/ours.js', [dataDir, transport, String(GiB)]);
}

/** Chunk names of the level, as precomputed has them. */
function chunkNames(): string[] {
  return [...tilesIn([0, 0, 0, ...gridShape(LEVEL)])].map(([x, y, z]) => {
    const [x0, y0, z0, x1, y1, z1] = tileBox(LEVEL, x, y, z);
    return `${x0}-${x1}_${y0}-${y1}_${z0}-${z1}`;
  });
}

/** Zarr's keys of the chunks. */
function chunkKeys(): string[] {
  return [...tilesIn([0, 0, 0, ...gridShape(LEVEL)])].map(([x, y, z]) => `0/c/${z}/${y}/${x}`);
}

/** Writes what our server answers as files under the same names: nginx serves the very same bytes. */
async function mirror(options: HttpBenchOptions, folder: string): Promise<void> {
  const server = await startOurs(options);
  try {
    const key = await scaleKey(server.port);
    const names = [
      ...chunkNames().map((name) => `/precomputed/${PATH}/${key}/${name}`),
      ...['zarr.json', '0/zarr.json', ...chunkKeys()].map((name) => `/zarr/${PATH}/${name}`),
    ];
    for (const name of names) {
      const answer = await fetch(`http://127.0.0.1:${server.port}${name}`, {
        headers: { 'accept-encoding': 'identity' },
      });
      if (!answer.ok) throw new Error(`${name} was answered ${answer.status}`);
      const file = path.join(folder, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, new Uint8Array(await answer.arrayBuffer()));
    }
  } finally {
    await server.stop();
  }
}

async function scaleKey(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/precomputed/${PATH}/info`);
  const { scales } = (await answer.json()) as { readonly scales: readonly { readonly key: string }[] };
  return scales[0]?.key ?? '';
}

type RowMaker = (options: HttpBenchOptions, folder: string, wanted: readonly string[]) => Promise<Row | undefined>;

/** The paths of the chunks on either side: the files lie where our URLs are. */
async function precomputedPaths(port: number): Promise<string[]> {
  const key = await scaleKey(port);
  return chunkNames().map((name) => `/precomputed/${PATH}/${key}/${name}`);
}

const socketRow: RowMaker = async (options, folder, wanted) => {
  if (!wanted.includes(TITLES.socket)) return undefined;
  process.stderr.write(`${TITLES.socket} …\n`);
  const paths = await oursOnce(options, precomputedPaths);
  await oursOnce(options, (port) => checkPull(port, folder, paths));
  const [ours, rival] = await duel(
    options,
    folder,
    async (port) => (await measurePulls(port, PATH, shape, options.seconds)).perSecond / MB,
    async (port) => (await measureBodies(port, paths, options.seconds)).perSecond / MB,
  );
  return makeRow(TITLES.socket, 'MB/s', ours, rival, 1.2);
};

/** Pulls the level once, for the load's client only counts. @throws where a tile is not the file of its chunk, or one is missing. */
async function checkPull(port: number, folder: string, paths: readonly string[]): Promise<void> {
  const session = await connect(`ws://127.0.0.1:${port}`);
  const files = new Map(paths.map((name) => [path.basename(name), path.join(folder, name)]));
  for await (const tile of session.pull(PATH, { enc: ['raw'] })) {
    const [x0, y0, z0, x1, y1, z1] = tile.box;
    const name = `${x0}-${x1}_${y0}-${y1}_${z0}-${z1}`;
    const file = files.get(name);
    if (file === undefined || !readFileSync(file).equals(tile.bytes())) throw new Error(`tile ${name} is not its file`);
    files.delete(name);
  }
  if (files.size > 0) throw new Error(`${files.size} tiles were not pulled`);
  await session.close();
}

const precomputedRow: RowMaker = async (options, folder, wanted) => {
  if (!wanted.includes(TITLES.precomputed)) return undefined;
  process.stderr.write(`${TITLES.precomputed} …\n`);
  const paths = await oursOnce(options, precomputedPaths);
  const measure: Measure = async (port) => {
    // Once around, so that everything is hot on either side.
    await measureHttp(port, paths, 1);
    return (await measureHttp(port, paths, options.seconds)).requestsPerSecond;
  };
  const [ours, rival] = await duel(options, folder, measure, measure);
  return makeRow(TITLES.precomputed, 'requests/s', ours, rival, 0.5);
};

const tensorstoreRow: RowMaker = async (options, folder, wanted) => {
  if (!wanted.includes(TITLES.tensorstore)) return undefined;
  if (spawnSync(PYTHON, ['-c', 'import tensorstore']).status !== 0) {
    process.stderr.write(`NOT RUN: ${TITLES.tensorstore}: Python has no tensorstore; BFLY_PYTHON names one that has\n`);
    return undefined;
  }
  process.stderr.write(`${TITLES.tensorstore} …\n`);
  const measure: Measure = async (port) => {
    const url = `http://127.0.0.1:${port}/zarr/${PATH}/0/`;
    const { stdout } = await promisify(execFile)(PYTHON, [READ_ZARR, url, String(options.seconds)]);
    return Number(stdout) / MB;
  };
  const [ours, rival] = await duel(options, folder, measure, measure);
  return makeRow(TITLES.tensorstore, 'MB/s', ours, rival, 0.7);
};

async function oursOnce<T>(options: HttpBenchOptions, work: (port: number) => Promise<T>): Promise<T> {
  const server = await startOurs(options);
  try {
    return await work(server.port);
  } finally {
    await server.stop();
  }
}

async function cutoutRow({ dataDir, rounds, seconds }: HttpBenchOptions): Promise<Row> {
  process.stderr.write(`${TITLES.cutout} …\n`);
  const bench = await openZarrCutoutBench(dataDir);
  try {
    await bench.check();
    const ours: number[] = [];
    const rival: number[] = [];
    for (let round = 0; round < rounds; round++)
      for (const side of round % 2 === 0 ? (['ours', 'rival'] as const) : (['rival', 'ours'] as const))
        if (side === 'ours') ours.push((await bench.ours(seconds)) / MB);
        else rival.push((await bench.zarrita(seconds)) / MB);
    return makeRow(TITLES.cutout, 'MB/s', ours, rival, 3);
  } finally {
    await bench.close();
  }
}
