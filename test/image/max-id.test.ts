import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, BYTES_PER_VOXEL, DTYPES, type EncodingName, viewVoxels } from '../../protocol/volume.ts';
import { codecOf } from '../../src/image/codecs/registry.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { maxIdOf } from '../../src/image/max-id.ts';
import { fillTileFrame, makeTileFrame } from '../../src/image/tile.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const seed = testSeed('largest id');
const integers = DTYPES.filter((dtype) => dtype !== 'float32');

describe('the largest id', () => {
  it('is that of all voxels, of every integer type; negative values are no ids', () => {
    const cases = fc.record({
      dtype: fc.constantFrom(...integers),
      voxels: fc.nat(300),
      shift: fc.nat(7),
      bits: fc.integer({ min: 1, max: 64 }),
      of: fc.nat(),
    });
    fc.assert(
      fc.property(cases, ({ dtype, voxels, shift, bits, of }) => {
        const random = seededRandom(of);
        const size = BYTES_PER_VOXEL[dtype];
        const raw = new Uint8Array(voxels * size + shift).subarray(shift);
        for (let i = 0; i < raw.length; i++) if ((i % size) * 8 < bits) raw[i] = Math.floor(random() * 256);
        const values = Array.from(viewVoxels(dtype, raw.slice()) as ArrayLike<number | bigint>, BigInt);
        expect(maxIdOf(raw, dtype)).toBe(values.sort((a, b) => (a < b ? 1 : -1)).find((value) => value > 0n) ?? 0n);
      }),
      { seed, numRuns: testRuns(300) },
    );
  });

  it('is found in frames of every encoding that is stored, and in a FILL', async () => {
    const maker = new InlineTileMaker();
    const box: Box = [0, 0, 0, 9, 5, 3];
    const ids = BigUint64Array.from({ length: 9 * 5 * 3 }, (_, i) => (i % 7 === 3 ? 2n ** 40n + BigInt(i) : BigInt(i)));
    const largest = 2n ** 40n + 129n;
    const place = { dtype: 'uint64', mip: 0, box, seq: 0 } as const;
    const encodings: readonly EncodingName[] = ['raw', 'gzip', 'cseg', 'cseg+gzip'];
    const small = fillTileFrame({ ...place, value: new Uint8Array(BigUint64Array.of(5n).buffer) });
    for (const encoding of encodings) {
      expect(codecOf(encoding).canEncode('uint64')).toBe(true);
      const frame = await makeTileFrame({ ...place, raw: new Uint8Array(ids.buffer), encoding });
      expect(await maker.maxId([small, frame, small], 'uint64')).toBe(largest);
    }
    const large = fillTileFrame({ ...place, value: new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer) });
    expect(await maker.maxId([small, large], 'uint64')).toBe(2n ** 64n - 1n);
    expect(await maker.maxId([small], 'uint64')).toBe(5n);
    expect(await maker.maxId([], 'uint64')).toBe(0n);
    await maker.close();
  });

  it('of float32 is UNSUPPORTED', () => {
    expect(() => maxIdOf(new Uint8Array(4), 'float32')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });
});
