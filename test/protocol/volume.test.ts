import { describe, expect, it } from 'vitest';
import { BYTES_PER_VOXEL, boxShape, DTYPES, mipBox, viewVoxels, volumeOf } from '../../protocol/volume.ts';

describe('[F13] voxels of little-endian bytes', () => {
  it.each(DTYPES)('are viewed without a copy where they are aligned, as %s', (dtype) => {
    const bytes = new Uint8Array(128).subarray(64);
    const voxels = viewVoxels(dtype, bytes);
    expect(voxels.buffer).toBe(bytes.buffer);
    expect(voxels).toHaveLength(64 / BYTES_PER_VOXEL[dtype]);
  });

  it.each(DTYPES)('are copied where they are not, from a Uint8Array and from a Buffer, as %s', (dtype) => {
    const source = Uint8Array.from({ length: 81 }, (_, i) => i);
    const aligned = viewVoxels(dtype, source.slice(1, 65));
    expect(viewVoxels(dtype, source.subarray(1, 65))).toEqual(aligned);
    expect(viewVoxels(dtype, Buffer.from(source.buffer, 1, 64))).toEqual(aligned);
  });

  it('leave out a rest that is no whole voxel', () => {
    expect(viewVoxels('uint32', new Uint8Array(11))).toHaveLength(2);
  });

  it('are little-endian', () => {
    expect(viewVoxels('uint16', Uint8Array.of(1, 2))[0]).toBe(0x0201);
    expect(viewVoxels('uint64', Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0x80))[0]).toBe(2n ** 63n + 1n);
  });
});

describe('[F11] [F12] boxes', () => {
  it('are half-open, and a level lies at its offset', () => {
    expect(boxShape([-1, 0, 2, 3, 5, 9])).toEqual([4, 5, 7]);
    expect(mipBox({ shape: [4, 5, 6], chunk: [2, 2, 2], voxel: [1, 1, 1], offset: [-1, 0, 7] })).toEqual([
      -1, 0, 7, 3, 5, 13,
    ]);
    expect(volumeOf([2 ** 20, 2 ** 20, 2 ** 10])).toBe(2 ** 50);
  });
});
