/** One channel: what was configured, what its source said, and what the store knows of it. */
import { randomBytes } from 'node:crypto';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, EncodingName, MipInfo, Vec3, VolumeType } from '../../protocol/volume.ts';
import type { Database } from '../database/database.ts';
import { LogKind, logRange } from '../database/keys.ts';
import { storedEncoding } from '../image/codecs/registry.ts';
import { coarserMip } from '../image/downsample.ts';
import type { TileMaker, VolumeSpec } from '../image/tile-maker.ts';
import type { Logger } from '../utility/log.ts';
import {
  isMadeOf,
  isSameVolume,
  isTouchedVolume,
  type Layout,
  type LayoutWish,
  layOut,
  madeFrom,
  sourceFingerprint,
} from './channel-layout.ts';

/** A channel as the configuration names it. */
export interface ChannelEntry extends LayoutWish {
  /** An ingest may take the place of another volume that was ingested at the path, and of its edits. */
  readonly replace?: boolean;
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
export interface ChannelRecord extends Layout {
  readonly number: number;
  readonly epoch: string;
  readonly ingested: boolean;
}

const recordName = (path: string): string => `channel:${path}`;

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

/**
 * The channels that the store has of a volume on another machine, for when that is away and cannot say what it holds.
 *
 * @param url of the volume, or of one of its datasets.
 */
export function channelsAt(database: Database, url: string): ChannelEntry[] {
  return database.records('channel:').flatMap(([name, record]) => {
    const spec = madeFrom((record as ChannelRecord).fingerprint);
    if (spec === undefined || 'demo' in spec) return [];
    const isIt = spec.path === url || `${spec.path}/${spec.dataset}` === url;
    return isIt ? [{ path: name.slice('channel:'.length), spec }] : [];
  });
}

/** Writes a channel's record. */
export async function saveChannelRecord(database: Database, path: string, record: ChannelRecord): Promise<void> {
  await database.commit({ records: [[recordName(path), record]] });
}

/**
 * Gives a path a new epoch, which tells clients that what they know of its edits does not hold any more. Rule [S1].
 *
 * @throws BflyError NOT_FOUND where the store has no channel of that path.
 */
export async function newEpoch(database: Database, path: string): Promise<void> {
  const record = channelRecord(database, path);
  if (record === undefined) throw new BflyError('NOT_FOUND', `${path} is not in the store`);
  await saveChannelRecord(database, path, { ...record, epoch: randomEpoch() });
}

/** Gives all paths new epochs, in one commit: after a restore. */
export async function newEpochs(database: Database): Promise<void> {
  const records = database.records(recordName(''));
  // Only this file writes records of this name.
  await database.commit({
    records: records.map(([name, r]) => [name, { ...(r as ChannelRecord), epoch: randomEpoch() }]),
  });
}

const randomEpoch = (): string => randomBytes(8).toString('hex');

/**
 * Makes a channel ready: opens its source where that is needed, and takes up its tiles in the store where they still hold.
 *
 * Where the data are others than the tiles were made from, the channel is given up for a new one with a number and an epoch of its own;
 * never a channel with edits, unless it may be replaced. One whose files were only written anew, to all appearances with the same
 * voxels, keeps its edits, and its tiles are made again. One whose server is away is as it was, with the tiles that are in the store.
 *
 * @param levels how many levels to offer above the source's.
 * @throws BflyError NOT_FOUND, UNSUPPORTED of the source; CONFLICT where it would take the place of an ingested volume, or of edits.
 */
export async function openChannel(
  entry: ChannelEntry,
  database: Database,
  maker: TileMaker,
  levels: 'on-demand' | 'all' = 'on-demand',
  log?: Logger,
): Promise<Channel> {
  const kept = channelRecord(database, entry.path);
  const whole = kept?.ingested === true && levels === 'on-demand' ? kept : undefined;
  if (entry.spec === undefined || (whole !== undefined && isMadeOf(whole.fingerprint, entry.spec))) {
    if (kept === undefined) throw new BflyError('NOT_FOUND', `${entry.path} is not in the store`);
    return channelOf(entry, kept, undefined);
  }
  const { spec } = entry;
  const isKept = levels === 'on-demand' && isMadeOf(kept?.fingerprint, spec);
  const info = await maker.open(spec).catch((error: unknown) => {
    if (whole === undefined && !(isKept && isAway(error))) throw error;
  });
  // What was ingested is all there is, where what is configured now cannot be opened.
  if (info === undefined && whole !== undefined) return openChannel({ path: entry.path }, database, maker);
  if (info === undefined && kept !== undefined) {
    log?.warn({ path: entry.path }, 'the server of a channel is away: what is in the store is served, as it was');
    return channelOf(entry, kept, sourceFingerprint(kept.fingerprint));
  }
  if (info === undefined) throw new BflyError('NOT_FOUND', `${entry.path} is not in the store`);
  const wanted = layOut(entry, info, levels);
  if (kept !== undefined && isSameVolume(kept.fingerprint, wanted.fingerprint)) {
    // What was ingested keeps the voxel size that it was given, unless another is named.
    const mips = kept.ingested && entry.voxel === undefined ? kept.mips : wanted.mips;
    const record = { ...kept, mips, type: wanted.type };
    return channelOf(entry, record, info.fingerprint);
  }
  const record =
    (await keepEdited(entry, database, kept, wanted, log)) ??
    (await addRecord(database, entry.path, wanted, kept?.number));
  await finishDrops(database);
  return channelOf(entry, record, info.fingerprint);
}

/** Whether a source is only away for now, as a server of remote volumes may be. */
const isAway = (error: unknown): boolean => error instanceof BflyError && error.code === 'UNAVAILABLE';

/**
 * Decides what becomes of a channel whose data are others now.
 *
 * @returns its record where it stays for its edits; undefined where it is given up, or there was none.
 */
async function keepEdited(
  entry: ChannelEntry,
  database: Database,
  kept: ChannelRecord | undefined,
  wanted: Layout,
  log: Logger | undefined,
): Promise<ChannelRecord | undefined> {
  if (kept === undefined || entry.replace === true) return undefined;
  const { path } = entry;
  // An edit that is being written counts.
  await database.flushed();
  const edits = database.countEntries('log', logRange(kept.number, LogKind.RECORD));
  if (edits > 0 && !kept.ingested && isTouchedVolume(kept.fingerprint, wanted.fingerprint)) {
    log?.warn(
      { path, edits },
      'the files of a channel with edits were written anew: its edits stay, on the data as they are now',
    );
    const record = { ...wanted, number: kept.number, epoch: kept.epoch, ingested: false };
    // First the tiles: stopped in between, the next opening finds the old fingerprint and does both again.
    await database.dropTiles(kept.number);
    await saveChannelRecord(database, path, record);
    return record;
  }
  if (edits > 0)
    throw new BflyError(
      'CONFLICT',
      `${path} holds ${edits} ${edits === 1 ? 'edit that was' : 'edits that were'} made on other data, or on the same read in another ` +
        'way: give those back, give another path, or --replace, which gives the edits up',
    );
  if (kept.ingested)
    throw new BflyError(
      'CONFLICT',
      `${path} already holds another volume (${kept.sourceKind}, ${kept.mips[0]?.shape.join(' × ')}, ${kept.dtype}), ` +
        'or the same one read in another way; give another path, or --replace',
    );
  return undefined;
}

const DROP = 'drop:';

/** Removes the tiles, the log and the rows of channels that were given up, those of an earlier life that was cut off included. */
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
    const record = { ...layout, number, epoch: randomEpoch(), ingested: false };
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
