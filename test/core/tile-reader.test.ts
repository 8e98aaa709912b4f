import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { readTileHeader, TILE_HEADER_BYTES, TileFlag } from '../../protocol/tile-frame.ts';
import { encodingNumber, mipBox } from '../../protocol/volume.ts';
import { channelRecord, saveChannelRecord } from '../../src/core/channel.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { decodeTileFrame } from '../../src/image/tile.ts';
import type { Logger } from '../../src/utility/log.ts';
import {
  type ArrayChannel,
  type ArrayCore,
  type ArrayCoreOptions,
  channelOf,
  IM,
  naiveBox,
  openArrayCore,
  SEG,
  SEG64,
  voxelsOf,
} from '../support/array-core.ts';
import { useManualClock } from '../support/manual-clock.ts';

const PATH = 'e/s/d/c';
/** Two tiles along x and y, one along z. */
const IM_TILES: ArrayChannel = channelOf(PATH, IM, { chunk: [4, 3, 4] });
const SEG_TILES: ArrayChannel = channelOf(PATH, SEG, { chunk: [4, 3, 4] });

async function open(channel: ArrayChannel, options: ArrayCoreOptions = {}) {
  const opened: ArrayCore = openArrayCore([channel], options);
  return { ...opened, tiles: opened.core.tiles, channel: await opened.core.updateQuery({ path: channel.path }) };
}

