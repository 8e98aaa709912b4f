/** Numpy's file of one array. Source: numpy.lib.format, version 1.0. */
import type { DType, Vec3 } from '../../protocol/volume.ts';

const DESCRIPTORS: Readonly<Record<DType, string>> = {
  uint8: '|u1',
  int8: '|i1',
  uint16: '<u2',
  int16: '<i2',
  uint32: '<u4',
  int32: '<i4',
  uint64: '<u8',
  int64: '<i8',
  float32: '<f4',
};
const ALIGNMENT = 64;

/**
 * The bytes in front of the voxels of a `.npy` file. Voxels follow x fastest, little-endian, which is numpy's C order of
 * an array of shape (z, y, x).
 *
 * @param shape x, y, z.
 * @returns owned bytes; their number is a multiple of 64.
 */
export function npyHeader(dtype: DType, shape: Vec3): Uint8Array {
  const [x, y, z] = shape;
  const fields = `{'descr': '${DESCRIPTORS[dtype]}', 'fortran_order': False, 'shape': (${z}, ${y}, ${x}), }`;
  const prefix = 10;
  const length = Math.ceil((prefix + fields.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(length).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(header.buffer).setUint16(8, length - prefix, true);
  header.set(new TextEncoder().encode(fields), prefix);
  header[length - 1] = 0x0a;
  return header;
}
