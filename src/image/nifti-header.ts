/**
 * The header of a NIfTI file. The library is nifti-reader-js.
 *
 * Source: nifti1.h and nifti2.h of the NIfTI Data Format Working Group
 */
import { isNIFTI, NIFTI1, NIFTI2, readHeader } from 'nifti-reader-js';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, Vec3 } from '../../protocol/volume.ts';
import { roundedNm } from './space-units.ts';

/** What a header says. */
export interface NiftiInfo {
  readonly shape: Vec3;
  /** Volumes behind each other: times, or values of one voxel. */
  readonly volumes: number;
  /** As it is stored. */
  readonly stored: DType | 'float64';
  readonly bytesPerVoxel: number;
  readonly isBigEndian: boolean;
  /** Where the voxels begin in the file, unpacked. */
  readonly start: number;
  /** Nanometres along x, y, z, where they are told. */
  readonly voxel: Vec3 | undefined;
  /** Whether it says that its values are labels. */
  readonly isLabel: boolean;
  /** Stored values v mean slope · v + intercept; undefined where they mean themselves. */
  readonly scaling: { readonly slope: number; readonly intercept: number } | undefined;
}

/** Bytes that are enough of a file to know it. */
export const NIFTI_HEAD_BYTES = 544;

const TYPES: Readonly<Record<number, readonly [DType | 'float64', number]>> = {
  [NIFTI1.TYPE_UINT8]: ['uint8', 1],
  [NIFTI1.TYPE_INT8]: ['int8', 1],
  [NIFTI1.TYPE_INT16]: ['int16', 2],
  [NIFTI1.TYPE_UINT16]: ['uint16', 2],
  [NIFTI1.TYPE_INT32]: ['int32', 4],
  [NIFTI1.TYPE_UINT32]: ['uint32', 4],
  [NIFTI1.TYPE_INT64]: ['int64', 8],
  [NIFTI1.TYPE_UINT64]: ['uint64', 8],
  [NIFTI1.TYPE_FLOAT32]: ['float32', 4],
  [NIFTI1.TYPE_FLOAT64]: ['float64', 8],
};
const OTHER_TYPES: Readonly<Record<number, string>> = {
  1: 'bits',
  32: 'complex numbers',
  128: 'colours',
  1536: 'float128',
  1792: 'complex numbers',
  2048: 'complex numbers',
  2304: 'colours',
};
const INTENT_LABEL = 1002;
const SPACE_UNITS = 7;
/** Millimetres where it is not told: what every program of the field takes. */
const NM_IN: Readonly<Record<number, number>> = { 0: 1e6, 1: 1e9, 2: 1e6, 3: 1e3 };

/** Whether a file begins as NIfTI does, the header of a pair of files included. */
export function isNifti(head: Uint8Array): boolean {
  return isNIFTI(bufferOf(head), true);
}

/**
 * Reads a header.
 *
 * @param head the file's first `NIFTI_HEAD_BYTES`, or all of a shorter one; `isNifti`.
 * @param name of the file in messages.
 * @throws BflyError UNSUPPORTED where it cannot be served: the message says what is wrong and what would be right.
 */
export function readNiftiHeader(head: Uint8Array, name: string): NiftiInfo {
  const wrong = (what: string, right: string): BflyError =>
    new BflyError('UNSUPPORTED', `${name} ${what}; ${right} would be right`);
  if (!isNIFTI(bufferOf(head)))
    throw wrong('is the header of a pair, whose voxels are in an .img', 'both in one file, .nii or .nii.gz,');
  const header = parsed(head, wrong);
  const [axes = 0, nx = 0, ny = 0, nz = 1, ...more] = header.dims;
  const sizes = [nx, ny, axes > 2 ? nz : 1, ...more.slice(0, Math.max(0, axes - 3))];
  if (axes < 2 || axes > 7 || !sizes.every((size) => Number.isSafeInteger(size) && size > 0))
    throw wrong(`has ${axes} axes of ${header.dims.slice(1, 8).join('×')}`, '2 to 7 axes of 1 voxel or more');
  const [x = 1, y = 1, z = 1, ...others] = sizes;
  const [stored, bytesPerVoxel] = TYPES[header.datatypeCode] ?? [];
  if (stored === undefined || bytesPerVoxel === undefined) {
    const what = OTHER_TYPES[header.datatypeCode] ?? `datatype ${header.datatypeCode}`;
    throw wrong(`holds ${what}`, 'integers of 8 to 64 bits, or numbers of 32 or 64 bits with a fraction,');
  }
  const start = Math.trunc(header.vox_offset);
  if (!(start >= 348)) throw wrong(`has voxels from byte ${header.vox_offset} on`, 'a place behind its header');
  return {
    ...{ shape: [x, y, z], stored, bytesPerVoxel, start, isBigEndian: !header.littleEndian },
    volumes: others.reduce((a, b) => a * b, 1),
    voxel: voxelOf(header),
    isLabel: header.intent_code === INTENT_LABEL,
    scaling: scalingOf(header),
  };
}

type Header = Pick<
  NIFTI1,
  'dims' | 'datatypeCode' | 'vox_offset' | 'pixDims' | 'xyzt_units' | 'intent_code' | 'littleEndian'
> &
  Pick<NIFTI1, 'scl_slope' | 'scl_inter'>;

function parsed(head: Uint8Array, wrong: (what: string, right: string) => BflyError): Header {
  // Behind the header there are extensions, which may go on beyond what was read: they are not looked at.
  const isSecond = !isOne(head);
  const length = isSecond ? NIFTI2.MAGIC_COOKIE : NIFTI1.STANDARD_HEADER_SIZE;
  if (head.length < length) throw wrong(`ends within its header, after ${head.length} bytes`, 'a whole file');
  const bare = new Uint8Array(length + 4);
  bare.set(head.subarray(0, length));
  try {
    return readHeader(bare.buffer);
  } catch (cause) {
    throw new BflyError('UNSUPPORTED', `${cause instanceof Error ? cause.message : 'its header cannot be read'}`, {
      cause,
    });
  }
}

function isOne(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return view.getInt32(0, true) === 348 || view.getInt32(0) === 348;
}

function voxelOf({ pixDims, xyzt_units: units }: Header): Vec3 | undefined {
  const factor = NM_IN[units & SPACE_UNITS];
  const [, x = 0, y = 0, z = 0] = pixDims;
  // A negative size is a direction, to programs that turn volumes.
  const sizes = [Math.abs(x), Math.abs(y), Math.abs(z) || Math.abs(x)];
  if (factor === undefined || !sizes.every((size) => Number.isFinite(size) && size > 0)) return undefined;
  const nm = (axis: number): number => roundedNm(fromFloat32(sizes[axis] ?? 1) * factor);
  return [nm(0), nm(1), nm(2)];
}

/** The shortest decimal number that the float stands for: 0.7 rather than 0.699999988079071. */
function fromFloat32(value: number): number {
  if (Math.fround(value) !== value) return value;
  return Number(value.toPrecision(7));
}

function scalingOf({ scl_slope: slope, scl_inter: intercept }: Header): NiftiInfo['scaling'] {
  if (!Number.isFinite(slope) || slope === 0) return undefined;
  const added = Number.isFinite(intercept) ? intercept : 0;
  return slope === 1 && added === 0 ? undefined : { slope, intercept: added };
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
