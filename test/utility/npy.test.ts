import { describe, expect, it } from 'vitest';
import { DTYPES } from '../../protocol/volume.ts';
import { npyHeader } from '../../src/utility/npy.ts';

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
