/** Servers that are killed while everybody edits. 8 kills; BFLY_STORM=1: 60. */
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { ChildServer } from '../support/child-server.ts';
import { Commands } from '../support/cli.ts';
import { lineTransports, needsBuild } from '../support/line-server.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { Crowd, isLongRun } from '../support/storm.ts';
import { StormAudit } from '../support/storm-audit.ts';
import { SEGMENTATION } from '../support/storm-volume.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const KILLS = isLongRun ? 60 : 8;
const CLIENTS = 32;

needsBuild();
let server: ChildServer | undefined;
let proxy: TcpProxy | undefined;
let crowd: Crowd | undefined;
afterEach(async () => {
  await crowd?.stop();
  await proxy?.close();
  await server?.dispose();
});

describe('a server that is killed again and again', { timeout: isLongRun ? 1_800_000 : 300_000 }, () => {
  const transport = lineTransports('kill storms').at(-1) ?? 'ws';

  it('[E4] [E15] [E17] [E26] [S1] [S8] loses no acknowledged edit, undoes none that was seen, applies each once and shows the voxels of its log', async () => {
    const seed = testSeed('kill storm');
    const random = seededRandom(seed);
    const child = await ChildServer.start({ transport });
    server = child;
    // Half of them hear of everything a little late, and of what happened just before a kill never.
    const late = await TcpProxy.open(child.port, { latencyMs: 25 });
    proxy = late;
    crowd = new Crowd({
      url: (n) => (n % 4 < 2 ? child.url : `ws://127.0.0.1:${late.port}/v1`),
      seed,
      editors: CLIENTS,
      watchers: CLIENTS,
      editing: { pauseMs: 60, withBase: 0.15 },
      voxels: 0.15,
    });
    crowd.start();
    const { ledger } = crowd;
    const audit = new StormAudit();
    for (let kill = 0; kill < KILLS; kill++) {
      // Some edits on, and a moment more: in the middle of a commit as likely as between two.
      await crowd.moreEdits(1 + Math.floor(200 * random()));
      await new Promise((resolve) => setTimeout(resolve, 20 * random()));
      late.cut();
      await child.kill();
      await child.restart();
      // What is there now, while everybody comes back and goes on.
      expect(await audit.faults(child.url)).toEqual([]);
    }
    await crowd.moreEdits(100);
    const log = await crowd.finish(child.url);
    expect(await audit.faults(child.url)).toEqual([]);
    expect(audit.seqs.at(-1)).toBe(log.head);
    const commands = new Commands(tmpdir());
    expect(await commands.run('verify', child.dataDir, SEGMENTATION)).toMatchObject({ code: 0 });
    const seen = crowd.watchers.map((watcher) => watcher.seen);
    expect(ledger.check(log, seen)).toEqual([]);
    expect(seen.map(({ start, digests }) => start + digests.length)).toEqual(seen.map(() => log.head));
    // Or nobody was there when it happened. On a busy machine some are still on their way back at the next kill.
    const resumed = crowd.watchers.map((watcher) => watcher.resumed);
    expect(Math.min(...resumed)).toBeGreaterThanOrEqual(1);
    expect(resumed.reduce((sum, times) => sum + times, 0)).toBeGreaterThanOrEqual((resumed.length * KILLS) / 2);
    // Edits that were kept and whose replies were lost: the case that everything else is for.
    expect(ledger.repeated).toBeGreaterThan(0);
    expect(ledger.refusedWith('CONFLICT')).toBeGreaterThan(0);
    console.info(
      `${KILLS} kills, ${ledger.acknowledged} edits, ${ledger.repeated} of them acknowledged when sent again; refused: ` +
        [...ledger.refusals].map(([reason, times]) => `${times} × ${reason}`).join(', '),
    );
  });
});
