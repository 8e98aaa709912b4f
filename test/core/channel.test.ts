import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import {
  type Channel,
  type ChannelEntry,
  type ChannelRecord,
  channelRecord,
  ingestedPaths,
  newEpoch,
  newEpochs,
  openChannel,
  saveChannelRecord,
} from '../../src/core/channel.ts';
import { ON_DEMAND_LEVELS } from '../../src/core/channel-layout.ts';
import type { Database } from '../../src/database/database.ts';
import { logRange, logRecordKey, rowsRange } from '../../src/database/keys.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import type { ArrayVolume } from '../../src/image/array-source.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { type ArrayChannel, channelOf, IM, openArrayCore, SEG, SEG64 } from '../support/array-core.ts';

const PATH = 'e/s/d/im';

/** A volume that nobody reads, of any shape. */
function blank(shape: Vec3, more: Partial<ArrayVolume> = {}): ArrayVolume {
  return { data: new Uint8Array(shape[0] * shape[1] * shape[2]), shape, dtype: 'uint8', ...more };
}

/** Opens the first channel by itself, as a server would that was just started. */
function open(database: Database, channel: ArrayChannel, levels: 'on-demand' | 'all' = 'on-demand'): Promise<Channel> {
  const { entries, maker } = openArrayCore([channel], { database });
  const [entry] = entries;
  if (entry === undefined) throw new Error('no entry');
  return openChannel(entry, database, maker, levels);
}

async function keepTile(database: Database, channel: Channel, mip = 0): Promise<void> {
  await database.commit({
    tiles: [{ key: { channel: channel.number, mip, x: 0, y: 0, z: 0, version: 0 }, frame: new Uint8Array(80) }],
  });
}

