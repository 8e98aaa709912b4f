/** The rows of what is served over the socket: pulls, boxes, small requests. Part of `npm run bench`; see `run.ts`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Box, volumeOf } from '../protocol/volume.ts';
import type { Row } from './report.ts';
import { type ServerProcess, startServerProcess } from './support/child.ts';
import {
  alternate,
  announce,
  type Duel,
  type Figure,
  fightAll,
  limitFor,
  rowOf,
  served,
  withServer,
} from './support/duel.ts';
import type { BenchOptions } from './support/options.ts';
import { type BenchChannel, CHANNELS, DISK_CHANNELS, makeStore, tileCount, voxelsOf } from './support/store.ts';
import { checkPull } from './workloads/check-pull.ts';
import {
  assembleInProcess,
  CUTOUT_BOX,
  copyRows,
  openCutoutBench,
  PART_BYTES,
  rowCopyProgram,
} from './workloads/cutout.ts';
import { checkInfo, measureRequests } from './workloads/info.ts';
import { measureCutouts, measurePulls, measurePush, type Rate } from './workloads/pull.ts';

const MB = 1e6;
const GiB = 2 ** 30;
const HEADER_BYTES = 64;
const BARE = 'bare uWebSockets.js sending as many rotating buffers';

/** Measures everything that is served whose row's name contains `only`. */
export async function serveRows(options: BenchOptions): Promise<Row[]> {
  const hot = [pullDuel('64 KiB', CHANNELS.small, options), pullDuel('256 KiB', CHANNELS.large, options)];
  const rows = await fightAll(hot, options);
  rows.push(...(await diskRows(options)));
  rows.push(...(await fightAll([cutoutDuel(options), infoDuel(options)], options)));
  rows.push(...(await assemblyRows(options)));
  return rows;
}

/** Our server over the store. */
function startOurs({ dataDir, transport }: BenchOptions, cacheBytes: number): Promise<ServerProcess> {
  return startServerProcess('servers/ours.js', [dataDir, transport, String(cacheBytes)]);
}

const megabytes = ({ perSecond, clientShare }: Rate): Figure => ({ value: perSecond / MB, clientShare });

/** A pull of a whole channel over and over. `disk`: nothing is kept in our cache. */
function pullDuel(size: string, channel: BenchChannel, options: BenchOptions, disk = false): Duel {
  const { path: at, shape, chunk } = channel;
  const bytes = volumeOf(chunk);
  const ours = (): Promise<ServerProcess> => startOurs(options, disk ? 1 : GiB);
  const bare = (): Promise<ServerProcess> =>
    startServerProcess('rivals/bare-uws.js', ['push', String(bytes), String(tileCount(channel))]);
  const { seconds } = options;
  return {
    name: `pull, ${size} raw tiles, ${disk ? 'from LMDB, 2 GiB set' : 'hot'} / ${BARE}`,
    unit: 'MB/s',
    bar: disk ? 0.8 : 0.9,
    ours: served(ours, async ({ port }) => megabytes(await measurePulls(port, at, shape, seconds))),
    rival: served(bare, async ({ port }) => megabytes(await measurePush(port, HEADER_BYTES + bytes, seconds))),
    check: () => withServer(ours, ({ port }) => checkTiles(port, channel)),
  };
}

/** Tiles that are compared with what was stored. */
const CHECKED: Box = [0, 0, 0, 512, 512, 256];

async function checkTiles(port: number, channel: BenchChannel): Promise<void> {
  const [, , , x1, y1, z1] = CHECKED;
  const [nx, ny, nz] = channel.shape;
  const box: Box = [0, 0, 0, Math.min(x1, nx), Math.min(y1, ny), Math.min(z1, nz)];
  const tiles = volumeOf([box[3], box[4], box[5]]) / volumeOf(channel.chunk);
  await checkPull(port, channel.path, { box, encoding: 'raw', tiles }, (tile) => voxelsOf(channel, tile));
}

