/** The types of voxels that Zarr has, and their fill values. */
import { BflyError } from '../../protocol/errors.ts';
import type { DType } from '../../protocol/volume.ts';

/** A type as it is stored. */
export interface StoredType {
  /** What the library calls it: truth values are read as bytes. */
  readonly name: DType | 'float64';
  /** What it is served as. */
  readonly dtype: DType;
  readonly bytes: number;
}

const TYPES: Readonly<Record<string, StoredType>> = {
  bool: { name: 'uint8', dtype: 'uint8', bytes: 1 },
  uint8: { name: 'uint8', dtype: 'uint8', bytes: 1 },
  int8: { name: 'int8', dtype: 'int8', bytes: 1 },
  uint16: { name: 'uint16', dtype: 'uint16', bytes: 2 },
  int16: { name: 'int16', dtype: 'int16', bytes: 2 },
  uint32: { name: 'uint32', dtype: 'uint32', bytes: 4 },
  int32: { name: 'int32', dtype: 'int32', bytes: 4 },
  uint64: { name: 'uint64', dtype: 'uint64', bytes: 8 },
  int64: { name: 'int64', dtype: 'int64', bytes: 8 },
  float32: { name: 'float32', dtype: 'float32', bytes: 4 },
  // As for HDF5: nobody looks at voxels of 64 bits of fraction.
  float64: { name: 'float64', dtype: 'float32', bytes: 8 },
};
const NUMPY: Readonly<Record<string, string>> = {
  b1: 'bool',
  u1: 'uint8',
  i1: 'int8',
  u2: 'uint16',
  i2: 'int16',
  u4: 'uint32',
  i4: 'int32',
  u8: 'uint64',
  i8: 'int64',
  f4: 'float32',
  f8: 'float64',
};

/** The type of version 2, such as `<u2`. @throws BflyError UNSUPPORTED */
export function storedTypeV2(
  file: string,
  dtype: unknown,
): { readonly type: StoredType; readonly isBigEndian: boolean } {
  const [, order, rest = ''] = /^([<>|])([a-z]\d+)$/.exec(typeof dtype === 'string' ? dtype : '') ?? [];
  const type = TYPES[NUMPY[rest] ?? ''];
  if (type === undefined || (order === '|' && type.bytes > 1)) throw wrongType(file, 'dtype', dtype);
  return { type, isBigEndian: order === '>' };
}

/** The type of version 3, such as `uint16`; N5 has the same names. @throws BflyError UNSUPPORTED */
export function storedTypeV3(file: string, name: unknown, field = 'data_type'): StoredType {
  const type = typeof name === 'string' && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (type === undefined) throw wrongType(file, field, name);
  return type;
}

function wrongType(file: string, field: string, found: unknown): BflyError {
  const shown = JSON.stringify(found)?.slice(0, 80) ?? 'missing';
  return new BflyError(
    'UNSUPPORTED',
    `${file}: ${field} is ${shown}; bool, (u)int8 to 64, float32 and float64 (served as float32) would be right`,
  );
}

/**
 * The value of voxels that were never written.
 *
 * @returns what the library takes, and whether it is zero all over.
 * @throws BflyError UNSUPPORTED where it is no value of the type.
 */
export function readFill(
  file: string,
  fill: unknown,
  { name, bytes }: StoredType,
): { readonly value: number | bigint; readonly isZero: boolean } {
  const isWide = name === 'uint64' || name === 'int64';
  const value = numberOf(fill ?? 0, name.startsWith('float'), bytes);
  if (value === undefined || (!name.startsWith('float') && typeof value === 'number' && !Number.isInteger(value)))
    throw new BflyError(
      'UNSUPPORTED',
      `${file}: fill_value is ${String(fill).slice(0, 80)}, no value of ${name}; a number would be right`,
    );
  const isZero = value === 0 || value === 0n;
  return { value: isWide ? BigInt(value) : Number(value), isZero };
}

const SPECIAL: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

function numberOf(fill: unknown, isFloat: boolean, bytes: number): number | bigint | undefined {
  if (typeof fill === 'number' || typeof fill === 'bigint') return fill;
  if (typeof fill === 'boolean') return fill ? 1 : 0;
  if (typeof fill !== 'string' || !isFloat) return undefined;
  if (Object.hasOwn(SPECIAL, fill)) return SPECIAL[fill];
  // The bits of the number, the highest first.
  if (!/^0x[0-9a-f]+$/i.test(fill) || fill.length !== 2 + 2 * bytes) return undefined;
  const bits = new DataView(new ArrayBuffer(8));
  if (bytes === 8) bits.setBigUint64(0, BigInt(fill));
  else bits.setUint32(0, Number(fill));
  return bytes === 8 ? bits.getFloat64(0) : bits.getFloat32(0);
}
