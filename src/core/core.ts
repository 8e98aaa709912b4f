/** What the answer is: one short method for each kind of query. Knows nothing of sockets. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BflyError } from '../../protocol/errors.ts';
import type { EntryKind, ListEntry } from '../../protocol/messages.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  type ChannelInfo,
  type DatasetInfo,
  type DType,
  type EncodingName,
  type MipInfo,
  mipBox,
  type Vec3,
} from '../../protocol/volume.ts';
import type { Database } from '../database/database.ts';
import { DatabaseLayer } from '../database/tables.ts';
import { servableEncodings } from '../image/codecs/registry.ts';
import { readFormat, readView } from '../image/render-format.ts';
import type { TileMaker, UniquePart } from '../image/tile-maker.ts';
import { boxVolume, intersect, translate } from '../query/box.ts';
import { sampleBox } from '../query/copy-box.ts';
import {
  type BoxQuery,
  checkDataQuery,
  type DataQuery,
  type InfoQuery,
  type LevelSample,
  levelOf,
  MAX_ANSWER_BYTES,
  MAX_ANSWER_VOXELS,
  makeDataQuery,
  makeTileQuery,
  selectTiles,
  type TileQuery,
} from '../query/query.ts';
import { tileBox, tilesIn, tilesOf } from '../query/tile-grid.ts';
import type { Logger } from '../utility/log.ts';
import { Cache } from './cache.ts';
import { type Channel, type ChannelEntry, channelRecord, openChannel } from './channel.ts';
import { Chunks } from './chunks.ts';
import { Cutout, copyTile } from './cutout.ts';
import type { EditsOfChannels } from './edits/channel-edits.ts';
import { Features } from './features.ts';
import { flatLevels, MAX_SAMPLED_TILES } from './legacy-levels.ts';
import { MaxIds } from './max-id.ts';
import { rootsOf } from './merged-tiles.ts';
import { type OpenedReading, openReading, presentReading, type Reading, type ReadWish, readingOf } from './reading.ts';
import { SourceFiles } from './source-files.ts';
import { TableRows } from './table-rows.ts';
import { TileReader } from './tile-reader.ts';

/** Boxes are put together in parts of so many bytes, each in a turn of its own. */
const PART_BYTES = 16 * 1024 * 1024;

/** What a Core is made of. */
export interface CoreOptions {
  readonly database: Database;
  readonly maker: TileMaker;
  readonly cacheBytes: number;
  readonly channels: readonly ChannelEntry[];
  readonly log: Logger;
  /** Unset: nothing can be edited. */
  readonly edits?: EditsOfChannels;
  /** Unset: none from files. */
  readonly tables?: DatabaseLayer;
}

/** Voxels of a box, and what they are. */
export interface Voxels {
  /** Owned: x fastest, then y, then z. */
  readonly raw: Uint8Array;
  readonly shape: Vec3;
  readonly dtype: DType;
}

/** A pull that can begin: which tiles, and how to get each. */
export interface PullPlan {
  readonly channel: Channel;
  readonly mip: number;
  readonly level: MipInfo;
  /** Half-open ranges of tile indices; undefined where the box is outside. */
  readonly range: Box | undefined;
  readonly tiles: number;
  readonly encoding: EncodingName;
  /** Seq at which the tiles are true. */
  readonly seq: number;
  /** Voxel type of the tiles. */
  readonly dtype: DType;
  /** Unset: as ingested. */
  readonly reading: Reading | undefined;
}

const NO_TABLES = {};
const KINDS: readonly EntryKind[] = ['experiment', 'sample', 'dataset', 'channel'];
/** How long a channel that could not be opened is believed to be broken. */
const FAILED_OPEN_TTL_MS = 2_000;
/** Tiles that one look for ids holds at a time. */
const UNIQUE_TILES_AT_ONCE = 8;
/** How long a source is believed to be as it was. */
const RECHECK_MS = 10_000;

