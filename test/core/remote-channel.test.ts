/** A server in front of volumes on other machines: what was read once is in the store, and stays there when the other is away. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Box, mipBox } from '../../protocol/volume.ts';
import { channelsAt, openChannel } from '../../src/core/channel.ts';
import { Core } from '../../src/core/core.ts';
import type { Database } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { writeN5 } from '../image/n5-fixture.ts';
import { raw16, SIZE, writeFiles } from '../image/precomputed-fixture.ts';
import { errorOf, randomBytes } from '../image/source-fixtures.ts';
import { COMPRESSORS, writeV2 } from '../image/zarr-fixture.ts';
import { VolumeServer } from '../support/volume-server.ts';

const CHANNEL = 'e/s/d/c';

let folder = '';
let remote: VolumeServer;
let database: Database;
let maker: InlineTileMaker;
let core: Core;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'bfly-remote-'));
  remote = await VolumeServer.open(path.join(folder, 'bucket'));
});

afterEach(async () => {
  await stop();
  await remote.close().catch(() => {});
  rmSync(folder, { recursive: true, force: true });
});

async function start(url: string): Promise<void> {
  database = await openLmdbDatabase(path.join(folder, 'store'));
  maker = new InlineTileMaker();
  const channels = [{ path: CHANNEL, spec: { path: url } }];
  core = new Core({ database, maker, cacheBytes: 2 ** 20, channels, log: SILENT_LOG });
}

async function stop(): Promise<void> {
  await maker.close();
  await database.close();
}

/** Voxels of a level, or of a box of it. */
async function read(mip = 0, box?: Box): Promise<Buffer> {
  const channel = await core.updateQuery({ path: CHANNEL });
  const level = channel.mips[mip];
  if (level === undefined) throw new Error(`no mip ${mip}`);
  const { raw } = await core.readBox(channel, mip, box ?? mipBox(level));
  return Buffer.from(raw);
}

const shape = [96, 160, 160] as const;
const voxels = randomBytes(1, 96 * 160 * 160);

/** Each writes a volume into the bucket and gives its voxels; chunks of 64³ or so are served as they are. */
const VOLUMES: [string, () => Promise<Uint8Array>, number][] = [
  [
    'precomputed',
    async () => {
      mkdirSync(path.join(folder, 'bucket'));
      await (await writeFiles(path.join(folder, 'bucket'), raw16)).close();
      return raw16.voxels;
    },
    3 * 2 * 3,
  ],
  [
    'Zarr',
    async () => {
      const volume = { shape, size: 1, bytes: voxels };
      const compressor = COMPRESSORS['blosc of lz4'];
      await writeV2(path.join(folder, 'bucket'), volume, { dtype: '|u1', chunks: [64, 64, 64], compressor });
      return voxels;
    },
    2 * 3 * 3,
  ],
  [
    'N5',
    async () => {
      await writeN5(
        path.join(folder, 'bucket'),
        { shape, size: 1, bytes: voxels },
        { type: 'uint8', block: [64, 64, 64] },
      );
      return voxels;
    },
    2 * 3 * 3,
  ],
];

/** Requests for chunks, not for metadata. */
const chunkRequests = (): string[] =>
  remote.requests.map(({ url }) => url).filter((url) => !/(info|\.json|\.z[a-z]+)$/.test(url) && /\d/.test(url));

