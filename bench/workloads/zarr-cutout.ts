/** A box of 256³ uint8 out of LMDB beside zarrita, which reads the same array from chunk files on disk. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import FileSystemStore from '@zarrita/storage/fs';
import { get, open, slice } from 'zarrita';
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import { Core } from '../../src/core/core.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { gridShape, tilesIn } from '../../src/query/tile-grid.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { CHANNELS } from '../support/store.ts';
import { CUTOUT_BOX } from './cutout.ts';

/** Both readers, open. */
export interface ZarrCutoutBench {
  /** Checks that both give the same voxels. */
  check(): Promise<void>;
  /** @returns bytes a second out of LMDB: nothing is kept between two boxes but what the kernel keeps. */
  ours(seconds: number): Promise<number>;
  /** @returns bytes a second of zarrita. */
  zarrita(seconds: number): Promise<number>;
  close(): Promise<void>;
}

/** Opens the store, and writes the same level as an uncompressed Zarr v3 array with the same chunks. */
export async function openZarrCutoutBench(dataDir: string): Promise<ZarrCutoutBench> {
  const { path: channelPath } = CHANNELS.large;
  const database = await openLmdbDatabase(dataDir);
  const maker = new InlineTileMaker();
  const core = new Core({ database, maker, cacheBytes: 1, channels: [{ path: channelPath }], log: SILENT_LOG });
  const channel = await core.updateQuery({ path: channelPath });
  const folder = mkdtempSync(path.join(tmpdir(), 'bfly-bench-zarr-'));
  await writeArray(core, folder);
  const array = await open(new FileSystemStore(folder), { kind: 'array' });
  const [x0, y0, z0, x1, y1, z1] = CUTOUT_BOX;
  const byUs = async (): Promise<Uint8Array> => (await core.readBox(channel, 0, CUTOUT_BOX)).raw;
  const byZarrita = async (): Promise<Uint8Array> => {
    const { data } = await get(array, [slice(z0, z1), slice(y0, y1), slice(x0, x1)]);
    return data as Uint8Array; // the array is uint8
  };
  return {
    check: async () => {
      if (Buffer.compare(await byUs(), await byZarrita()) !== 0) throw new Error('zarrita reads other voxels');
    },
    ours: (seconds) => overTime(byUs, seconds),
    zarrita: (seconds) => overTime(byZarrita, seconds),
    close: async () => {
      await maker.close();
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function writeArray(core: Core, folder: string): Promise<void> {
  const { path: channelPath, shape, chunk } = CHANNELS.large;
  const channel = await core.updateQuery({ path: channelPath });
  const level = channel.mips[0];
  if (level === undefined) throw new Error('the store has no such channel');
  const metadata = {
    ...{ zarr_format: 3, node_type: 'array', shape: shape.toReversed(), data_type: 'uint8', fill_value: 0 },
    chunk_grid: { name: 'regular', configuration: { chunk_shape: chunk.toReversed() } },
    chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
    codecs: [{ name: 'bytes' }],
    attributes: {},
  };
  writeFileSync(path.join(folder, 'zarr.json'), JSON.stringify(metadata));
  for (const [x, y, z] of tilesIn([0, 0, 0, ...gridShape(level)])) {
    const frame = await core.tiles.load(channel, 0, [x, y, z], 'raw');
    const file = path.join(folder, `c/${z}/${y}/${x}`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, frame.subarray(TILE_HEADER_BYTES));
  }
}

async function overTime(read: () => Promise<Uint8Array>, seconds: number): Promise<number> {
  await read();
  let bytes = 0;
  const start = performance.now();
  while (performance.now() - start < seconds * 1_000) bytes += (await read()).length;
  return bytes / ((performance.now() - start) / 1_000);
}
