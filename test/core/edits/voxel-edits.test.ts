import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Op, Seed } from '../../../protocol/edit-ops.ts';
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts';
import type { Bulk } from '../../../protocol/messages.ts';
import { BULK_TYPE, TileFlag, type TileHeader } from '../../../protocol/tile-frame.ts';
import {
  type Box,
  type DType,
  encodingNumber,
  type MipInfo,
  mipBox,
  type Vec3,
  type VolumeType,
} from '../../../protocol/volume.ts';
import { maskOfBox } from '../../../protocol/voxel-mask.ts';
import { prepareVoxels, type VoxelDeps } from '../../../src/core/edits/voxel-edits.ts';
import { openArrayCore, valuesOf, voxelsOf } from '../../support/array-core.ts';
import { FakeEdits } from '../../support/fake-edits.ts';

const PATH = 'e/s/d/c';
const SHAPE: Vec3 = [8, 6, 4];

/** A volume of one value in tiles of 4 × 3 × 4, with a log that has been taken up at id 100. */
async function open(
  dtype: DType = 'uint32',
  type: VolumeType = 'segmentation',
  more: Partial<VoxelDeps> = {},
  value = 5,
) {
  const edits = new FakeEdits();
  const level = { data: voxelsOf(SHAPE, dtype, () => value), shape: SHAPE, dtype };
  const opened = openArrayCore([{ path: PATH, type, chunk: [4, 3, 4], levels: [level] }], { edits });
  const channel = await opened.core.updateQuery({ path: PATH });
  const deps = edits.depsOf(channel, opened.core.tiles, opened.maker, more);
  const read = async (): Promise<(number | bigint)[]> =>
    valuesOf((await opened.core.readBox(channel, 0, mipBox(channel.mips[0] as MipInfo))).raw, dtype);
  return { ...opened, edits, channel, deps, read, prepare: (...ops: Op[]) => prepareVoxels(ops, deps) };
}

const BOX: Box = [0, 0, 0, 2, 1, 1];
const write = (fields: Partial<Extract<Op, { op: 'write' }>>): Op => ({ op: 'write', box: BOX, ...fields });

async function expectFault(work: Promise<unknown>, code: string, op: number, field: string): Promise<void> {
  const error: unknown = await work.then(
    () => 'it was taken',
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code, details: { op, field } });
  expect((error as Error).message).toMatch(new RegExp(`^ops\\[${op}\\]\\.${field}`));
}

