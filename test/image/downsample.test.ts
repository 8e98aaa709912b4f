import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  DTYPES,
  type DType,
  type MipInfo,
  mipBox,
  type Vec3,
  type VolumeType,
  viewVoxels,
  volumeOf,
} from '../../protocol/volume.ts';
import { coarserMip, downsampleBlock, footprintOf, pyramid } from '../../src/image/downsample.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('downsample');

/** The rule word by word, voxel by voxel, in bigints where voxels are integers. */
function naive(
  input: Uint8Array,
  inputBox: Box,
  dtype: DType,
  type: VolumeType,
  outputBox: Box,
  f: Vec3,
  finer: Box,
): (bigint | number)[] {
  const voxels = viewVoxels(dtype, input.slice());
  const [nx, ny] = boxShape(inputBox);
  const out: (bigint | number)[] = [];
  for (let z = outputBox[2]; z < outputBox[5]; z++)
    for (let y = outputBox[1]; y < outputBox[4]; y++)
      for (let x = outputBox[0]; x < outputBox[3]; x++) {
        const values: (bigint | number)[] = [];
        for (let k = z * f[2]; k < (z + 1) * f[2]; k++)
          for (let j = y * f[1]; j < (y + 1) * f[1]; j++)
            for (let i = x * f[0]; i < (x + 1) * f[0]; i++) {
              if (i < finer[0] || j < finer[1] || k < finer[2] || i >= finer[3] || j >= finer[4] || k >= finer[5])
                continue;
              values.push(voxels[i - inputBox[0] + nx * (j - inputBox[1] + ny * (k - inputBox[2]))] as bigint | number);
            }
        if (dtype === 'float32')
          out.push(Math.fround(values.reduce<number>((sum, value) => sum + Number(value), 0) / values.length));
        else out.push(type === 'image' ? meanOf(values.map(BigInt)) : modeOf(values.map(BigInt)));
      }
  return out;
}

/** floor(sum / n + ½). */
function meanOf(values: readonly bigint[]): bigint {
  const n = BigInt(values.length);
  const doubled = 2n * values.reduce((sum, value) => sum + value, 0n) + n;
  const rest = ((doubled % (2n * n)) + 2n * n) % (2n * n);
  return (doubled - rest) / (2n * n);
}

function modeOf(values: readonly bigint[]): bigint {
  const votes = new Map<bigint, number>();
  for (const value of values) votes.set(value, (votes.get(value) ?? 0) + 1);
  const most = Math.max(...votes.values());
  const winners = [...votes.keys()].filter((value) => votes.get(value) === most).sort((a, b) => (a < b ? -1 : 1));
  return winners.find((value) => value !== 0n) ?? 0n;
}

const small = fc.integer({ min: 1, max: 3 });
/** A finer volume at any offset, and a box of the coarser level. */
const cases = fc
  .record({
    dtype: fc.constantFrom(...DTYPES),
    type: fc.constantFrom<VolumeType>('image', 'segmentation'),
    offset: fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
    shape: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
    factors: fc.oneof(
      fc.constantFrom<[number, number, number]>([2, 2, 2], [2, 2, 1]),
      fc.tuple(small, small, fc.integer({ min: 1, max: 5 })),
    ),
    part: fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7), fc.nat(7), fc.nat(7), fc.nat(7)),
    margin: fc.boolean(),
    values: fc.constantFrom(1, 2, 3, 256),
    seed: fc.nat(),
  })
  .filter(({ dtype, type }) => dtype !== 'float32' || type === 'image')
  .map((c) => {
    const finer = mipBox({ shape: c.shape, offset: c.offset, chunk: c.shape, voxel: [1, 1, 1] });
    const range = (axis: 0 | 1 | 2): [number, number] => {
      const first = Math.floor(c.offset[axis] / c.factors[axis]);
      const end = Math.ceil((c.offset[axis] + c.shape[axis]) / c.factors[axis]);
      const from = first + (c.part[axis] % (end - first));
      return [from, from + 1 + (((c.part[axis + 3] as number) % (end - from)) as number)];
    };
    const [x, y, z] = [range(0), range(1), range(2)];
    const outputBox: Box = [x[0], y[0], z[0], x[1], y[1], z[1]];
    const footprint = footprintOf(outputBox, c.factors, finer);
    const inputBox = c.margin ? finer : footprint;
    const random = seededRandom(c.seed);
    const input = new Uint8Array(volumeOf(boxShape(inputBox)) * BYTES_PER_VOXEL[c.dtype]);
    // Few values in a few bytes: ties, zeros and numbers that differ in one half only.
    for (let i = 0; i < input.length; i++)
      input[i] = c.values === 256 || random() < 0.2 ? Math.floor(random() * c.values) * (random() < 0.1 ? 255 : 1) : 0;
    if (c.dtype === 'float32') {
      const voxels = viewVoxels('float32', input);
      for (let i = 0; i < voxels.length; i++) voxels[i] = random() * 1e6 - 3e5;
    }
    return { ...c, finer, outputBox, inputBox, input };
  });

