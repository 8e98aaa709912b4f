import { describe, expect, it } from 'vitest';
import { readTileHeader } from '../../protocol/tile-frame.ts';
import { type Box, type MipInfo, mipBox, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { decodeTileFrame } from '../../src/image/tile.ts';
import { type ArrayChannel, openArrayCore, valuesOf, voxelsOf } from '../support/array-core.ts';
import { FakeEdits } from '../support/fake-edits.ts';

const PATH = 'e/s/d/c';
const ROW: Box = [0, 0, 0, 8, 1, 1];
const rowBox = (from: number, to: number): Box => [from, 0, 0, to, 1, 1];

/** One row of ids, in tiles of four. */
function row(
  values: readonly (number | bigint)[],
  dtype: 'uint8' | 'uint32' | 'uint64' | 'int32' = 'uint32',
): ArrayChannel {
  const shape: Vec3 = [values.length, 1, 1];
  const data = voxelsOf(shape, dtype, (x) => values[x] as number);
  return { path: PATH, type: 'segmentation', chunk: [4, 1, 1], levels: [{ data, shape, dtype }] };
}

async function open(channel: ArrayChannel) {
  const edits = new FakeEdits();
  const opened = openArrayCore([channel], { edits });
  const ready = await opened.core.updateQuery({ path: PATH });
  const deps = edits.depsOf(ready, opened.core.tiles, opened.maker);
  const write = (box: Box, value: bigint) => edits.apply([{ op: 'write', box, value }], deps);
  const merged = async (at?: number, mip = 0) => {
    const reading = await opened.core.openReading(ready, { map: 'merged', ...(at === undefined ? {} : { at }) });
    const { raw, dtype } = await opened.core.readBox(ready, mip, mipBox(ready.mips[mip] as MipInfo), reading);
    return valuesOf(raw, dtype);
  };
  return { ...opened, edits, channel: ready, write, merged };
}

describe('a question for a state', () => {
  it('[D1] is answered as the volume is at the head, or as it was at a seq', async () => {
    const { core, channel, write } = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    expect(await core.openReading(channel)).toMatchObject({ at: 0, reading: undefined, dtype: 'uint32' });
    await write(rowBox(0, 2), 2n);
    await write(rowBox(0, 1), 3n);
    expect(await core.openReading(channel)).toMatchObject({ at: 2, reading: { at: 2 } });
    expect(await core.openReading(channel, { at: 1 })).toMatchObject({ at: 1, reading: { at: 1 } });
    expect(await core.openReading(channel, { at: 0 })).toMatchObject({ at: 0, reading: undefined });
    await expect(core.openReading(channel, { at: 3 })).rejects.toMatchObject({ code: 'OUT_OF_BOUNDS' });
    const all = async (at: number) => [
      ...(await core.findUnique({ path: PATH, mip: 0, box: ROW }, 99, undefined, { at })),
    ];
    expect([await all(0), await all(1), await all(2)]).toEqual([[1n], [1n, 2n], [1n, 2n, 3n]]);
  });

  it('[D1] of another epoch is EPOCH_MISMATCH', async () => {
    const { core, channel } = await open(row([1]));
    await core.openReading(channel, { epoch: channel.epoch });
    await expect(core.openReading(channel, { epoch: new Uint8Array(8) })).rejects.toMatchObject({
      code: 'EPOCH_MISMATCH',
    });
  });

  it('[D1] that names a seq to wait for waits until it is there, and not for ever', async () => {
    const { core, channel, write } = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    const waiting = core.openReading(channel, { minSeq: 1 });
    await write(rowBox(0, 2), 2n);
    expect(await waiting).toMatchObject({ at: 1 });
    expect(await core.openReading(channel, { minSeq: 1, at: 0 })).toMatchObject({ at: 0 });
    await expect(core.openReading(channel, { minSeq: 2 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it("is answered by Butterfly's own requests as the volume is now", async () => {
    const { core, write } = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    await write(rowBox(2, 6), 2n);
    const query = { ...core.makeDataQuery({ path: PATH }), size: [8, 1, 1] as Vec3 };
    expect(valuesOf((await core.findTiles(query)).raw, 'uint32')).toEqual([1, 1, 2, 2, 2, 2, 1, 1]);
    const sampled = { ...query, resolution: 1, size: [4, 1, 1] as Vec3 };
    expect(valuesOf((await core.findTiles(sampled)).raw, 'uint32')).toEqual([1, 2, 2, 1]);
  });

  it('[H6] without any edit log is answered as ingested', async () => {
    const { core } = openArrayCore([row([1, 2])]);
    const channel = await core.updateQuery({ path: PATH });
    expect(await core.openReading(channel, { at: 0, minSeq: 0 })).toMatchObject({ at: 0, reading: undefined });
    await expect(core.openReading(channel, { minSeq: 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const merged = await core.openReading(channel, { map: 'merged' });
    expect(valuesOf((await core.readBox(channel, 0, rowBox(0, 2), merged)).raw, 'uint64')).toEqual([1n, 2n]);
  });
});

describe('INFO', () => {
  it('[I1] tells the head, that the channel can be edited, and is the same object until something changes', async () => {
    const { core, edits, write } = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    const before = core.peekInfo({ path: PATH });
    expect(before).toMatchObject({ editable: true, first: 1, head: 0, tables: {} });
    expect(core.peekInfo({ path: PATH })).toBe(before);
    await write(rowBox(0, 2), 2n);
    const after = core.peekInfo({ path: PATH });
    expect(after).toMatchObject({ head: 1 });
    expect(core.peekInfo({ path: PATH })).toBe(after);
    edits.tables = { neuron: 3 };
    expect(core.peekInfo({ path: PATH })).toMatchObject({ tables: { neuron: 3 } });
    expect(await core.getInfo({ path: PATH })).toBe(core.peekInfo({ path: PATH }));
  });

  it('[I1] of a channel without a log says that it cannot be edited', async () => {
    const { core } = openArrayCore([row([1, 2])]);
    expect(await core.getInfo({ path: PATH })).toMatchObject({ editable: false, head: 0 });
  });
});

describe('bodies', () => {
  for (const dtype of ['uint8', 'uint32', 'uint64', 'int32'] as const)
    it(`[D1] are read as the root of each id, as uint64, at any seq and level: ${dtype}`, async () => {
      const { edits, write, merged } = await open(row([0, 3, 3, 4, 5, 5, 9, 9], dtype));
      expect(await merged()).toEqual([0n, 3n, 3n, 4n, 5n, 5n, 9n, 9n]);
      edits.link(
        new Map([
          [4n, 3n],
          [9n, 5n],
        ]),
      );
      await write(rowBox(0, 1), 4n);
      edits.link(
        new Map([
          [4n, 2n],
          [3n, 2n],
        ]),
      );
      expect(await merged(0)).toEqual([0n, 3n, 3n, 4n, 5n, 5n, 9n, 9n]);
      expect(await merged(1)).toEqual([0n, 3n, 3n, 3n, 5n, 5n, 5n, 5n]);
      expect(await merged(2)).toEqual([3n, 3n, 3n, 3n, 5n, 5n, 5n, 5n]);
      expect(await merged(3)).toEqual([2n, 2n, 2n, 2n, 5n, 5n, 9n, 9n]);
      // The mode is that of base ids: of 4 and 3 the smaller.
      expect(await merged(1, 1)).toEqual([3n, 3n, 5n, 5n]);
    });

  it('[D1] [I8] in a box are its roots, each once', async () => {
    const { core, edits } = await open(row([0, 3, 3, 4, 5, 5, 9, 9]));
    edits.link(
      new Map([
        [4n, 3n],
        [9n, 5n],
      ]),
    );
    const find = async (box: Box) => [
      ...(await core.findUnique({ path: PATH, mip: 0, box }, 99, undefined, { map: 'merged' })),
    ];
    expect(await find(ROW)).toEqual([0n, 3n, 5n]);
    expect(await find(rowBox(6, 99))).toEqual([5n]);
  });

  it('[D2] [D9] are pulled in the encodings of uint64', async () => {
    const { core, channel, edits } = await open(row([0, 3, 3, 4, 5, 5, 9, 9], 'uint8'));
    edits.link(new Map([[4n, 3n]]));
    for (const [wanted, encoding, number] of [
      [['jpeg', 'cseg'], 'cseg', 6],
      [['png'], 'raw', 0],
      [['raw'], 'raw', 0],
    ] as const) {
      const plan = await core.openPull({ path: PATH, mip: 0, box: ROW }, [...wanted], 9, { map: 'merged' });
      expect(plan).toMatchObject({ dtype: 'uint64', encoding, seq: 1 });
      const frame = await core.tiles.load(channel, 0, [0, 0, 0], plan.encoding, plan.reading);
      expect(readTileHeader(frame)).toMatchObject({ encoding: number, rawLength: 32, seq: 0 });
      expect([...viewVoxels('uint64', Uint8Array.from(await decodeTileFrame(frame, 'uint64')))]).toEqual([
        0n,
        3n,
        3n,
        3n,
      ]);
    }
  });

  it('of an image, and of one of floats, are UNSUPPORTED', async () => {
    const { core, channel } = await open({ ...row([1, 2], 'uint8'), type: 'image' });
    await expect(core.openReading(channel, { map: 'merged' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('are looked up once for a tile and a state of the links, and voxels are mapped once for the same roots', async () => {
    const { edits, merged, maker } = await open(row([0, 3, 3, 4, 5, 5, 9, 9]));
    const works: string[] = [];
    const work = maker.work.bind(maker);
    maker.work = (name, request) => {
      works.push(name);
      return work(name, request);
    };
    edits.link(new Map([[4n, 3n]]));
    await merged();
    expect([edits.lookups, works]).toEqual([2, ['remapTile', 'remapTile']]);
    await merged();
    expect(edits.lookups).toBe(2);
    // A link that no id of the first tile has: its voxels stay as they are.
    edits.link(
      new Map([
        [4n, 3n],
        [9n, 5n],
      ]),
    );
    expect(await merged()).toEqual([0n, 3n, 3n, 3n, 5n, 5n, 5n, 5n]);
    expect([edits.lookups, works.length]).toEqual([4, 3]);
  });

  it('of a volume of uint64 whose ids are their own roots are the tiles themselves', async () => {
    const { core, channel, edits } = await open(row([0n, 3n, 3n, 1n << 60n, 5n, 5n, 9n, 9n], 'uint64'));
    edits.link(new Map([[9n, 5n]]));
    const { reading } = await core.openReading(channel, { map: 'merged' });
    const base = await core.tiles.load(channel, 0, [0, 0, 0], 'raw');
    expect(await core.tiles.load(channel, 0, [0, 0, 0], 'raw', reading)).toBe(base);
    expect(await core.tiles.load(channel, 0, [1, 0, 0], 'raw', reading)).not.toEqual(
      await core.tiles.load(channel, 0, [1, 0, 0], 'raw'),
    );
  });
});
