/** Levels that an ingest makes, against the rule voxel by voxel, whichever way their tiles are made. */
import { describe, expect, it } from 'vitest';
import {
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  type MipInfo,
  mipBox,
  type Vec3,
  volumeOf,
} from '../../protocol/volume.ts';
import type { Channel } from '../../src/core/channel.ts';
import type { TileKey } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { decodeTileFrame } from '../../src/image/tile.ts';
import { blocksOf } from '../../src/ingest/block-levels.ts';
import { ingestChannel } from '../../src/ingest/ingest.ts';
import { boxVolume } from '../../src/query/box.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import { gridShape, tileBox, tilesIn } from '../../src/query/tile-grid.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { type ArrayChannel, channelOf, openArrayCore, valuesOf, voxelsOf } from '../support/array-core.ts';
import { naiveVoxel } from '../support/naive-levels.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

const PATH = 'e/s/d/c';
const seed = testSeed('ingest');

function volume(
  shape: Vec3,
  dtype: DType,
  type: 'image' | 'segmentation',
  more: Partial<ArrayChannel> = {},
): ArrayChannel {
  const random = seededRandom(seed);
  const data = voxelsOf(shape, dtype, () => BigInt(Math.floor(random() * (type === 'image' ? 256 : 3))));
  return channelOf(PATH, { data, shape, dtype, type }, more);
}

async function ingest(channel: ArrayChannel, database = new MemoryDatabase()) {
  const { maker, entries, reads } = openArrayCore([channel], { database });
  const [entry] = entries;
  if (entry === undefined) throw new Error('no entry');
  const signal = new AbortController().signal;
  const made = await ingestChannel({ database, maker, entry, log: SILENT_LOG, signal, onProgress: () => {} });
  return { database, channel: made, reads };
}

const keyOf = ({ number }: Channel, mip: number, [x, y, z]: Vec3): TileKey => ({
  ...{ channel: number, mip, x, y, z, version: 0 },
});

/** The voxels of a level as its tiles hold them. @throws Error where one is not stored. */
async function readLevel(database: MemoryDatabase, channel: Channel, mip: number): Promise<(number | bigint)[]> {
  const level = channel.mips[mip] as MipInfo;
  const bytes = BYTES_PER_VOXEL[channel.dtype];
  const whole = new Uint8Array(volumeOf(level.shape) * bytes);
  for (const tile of tilesIn([0, 0, 0, ...gridShape(level)])) {
    const frame = database.tile(keyOf(channel, mip, tile));
    if (frame === undefined) throw new Error(`tile ${tile} of level ${mip} is not stored`);
    copyBox(await decodeTileFrame(frame, channel.dtype), tileBox(level, ...tile), whole, mipBox(level), bytes);
  }
  return valuesOf(whole, channel.dtype);
}

async function expectLevels(database: MemoryDatabase, channel: Channel): Promise<void> {
  let finer = await readLevel(database, channel, 0);
  for (let mip = 1; mip < channel.mips.length; mip++) {
    const [below, level] = [channel.mips[mip - 1] as MipInfo, channel.mips[mip] as MipInfo];
    const voxels = await readLevel(database, channel, mip);
    const [nx, ny] = boxShape(mipBox(level));
    const factors = channel.factors[mip] as Vec3;
    const typed = finer as unknown as Parameters<typeof naiveVoxel>[0]; // read by index alone
    for (let i = 0; i < boxVolume(mipBox(level)); i++) {
      const at: Vec3 = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / nx / ny)];
      if (voxels[i] !== naiveVoxel(typed, below.shape, factors, channel.type, at))
        throw new Error(`voxel ${at} of level ${mip} is ${voxels[i]}`);
    }
    finer = voxels;
  }
}

describe('an ingest', { timeout: 60_000 }, () => {
  it.each([
    ['an image', volume([130, 100, 70], 'uint8', 'image')],
    ['a segmentation', volume([130, 66, 70], 'uint64', 'segmentation')],
    ['a volume of flat voxels', volume([150, 140, 9], 'uint16', 'image', { voxel: [4, 4, 40] })],
    ['a volume of one tile along z', volume([129, 128, 33], 'uint8', 'image')],
  ])('[E27] makes the levels of %s block by block as the rule has them', async (_name, entry) => {
    const { database, channel, reads } = await ingest(entry);
    expect(blocksOf(channel, 0)).toBeDefined();
    await expectLevels(database, channel);
    expect(reads).toHaveLength([...tilesIn([0, 0, 0, ...gridShape(channel.mips[0] as MipInfo)])].length);
  });

  it('[E27] makes levels tile by tile where chunks of both levels do not lie on each other', async () => {
    const { database, channel } = await ingest(volume([130, 100, 70], 'uint8', 'image', { chunk: [33, 64, 64] }));
    expect(blocksOf(channel, 0)).toBeUndefined();
    await expectLevels(database, channel);
  });

  it('[I1] reads again only what is missing of a block that was cut off', async () => {
    const first = await ingest(volume([130, 66, 70], 'uint8', 'image'));
    const database = new MemoryDatabase();
    const { number } = first.channel;
    const some = [...tilesIn([0, 0, 0, 2, 1, 1])].map((tile) => keyOf(first.channel, 0, tile));
    const tiles = some.map((key) => ({ key: { ...key, channel: 1 }, frame: first.database.tile(key) as Uint8Array }));
    expect(number).toBe(1);
    await database.commit({ tiles });
    const again = await ingest(volume([130, 66, 70], 'uint8', 'image'), database);
    await expectLevels(database, again.channel);
  });
});
