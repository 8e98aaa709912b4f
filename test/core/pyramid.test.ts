import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Box,
  BYTES_PER_VOXEL,
  DTYPES,
  type DType,
  mipBox,
  type Vec3,
  type VolumeType,
} from '../../protocol/volume.ts';
import { channelOf, naiveBox, openArrayCore, valuesOf, voxelsOf } from '../support/array-core.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

type Value = number | bigint;

/** The whole of a level from the whole of the one below, voxel by voxel. */
function naiveCoarser(
  finer: readonly Value[],
  finerBox: Box,
  box: Box,
  factors: Vec3,
  join: (values: Value[]) => Value,
): Value[] {
  const [nx, ny] = [finerBox[3] - finerBox[0], finerBox[4] - finerBox[1]];
  const out: Value[] = [];
  for (let z = box[2]; z < box[5]; z++)
    for (let y = box[1]; y < box[4]; y++)
      for (let x = box[0]; x < box[3]; x++) {
        const values: Value[] = [];
        for (let fz = z * factors[2]; fz < (z + 1) * factors[2]; fz++)
          for (let fy = y * factors[1]; fy < (y + 1) * factors[1]; fy++)
            for (let fx = x * factors[0]; fx < (x + 1) * factors[0]; fx++) {
              const inside =
                fx >= finerBox[0] &&
                fy >= finerBox[1] &&
                fz >= finerBox[2] &&
                fx < finerBox[3] &&
                fy < finerBox[4] &&
                fz < finerBox[5];
              if (!inside) continue;
              values.push(
                finer[((fz - finerBox[2]) * ny + (fy - finerBox[1])) * nx + (fx - finerBox[0])] ?? Number.NaN,
              );
            }
        out.push(join(values));
      }
  return out;
}

/** Rounded half up, exactly; float32 in the order of the voxels. */
function mean(values: Value[], dtype: DType): Value {
  if (dtype === 'float32') return Math.fround(values.reduce<number>((sum, v) => sum + Number(v), 0) / values.length);
  const count = BigInt(values.length);
  const doubled = values.reduce<bigint>((sum, v) => sum + BigInt(v), 0n) * 2n + count;
  const whole = doubled / (2n * count);
  const floor = doubled < 0n && whole * 2n * count !== doubled ? whole - 1n : whole;
  return typeof values[0] === 'bigint' ? floor : Number(floor);
}

/** The most frequent, 0 too; among equals the smallest that is not 0. */
function mode(values: Value[]): Value {
  const votes = new Map<Value, number>();
  for (const value of values) votes.set(value, (votes.get(value) ?? 0) + 1);
  const most = Math.max(...votes.values());
  const best = [...votes].filter(([, count]) => count === most).map(([value]) => value);
  const bodies = best.filter((value) => BigInt(value) !== 0n).sort((a, b) => (a < b ? -1 : 1));
  return bodies[0] ?? best[0] ?? Number.NaN;
}

const vec = (min: number, max: number) =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min, max }));

describe('levels that are built', () => {
  it('are the downsampled volume, however it is cut into tiles, of any type, size, offset and voxel', async () => {
    const seed = testSeed('pyramid');
    const random = seededRandom(seed);
    // As many bits as a random number has: of more, the lowest would all be 0.
    const word = (): bigint => BigInt(Math.floor(random() * 2 ** 32));
    const anyVolume = fc.record({
      shape: vec(1, 19),
      chunk: vec(1, 7),
      offset: vec(-9, 9),
      shift: vec(-3, 3),
      voxel: fc.constantFrom<Vec3>([1, 1, 1], [4, 4, 30], [8, 4, 4], [1, 3, 2]),
      dtype: fc.constantFrom(...DTYPES),
      ids: fc.boolean(),
    });
    let built = 0;
    await fc.assert(
      fc.asyncProperty(anyVolume, async ({ shape, chunk, offset, shift, voxel, dtype, ids }) => {
        const type: VolumeType = ids && dtype !== 'float32' ? 'segmentation' : 'image';
        // A few ids that differ in their high bits too, or grey values of all sizes.
        const data = voxelsOf(shape, dtype, () => {
          if (type === 'segmentation') return BigInt(Math.floor(random() * 4)) * (2n ** 40n + 2n ** 30n + 77n);
          return dtype === 'float32' ? random() * 100 - 50 : word() * 2n ** 32n + word();
        });
        const volume = channelOf(
          'e/s/d/c',
          { data: wrapped(data), shape, dtype, offset },
          { type, chunk, offset: shift, voxel },
        );
        const { core } = openArrayCore([volume]);
        const channel = await core.updateQuery({ path: 'e/s/d/c' });
        const [finest, ...coarser] = channel.mips;
        if (finest === undefined) throw new Error('no mip 0');
        let values = valuesOf(data, dtype);
        let box = mipBox(finest);
        expect((await core.readBox(channel, 0, box)).raw).toEqual(naiveBox(data, box, box, BYTES_PER_VOXEL[dtype]));
        for (const [index, level] of coarser.entries()) {
          const factors = channel.factors[index + 1] as Vec3;
          const join = type === 'segmentation' ? mode : (all: Value[]) => mean(all, dtype);
          values = naiveCoarser(values, box, mipBox(level), factors, join);
          box = mipBox(level);
          const { raw } = await core.readBox(channel, index + 1, box);
          expect(valuesOf(raw, dtype)).toEqual(values);
          built++;
        }
      }),
      { seed, numRuns: testRuns(60) },
    );
    expect(built).toBeGreaterThan(30);
  });
});

/** Bytes that do not begin their buffer, as many do that come from a file. */
function wrapped(data: Uint8Array): Uint8Array {
  const longer = new Uint8Array(data.length + 3);
  longer.set(data, 3);
  return longer.subarray(3);
}
