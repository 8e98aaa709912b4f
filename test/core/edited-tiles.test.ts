import { describe, expect, it } from 'vitest';
import type { Op, Seed } from '../../protocol/edit-ops.ts';
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import {
  type Box,
  boxShape,
  DTYPES,
  type DType,
  type MipInfo,
  mipBox,
  type Vec3,
  type VolumeType,
  volumeOf,
} from '../../protocol/volume.ts';
import { encodeMask } from '../../protocol/voxel-mask.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { seqOfFrame } from '../../src/image/tile.ts';
import { gridShape, tilesIn } from '../../src/query/tile-grid.ts';
import { type ArrayChannel, openArrayCore, valuesOf, voxelsOf } from '../support/array-core.ts';
import { FakeEdits } from '../support/fake-edits.ts';
import { useManualClock } from '../support/manual-clock.ts';
import { NaiveVolume, type Value } from '../support/naive-edits.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const PATH = 'e/s/d/c';

/** A channel with a fake log, and the oracle of it. */
async function open(channel: ArrayChannel, database = new MemoryDatabase(), edits = new FakeEdits()) {
  const opened = openArrayCore([channel], { database, edits });
  const ready = await opened.core.updateQuery({ path: channel.path });
  const { dtype } = ready;
  const naive = new NaiveVolume(
    ready.mips,
    edits.voxels.factors,
    ready.type,
    dtype,
    channel.levels.map(({ data }) => valuesOf(data, dtype)),
  );
  const deps = edits.depsOf(ready, opened.core.tiles, opened.maker);
  const edit = async (ops: readonly Op[]) => {
    const before = edits.inForce(edits.head);
    const { seq, prepared } = await edits.apply(ops, deps);
    const ids = new Map<number, bigint>();
    for (const [op, { id }] of prepared.outcomes) if (id !== undefined) ids.set(op, id);
    naive.write(seq, prepared.ops, ids, before);
    return { seq, prepared };
  };
  const read = async (mip: number, at?: number): Promise<Value[]> => {
    const reading = await opened.core.openReading(ready, at === undefined ? {} : { at });
    return valuesOf((await opened.core.readBox(ready, mip, mipBox(ready.mips[mip] as MipInfo), reading)).raw, dtype);
  };
  return { ...opened, channel: ready, database, edits, naive, edit, read, deps };
}

type Opened = Awaited<ReturnType<typeof open>>;

async function expectLikeNaive({ channel, naive, edits, read }: Opened, at: number): Promise<void> {
  const levels = naive.levels(edits.inForce(at));
  for (const mip of channel.mips.keys()) expect([mip, at, await read(mip, at)]).toEqual([mip, at, levels[mip]?.values]);
}

/** All stored frames of a state. */
async function framesOf({ core, channel }: Opened, at: number): Promise<Uint8Array[]> {
  const { reading } = await core.openReading(channel, { at });
  const frames: Uint8Array[] = [];
  for (const [mip, level] of channel.mips.entries())
    for (const tile of tilesIn([0, 0, 0, ...gridShape(level)]))
      frames.push(await core.tiles.loadStored(channel, mip, tile, reading));
  return frames;
}

interface Sort {
  readonly dtype: DType;
  readonly type: VolumeType;
  readonly offset: Vec3;
  readonly sourceMips: number;
}

const SORTS: Sort[] = DTYPES.flatMap((dtype, index): Sort[] => {
  const image: Sort = { dtype, type: 'image', offset: [0, 0, 0], sourceMips: 1 + (index % 2) };
  const segmentation: Sort = { dtype, type: 'segmentation', offset: [-3, 5, 1], sourceMips: 2 - (index % 2) };
  return dtype === 'float32' ? [image] : [image, segmentation];
});

function channelOfSort({ dtype, type, offset, sourceMips }: Sort, random: () => number): ArrayChannel {
  const shape: Vec3 = [9, 7, 5];
  const value = (): number =>
    type === 'segmentation' ? Math.floor(random() * 4) : Math.floor(random() * 200) - (dtype.startsWith('u') ? 0 : 100);
  const level = (size: Vec3, from: Vec3, voxel: Vec3) => ({
    ...{ data: voxelsOf(size, dtype, value), shape: size, dtype, offset: from, voxel, type },
  });
  const half = (n: number): number => Math.floor(n / 2);
  const first = level(shape, offset, [4, 4, 4]);
  const second = level([5, 4, 5], [half(offset[0]), half(offset[1]), offset[2]], [8, 8, 4]);
  return { path: PATH, type, chunk: [4, 3, 2], levels: sourceMips === 1 ? [first] : [first, second] };
}

