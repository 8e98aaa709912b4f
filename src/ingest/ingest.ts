/** Brings a whole volume into the store ahead of time: every tile of every level, resumable at any tile. */
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type MipInfo, pathFault, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { Cache } from '../core/cache.ts';
import { type Channel, type ChannelEntry, channelRecord, openChannel, saveChannelRecord } from '../core/channel.ts';
import { lacksMaxId } from '../core/max-id.ts';
import { TileReader } from '../core/tile-reader.ts';
import type { Database } from '../database/database.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import { boxVolume } from '../query/box.ts';
import { gridShape, tileBox, tilesIn } from '../query/tile-grid.ts';
import type { Logger } from '../utility/log.ts';

/** How far an ingest is. */
export interface IngestProgress {
  readonly voxelsDone: number;
  readonly voxelsTotal: number;
  /** Bytes of voxels, as they are uncompressed. */
  readonly bytesDone: number;
  readonly elapsedMs: number;
  /** Level at work, from 0, and how many there are. */
  readonly level: number;
  readonly levels: number;
}

/** One volume to bring in. */
export interface IngestWork {
  readonly database: Database;
  readonly maker: TileMaker;
  readonly entry: ChannelEntry;
  readonly log: Logger;
  readonly signal: AbortSignal;
  onProgress(progress: IngestProgress): void;
}

/** Tiles under way at once: enough to keep the workers and the store busy. */
const TILES_AT_ONCE = 12;
/** Finer tiles of the level below are read again for the coarser one: a little room keeps what was just made. */
const CACHE_BYTES = 256 * 1024 * 1024;

/**
 * Ingests a volume. What is in the store already is passed over, so an ingest that was killed goes on where it was.
 *
 * @returns the channel, complete.
 * @throws BflyError BAD_REQUEST for an illegal path; what the source says is wrong; the signal's reason when aborted.
 */
export async function ingestChannel(work: IngestWork): Promise<Channel> {
  const { database, maker, entry, log } = work;
  const fault = pathFault(entry.path);
  if (fault !== undefined || entry.path.split('/').length !== 4)
    throw new BflyError(
      'BAD_REQUEST',
      `"${entry.path}" is no path for a channel: give experiment/sample/dataset/channel${fault === undefined ? '' : `; it has ${fault}`}`,
    );
  const channel = await openChannel(entry, database, maker, 'all');
  if (channel.ingested && !lacksMaxId(channel)) return channel;
  const reader = new TileReader(database, new Cache(CACHE_BYTES), maker, log);
  const maxId = await readLevels(channel, reader, work);
  const record = channelRecord(database, entry.path);
  if (record === undefined) throw new BflyError('INTERNAL', `the record of ${entry.path} is gone`);
  await saveChannelRecord(database, entry.path, {
    ...record,
    mips: channel.mips,
    ingested: true,
    ...(maxId === undefined ? {} : { maxId: String(maxId) }),
  });
  await database.flushed();
  return { ...channel, ingested: true, maxId };
}

/** @returns the largest id of the finest level; undefined where the volume has no ids. */
async function readLevels(channel: Channel, reader: TileReader, work: IngestWork): Promise<bigint | undefined> {
  const started = performance.now();
  const levels = channel.mips.length;
  const voxelsTotal = channel.mips.reduce((sum, mip) => sum + volumeOf(mip.shape), 0);
  let voxelsDone = 0;
  const findsMaxId = lacksMaxId(channel);
  let maxId = findsMaxId ? 0n : channel.maxId;
  for (const [mip, level] of channel.mips.entries()) {
    await forEachTile(level, work.signal, async (tile) => {
      const key = { channel: channel.number, mip, x: tile[0], y: tile[1], z: tile[2], version: 0 };
      if (findsMaxId && mip === 0) {
        const frame = await reader.loadStored(channel, mip, tile);
        const id = await work.maker.maxId([frame], channel.dtype);
        if (maxId === undefined || id > maxId) maxId = id;
      } else if (!work.database.hasTile(key)) await reader.loadStored(channel, mip, tile);
      voxelsDone += boxVolume(tileBox(level, tile[0], tile[1], tile[2]));
      const bytesDone = voxelsDone * BYTES_PER_VOXEL[channel.dtype];
      work.onProgress({
        voxelsDone,
        voxelsTotal,
        bytesDone,
        elapsedMs: performance.now() - started,
        level: mip,
        levels,
      });
    });
  }
  return maxId;
}

/** Runs `visit` for every tile of a level, z slowest, a few at a time. Stops at the first error. */
async function forEachTile(level: MipInfo, signal: AbortSignal, visit: (tile: Vec3) => Promise<void>): Promise<void> {
  const tiles = tilesIn([0, 0, 0, ...gridShape(level)]);
  const work = async (): Promise<void> => {
    for (const tile of tiles) {
      signal.throwIfAborted();
      await visit(tile);
    }
  };
  await Promise.all(Array.from({ length: TILES_AT_ONCE }, work));
}