/** The Core of a server. */
export class Core {
  readonly cache: Cache;
  readonly tiles: TileReader;
  /** Tiles as other formats have them. */
  readonly chunks: Chunks;
  /** Meshes and the like, of sources that have them. */
  readonly sourceFiles: SourceFiles;
  /** Rows of tables as they are now. */
  readonly rows: TableRows;
  /** Answers questions to tables. */
  readonly features: Features;
  readonly #maxIds: MaxIds;
  readonly #database: Database;
  readonly #maker: TileMaker;
  readonly #entries = new Map<string, ChannelEntry>();
  readonly #channels = new Map<string, Promise<Channel>>();
  readonly #checkedAt = new Map<string, number>();
  /** What INFO says of the channels that are open. */
  readonly #infos = new WeakMap<Channel, ChannelInfo>();
  /** Channels that are open, by path. */
  readonly #open = new Map<string, Channel>();
  readonly #failedAt = new Map<string, number>();
  readonly #log: Logger;
  readonly #edits: EditsOfChannels | undefined;

  constructor(options: CoreOptions) {
    this.#edits = options.edits;
    this.#database = options.database;
    this.#maker = options.maker;
    this.#log = options.log;
    this.cache = new Cache(options.cacheBytes);
    this.tiles = new TileReader(options.database, this.cache, options.maker, options.log);
    this.chunks = new Chunks(this.tiles, this.cache);
    this.sourceFiles = new SourceFiles(options.maker);
    const tables = options.tables ?? new DatabaseLayer(options);
    this.rows = new TableRows(tables);
    this.features = new Features({
      core: this,
      tables,
      numberOf: (path) => channelRecord(options.database, path)?.number,
    });
    this.#maxIds = new MaxIds({ ...options, tiles: this.tiles });
    for (const entry of options.channels) this.#entries.set(entry.path, entry);
  }

  /** Number of channels that are configured, whether they open or not. */
  get channelCount(): number {
    return this.#entries.size;
  }

  /** Whether a path is that of a configured channel, whether it opens or not. */
  hasChannel(path: string): boolean {
    return this.#entries.has(path);
  }

