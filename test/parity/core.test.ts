/** Ids, queries and the cache: cases 8 to 15 of the parity list, by number. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import { Cache } from '../../src/core/cache.ts';
import { bigVolume, channelOf, IM, openArrayCore, SEG, SEG64, valuesOf, voxelsOf } from '../support/array-core.ts';
import { LegacyClient } from '../support/legacy-client.ts';
import { lineTransports } from '../support/line-server.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const AT = 'e/s/d/';

describe('the Core', () => {
  const { core } = openArrayCore([
    channelOf(`${AT}seg`, SEG),
    channelOf(`${AT}seg64`, SEG64),
    channelOf(`${AT}flt`, { data: voxelsOf([4, 1, 1], 'float32', (x) => x / 2), shape: [4, 1, 1], dtype: 'float32' }),
    // The chunk (0, 0, 0) is not there.
    channelOf(
      `${AT}holes`,
      { ...SEG, kind: 'precomputed', chunk: [4, 6, 4] },
      { readChunk: async (_mip, [x]) => (x === 0 ? 'absent' : undefined) },
    ),
    channelOf(`${AT}big`, bigVolume(), { maxBlockBytes: 2 ** 20 }),
  ]);
  const unique = async (channel: string, z: number, width = 8) => [
    ...(await core.findUnique({ path: AT + channel, mip: 0, box: [0, 0, 0, width, 6, z] })),
  ];

  it('[parity 8] finds the distinct ids of a box, of every dtype, missing tiles being 0', async () => {
    expect(await unique('seg', 2)).toEqual(Array.from({ length: 24 }, (_, i) => BigInt(i * 1000)));
    expect((await unique('seg64', 4)).slice(0, 2)).toEqual([2n ** 40n, 2n ** 40n + 1n]);
    expect(await unique('holes', 4, 4)).toEqual([0n]);
    await expect(unique('flt', 1)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('float32'),
    });
  });

  it('[parity 9] makes queries of one voxel, and names tiles by path, scales and index', async () => {
    const query = core.makeDataQuery({ path: `${AT}big` });
    expect(query).toMatchObject({ path: `${AT}big`, size: [1, 1, 1], origin: [0, 0, 0], resolution: 0 });
    expect((await core.makeTileQuery(query)).key).toBe(`${AT}big[1 1 1 0 0 0]`);
    expect((await core.makeTileQuery({ ...query, resolution: 1 }, [0, 1, 1])).key).toBe(`${AT}big[1 2 2 1 1 0]`);
  });
});

describe('the cache', () => {
  const bytes = (length: number): Uint8Array => new Uint8Array(length);
  const held = (cache: Cache): string[] =>
    ['a', 'b', 'c', 'd', 'whole', 'more'].filter((key) => cache.get(key) !== undefined);
  const used = (): Cache => {
    const cache = new Cache(1_000);
    cache.set('a', bytes(400));
    cache.set('b', bytes(400));
    cache.get('a');
    cache.set('c', bytes(400));
    return cache;
  };

  it('[parity 10] drops what was not used for longest', () => {
    const cache = used();
    expect([held(cache), cache.use.bytes]).toEqual([['a', 'c'], 800]);
  });

  it('[parity 11] counts what an entry takes the place of', () => {
    const cache = used();
    cache.set('c', bytes(400));
    cache.set('c', bytes(400));
    expect(cache.use.bytes).toBe(800);
    cache.set('d', bytes(100));
    expect([held(cache), cache.use.bytes]).toEqual([['a', 'c', 'd'], 900]);
  });

  it('[parity 12] refuses what is larger than all of it, and takes what just fits', () => {
    const cache = new Cache(1_000);
    expect([cache.set('more', bytes(1_001)), cache.use.bytes]).toEqual([false, 0]);
    expect([cache.set('whole', bytes(1_000)), cache.use.bytes]).toEqual([true, 1_000]);
    expect(cache.set('a', bytes(1))).toBe(true);
    expect(held(cache)).toEqual(['a']);
  });

  it('[parity 13] counts tiles by what they keep in memory', () => {
    const cache = new Cache(1_000_000);
    for (let i = 0; i < 10; i++) cache.set(`tile ${i}`, bytes(810_000).subarray(i, i + 100));
    expect(cache.use).toMatchObject({ entries: 1, bytes: 810_000 });
  });

  it('[parity 14] says nothing of what it does not hold', () => {
    expect(new Cache(1_000).get('nothing')).toBeUndefined();
  });

  it('[parity 14] has a tile read once for two who want it at the same time', async () => {
    const { core, reads } = openArrayCore([channelOf(`${AT}im`, IM)]);
    const channel = await core.updateQuery({ path: `${AT}im` });
    const [one, two] = await Promise.all([0, 1].map(() => core.tiles.load(channel, 0, [0, 0, 0], 'raw')));
    expect(reads).toHaveLength(1);
    expect(valuesOf((one as Uint8Array).subarray(TILE_HEADER_BYTES), 'uint8')).toEqual([...IM.data]);
    expect(two).toEqual(one);
  });
});

describe.each(lineTransports('edits and the cache'))('edits over %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    const volume = { path: `${AT}seg`, data: SEG.data, shape: SEG.shape, dtype: SEG.dtype } as const;
    server = await startTestServer({ kind, volumes: [volume], cacheBytes: 4_096 });
  });
  afterAll(() => server.stop());

  it('[parity 15] do not live in the cache: they outlast everything that is dropped from it', async () => {
    const { client } = await LegacyClient.welcomed(server.port, '/ws/e::s::d/seg');
    const before = server.core.cache.use;
    const set = Array.from({ length: 1_000 }, (_, id) => String(id));
    expect((await client.save([set])).merge).toEqual([set]);
    expect(server.core.cache.use).toEqual(before);
    for (let i = 0; i < 100; i++) server.core.cache.set(`filling ${i}`, new Uint8Array(1_024));
    server.core.cache.deletePrefix('');
    expect(server.core.cache.use).toMatchObject({ entries: 0, bytes: 0 });
    const { client: other, welcome } = await LegacyClient.welcomed(server.port, '/ws/e::s::d/seg');
    expect(welcome.merge).toEqual([set]);
    for (const each of [client, other]) each.close();
  });
});
