/** `bfly ingest`: opens the store, brings one volume in, closes it. */
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3, VolumeType } from '../../protocol/volume.ts';
import type { Channel } from '../core/channel.ts';
import { openLmdbDatabase } from '../database/lmdb-database.ts';
import { findVolumes, resolveSpec } from '../image/open-source.ts';
import type { SourceSpec } from '../image/source.ts';
import { WorkerTileMaker } from '../image/worker-tile-maker.ts';
import type { Logger } from '../utility/log.ts';
import { type IngestProgress, ingestChannel } from './ingest.ts';

/** What to bring in, and where to. */
export interface IngestOptions {
  readonly dataDir: string;
  /** File or folder; inside an HDF5 file the path goes on: crop.h5/volumes/raw. */
  readonly source: string;
  /** experiment/sample/dataset/channel. */
  readonly path: string;
  readonly type?: VolumeType;
  readonly voxel?: Vec3;
  /** Takes the place of another volume at the path. */
  readonly replace?: boolean;
  onProgress(progress: IngestProgress): void;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Ingests one volume into the store under `dataDir`.
 *
 * @throws BflyError where the source or the path is wrong, or the store is in use; the signal's reason when aborted.
 */
export async function ingestVolume(options: IngestOptions): Promise<Channel> {
  const { dataDir, path, type, voxel, replace = false, log, signal, onProgress } = options;
  const spec = await singleVolume(options.source);
  const database = await openLmdbDatabase(dataDir, { log });
  const maker = new WorkerTileMaker();
  try {
    const entry = {
      path,
      spec,
      replace,
      ...(type === undefined ? {} : { type }),
      ...(voxel === undefined ? {} : { voxel }),
    };
    return await ingestChannel({ database, maker, entry, log, signal, onProgress });
  } finally {
    await maker.close();
    await database.close();
  }
}

async function singleVolume(source: string): Promise<SourceSpec> {
  const spec = await resolveSpec(source);
  if (spec.dataset !== undefined) return spec;
  const found = await findVolumes(spec.path);
  // An image with label images in it is meant by its own path: they have theirs.
  const own = found.filter((volume) => volume.spec.path === spec.path && volume.spec.dataset === undefined);
  const only = own.length === 1 ? own[0] : found[0];
  if (only !== undefined && (found.length === 1 || own.length === 1)) return only.spec;
  const names = found.map((volume) => volume.spec.dataset ?? volume.name).join(', ');
  throw new BflyError('BAD_REQUEST', `the source holds ${found.length} volumes: name one behind the file, of ${names}`);
}
