/** Lines that are cut, stalled, slowed and half-closed while everybody edits. BFLY_STORM=1: ten times as long. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Box } from '../../protocol/volume.ts';
import { ChildServer } from '../support/child-server.ts';
import { lineTransports, needsBuild } from '../support/line-server.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { Crowd, filteredFaults, isLongRun } from '../support/storm.ts';
import { StormAudit } from '../support/storm-audit.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const BLOWS = isLongRun ? 120 : 12;
const CLIENTS = 16;
const BOX: Box = [0, 0, 0, 16, 32, 32];
const FILTERED = 4;

needsBuild();
let server: ChildServer | undefined;
let proxy: TcpProxy | undefined;
let crowd: Crowd | undefined;
afterEach(async () => {
  await crowd?.stop();
  await proxy?.close();
  await server?.dispose();
});

/** One thing that goes wrong with the line. */
type Blow = (line: TcpProxy, random: () => number) => Promise<void>;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const BLOWS_BY_NAME: Readonly<Record<string, Blow>> = {
  cut: async (line, random) => line.cutAfter(() => Math.floor(4_000 * random()), random() < 0.5 ? 'up' : 'down'),
  'cut at once': async (line) => line.cut(),
  'half-close up': async (line) => line.halfClose('up'),
  'half-close down': async (line) => line.halfClose('down'),
  stall: async (line, random) => {
    line.stall();
    await sleep(50 + 300 * random());
    line.resume();
  },
  'stall and cut': async (line, random) => {
    line.stall();
    await sleep(100 * random());
    line.cut();
    line.resume();
  },
  throttle: async (line, random) => {
    line.weather = { bitsPerSecond: 20_000 + 200_000 * random(), bufferBytes: 2_048 };
    await sleep(300);
    line.weather = {};
  },
  delay: async (line, random) => {
    line.weather = { latencyMs: 100 * random() };
    await sleep(200);
    line.weather = {};
  },
};

describe.each(lineTransports('proxy storms'))('clients behind a bad line over %s', (transport) => {
  it('[E15] [E26] [S5] [S8] [S12] lose no edit, make none twice, and see what there is', {
    timeout: isLongRun ? 1_800_000 : 300_000,
  }, async () => {
    const seed = testSeed(`proxy storm over ${transport}`);
    const random = seededRandom(seed);
    server = await ChildServer.start({ transport });
    const line = await TcpProxy.open(server.port);
    proxy = line;
    crowd = new Crowd({
      url: () => `ws://127.0.0.1:${line.port}/v1`,
      seed,
      editors: CLIENTS,
      watchers: CLIENTS + FILTERED,
      editing: { pauseMs: 40, withBase: 0.1 },
      voxels: 0.1,
      watching: (n) => (n < FILTERED ? { filter: { box: BOX } } : {}),
    });
    crowd.start();
    const { ledger } = crowd;
    const names = Object.keys(BLOWS_BY_NAME);
    for (let blow = 0; blow < BLOWS; blow++) {
      await crowd.moreEdits(1 + Math.floor(100 * random()));
      const name = names[(blow + Math.floor(2 * random())) % names.length] ?? '';
      await BLOWS_BY_NAME[name]?.(line, random);
    }
    const log = await crowd.finish(server.url);
    const filtered = crowd.watchers.slice(0, FILTERED);
    const whole = crowd.watchers.slice(FILTERED).map((watcher) => watcher.seen);
    expect(ledger.check(log, whole)).toEqual([]);
    expect(await new StormAudit().faults(server.url)).toEqual([]);
    expect(whole.map(({ start, digests }) => start + digests.length)).toEqual(whole.map(() => log.head));
    expect(filtered.flatMap((watcher) => filteredFaults(watcher, log, BOX))).toEqual([]);
    expect(Math.min(...crowd.watchers.map(({ resumed }) => resumed))).toBeGreaterThan(0);
    console.info(`${transport}: ${BLOWS} blows, ${ledger.submitted} edits sent, ${ledger.acknowledged} acknowledged`);
  });
});