  /**
   * The children of a path, by name.
   *
   * @param path '' = the experiments.
   * @param after the name that the page begins behind.
   * @param mayRead which channels are there for the one who asks.
   * @throws BflyError NOT_FOUND where the path is not there, or holds nothing for the one who asks.
   */
  getGroups(path: string, after = '', limit = 1_000, mayRead = everything): { entries: ListEntry[]; next?: string } {
    const depth = path === '' ? 0 : path.split('/').length;
    const kind = KINDS[depth];
    const prefix = path === '' ? '' : `${path}/`;
    const names = new Set<string>();
    let exists = path === '' || (this.#entries.has(path) && mayRead(path));
    for (const child of this.#entries.keys()) {
      if (!child.startsWith(prefix) || !mayRead(child)) continue;
      exists = true;
      const name = child.slice(prefix.length).split('/', 1)[0] as string;
      if (name > after) names.add(name);
    }
    if (!exists || kind === undefined) {
      if (exists) return { entries: [] };
      throw notFound(path);
    }
    const sorted = [...names].sort(compareText);
    const page = sorted.slice(0, limit).map((name) => ({ name, kind, path: prefix + name }));
    const last = page[page.length - 1];
    return sorted.length > limit && last !== undefined ? { entries: page, next: last.name } : { entries: page };
  }

  /** Names of a path's children in the order of the configuration; none where nothing is there for the one who asks. */
  namesIn(path: string, mayRead = everything): string[] {
    const prefix = path === '' ? '' : `${path}/`;
    const names = new Set<string>();
    for (const child of this.#entries.keys())
      if (child.startsWith(prefix) && mayRead(child)) names.add(child.slice(prefix.length).split('/', 1)[0] as string);
    return [...names];
  }

  /**
   * Metadata of a channel or dataset.
   *
   * @param mayRead which channels are there for the one who asks.
   * @throws BflyError NOT_FOUND; UNSUPPORTED and others of a channel whose source cannot be opened.
   */
  async getInfo(query: InfoQuery, mayRead = everything): Promise<ChannelInfo | DatasetInfo> {
    if (!this.#entries.has(query.path)) return this.getDataset(query, mayRead);
    if (!mayRead(query.path)) throw notFound(query.path);
    return this.#describe(await this.updateQuery(query));
  }

  /** Metadata of a channel that is open already: the same object until it changes. */
  peekInfo(query: InfoQuery): ChannelInfo | undefined {
    const channel = this.#open.get(query.path);
    if (channel === undefined) return undefined;
    this.#recheck(query.path);
    return this.#describe(channel);
  }

  /** Metadata of all channels of a dataset; a channel that cannot be opened is left out and logged. */
  async getDataset(query: InfoQuery, mayRead = everything): Promise<DatasetInfo> {
    const depth = query.path.split('/').length;
    if (depth !== 3) throw notFound(query.path);
    const { entries } = this.getGroups(query.path, '', Number.MAX_SAFE_INTEGER, mayRead);
    const channels = await Promise.all(
      entries.map(async ({ path }) => {
        try {
          return this.#describe(await this.updateQuery({ path }));
        } catch (error) {
          this.#log.warn({ err: error, path }, 'a channel of a dataset cannot be opened');
          return undefined;
        }
      }),
    );
    return { path: query.path, kind: 'dataset', channels: channels.filter((info) => info !== undefined) };
  }

  #describe(channel: Channel): ChannelInfo {
    const known = this.#infos.get(channel);
    const edits = this.#edits?.of(channel);
    const { head = 0, tables = NO_TABLES } = edits ?? {};
    if (known !== undefined && known.head === head && known.tables === tables) return known;
    const maxId = this.#maxIds.known(channel);
    const edited = edits?.edited;
    const info: ChannelInfo = {
      path: channel.path,
      kind: 'channel',
      type: channel.type,
      dtype: channel.dtype,
      mips: channel.mips,
      enc: servableEncodings(channel.type, channel.dtype, channel.stored),
      source: channel.sourceKind,
      editable: edits !== undefined,
      epoch: channel.epoch,
      first: 1,
      head,
      tables,
      ...(maxId === undefined ? {} : { maxId }),
      ...(edited === undefined ? {} : { edited }),
    };
    this.#infos.set(channel, info);
    return info;
  }

  /**
   * The largest id that was ingested of a segmentation. Where it is not known, the finest level is looked through once, which may
   * take minutes; INFO tells it from then on.
   *
   * @throws BflyError UNSUPPORTED where the channel has no ids, or more voxels than can be looked through while it is served.
   */
  async ensureMaxId(channel: Channel): Promise<bigint> {
    const known = this.#maxIds.known(channel);
    if (known !== undefined) return known;
    const maxId = await this.#maxIds.ensure(channel);
    this.#infos.delete(channel);
    return maxId;
  }

  /** The largest ingested id, where it is known by now. */
  knownMaxId(channel: Channel): bigint | undefined {
    return this.#maxIds.known(channel);
  }

  /** A channel that is open, and its edit log with it. */
  peekChannel(path: string): Channel | undefined {
    const channel = this.#open.get(path);
    if (channel !== undefined) this.#recheck(path);
    return channel;
  }

  /**
   * Adds to a query what is known of its path: opens the channel on first use.
   *
   * @throws BflyError NOT_FOUND, and what the source says is wrong with it.
   */
  updateQuery(query: InfoQuery): Promise<Channel> {
    const { path } = query;
    const failedAt = this.#failedAt.get(path);
    if (failedAt !== undefined && Date.now() - failedAt > FAILED_OPEN_TTL_MS) {
      this.#failedAt.delete(path);
      this.#channels.delete(path);
    }
    const known = this.#channels.get(path);
    if (known !== undefined) {
      this.#recheck(path);
      return known;
    }
    const entry = this.#entries.get(path);
    if (entry === undefined) return Promise.reject(notFound(path));
    const opening = this.#openWithEdits(entry);
    this.#channels.set(path, opening);
    this.#checkedAt.set(path, Date.now());
    opening.then(
      (channel) => {
        if (this.#channels.get(path) === opening) this.#open.set(path, channel);
      },
      () => this.#failedAt.set(path, Date.now()),
    );
    return opening;
  }

  async #openWithEdits(entry: ChannelEntry): Promise<Channel> {
    const channel = await openChannel(entry, this.#database, this.#maker, 'on-demand', this.#log);
    await this.#edits?.open(channel);
    return channel;
  }

  /** The state of a channel that a question asks for. @throws BflyError as `openReading`. */
  openReading(channel: Channel, wish: ReadWish = {}): Promise<OpenedReading> {
    return openReading(channel, this.#edits?.of(channel), wish);
  }

  /** As `openReading`, at once: `minSeq` is not waited for. @throws BflyError as `openReading`. */
  peekReading(channel: Channel, wish: ReadWish = {}): OpenedReading {
    return readingOf(channel, this.#edits?.of(channel), wish);
  }

  /** Seq of the last durable edit of a channel that is open; 0 where there is none. */
  headOf(channel: Channel): number {
    return this.#edits?.of(channel)?.head ?? 0;
  }

  /**
   * Now and then, looks whether a channel's source is still what it was. Where it is not, the channel is opened anew for the
   * next who asks, with tiles and an epoch of its own. A source that is away for a moment changes nothing.
   */
  #recheck(path: string): void {
    const now = Date.now();
    if (now - (this.#checkedAt.get(path) ?? now) < RECHECK_MS) return;
    this.#checkedAt.set(path, now);
    const known = this.#channels.get(path);
    known
      ?.then(async (channel) => {
        const { spec, sourceFingerprint } = channel;
        if (spec === undefined || sourceFingerprint === undefined) return;
        const { fingerprint } = await this.#maker.open(spec);
        if (fingerprint === sourceFingerprint || this.#channels.get(path) !== known) return;
        this.#log.info({ path }, 'the data of a channel have changed');
        // First of all no edit may be taken any more by the log of data that are no more.
        await this.#edits?.closeLog(channel);
        this.#channels.delete(path);
        this.#open.delete(path);
        // A channel whose file was only written anew keeps its number.
        this.cache.deletePrefix(`${channel.number}/`);
      })
      .catch(() => {});
  }

  /** A query for pixels of a path, with Butterfly's defaults. */
  makeDataQuery(query: InfoQuery): DataQuery {
    return makeDataQuery(query);
  }

  /** The part of a query that falls on one tile of its resolution; default the first. */
  async makeTileQuery(query: DataQuery, tile: Vec3 = [0, 0, 0]): Promise<TileQuery> {
    const channel = await this.updateQuery(query);
    const sample = sampleLevel(channel, query.resolution);
    return makeTileQuery(
      { ...query, origin: legacyOrigin(channel, sample, query.origin) },
      sampled(channel, sample),
      tile,
    );
  }

  /**
   * One tile's wanted part.
   *
   * @returns voxels of the crop, owned; undefined where the crop is empty.
   */
  async loadTile(query: TileQuery): Promise<Uint8Array | undefined> {
    const channel = await this.updateQuery(query);
    const sample = sampleLevel(channel, query.resolution);
    if (boxVolume(query.crop) === 0) return undefined;
    const [x, y, z] = tileBox(sampled(channel, sample), query.tile[0], query.tile[1], query.tile[2]);
    return (await this.#readSampled(channel, sample, translate(query.crop, [x, y, z]))).raw;
  }

  /**
   * Assembles the pixels of a query: a zero-filled canvas with the common part of every tile pasted in.
   *
   * @throws BflyError BAD_REQUEST for a box of no size, TOO_LARGE for an absurd one, before anything is allocated.
   */
  async findTiles(query: DataQuery): Promise<Voxels> {
    checkDataQuery(query);
    const channel = await this.updateQuery(query);
    const [nx, ny, nz] = query.size;
    if (nx * ny * nz * BYTES_PER_VOXEL[channel.dtype] > MAX_ANSWER_BYTES)
      throw new BflyError('TOO_LARGE', `The box holds more than ${MAX_ANSWER_BYTES} bytes.`);
    const sample = sampleLevel(channel, query.resolution);
    const [x, y, z] = legacyOrigin(channel, sample, query.origin);
    return this.#readSampled(channel, sample, [x, y, z, x + nx, y + ny, z + nz]);
  }

  /** @param box in voxels of the sampled grid, counted from the volume's first voxel. */
  async #readSampled(channel: Channel, { mip, step }: LevelSample, box: Box): Promise<Voxels> {
    const level = levelOf(channel.mips, mip);
    if (step === 1) return this.readBox(channel, mip, translate(box, level.offset));
    const voxelBytes = BYTES_PER_VOXEL[channel.dtype];
    const raw = new Uint8Array(boxVolume(box) * voxelBytes);
    const reading = presentReading(this.#edits?.of(channel));
    const fromZero: MipInfo = { ...level, offset: [0, 0, 0] };
    const read: Box = [box[0] * step, box[1] * step, box[2], (box[3] - 1) * step + 1, (box[4] - 1) * step + 1, box[5]];
    const { range, count } = selectTiles(fromZero, read);
    if (count > MAX_SAMPLED_TILES)
      throw new BflyError('TOO_LARGE', 'The box at this resolution takes too many tiles; ask for a smaller one.');
    for (const tile of tilesIn(range)) {
      const frame = await this.tiles.load(channel, mip, tile, 'raw', reading);
      const box0 = tileBox(fromZero, tile[0], tile[1], tile[2]);
      const whole = new Uint8Array(boxVolume(box0) * voxelBytes);
      copyTile(frame, box0, whole, box0, voxelBytes);
      sampleBox(whole, box0, raw, box, voxelBytes, step);
    }
    return { raw, shape: [box[3] - box[0], box[4] - box[1], box[5] - box[2]], dtype: channel.dtype };
  }

  /**
   * The pixels of a query in its format and view.
   *
   * @throws BflyError as `findTiles`; BAD_REQUEST for an unknown format or view, before anything is read.
   */
  async getData(query: DataQuery): Promise<{ readonly bytes: Uint8Array; readonly mime: string }> {
    readFormat(query.format);
    readView(query.view);
    const channel = await this.updateQuery(query);
    const { raw, shape, dtype } = await this.findTiles(query);
    return this.#maker.render({ raw, shape, dtype, type: channel.type, format: query.format, view: query.view });
  }

  /** Turns voxels into an image or file. */
  render(channel: Channel, voxels: Voxels, format: string, view: string): ReturnType<TileMaker['render']> {
    return this.#maker.render({ ...voxels, type: channel.type, format, view });
  }

  /**
   * Voxels of a box of a level, zeros outside the volume. The caller has checked its size.
   *
   * @param opened which state; default: as it is now.
   */
  async readBox(
    channel: Channel,
    mip: number,
    box: Box,
    opened?: Pick<OpenedReading, 'reading' | 'dtype'>,
  ): Promise<Voxels> {
    const { reading, dtype } = opened ?? {
      reading: presentReading(this.#edits?.of(channel)),
      dtype: channel.dtype,
    };
    const cutout = this.openCutout(channel, mip, box, PART_BYTES, reading);
    const raw = new Uint8Array(cutout.totalBytes);
    let at = 0;
    for (let bytes = cutout.nextBytes; bytes > 0; bytes = cutout.nextBytes) {
      const waiting = cutout.next(raw.subarray(at));
      if (waiting !== undefined) await waiting;
      else {
        at += bytes;
        // Whoever asks meanwhile has a turn.
        if (at < raw.length) await nextTurn();
      }
    }
    return { raw, shape: [box[3] - box[0], box[4] - box[1], box[5] - box[2]], dtype };
  }

  /**
   * Distinct ids of a box, ascending. Voxels outside the volume do not count.
   *
   * @param maxVoxels more voxels of the volume than this are refused.
   * @param wish which state; with `map: "merged"` the ids are roots.
   * @throws BflyError OUT_OF_BOUNDS for an unknown mip; TOO_LARGE; UNSUPPORTED for float32; as `openReading`.
   */
  async findUnique(
    query: BoxQuery,
    maxVoxels = MAX_ANSWER_VOXELS,
    signal?: AbortSignal,
    wish: ReadWish = {},
  ): Promise<BigUint64Array> {
    const channel = await this.updateQuery(query);
    const { reading } = await this.openReading(channel, wish);
    const level = levelOf(channel.mips, query.mip);
    const inside = intersect(mipBox(level), query.box);
    if (inside === undefined) return new BigUint64Array();
    if (boxVolume(inside) > maxVoxels) throw new BflyError('TOO_LARGE', `the box holds more than ${maxVoxels} voxels`);
    let ids = new BigUint64Array();
    for (const some of groupsOf(tilesIn(tilesOf(level, inside)), UNIQUE_TILES_AT_ONCE)) {
      // Before the tiles are asked for: what is asked for is awaited, or its failure would be nobody's.
      signal?.throwIfAborted();
      const parts = await Promise.all(
        some.map((tile) => this.#uniquePart(channel, query.mip, level, tile, inside, reading)),
      );
      ids = union(ids, await this.#maker.unique(parts, channel.dtype));
    }
    if (reading?.merged !== true) return ids;
    return BigUint64Array.from(new Set(await rootsOf(ids, reading))).sort();
  }

  async #uniquePart(
    channel: Channel,
    mip: number,
    level: MipInfo,
    tile: Vec3,
    box: Box,
    reading: Reading | undefined,
  ): Promise<UniquePart> {
    const frame = await this.tiles.loadStored(channel, mip, tile, reading);
    return { frame, box: intersect(tileBox(level, tile[0], tile[1], tile[2]), box) as Box };
  }

  /**
   * Plans a pull.
   *
   * @param wanted encodings in order of preference: the stored one if it is among them, else the first that can be served, else raw.
   * @param wish which state of the channel; it stays that one however long the pull goes on.
   * @throws BflyError NOT_FOUND; OUT_OF_BOUNDS for an unknown mip; TOO_LARGE for more than `maxTiles` tiles; as `openReading`.
   */
  async openPull(
    query: BoxQuery,
    wanted: readonly EncodingName[],
    maxTiles: number,
    wish: ReadWish = {},
  ): Promise<PullPlan> {
    const channel = await this.updateQuery(query);
    const { reading, at, dtype } = await this.openReading(channel, wish);
    const level = levelOf(channel.mips, query.mip);
    const { range, count } = selectTiles(level, query.box);
    if (count > maxTiles)
      throw new BflyError('TOO_LARGE', `the box meets ${count} tiles; a pull may have ${maxTiles}: pull parts of it`);
    const servable = servableEncodings(channel.type, dtype, channel.stored);
    const isStored = reading?.merged !== true && wanted.includes(channel.stored);
    const encoding = isStored ? channel.stored : (wanted.find((name) => servable.includes(name)) ?? 'raw');
    return { channel, mip: query.mip, level, range, tiles: count, encoding, seq: at, dtype, reading };
  }

  /**
   * An assembled box in parts of at most `maxPartBytes`; the caller has checked mip and size.
   *
   * @param reading unset: as ingested.
   */
  openCutout(channel: Channel, mip: number, box: Box, maxPartBytes: number, reading?: Reading): Cutout {
    return new Cutout(this.tiles, channel, mip, box, maxPartBytes, reading);
  }
}

const everything = (_path: string): boolean => true;

function* groupsOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The error for a path that is not there, or not for the one who asks. Rule [F18]. */
export function notFound(path: string): BflyError {
  return new BflyError('NOT_FOUND', `there is no ${path === '' ? 'path' : path}; LIST shows what there is`);
}

/**
 * The level that a resolution of Butterfly's grid is read from: the deepest source level that halves x and y alone not
 * more often than asked, sampled the rest of the way. Source: parity.md 2.
 */
function sampleLevel(channel: Channel, resolution: number): LevelSample {
  const mip = Math.min(resolution, flatLevels(channel) - 1);
  return { mip, step: 2 ** (resolution - mip) };
}

/**
 * Where a query of Butterfly's API begins, in the sampled grid, counted from the volume's first voxel. The configured offset
 * moves it, and what would be negative is 0. Source: parity.md 2.
 */
function legacyOrigin(channel: Channel, { mip, step }: LevelSample, origin: Vec3): Vec3 {
  const shift = channel.shifts[mip] ?? [0, 0, 0];
  const at = (axis: 0 | 1 | 2): number => Math.max(0, origin[axis] + Math.floor(shift[axis] / (axis === 2 ? 1 : step)));
  return [at(0), at(1), at(2)];
}

/** The grid of a resolution as if it were a level that begins at 0. */
function sampled(channel: Channel, { mip, step }: LevelSample): MipInfo {
  const level = levelOf(channel.mips, mip);
  const [x, y, z] = level.shape;
  return { ...level, shape: [Math.ceil(x / step), Math.ceil(y / step), z], offset: [0, 0, 0] };
}

/** Two ascending lists of ids as one. */
function union(a: BigUint64Array, b: BigUint64Array): BigUint64Array<ArrayBuffer> {
  const out = new BigUint64Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let n = 0;
  while (i < a.length || j < b.length) {
    const x = a[i];
    const y = b[j];
    if (y === undefined || (x !== undefined && x <= y)) {
      if (x === y) j++;
      out[n++] = x as bigint;
      i++;
    } else {
      out[n++] = y;
      j++;
    }
  }
  return out.slice(0, n);
}
