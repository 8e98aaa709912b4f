import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, DTYPES, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import type { Cutout } from '../../src/core/cutout.ts';
import { boxVolume } from '../../src/query/box.ts';
import { channelOf, IM, naiveBox, openArrayCore, SEG, voxelsOf } from '../support/array-core.ts';
import { useManualClock } from '../support/manual-clock.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const PATH = 'e/s/d/c';

/** Takes all parts, each into a buffer that is longer than the part and full of something else. */
async function takeAll(cutout: Cutout, maxPartBytes: number): Promise<{ bytes: Uint8Array; parts: number }> {
  const taken: Uint8Array[] = [];
  while (cutout.nextBytes > 0) {
    const { nextBytes } = cutout;
    expect(nextBytes).toBeLessThanOrEqual(maxPartBytes);
    expect(boxVolume(cutout.nextBox as Box)).toBeGreaterThan(0);
    const into = new Uint8Array(nextBytes + 5).fill(0xee);
    for (let waiting = cutout.next(into); waiting !== undefined; waiting = cutout.next(into)) {
      // Nothing has been taken yet.
      expect(cutout.nextBytes).toBe(nextBytes);
      await waiting;
    }
    expect([...into.subarray(nextBytes)]).toEqual(Array(5).fill(0xee));
    taken.push(into.subarray(0, nextBytes));
  }
  expect(cutout.nextBox).toBeUndefined();
  return { bytes: Buffer.concat(taken), parts: taken.length };
}

const vec = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min, max }));

