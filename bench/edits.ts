/**
 * The rows of edits: durable edits, fan-out, latency, idle sockets, opening. Part of `npm run bench`; see `run.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeRow, type Row } from './report.ts';
import { measureRawLmdb } from './rivals/raw-lmdb.ts';
import { type ServerProcess, startServerProcess } from './support/child.ts';
import { CHANNELS } from './support/store.ts';
import { type Latencies, measureEdits, measureLatency } from './workloads/edits.ts';
import { type FanOutKind, measureFanOut } from './workloads/fan-out.ts';
import { measureIdle } from './workloads/idle.ts';
import { makeOpeningBench } from './workloads/opening.ts';

/** How to measure. */
export interface EditBenchOptions {
  readonly dataDir: string;
  readonly transport: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly only: string;
}

const { path: PATH } = CHANNELS.small;
/** Nobody edits it: no snapshot is on its way to the sockets that are counted. */
const { path: QUIET_PATH } = CHANNELS.large;
const CACHE_BYTES = String(2 ** 28);
/** Bytes that the log keeps of one of these edits. */
const EDIT_BYTES = 280;
const WRITERS = 64;
const IDLE_SOCKETS = 10_000;
const SUBSCRIBERS = 100;
const LINKS = 1_000_000;
/** Edits behind a snapshot. */
const TAIL = 100_000;

/** Measures everything about edits whose row's name contains `only`. */
export async function editRows(options: EditBenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  const wanted = (name: string): boolean => name.includes(options.only);
  for (const count of [100, 1_000])
    for (const [kind, name, bar] of RIVALS) {
      const title = `edits, 1 → ${count} subscribers / ${name}`;
      if (wanted(title)) rows.push(await fanOutRow(title, kind, count, bar, options));
    }
  const durable = `durable acknowledged edits, ${WRITERS} writers`;
  if (wanted(durable)) rows.push(...(await durableRows(durable, options)));
  const latency = 'at 1,000 edits/s';
  if (wanted(latency)) rows.push(...(await latencyRows(latency, options)));
  const idle = `memory of an idle subscribed socket, of ${IDLE_SOCKETS}`;
  if (wanted(idle)) rows.push(...(await idleRows(idle, options)));
  const opening = `a log of ${LINKS.toLocaleString('en')} links opened from its snapshot`;
  if (wanted(opening)) rows.push(...(await openingRows(opening, options.rounds)));
  return rows;
}

const RIVALS: readonly (readonly [kind: FanOutKind, name: string, bar?: number])[] = [
  ['uws', 'bare uWebSockets.js publish, nothing kept', 0.7],
  ['ws', 'a loop over ws, nothing kept'],
  ['socketio', 'Socket.IO 4, nothing kept', 8],
  ['hocuspocus', 'Hocuspocus 3, nothing kept'],
];

function startOurs({ dataDir, transport }: EditBenchOptions): Promise<ServerProcess> {
  return startServerProcess('servers/ours.js', [dataDir, transport, CACHE_BYTES]);
}

async function withServer<T>(
  start: () => Promise<ServerProcess>,
  work: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await start();
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

async function fanOutRow(
  name: string,
  rival: FanOutKind,
  subscribers: number,
  bar: number | undefined,
  options: EditBenchOptions,
): Promise<Row> {
  process.stderr.write(`${name} …\n`);
  const { rounds, seconds } = options;
  const figures: Record<'ours' | 'rival', number[]> = { ours: [], rival: [] };
  for (let round = 0; round < rounds; round++)
    for (const side of round % 2 === 0 ? (['ours', 'rival'] as const) : (['rival', 'ours'] as const)) {
      const kind = side === 'ours' ? 'ours' : rival;
      const start = side === 'ours' ? () => startOurs(options) : () => startServerProcess('rivals/fan-out.js', [rival]);
      const { perSecond } = await withServer(start, ({ port }) =>
        measureFanOut(kind, port, PATH, subscribers, seconds),
      );
      figures[side].push(perSecond);
    }
  return makeRow(name, 'deliveries/s', figures.ours, figures.rival, bar);
}

async function durableRows(name: string, options: EditBenchOptions): Promise<Row[]> {
  process.stderr.write(`${name} …\n`);
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const measure = async (): Promise<void> => {
      const { perSecond } = await withServer(
        () => startOurs(options),
        ({ port }) => measureEdits(port, PATH, WRITERS, options.seconds),
      );
      ours.push(perSecond);
    };
    const measureRaw = async (): Promise<void> => {
      raw.push((await measureRawLmdb(EDIT_BYTES, options.seconds)).perSecond);
    };
    for (const run of round % 2 === 0 ? [measure, measureRaw] : [measureRaw, measure]) await run();
  }
  return [
    makeRow(
      `${name} / 30,000 a second`,
      'edits/s',
      ours,
      ours.map(() => 30_000),
      1,
    ),
    makeRow(`${name} / puts of the same bytes by lmdb-js alone, flushed alike`, 'edits/s', ours, raw),
  ];
}

