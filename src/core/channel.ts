/** One channel: what was configured, what its source said, and what the store knows of it. */
import { randomBytes } from 'node:crypto';
import { BflyError } from '../../protocol/errors.ts';
import { MAX_RAW_TILE } from '../../protocol/limits.ts';
import {
  BYTES_PER_VOXEL,
  type DType,
  type EncodingName,
  type MipInfo,
  type Vec3,
  type VolumeType,
  volumeOf,
} from '../../protocol/volume.ts';
import type { Database } from '../database/database.ts';
import { storedEncoding } from '../image/codecs/registry.ts';
import { coarserMip, pyramid } from '../image/downsample.ts';
import type { SourceInfo } from '../image/source.ts';
import type { TileMaker, VolumeSpec } from '../image/tile-maker.ts';
import { butterflyBlock, defaultChunk, fitsOneChunk } from '../query/query.ts';

/** A channel as the configuration names it. */
export interface ChannelEntry {
  /** experiment/sample/dataset/channel. */
  readonly path: string;
  /** Undefined for a channel that lives in the store alone, brought in by ingest. */
  readonly spec?: VolumeSpec;
  readonly type?: VolumeType;
  /** Nanometres along x, y, z. */
  readonly voxel?: Vec3;
  /** Voxels of the finest level that requests are moved by: request p reads voxel p + offset. */
  readonly offset?: Vec3;
  readonly chunk?: Vec3;
  /** An ingest may take the place of another volume that was ingested at the path. */
  readonly replace?: boolean;
  /** Butterfly's rule for blocks of this many bytes, instead of chunks of about 64³. */
  readonly maxBlockBytes?: number;
}

/** A channel that is ready to answer. */
export interface Channel {
  readonly path: string;
  /** Number in the store's keys. */
  readonly number: number;
  readonly spec: VolumeSpec | undefined;
  /** What the source said of itself when it was opened; undefined where it was not. */
  readonly sourceFingerprint: string | undefined;
  readonly sourceKind: string;
  readonly type: VolumeType;
  readonly dtype: DType;
  readonly mips: readonly MipInfo[];
  /** The first so many mips are read from the source, the others are built from the one below. */
  readonly sourceMips: number;
  /** Factors from mip m - 1 to mip m, by m; [1, 1, 1] for the first. */
  readonly factors: readonly Vec3[];
  /** Whether the server's chunk of a source level is the source's own chunk, by mip. */
  readonly ownChunks: readonly boolean[];
  /** What is added to a voxel's position to have its position in the source, by source mip. */
  readonly shifts: readonly Vec3[];
  /** How tiles are stored unless the source's own encoding is taken over. */
  readonly stored: EncodingName;
  readonly epoch: Uint8Array;
  /** Everything is in the store: the source is not needed. */
  readonly ingested: boolean;
  readonly maxId: bigint | undefined;
}

/** What the store keeps of a channel, as JSON under `channel:PATH`. */
export interface ChannelRecord {
  readonly number: number;
  /** What the tiles were made from and how; another value makes them worthless. */
  readonly fingerprint: string;
  readonly epoch: string;
  readonly sourceKind: string;
  readonly type: VolumeType;
  readonly dtype: DType;
  readonly mips: readonly MipInfo[];
  readonly sourceMips: number;
  readonly ownChunks: readonly boolean[];
  readonly shifts: readonly Vec3[];
  readonly ingested: boolean;
  readonly maxId?: string;
}

/** Levels built on demand above the source's own: more would make one request read a great part of the volume. */
export const ON_DEMAND_LEVELS = 3;

/** Changes when tiles of the same source would be made differently. */
const LAYOUT_VERSION = 1;

const recordName = (path: string): string => `channel:${path}`;

/** Whether the tiles of a record were made from what a configuration names, letter by letter. */
function isMadeOf({ fingerprint }: ChannelRecord, spec: VolumeSpec | undefined): boolean {
  const [, made] = JSON.parse(fingerprint) as readonly unknown[];
  return JSON.stringify(made) === JSON.stringify(spec);
}

/** Whether two fingerprints are of the same data read in the same way, though one may name the file by another path. */
function isSameVolume(kept: string, wanted: string): boolean {
  const [a, b] = [kept, wanted].map((text) => JSON.parse(text) as [unknown, { dataset?: string }, ...unknown[]]);
  if (a === undefined || b === undefined) return false;
  const datasets = [a[1].dataset, b[1].dataset].filter((name) => name !== undefined);
  const rest = (parts: readonly unknown[]): string => JSON.stringify([parts[0], ...parts.slice(2)]);
  return rest(a) === rest(b) && new Set(datasets).size <= 1;
}

/** The store's record of a channel, where there is one. */
export function channelRecord(database: Database, path: string): ChannelRecord | undefined {
  const record = database.record(recordName(path));
  // Only this file writes records of this name.
  return record === undefined ? undefined : (record as ChannelRecord);
}