describe.each(VOLUMES)('%s over HTTP', (_, write, chunks) => {
  it('asks for each chunk once, and never again: not from memory, nor from the store after a restart', async () => {
    const wanted = await write();
    await start(remote.url);
    expect(Buffer.compare(await read(), wanted)).toBe(0);
    expect(chunkRequests()).toHaveLength(chunks);
    remote.requests.length = 0;
    core.cache.deletePrefix('');
    expect(Buffer.compare(await read(), wanted)).toBe(0);
    expect(chunkRequests()).toEqual([]);
    await stop();
    await start(remote.url);
    expect(Buffer.compare(await read(), wanted)).toBe(0);
    expect(chunkRequests()).toEqual([]);
  });

  it('serves what is in the store while the other machine is away, also after a restart; the rest is UNAVAILABLE for now', async () => {
    const wanted = await write();
    await start(remote.url);
    const level = (await core.updateQuery({ path: CHANNEL })).mips[0];
    if (level === undefined) throw new Error('no level');
    const first: Box = [
      ...level.offset,
      level.offset[0] + level.chunk[0],
      level.offset[1] + level.chunk[1],
      level.offset[2] + level.chunk[2],
    ];
    const kept = await read(0, first);
    const { port, url } = remote;
    await remote.close();
    core.cache.deletePrefix('');
    expect(Buffer.compare(await read(0, first), kept)).toBe(0);
    await stop();
    await start(url);
    expect(Buffer.compare(await read(0, first), kept)).toBe(0);
    expect((await core.updateQuery({ path: CHANNEL })).mips[0]).toEqual(level);
    const error = await errorOf(read());
    expect([error.code, error.message]).toEqual(['UNAVAILABLE', expect.stringContaining('it cannot be reached')]);
    // Back again, at the same address, with the same volume.
    remote = await VolumeServer.open(path.join(folder, 'bucket'), { port });
    core.cache.deletePrefix('');
    maker = new InlineTileMaker();
    const channels = [{ path: CHANNEL, spec: { path: url } }];
    core = new Core({ database, maker, cacheBytes: 2 ** 20, channels, log: SILENT_LOG });
    expect(Buffer.compare(await read(), wanted)).toBe(0);
    expect(chunkRequests()).toHaveLength(chunks - 1);
  });

  it('keeps no chunk for ever that is not there, and gives up its tiles when the metadata change', async () => {
    const wanted = await write();
    renameSync(path.join(folder, 'bucket'), path.join(folder, 'away'));
    // Metadata alone.
    cpSync(path.join(folder, 'away'), path.join(folder, 'bucket'), {
      recursive: true,
      filter: (file) => !/\/(\d+-.*|\d+(\.\d+)*)$/.test(file),
    });
    await start(remote.url);
    expect((await read()).every((byte) => byte === 0)).toBe(true);
    rmSync(path.join(folder, 'bucket'), { recursive: true });
    renameSync(path.join(folder, 'away'), path.join(folder, 'bucket'));
    core.cache.deletePrefix('');
    expect(Buffer.compare(await read(), wanted)).toBe(0);
    const before = await core.updateQuery({ path: CHANNEL });
    await stop();
    remote.edition++;
    await start(remote.url);
    remote.requests.length = 0;
    expect(Buffer.compare(await read(), wanted)).toBe(0);
    expect(chunkRequests()).toHaveLength(chunks);
    expect((await core.updateQuery({ path: CHANNEL })).number).not.toBe(before.number);
  });
});

it('the store tells which channels it has of an address, or of a dataset there', async () => {
  const store = new MemoryDatabase();
  const volume = { shape: [4, 4, 4], size: 1, bytes: randomBytes(1, 64) };
  for (const name of ['a', 'b'])
    await writeV2(path.join(folder, 'bucket', name), volume, { dtype: '|u1', chunks: [4, 4, 4] });
  writeFileSync(path.join(folder, 'bucket/.zgroup'), '{"zarr_format": 2}');
  const { url } = remote;
  const entries = [
    { path: 'e/s/d/a', spec: { path: url, dataset: 'a' } },
    { path: 'e/s/d/b', spec: { path: url, dataset: 'b' } },
    { path: 'e/s/d/c', spec: { path: `${url}/a` } },
  ];
  const inline = new InlineTileMaker();
  for (const entry of entries) await openChannel(entry, store, inline);
  expect(channelsAt(store, url)).toEqual(entries.slice(0, 2));
  expect(channelsAt(store, `${url}/a`)).toEqual([entries[0], entries[2]]);
  expect(channelsAt(store, `${url}/none`)).toEqual([]);
  await inline.close();
  await start(url);
});

it('a volume that was never read cannot be opened while its machine is away', async () => {
  const { url } = remote;
  await remote.close();
  await start(url);
  expect((await errorOf(core.updateQuery({ path: CHANNEL }))).code).toBe('UNAVAILABLE');
});

it('the fixture is as large as its chunks are counted', () => {
  expect(SIZE.map((size, axis) => Math.ceil(size / ([8, 8, 4][axis] ?? 1)))).toEqual([3, 2, 3]);
});