const pick = <T>(random: () => number, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

function randomBox(random: () => number, whole: Box): Box {
  const side = (axis: 0 | 1 | 2): [number, number] => {
    const size = (whole[axis + 3] as number) - (whole[axis] as number);
    const from = Math.floor(random() * size);
    return [(whole[axis] as number) + from, (whole[axis] as number) + from + 1 + Math.floor(random() * (size - from))];
  };
  const [x, y, z] = [side(0), side(1), side(2)];
  return [x[0], y[0], z[0], x[1], y[1], z[1]];
}

function randomOp(random: () => number, opened: Opened, now: readonly Value[]): Op | undefined {
  const { channel, edits } = opened;
  const { dtype, type } = channel;
  const level = channel.mips[0] as MipInfo;
  const box = randomBox(random, mipBox(level));
  const volume = volumeOf(boxShape(box));
  const mask = encodeMask(Uint8Array.from({ length: volume }, () => (random() < 0.6 ? 1 : 0)));
  const set = Uint8Array.from({ length: volume }, () => 1);
  const dice = random();
  if (type === 'segmentation' && dice < 0.35) {
    const id = BigInt(pick(random, now));
    return { op: 'split', id, box, mask };
  }
  const value = type === 'segmentation' ? BigInt(Math.floor(random() * 4)) : BigInt(Math.floor(random() * 100));
  if (type === 'segmentation' && dice < 0.45) return { op: 'write', box, mask, value: 'new' };
  if (type === 'segmentation' && dice < 0.5 && edits.nextId > 101n)
    return { op: 'write', box, value: 101n + BigInt(Math.floor(random() * Number(edits.nextId - 101n))) };
  if (dice < 0.7) return { op: 'write', box, mask, value };
  if (dice < 0.8 && dtype === 'float32') return { op: 'write', box, mask, value: random() * 10 };
  if (dice < 0.85) return { op: 'write', box, value };
  const values = voxelsOf([volume, 1, 1], dtype, () => Math.floor(random() * 4));
  return { op: 'write', box, mask: encodeMask(set), values };
}

describe('tiles of a channel that was edited', () => {
  const seed = testSeed('edited tiles');
  for (const [index, sort] of SORTS.entries())
    it(`[E26] [E27] are those that a fold of voxels gives, on every level at every seq: ${sort.type} of ${sort.dtype}`, async () => {
      const random = seededRandom(seed + index);
      for (let run = 0; run < testRuns(2); run++) {
        const opened = await open(channelOfSort(sort, random));
        const { edits } = opened;
        for (let step = 0; step < 12; step++) {
          if (edits.head > 0 && random() < 0.3) edits.undo(1 + Math.floor(random() * edits.head));
          else {
            const now = opened.naive.levels(edits.inForce(edits.head))[0]?.values ?? [];
            const ops = Array.from({ length: 1 + Math.floor(random() * 3) }, () => randomOp(random, opened, now));
            await opened.edit(ops.filter((op) => op !== undefined)).catch((error: unknown) => {
              // A split of an id that an op before it has painted over, or that is not in the box.
              expect(error).toMatchObject({
                code: 'BAD_REQUEST',
                details: { field: expect.stringMatching(/^(id|mask)$/) },
              });
            });
          }
          if (random() < 0.5) await expectLikeNaive(opened, Math.floor(random() * (edits.head + 1)));
        }
        for (let at = 0; at <= edits.head; at++) await expectLikeNaive(opened, at);
        await expectSameAfterRestart(opened, sort);
      }
    });

  /** With the tiles that were stored, and without: what is kept is never more than a memory of what can be made. */
  async function expectSameAfterRestart(opened: Opened, _sort: Sort): Promise<void> {
    const { core, channel, edits, database } = opened;
    const at = edits.head;
    const before = await framesOf(opened, at);
    for (const forget of [false, true]) {
      if (forget) await database.dropEditedTiles(channel.number);
      core.cache.deletePrefix('');
      const after = await framesOf(opened, at);
      expect(after.map(payload)).toEqual(before.map(payload));
      expect(after.map(seqOfFrame)).toEqual(before.map(seqOfFrame));
    }
  }
});

const payload = (frame: Uint8Array): Uint8Array => frame.slice(TILE_HEADER_BYTES);

/** One row of voxels, in tiles of four. */
function row(values: readonly number[], more: Partial<ArrayChannel> = {}): ArrayChannel {
  const shape: Vec3 = [values.length, 1, 1];
  const data = voxelsOf(shape, 'uint32', (x) => values[x] as number);
  return { path: PATH, type: 'segmentation', chunk: [4, 1, 1], levels: [{ data, shape, dtype: 'uint32' }], ...more };
}

const rowBox = (from: number, to: number): Box => [from, 0, 0, to, 1, 1];

describe('an edit and its undo', () => {
  it('[E35] leave every level as it was ingested, byte for byte', async () => {
    const seed = testSeed('undo');
    const random = seededRandom(seed);
    for (const sort of SORTS) {
      const opened = await open(channelOfSort(sort, random));
      const { edits, edit } = opened;
      const before = await framesOf(opened, 0);
      const op = ((): Op => ({ op: 'write', box: mipBox(opened.channel.mips[0] as MipInfo), value: 3n }))();
      const { seq } = await edit([op]);
      expect((await framesOf(opened, seq)).map(payload)).not.toEqual(before.map(payload));
      const undone = edits.undo(seq);
      const after = await framesOf(opened, undone);
      expect(after.map(payload)).toEqual(before.map(payload));
      expect(new Set(after.map(seqOfFrame))).toEqual(new Set([undone]));
      const again = edits.undo(undone);
      expect((await framesOf(opened, again)).map(payload)).toEqual((await framesOf(opened, seq)).map(payload));
    }
  });

  it('[E35] a painted voxel that a split took in is alone in changing when the painting is undone', async () => {
    const opened = await open(row([0, 5, 0, 5, 5, 5, 5, 0]));
    const { edits, edit, read } = opened;
    const { seq: paint } = await edit([{ op: 'write', box: rowBox(2, 3), value: 5n }]);
    expect(await read(0)).toEqual([0, 5, 5, 5, 5, 5, 5, 0]);
    const seeds: Seed[] = [
      [1, 0, 0, 1],
      [6, 0, 0, 2],
    ];
    const { prepared } = await edit([{ op: 'split', id: 5n, box: rowBox(0, 8), seeds }]);
    expect(await read(0)).toEqual([0, 5, 5, 5, 101, 101, 101, 0]);
    expect(prepared.outcomes.get(0)).toMatchObject({
      id: 101n,
      voxels: 3,
      touched: [
        [0, rowBox(4, 7)],
        [1, rowBox(2, 4)],
      ],
    });
    expect(prepared.ops[0]).toEqual({ op: 'split', id: 5n, box: rowBox(0, 8), mask: Uint8Array.of(4, 3) });
    edits.undo(paint);
    expect(await read(0)).toEqual([0, 5, 0, 5, 101, 101, 101, 0]);
    for (let at = 0; at <= edits.head; at++) await expectLikeNaive(opened, at);
  });

  it('[E21] that an edit between them is undone changes nothing of the later ones', async () => {
    const { edits, edit, read } = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    await edit([{ op: 'write', box: rowBox(0, 6), value: 2n }]);
    await edit([{ op: 'write', box: rowBox(2, 8), value: 3n }]);
    expect(await read(0)).toEqual([2, 2, 3, 3, 3, 3, 3, 3]);
    edits.undo(1);
    expect(await read(0)).toEqual([1, 1, 3, 3, 3, 3, 3, 3]);
    edits.undo(2);
    expect(await read(0)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    edits.undo(3);
    expect(await read(0)).toEqual([2, 2, 2, 2, 2, 2, 1, 1]);
    expect(await read(0, 2)).toEqual([2, 2, 3, 3, 3, 3, 3, 3]);
  });
});

describe('a coarser level', () => {
  it('[E27] keeps what was ingested where its footprint holds no edit, though it is no mode of the voxels below', async () => {
    const finest = { data: voxelsOf([8, 1, 1], 'uint32', () => 1), shape: [8, 1, 1] as Vec3, dtype: 'uint32' as const };
    const coarser = {
      ...finest,
      data: voxelsOf([4, 1, 1], 'uint32', (x) => 90 + x),
      shape: [4, 1, 1] as Vec3,
      voxel: [2, 1, 1] as Vec3,
    };
    const { edit, edits, read } = await open({
      path: PATH,
      type: 'segmentation',
      chunk: [4, 1, 1],
      levels: [finest, coarser],
    });
    // The same value as before is an edit too.
    await edit([{ op: 'write', box: rowBox(2, 3), value: 1n }]);
    expect(await read(1)).toEqual([90, 1, 92, 93]);
    await edit([{ op: 'write', box: rowBox(6, 8), value: 7n }]);
    expect(await read(1)).toEqual([90, 1, 92, 7]);
    edits.undo(1);
    expect(await read(1)).toEqual([90, 91, 92, 7]);
  });
});

describe('a coarser level that is longer than the one below it', () => {
  it('[E27] keeps the voxels that no voxel below is a part of', async () => {
    const finest = { data: voxelsOf([6, 1, 1], 'uint8', (x) => x), shape: [6, 1, 1] as Vec3, dtype: 'uint8' as const };
    // A ratio of 1.5 counts as 2: the last voxel has nothing below it.
    const coarser = { ...finest, data: voxelsOf([4, 1, 1], 'uint8', (x) => 90 + x), shape: [4, 1, 1] as Vec3 };
    const channel: ArrayChannel = { path: PATH, type: 'image', chunk: [8, 1, 1], levels: [finest, coarser] };
    const { edit, read, edits } = await open(channel);
    await edit([{ op: 'write', box: rowBox(2, 6), value: 50n }]);
    expect(edits.voxels.factors[1]).toEqual([2, 1, 1]);
    expect(await read(1)).toEqual([90, 50, 50, 93]);
  });
});

describe('what is kept of edited tiles', () => {
  it('[D20] says which edit made it; tiles that no edit met are not made again', async () => {
    const opened = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    const { core, channel, edit, edits, database } = opened;
    await edit([{ op: 'write', box: rowBox(0, 1), value: 2n }]);
    await edit([{ op: 'write', box: rowBox(1, 2), value: 2n }]);
    expect((await framesOf(opened, 2)).map(seqOfFrame)).toEqual([2, 0, 2]);
    const { reading } = await core.openReading(channel, {});
    expect(core.tiles.peek(channel, 0, [0, 0, 0], channel.stored, true, reading)).toBeDefined();
    expect(database.hasTile({ channel: channel.number, mip: 0, x: 0, y: 0, z: 0, version: 2 })).toBe(true);
    expect(database.hasTile({ channel: channel.number, mip: 0, x: 0, y: 0, z: 0, version: 1 })).toBe(false);
    expect(edits.head).toBe(2);
  });

  it('is built on: a further edit of a tile reads its own delta alone', async () => {
    const opened = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    const { edit, edits, read } = opened;
    const asked: number[] = [];
    const delta = edits.delta.bind(edits);
    edits.delta = (seq, part) => {
      asked.push(seq);
      return delta(seq, part);
    };
    for (let x = 0; x < 4; x++) {
      await edit([{ op: 'write', box: rowBox(x, x + 1), value: 2n }]);
      await read(0);
    }
    expect(asked).toEqual([1, 2, 3, 4]);
    edits.undo(4);
    asked.length = 0;
    expect(await read(0)).toEqual([2, 2, 2, 1, 1, 1, 1, 1]);
    expect(asked).toEqual([]);
    edits.undo(2);
    expect(await read(0)).toEqual([2, 1, 2, 1, 1, 1, 1, 1]);
    expect(asked).toEqual([3]);
  });

  it('[D4] does not last where the source has no such chunk at the moment', async () => {
    const clock = useManualClock();
    const channel: ArrayChannel = { ...row([1, 1, 1, 1]), readChunk: async () => 'absent' };
    const { edit, read, core, channel: ready, database } = await open(channel);
    await edit([{ op: 'write', box: rowBox(1, 2), value: 7n }]);
    expect(await read(0)).toEqual([0, 7, 0, 0]);
    expect(database.countTiles(ready.number, 0)).toBe(0);
    const { reading } = await core.openReading(ready, {});
    expect(core.tiles.peek(ready, 0, [0, 0, 0], ready.stored, true, reading)).toBeDefined();
    clock.advance(2_100);
    expect(core.tiles.peek(ready, 0, [0, 0, 0], ready.stored, true, reading)).toBeUndefined();
    expect(await read(0)).toEqual([0, 7, 0, 0]);
  });

  it('stays true for those who began to read before an edit', async () => {
    const { core, channel, edit } = await open(row([1, 1, 1, 1, 1, 1, 1, 1]));
    await edit([{ op: 'write', box: rowBox(0, 4), value: 2n }]);
    const plan = await core.openPull({ path: PATH, mip: 0, box: rowBox(0, 8) }, ['raw'], 99);
    await edit([{ op: 'write', box: rowBox(0, 8), value: 3n }]);
    expect(plan.seq).toBe(1);
    const load = (x: number) => core.tiles.load(channel, 0, [x, 0, 0], 'raw', plan.reading);
    expect(payload(await load(0))[0]).toBe(2);
    expect(payload(await load(1))[0]).toBe(1);
  });
});
