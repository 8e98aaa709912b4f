import { describe, expect, it } from 'vitest';
import type { MipInfo, Vec3 } from '../../../src/client/index.ts';
import { idColor } from '../../../src/viewer/page/home/id-color.ts';
import { thumbnailBox } from '../../../src/viewer/page/home/thumbnail-box.ts';
import { greyRange, paintSlice, stretch } from '../../../src/viewer/page/home/thumbnail-pixels.ts';

function level(shape: Vec3, offset: Vec3 = [0, 0, 0], chunk: Vec3 = [64, 64, 64]): MipInfo {
  return { shape, chunk, voxel: [8, 8, 8], offset };
}

describe('thumbnailBox', () => {
  it('takes the middle slice of the coarsest level that is large enough', () => {
    const mips = [level([1000, 1000, 300]), level([500, 500, 150]), level([250, 250, 75]), level([125, 125, 38])];
    expect(thumbnailBox({ mips })).toEqual({ mip: 3, box: [0, 0, 19, 125, 125, 20] });
    expect(thumbnailBox({ mips: [...mips, level([63, 63, 19])] })).toMatchObject({ mip: 3 });
  });

  it('takes the finest level where none is large enough, and where a side is short', () => {
    expect(thumbnailBox({ mips: [level([40, 30, 1])] })).toEqual({ mip: 0, box: [0, 0, 0, 40, 30, 1] });
    expect(thumbnailBox({ mips: [level([4000, 30, 8]), level([2000, 15, 4])] })).toMatchObject({ mip: 0 });
  });

  it('counts from the first voxel of the volume', () => {
    expect(thumbnailBox({ mips: [level([130, 140, 10], [-20, 7, 100])] })).toEqual({
      mip: 0,
      box: [-20, 7, 105, 110, 147, 106],
    });
  });

  it('takes whole chunks of the middle where a slice meets too many', () => {
    const { box } = thumbnailBox({ mips: [level([10_000, 8_000, 500], [5, 6, 7])] }) ?? { box: [] };
    const [x0 = 0, y0 = 0, z0 = 0, x1 = 0, y1 = 0] = box;
    expect([x1 - x0, y1 - y0]).toEqual([128, 128]);
    expect([(x0 - 5) % 64, (y0 - 6) % 64]).toEqual([0, 0]);
    expect(Math.abs((x0 + x1) / 2 - 5 - 5_000)).toBeLessThanOrEqual(64);
    expect(Math.abs((y0 + y1) / 2 - 6 - 4_000)).toBeLessThanOrEqual(64);
    expect(z0).toBe(257);
  });

  it('stays inside where one chunk is larger than the volume is wide', () => {
    const mips = [level([200, 5_000, 2_000], [0, 0, 0], [512, 512, 64])];
    const [x0, , , x1] = thumbnailBox({ mips })?.box ?? [];
    expect([x0, x1]).toEqual([0, 200]);
  });

  it('has nothing to take of a channel without levels', () => {
    expect(thumbnailBox({ mips: [] })).toBeUndefined();
  });
});

describe('contrast', () => {
  it('goes from black at 1 % of the voxels to white at 99 %', () => {
    const voxels = Uint16Array.from({ length: 1001 }, (_, n) => 5_000 + n);
    expect(greyRange(voxels)).toEqual({ low: 5_010, high: 5_990 });
    expect([5_000, 5_010, 5_500, 5_990, 6_000].map((value) => stretch(value, 5_010, 5_990))).toEqual([
      0, 0, 128, 255, 255,
    ]);
  });

  it('is not moved by a few voxels that are far off', () => {
    const voxels = Float32Array.from({ length: 1000 }, (_, n) => (n < 5 ? -1e9 : n >= 995 ? 1e9 : n % 100));
    const { low, high } = greyRange(voxels);
    expect([low >= 0, high <= 99]).toEqual([true, true]);
  });

  it('leaves out what is no number', () => {
    expect(greyRange(Float32Array.of(Number.NaN, 1, 2, Number.POSITIVE_INFINITY))).toEqual({ low: 1, high: 2 });
    expect(stretch(Number.NaN, 0, 1)).toBe(0);
  });

  it('shows one value everywhere as middle grey', () => {
    expect([...paintSlice('image', new Uint8Array(1).fill(7), 1, 1).rgba]).toEqual([128, 128, 128, 255]);
  });
});

describe('paintSlice', () => {
  it('paints images in grey, row by row', () => {
    const { rgba, width, height } = paintSlice('image', Uint8Array.of(0, 255, 255, 0, 0, 255), 3, 2);
    expect([width, height]).toEqual([3, 2]);
    const greys = Array.from({ length: 6 }, (_, n) => rgba[n * 4]);
    expect(greys).toEqual([0, 255, 255, 0, 0, 255]);
    expect([...rgba.subarray(4, 8)]).toEqual([255, 255, 255, 255]);
  });

  it('paints each id in its colour, also above 2⁵³ and below 0', () => {
    const big = 2n ** 63n + 1n;
    const { rgba } = paintSlice('segmentation', BigUint64Array.of(0n, big, big + 1n), 3, 1);
    expect([...rgba.subarray(0, 4)]).toEqual([0, 0, 0, 255]);
    expect([...rgba.subarray(4, 8)]).toEqual([...idColor(big), 255]);
    expect([...rgba.subarray(8, 12)]).toEqual([...idColor(big + 1n), 255]);
    expect(idColor(big)).not.toEqual(idColor(big + 1n));
    const signed = paintSlice('segmentation', Int32Array.of(-1), 1, 1);
    expect([...signed.rgba.subarray(0, 3)]).toEqual([...idColor(2n ** 64n - 1n)]);
  });
});

describe('idColor', () => {
  it('is black for 0 alone, and else never dark', () => {
    expect(idColor(0n)).toEqual([0, 0, 0]);
    for (let id = 1n; id < 2_000n; id++) expect(Math.max(...idColor(id))).toBeGreaterThan(150);
  });

  it('differs for ids that are near', () => {
    const colors = new Set(Array.from({ length: 1_000 }, (_, n) => idColor(BigInt(n)).join()));
    expect(colors.size).toBeGreaterThan(990);
    const high = new Set(Array.from({ length: 100 }, (_, n) => idColor(BigInt(n) << 40n).join()));
    expect(high.size).toBe(100);
  });
});
