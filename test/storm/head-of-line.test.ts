/** Edits on a line that a pull fills. BFLY_STORM=1: longer, and the delay is held to its bar. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import { FRAME } from '../../protocol/limits.ts';
import { ChildServer } from '../support/child-server.ts';
import { EditLedger, editName } from '../support/edit-ledger.ts';
import { Editor } from '../support/editor.ts';
import { lineTransports, needsBuild } from '../support/line-server.ts';
import { PULL_WINDOW, Puller } from '../support/puller.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { isLongRun, readHistory } from '../support/storm.ts';
import { stormOps } from '../support/storm-ops.ts';
import { SEGMENTATION } from '../support/storm-volume.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const BITS_PER_SECOND = 20_000_000;
const EDITS = isLongRun ? 1_000 : 60;
const PAUSE_MS = 20;
const KiB = 1024;
/** What edits may wait, ms, on the window and frames that a client gets which asks for none other. */
const BAR_MS = 150;

needsBuild();
let server: ChildServer | undefined;
let proxy: TcpProxy | undefined;
let puller: Puller | undefined;
let other: Editor | undefined;
afterEach(async () => {
  puller?.stop();
  await other?.stop();
  await proxy?.close();
  await server?.dispose();
});

/** Notes when each edit was sent for the first time. */
class TimedLedger extends EditLedger {
  readonly sentAt = new Map<string, number>();

  override submit(...[writer, wseq, ...what]: Parameters<EditLedger['submit']>): void {
    this.sentAt.set(editName(writer, wseq), performance.now());
    super.submit(writer, wseq, ...what);
  }
}

const percentile = (of: readonly number[], part: number): number =>
  of.toSorted((a, b) => a - b)[Math.floor(part * (of.length - 1))] ?? 0;

/** How long the line is busy with so many bytes, ms. */
const lineMs = (bytes: number): number => (8_000 * bytes) / BITS_PER_SECOND;

interface Delays {
  readonly replies: number;
  readonly broadcasts: number;
}

/** Edits by a client that pulls and by one that does not; p99 of what the first one sees of both, ms. */
async function measure(transport: 'ws' | 'uws', frame?: number): Promise<Delays> {
  const random = seededRandom(testSeed('head of line'));
  const child = await ChildServer.start({ transport, noise: [256, 256, 128] });
  server = child;
  proxy = await TcpProxy.open(child.port, { bitsPerSecond: BITS_PER_SECOND });
  const ledger = new TimedLedger();
  const wid = Uint8Array.from({ length: 16 }, () => Math.floor(256 * random()));
  const one = await Puller.start({
    url: `ws://127.0.0.1:${proxy.port}/v1`,
    wid: wid.map((byte) => byte ^ 0xff),
    others: ledger.sentAt,
    ...(frame === undefined ? {} : { frame }),
  });
  puller = one;
  expect(one.frame).toBe(frame ?? PULL_WINDOW / FRAME.share);
  await one.until('tiles', () => one.bytes > 4 * PULL_WINDOW);
  const editing = { path: SEGMENTATION, name: 'other', ledger, random, nextOps: stormOps(60), edits: EDITS };
  other = new Editor({ ...editing, url: () => child.url, wid, window: 1, pauseMs: PAUSE_MS });
  const began = { at: performance.now(), bytes: one.bytes };
  // This process is the line and the clients: what it is late itself counts as delay.
  const lateness = monitorEventLoopDelay({ resolution: 5 });
  lateness.enable();
  other.start();
  for (let wseq = 1; wseq <= EDITS; wseq++) {
    one.edit(wseq);
    await new Promise((resolve) => setTimeout(resolve, 2 * PAUSE_MS * random()));
  }
  await ledger.whileSound(other.finish());
  await one.until(`${EDITS} of each`, () => one.replies.length === EDITS && one.broadcasts.length === EDITS);
  const pulled = (8_000 * (one.bytes - began.bytes)) / (performance.now() - began.at);
  expect((await readHistory(child.url)).head).toBe(2 * EDITS);
  const inWords = (of: readonly number[]): string =>
    `p50 ${percentile(of, 0.5).toFixed(0)} ms, p99 ${percentile(of, 0.99).toFixed(0)} ms`;
  console.info(
    `${transport} at ${BITS_PER_SECOND / 1e6} Mbit/s, ${(pulled / 1e6).toFixed(1)} of them tiles in frames of ${one.frame / KiB} KiB: ` +
      `reply ${inWords(one.replies)}; broadcast ${inWords(one.broadcasts)}; timers here late by ${(lateness.percentile(99) / 1e6).toFixed(0)} ms (p99)`,
  );
  // The pull went on all the while.
  expect(pulled).toBeGreaterThan(BITS_PER_SECOND / 4);
  return { replies: percentile(one.replies, 0.99), broadcasts: percentile(one.broadcasts, 0.99) };
}

describe.each(lineTransports('head of line'))(
  'edits over %s on a line that a pull fills',
  {
    timeout: isLongRun ? 300_000 : 120_000,
  },
  (transport) => {
    it('[H7] [D18] wait for a window and a quarter at most where the client asks for no size of frames', async () => {
      const { replies, broadcasts } = await measure(transport);
      if (!isLongRun) return;
      expect(replies).toBeLessThanOrEqual(BAR_MS);
      expect(broadcasts).toBeLessThanOrEqual(BAR_MS);
    });

    it('[D12] [D18] wait for a window and one frame at most where the client asks for large frames', async () => {
      const frame = 256 * KiB;
      const { replies, broadcasts } = await measure(transport, frame);
      if (!isLongRun) return;
      const bar = BAR_MS + lineMs(frame - PULL_WINDOW / FRAME.share);
      expect(replies).toBeLessThanOrEqual(bar);
      expect(broadcasts).toBeLessThanOrEqual(bar);
    });
  },
);
