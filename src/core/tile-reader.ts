/**
 * Tiles on their way up: cache, then store, then source. One load per missing tile however many ask for it.
 *
 * A tile travels as its whole TILE frame, as it is stored (see protocol/tile-frame.ts).
 */
import { BflyError } from '../../protocol/errors.ts';
import { TileFlag } from '../../protocol/tile-frame.ts';
import { type Box, type EncodingName, encodingNumber, type MipInfo, mipBox, type Vec3 } from '../../protocol/volume.ts';
import type { Database } from '../database/database.ts';
import { inParallel } from '../image/in-parallel.ts';
import { seqOfFrame } from '../image/tile.ts';
import type { MadeTile, TileMaker } from '../image/tile-maker.ts';
import { tileBox, tilesIn, tilesOf } from '../query/tile-grid.ts';
import type { Logger } from '../utility/log.ts';
import type { Cache } from './cache.ts';
import type { Channel } from './channel.ts';
import { EditedTiles } from './edited-tiles.ts';
import { MergedTiles } from './merged-tiles.ts';
import type { Reading } from './reading.ts';

/** How long a broken tile's error, and a tile that the source does not have, are believed. */
const NEGATIVE_TTL_MS = 2_000;
/** Finer tiles that are loaded at once for one coarser tile; each may need finer ones in turn. */
const FINER_AT_ONCE = 3;
/** Tiles whose last reading is remembered, however small they are. */
const REMEMBERED_TOUCHES = 65_536;

/** Reads, builds and keeps tiles: as they were ingested, or as a `Reading` says. */
export class TileReader {
  readonly #database: Database;
  readonly #cache: Cache;
  readonly #maker: TileMaker;
  readonly #log: Logger;
  /** Frames of tiles that a source does not have at the moment: what is built from them does not last either. */
  readonly #fleeting = new WeakSet<Uint8Array>();
  readonly #loading = new Map<string, Promise<Uint8Array>>();
  /** Tiles read once, oldest first, with their bytes. */
  readonly #touched = new Map<string, number>();
  #touchedBytes = 0;
  #writeFailed = false;
  readonly #edited: EditedTiles;
  readonly #merged: MergedTiles;

