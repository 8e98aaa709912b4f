/** Workers that end. */
import { describe, expect, it } from 'vitest';
import { makeTileFrame } from '../../src/image/tile.ts';
import { WorkerTileMaker } from '../../src/image/worker-tile-maker.ts';
import { needsBuild } from '../support/line-server.ts';

needsBuild();

describe('worker threads', { timeout: 60_000 }, () => {
  it('that are ended in the middle of their work refuse it, and end nothing else', async () => {
    const raw = Uint8Array.from({ length: 64 ** 3 }, (_, n) => n % 251);
    const box = [0, 0, 0, 64, 64, 64] as const;
    const frame = await makeTileFrame({ raw, dtype: 'uint8', mip: 0, box, seq: 0, encoding: 'raw' });
    for (let round = 0; round < 10; round++) {
      const maker = new WorkerTileMaker({ threads: 2 });
      const first = maker.transcode(frame, 'uint8', 'gzip');
      const others = Array.from({ length: 12 }, () => maker.transcode(frame, 'uint8', 'gzip'));
      const outcomes = Promise.allSettled([first, ...others]);
      // At another moment of the work each time: what comes after the end is nobody's.
      if (round % 2 === 0) await first;
      else await new Promise((resolve) => setTimeout(resolve, 10 * round));
      await maker.close();
      for (const outcome of await outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'UNAVAILABLE' });
    }
  });
});
