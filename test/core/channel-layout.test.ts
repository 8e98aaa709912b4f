import { describe, expect, it } from 'vitest';
import type { MipInfo, Vec3 } from '../../protocol/volume.ts';
import { layOut } from '../../src/core/channel-layout.ts';
import type { SourceInfo } from '../../src/image/source.ts';

const level = (shape: Vec3, chunk: Vec3 = [64, 64, 64]): MipInfo => ({
  shape,
  chunk,
  voxel: [1, 1, 1],
  offset: [0, 0, 0],
});
const info = (mips: readonly MipInfo[]): SourceInfo => ({
  ...{ kind: 'zarr', type: 'image', dtype: 'uint8', voxelKnown: true, fingerprint: 'x' },
  mips,
});
const open = (mips: readonly MipInfo[]) => layOut({ path: 'e/s/d/c' }, info(mips), 'on-demand');
const refusal = (message: string) =>
  expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining(message) });

describe('the layout of a channel', () => {
  it('is refused where tiles would have no keys: too far out, or of too many levels', () => {
    expect(open([level([64 * 2 ** 21, 64, 64])]).mips[0]?.shape).toEqual([2 ** 27, 64, 64]);
    expect(() => open([level([64 * 2 ** 21 + 1, 64, 64])])).toThrow(
      refusal('e/s/d/c has 134217729×64×64 voxels in tiles of 64×64×64; at most 2097152 tiles along an axis'),
    );
    expect(open(Array.from({ length: 256 }, () => level([64, 64, 64]))).mips).toHaveLength(256);
    expect(() => open(Array.from({ length: 257 }, () => level([64, 64, 64])))).toThrow(
      refusal('e/s/d/c has 257 levels; at most 256 would be right'),
    );
  });
});