describe('a write', () => {
  it.each<[string, DType, VolumeType, Op, string]>([
    ['a float for an integer', 'uint8', 'image', write({ value: 1.5 }), 'value'],
    ['more than the type holds', 'uint8', 'image', write({ value: 256n }), 'value'],
    ['less than the type holds', 'int8', 'image', write({ value: -129n }), 'value'],
    ['a large integer that came as a float', 'uint64', 'image', write({ value: 2 ** 60 }), 'value'],
    ['NaN', 'float32', 'image', write({ value: Number.NaN }), 'value'],
    ['more than a float32 holds', 'float32', 'image', write({ value: 1e39 }), 'value'],
    [
      'NaN among values',
      'float32',
      'image',
      write({ values: new Uint8Array(new Float32Array([1, Number.NaN]).buffer) }),
      'values',
    ],
    ['no value at all', 'uint8', 'image', write({}), 'value'],
    ['too few values', 'uint16', 'image', write({ values: new Uint8Array(3) }), 'values'],
    [
      'a value for each voxel of the box, where the mask sets one',
      'uint8',
      'image',
      write({ values: new Uint8Array(2), mask: Uint8Array.of(0, 1) }),
      'values',
    ],
    ['a mask longer than the box', 'uint8', 'image', write({ value: 1n, mask: Uint8Array.of(1, 2) }), 'mask'],
    ['a new id in an image', 'uint8', 'image', write({ value: 'new' }), 'value'],
    ['a negative id', 'int32', 'segmentation', write({ value: -1n }), 'value'],
    ['an id that nobody has', 'uint32', 'segmentation', write({ value: 101n }), 'value'],
    [
      'an id that nobody has, among values',
      'uint32',
      'segmentation',
      write({ values: new Uint8Array(Uint32Array.of(3, 777).buffer) }),
      'values',
    ],
    ['the id of a later op', 'uint32', 'segmentation', write({ value: { new: 1 } }), 'value'],
    ['the id of an op that creates none', 'uint32', 'segmentation', write({ value: { new: -1 } }), 'value'],
  ])('[E11] [E25] is refused for %s', async (_, dtype, type, op, field) => {
    const { prepare, edits } = await open(dtype, type);
    await expectFault(prepare({ op: 'merge', ids: [1n, 2n] }, op), 'BAD_REQUEST', 1, field);
    expect(edits.head).toBe(0);
  });

  it('[F12] [L1] is refused outside the volume, and where it is too large', async () => {
    const { prepare } = await open('uint8', 'image');
    await expectFault(prepare(write({ box: [7, 0, 0, 9, 1, 1], value: 1n })), 'OUT_OF_BOUNDS', 0, 'box');
    await expectFault(prepare(write({ box: [-1, 0, 0, 1, 1, 1], value: 1n })), 'OUT_OF_BOUNDS', 0, 'box');
    const few = await open('uint8', 'image', { limits: { ...DEFAULT_LIMITS, writeVoxels: 10 } });
    await expectFault(few.prepare(write({ box: [0, 0, 0, 11 - 8, 4, 1], value: 1n })), 'TOO_LARGE', 0, 'box');
    await few.prepare(write({ box: [0, 0, 0, 5, 2, 1], value: 1n }));
    const tiles = await open('uint8', 'image', { limits: { ...DEFAULT_LIMITS, writeTiles: 1 } });
    await expectFault(tiles.prepare(write({ box: [3, 0, 0, 5, 1, 1], value: 1n })), 'TOO_LARGE', 0, 'box');
    const many = Array.from({ length: 17 }, () => write({ value: 1n }));
    await expectFault(tiles.prepare(...many), 'TOO_LARGE', 16, 'box');
  });

  it('[E5] [E25] takes 0, an ingested id, an assigned one, a new one, and one that the same edit made', async () => {
    const { deps, edits, read } = await open();
    const at = (x: number): Box => [x, 0, 0, x + 1, 1, 1];
    const { prepared } = await edits.apply(
      [
        write({ box: at(0), value: 0n }),
        write({ box: at(1), value: 100n }),
        write({ box: at(2), value: 'new' }),
        write({ box: at(3), value: { new: 2 } }),
      ],
      deps,
    );
    expect(prepared.outcomes.get(2)).toMatchObject({ id: 101n, voxels: 1 });
    expect(prepared.outcomes.get(3)).not.toHaveProperty('id');
    await edits.apply([write({ box: at(4), value: 101n })], deps);
    expect((await read()).slice(0, 6)).toEqual([0, 100, 101, 101, 101, 5]);
  });

  it('[E9] gives each voxel that the mask sets its value, across tiles, and tells what it touched', async () => {
    const { deps, edits, read } = await open('uint8', 'image', {}, 0);
    const box: Box = [2, 1, 1, 7, 5, 3];
    const inner: Box = [3, 2, 1, 6, 4, 2];
    const values = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const { prepared } = await edits.apply([{ op: 'write', box, mask: maskOfBox(box, inner), values }], deps);
    expect(prepared.outcomes.get(0)).toEqual({
      voxels: 6,
      touched: [
        [0, inner],
        [1, [1, 1, 0, 3, 2, 1]],
      ],
    });
    expect(prepared.scopeTiles(0)).toEqual(['t0,0,0', 't1,0,0', 't0,1,0', 't1,1,0']);
    expect(prepared.deltas).toHaveLength(4);
    const all = await read();
    expect([51 + 16 + 0, 68, 69, 75, 76, 77].map((index) => all[index])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(all.filter((value) => value !== 0)).toHaveLength(6);
  });

  it('[E8] of no voxels changes nothing', async () => {
    const { prepare } = await open();
    const prepared = await prepare(write({ value: 1n, mask: new Uint8Array(0) }));
    expect(prepared.outcomes.get(0)).toEqual({ voxels: 0, touched: [] });
    expect(prepared.deltas).toEqual([]);
  });

  it('keeps the bits of every type', async () => {
    for (const [dtype, value] of [
      ['uint64', (1n << 64n) - 1n],
      ['int64', -(1n << 63n)],
      ['int16', -2n],
      ['uint32', 0xffff_fffen],
      ['float32', 0.1],
      ['float32', Number.NEGATIVE_INFINITY],
      ['float32', 7n],
    ] as const) {
      const { deps, edits, read } = await open(dtype, 'image');
      await edits.apply([write({ value })], deps);
      const number = dtype === 'float32' ? Math.fround(Number(value)) : Number(value);
      const stored = dtype.endsWith('64') ? value : number;
      expect((await read()).slice(0, 3)).toEqual([stored, stored, dtype.endsWith('64') ? 5n : 5]);
    }
  });
});

describe('a write of a BULK', () => {
  const box: Box = [3, 2, 0, 5, 4, 2];
  const raw = new Uint8Array(Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer);
  const header: TileHeader = {
    ...{ type: BULK_TYPE, id: 9, flags: TileFlag.LAST, item: 0, seq: 1, mip: 0, x: 3, y: 2, z: 0 },
    ...{ encoding: 0, rawLength: 32, crc32: 0, sizeX: 2, sizeY: 2, length: 32 },
  };
  const bulkOf = (payload: Uint8Array, fields: Partial<TileHeader> = {}): Partial<VoxelDeps> => ({
    bulk: async (id): Promise<Bulk> => ({
      kind: 'BULK',
      id,
      header: { ...header, ...fields, length: payload.length },
      payload,
    }),
  });
  const op: Op = { op: 'write', box, bulk: 9 };

  it('[E12] writes its voxels, in whatever encoding they come', async () => {
    for (const [payload, fields, expected] of [
      [raw, {}, [1, 2, 3, 4, 5, 6, 7, 8]],
      [gzipSync(raw), { encoding: encodingNumber('gzip') }, [1, 2, 3, 4, 5, 6, 7, 8]],
      [raw.subarray(4, 8), { flags: TileFlag.LAST | TileFlag.FILL }, [2, 2, 2, 2, 2, 2, 2, 2]],
    ] as const) {
      const { deps, edits, core, channel } = await open('uint32', 'segmentation', bulkOf(payload, fields));
      await edits.apply([op], deps);
      expect(valuesOf((await core.readBox(channel, 0, box)).raw, 'uint32')).toEqual(expected);
    }
  });

  it('[E12] writes those of its voxels that the mask sets', async () => {
    const { deps, edits, core, channel } = await open('uint32', 'segmentation', bulkOf(raw));
    await edits.apply([{ ...op, mask: Uint8Array.of(1, 1, 4, 2) } as Op], deps);
    expect(valuesOf((await core.readBox(channel, 0, box)).raw, 'uint32')).toEqual([5, 2, 5, 5, 5, 5, 7, 8]);
  });

  it.each<[string, Uint8Array, Partial<TileHeader>, string]>([
    ['another box', raw, { x: 4 }, 'BAD_REQUEST'],
    ['another size', raw, { sizeX: 4, sizeY: 1 }, 'BAD_REQUEST'],
    ['another level', raw, { mip: 1 }, 'BAD_REQUEST'],
    ['too few voxels', raw.subarray(0, 28), {}, 'BAD_REQUEST'],
    ['bytes that are no gzip', raw, { encoding: encodingNumber('gzip') }, 'BAD_REQUEST'],
    ['gzip of more voxels', gzipSync(new Uint8Array(1_000_000)), { encoding: encodingNumber('gzip') }, 'BAD_REQUEST'],
    ['an encoding that there is not', raw, { encoding: 77 }, 'BAD_REQUEST'],
    ['ids that nobody has', raw.map((byte) => byte * 50), {}, 'BAD_REQUEST'],
  ])('[E12] is refused for %s', async (_, payload, fields, code) => {
    const { prepare } = await open('uint32', 'segmentation', bulkOf(payload, fields));
    await expectFault(prepare(op), code, 0, 'bulk');
  });

  it('[E12] tells why it did not come', async () => {
    const late = async (): Promise<Bulk> => Promise.reject(Object.assign(new Error(), { code: 'TIMEOUT' }));
    const { prepare } = await open('uint32', 'segmentation', { bulk: late });
    await expect(prepare(op)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('a split', () => {
  const box: Box = [0, 0, 0, 8, 6, 4];
  const half = maskOfBox(box, [4, 0, 0, 8, 6, 4]);

  it('[E5] gives voxels of one id under the mask a new one, and no others', async () => {
    const { deps, edits, read } = await open();
    await edits.apply([write({ box: [5, 0, 0, 6, 6, 4], value: 7n })], deps);
    const { prepared } = await edits.apply([{ op: 'split', id: 5n, box, mask: half }], deps);
    expect(prepared.outcomes.get(0)).toMatchObject({
      id: 101n,
      voxels: 72,
      touched: [
        [0, [4, 0, 0, 8, 6, 4]],
        [1, [2, 0, 0, 4, 3, 2]],
      ],
    });
    expect((await read()).slice(0, 8)).toEqual([5, 5, 5, 5, 101, 7, 101, 101]);
    expect(prepared.ops).toEqual([{ op: 'split', id: 5n, box, mask: half }]);
    expect(prepared.scopeTiles(0)).toHaveLength(4);
  });

  it('[E1] sees what ops before it in its edit have done, and splits what they have made', async () => {
    const { deps, edits, read } = await open();
    const row: Box = [0, 0, 0, 8, 1, 1];
    const { prepared } = await edits.apply(
      [
        { op: 'write', box: [1, 0, 0, 3, 1, 1], value: 6n },
        { op: 'split', id: 5n, box: row, mask: Uint8Array.of(0, 4) },
        { op: 'split', id: { new: 1 }, box: row, mask: Uint8Array.of(3, 5) },
        { op: 'write', box: [0, 0, 0, 1, 1, 1], value: 'new' },
      ],
      deps,
    );
    expect((await read()).slice(0, 8)).toEqual([103, 6, 6, 102, 5, 5, 5, 5]);
    expect([...prepared.outcomes].map(([op, { id, voxels }]) => [op, id, voxels])).toEqual([
      [0, undefined, 2],
      [1, 101n, 2],
      [2, 102n, 1],
      [3, 103n, 1],
    ]);
    // One delta a tile, however many ops met it.
    expect(prepared.deltas.map(({ tile }) => tile)).toEqual([[0, 0, 0]]);
  });

  it('[E1] sees what undos before it in its edit take out of force and bring back', async () => {
    const { deps, edits, prepare } = await open();
    const split = (id: bigint): Op => ({ op: 'split', id, box: [0, 0, 0, 8, 1, 1], mask: Uint8Array.of(0, 8) });
    const undo = (seq: number): Op => ({ op: 'undo', seq });
    const voxelsIn = async (...ops: Op[]): Promise<number | undefined> =>
      (await prepare(...ops)).outcomes.get(ops.length - 1)?.voxels;
    await edits.apply([write({ box: [0, 0, 0, 3, 1, 1], value: 7n })], deps);
    await edits.apply([write({ box: [1, 0, 0, 2, 1, 1], value: 8n })], deps);
    expect(await voxelsIn(split(7n))).toBe(2);
    expect(await voxelsIn(undo(2), split(7n))).toBe(3);
    expect(await voxelsIn(undo(1), split(5n))).toBe(7);
    await expectFault(prepare(undo(1), split(7n)), 'BAD_REQUEST', 1, 'id');
    // An undo behind it is none of its concern; what its own edit wrote lies above.
    expect(await voxelsIn(undo(1), write({ box: [6, 0, 0, 8, 1, 1], value: 7n }), split(7n))).toBe(2);
    expect((await prepare(split(7n), undo(1))).outcomes.get(0)?.voxels).toBe(2);
    edits.undo(1);
    expect(await voxelsIn(split(5n))).toBe(7);
    expect(await voxelsIn(undo(3), split(5n))).toBe(5);
    // Undone twice: one of the two is not enough to bring it back.
    edits.undo(1);
    expect(await voxelsIn(undo(3), split(5n))).toBe(7);
    expect(await voxelsIn(undo(3), undo(4), split(5n))).toBe(5);
  });

  it('[E10] is divided by seeds along the object, by way of nanometres, across tiles', async () => {
    const { deps, edits, read } = await open('uint64');
    await edits.apply([write({ box: [2, 1, 0, 8, 6, 4], value: 0n })], deps);
    // What is left is an angle: down along y at x = 0, 1, and along x at y = 0.
    const seeds: Seed[] = [
      [0, 5, 0, 1],
      [7, 0, 0, 2],
    ];
    const { prepared } = await edits.apply([{ op: 'split', id: 5n, box: [0, 0, 0, 8, 6, 1], seeds }], deps);
    const plane = (await read()).slice(0, 48).map(Number);
    // The way from (0, 5) to (7, 0) has 12 steps: what is less than 6 from the second seed is its own.
    expect(plane.slice(0, 8)).toEqual([5, 5, 101, 101, 101, 101, 101, 101]);
    expect(plane.slice(8).filter((id) => id === 101)).toEqual([]);
    expect(prepared.ops[0]).toEqual({ op: 'split', id: 5n, box: [0, 0, 0, 8, 6, 1], mask: Uint8Array.of(2, 6) });
  });

  it.each<[string, DType, VolumeType, Op, string]>([
    ['of an image', 'uint8', 'image', { op: 'split', id: 5n, box, mask: half }, 'op'],
    ['of an id that is not there', 'uint32', 'segmentation', { op: 'split', id: 6n, box, mask: half }, 'id'],
    ['of an id above its type', 'uint8', 'segmentation', { op: 'split', id: 261n, box, mask: half }, 'id'],
    ['of an id of a later op', 'uint8', 'segmentation', { op: 'split', id: { new: 0 }, box, mask: half }, 'id'],
    [
      'by a mask that sets nothing',
      'uint32',
      'segmentation',
      { op: 'split', id: 5n, box, mask: new Uint8Array(0) },
      'mask',
    ],
    [
      'by a mask longer than the box',
      'uint32',
      'segmentation',
      { op: 'split', id: 5n, box, mask: Uint8Array.of(0xff, 0x7f, 3) },
      'mask',
    ],
    [
      'by a seed off the object',
      'uint32',
      'segmentation',
      {
        op: 'split',
        id: 5n,
        box: BOX,
        seeds: [
          [0, 0, 0, 1],
          [2, 0, 0, 2],
        ],
      },
      'seeds',
    ],
    [
      'by seeds of the first group alone',
      'uint32',
      'segmentation',
      { op: 'split', id: 5n, box: BOX, seeds: [[0, 0, 0, 1]] },
      'seeds',
    ],
  ])('[E10] [E11] is refused: %s', async (_, dtype, type, op, field) => {
    const { prepare } = await open(dtype, type);
    await expectFault(prepare(op), 'BAD_REQUEST', 0, field);
  });
});

describe('what was prepared', () => {
  it('holds no longer where another edit has changed a tile that was read', async () => {
    const { deps, edits, prepare } = await open();
    const split: Op = { op: 'split', id: 5n, box: [0, 0, 0, 2, 1, 1], mask: Uint8Array.of(0, 1) };
    const prepared = await prepare(split);
    await edits.apply([write({ box: [4, 0, 0, 5, 1, 1], value: 1n })], deps);
    expect(prepared.isCurrent()).toBe(true);
    await edits.apply([write({ box: [3, 0, 0, 4, 1, 1], value: 1n })], deps);
    expect(prepared.isCurrent()).toBe(false);
    const again = await prepare(split);
    edits.undo(2);
    expect(again.isCurrent()).toBe(false);
  });

  it('[E1] holds no longer where its undos have come to mean something else', async () => {
    const { deps, edits, prepare } = await open();
    await edits.apply([write({ value: 7n })], deps);
    edits.undo(1);
    const split: Op = { op: 'split', id: 7n, box: BOX, mask: Uint8Array.of(0, 1) };
    const prepared = await prepare({ op: 'undo', seq: 2 }, split);
    expect(prepared.isCurrent()).toBe(true);
    // Nothing changes, and yet the undo of edit 2 would bring nothing back now.
    edits.undo(1);
    expect(prepared.isCurrent()).toBe(false);
  });

  it('[E24] holds no longer where its new id was given to another', async () => {
    const { deps, edits, prepare } = await open();
    const first = await prepare(write({ value: 'new' }));
    const plain = await prepare(write({ value: 1n }));
    await edits.apply([write({ value: 'new' })], deps);
    expect(first.isCurrent()).toBe(false);
    // What reads nothing and creates nothing holds for ever.
    expect(plain.isCurrent()).toBe(true);
    expect((await prepare(write({ value: 'new' }))).outcomes.get(0)).toMatchObject({ id: 102n });
  });

  it('passes over ops that have no voxels', async () => {
    const { prepare } = await open();
    const ops: Op[] = [
      { op: 'merge', ids: [1n, 2n] },
      { op: 'undo', seq: 1 },
    ];
    expect(await prepare(...ops)).toMatchObject({ ops, deltas: [] });
  });
});
