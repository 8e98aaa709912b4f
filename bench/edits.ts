/**
 * The rows of edits: fan-out, durable edits, latency, idle sockets, opening. Part of `npm run bench`; see `run.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from '../src/client/node.ts';
import { makeRow, type Row } from './report.ts';
import { runScript, type ServerProcess, startServerProcess } from './support/child.ts';
import {
  alternate,
  announce,
  type Duel,
  type Figure,
  fightAll,
  limitFor,
  rowOf,
  type Side,
  withServer,
} from './support/duel.ts';
import type { BenchOptions } from './support/options.ts';
import { EDITED, makeStore } from './support/store.ts';
import { type Latencies, measureEdits, measureLatency, UNANSWERED } from './workloads/edits.ts';
import {
  type FanOutRate,
  type FanOutRival,
  hasFanOutClient,
  MESSAGE_BYTES,
  measureOurFanOut,
  measureTheirFanOut,
} from './workloads/fan-out.ts';
import { measureIdle } from './workloads/idle.ts';
import { makeOpeningBench } from './workloads/opening.ts';
import type { Rate } from './workloads/pull.ts';

const { path: PATH } = EDITED;
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
export async function editRows(options: BenchOptions): Promise<Row[]> {
  const rows = await fanOutRows(options);
  const wanted = (name: string): boolean => name.includes(options.only);
  const durable = `durable acknowledged edits, ${WRITERS} writers`;
  if (wanted(durable)) rows.push(...(await durableRows(durable, options)));
  const latency = 'at 1,000 edits/s';
  if (wanted(latency)) rows.push(...(await latencyRows(latency, options)));
  const idle = `memory of an idle subscribed socket, of ${IDLE_SOCKETS.toLocaleString('en')}`;
  if (wanted(idle)) rows.push(...(await idleRows(idle, options)));
  const opening = `a log of ${LINKS.toLocaleString('en')} links opened from its snapshot`;
  if (wanted(opening)) rows.push(...(await openingRows(opening, options.rounds)));
  return rows;
}

/** Works with our server over a new store. */
async function withOurs<T>({ transport }: BenchOptions, work: (server: ServerProcess) => Promise<T>): Promise<T> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-edits-'));
  try {
    await makeStore(dataDir, [EDITED]);
    return await withServer(() => startServerProcess('servers/ours.js', [dataDir, transport, CACHE_BYTES]), work);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const RIVALS: readonly (readonly [kind: FanOutRival, name: string, bar?: number])[] = [
  ['uws', 'bare uWebSockets.js publish, nothing kept', 0.8],
  ['ws', 'a loop over ws, nothing kept'],
  ['socketio', 'Socket.IO 4, nothing kept', 12],
  ['hocuspocus', 'Hocuspocus 3, nothing kept', 8],
];

async function fanOutRows(options: BenchOptions): Promise<Row[]> {
  const duels = fanOutDuels(options).filter(({ name }) => name.includes(options.only));
  if (duels.length === 0 || (await hasFanOutClient())) return fightAll(duels, options);
  process.stderr.write('NOT RUN: rows of fan-out need a C compiler\n');
  return [];
}

/** The client looks at every subscriber itself, in every round, before it counts. */
function fanOutDuels(options: BenchOptions): Duel[] {
  const { seconds } = options;
  return [100, 1_000].flatMap((subscribers) =>
    RIVALS.map(([rival, name, bar]) => ({
      name: `edits of ${MESSAGE_BYTES} bytes, 1 → ${subscribers.toLocaleString('en')} subscribers / ${name}`,
      unit: 'deliveries/s',
      // What is wanted is wanted of many.
      ...(bar === undefined || subscribers < 1_000 ? {} : { bar }),
      ours: () =>
        withOurs(options, async ({ port }) => fanOut(await measureOurFanOut(port, PATH, subscribers, seconds))),
      rival: () =>
        withServer(
          () => startServerProcess('rivals/fan-out.js', [rival]),
          async ({ port }) => fanOut(await measureTheirFanOut(rival, port, subscribers, seconds)),
        ),
      check: async () => {},
    })),
  );
}

/** @throws where edits are shorter than is said. */
function fanOut(rate: FanOutRate): Figure {
  if (rate.bytesEach < MESSAGE_BYTES) throw new Error(`an edit has ${rate.bytesEach} bytes, not ${MESSAGE_BYTES}`);
  return { value: rate.perSecond, clientShare: rate.clientShare };
}

async function durableRows(name: string, options: BenchOptions): Promise<Row[]> {
  announce(name);
  const { rounds, seconds } = options;
  await checkDurable(options);
  const ourSide: Side = () =>
    withOurs(options, async ({ port }) => {
      const { perSecond, clientShare } = await measureEdits(port, PATH, WRITERS, seconds);
      return { value: perSecond, clientShare };
    });
  const rawSide: Side = async () => {
    const rate = await runScript('rivals/raw-lmdb-process.js', [EDIT_BYTES, WRITERS * UNANSWERED, seconds]);
    return { value: (rate as Rate).perSecond }; // what our own script prints
  };
  const { ours, rival } = await alternate(ourSide, rawSide, rounds);
  const unit = 'edits/s';
  return [
    rowOf({ name: `${name} / 30,000 a second`, unit, bar: 1 }, ours, limitFor(ours, 30_000)),
    rowOf({ name: `${name} / puts of the same bytes by lmdb-js alone, flushed alike`, unit, bar: 0.5 }, ours, rival),
  ];
}

/** @throws where edits that were acknowledged are gone after the server was killed. */
async function checkDurable({ transport }: BenchOptions): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-durable-'));
  const start = (): Promise<ServerProcess> => startServerProcess('servers/ours.js', [dataDir, transport, CACHE_BYTES]);
  try {
    await makeStore(dataDir, [EDITED]);
    const killed = await start();
    const writer = await connect(`ws://127.0.0.1:${killed.port}`);
    const edits = Array.from({ length: WRITERS }, (_, n) =>
      writer.edit(PATH, [{ op: 'merge', ids: [BigInt(1 + n), BigInt(2 + n)] }]),
    );
    const last = Math.max(...(await Promise.all(edits)).map(({ seq }) => seq));
    await killed.stop('SIGKILL');
    await writer.close();
    const head = await withServer(start, async ({ port }) => {
      const reader = await connect(`ws://127.0.0.1:${port}`);
      const info = await reader.info(PATH).finally(() => reader.close());
      return info.kind === 'channel' ? info.head : 0;
    });
    if (last !== WRITERS || head !== last) throw new Error(`${last} edits were acknowledged, and ${head} kept`);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function latencyRows(name: string, options: BenchOptions): Promise<Row[]> {
  announce(name);
  const seconds = Math.max(3, options.seconds);
  const found: { readonly alone: Latencies; readonly followed: Latencies }[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const measure = (subscribers: number): Promise<Latencies> =>
      withOurs(options, ({ port }) => measureLatency(port, PATH, 1_000, subscribers, seconds));
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

async function idleRows(name: string, options: BenchOptions): Promise<Row[]> {
  announce(name);
  const KB = 1_000;
  const { ours, rival } = await alternate(
    () => withOurs(options, async (server) => ({ value: (await measureIdle(server, PATH, IDLE_SOCKETS)) / KB })),
    () =>
      withServer(
        () => startServerProcess('rivals/fan-out.js', ['uws']),
        async (server) => ({ value: (await measureIdle(server, undefined, IDLE_SOCKETS)) / KB }),
      ),
    options.rounds,
  );
  const form = { unit: 'KB', lowerIsBetter: true };
  return [
    rowOf({ ...form, name: `${name} / 12 KB`, bar: 1 }, ours, limitFor(ours, 12)),
    rowOf({ ...form, name: `${name} / bare uWebSockets.js` }, ours, rival),
  ];
}

async function openingRows(name: string, rounds: number): Promise<Row[]> {
  announce(name);
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
    const besides = ' / by a replay of all edits';
    return [
      makeRow(`${name}${besides}`, 's', opened, replayed, 0.1, true),
      makeRow(`${name}, and ${tail} edits behind it${besides}`, 's', behind, replayed, undefined, true),
    ];
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
