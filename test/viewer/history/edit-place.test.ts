import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChannelInfo, EditEvent, Vec3 } from '../../../src/client/index.ts';
import { toldPlace, voxelOfIds, wholeLevel } from '../../../src/viewer/page/history/edit-place.ts';
import { PlaceFinder } from '../../../src/viewer/page/history/place-finder.ts';
import { testRuns, testSeed } from '../../support/seed.ts';

const bin = (...ids: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids).buffer);

function edit(part: Partial<EditEvent>): EditEvent {
  const user = { id: 'u', name: 'Ada' };
  return { seq: 1, time: 5, user, mine: false, ops: [], results: [], changes: {}, ...part };
}

function mip(size: number, voxel: number): ChannelInfo['mips'][number] {
  return { shape: [size, size, size], chunk: [64, 64, 64], voxel: [voxel, voxel, voxel], offset: [0, 0, 0] };
}

const INFO: ChannelInfo = {
  ...{ path: 'p', kind: 'channel', type: 'segmentation', dtype: 'uint32', enc: ['raw'], source: 'array' },
  mips: [mip(1_000, 10), mip(128, 80)],
  ...{ editable: true, epoch: new Uint8Array(8), first: 1, head: 7, tables: {} },
};

describe('the place of an edit', () => {
  it('is the middle of what it touched', () => {
    const touched = [
      [0, [10, 0, 0, 20, 4, 2]],
      [1, [0, 0, 0, 500, 500, 500]],
      [0, [0, 2, 0, 12, 8, 2]],
    ] as const;
    expect(toldPlace(edit({ changes: { touched } }))).toEqual({ voxel: [10, 4, 1] });
    expect(toldPlace(edit({ ops: [{ op: 'split', box: [0, 0, 0, 4, 4, 4] }] }))).toEqual({ voxel: [2, 2, 2] });
  });

  it('is the first row that it put', () => {
    const rows = [{ kind: 'line', points: [0, 0, 0, 4, 6, 8] }];
    expect(toldPlace(edit({ ops: [{ op: 'put', rows }] }))).toEqual({ voxel: [2, 3, 4] });
    const neuron = [{ key: 3n, point: [1, 2, 3] }];
    expect(toldPlace(edit({ changes: { rows: { neuron } } }))).toEqual({ voxel: [1, 2, 3] });
  });

  it('is that of the segments that it names, else of those that it moved', () => {
    expect(toldPlace(edit({ ops: [{ op: 'merge', ids: [0, 4, 5n] }], results: [{ root: 4 }] }))).toEqual({
      ids: [4n, 5n],
    });
    expect(toldPlace(edit({ ops: [{ op: 'undo', seq: 1 }], changes: { parted: [[7n, bin(7n)]] } }))).toEqual({
      ids: [7n],
    });
    expect(toldPlace(edit({ ops: [{ op: 'meta', key: 'k' }] }))).toBeUndefined();
  });

  it('is looked for in the finest level that is small enough', () => {
    expect(wholeLevel(INFO, 4, 8 * 2 ** 20)).toBe(1);
    expect(wholeLevel(INFO, 4, 4e9)).toBe(0);
    expect(wholeLevel(INFO, 8, 8 * 2 ** 20)).toBeUndefined();
  });

  it('is a voxel of the smallest of the segments that are there, none nearer to the middle of all of its', () => {
    const seed = testSeed('the place of an edit');
    const sizes = fc.tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
    );
    fc.assert(
      fc.property(
        sizes,
        fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }),
        fc.boolean(),
        (shape, values, isBig) => {
          const [sx, sy, sz] = shape;
          const plain = values.slice(0, sx * sy * sz);
          const data = isBig ? BigUint64Array.from(plain.map(BigInt)) : Uint32Array.from(plain);
          const found = voxelOfIds(data, shape, [9n, 3n, 1n]);
          const sizeOf = (id: number): number => plain.filter((value) => value === id).length;
          const [wanted] = [3, 1].filter((id) => sizeOf(id) > 0).sort((a, b) => sizeOf(a) - sizeOf(b));
          expect(found === undefined).toBe(wanted === undefined);
          if (found === undefined) return;
          const all = plain.flatMap((value, i): Vec3[] =>
            value === wanted ? [[i % sx, Math.floor(i / sx) % sy, Math.floor(i / sx / sy)]] : [],
          );
          const middle = [0, 1, 2].map((axis) => all.reduce((sum, at) => sum + (at[axis] ?? 0), 0) / all.length);
          const far = (at: Vec3): number =>
            at.reduce((sum, value, axis) => sum + (value - (middle[axis] ?? 0)) ** 2, 0);
          expect(all).toContainEqual(found);
          for (const at of all) expect(far(found)).toBeLessThanOrEqual(far(at) + 1e-9);
        },
      ),
      { seed, numRuns: testRuns(200) },
    );
  });
});

describe('the finder of places', () => {
  it('reads a coarse level once, and again when voxels have changed', async () => {
    const data = new Uint32Array(128 ** 3);
    data[5 + 128 * (6 + 128 * 7)] = 42;
    let reads = 0;
    const finder = new PlaceFinder(
      {
        async cutout(_path, { mip: level = 0 } = {}) {
          reads++;
          const [box, shape] = [[0, 0, 0, 128, 128, 128] as const, [128, 128, 128] as const];
          return { data, shape, dtype: 'uint32', mip: level, box, seq: 0 };
        },
      },
      INFO,
    );
    const merge = edit({ ops: [{ op: 'merge', ids: [41, 42] }] });
    expect(await finder.find(merge)).toEqual({ place: [440, 520, 600] });
    await finder.find(merge);
    expect(reads).toBe(1);
    finder.forget();
    await finder.find(merge);
    expect(reads).toBe(2);
    expect(await finder.find(edit({ ops: [{ op: 'merge', ids: [43] }] }))).toMatchObject({
      why: expect.stringContaining('too small'),
    });
    expect(await finder.find(edit({ changes: { touched: [[0, [0, 0, 0, 4, 4, 4]]] } }))).toEqual({
      place: [20, 20, 20],
    });
    expect(await finder.find(edit({ cut: true }))).toHaveProperty('why');
  });
});
