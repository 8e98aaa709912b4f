/** Brings a whole volume into the store ahead of time: every tile of every level, resumable at any tile. */
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type MipInfo, pathFault, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { Cache } from '../core/cache.ts';
import { type Channel, type ChannelEntry, channelRecord, openChannel, saveChannelRecord } from '../core/channel.ts';
import { lacksMaxId } from '../core/max-id.ts';
import { TileReader } from '../core/tile-reader.ts';
import type { Database, TileKey, TileWrite } from '../database/database.ts';
import type { MadeTile, TileMaker } from '../image/tile-maker.ts';
import { boxVolume } from '../query/box.ts';
import { gridShape, tileBox, tilesIn } from '../query/tile-grid.ts';
import type { Logger } from '../utility/log.ts';
import { type BlockLevels, blocksOf } from './block-levels.ts';

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
/** Blocks under way at once: while one half waits for the disk, workers make the other. */
const BLOCKS_AT_ONCE = 24;
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
  const levels = new Levels(channel, reader, work);
  for (const [mip, level] of channel.mips.entries()) {
    // It came with the level below.
    if (mip > 0 && blocksOf(channel, mip - 1) !== undefined) continue;
    const block = blocksOf(channel, mip);
    if (block === undefined) {
      await forEach(TILES_AT_ONCE, tilesOfLevel(level), work.signal, (tile) => levels.take(mip, tile));
      continue;
    }
    await forEach(BLOCKS_AT_ONCE, tilesOfLevel(block.coarser), work.signal, (tile) => levels.takeBlock(block, tile));
  }
  return levels.maxId;
}

/** Takes tiles into the store, and knows how far that is. */
class Levels {
  readonly #channel: Channel;
  readonly #reader: TileReader;
  readonly #work: IngestWork;
  readonly #findsMaxId: boolean;
  readonly #started = performance.now();
  readonly #voxelsTotal: number;
  #voxelsDone = 0;
  /** Buffers of frames that are stored. */
  readonly #memory: ArrayBuffer[] = [];
  /** Largest id seen. */
  maxId: bigint | undefined;

  constructor(channel: Channel, reader: TileReader, work: IngestWork) {
    this.#channel = channel;
    this.#reader = reader;
    this.#work = work;
    this.#findsMaxId = lacksMaxId(channel);
    this.#voxelsTotal = channel.mips.reduce((sum, mip) => sum + volumeOf(mip.shape), 0);
    this.maxId = this.#findsMaxId ? 0n : channel.maxId;
  }

  async take(mip: number, tile: Vec3): Promise<void> {
    const { maker, database } = this.#work;
    if (this.#findsMaxId && mip === 0) {
      const frame = await this.#reader.loadStored(this.#channel, mip, tile);
      this.#see(await maker.maxId([frame], this.#channel.dtype));
    } else if (!database.hasTile(keyOf(this.#channel, mip, tile)))
      await this.#reader.loadStored(this.#channel, mip, tile);
    this.#count(mip, tile);
  }

  /** Takes the tiles of a block and the coarser one that they make; one by one where some of them are there already. */
  async takeBlock(block: BlockLevels, coarser: Vec3): Promise<void> {
    const { database } = this.#work;
    const tiles = block.tilesOf(coarser);
    const keys = [...tiles.map((tile) => keyOf(this.#channel, block.mip, tile))];
    keys.push(keyOf(this.#channel, block.mip + 1, coarser));
    const memory = this.#memory.splice(0, keys.length);
    const request = { ...block.request(tiles, coarser), findsMaxId: this.#findsMaxId && block.mip === 0, memory };
    const isNew = keys.every((key) => !database.hasTile(key));
    const made = isNew ? await this.#work.maker.fromSourceBlock(request) : undefined;
    if (made !== undefined) await this.#store(keys, made.tiles);
    if (made === undefined || made.tiles.length < keys.length) {
      for (const tile of tiles) await this.take(block.mip, tile);
      return this.take(block.mip + 1, coarser);
    }
    if (request.findsMaxId) this.#see(made.maxId);
    for (const tile of tiles) this.#count(block.mip, tile);
    this.#count(block.mip + 1, coarser);
  }

  async #store(keys: readonly TileKey[], tiles: readonly MadeTile[]): Promise<void> {
    const writes = tiles.flatMap(({ frame, absent }, n): TileWrite[] => {
      const key = keys[n];
      return key === undefined || absent ? [] : [{ key, frame }];
    });
    await this.#work.database.commit({ tiles: writes, isLent: true });
    // Left to the garbage collector, a few thousand buffers would keep it busier than the ingest is.
    for (const { frame } of tiles) if (frame.buffer instanceof ArrayBuffer) this.#memory.push(frame.buffer);
  }

  #see(id: bigint): void {
    if (this.maxId === undefined || id > this.maxId) this.maxId = id;
  }

  #count(mip: number, [x, y, z]: Vec3): void {
    const { mips, dtype } = this.#channel;
    this.#voxelsDone += boxVolume(tileBox(mips[mip] as MipInfo, x, y, z));
    this.#work.onProgress({
      voxelsDone: this.#voxelsDone,
      voxelsTotal: this.#voxelsTotal,
      bytesDone: this.#voxelsDone * BYTES_PER_VOXEL[dtype],
      elapsedMs: performance.now() - this.#started,
      level: mip,
      levels: mips.length,
    });
  }
}

const keyOf = ({ number }: Channel, mip: number, [x, y, z]: Vec3): TileKey => ({
  channel: number,
  mip,
  x,
  y,
  z,
  version: 0,
});

const tilesOfLevel = (level: MipInfo): Generator<Vec3> => tilesIn([0, 0, 0, ...gridShape(level)]);

/** Runs `visit` for every tile, z slowest, a few at a time. Stops at the first error. */
async function forEach(
  atOnce: number,
  tiles: Generator<Vec3>,
  signal: AbortSignal,
  visit: (tile: Vec3) => Promise<void>,
): Promise<void> {
  const work = async (): Promise<void> => {
    for (const tile of tiles) {
      signal.throwIfAborted();
      await visit(tile);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
