/** The largest id that was ingested of a segmentation: new ids begin above it. SPEC rules [E24], [E25]. */
import { BflyError } from '../../protocol/errors.ts';
import { type MipInfo, volumeOf } from '../../protocol/volume.ts';
import type { Database } from '../database/database.ts';
import { inParallel } from '../image/in-parallel.ts';
import type { TileMaker } from '../image/tile-maker.ts';
import { gridShape, tilesIn } from '../query/tile-grid.ts';
import type { Logger } from '../utility/log.ts';
import { type Channel, channelRecord, saveChannelRecord } from './channel.ts';
import type { TileReader } from './tile-reader.ts';

/** What a look for the largest id stands on. */
export interface MaxIdsOptions {
  readonly database: Database;
  readonly tiles: Pick<TileReader, 'loadStored'>;
  readonly maker: Pick<TileMaker, 'maxId'>;
  readonly log: Logger;
  /** More voxels than this are not looked through while clients wait; default 2³³. */
  readonly maxVoxels?: number;
}

const MAX_VOXELS = 2 ** 33;
/** Tiles that are looked at at once: few, for clients want tiles too. */
const TILES_AT_ONCE = 3;

/** Whether a channel has ids and it is not known which is the largest. */
export function lacksMaxId({ type, dtype, maxId }: Channel): boolean {
  return type === 'segmentation' && dtype !== 'float32' && maxId === undefined;
}

/** The largest ingested ids of the channels of a server. */
export class MaxIds {
  readonly #options: MaxIdsOptions;
  /** By number of the channel, which no other data ever have. */
  readonly #found = new Map<number, bigint>();
  readonly #looking = new Map<number, Promise<bigint>>();

  constructor(options: MaxIdsOptions) {
    this.#options = options;
  }

  /** The largest id where it is known already. */
  known(channel: Channel): bigint | undefined {
    return channel.maxId ?? this.#found.get(channel.number);
  }

  /**
   * The largest id; where nobody knows it, the finest level is looked through once, off the event loop, and it is kept in the channel's record.
   * Those who ask meanwhile wait for the same look.
   *
   * @throws BflyError UNSUPPORTED where the channel has no ids or too many voxels; what reading a tile throws.
   */
  async ensure(channel: Channel): Promise<bigint> {
    const known = this.known(channel);
    if (known !== undefined) return known;
    const underWay = this.#looking.get(channel.number);
    if (underWay !== undefined) return underWay;
    const looking = this.#look(channel).finally(() => this.#looking.delete(channel.number));
    this.#looking.set(channel.number, looking);
    return looking;
  }

  async #look(channel: Channel): Promise<bigint> {
    const level = this.#levelOf(channel);
    const { tiles, maker } = this.#options;
    let largest = 0n;
    await inParallel(TILES_AT_ONCE, tilesIn([0, 0, 0, ...gridShape(level)]), async (tile) => {
      const frame = await tiles.loadStored(channel, 0, tile);
      const id = await maker.maxId([frame], channel.dtype);
      if (id > largest) largest = id;
    });
    this.#found.set(channel.number, largest);
    await this.#keep(channel, largest);
    return largest;
  }

  #levelOf(channel: Channel): MipInfo {
    const { path } = channel;
    const level = channel.mips[0];
    if (level === undefined || !lacksMaxId(channel))
      throw new BflyError('UNSUPPORTED', `${path} is no segmentation of integers: it has no ids`);
    const { maxVoxels = MAX_VOXELS } = this.#options;
    if (volumeOf(level.shape) > maxVoxels)
      throw new BflyError(
        'UNSUPPORTED',
        `the largest id of ${path} is not known, and it is too large to look through while it is served; run "bfly ingest" on it first`,
      );
    return level;
  }

  /** A store that cannot take it costs another look after a restart. */
  async #keep(channel: Channel, largest: bigint): Promise<void> {
    const { database, log } = this.#options;
    const { path } = channel;
    try {
      const record = channelRecord(database, path);
      // The path may have got another volume meanwhile.
      if (record?.number !== channel.number) return;
      await saveChannelRecord(database, path, { ...record, maxId: String(largest) });
    } catch (error) {
      log.warn({ err: error, path }, 'the largest id of a channel cannot be stored');
    }
  }
}
