/** The demonstration volume: EM-like image and matching segmentation, made once and kept in the store. */
import type { Database } from '../database/database.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import type { Logger } from '../utility/log.ts';
import { type IngestProgress, ingestChannel } from './ingest.ts';

/** Paths of the demonstration channels. */
export const DEMO_PATHS = ['demo/cortex/cube/em', 'demo/cortex/cube/segmentation'] as const;

/** What the making of the demonstration volume needs. */
export interface DemoWork {
  readonly database: Database;
  readonly maker: TileMaker;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Not called where the volume is there already. */
  onProgress(progress: IngestProgress): void;
}

/**
 * Makes the demonstration volume where the store does not have it yet; a making that was cut off goes on.
 *
 * @returns the paths of its channels.
 */
export async function ingestDemo(work: DemoWork): Promise<readonly string[]> {
  const specs = [{ demo: 'em' }, { demo: 'segmentation' }] as const;
  for (const [n, path] of DEMO_PATHS.entries()) {
    const onProgress = (progress: IngestProgress): void =>
      work.onProgress({
        ...progress,
        // One making for whoever watches: both channels have as many voxels.
        voxelsDone: n * progress.voxelsTotal + progress.voxelsDone,
        voxelsTotal: DEMO_PATHS.length * progress.voxelsTotal,
      });
    await ingestChannel({ ...work, entry: { path, spec: specs[n] ?? specs[0], replace: true }, onProgress });
  }
  return DEMO_PATHS;
}
