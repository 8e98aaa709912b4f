/** A store of random tiles for benchmarks, written straight into LMDB. */
import { randomBytes } from 'node:crypto';
import { type MipInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { saveChannelRecord } from '../../src/core/channel.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { makeTileFrame } from '../../src/image/tile.ts';
import { gridShape, tileBox, tilesIn } from '../../src/query/tile-grid.ts';

/** Channels of the store, by name: path, shape, chunk. */
export const CHANNELS = {
  small: { path: 'bench/tiles/64k/em', shape: [256, 256, 256], chunk: [32, 32, 64] },
  large: { path: 'bench/tiles/256k/em', shape: [512, 512, 256], chunk: [64, 64, 64] },
  disk: { path: 'bench/tiles/disk/em', shape: [1024, 1024, 512], chunk: [64, 64, 64] },
} as const satisfies Record<string, { path: string; shape: Vec3; chunk: Vec3 }>;

/** Writes every channel. */
export async function makeStore(dataDir: string): Promise<void> {
  const database = await openLmdbDatabase(dataDir);
  let number = 1;
  for (const { path, shape, chunk } of Object.values(CHANNELS)) {
    const mip: MipInfo = { shape, chunk, voxel: [8, 8, 8], offset: [0, 0, 0] };
    const noise = randomBytes(volumeOf(chunk) + 4096);
    let n = 0;
    for (const [x, y, z] of tilesIn([0, 0, 0, ...gridShape(mip)])) {
      // Another piece of the noise for each tile: random enough for LZ4 not to find anything.
      const from = n++ % 4096;
      const raw = new Uint8Array(noise.subarray(from, from + volumeOf(chunk)));
      const frame = await makeTileFrame({
        raw,
        dtype: 'uint8',
        mip: 0,
        box: tileBox(mip, x, y, z),
        seq: 0,
        encoding: 'raw',
      });
      await database.commit({ tiles: [{ key: { channel: number, mip: 0, x, y, z, version: 0 }, frame }] });
    }
    await saveChannelRecord(database, path, {
      number: number++,
      fingerprint: 'bench',
      epoch: '0102030405060708',
      sourceKind: 'bench',
      type: 'image',
      dtype: 'uint8',
      mips: [mip],
      sourceMips: 1,
      ownChunks: [true],
      shifts: [[0, 0, 0]],
      ingested: true,
    });
  }
  await database.close();
}
