import { describe, expect, it } from 'vitest';
import { countMask, encodeMask, fullMask } from '../../protocol/voxel-mask.ts';
import { decodeDelta, deltaTile, encodeDelta, type VoxelDelta } from '../../src/image/voxel-delta.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

describe('the record of changed voxels', () => {
  it('[E26] gives back tile, mask and values, whatever their size', () => {
    const random = seededRandom(testSeed('deltas'));
    for (const voxelBytes of [1, 2, 4, 8])
      for (const voxels of [1, 5, 300, 40_000]) {
        const set = Uint8Array.from({ length: voxels }, () => (random() < 0.5 ? 1 : 0));
        set[0] = 1;
        const mask = encodeMask(set);
        const count = countMask(mask, voxels);
        const noise = Uint8Array.from({ length: count * voxelBytes }, () => random() * 256);
        const steps = Uint8Array.from({ length: count * voxelBytes }, (_, i) => i >> 9);
        for (const values of [noise, steps]) {
          const delta: VoxelDelta = { tile: [2 ** 21 - 1, 0, 300], mask, values };
          const bytes = encodeDelta(delta, voxelBytes);
          const read = decodeDelta(bytes);
          expect(read.tile).toEqual(delta.tile);
          expect(Buffer.compare(read.mask, mask)).toBe(0);
          if (!read.uniform) expect(Buffer.compare(read.values, values)).toBe(0);
          else
            for (let i = 0; i < count; i++)
              expect(values.subarray(i * voxelBytes, (i + 1) * voxelBytes)).toEqual(Uint8Array.from(read.values));
          expect(deltaTile(bytes)).toEqual(delta.tile);
          expect(bytes.length).toBeLessThanOrEqual(mask.length + values.length + 24);
        }
      }
  });

  it('keeps values that are all the same once', () => {
    const values = new Uint8Array(new BigUint64Array(262_144).fill(77n).buffer);
    const bytes = encodeDelta({ tile: [0, 0, 0], mask: fullMask(262_144), values }, 8);
    expect(bytes.length).toBeLessThan(24);
    expect(decodeDelta(bytes)).toMatchObject({ uniform: true, values: values.slice(0, 8) });
  });

  it('is INTERNAL where it is damaged, and never more memory than it says', () => {
    const values = Uint8Array.from({ length: 9_000 }, (_, i) => i >> 7);
    const bytes = encodeDelta({ tile: [1, 2, 3], mask: fullMask(9_000), values }, 1);
    expect(bytes.length).toBeLessThan(2_000);
    const damaged = [
      new Uint8Array(0),
      Uint8Array.of(2, ...bytes.subarray(1)),
      bytes.subarray(0, 4),
      bytes.subarray(0, bytes.length - 5),
      Uint8Array.of(...bytes.subarray(0, 5), 100, ...bytes.subarray(7)),
      Uint8Array.of(1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f),
    ];
    for (const broken of damaged)
      expect(() => decodeDelta(broken)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});