describe('a coarser block', () => {
  it('follows the rule voxel by voxel: every dtype, factor, offset, clipped end and cut', () => {
    fc.assert(
      fc.property(cases, ({ input, inputBox, dtype, type, outputBox, factors, finer }) => {
        const before = input.slice();
        const out = downsampleBlock(input, inputBox, dtype, type, outputBox, factors, finer);
        const expected = naive(input, inputBox, dtype, type, outputBox, factors, finer);
        const values = Array.from(viewVoxels(dtype, out) as ArrayLike<number | bigint>);
        expect(dtype === 'float32' ? values : values.map(BigInt)).toEqual(expected);
        expect(input).toEqual(before);
      }),
      { seed, numRuns: testRuns(2_000) },
    );
  });

  it('takes bytes at any alignment', () => {
    for (const dtype of DTYPES)
      for (const type of ['image', 'segmentation'] as const) {
        if (dtype === 'float32' && type === 'segmentation') continue;
        const random = seededRandom(seed);
        const box: Box = [0, 0, 0, 4, 4, 4];
        const raw = new Uint8Array(64 * BYTES_PER_VOXEL[dtype]).map(() => Math.floor(random() * 100));
        const shifted = new Uint8Array(raw.length + 1);
        shifted.set(raw, 1);
        const half: Box = [0, 0, 0, 2, 2, 2];
        expect(downsampleBlock(shifted.subarray(1), box, dtype, type, half, [2, 2, 2], box)).toEqual(
          downsampleBlock(raw, box, dtype, type, half, [2, 2, 2], box),
        );
      }
  });

  const line = (dtype: DType, type: VolumeType, values: readonly (number | bigint)[]): number | bigint | undefined => {
    const voxels = viewVoxels(dtype, new Uint8Array(values.length * BYTES_PER_VOXEL[dtype]));
    for (let i = 0; i < values.length; i++) voxels[i] = values[i] as never;
    const box: Box = [0, 0, 0, values.length, 1, 1];
    const bytes = new Uint8Array(voxels.buffer);
    return viewVoxels(
      dtype,
      downsampleBlock(bytes, box, dtype, type, [0, 0, 0, 1, 1, 1], [values.length, 1, 1], box),
    )[0];
  };

  it('rounds the mean of integers half up, also below zero', () => {
    expect(line('uint8', 'image', [1, 2])).toBe(2);
    expect(line('int16', 'image', [-1, -2])).toBe(-1);
    expect(line('int8', 'image', [-3, -2, -2])).toBe(-2);
    expect(line('int64', 'image', [-1n, -2n])).toBe(-1n);
    expect(line('int64', 'image', [-3n, -2n, -2n])).toBe(-2n);
  });

  it('has the exact mean of 64-bit integers', () => {
    expect(line('uint64', 'image', [2n ** 64n - 1n, 2n ** 64n - 4n])).toBe(2n ** 64n - 2n);
    expect(line('int64', 'image', [-(2n ** 63n), -(2n ** 63n) + 1n])).toBe(-(2n ** 63n) + 1n);
  });

  it('gives 0 a vote, but at a tie the smallest id that is not 0', () => {
    for (const dtype of ['uint16', 'uint32'] as const) {
      expect(line(dtype, 'segmentation', [0, 0, 0, 7, 7, 9])).toBe(0);
      expect(line(dtype, 'segmentation', [0, 0, 7, 7, 9])).toBe(7);
      expect(line(dtype, 'segmentation', [9, 0, 7])).toBe(7);
    }
    expect(line('uint64', 'segmentation', [0n, 2n ** 32n, 5n, 2n ** 33n])).toBe(5n);
    expect(line('uint64', 'segmentation', [2n ** 40n, 2n ** 40n + 1n, 3n, 2n ** 40n])).toBe(2n ** 40n);
    expect(line('int32', 'segmentation', [4, 0, -4])).toBe(-4);
  });

  it('does not make a mode of float32', () => {
    expect(() => line('float32', 'segmentation', [1, 2])).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });

  it('says INTERNAL where the input does not hold what the output needs', () => {
    const box: Box = [0, 0, 0, 4, 4, 4];
    const make = (output: Box, input = new Uint8Array(64), factors: Vec3 = [2, 2, 2]): Uint8Array =>
      downsampleBlock(input, box, 'uint8', 'image', output, factors, [0, 0, 0, 8, 8, 8]);
    expect(() => make([0, 0, 0, 3, 2, 2])).toThrow(/does not hold the footprint/);
    expect(() => make([-1, 0, 0, 1, 1, 1])).toThrow(/does not hold the footprint/);
    expect(() => make([0, 0, 0, 2, 2, 2], new Uint8Array(63))).toThrow(/63 bytes/);
    expect(() => make([0, 0, 0, 2, 2, 2], new Uint8Array(64), [1.5, 2, 2])).toThrow(/positive integers/);
  });
});

