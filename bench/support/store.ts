/** Stores for benchmarks, written straight into LMDB; what a tile holds can be made again, to compare with. */
import { createCipheriv } from 'node:crypto';
import { type Box, type DType, type MipInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { saveChannelRecord } from '../../src/core/channel.ts';
import type { TileWrite } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { storedEncoding } from '../../src/image/codecs/registry.ts';
import { tissueIds } from '../../src/image/demo-tissue.ts';
import { makeTileFrame } from '../../src/image/tile.ts';
import { gridShape, tileBox, tilesIn } from '../../src/query/tile-grid.ts';

/** A channel of one level. */
export interface BenchChannel {
  readonly path: string;
  readonly type: 'image' | 'segmentation';
  readonly dtype: DType;
  readonly shape: Vec3;
  readonly chunk: Vec3;
}

const image = (name: string, shape: Vec3, chunk: Vec3): BenchChannel => ({
  ...{ path: `bench/tiles/${name}/em`, type: 'image', dtype: 'uint8', shape, chunk },
});

/** Channels that every run's store has. */
export const CHANNELS = {
  small: image('64k', [256, 256, 256], [32, 32, 64]),
  large: image('256k', [512, 512, 256], [64, 64, 64]),
  /** Cells as in tissue, kept as the server keeps ids. */
  labels: {
    ...{ path: 'bench/tiles/labels/seg', type: 'segmentation', dtype: 'uint64' },
    ...{ shape: [512, 512, 128], chunk: [64, 64, 64] },
  },
} as const satisfies Record<string, BenchChannel>;

/** What edits are made of; a store of its own for each round, so that all begin with an empty log. */
export const EDITED = {
  ...{ path: 'bench/edits/cells/seg', type: 'segmentation', dtype: 'uint64' },
  ...{ shape: [64, 64, 64], chunk: [64, 64, 64] },
} as const satisfies BenchChannel;

/** Channels of 2 GiB, for a store of their own: larger than any cache that we give. */
export const DISK_CHANNELS = {
  small: image('disk-64k', [1024, 1024, 2048], [32, 32, 64]),
  large: image('disk-256k', [1024, 1024, 2048], [64, 64, 64]),
} as const satisfies Record<string, BenchChannel>;

/** The level of a channel. */
export function levelOf({ shape, chunk }: BenchChannel): MipInfo {
  return { shape, chunk, voxel: [8, 8, 8], offset: [0, 0, 0] };
}

/** Number of tiles of a channel. */
export function tileCount(channel: BenchChannel): number {
  return volumeOf(gridShape(levelOf(channel)));
}

/** Bytes of a commit: larger ones flush less often, and these are made at the speed of the disk. */
const COMMIT_BYTES = 32 * 2 ** 20;
const SEED = 20;
/** Tiles whose noise differs. */
const PIECES = 1 << 16;

/** Writes channels into a store that has none yet. */
export async function makeStore(
  dataDir: string,
  channels: readonly BenchChannel[] = Object.values(CHANNELS),
): Promise<void> {
  const database = await openLmdbDatabase(dataDir);
  for (const [n, channel] of channels.entries()) {
    const { path, type, dtype } = channel;
    const mip = levelOf(channel);
    const encoding = storedEncoding(type, dtype);
    let tiles: TileWrite[] = [];
    let bytes = 0;
    for (const [x, y, z] of tilesIn([0, 0, 0, ...gridShape(mip)])) {
      const box = tileBox(mip, x, y, z);
      const frame = await makeTileFrame({ raw: voxelsOf(channel, box), dtype, mip: 0, box, seq: 0, encoding });
      tiles.push({ key: { channel: n + 1, mip: 0, x, y, z, version: 0 }, frame });
      bytes += frame.length;
      if (bytes < COMMIT_BYTES) continue;
      await database.commit({ tiles });
      tiles = [];
      bytes = 0;
    }
    await database.commit({ tiles });
    await saveChannelRecord(database, path, {
      ...{ number: n + 1, fingerprint: 'bench', epoch: '0102030405060708', sourceKind: 'bench', type, dtype },
      ...{ mips: [mip], sourceMips: 1, ownChunks: [true], shifts: [[0, 0, 0]], ingested: true },
    });
  }
  await database.close();
}

const noises = new Map<number, Uint8Array>();

/**
 * What a tile holds: cells, or noise in which no compressor finds anything, the same in every process.
 *
 * @param box of a tile of the channel.
 * @returns voxels, x fastest, little-endian.
 */
export function voxelsOf(channel: BenchChannel, box: Box): Uint8Array {
  if (channel.type === 'segmentation') return tissueIds(SEED, box);
  const [nx, ny] = gridShape(levelOf(channel));
  const [x, y, z] = ([0, 1, 2] as const).map((axis) => box[axis] / channel.chunk[axis]) as [number, number, number];
  const size = volumeOf(channel.chunk);
  const noise =
    noises.get(size) ??
    createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(size + PIECES));
  noises.set(size, noise);
  const from = (x + nx * (y + ny * z)) % PIECES;
  return new Uint8Array(noise.subarray(from, from + size));
}
