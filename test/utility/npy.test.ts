import { describe, expect, it } from 'vitest';
import { DTYPES } from '../../protocol/volume.ts';
import { npyArrayHeader, npyHeader, readNpyVoxels } from '../../src/utility/npy.ts';

describe('the header of a .npy file', () => {
  it('names dtype and shape in the order z, y, x, and ends at a multiple of 64', () => {
    const header = Buffer.from(npyHeader('uint64', [250, 160, 48]));
    expect(header.subarray(0, 8)).toEqual(Buffer.from('\x93NUMPY\x01\x00', 'latin1'));
    expect(header.readUInt16LE(8)).toBe(header.length - 10);
    expect(header.length % 64).toBe(0);
    expect(header.subarray(10).toString('latin1')).toMatch(
      /^\{'descr': '<u8', 'fortran_order': False, 'shape': \(48, 160, 250\), \} *\n$/,
    );
  });

  it('knows every dtype', () => {
    const found = DTYPES.map(
      (dtype) => /'descr': '(.+?)'/.exec(Buffer.from(npyHeader(dtype, [1, 1, 1])).toString('latin1'))?.[1],
    );
    expect(found).toEqual(['|u1', '|i1', '<u2', '<i2', '<u4', '<i4', '<u8', '<i8', '<f4']);
  });
});

describe('voxels of a .npy file', () => {
  it.each(DTYPES)('are read as they were written, %s', (dtype) => {
    const size = Number(
      /\d$/.exec(/'descr': '(.+?)'/.exec(Buffer.from(npyHeader(dtype, [1, 1, 1])).toString('latin1'))?.[1] ?? '')?.[0],
    );
    const bytes = Uint8Array.from({ length: 24 * size }, (_, i) => i);
    expect(readNpyVoxels(Buffer.concat([npyHeader(dtype, [4, 3, 2]), bytes]), 'it')).toMatchObject({
      dtype,
      shape: [4, 3, 2],
    });
    expect([...readNpyVoxels(Buffer.concat([npyHeader(dtype, [4, 3, 2]), bytes]), 'it').bytes]).toEqual([...bytes]);
  });

  it('may be bool, which is no voxel type', () => {
    const header = npyArrayHeader('|b1', false, [1, 1, 3]);
    expect(readNpyVoxels(Buffer.concat([header, Uint8Array.of(1, 0, 1)]), 'it')).toMatchObject({
      dtype: undefined,
      shape: [3, 1, 1],
    });
  });

  it.each([
    ['other types', npyArrayHeader('>u4', false, [1, 1, 1])],
    ['columns first', npyArrayHeader('|u1', true, [1, 1, 1])],
    ['other shapes', npyArrayHeader('|u1', false, [1, 1])],
    ['fewer voxels than it says', npyArrayHeader('|u1', false, [9, 9, 9])],
  ])('are refused with %s', (_what, header) => {
    expect(() => readNpyVoxels(Buffer.concat([header, new Uint8Array(8)]), 'the file')).toThrow(/^the file /);
  });
});