describe('a channel and the store', () => {
  it('keeps its number, its epoch and its tiles over a restart', async () => {
    const database = new MemoryDatabase();
    const first = await open(database, channelOf(PATH, IM));
    await keepTile(database, first);
    const second = await open(database, channelOf(PATH, IM));
    expect(second).toEqual(first);
    expect(second.epoch).toHaveLength(8);
    expect(database.countTiles(second.number, 0)).toBe(1);
  });

  it.each<[string, Partial<ArrayChannel>]>([
    ['its file changed', { fingerprint: 'touched' }],
    ['it is read as ids from now on', { type: 'segmentation' }],
    ['its chunks have another size', { chunk: [4, 4, 4] }],
    ['its offset was moved', { offset: [1, 0, 0] }],
    ['its voxels have another shape, so that other levels are built', { voxel: [4, 4, 30] }],
    ['its dtype changed', { levels: [{ ...IM, dtype: 'int8' }] }],
  ])('gets a new number and loses its tiles when %s', async (_, change) => {
    const database = new MemoryDatabase();
    const before = channelOf(PATH, IM, { chunk: [2, 2, 2], voxel: [1, 1, 1] });
    const first = await open(database, before);
    await keepTile(database, first);
    await keepTile(database, first, 1);
    const second = await open(database, { ...before, ...change });
    expect(second.number).not.toBe(first.number);
    expect(second.epoch).not.toEqual(first.epoch);
    expect([database.countTiles(first.number, 0), database.countTiles(first.number, 1)]).toEqual([0, 0]);
    expect(database.countTiles(second.number, 0)).toBe(0);
    expect((await open(database, { ...before, ...change })).number).toBe(second.number);
  });

  it('loses its tiles when a stored level changes its chunks, the finest apart', async () => {
    const database = new MemoryDatabase();
    const levels = (chunk: Vec3): ArrayVolume[] => [
      blank([64, 64, 8], { kind: 'precomputed', chunk: [16, 16, 8] }),
      blank([32, 32, 8], { kind: 'precomputed', chunk, voxel: [2, 2, 1] }),
    ];
    const first = await open(database, { path: PATH, levels: levels([16, 16, 8]) });
    const second = await open(database, { path: PATH, levels: levels([8, 8, 8]) });
    expect(second.number).not.toBe(first.number);
  });

  it('keeps its tiles when only the scale of its voxels changes, which no tile depends on', async () => {
    const database = new MemoryDatabase();
    const first = await open(database, channelOf(PATH, IM, { chunk: [2, 2, 2], voxel: [4, 4, 30] }));
    const second = await open(database, channelOf(PATH, IM, { chunk: [2, 2, 2], voxel: [8, 8, 60] }));
    expect(second.number).toBe(first.number);
    expect(second.mips[0]?.voxel).toEqual([8, 8, 60]);
  });

  it('gets a number of its own, also when many are opened at once', async () => {
    const database = new MemoryDatabase();
    const paths = Array.from({ length: 20 }, (_, index) => `e/s/d/c${index}`);
    const { core } = openArrayCore(
      paths.map((path) => channelOf(path, IM)),
      { database },
    );
    const channels = await Promise.all(paths.map((path) => core.updateQuery({ path })));
    expect(new Set(channels.map(({ number }) => number)).size).toBe(20);
    expect(new Set(paths.map((path) => channelRecord(database, path)?.number)).size).toBe(20);
    const late = await open(database, channelOf('e/s/d/late', IM));
    expect(channels.map(({ number }) => number)).not.toContain(late.number);
  });

  it('gets a number even after another could not be kept', async () => {
    const database = new MemoryDatabase();
    const commit = database.commit.bind(database);
    database.commit = async () => {
      throw new BflyError('UNAVAILABLE', 'the disk is full');
    };
    await expect(open(database, channelOf(PATH, IM))).rejects.toThrow('the disk is full');
    database.commit = commit;
    expect((await open(database, channelOf(PATH, IM))).number).toBe(1);
  });

  it('that was ingested answers without its source, with all its levels', async () => {
    const database = new MemoryDatabase();
    const volume = channelOf(PATH, blank([64, 64, 64]), { chunk: [2, 2, 2] });
    const whole = await open(database, volume, 'all');
    const record = channelRecord(database, PATH) as ChannelRecord;
    await saveChannelRecord(database, PATH, {
      ...record,
      mips: whole.mips,
      ingested: true,
      maxId: '18446744073709551615',
    });
    expect(ingestedPaths(database)).toEqual([PATH]);
    const { maker } = openArrayCore([], { database });
    for (const entry of [{ path: PATH }, { path: PATH, spec: { path: 'gone' } }]) {
      const channel = await openChannel(entry, database, maker);
      expect(channel).toMatchObject({ ingested: true, spec: undefined, number: whole.number, maxId: 2n ** 64n - 1n });
      expect(channel.mips).toEqual(whole.mips);
      expect(channel.factors).toEqual(whole.factors);
    }
  });

  it('that was ingested in part is gone on with where it was', async () => {
    const database = new MemoryDatabase();
    const volume = channelOf(PATH, blank([64, 64, 64]), { chunk: [2, 2, 2] });
    const served = await open(database, volume);
    const ingesting = await open(database, volume, 'all');
    expect(ingesting.number).toBe(served.number);
    expect((await open(database, volume)).number).toBe(served.number);
    expect(ingestedPaths(database)).toEqual([]);
  });

  it('without source and record does not exist', async () => {
    const database = new MemoryDatabase();
    const { maker } = openArrayCore([], { database });
    await expect(openChannel({ path: PATH }, database, maker)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('leaves no record where its source cannot be opened', async () => {
    const database = new MemoryDatabase();
    const broken = new BflyError('UNSUPPORTED', 'this is no volume');
    await expect(open(database, channelOf(PATH, IM, { broken }))).rejects.toBe(broken);
    expect(database.records('')).toEqual([]);
  });
});

describe('a channel with edits whose data change', () => {
  const before = channelOf(PATH, IM, { chunk: [2, 2, 2], fingerprint: 'tiff:1000@17' });
  const edit = async (database: Database, { number }: Channel, seqs: readonly number[]): Promise<void> =>
    await database.commit({
      entries: seqs.map((seq) => ({ store: 'log', key: logRecordKey(number, seq), value: Uint8Array.of(seq) })),
    });
  /** The store after `count` edits of `channel`, and what it was opened as. */
  const edited = async (channel: ArrayChannel, count = 2): Promise<[Database, Channel]> => {
    const database = new MemoryDatabase();
    const opened = await open(database, channel);
    await keepTile(database, opened);
    await edit(
      database,
      opened,
      Array.from({ length: count }, (_, index) => index + 1),
    );
    return [database, opened];
  };
  const everything = (database: Database): unknown => [
    database.records(''),
    database.entries('log', logRange(1)),
    database.countTiles(1, 0),
  ];

  it.each<[string, Partial<ArrayChannel>]>([
    ['its file has another length', { fingerprint: 'tiff:1001@17' }],
    ['it is another file', { fingerprint: 'hdf5:/a:1000@17' }],
    ['it is read as ids from now on', { type: 'segmentation' }],
    ['its chunks have another size', { chunk: [4, 4, 4] }],
    ['its offset was moved', { offset: [1, 0, 0] }],
    [
      'its dtype changed, and its file was written anew',
      { levels: [{ ...IM, dtype: 'int8' }], fingerprint: 'tiff:1000@18' },
    ],
  ])('is refused, and stays as it was, when %s', async (_, change) => {
    const [database, first] = await edited(before);
    const found = everything(database);
    const refused = open(database, { ...before, ...change });
    await expect(refused).rejects.toMatchObject({
      code: 'CONFLICT',
      message:
        `${PATH} holds 2 edits that were made on other data, or on the same read in another way: ` +
        'give those back, give another path, or --replace, which gives the edits up',
    });
    expect(everything(database)).toEqual(found);
    // The data are given back.
    expect(await open(database, before)).toEqual(first);
  });

  it('counts an edit that is just being written', async () => {
    const [database, first] = await edited(before, 0);
    const flushed = database.flushed.bind(database);
    database.flushed = async () => {
      await edit(database, first, [1]);
      await flushed();
    };
    await expect(open(database, { ...before, fingerprint: 'tiff:7@17' })).rejects.toThrow('holds 1 edit that was made');
  });

  it('is given up, its log and its rows too, where it may be replaced', async () => {
    const [database, first] = await edited(before);
    await database.commit({
      entries: [{ store: 'rows', key: logRecordKey(first.number, 1), value: Uint8Array.of(1) }],
    });
    const second = await open(database, { ...before, fingerprint: 'tiff:1001@17', replace: true });
    expect(second.number).not.toBe(first.number);
    expect(second.epoch).not.toEqual(first.epoch);
    expect(database.countEntries('log', logRange(first.number))).toBe(0);
    expect(database.countEntries('rows', rowsRange(first.number))).toBe(0);
    expect(database.countTiles(first.number, 0)).toBe(0);
    expect(database.records('drop:')).toEqual([]);
  });

  it.each([
    ['a TIFF', 'tiff:1000@17', 'tiff:1000@99'],
    ['an HDF5 file', 'hdf5:/volumes/raw:1000@17', 'hdf5:/volumes/raw:1000@99'],
    ['a folder of images', 'stack:3:50@1:7@2:7@3', 'stack:3:50@8:7@9:7@3'],
    ['a precomputed volume', 'precomputed:50@1:-:7@3', 'precomputed:50@8:-:7@3'],
  ])('keeps number, epoch and edits, and warns, where %s was only copied or touched', async (_, stamped, touched) => {
    const [database, first] = await edited({ ...before, fingerprint: stamped });
    const lines: unknown[] = [];
    const log = { ...SILENT_LOG, warn: (...line: unknown[]) => void lines.push(line) };
    const again = { ...before, fingerprint: touched };
    const { entries, maker } = openArrayCore([again], { database });
    const second = await openChannel(entries[0] as ChannelEntry, database, maker, 'on-demand', log);
    expect([second.number, second.epoch]).toEqual([first.number, first.epoch]);
    expect(second.sourceFingerprint).toBe(touched);
    expect(database.entries('log', logRange(first.number))).toHaveLength(2);
    // They may be of other voxels: nobody has looked.
    expect(database.countTiles(first.number, 0)).toBe(0);
    expect(lines).toEqual([[{ path: PATH, edits: 2 }, expect.stringContaining('its edits stay')]]);
    await keepTile(database, second);
    expect(await open(database, again)).toEqual(second);
    expect(database.countTiles(first.number, 0)).toBe(1);
  });

  it('that was ingested is refused for the touched file as for another', async () => {
    const [database] = await edited(before);
    await saveChannelRecord(database, PATH, { ...(channelRecord(database, PATH) as ChannelRecord), ingested: true });
    const touched = { ...before, fingerprint: 'tiff:1000@99' };
    await expect(open(database, touched, 'all')).rejects.toThrow('holds 2 edits that were made on other data');
    expect(database.countTiles(1, 0)).toBe(1);
  });
});

describe('the epochs of channels', () => {
  it('are new, and all else of their records is as before, after newEpochs and newEpoch', async () => {
    const database = new MemoryDatabase();
    const paths = ['e/s/d/a', 'e/s/d/b', 'e/s/d/c'];
    for (const path of paths) await open(database, channelOf(path, IM));
    const records = (): ChannelRecord[] => paths.map((path) => channelRecord(database, path) as ChannelRecord);
    const [first, seen] = [records(), new Set<string>()];
    const differs = (other: readonly ChannelRecord[]): boolean[] =>
      other.map(({ epoch }, i) => epoch !== first[i]?.epoch);
    await newEpoch(database, 'e/s/d/b');
    expect(differs(records())).toEqual([false, true, false]);
    await newEpochs(database);
    expect(differs(records())).toEqual([true, true, true]);
    for (const [i, record] of records().entries()) {
      expect(record.epoch).toMatch(/^[0-9a-f]{16}$/);
      expect({ ...record, epoch: '' }).toEqual({ ...first[i], epoch: '' });
      seen.add(record.epoch);
    }
    expect(seen.size).toBe(3);
    expect((await open(database, channelOf('e/s/d/a', IM))).epoch).toHaveLength(8);
    expect(database.record('next-channel')).toBe(4);
  });

  it('are not made for a path that the store does not know', async () => {
    await expect(newEpoch(new MemoryDatabase(), PATH)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await newEpochs(new MemoryDatabase());
  });
});

describe('the levels of a channel', () => {
  const chunkOf = async (channel: ArrayChannel): Promise<Vec3 | undefined> =>
    (await open(new MemoryDatabase(), channel)).mips[0]?.chunk;

  it('have the chunks that the configuration says, inside the volume', async () => {
    expect(await chunkOf(channelOf(PATH, IM, { chunk: [4, 4, 100] }))).toEqual([4, 4, 4]);
  });

  it('have blocks of Butterfly’s rule for HDF5 where that is configured, and only there', async () => {
    const large = blank([200, 200, 100]);
    const hdf5 = { ...large, kind: 'hdf5' };
    expect(await chunkOf(channelOf(PATH, hdf5, { maxBlockBytes: 2 ** 18 }))).toEqual([50, 50, 64]);
    expect(await chunkOf(channelOf(PATH, hdf5))).toEqual([64, 64, 64]);
    expect(await chunkOf(channelOf(PATH, large, { maxBlockBytes: 2 ** 18 }))).toEqual([64, 64, 64]);
  });

  it('have the chunks of a precomputed volume, unless they are too large to send', async () => {
    const volume = blank([200, 200, 100], { kind: 'precomputed', chunk: [100, 50, 20] });
    const channel = await open(new MemoryDatabase(), channelOf(PATH, volume));
    expect(channel.mips[0]?.chunk).toEqual([100, 50, 20]);
    expect(channel.ownChunks).toEqual([true]);
    const huge = blank([256, 256, 80], { kind: 'precomputed', chunk: [256, 256, 80] });
    expect(await chunkOf(channelOf(PATH, huge))).toEqual([64, 64, 64]);
  });

  it('know whether a chunk is the source’s own', async () => {
    const volume = blank([16, 16, 16], { chunk: [8, 8, 8] });
    const ownChunks = async (chunk: Vec3): Promise<readonly boolean[]> =>
      (await open(new MemoryDatabase(), channelOf(PATH, volume, { chunk }))).ownChunks;
    expect(await ownChunks([8, 8, 8])).toEqual([true]);
    expect(await ownChunks([8, 8, 4])).toEqual([false]);
    expect(await ownChunks([16, 16, 16])).toEqual([false]);
  });

  it('built on demand are few, and all of them for an ingest', async () => {
    const volume = channelOf(PATH, blank([128, 128, 128]), { chunk: [2, 2, 2] });
    const onDemand = await open(new MemoryDatabase(), volume);
    expect(onDemand.sourceMips).toBe(1);
    expect(onDemand.mips).toHaveLength(1 + ON_DEMAND_LEVELS);
    const all = await open(new MemoryDatabase(), volume, 'all');
    expect(all.mips.map(({ shape }) => shape[0])).toEqual([128, 64, 32, 16, 8, 4, 2]);
    expect(all.mips.slice(0, 4)).toEqual(onDemand.mips);
    expect(all.factors).toEqual([[1, 1, 1], ...Array(6).fill([2, 2, 2])]);
  });

  it('are none but its own for a volume of one chunk', async () => {
    expect((await open(new MemoryDatabase(), channelOf(PATH, IM))).mips).toHaveLength(1);
  });

  it('of the source come first, and others are built above them', async () => {
    const levels = [blank([64, 64, 8], { voxel: [4, 4, 30] }), blank([32, 32, 8], { voxel: [8, 8, 30] })];
    const channel = await open(new MemoryDatabase(), { path: PATH, levels, chunk: [8, 8, 8] });
    expect(channel.sourceMips).toBe(2);
    expect(channel.factors).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [2, 2, 1],
      [2, 2, 2],
    ]);
    expect(channel.mips.map(({ shape }) => shape)).toEqual([
      [64, 64, 8],
      [32, 32, 8],
      [16, 16, 8],
      [8, 8, 4],
    ]);
    expect(channel.mips[3]?.voxel).toEqual([32, 32, 60]);
  });

  it('take their voxel size from the configuration, scaled with each', async () => {
    const levels = [blank([64, 64, 8], { voxel: [1, 1, 1] }), blank([32, 32, 8], { voxel: [2, 2, 1] })];
    const channel = await open(new MemoryDatabase(), { path: PATH, levels, voxel: [4, 4, 30] });
    expect(channel.mips.map(({ voxel }) => voxel)).toEqual([
      [4, 4, 30],
      [8, 8, 30],
    ]);
  });

  it('are moved by the offset: the voxel at p is the source’s at p + offset', async () => {
    const levels = [
      blank([64, 64, 8], { offset: [10, 0, 0] }),
      blank([32, 32, 8], { offset: [5, 0, 0], voxel: [2, 2, 1] }),
    ];
    const channel = await open(new MemoryDatabase(), { path: PATH, levels, offset: [3, -2, 1] });
    expect(channel.shifts).toEqual([
      [3, -2, 1],
      [1, -1, 1],
    ]);
    expect(channel.mips.slice(0, 2).map(({ offset }) => offset)).toEqual([
      [7, 2, -1],
      [4, 1, -1],
    ]);
  });

  it('are moved by as many voxels as fit, also where a level is only a few voxels wide', async () => {
    const levels = [
      blank([5, 64, 1], { voxel: [1, 1, 1] }),
      blank([3, 32, 1], { voxel: [2, 2, 1] }),
      blank([2, 16, 1], { voxel: [4, 4, 1] }),
      blank([1, 8, 1], { voxel: [8, 8, 1] }),
    ];
    const channel = await open(new MemoryDatabase(), { path: PATH, levels, offset: [9, 9, 9] });
    expect(channel.shifts).toEqual([
      [9, 9, 9],
      [4, 4, 9],
      [2, 2, 9],
      [1, 1, 9],
    ]);
  });

  it('of ids are stored compressed, and others as they are', async () => {
    const stored = async (volume: ArrayVolume, more: Partial<ArrayChannel> = {}): Promise<string> =>
      (await open(new MemoryDatabase(), channelOf(PATH, volume, more))).stored;
    expect([await stored(IM), await stored(SEG), await stored(SEG64)]).toEqual(['raw', 'cseg', 'cseg']);
    expect(await stored(SEG, { type: 'image' })).toBe('raw');
    expect(await stored(IM, { type: 'segmentation' })).toBe('raw');
  });
});