/** Paths of all channels that were ingested whole. */
export function ingestedPaths(database: Database): string[] {
  return database
    .records('channel:')
    .filter(([, record]) => (record as ChannelRecord).ingested)
    .map(([name]) => name.slice('channel:'.length));
}

/** Writes a channel's record. */
export async function saveChannelRecord(database: Database, path: string, record: ChannelRecord): Promise<void> {
  await database.commit({ records: [[recordName(path), record]] });
}

/**
 * Makes a channel ready: opens its source where that is needed, and takes up its tiles in the store where they still hold.
 *
 * @param levels how many levels to offer above the source's.
 * @throws BflyError NOT_FOUND, UNSUPPORTED of the source; CONFLICT where it would take the place of an ingested volume.
 */
export async function openChannel(
  entry: ChannelEntry,
  database: Database,
  maker: TileMaker,
  levels: 'on-demand' | 'all' = 'on-demand',
): Promise<Channel> {
  const kept = channelRecord(database, entry.path);
  const whole = kept?.ingested === true && levels === 'on-demand' ? kept : undefined;
  if (entry.spec === undefined || (whole !== undefined && isMadeOf(whole, entry.spec))) {
    if (kept === undefined) throw new BflyError('NOT_FOUND', `${entry.path} is not in the store`);
    return channelOf(entry, kept, undefined);
  }
  const info = await maker.open(entry.spec).catch((error: unknown) => {
    if (whole === undefined) throw error;
  });
  // What was ingested is all there is, where what is configured now cannot be opened.
  if (info === undefined) return openChannel({ path: entry.path }, database, maker);
  const wanted = layOut(entry, info, levels);
  if (kept !== undefined && isSameVolume(kept.fingerprint, wanted.fingerprint)) {
    // What was ingested keeps the voxel size that it was given, unless another is named.
    const isKept = kept.ingested && entry.voxel === undefined;
    const record = { ...kept, mips: isKept ? kept.mips : wanted.mips, type: wanted.type };
    return channelOf(entry, record, info.fingerprint);
  }
  if (kept?.ingested === true && entry.replace !== true)
    throw new BflyError(
      'CONFLICT',
      `${entry.path} already holds another volume (${kept.sourceKind}, ${kept.mips[0]?.shape.join(' × ')}, ${kept.dtype}), ` +
        'or the same one read in another way; give another path, or --replace',
    );
  const record = await addRecord(database, entry.path, wanted, kept?.number);
  await finishDrops(database);
  return channelOf(entry, record, info.fingerprint);
}

const DROP = 'drop:';

/** Removes the tiles of channels that were given up, those of an earlier life that was cut off included. */
export async function finishDrops(database: Database): Promise<void> {
  for (const [name, number] of database.records(DROP)) {
    if (typeof number === 'number') await database.dropChannel(number);
    await database.commit({ records: [[name, null]] });
  }
}

/** The last giving out of a number, by database: the next waits for it, or two channels would take the same. */
const numbering = new WeakMap<Database, Promise<unknown>>();

/**
 * Keeps a new channel under a number that no other ever had.
 *
 * @param givenUp number of the channel that it takes the place of.
 */
function addRecord(
  database: Database,
  path: string,
  layout: Layout,
  givenUp: number | undefined,
): Promise<ChannelRecord> {
  const before = numbering.get(database) ?? Promise.resolve();
  const adding = before.then(async () => {
    const next = database.record('next-channel');
    const number = typeof next === 'number' ? next : 1;
    const record = { ...layout, number, epoch: randomBytes(8).toString('hex'), ingested: false };
    await database.commit({
      records: [
        ['next-channel', number + 1],
        [recordName(path), record],
        // In the same commit: whatever happens next, the tiles without a channel are found again.
        ...(givenUp === undefined ? [] : [[`${DROP}${givenUp}`, givenUp] as const]),
      ],
    });
    return record;
  });
  // One that fails does not hold up the others.
  numbering.set(
    database,
    adding.catch(() => {}),
  );
  return adding;
}

type Layout = Omit<ChannelRecord, 'number' | 'epoch' | 'ingested'>;