describe('the level above', () => {
  const mip = (shape: Vec3, voxel: Vec3, offset: Vec3 = [0, 0, 0], chunk: Vec3 = [64, 64, 64]): MipInfo => ({
    shape,
    chunk,
    voxel,
    offset,
  });

  it('halves the axes whose voxels are short, towards cubes', () => {
    const levels = pyramid(mip([2000, 1000, 130], [8, 8, 30]));
    expect(levels.map(({ shape }) => shape)).toEqual([
      [1000, 500, 130],
      [500, 250, 65],
      [250, 125, 33],
      [125, 63, 17],
      [63, 32, 9],
    ]);
    expect(levels.map(({ voxel }) => voxel)).toEqual([
      [16, 16, 30],
      [32, 32, 60],
      [64, 64, 120],
      [128, 128, 240],
      [256, 256, 480],
    ]);
  });

  it('has the rounded-up shape, the rounded-down offset and the same chunk', () => {
    expect(coarserMip(mip([129, 65, 3], [4, 4, 4], [-3, 5, 7], [32, 32, 1]))).toEqual({
      factors: [2, 2, 2],
      mip: { shape: [65, 33, 2], chunk: [32, 32, 1], voxel: [8, 8, 8], offset: [-2, 2, 3] },
    });
  });

  it('leaves an axis of one voxel alone', () => {
    expect(coarserMip(mip([512, 512, 1], [4, 4, 4], [0, 0, 0], [64, 64, 1])).factors).toEqual([2, 2, 1]);
  });

  it('halves a long axis of long voxels once the short ones fit a chunk', () => {
    expect(coarserMip(mip([64, 64, 200], [4, 4, 40])).factors).toEqual([2, 2, 2]);
    expect(coarserMip(mip([64, 64, 200], [4, 100, 40])).factors).toEqual([2, 1, 2]);
  });

  it('is the level itself where that fits one chunk', () => {
    const whole = mip([64, 10, 64], [1, 1, 1]);
    expect(coarserMip(whole)).toEqual({ mip: whole, factors: [1, 1, 1] });
    expect(pyramid(whole)).toEqual([]);
  });

  it('covers every voxel of the level below, whatever the offset, and ends', () => {
    const side = fc.integer({ min: 1, max: 300 });
    const at = fc.integer({ min: -50, max: 50 });
    fc.assert(
      fc.property(fc.tuple(side, side, side), fc.tuple(at, at, at), (shape, offset) => {
        const base = mip(shape, [4, 4, 4], offset, [8, 8, 8]);
        const levels = pyramid(base);
        expect(levels.length).toBeLessThanOrEqual(32);
        for (const [n, level] of levels.entries()) {
          const finer = levels[n - 1] ?? base;
          const { factors } = coarserMip(finer);
          for (const axis of [0, 1, 2] as const) {
            expect(level.offset[axis] * factors[axis]).toBeLessThanOrEqual(finer.offset[axis]);
            expect((level.offset[axis] + level.shape[axis]) * factors[axis]).toBeGreaterThanOrEqual(
              finer.offset[axis] + finer.shape[axis],
            );
          }
        }
      }),
    );
  });

  it('comes to one chunk in the end, each time by factors that the rounded ratio of the shapes tells', () => {
    const axis = fc.integer({ min: 1, max: 5_000 });
    const size = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(
        fc.tuple(axis, axis, axis),
        fc.tuple(size, size, size),
        fc.tuple(size, size, size),
        (shape, voxel, chunk) => {
          const base = mip(shape, voxel, [0, 0, 0], chunk);
          const levels = [base, ...pyramid(base)];
          const fits = (level: MipInfo): boolean => level.shape.every((n, i) => n <= (level.chunk[i] as number));
          expect(levels.findIndex(fits)).toBe(levels.length - 1);
          for (let i = 1; i < levels.length; i++) {
            const [finer, coarser] = [levels[i - 1] as MipInfo, levels[i] as MipInfo];
            const ratios = finer.shape.map((n, a) => Math.round(n / (coarser.shape[a] as number)));
            expect(coarserMip(finer).factors).toEqual(ratios);
          }
        },
      ),
      { seed, numRuns: testRuns(300) },
    );
  });
});
