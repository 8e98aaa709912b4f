/**
 * `npm run bench`: every workload for us and beside its rival or limit, in one run, in fresh processes, alternating.
 *
 *   npm run bench -- [--rounds 5] [--seconds 1.5] [--table serve|edits|http|viewer] [--only TEXT] [--transport uws|ws] [--no-write]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { editRows } from './edits.ts';
import { httpRows } from './http.ts';
import { formatRows, makeRow, type Row, writeReport } from './report.ts';
import { type ServerProcess, startServerProcess } from './support/child.ts';
import { CHANNELS, makeStore } from './support/store.ts';
import { viewerRows } from './viewer.ts';
import { CUTOUT_BOX, openCutoutBench } from './workloads/cutout.ts';
import { measureRequests } from './workloads/info.ts';
import { measureCutouts, measurePulls, measurePush } from './workloads/pull.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1.5' },
    only: { type: 'string', default: '' },
    table: { type: 'string', default: '' },
    transport: { type: 'string', default: 'uws' },
    'no-write': { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(options.rounds);
const SECONDS = Number(options.seconds);
const MB = 1e6;
const GiB = 2 ** 30;

/** A comparison of two servers. */
interface Duel {
  readonly name: string;
  readonly unit: string;
  readonly scale: number;
  readonly bar?: number;
  startOurs(): Promise<ServerProcess>;
  startRival(): Promise<ServerProcess>;
  measureOurs(port: number): Promise<number>;
  measureRival(port: number): Promise<number>;
}

function duels(dataDir: string): Duel[] {
  const ours = (cacheBytes: number) => () =>
    startServerProcess('servers/ours.js', [dataDir, options.transport, String(cacheBytes)]);
  const pull = (name: string, channel: keyof typeof CHANNELS, cacheBytes: number, bar: number): Duel => {
    const { path: at, shape, chunk } = CHANNELS[channel];
    const bytes = chunk[0] * chunk[1] * chunk[2];
    const count = (shape[0] * shape[1] * shape[2]) / bytes;
    return {
      name,
      unit: 'MB/s',
      scale: 1 / MB,
      bar,
      startOurs: ours(cacheBytes),
      startRival: () => startServerProcess('rivals/bare-uws.js', ['push', String(bytes), String(count)]),
      measureOurs: async (port) => (await measurePulls(port, at, shape, SECONDS)).perSecond,
      measureRival: async (port) => (await measurePush(port, SECONDS)).perSecond,
    };
  };
  const info: Duel = {
    name: 'INFO requests, 8 connections, 32 under way each / bare echo',
    unit: 'requests/s',
    scale: 1,
    bar: 0.35,
    startOurs: ours(GiB),
    startRival: () => startServerProcess('rivals/bare-uws.js', ['echo']),
    measureOurs: async (port) => (await measureRequests(port, CHANNELS.large.path, false, SECONDS)).perSecond,
    measureRival: async (port) => (await measureRequests(port, CHANNELS.large.path, true, SECONDS)).perSecond,
  };
  const cutout: Duel = {
    name: 'CUTOUT of 256³ uint8, unaligned, hot, over the socket / bare uWebSockets.js pushing 256 KiB frames',
    unit: 'MB/s',
    scale: 1 / MB,
    startOurs: ours(GiB),
    startRival: () => startServerProcess('rivals/bare-uws.js', ['push', '262144', '256']),
    measureOurs: async (port) => (await measureCutouts(port, CHANNELS.large.path, CUTOUT_BOX, SECONDS)).perSecond,
    measureRival: async (port) => (await measurePush(port, SECONDS)).perSecond,
  };
  return [
    pull('pull, 64 KiB raw tiles, hot / bare uWebSockets.js', 'small', GiB, 0.8),
    pull('pull, 256 KiB raw tiles, hot / bare uWebSockets.js', 'large', GiB, 0.85),
    pull('pull, 256 KiB raw tiles from LMDB, 512 MiB set / bare uWebSockets.js', 'disk', 1, 0.8),
    cutout,
    info,
  ];
}

async function fight(duel: Duel): Promise<Row> {
  const ours: number[] = [];
  const rival: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const runOurs = async (): Promise<void> => {
      ours.push((await withServer(duel.startOurs, duel.measureOurs)) * duel.scale);
    };
    const runRival = async (): Promise<void> => {
      rival.push((await withServer(duel.startRival, duel.measureRival)) * duel.scale);
    };
    // Who comes first alternates, so that neither always runs on the warmer machine.
    for (const run of round % 2 === 0 ? [runOurs, runRival] : [runRival, runOurs]) await run();
  }
  return makeRow(duel.name, duel.unit, ours, rival, duel.bar);
}

async function withServer(
  start: () => Promise<ServerProcess>,
  measure: (port: number) => Promise<number>,
): Promise<number> {
  const server = await start();
  try {
    return await measure(server.port);
  } finally {
    await server.stop();
  }
}

async function cutoutRows(dataDir: string): Promise<Row[]> {
  const bench = await openCutoutBench(dataDir);
  await bench.check();
  await bench.assemble(SECONDS);
  const ours: number[] = [];
  const copies: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push((await bench.assemble(SECONDS / 2)).perSecond / 1e9);
    copies.push((await bench.copy(SECONDS / 2)).perSecond / 1e9);
  }
  await bench.close();
  const limit = ours.map(() => 1);
  return [
    makeRow('cutout 256³ uint8, unaligned, hot, in the server / 1 GB/s', 'GB/s', ours, limit, 1),
    makeRow('cutout 256³ uint8, unaligned, hot, in the server / one memcpy', 'GB/s', ours, copies),
  ];
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-'));
try {
  process.stderr.write('making a store of random tiles …\n');
  await makeStore(dataDir);
  const rows: Row[] = [];
  const isWanted = (table: string): boolean => options.table === '' || options.table === table;
  for (const duel of duels(dataDir).filter(({ name }) => isWanted('serve') && name.includes(options.only))) {
    process.stderr.write(`${duel.name} …\n`);
    rows.push(await fight(duel));
  }
  if (isWanted('serve') && 'cutout 256³'.includes(options.only)) rows.push(...(await cutoutRows(dataDir)));
  const { transport, only } = options;
  const how = { dataDir, transport, rounds: ROUNDS, seconds: SECONDS, only };
  const edits = isWanted('edits') ? await editRows(how) : [];
  const http = isWanted('http') ? await httpRows(how) : [];
  const viewer = isWanted('viewer') ? await viewerRows(how) : [];
  process.stdout.write(`${formatRows([...rows, ...edits, ...http, ...viewer])}\n`);
  const suffix = transport === 'ws' ? '-ws' : '';
  if (!options['no-write'] && rows.length > 0) writeReport(root, `serve${suffix}`, rows);
  if (!options['no-write'] && edits.length > 0) writeReport(root, `edits${suffix}`, edits);
  if (!options['no-write'] && http.length > 0) writeReport(root, `http${suffix}`, http);
  if (!options['no-write'] && viewer.length > 0) writeReport(root, `viewer${suffix}`, viewer);
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