/** What lies in a gate waits until it is opened. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

const payload = (frame: Uint8Array): Uint8Array => frame.slice(TILE_HEADER_BYTES);
const imTile = (x: number, y: number): Uint8Array =>
  naiveBox(IM.data, [0, 0, 0, 8, 6, 4], [4 * x, 3 * y, 0, 4 * x + 4, 3 * y + 3, 4], 1);

describe('a tile that nobody has', () => {
  it('[parity 14] is read from its source once, however many ask for it at the same time', async () => {
    const waiting = gate();
    const { tiles, channel, reads } = await open(IM_TILES, { beforeRead: () => waiting.passed });
    const asked = Array.from({ length: 50 }, (_, index) =>
      index % 2 === 0 ? tiles.load(channel, 0, [1, 0, 0], 'raw') : tiles.loadStored(channel, 0, [1, 0, 0]),
    );
    await Promise.resolve();
    expect(tiles.loading).toBe(1);
    waiting.open();
    const frames = await Promise.all(asked);
    expect(reads).toHaveLength(1);
    expect(new Set(frames).size).toBe(1);
    expect(payload(frames[0] as Uint8Array)).toEqual(imTile(1, 0));
    expect(tiles.loading).toBe(0);
  });

  it('is coded once, however many ask for the same encoding', async () => {
    const { tiles, channel, maker } = await open(SEG_TILES);
    let transcodings = 0;
    const transcode = maker.transcode.bind(maker);
    maker.transcode = (...call) => {
      transcodings++;
      return transcode(...call);
    };
    await Promise.all(Array.from({ length: 50 }, () => tiles.load(channel, 0, [0, 0, 0], 'raw')));
    expect(transcodings).toBe(1);
    await tiles.load(channel, 0, [0, 0, 0], 'raw');
    expect(transcodings).toBe(1);
  });

  it('is kept in the store: after a restart the source is not asked', async () => {
    const database = new MemoryDatabase();
    const before = await open(IM_TILES, { database });
    await before.tiles.load(before.channel, 0, [1, 1, 0], 'raw');
    const after = await open(IM_TILES, { database });
    expect(after.tiles.peek(after.channel, 0, [0, 0, 0], 'raw', true)).toBeUndefined();
    const frame = after.tiles.peek(after.channel, 0, [1, 1, 0], 'raw', true);
    expect(payload(frame as Uint8Array)).toEqual(imTile(1, 1));
    expect(after.reads).toEqual([]);
  });

  it('says where it is', async () => {
    const { tiles, channel } = await open(channelOf(PATH, { ...IM, offset: [-10, 5, 100] }, { chunk: [4, 3, 4] }));
    const header = readTileHeader(await tiles.load(channel, 0, [1, 1, 0], 'raw'));
    expect(header).toMatchObject({ mip: 0, x: -6, y: 8, z: 100, sizeX: 4, sizeY: 3, rawLength: 48, id: 0, item: 0 });
  });

  it('is not mixed up with that of another channel, level or place', async () => {
    const { core } = openArrayCore([
      channelOf('e/s/d/a', IM, { chunk: [4, 3, 2] }),
      channelOf('e/s/d/b', { ...IM, data: IM.data.map((v) => 255 - v) }, { chunk: [4, 3, 2] }),
    ]);
    const seen = new Set<string>();
    for (const path of ['e/s/d/a', 'e/s/d/b']) {
      const channel = await core.updateQuery({ path });
      for (const [mip, tile] of [
        [0, [0, 0, 0]],
        [0, [1, 0, 0]],
        [0, [0, 1, 0]],
        [0, [0, 0, 1]],
        [1, [0, 0, 0]],
      ] as const)
        seen.add(Buffer.from(payload(await core.tiles.load(channel, mip, tile, 'raw'))).toString('hex'));
    }
    expect(seen.size).toBe(10);
  });
});

describe('a tile that cannot be read', () => {
  it('fails for all who ask, is not asked for again for two seconds, and then is', async () => {
    const clock = useManualClock();
    let broken = true;
    const { tiles, channel, reads } = await open(IM_TILES, {
      beforeRead: async () => {
        if (broken) throw new Error('/secret/path: bad sector');
      },
    });
    const load = () => tiles.load(channel, 0, [0, 0, 0], 'raw');
    const outcomes = await Promise.allSettled([load(), load(), load()]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'INTERNAL', name: 'BflyError' } });
    expect(JSON.stringify(outcomes)).not.toContain('secret');
    clock.advance(1_900);
    await expect(load()).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(() => tiles.peek(channel, 0, [0, 0, 0], 'raw', true)).toThrow(BflyError);
    expect(reads).toHaveLength(1);
    broken = false;
    clock.advance(200);
    expect(payload(await load())).toEqual(imTile(0, 0));
    expect(reads).toHaveLength(2);
  });

  it('passes on what the source says is wrong', async () => {
    const fault = new BflyError('UNSUPPORTED', 'chunk 0_0 is damaged');
    const { tiles, channel } = await open(IM_TILES, { beforeRead: () => Promise.reject(fault) });
    await expect(tiles.load(channel, 0, [0, 0, 0], 'raw')).rejects.toBe(fault);
  });

  it('leaves its neighbours as they are', async () => {
    const { tiles, channel } = await open(IM_TILES, {
      beforeRead: async ({ box }) => {
        if (box[0] === 0) throw new Error('broken');
      },
    });
    await expect(tiles.load(channel, 0, [0, 0, 0], 'raw')).rejects.toThrow();
    expect(payload(await tiles.load(channel, 0, [1, 0, 0], 'raw'))).toEqual(imTile(1, 0));
  });

  it('breaks those that are built from it, and they heal with it', async () => {
    const clock = useManualClock();
    let broken = true;
    const { tiles, channel } = await open(channelOf(PATH, IM, { chunk: [2, 2, 2] }), {
      beforeRead: async ({ box }) => {
        if (broken && box[0] === 2) throw new Error('broken');
      },
    });
    await expect(tiles.load(channel, 2, [0, 0, 0], 'raw')).rejects.toMatchObject({ code: 'INTERNAL' });
    broken = false;
    clock.advance(2_100);
    await expect(tiles.load(channel, 2, [0, 0, 0], 'raw')).resolves.toBeDefined();
  });

  it('was never ingested where there is no source any more', async () => {
    const database = new MemoryDatabase();
    await open(IM_TILES, { database });
    const record = channelRecord(database, PATH);
    if (record === undefined) throw new Error('no record');
    await saveChannelRecord(database, PATH, { ...record, ingested: true });
    const { tiles, channel } = await open(IM_TILES, { database });
    await expect(tiles.load(channel, 0, [1, 0, 0], 'raw')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'tile 1,0,0 of mip 0 was never ingested and there is no source',
    });
  });
});

describe('a tile that the source does not have', () => {
  it('is zeros, believed for two seconds and never stored', async () => {
    const clock = useManualClock();
    let asked = 0;
    const database = new MemoryDatabase();
    const volume = { ...IM, kind: 'precomputed', chunk: [4, 3, 4] as const };
    const { tiles, channel } = await open(
      channelOf(PATH, volume, {
        readChunk: async () => {
          asked++;
          return 'absent';
        },
      }),
      { database },
    );
    const frame = await tiles.load(channel, 0, [0, 0, 0], 'raw');
    expect(readTileHeader(frame)?.flags).toBe(TileFlag.FILL | TileFlag.LAST);
    expect([...(await decodeTileFrame(frame, 'uint8'))]).toEqual(Array(48).fill(0));
    clock.advance(1_900);
    expect(await tiles.load(channel, 0, [0, 0, 0], 'raw')).toBe(frame);
    expect(asked).toBe(1);
    clock.advance(200);
    await tiles.load(channel, 0, [0, 0, 0], 'raw');
    expect(asked).toBe(2);
    expect(database.countTiles(channel.number, 0)).toBe(0);
  });
});

describe('a stored tile', () => {
  /** A Core on a store that has all tiles of a channel, with an empty cache. */
  async function restarted(volume: ArrayChannel, options: ArrayCoreOptions = {}) {
    const database = new MemoryDatabase();
    const before = await open(volume, { database });
    await before.core.readBox(before.channel, 0, [0, 0, 0, 8, 6, 4]);
    return { ...(await open(volume, { ...options, database })), database };
  }

  it('that is read once leaves the cache as it was, and is in it from the second time on', async () => {
    const { tiles, channel, core } = await restarted(IM_TILES);
    for (const keep of [true, false]) {
      tiles.peek(channel, 0, [keep ? 0 : 1, 0, 0], 'raw', keep);
      expect(core.cache.use.entries).toBe(keep ? 0 : 1);
      tiles.peek(channel, 0, [keep ? 0 : 1, 0, 0], 'raw', keep);
      expect(core.cache.use.entries).toBe(keep ? 1 : 2);
    }
    await tiles.load(channel, 0, [0, 1, 0], 'raw');
    expect(core.cache.use.entries).toBe(2);
    await tiles.load(channel, 0, [0, 1, 0], 'raw');
    expect(core.cache.use.entries).toBe(3);
  });

  it('stays out of a cache that is too small for all that is read between', async () => {
    // A frame has 64 + 48 bytes: three of the four fit.
    const { tiles, channel, core } = await restarted(IM_TILES, { cacheBytes: 400 });
    const places = [0, 1].flatMap((y) => [0, 1].map((x) => [x, y, 0] as const));
    for (let round = 0; round < 3; round++)
      for (const place of places) {
        tiles.peek(channel, 0, place, 'raw', false);
        expect(core.cache.use.entries).toBe(0);
      }
    // One that is read more often than that is in it, without having to wait for the others.
    tiles.peek(channel, 0, [1, 1, 0], 'raw', false);
    expect(core.cache.use.entries).toBe(1);
  });

  it('that is wanted in another encoding is kept in that one only', async () => {
    const { tiles, channel, core } = await restarted(SEG_TILES);
    expect(channel.stored).toBe('cseg');
    expect(tiles.peek(channel, 0, [0, 0, 0], 'raw', true)).toBeUndefined();
    const frame = await tiles.load(channel, 0, [0, 0, 0], 'raw');
    expect(core.cache.use).toMatchObject({ entries: 1, bytes: frame.buffer.byteLength });
    expect(tiles.peek(channel, 0, [0, 0, 0], 'raw', true)).toBe(frame);
  });

  it('is in the cache from the second reading on when it is loaded for others to be built from', async () => {
    const { tiles, channel, core } = await restarted(SEG_TILES);
    await tiles.loadStored(channel, 0, [0, 0, 0]);
    expect(core.cache.use.entries).toBe(0);
    await tiles.loadStored(channel, 0, [0, 0, 0]);
    expect(core.cache.use.entries).toBe(1);
  });

  it('stays what it is while others are read after it', async () => {
    const { tiles, channel } = await restarted(IM_TILES);
    const places = [0, 1].flatMap((y) => [0, 1].map((x) => [x, y, 0] as const));
    for (const again of [1, 2, 3]) {
      // The second round puts borrowed bytes into the cache, the third takes them out of it.
      for (const place of places) tiles.peek(channel, 0, place, 'raw', again !== 2);
      const frames = await Promise.all(places.map((place) => tiles.load(channel, 0, place, 'raw')));
      for (const [index, [x, y]] of places.entries())
        expect(payload(frames[index] as Uint8Array)).toEqual(imTile(x, y));
    }
  });

  it('is borrowed by who says so, and owned by who keeps it', async () => {
    const { tiles, channel } = await restarted(IM_TILES);
    const kept = tiles.peek(channel, 0, [0, 0, 0], 'raw', true) as Uint8Array;
    const borrowed = tiles.peek(channel, 0, [1, 0, 0], 'raw', false) as Uint8Array;
    expect(payload(borrowed)).toEqual(imTile(1, 0));
    tiles.peek(channel, 0, [1, 1, 0], 'raw', false);
    expect(payload(borrowed)).toEqual(imTile(1, 1));
    expect(payload(kept)).toEqual(imTile(0, 0));
    expect(kept.buffer.byteLength).toBe(kept.length);
  });

  it('is served without a cache', async () => {
    const { tiles, channel, core, reads } = await restarted(IM_TILES, { cacheBytes: 0 });
    for (let i = 0; i < 3; i++) expect(payload(await tiles.load(channel, 0, [1, 0, 0], 'raw'))).toEqual(imTile(1, 0));
    expect(core.cache.use.entries).toBe(0);
    expect(reads).toEqual([]);
  });
});

