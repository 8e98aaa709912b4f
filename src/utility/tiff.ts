/**
 * Writes a volume as an uncompressed TIFF with one page for each z, front to back, without holding more than a page.
 * sharp turns 32-bit voxels into 8 bits and geotiff writes one page only, so it is done here. Source: TIFF 6.0.
 */
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType, type Vec3 } from '../../protocol/volume.ts';

/** SampleFormat by dtype: 1 unsigned, 2 signed, 3 IEEE; 64 bits are left out because hardly a reader knows them. */
const SAMPLE_FORMATS: Readonly<Partial<Record<DType, number>>> = {
  uint8: 1,
  int8: 2,
  uint16: 1,
  int16: 2,
  uint32: 1,
  int32: 2,
  float32: 3,
};
const SHORT = 3;
const LONG = 4;
const RATIONAL = 5;
const HEADER_BYTES = 8;
const TAG_COUNT = 14;
const ENTRY_BYTES = 12;
/** A page is its directory, two rationals, and its voxels. */
const DIRECTORY_BYTES = 2 + TAG_COUNT * ENTRY_BYTES + 4;
const PAGE_HEAD_BYTES = DIRECTORY_BYTES + 16;
const MAX_BYTES = 2 ** 32 - 1;
const NM_PER_CM = 1e7;

/** Shape of a TIFF's volume. */
export interface TiffLayout {
  readonly dtype: DType;
  /** x, y, z: width, height, pages. */
  readonly shape: Vec3;
  /** Size of a voxel in nanometres, kept as the resolution of each page. */
  readonly voxel: Vec3;
}

/** Why a volume cannot be a TIFF, or undefined. */
export function tiffFault({ dtype, shape }: TiffLayout): BflyError | undefined {
  if (SAMPLE_FORMATS[dtype] === undefined) {
    return new BflyError('UNSUPPORTED', `TIFF has no ${dtype} that programs can read; write .npy or .raw`);
  }
  if (HEADER_BYTES + pageBytes(dtype, shape) * shape[2] > MAX_BYTES) {
    return new BflyError('TOO_LARGE', 'a TIFF holds at most 4 GiB; write .npy or .raw, or a smaller --box');
  }
  return undefined;
}

/** Bytes of one page; directories start at even offsets. */
function pageBytes(dtype: DType, shape: Vec3): number {
  const voxels = shape[0] * shape[1] * BYTES_PER_VOXEL[dtype];
  return PAGE_HEAD_BYTES + voxels + (voxels % 2);
}

/**
 * Gives the file's bytes in order.
 *
 * @param planes the voxels in order, little-endian, any number of whole z planes at a time; borrowed until the next is asked for.
 * @throws BflyError as `tiffFault`.
 */
export async function* tiffChunks(layout: TiffLayout, planes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const fault = tiffFault(layout);
  if (fault !== undefined) throw fault;
  yield tiffHeader();
  let page = 0;
  const bytes = planeBytes(layout);
  for await (const slab of planes) {
    for (let start = 0; start < slab.length; start += bytes) {
      yield tiffPageHead(layout, page++);
      yield slab.subarray(start, start + bytes);
      if (bytes % 2 === 1) yield Uint8Array.of(0);
    }
  }
}

/** The first bytes of the file. */
export function tiffHeader(): Uint8Array {
  return Uint8Array.of(0x49, 0x49, 42, 0, HEADER_BYTES, 0, 0, 0);
}

/** Bytes of the whole file. */
export function tiffFileBytes(layout: TiffLayout): number {
  return tiffPageOffset(layout, layout.shape[2]);
}

/** Where a page begins in the file: its head, and then its voxels. */
export function tiffPageOffset({ dtype, shape }: TiffLayout, page: number): number {
  return HEADER_BYTES + page * pageBytes(dtype, shape);
}

function planeBytes({ dtype, shape }: TiffLayout): number {
  return shape[0] * shape[1] * BYTES_PER_VOXEL[dtype];
}

/** The directory of a page with its rationals; its voxels follow. */
export function tiffPageHead(layout: TiffLayout, page: number): Uint8Array {
  const { dtype, shape, voxel } = layout;
  const [width, height, pages] = shape;
  const size = pageBytes(dtype, shape);
  const start = HEADER_BYTES + page * size;
  const head = new Uint8Array(PAGE_HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint16(0, TAG_COUNT, true);
  let at = 2;
  const tag = (id: number, type: number, value: number): void => {
    view.setUint16(at, id, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, 1, true);
    // A SHORT stands in the first two of the four bytes, which is where little-endian puts it.
    view.setUint32(at + 8, value, true);
    at += ENTRY_BYTES;
  };
  tag(254, LONG, pages > 1 ? 2 : 0);
  tag(256, LONG, width);
  tag(257, LONG, height);
  tag(258, SHORT, BYTES_PER_VOXEL[dtype] * 8);
  tag(259, SHORT, 1);
  tag(262, SHORT, 1);
  tag(273, LONG, start + PAGE_HEAD_BYTES);
  tag(277, SHORT, 1);
  tag(278, LONG, height);
  tag(279, LONG, width * height * BYTES_PER_VOXEL[dtype]);
  tag(282, RATIONAL, start + DIRECTORY_BYTES);
  tag(283, RATIONAL, start + DIRECTORY_BYTES + 8);
  tag(296, SHORT, 3);
  tag(339, SHORT, SAMPLE_FORMATS[dtype] ?? 1);
  view.setUint32(at, page + 1 < pages ? start + size : 0, true);
  for (const axis of [0, 1] as const) {
    const perCm = Math.min(NM_PER_CM / voxel[axis], MAX_BYTES);
    // The denominator keeps three digits behind the point where they fit.
    const denominator = perCm < MAX_BYTES / 1000 ? 1000 : 1;
    view.setUint32(DIRECTORY_BYTES + 8 * axis, Math.max(1, Math.round(perCm * denominator)), true);
    view.setUint32(DIRECTORY_BYTES + 8 * axis + 4, denominator, true);
  }
  return head;
}
