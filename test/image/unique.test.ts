import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BYTES_PER_VOXEL, DTYPES, viewVoxels } from '../../protocol/volume.ts';
import { uniqueIds } from '../../src/image/unique.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('unique ids');
const integers = DTYPES.filter((dtype) => dtype !== 'float32');

describe('unique ids', () => {
  it('are those that a set of all voxels has, of every integer type', () => {
    const cases = fc.record({
      dtype: fc.constantFrom(...integers),
      voxels: fc.nat(3_000),
      run: fc.constantFrom(0, 0.5, 0.99),
      bits: fc.integer({ min: 1, max: 64 }),
      shift: fc.nat(7),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(cases, ({ dtype, voxels, run, bits, shift, seed: of }) => {
        const random = seededRandom(of);
        const size = BYTES_PER_VOXEL[dtype];
        const shifted = new Uint8Array(voxels * size + shift).subarray(shift);
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0];
        for (let i = 0; i < voxels; i++) {
          if (random() >= run)
            bytes = bytes.map(
              (_, n) => Math.floor(random() * 256) & ((1 << Math.max(0, Math.min(8, bits - 8 * n))) - 1),
            );
          shifted.set(bytes.slice(0, size), i * size);
        }
        const expected = new Set(Array.from(viewVoxels(dtype, shifted) as ArrayLike<number | bigint>, BigInt));
        const ids = new Set<bigint>();
        uniqueIds(shifted, dtype, ids);
        expect(ids).toEqual(expected);
      }),
      { seed, numRuns: testRuns(200) },
    );
  });

  it('are added to those of other blocks', () => {
    const ids = new Set([1n, 2n]);
    uniqueIds(new Uint8Array(new BigUint64Array([2n, 0n, 2n ** 40n, 0n]).buffer), 'uint64', ids);
    expect(ids).toEqual(new Set([1n, 2n, 0n, 2n ** 40n]));
  });

  it('are told apart where only their high halves differ', () => {
    const voxels = BigUint64Array.from({ length: 20_000 }, (_, i) => (BigInt(i) << 32n) | 1n);
    const ids = new Set<bigint>();
    uniqueIds(new Uint8Array(voxels.buffer), 'uint64', ids);
    expect(ids.size).toBe(20_000);
  });

  it('of float32 are UNSUPPORTED', () => {
    expect(() => uniqueIds(new Uint8Array(4), 'float32', new Set())).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });
});