describe('encodings', () => {
  it.each(['raw', 'gzip', 'png', 'cseg'] as const)('a tile loaded as %s holds the same voxels', async (encoding) => {
    const channel16 = channelOf(PATH, { ...IM, dtype: 'uint16', shape: [8, 6, 2] }, { chunk: [4, 3, 2] });
    const volume = encoding === 'png' ? channel16 : SEG_TILES;
    const { tiles, channel, core } = await open(volume);
    const frame = await tiles.load(channel, 0, [1, 1, 0], encoding);
    expect(readTileHeader(frame)?.encoding).toBe(encodingNumber(encoding));
    const { raw } = await core.readBox(channel, 0, [4, 3, 0, 8, 6, channel.mips[0]?.shape[2] ?? 0]);
    expect(await decodeTileFrame(frame, channel.dtype)).toEqual(raw);
  });

  it('a tile of one value is a FILL in every encoding', async () => {
    const data = voxelsOf([8, 8, 8], 'uint64', () => 2n ** 60n + 1n);
    const { tiles, channel } = await open(channelOf(PATH, { data, shape: [8, 8, 8], dtype: 'uint64' }));
    const stored = await tiles.loadStored(channel, 0, [0, 0, 0]);
    expect(stored).toHaveLength(TILE_HEADER_BYTES + 8);
    for (const encoding of ['raw', 'gzip', 'cseg'] as const) {
      expect(await tiles.load(channel, 0, [0, 0, 0], encoding)).toBe(stored);
      expect(tiles.peek(channel, 0, [0, 0, 0], encoding, true)).toBe(stored);
    }
    expect(Buffer.compare(await decodeTileFrame(stored, 'uint64'), data)).toBe(0);
  });

  it('an encoding that the dtype does not have is refused, and the tile is served in others', async () => {
    const { tiles, channel } = await open(channelOf(PATH, SEG64, { chunk: [4, 3, 4] }));
    await expect(tiles.load(channel, 0, [0, 0, 0], 'jpeg')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(tiles.load(channel, 0, [0, 0, 0], 'raw')).resolves.toBeDefined();
  });

  it('a chunk that the source has compressed is decoded once for those who want it raw', async () => {
    const chunk = Uint8Array.from({ length: 48 }, (_, index) => index);
    const { tiles, channel, maker } = await open(
      channelOf(
        PATH,
        { ...IM, kind: 'precomputed', chunk: [4, 3, 4] },
        { readChunk: async () => ({ encoding: 'gzip', bytes: new Uint8Array(gzipSync(chunk)) }) },
      ),
    );
    let transcodings = 0;
    const transcode = maker.transcode.bind(maker);
    maker.transcode = (...call) => {
      transcodings++;
      return transcode(...call);
    };
    expect(channel.stored).toBe('raw');
    for (let i = 0; i < 3; i++) expect(payload(await tiles.load(channel, 0, [1, 0, 0], 'raw'))).toEqual(chunk);
    expect(payload(tiles.peek(channel, 0, [1, 0, 0], 'raw', true) as Uint8Array)).toEqual(chunk);
    expect(transcodings).toBe(1);
  });

  it('a chunk that the source has compressed is stored as it is', async () => {
    const { tiles, channel } = await open(
      channelOf(
        PATH,
        { ...SEG, kind: 'precomputed', chunk: [4, 3, 4] },
        { readChunk: async () => ({ encoding: 'gzip', bytes: Uint8Array.of(1, 2, 3) }) },
      ),
    );
    const frame = await tiles.loadStored(channel, 0, [0, 0, 0]);
    expect(readTileHeader(frame)?.encoding).toBe(encodingNumber('gzip'));
    expect([...payload(frame)]).toEqual([1, 2, 3]);
  });
});

describe('a store that cannot be written', () => {
  it('costs speed and not the answer, and is reported once until it can be again', async () => {
    const warnings: string[] = [];
    const log: Logger = {
      debug() {},
      info() {},
      warn: (_, message) => warnings.push(message),
      error() {},
    };
    const database = new MemoryDatabase();
    const { tiles, channel } = await open(IM_TILES, { database, log, cacheBytes: 0 });
    const commit = database.commit.bind(database);
    database.commit = async () => {
      throw new Error('no space left');
    };
    expect(payload(await tiles.load(channel, 0, [0, 0, 0], 'raw'))).toEqual(imTile(0, 0));
    expect(payload(await tiles.load(channel, 0, [1, 0, 0], 'raw'))).toEqual(imTile(1, 0));
    expect(warnings).toHaveLength(1);
    database.commit = commit;
    await tiles.load(channel, 0, [0, 0, 0], 'raw');
    expect(database.countTiles(channel.number, 0)).toBe(1);
    database.commit = async () => {
      throw new Error('no space left');
    };
    await tiles.load(channel, 0, [1, 0, 0], 'raw');
    expect(warnings).toHaveLength(2);
  });
});

describe('levels', () => {
  it('of the source are read from it, each at its own place', async () => {
    const half = voxelsOf([4, 3, 4], 'uint8', (x, y, z) => 200 + x + 4 * y - z);
    const { core, channel, reads } = await open({
      path: PATH,
      levels: [IM, { data: half, shape: [4, 3, 4], dtype: 'uint8' }],
      chunk: [4, 3, 4],
    });
    const level = channel.mips[1];
    if (level === undefined) throw new Error('no mip 1');
    expect((await core.readBox(channel, 1, mipBox(level))).raw).toEqual(half);
    expect(reads).toEqual([{ path: PATH, mip: 1, box: [0, 0, 0, 4, 3, 4] }]);
  });

  it('that are built read each finer tile from the source once', async () => {
    const { tiles, channel, reads } = await open(channelOf(PATH, IM, { chunk: [2, 2, 2] }));
    await Promise.all([tiles.load(channel, 2, [0, 0, 0], 'raw'), tiles.load(channel, 1, [0, 0, 0], 'raw')]);
    const boxes = reads.map(({ box }) => box.join(','));
    expect(new Set(boxes).size).toBe(boxes.length);
  });
});
