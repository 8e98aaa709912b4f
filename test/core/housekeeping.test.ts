/** What must not stay in the store, and what must not get too large. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { finishDrops, openChannel } from '../../src/core/channel.ts';
import { Core } from '../../src/core/core.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { openArraySource } from '../../src/image/array-source.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { fillTileFrame } from '../../src/image/tile.ts';
import { ingestChannel } from '../../src/ingest/ingest.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

const path = 'lab/fly/cube/em';
const spec = { path: '/em' };

describe('housekeeping', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('sees within seconds that the data of a source have changed, and serves the new ones under a new epoch', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    let value = 3;
    let closed = 0;
    const maker = new InlineTileMaker(async () => {
      const data = new Uint8Array(64 ** 3).fill(value);
      const source = await openArraySource({ data, shape: [64, 64, 64], dtype: 'uint8' });
      const info = { ...source.info, fingerprint: `value ${value}` };
      return { info, read: (mip, box) => source.read(mip, box), close: async () => void closed++ };
    });
    const database = new MemoryDatabase();
    const core = new Core({ database, maker, cacheBytes: 2 ** 24, channels: [{ path, spec }], log: SILENT_LOG });
    const voxel = async (): Promise<number | undefined> => {
      const { raw } = await core.readBox(await core.updateQuery({ path }), 0, [1, 2, 3, 2, 3, 4]);
      return raw[0];
    };
    expect(await voxel()).toBe(3);
    const before = await core.getInfo({ path });
    const stale = await core.updateQuery({ path });
    value = 4;
    expect(await voxel()).toBe(3);
    vi.setSystemTime(Date.now() + 11_000);
    await voxel(); // looks, beside answering
    await vi.waitFor(async () => expect(await voxel()).toBe(4));
    const after = await core.getInfo({ path });
    expect('epoch' in before && 'epoch' in after && before.epoch).not.toEqual('epoch' in after && after.epoch);
    // Who still holds the old channel hears of it instead of being given new voxels as old ones.
    await expect(core.tiles.load({ ...stale, number: 99 }, 0, [0, 0, 0], 'raw')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(closed).toBeGreaterThan(0);
    await maker.close();
  });

  it('keeps neither chunks that the source does not have, nor what is built from them', async () => {
    const database = new MemoryDatabase();
    let missing = true;
    const maker = new InlineTileMaker(async () => {
      const data = new Uint8Array(128 * 64 * 64).fill(7);
      const source = await openArraySource({ data, shape: [128, 64, 64], dtype: 'uint8', kind: 'precomputed' });
      return {
        info: source.info,
        read: (mip, box) => source.read(mip, box),
        readChunk: async (_mip, [x]) => (missing && x === 1 ? 'absent' : undefined),
        close: () => source.close(),
      };
    });
    const core = new Core({ database, maker, cacheBytes: 2 ** 24, channels: [{ path, spec }], log: SILENT_LOG });
    const channel = await core.updateQuery({ path });
    expect(channel.mips[1]?.shape).toEqual([64, 32, 32]);
    await core.tiles.loadStored(channel, 1, [0, 0, 0]);
    const stored = (mip: number, x: number): boolean =>
      database.hasTile({ channel: channel.number, mip, x, y: 0, z: 0, version: 0 });
    expect([stored(0, 0), stored(0, 1), stored(1, 0)]).toEqual([true, false, false]);
    missing = false;
    core.cache.deletePrefix('');
    await core.tiles.loadStored(channel, 1, [0, 0, 0]);
    expect([stored(0, 1), stored(1, 0)]).toEqual([true, true]);
  });

  it('removes the tiles of a channel that was given up, also when it was cut off before', async () => {
    const database = new MemoryDatabase();
    const frame = fillTileFrame({ dtype: 'uint8', mip: 0, box: [0, 0, 0, 8, 8, 8], seq: 0 });
    const key = { channel: 5, mip: 0, x: 0, y: 0, z: 0, version: 0 };
    await database.commit({ tiles: [{ key, frame }], records: [['drop:5', 5]] });
    await finishDrops(database);
    expect(database.hasTile(key)).toBe(false);
    expect(database.records('drop:')).toEqual([]);
  });

  it('refuses to ingest over another volume unless it is told to', async () => {
    const database = new MemoryDatabase();
    let value = 1;
    const maker = new InlineTileMaker(async () => {
      const source = await openArraySource({ data: new Uint8Array(512).fill(value), shape: [8, 8, 8], dtype: 'uint8' });
      const info = { ...source.info, fingerprint: `value ${value}` };
      return { info, read: (mip, box) => source.read(mip, box), close: () => source.close() };
    });
    const ingest = (more: object) => {
      const signal = new AbortController().signal;
      const entry = { path, spec, ...more };
      return ingestChannel({ database, maker, entry, log: SILENT_LOG, signal, onProgress: () => {} });
    };
    const first = await ingest({ voxel: [5, 6, 7] });
    expect((await ingest({})).mips[0]?.voxel).toEqual([5, 6, 7]);
    value = 2;
    await expect(ingest({})).rejects.toMatchObject({ code: 'CONFLICT' });
    const second = await ingest({ replace: true });
    expect(second.number).not.toBe(first.number);
    const key = { mip: 0, x: 0, y: 0, z: 0, version: 0 };
    expect([first, second].map(({ number }) => database.hasTile({ ...key, channel: number }))).toEqual([false, true]);
  });

  it('does not serve what was ingested at a path as the voxels of another file that is configured there', async () => {
    const database = new MemoryDatabase();
    const maker = new InlineTileMaker(async (opened) => {
      const file = 'path' in opened ? opened.path : '';
      const source = await openArraySource({ data: new Uint8Array(512).fill(9), shape: [8, 8, 8], dtype: 'uint8' });
      const info = { ...source.info, fingerprint: file.endsWith('other') ? 'other' : 'first' };
      return { info, read: (mip, box) => source.read(mip, box), close: () => source.close() };
    });
    const signal = new AbortController().signal;
    await ingestChannel({ database, maker, entry: { path, spec }, log: SILENT_LOG, signal, onProgress: () => {} });
    expect((await openChannel({ path, spec }, database, maker)).ingested).toBe(true);
    expect((await openChannel({ path }, database, maker)).ingested).toBe(true);
    // The same data by another name are the same data.
    expect((await openChannel({ path, spec: { path: '/link/em' } }, database, maker)).ingested).toBe(true);
    await expect(openChannel({ path, spec: { path: '/other' } }, database, maker)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  });

  it('[D6] cuts configured chunks of more than 4 MiB', async () => {
    const data = new Uint8Array(256 * 128 * 256);
    const maker = new InlineTileMaker(() => openArraySource({ data, shape: [256, 128, 256], dtype: 'uint8' }));
    const entry = { path, spec, chunk: [256, 128, 256] as const };
    const channel = await openChannel(entry, new MemoryDatabase(), maker);
    expect(channel.mips[0]?.chunk).toEqual([128, 128, 256]);
  });
});
