/** Numpy's file of one array of any number of axes. Source: numpy.lib.format, version 1.0. */
import { BYTES_PER_VOXEL, type DType } from '../../protocol/volume.ts';

const PREFIX_BYTES = 10;
const ALIGNMENT = 64;

/**
 * Writes an array in C order.
 *
 * @param shape as numpy says it: the slowest axis first. At least two axes.
 * @param bytes elements, little-endian; borrowed until the call returns.
 * @returns owned: the file.
 */
export function writeNpy(dtype: DType, shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const size = BYTES_PER_VOXEL[dtype];
  const type = `${size === 1 ? '|' : '<'}${dtype.charAt(0)}${size}`;
  const fields = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const start = Math.ceil((PREFIX_BYTES + fields.length + 1) / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(start + bytes.length).fill(0x20, PREFIX_BYTES, start);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(file.buffer).setUint16(8, start - PREFIX_BYTES, true);
  file.set(new TextEncoder().encode(fields), PREFIX_BYTES);
  file[start - 1] = 0x0a;
  file.set(bytes, start);
  return file;
}
