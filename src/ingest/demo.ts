/** The demonstration volume: EM-like image and matching segmentation, made once and kept in the store. */
import type { Database } from '../database/database.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import type { Logger } from '../utility/log.ts';
import { ingestChannel } from './ingest.ts';

/** Paths of the demonstration channels. */
export const DEMO_PATHS = ['demo/cortex/cube/em', 'demo/cortex/cube/segmentation'] as const;

/**
 * Makes the demonstration volume where the store does not have it yet; a making that was cut off goes on.
 *
 * @returns the paths of its channels.
 */
export async function ingestDemo(database: Database, maker: TileMaker, log: Logger): Promise<readonly string[]> {
  const signal = new AbortController().signal;
  for (const [path, demo] of [
    [DEMO_PATHS[0], 'em'],
    [DEMO_PATHS[1], 'segmentation'],
  ] as const) {
    let lastPercent = 0;
    await ingestChannel({
      database,
      maker,
      entry: { path, spec: { demo } },
      log,
      signal,
      onProgress: ({ voxelsDone, voxelsTotal }) => {
        const percent = Math.floor((voxelsDone / voxelsTotal) * 4) * 25;
        if (percent > lastPercent) log.info({ path, percent }, 'making the demonstration volume');
        lastPercent = percent;
      },
    });
  }
  return DEMO_PATHS;
}
