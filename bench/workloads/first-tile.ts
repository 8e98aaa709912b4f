/** How long one tile takes on a narrow link that pulls fill: asked for as the most urgent, or as urgent as they are. */
import { connect, type Session } from '../../src/client/node.ts';
import { TcpProxy } from '../../test/support/tcp-proxy.ts';
import { median } from '../report.ts';
import { CHANNELS, voxelsOf } from '../support/store.ts';

const BITS_PER_SECOND = 100_000_000;
/** Pulls that fill the link. */
export const PULLS = 32;
const PROBES = 12;
/** Of the pulls, and of a tile that no server puts first. */
const URGENCY = 3;
/** Until the windows are what they are on this link. */
const WARM_UP_MS = 1_500;
const { path: PATH, shape, chunk } = CHANNELS.large;

/**
 * Pulls over and over by many streams on one connection at 100 Mbit/s, and now and then one tile more.
 *
 * @returns median milliseconds until that one is there.
 * @throws Error where it is not what the store holds, or the pulls do not fill the link.
 */
export async function measureFirstTile(port: number, isUrgent: boolean): Promise<number> {
  const proxy = await TcpProxy.open(port, { bitsPerSecond: BITS_PER_SECOND });
  const session = await connect(`ws://127.0.0.1:${proxy.port}`);
  const load = { bytes: 0, runs: true };
  try {
    const pulls = Array.from({ length: PULLS }, () => pullOn(session, load));
    await sleep(WARM_UP_MS);
    const from = { bytes: load.bytes, at: performance.now() };
    const waits: number[] = [];
    for (let probe = 0; probe < PROBES; probe++) {
      waits.push(await probeOnce(session, probe, isUrgent ? 0 : URGENCY));
      await sleep(50);
    }
    const bitsPerSecond = (8_000 * (load.bytes - from.bytes)) / (performance.now() - from.at);
    if (bitsPerSecond < BITS_PER_SECOND / 2) throw new Error(`the link was not full: ${bitsPerSecond} bits/s`);
    load.runs = false;
    await session.close();
    await Promise.allSettled(pulls);
    return median(waits);
  } finally {
    load.runs = false;
    await proxy.close();
  }
}

async function pullOn(session: Session, load: { bytes: number; runs: boolean }): Promise<void> {
  while (load.runs)
    for await (const tile of session.pull(PATH, { urgency: URGENCY })) {
      load.bytes += tile.payload.length;
      if (!load.runs) return;
    }
}

async function probeOnce(session: Session, probe: number, urgency: number): Promise<number> {
  const x = (probe * chunk[0]) % shape[0];
  const box = [x, 0, 0, x + chunk[0], chunk[1], chunk[2]] as const;
  const start = performance.now();
  for await (const tile of session.pull(PATH, { urgency, box })) {
    const ms = performance.now() - start;
    if (!Buffer.from(tile.bytes()).equals(voxelsOf(CHANNELS.large, box)))
      throw new Error('the tile is not what the store holds');
    return ms;
  }
  throw new Error('no tile came');
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