/** Levels, chunks and encodings that follow from the configuration and the source. */
function layOut(entry: ChannelEntry, info: SourceInfo, levels: 'on-demand' | 'all'): Layout {
  const voxelScale = voxelScaleOf(entry, info);
  const finest = info.mips[0];
  if (finest === undefined) throw new BflyError('UNSUPPORTED', `${entry.path}: the source has no levels`);
  const ownChunks: boolean[] = [];
  const shifts: Vec3[] = [];
  const mips = info.mips.map((mip): MipInfo => {
    const chunk = chunkOf(entry, info, mip);
    ownChunks.push(sameVec(chunk, mip.chunk) || fitsOneChunk({ ...mip, chunk: minVec(chunk, mip.chunk) }));
    const shift = shiftOf(entry, info, finest, mip);
    shifts.push(shift);
    return {
      shape: mip.shape,
      chunk,
      voxel: mapVec(mip.voxel, (size, axis) => size * (voxelScale[axis] as number)),
      offset: mapVec(mip.offset, (o, axis) => o - (shift[axis] as number)),
    };
  });
  const sourceMips = mips.length;
  const coarsest = mips[sourceMips - 1];
  const built = coarsest === undefined ? [] : pyramid(coarsest);
  // All levels, whether they are offered or not: an ingest takes up what was made on demand.
  const grids = [...mips, ...built].map(({ shape, chunk, offset }) => [shape, chunk, offset]);
  mips.push(...built.slice(0, levels === 'all' ? undefined : ON_DEMAND_LEVELS));
  return {
    fingerprint: JSON.stringify([
      LAYOUT_VERSION,
      entry.spec,
      info.fingerprint,
      info.dtype,
      entry.type ?? info.type,
      shifts,
      grids,
    ]),
    sourceKind: info.kind,
    type: entry.type ?? info.type,
    dtype: info.dtype,
    mips,
    sourceMips,
    ownChunks,
    shifts,
  };
}

/** The configured offset in voxels of a level. Source: parity.md 2, floor(offset / scale). */
function shiftOf(entry: ChannelEntry, info: SourceInfo, finest: MipInfo, mip: MipInfo): Vec3 {
  return mapVec(entry.offset ?? [0, 0, 0], (offset, axis) => {
    // Shapes are rounded up, which tells little of the scale where a level is only a few voxels wide.
    const scale = info.voxelKnown
      ? (mip.voxel[axis] as number) / (finest.voxel[axis] as number)
      : (finest.shape[axis] as number) / (mip.shape[axis] as number);
    return Math.floor(offset / Math.max(1, Math.round(scale)));
  });
}

function voxelScaleOf(entry: ChannelEntry, info: SourceInfo): Vec3 {
  const finest = info.mips[0];
  if (entry.voxel === undefined || finest === undefined) return [1, 1, 1];
  const { voxel } = entry;
  return mapVec(finest.voxel, (size, axis) => (voxel[axis] as number) / size);
}

function chunkOf(entry: ChannelEntry, info: SourceInfo, mip: MipInfo): Vec3 {
  const bytes = BYTES_PER_VOXEL[info.dtype];
  if (entry.chunk !== undefined) return cutToTile(minVec(entry.chunk, mip.shape), bytes);
  if (entry.maxBlockBytes !== undefined && info.kind === 'hdf5')
    return cutToTile(butterflyBlock(mip.shape, bytes, entry.maxBlockBytes), bytes);
  // A format made for tiles of its own is served in them: a stored chunk can then be taken over as it is.
  const rawBytes = volumeOf(mip.chunk) * bytes;
  if (info.kind === 'precomputed' && rawBytes <= MAX_RAW_TILE) return mip.chunk;
  return defaultChunk(mip.shape);
}

/** Halves the longest side of a chunk until its voxels are no more bytes than a tile may have. Rule [D6]. */
function cutToTile(chunk: Vec3, voxelBytes: number): Vec3 {
  if (volumeOf(chunk) * voxelBytes <= MAX_RAW_TILE) return chunk;
  const longest = Math.max(...chunk);
  const axis = chunk.indexOf(longest);
  return cutToTile(
    mapVec(chunk, (size, at) => (at === axis ? Math.ceil(size / 2) : size)),
    voxelBytes,
  );
}

function channelOf(entry: ChannelEntry, record: ChannelRecord, sourceFingerprint: string | undefined): Channel {
  const { mips, sourceMips } = record;
  return {
    path: entry.path,
    number: record.number,
    spec: record.ingested ? undefined : entry.spec,
    sourceFingerprint,
    sourceKind: record.sourceKind,
    type: record.type,
    dtype: record.dtype,
    mips,
    sourceMips,
    factors: mips.map((_, mip) => (mip < sourceMips ? [1, 1, 1] : coarserMip(mips[mip - 1] as MipInfo).factors)),
    ownChunks: record.ownChunks,
    shifts: record.shifts,
    stored: storedEncoding(record.type, record.dtype),
    epoch: new Uint8Array(Buffer.from(record.epoch, 'hex')),
    ingested: record.ingested,
    maxId: record.maxId === undefined ? undefined : BigInt(record.maxId),
  };
}

const sameVec = (a: Vec3, b: Vec3): boolean => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];
const minVec = (a: Vec3, b: Vec3): Vec3 => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.min(a[2], b[2])];
const mapVec = (v: Vec3, f: (value: number, axis: number) => number): Vec3 => [f(v[0], 0), f(v[1], 1), f(v[2], 2)];