  constructor(database: Database, cache: Cache, maker: TileMaker, log: Logger) {
    this.#database = database;
    this.#cache = cache;
    this.#maker = maker;
    this.#log = log;
    this.#merged = new MergedTiles(cache, maker);
    this.#edited = new EditedTiles({
      database,
      cache,
      maker,
      load: (channel, mip, tile, reading) => this.loadStored(channel, mip, tile, reading),
      isFleeting: (frame) => this.#fleeting.has(frame),
    });
  }

  /** Loads under way. */
  get loading(): number {
    return this.#loading.size;
  }

  /**
   * A tile that can be had at once.
   *
   * @param keep false: the caller is done with the bytes before it calls anything else (*borrowed*); true: *shared* bytes.
   * @param reading unset: as it was ingested.
   * @returns the frame in encoding `to`, or a FILL frame; undefined where it must be loaded.
   * @throws BflyError of a load that failed a moment ago.
   */
  peek(
    channel: Channel,
    mip: number,
    tile: Vec3,
    to: EncodingName,
    keep: boolean,
    reading?: Reading,
  ): Uint8Array | undefined {
    const version = versionOf(reading, mip, tile);
    const key = storedKey(channel, mip, tile, version);
    if (reading?.merged === true) return this.#merged.peek(key, to, reading);
    // The likelier place first. Some tiles are kept as their source has them, whatever the channel's encoding.
    if (to === channel.stored)
      return this.#peekStored(channel, key, mip, tile, version, keep, to) ?? this.#cache.bytes(transcodedKey(key, to));
    return this.#cache.bytes(transcodedKey(key, to)) ?? this.#peekStored(channel, key, mip, tile, version, keep, to);
  }

  /**
   * A tile, from wherever it takes.
   *
   * @param reading unset: as it was ingested.
   * @returns shared bytes of the whole frame in encoding `to`, or a FILL frame.
   * @throws BflyError INTERNAL where the source is broken there.
   */
  async load(channel: Channel, mip: number, tile: Vec3, to: EncodingName, reading?: Reading): Promise<Uint8Array> {
    const ready = this.peek(channel, mip, tile, to, true, reading);
    if (ready !== undefined) return ready;
    const key = storedKey(channel, mip, tile, versionOf(reading, mip, tile));
    const stored = await this.loadStored(channel, mip, tile, reading);
    if (reading?.merged === true) {
      const same = (): Promise<Uint8Array> => this.load(channel, mip, tile, to, { ...reading, merged: false });
      return this.#once(`${key}/merged/${to}/${reading.linksSeq}`, async () => {
        const frame = await this.#merged.make(key, stored, to, { dtype: channel.dtype, mip, reading }, same);
        if (this.#fleeting.has(stored)) {
          this.#fleeting.add(frame);
          this.#merged.forget(key, to);
        }
        return frame;
      });
    }
    if (isServableAs(stored, to)) return stored;
    return this.#once(transcodedKey(key, to), async () => {
      const frame = await this.#maker.transcode(stored, channel.dtype, to);
      const isFleeting = this.#fleeting.has(stored);
      if (isFleeting) this.#fleeting.add(frame);
      this.#cache.set(transcodedKey(key, to), frame, isFleeting ? NEGATIVE_TTL_MS : undefined);
      return frame;
    });
  }

  /** Whether a frame that was read here is, or was made from, one of a tile that the source does not have at the moment. */
  isFleeting(frame: Uint8Array): boolean {
    return this.#fleeting.has(frame);
  }

  /**
   * The tile as it is stored; made and stored where it is not.
   *
   * @param reading unset: as it was ingested. Ids are base ids.
   * @returns shared bytes; the frame's seq is that of the last edit that changed the tile, 0 as ingested.
   */
  async loadStored(channel: Channel, mip: number, tile: Vec3, reading?: Reading): Promise<Uint8Array> {
    const version = versionOf(reading, mip, tile);
    const key = storedKey(channel, mip, tile, version);
    const ready = this.#peekStored(channel, key, mip, tile, version, true);
    return ready ?? this.#once(key, () => this.#make(channel, key, mip, tile, version, reading));
  }

  /** @param to undefined: any encoding will do. A tile in another one is none, and was not touched. */
  #peekStored(
    channel: Channel,
    key: string,
    mip: number,
    [x, y, z]: Vec3,
    version: number,
    keep: boolean,
    to?: EncodingName,
  ): Uint8Array | undefined {
    const cached = this.#cache.get(key);
    if (cached instanceof Uint8Array) return to === undefined || isServableAs(cached, to) ? cached : undefined;
    if (cached !== undefined) throw cached.value;
    const address = { channel: channel.number, mip, x, y, z, version };
    const stored = this.#database.tileBorrowed(address);
    if (stored === undefined || (to !== undefined && !isServableAs(stored, to))) return undefined;
    // The newest that is stored may be an older one.
    if (version > 0 && seqOfFrame(stored) !== version) return undefined;
    const again = this.#touchedBefore(key, stored.length);
    if (!again && !keep) return stored;
    // A copy of its own buffer: the borrowed one is overwritten by the next read.
    const owned = ownCopy(stored);
    if (again) this.#cache.set(key, owned);
    return owned;
  }

  /**
   * A tile is worth the cache where it is read again before a whole cache of other tiles has been: what is read in one pass over a large
   * volume, or over and over in a set that is larger than the cache, goes from the store to the socket without a copy.
   */
  #touchedBefore(key: string, bytes: number): boolean {
    const before = this.#touched.get(key);
    if (before !== undefined) {
      this.#touched.delete(key);
      this.#touchedBytes -= before;
      return true;
    }
    this.#touched.set(key, bytes);
    this.#touchedBytes += bytes;
    for (const [oldest, size] of this.#touched) {
      if (this.#touchedBytes <= this.#cache.maxBytes && this.#touched.size <= REMEMBERED_TOUCHES) break;
      this.#touched.delete(oldest);
      this.#touchedBytes -= size;
    }
    return false;
  }

  async #make(
    channel: Channel,
    key: string,
    mip: number,
    tile: Vec3,
    version: number,
    reading: Reading | undefined,
  ): Promise<Uint8Array> {
    try {
      const { frame, absent } = await this.#makeVersion(channel, mip, tile, version, reading);
      if (absent) {
        this.#fleeting.add(frame);
        this.#cache.set(key, frame, NEGATIVE_TTL_MS);
        return frame;
      }
      this.#cache.set(key, frame);
      await this.#store(channel, mip, tile, version, frame);
      return frame;
    } catch (error) {
      const fault = error instanceof BflyError ? error : new BflyError('INTERNAL', 'the tile could not be read');
      if (fault !== error) this.#log.error({ err: error, path: channel.path, mip, tile }, 'a tile could not be made');
      this.#cache.set(key, { byteSize: 512, value: fault }, NEGATIVE_TTL_MS);
      throw fault;
    }
  }

  #makeVersion(
    channel: Channel,
    mip: number,
    tile: Vec3,
    version: number,
    reading: Reading | undefined,
  ): Promise<MadeTile> {
    if (reading !== undefined && version > 0) return this.#edited.make(channel, mip, tile, version, reading.edits);
    return mip < channel.sourceMips
      ? this.#makeFromSource(channel, mip, tile)
      : this.#makeFromFiner(channel, mip, tile);
  }

  #makeFromSource(channel: Channel, mip: number, tile: Vec3): ReturnType<TileMaker['fromSource']> {
    const { spec, sourceFingerprint } = channel;
    if (spec === undefined || sourceFingerprint === undefined)
      throw new BflyError(
        'NOT_FOUND',
        `tile ${tile.join(',')} of mip ${mip} was never ingested and there is no source`,
      );
    const level = channel.mips[mip] as MipInfo;
    const box = tileBox(level, tile[0], tile[1], tile[2]);
    return this.#maker.fromSource({
      spec,
      fingerprint: sourceFingerprint,
      dtype: channel.dtype,
      mip,
      box,
      shift: channel.shifts[mip] ?? [0, 0, 0],
      encoding: channel.stored,
      ...(channel.ownChunks[mip] === true ? { chunk: tile } : {}),
    });
  }

  async #makeFromFiner(channel: Channel, mip: number, tile: Vec3): ReturnType<TileMaker['fromFiner']> {
    const level = channel.mips[mip] as MipInfo;
    const below = channel.mips[mip - 1] as MipInfo;
    const factors = channel.factors[mip] as Vec3;
    const box = tileBox(level, tile[0], tile[1], tile[2]);
    const [fx, fy, fz] = factors;
    const footprint: Box = [box[0] * fx, box[1] * fy, box[2] * fz, box[3] * fx, box[4] * fy, box[5] * fz];
    const finer: Uint8Array[] = [];
    await inParallel(FINER_AT_ONCE, tilesIn(tilesOf(below, footprint)), async (at) => {
      finer.push(await this.loadStored(channel, mip - 1, at));
    });
    const { frame, absent } = await this.#maker.fromFiner({
      finer,
      dtype: channel.dtype,
      type: channel.type,
      factors,
      finerVolume: mipBox(below),
      mip,
      box,
      encoding: channel.stored,
    });
    return { frame, absent: absent || finer.some((below) => this.#fleeting.has(below)) };
  }

  /** A store that cannot take a tile (a full disk) costs speed, not the answer. */
  async #store(channel: Channel, mip: number, [x, y, z]: Vec3, version: number, frame: Uint8Array): Promise<void> {
    try {
      await this.#database.commit({ tiles: [{ key: { channel: channel.number, mip, x, y, z, version }, frame }] });
      this.#writeFailed = false;
    } catch (error) {
      if (!this.#writeFailed)
        this.#log.warn({ err: error }, 'tiles cannot be stored; they are served from their source');
      this.#writeFailed = true;
    }
  }

  #once(key: string, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) return underWay;
    const started = load().finally(() => this.#loading.delete(key));
    this.#loading.set(key, started);
    return started;
  }
}

/** Seq of the edit that made a tile what it is for a reading; 0 = as ingested. */
export const versionOf = (reading: Reading | undefined, mip: number, tile: Vec3): number =>
  reading === undefined ? 0 : reading.edits.voxels.versionAt(mip, tile, reading.at);

const storedKey = (channel: Channel, mip: number, tile: Vec3, version: number): string =>
  version === 0
    ? `${channel.number}/${mip}/${tile[0]},${tile[1]},${tile[2]}`
    : `${channel.number}/${mip}/${tile[0]},${tile[1]},${tile[2]}@${version}`;
const transcodedKey = (key: string, to: EncodingName): string => `${key}/${to}`;

const FLAGS_AT = 8;
const ENCODING_AT = 41;

/** Whether a stored frame answers a wish for encoding `to` as it is. */
function isServableAs(frame: Uint8Array, to: EncodingName): boolean {
  return ((frame[FLAGS_AT] as number) & TileFlag.FILL) !== 0 || frame[ENCODING_AT] === encodingNumber(to);
}

function ownCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}
