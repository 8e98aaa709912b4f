/** Numpy's file of one array. Source: numpy.lib.format, versions 1.0 to 3.0. */
import { BflyError } from '../../protocol/errors.ts';
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
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
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
  return npyArrayHeader(DESCRIPTORS[dtype], false, [z, y, x]);
}

/**
 * The bytes in front of the values of a `.npy` file.
 *
 * @param descriptor numpy's name of the type, such as `<u8`.
 * @param isFortran the first axis varies fastest.
 * @param shape in numpy's order, two axes or more.
 * @returns owned bytes; their number is a multiple of 64.
 */
export function npyArrayHeader(descriptor: string, isFortran: boolean, shape: readonly number[]): Uint8Array {
  const order = isFortran ? 'True' : 'False';
  const fields = `{'descr': '${descriptor}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')}), }`;
  const prefix = MAGIC.length + 4;
  const length = Math.ceil((prefix + fields.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(length).fill(0x20);
  header.set([...MAGIC, 1, 0]);
  new DataView(header.buffer).setUint16(MAGIC.length + 2, length - prefix, true);
  header.set(new TextEncoder().encode(fields), prefix);
  header[length - 1] = 0x0a;
  return header;
}

/** A table of integers out of a `.npy` file. */
export interface NpyTable {
  readonly rows: number;
  readonly columns: number;
  /** Row by row, whatever the order in the file; owned. */
  readonly values: BigUint64Array;
}

/**
 * Reads a `.npy` file of a table of 64-bit integers.
 *
 * @param bytes borrowed.
 * @param what what the file is called in errors.
 * @throws BflyError BAD_REQUEST where it is something else, is cut off, or holds negative numbers.
 */
export function readNpyTable(bytes: Uint8Array, what: string): NpyTable {
  const { fields, payload } = splitHeader(bytes, what);
  const [, endian, kind] = /'descr':\s*'([<>])([ui])8'/.exec(fields) ?? [];
  const [, rowText = '', columnText = ''] = /'shape':\s*\(\s*(\d+)L?\s*,\s*(\d+)L?\s*,?\s*\)/.exec(fields) ?? [];
  if (endian === undefined || rowText === '')
    throw new BflyError('BAD_REQUEST', `${what} must hold a table of 64-bit integers`);
  const isFortran = /'fortran_order':\s*True/.test(fields);
  const [rows, columns] = [Number(rowText), Number(columnText)];
  if (payload.length < rows * columns * 8) throw new BflyError('BAD_REQUEST', `${what} is cut off`);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const values = new BigUint64Array(rows * columns);
  // A table without columns may claim any number of rows.
  for (let row = 0; columns > 0 && row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = isFortran ? column * rows + row : row * columns + column;
      const value = view.getBigUint64(at * 8, endian === '<');
      if (kind === 'i' && value >= 2n ** 63n) throw new BflyError('BAD_REQUEST', `${what} holds a negative number`);
      values[row * columns + column] = value;
    }
  return { rows, columns, values };
}

/** Voxels out of a `.npy` file. */
export interface NpyVoxels {
  /** Undefined for numpy's bool, one byte each. */
  readonly dtype: DType | undefined;
  /** Shape x, y, z. */
  readonly shape: Vec3;
  /** x fastest, little-endian; borrowed. */
  readonly bytes: Uint8Array;
}

/**
 * Reads a `.npy` file of voxels: an array of shape (z, y, x) in numpy's C order, as `npyHeader` begins one.
 *
 * @param bytes borrowed.
 * @param what what the file is called in errors.
 * @throws BflyError BAD_REQUEST where it is something else, or cut off.
 */
export function readNpyVoxels(bytes: Uint8Array, what: string): NpyVoxels {
  const { fields, payload } = splitHeader(bytes, what);
  const descriptor = /'descr':\s*'([^']*)'/.exec(fields)?.[1] ?? '';
  const [, z, y, x] = /'shape':\s*\(\s*(\d+)L?\s*,\s*(\d+)L?\s*,\s*(\d+)L?\s*,?\s*\)/.exec(fields) ?? [];
  if (x === undefined || /'fortran_order':\s*True/.test(fields))
    throw new BflyError('BAD_REQUEST', `${what} must hold an array [z, y, x] in C order`);
  const [dtype] = Object.entries(DESCRIPTORS).find(([, known]) => known === descriptor) ?? [];
  if (dtype === undefined && descriptor !== '|b1')
    throw new BflyError('BAD_REQUEST', `${what} must hold bool, integers or float32, little-endian`);
  const shape: Vec3 = [Number(x), Number(y), Number(z)];
  const size = dtype === undefined ? 1 : Number(descriptor.slice(2));
  const length = shape[0] * shape[1] * shape[2] * size;
  if (payload.length < length) throw new BflyError('BAD_REQUEST', `${what} is cut off`);
  return { dtype: dtype as DType | undefined, shape, bytes: payload.subarray(0, length) }; // a key of DESCRIPTORS
}

/** The header's text with double quotes as single ones, and what follows it. */
function splitHeader(bytes: Uint8Array, what: string): { readonly fields: string; readonly payload: Uint8Array } {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new BflyError('BAD_REQUEST', `${what} must be a .npy file`);
  const version = bytes[MAGIC.length] as number;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isShort = version === 1;
  const start = MAGIC.length + (isShort ? 4 : 6);
  const length = isShort ? view.getUint16(MAGIC.length + 2, true) : view.getUint32(MAGIC.length + 2, true);
  if (version < 1 || version > 3) throw new BflyError('BAD_REQUEST', `${what} has a version of .npy that is not known`);
  if (start + length > bytes.length) throw new BflyError('BAD_REQUEST', `${what} is cut off`);
  const fields = new TextDecoder().decode(bytes.subarray(start, start + length)).replaceAll('"', "'");
  return { fields, payload: bytes.subarray(start + length) };
}
