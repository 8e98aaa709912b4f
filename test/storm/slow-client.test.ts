/** One subscriber that reads 1 KB/s while others edit. 1,500 edits; BFLY_STORM=1: 100,000, and memory and delays are held to their bars. */
import { afterEach, describe, expect, it } from 'vitest';
import { ChildServer, type ProcessUse } from '../support/child-server.ts';
import { lineTransports, needsBuild } from '../support/line-server.ts';
import { testSeed } from '../support/seed.ts';
import { Crowd, isLongRun } from '../support/storm.ts';
import { SEGMENTATION } from '../support/storm-volume.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { Watcher } from '../support/watcher.ts';

const EDITORS = 8;
const EDITS = isLongRun ? 100_000 : 1_600;
const MiB = 1024 * 1024;

needsBuild();
let server: ChildServer | undefined;
let proxy: TcpProxy | undefined;
let crowd: Crowd | undefined;
let slow: Watcher | undefined;
afterEach(async () => {
  await slow?.stop();
  await crowd?.stop();
  await proxy?.close();
  await server?.dispose();
});

interface Flow {
  /** Memory that the server has more after the flow than before it, bytes: all but pages of the store, and what JavaScript holds of it. */
  readonly grown: number;
  readonly held: number;
  readonly p50: number;
  readonly p99: number;
  readonly editsPerSecond: number;
}

/** Lets editors make so many edits over a fresh server, one subscriber of which may be slow. */
async function flow(transport: 'ws' | 'uws', seed: number, isSlow: boolean): Promise<Flow> {
  const child = await ChildServer.start({ transport });
  server = child;
  const line = await TcpProxy.open(child.port, { bitsPerSecond: 8_000, bufferBytes: 1_024 });
  proxy = line;
  const latencies: number[] = [];
  const some = new Crowd({
    url: () => child.url,
    seed,
    editors: EDITORS,
    watchers: 3,
    editing: { edits: EDITS / EDITORS, window: 8, onLatency: (ms) => latencies.push(ms) },
  });
  crowd = some;
  const { ledger } = some;
  const behind = new Watcher({
    url: () => `ws://127.0.0.1:${line.port}/v1`,
    path: SEGMENTATION,
    name: 'slow',
    ledger,
    random: Math.random,
    join: 'tail',
  });
  slow = behind;
  if (isSlow) {
    behind.start();
    await ledger.whileSound(behind.until(0));
  }
  const before = await child.use();
  const started = performance.now();
  some.start();
  const log = await some.finish(child.url);
  const seconds = (performance.now() - started) / 1000;
  const after = await child.use();
  if (isSlow) {
    // At 1 KB/s it has seen next to nothing.
    expect(behind.position).toBeLessThan(log.head / 2);
    line.weather = {};
    await ledger.whileSound(behind.until(log.head));
  }
  const seen = [...some.watchers, ...(isSlow ? [behind] : [])].map((watcher) => watcher.seen);
  expect(ledger.check(log, seen)).toEqual([]);
  expect(log.head).toBe(EDITS);
  await behind.stop();
  await some.stop();
  await line.close();
  await child.dispose();
  latencies.sort((a, b) => a - b);
  const at = (part: number): number => latencies[Math.floor(part * (latencies.length - 1))] ?? 0;
  const heldBy = ({ heapUsed, external }: ProcessUse): number => heapUsed + external;
  const grown = after.anonymous - before.anonymous;
  const held = heldBy(after) - heldBy(before);
  return { grown, held, p50: at(0.5), p99: at(0.99), editsPerSecond: EDITS / seconds };
}

const inWords = ({ grown, held, p50, p99, editsPerSecond }: Flow): string =>
  `memory +${(grown / MiB).toFixed(1)} MiB (+${(held / MiB).toFixed(1)} of JavaScript), acknowledged after ${p50.toFixed(1)} ms (p50), ${p99.toFixed(1)} ms (p99), ` +
  `${editsPerSecond.toFixed(0)} edits/s`;

describe('a subscriber that reads 1 KB/s', { timeout: isLongRun ? 1_800_000 : 300_000 }, () => {
  const transport = lineTransports('slow clients').at(-1) ?? 'ws';

  it('[S5] costs nobody anything and catches up without a gap', async () => {
    const seed = testSeed('slow client');
    const alone = await flow(transport, seed, false);
    const beside = await flow(transport, seed, true);
    console.info(`${EDITS} edits over ${transport}: without it ${inWords(alone)}; with it ${inWords(beside)}`);
    // What a server grows by with so many edits anyway is no fault of the slow one's.
    if (isLongRun) {
      expect(beside.grown - alone.grown).toBeLessThan(8 * MiB);
      expect(beside.p99).toBeLessThan(2 * alone.p99);
    }
  });
});