describe('a cutout', () => {
  it('put together from its parts is the box, zeros outside the volume, whatever the parts, tiles and cache', async () => {
    const seed = testSeed('cutout');
    const random = seededRandom(seed);
    const anyCutout = fc.record({
      shape: vec(1, 14),
      chunk: vec(1, 9),
      offset: vec(-6, 6),
      dtype: fc.constantFrom(...DTYPES),
      at: vec(-12, 16),
      size: vec(1, 16),
      partVoxels: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 41, max: 5_000 })),
      cacheBytes: fc.constantFrom(0, 300, 2_000, 10_000_000),
      constant: fc.boolean(),
      seen: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(anyCutout, async (given) => {
        const { shape, chunk, offset, dtype, at, size, partVoxels, cacheBytes } = given;
        // Some tiles of one value, which travel as a FILL.
        const data = voxelsOf(shape, dtype, (x) => (given.constant && x < 5 ? 7 : Math.floor(random() * 100)));
        const { core } = openArrayCore([channelOf(PATH, { data, shape, dtype, offset }, { chunk })], { cacheBytes });
        const channel = await core.updateQuery({ path: PATH });
        const volume: Box = [...offset, offset[0] + shape[0], offset[1] + shape[1], offset[2] + shape[2]];
        if (given.seen) await core.readBox(channel, 0, volume);
        const box: Box = [...at, at[0] + size[0], at[1] + size[1], at[2] + size[2]];
        const maxPartBytes = partVoxels * BYTES_PER_VOXEL[dtype];
        const cutout = core.openCutout(channel, 0, box, maxPartBytes);
        expect(cutout.totalBytes).toBe(volumeOf(size) * BYTES_PER_VOXEL[dtype]);
        const { bytes } = await takeAll(cutout, maxPartBytes);
        expect(Buffer.compare(bytes, naiveBox(data, volume, box, BYTES_PER_VOXEL[dtype]))).toBe(0);
      }),
      { seed, numRuns: testRuns(250) },
    );
  });

  it('sticks out on every side', async () => {
    const { core } = openArrayCore([channelOf(PATH, IM, { chunk: [4, 3, 2] })]);
    const channel = await core.updateQuery({ path: PATH });
    const box: Box = [-3, -2, -1, 12, 11, 9];
    const { bytes } = await takeAll(core.openCutout(channel, 0, box, 100), 100);
    expect(Buffer.compare(bytes, naiveBox(IM.data, [0, 0, 0, 8, 6, 4], box, 1))).toBe(0);
    expect(bytes.includes(191)).toBe(true);
  });

  it('wholly outside is zeros, and nothing is read for it', async () => {
    const { core, reads } = openArrayCore([channelOf(PATH, SEG)]);
    const channel = await core.updateQuery({ path: PATH });
    for (const box of [
      [8, 0, 0, 9, 6, 4],
      [-4, 0, 0, 0, 6, 4],
      [0, 6, 0, 8, 7, 4],
      [0, 0, 4, 8, 6, 5],
      [1_000_000, 1_000_000, 1_000_000, 1_000_004, 1_000_004, 1_000_004],
    ] as const) {
      const { bytes } = await takeAll(core.openCutout(channel, 0, box, 64), 64);
      expect(bytes.length).toBe(boxVolume(box) * 4);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
    expect(reads).toEqual([]);
  });

  it.each<[number, Vec3, number]>([
    [48, [8, 6, 1], 4],
    [96, [8, 6, 2], 2],
    [100, [8, 6, 2], 2],
    [47, [8, 5, 1], 8],
    [8, [8, 1, 1], 24],
    [7, [7, 1, 1], 48],
    [1, [1, 1, 1], 192],
    [0, [1, 1, 1], 192],
  ])('in parts of at most %i bytes begins with %s voxels and has %i parts', async (maxPartBytes, size, parts) => {
    const { core } = openArrayCore([channelOf(PATH, IM)]);
    const channel = await core.updateQuery({ path: PATH });
    const cutout = core.openCutout(channel, 0, [0, 0, 0, 8, 6, 4], maxPartBytes);
    expect(cutout.nextBox).toEqual([0, 0, 0, ...size]);
    expect((await takeAll(cutout, Math.max(1, maxPartBytes))).parts).toBe(parts);
  });

  it('is done at once where all its tiles are at hand', async () => {
    const { core } = openArrayCore([channelOf(PATH, IM, { chunk: [4, 3, 2] })]);
    const channel = await core.updateQuery({ path: PATH });
    await core.readBox(channel, 0, [0, 0, 0, 8, 6, 4]);
    const cutout = core.openCutout(channel, 0, [0, 0, 0, 8, 6, 4], 50);
    while (cutout.nextBytes > 0) expect(cutout.next(new Uint8Array(cutout.nextBytes))).toBeUndefined();
  });

  it('of no voxels has no parts', async () => {
    const { core } = openArrayCore([channelOf(PATH, IM)]);
    const cutout = core.openCutout(await core.updateQuery({ path: PATH }), 0, [2, 2, 2, 2, 4, 2], 100);
    expect([cutout.totalBytes, cutout.nextBytes]).toEqual([0, 0]);
    expect(cutout.next(new Uint8Array(0))).toBeUndefined();
  });

  it('of a built level is the box of that level', async () => {
    const data = voxelsOf([16, 16, 4], 'uint8', (x, y, z) => 4 * (x >> 1) + 8 * (y >> 1) + 2 * z);
    const { core } = openArrayCore([
      channelOf(PATH, { data, shape: [16, 16, 4], dtype: 'uint8' }, { chunk: [4, 4, 4], voxel: [1, 1, 9] }),
    ]);
    const channel = await core.updateQuery({ path: PATH });
    const level = channel.mips[1];
    if (level === undefined) throw new Error('no mip 1');
    expect(level.shape).toEqual([8, 8, 4]);
    const { bytes } = await takeAll(core.openCutout(channel, 1, mipBox(level), 77), 77);
    expect(
      Buffer.compare(
        bytes,
        voxelsOf([8, 8, 4], 'uint8', (x, y, z) => 4 * x + 8 * y + 2 * z),
      ),
    ).toBe(0);
  });

  it('loads a few tiles at a time and no more', async () => {
    let now = 0;
    let most = 0;
    const { core } = openArrayCore([channelOf(PATH, IM, { chunk: [1, 1, 1] })], {
      beforeRead: async () => {
        most = Math.max(most, ++now);
        await new Promise(setImmediate);
        now--;
      },
    });
    const channel = await core.updateQuery({ path: PATH });
    await core.readBox(channel, 0, [0, 0, 0, 8, 6, 1]);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
  });

  it('fails with the tile that cannot be read, and can be gone on with when that heals', async () => {
    const clock = useManualClock();
    let broken = true;
    const { core } = openArrayCore([channelOf(PATH, IM, { chunk: [4, 3, 2] })], {
      beforeRead: async ({ box }) => {
        if (broken && box[0] === 4) throw new Error('broken');
      },
    });
    const channel = await core.updateQuery({ path: PATH });
    const cutout = core.openCutout(channel, 0, [0, 0, 0, 8, 6, 4], 96);
    const into = new Uint8Array(96);
    await expect(cutout.next(into)).rejects.toBeInstanceOf(BflyError);
    expect(() => cutout.next(into)).toThrow(BflyError);
    broken = false;
    clock.advance(2_100);
    const { bytes } = await takeAll(cutout, 96);
    expect(Buffer.compare(bytes, IM.data)).toBe(0);
  });
});