/** Pulls of sets that no cache of ours holds: what LMDB maps is in the kernel's page cache. */
async function diskRows(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [size, channel] of [
    ['64 KiB', DISK_CHANNELS.small],
    ['256 KiB', DISK_CHANNELS.large],
  ] as const) {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-disk-'));
    try {
      const duel = pullDuel(size, channel, { ...options, dataDir }, true);
      if (!duel.name.includes(options.only)) continue;
      process.stderr.write('making a store of 2 GiB …\n');
      await makeStore(dataDir, [channel]);
      rows.push(...(await fightAll([duel], options)));
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
  return rows;
}

function cutoutDuel(options: BenchOptions): Duel {
  const { path: at } = CHANNELS.large;
  const ours = (): Promise<ServerProcess> => startOurs(options, GiB);
  const bare = (): Promise<ServerProcess> =>
    startServerProcess('rivals/bare-uws.js', ['push', String(PART_BYTES), '256']);
  const { seconds, dataDir } = options;
  return {
    name: 'CUTOUT of 256³ uint8, unaligned, hot, over the socket / bare uWebSockets.js sending 256 KiB frames',
    unit: 'MB/s',
    ours: served(ours, async ({ port }) => megabytes(await measureCutouts(port, at, CUTOUT_BOX, seconds))),
    rival: served(bare, async ({ port }) => megabytes(await measurePush(port, HEADER_BYTES + PART_BYTES, seconds))),
    check: () => checkAssembly(dataDir, PART_BYTES),
  };
}

function infoDuel(options: BenchOptions): Duel {
  const { path: at } = CHANNELS.large;
  const ours = (): Promise<ServerProcess> => startOurs(options, GiB);
  const measure = async (port: number, echo: boolean): Promise<Figure> => {
    const { perSecond, clientShare } = await measureRequests(port, at, echo, options.seconds);
    return { value: perSecond, clientShare };
  };
  return {
    name: 'INFO requests, 8 connections, 32 under way each / bare uWebSockets.js echo',
    unit: 'requests/s',
    bar: 0.45,
    ours: served(ours, ({ port }) => measure(port, false)),
    rival: served(
      () => startServerProcess('rivals/bare-uws.js', ['echo']),
      ({ port }) => measure(port, true),
    ),
    check: () => withServer(ours, ({ port }) => checkInfo(port, CHANNELS.large)),
  };
}

async function checkAssembly(dataDir: string, partBytes: number): Promise<void> {
  const bench = await openCutoutBench(dataDir, partBytes);
  await bench.check().finally(() => bench.close());
}

/** The assembly of a box alone, without a socket. */
async function assemblyRows({ dataDir, rounds, seconds, only }: BenchOptions): Promise<Row[]> {
  const work = 'cutout 256³ uint8, unaligned, hot, in the server';
  const rows: Row[] = [];
  for (const [how, partBytes, bar] of [
    ['in parts of 256 KiB as they are sent', PART_BYTES, 0.35],
    ['whole', volumeOf([256, 256, 256]), undefined],
  ] as const) {
    const form = {
      name: `${work}, ${how} / a program in C, memcpy of each row of 64 bytes`,
      unit: 'GB/s',
      ...(bar === undefined ? {} : { bar }),
    };
    const limit = { name: `${work}, ${how} / 1 GB/s`, unit: 'GB/s', bar: 1 };
    if (![form.name, limit.name].some((name) => name.includes(only))) continue;
    announce(form.name);
    await checkAssembly(dataDir, partBytes);
    const program = await rowCopyProgram();
    const { ours, rival } = await alternate(
      async () => ({ value: (await assembleInProcess(dataDir, seconds, partBytes)) / 1e9 }),
      async () => ({ value: program === undefined ? Number.NaN : (await copyRows(program, seconds, partBytes)) / 1e9 }),
      rounds,
    );
    if (program === undefined) process.stderr.write('NOT RUN: rows beside a program in C need a C compiler\n');
    else rows.push(rowOf(form, ours, rival));
    if (bar !== undefined) rows.push(rowOf(limit, ours, limitFor(ours, 1)));
  }
  return rows;
}
