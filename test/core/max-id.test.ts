import { describe, expect, it } from 'vitest';
import type { ChannelInfo, DType, Vec3 } from '../../protocol/volume.ts';
import { Cache } from '../../src/core/cache.ts';
import { channelRecord, openChannel, saveChannelRecord } from '../../src/core/channel.ts';
import type { Core } from '../../src/core/core.ts';
import { MaxIds } from '../../src/core/max-id.ts';
import { TileReader } from '../../src/core/tile-reader.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import type { TileMaker } from '../../src/image/tile-maker.ts';
import { type IngestProgress, ingestChannel } from '../../src/ingest/ingest.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { type ArrayCoreOptions, channelOf, openArrayCore, voxelsOf } from '../support/array-core.ts';

const PATH = 'e/s/d/seg';
const SHAPE: Vec3 = [70, 66, 65];

/** Ids up to `largest`, which stands once, in the last tile. */
const segments = (largest: bigint, dtype: DType = 'uint64') =>
  channelOf(PATH, {
    data: voxelsOf(SHAPE, dtype, (x, y, z) => (x === 69 && y === 65 && z === 64 ? largest : BigInt(x % 9) + BigInt(z))),
    shape: SHAPE,
    dtype,
    type: 'segmentation',
  });

async function infoOf(core: Core): Promise<ChannelInfo> {
  const info = await core.getInfo({ path: PATH });
  if (info.kind !== 'channel') throw new Error('not a channel');
  return info;
}

async function ensured(core: Core): Promise<bigint> {
  return core.ensureMaxId(await core.updateQuery({ path: PATH }));
}

function ingest(options: ArrayCoreOptions, largest: bigint, onProgress: (at: IngestProgress) => void = () => {}) {
  const { database, maker, entries, reads } = openArrayCore([segments(largest)], options);
  const entry = entries[0];
  if (entry === undefined) throw new Error('no entry');
  const signal = new AbortController().signal;
  return ingestChannel({ database, maker, entry, log: SILENT_LOG, signal, onProgress }).then((channel) => ({
    channel,
    reads,
  }));
}

describe('the largest ingested id', () => {
  it('[E24] is found when it is first needed, told by INFO from then on, and kept over a restart', async () => {
    const database = new MemoryDatabase();
    const first = openArrayCore([segments(2n ** 41n + 7n)], { database });
    expect(await infoOf(first.core)).not.toHaveProperty('maxId');
    expect(await ensured(first.core)).toBe(2n ** 41n + 7n);
    expect((await infoOf(first.core)).maxId).toBe(2n ** 41n + 7n);
    expect(first.core.peekInfo({ path: PATH })?.maxId).toBe(2n ** 41n + 7n);
    const second = openArrayCore([segments(2n ** 41n + 7n)], { database });
    expect((await infoOf(second.core)).maxId).toBe(2n ** 41n + 7n);
    expect(await ensured(second.core)).toBe(2n ** 41n + 7n);
    expect(second.reads).toEqual([]);
  });

  it('[E24] is looked for once, however many ask', async () => {
    const { database, maker, entries } = openArrayCore([segments(500n)]);
    const channel = await openChannel(entries[0] ?? { path: PATH }, database, maker);
    let looks = 0;
    const counting: Pick<TileMaker, 'maxId'> = {
      maxId: (frames, dtype) => {
        looks += frames.length;
        return maker.maxId(frames, dtype);
      },
    };
    const log = SILENT_LOG;
    const tiles = new TileReader(database, new Cache(1 << 20), maker, log);
    const maxIds = new MaxIds({ database, tiles, maker: counting, log });
    const asked = [maxIds.ensure(channel), maxIds.ensure(channel), maxIds.ensure(channel)];
    expect(await Promise.all(asked)).toEqual([500n, 500n, 500n]);
    expect(await maxIds.ensure(channel)).toBe(500n);
    expect(looks).toBe(8);
  });

  it('[E24] is looked for again after a tile could not be read', async () => {
    let broken = true;
    const { core } = openArrayCore([segments(500n)], {
      beforeRead: async () => {
        if (broken) throw new Error('the disk is away');
      },
      // Broken tiles are not remembered.
      cacheBytes: 1,
    });
    await expect(ensured(core)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await infoOf(core)).not.toHaveProperty('maxId');
    broken = false;
    expect(await ensured(core)).toBe(500n);
  });

  it('[E24] is another one where the data are others', async () => {
    const database = new MemoryDatabase();
    await ensured(openArrayCore([segments(500n)], { database }).core);
    const { core } = openArrayCore([{ ...segments(600n), fingerprint: 'changed' }], { database });
    expect(await infoOf(core)).not.toHaveProperty('maxId');
    expect(await ensured(core)).toBe(600n);
  });

  it('[E24] is not looked for in images and in volumes that are too large', async () => {
    const { core, database, maker, entries } = openArrayCore([segments(500n, 'uint16')]);
    const log = SILENT_LOG;
    const tiles = new TileReader(database, new Cache(1 << 20), maker, log);
    const channel = await openChannel(entries[0] ?? { path: PATH }, database, maker);
    const bounded = new MaxIds({ database, tiles, maker, log, maxVoxels: 70 * 66 * 65 - 1 });
    await expect(bounded.ensure(channel)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('bfly ingest'),
    });
    await expect(core.ensureMaxId({ ...channel, type: 'image' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(await new MaxIds({ database, tiles, maker, log, maxVoxels: 70 * 66 * 65 }).ensure(channel)).toBe(500n);
  });

  it('[I1] is known after an ingest, whose progress goes on as before', async () => {
    const database = new MemoryDatabase();
    const progress: IngestProgress[] = [];
    const { channel, reads } = await ingest({ database }, 700n, (at) => progress.push(at));
    expect(channel.maxId).toBe(700n);
    expect(reads).toHaveLength(8);
    const last = progress.at(-1);
    expect(last?.voxelsDone).toBe(last?.voxelsTotal);
    expect(progress.every((at, i) => i === 0 || at.voxelsDone > (progress[i - 1]?.voxelsDone ?? 0))).toBe(true);
    expect((await infoOf(openArrayCore([segments(700n)], { database }).core)).maxId).toBe(700n);
  });

  it('[I1] is known after an ingest that was cut off and goes on', async () => {
    const database = new MemoryDatabase();
    let reads = 0;
    const cut = async (): Promise<void> => {
      if (++reads > 5) throw new Error('cut off');
    };
    await expect(ingest({ database, beforeRead: cut }, 700n)).rejects.toMatchObject({ code: 'INTERNAL' });
    const again = await ingest({ database }, 700n);
    expect(again.channel.maxId).toBe(700n);
    expect(again.reads.length).toBeLessThan(8);
  });

  it('[I1] of a volume that was ingested before it was kept is found by both ways, without its source', async () => {
    const database = new MemoryDatabase();
    await ingest({ database }, 700n);
    const forget = async (): Promise<void> => {
      const record = channelRecord(database, PATH);
      if (record === undefined) throw new Error('no record');
      const { maxId: _, ...old } = record;
      await saveChannelRecord(database, PATH, old);
    };
    await forget();
    const { core, reads } = openArrayCore([segments(700n)], { database });
    expect(await infoOf(core)).not.toHaveProperty('maxId');
    expect(await ensured(core)).toBe(700n);
    expect(reads).toEqual([]);
    await forget();
    const again = await ingest({ database }, 700n);
    expect(again.channel.maxId).toBe(700n);
    expect(again.reads).toEqual([]);
    expect(channelRecord(database, PATH)?.maxId).toBe('700');
  });
});