async function latencyRows(name: string, options: EditBenchOptions): Promise<Row[]> {
  process.stderr.write(`${name} …\n`);
  const seconds = Math.max(3, options.seconds);
  const found: { readonly alone: Latencies; readonly followed: Latencies }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const measure = (subscribers: number): Promise<Latencies> =>
      withServer(
        () => startOurs(options),
        ({ port }) => measureLatency(port, PATH, 1_000, subscribers, seconds),
      );
    found.push({ alone: await measure(0), followed: await measure(SUBSCRIBERS) });
  }
  const row = (title: string, limit: number, figure: (one: (typeof found)[number]) => number, bar?: number): Row =>
    makeRow(
      `${name}${title} / ${limit} ms`,
      'ms',
      found.map(figure),
      found.map(() => limit),
      bar,
      true,
    );
  return [
    row(': acknowledged, p50', 2, ({ alone }) => alone.ack.p50, 1),
    row(': acknowledged, p99', 10, ({ alone }) => alone.ack.p99, 1),
    // Subscribers and writers share one process: what that takes is counted too.
    row(`, ${SUBSCRIBERS} subscribers: acknowledged, p50`, 2, ({ followed }) => followed.ack.p50),
    row(
      `, ${SUBSCRIBERS} subscribers: acknowledged and with the last of them, p99`,
      25,
      ({ followed }) => followed.whole.p99,
      1,
    ),
  ];
}

async function idleRows(name: string, options: EditBenchOptions): Promise<Row[]> {
  process.stderr.write(`${name} …\n`);
  const ours = await withServer(
    () => startOurs(options),
    (server) => measureIdle(server, QUIET_PATH, IDLE_SOCKETS),
  );
  const bare = await withServer(
    () => startServerProcess('rivals/fan-out.js', ['uws']),
    (server) => measureIdle(server, undefined, IDLE_SOCKETS),
  );
  const KB = 1_000;
  return [
    makeRow(`${name} / 12 KB`, 'KB', [ours / KB], [12], 1, true),
    makeRow(`${name} / bare uWebSockets.js`, 'KB', [ours / KB], [bare / KB], undefined, true),
  ];
}

async function openingRows(name: string, rounds: number): Promise<Row[]> {
  process.stderr.write(`${name} …\n`);
  const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-opening-'));
  try {
    const bench = await makeOpeningBench(dataDir, LINKS);
    const several = async (): Promise<number[]> => {
      const seconds: number[] = [];
      for (let round = 0; round < rounds; round++) seconds.push(await bench.open());
      return seconds;
    };
    const replayed = await several();
    await bench.snapshot();
    const opened = await several();
    await bench.grow(TAIL);
    const behind = await several();
    await bench.close();
    const tail = TAIL.toLocaleString('en');
    return [
      makeRow(`${name} / by a replay of all edits`, 's', opened, replayed, 0.1, true),
      makeRow(
        `${name}, and ${tail} edits behind it / by a replay of all edits`,
        's',
        behind,
        replayed,
        undefined,
        true,
      ),
    ];
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
