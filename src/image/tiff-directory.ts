/**
 * The directories of a TIFF file: one a page, in a chain. Each is read by itself and none is kept, so that a file of ten thousand pages
 * is opened in moments and holds no memory.
 *
 * Source: TIFF 6.0 (Adobe, 1992), sections 2, 7, 8 and 15; BigTIFF as in libtiff.
 */
import { BflyError } from '../../protocol/errors.ts';
import type { DType } from '../../protocol/volume.ts';
import type { PositionalFile } from './positional-file.ts';
import { dtypeOf } from './voxel-type.ts';

/** How the numbers of a file are stored. */
export interface TiffHeader {
  readonly littleEndian: boolean;
  /** 64-bit offsets. */
  readonly big: boolean;
  /** Where the first directory stands, bytes. */
  readonly first: number;
}

/** A tag whose values stand elsewhere in the file, or within the directory. */
export interface TiffValues {
  readonly bytesPerValue: 1 | 2 | 4 | 8;
  readonly count: number;
  /** Position in the file, bytes. */
  readonly position: number;
}

/** One directory: a page, or a smaller copy or mask of one. */
export interface TiffPage {
  readonly width: number;
  readonly height: number;
  readonly dtype: DType;
  readonly compression: number;
  readonly predictor: number;
  /** Size of a tile; of a strip where `tiled` is false: as wide as the page. */
  readonly blockWidth: number;
  readonly blockHeight: number;
  readonly tiled: boolean;
  readonly offsets: TiffValues;
  readonly byteCounts: TiffValues;
}

/** A directory as it stands in the file. */
export interface TiffDirectory {
  readonly tags: ReadonlyMap<number, TiffValues & { readonly type: number }>;
  /** Position of the next directory; 0 after the last. */
  readonly next: number;
}

/** Numbers of the tags that matter here. */
const TAG = {
  subfile: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  description: 270,
  stripOffsets: 273,
  samples: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  predictor: 317,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  sampleFormat: 339,
} as const;

/** Bytes of a value by field type; types that are not in the list are skipped. */
const TYPE_BYTES: Readonly<Record<number, 1 | 2 | 4 | 8>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};
const MAX_ENTRIES = 4096;
const MAX_DESCRIPTION = 1 << 20;
/** A usual directory with its inline values is shorter. */
const GUESSED_BYTES = 512;

const damaged = (what: string): BflyError =>
  new BflyError('UNSUPPORTED', `it is a TIFF that is truncated or damaged: ${what}`);

/** Reads the first bytes. @returns undefined where the file is not a TIFF at all. @throws BflyError UNSUPPORTED where the file ends within them. */
export function readTiffHeader(file: PositionalFile): TiffHeader | undefined {
  const bytes = file.readNow(0, 16);
  const mark = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  const littleEndian = mark.startsWith('II');
  if (!['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(mark)) return undefined;
  const big = mark.includes('+');
  if (bytes.length < (big ? 16 : 8)) throw damaged(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer);
  return {
    littleEndian,
    big,
    first: big ? Number(view.getBigUint64(8, littleEndian)) : view.getUint32(4, littleEndian),
  };
}

/** Reads the directory at a position. @throws BflyError UNSUPPORTED where it is damaged. */
export function readDirectory(file: PositionalFile, header: TiffHeader, position: number): TiffDirectory {
  const { littleEndian, big } = header;
  const [countBytes, entryBytes, nextBytes] = big ? [8, 20, 8] : [2, 12, 4];
  let view = viewOf(file.readNow(position, GUESSED_BYTES));
  if (view.byteLength < countBytes) throw damaged(`a page should stand at byte ${position} of ${file.size}`);
  const count = big ? Number(view.getBigUint64(0, littleEndian)) : view.getUint16(0, littleEndian);
  if (count === 0 || count > MAX_ENTRIES) throw damaged(`the page at byte ${position} has ${count} tags`);
  const length = countBytes + count * entryBytes + nextBytes;
  if (length > view.byteLength) view = viewOf(file.readNow(position, length));
  if (length > view.byteLength) throw damaged(`the page at byte ${position} goes beyond its end`);
  const tags = new Map<number, TiffValues & { readonly type: number }>();
  for (let i = 0; i < count; i++) {
    const at = countBytes + i * entryBytes;
    const type = view.getUint16(at + 2, littleEndian);
    const bytesPerValue = TYPE_BYTES[type];
    if (bytesPerValue === undefined) continue;
    const values = big ? Number(view.getBigUint64(at + 4, littleEndian)) : view.getUint32(at + 4, littleEndian);
    const inline = values * bytesPerValue <= (big ? 8 : 4);
    const field = at + (big ? 12 : 8);
    const elsewhere = big ? Number(view.getBigUint64(field, littleEndian)) : view.getUint32(field, littleEndian);
    const start = inline ? position + field : elsewhere;
    tags.set(view.getUint16(at, littleEndian), { type, bytesPerValue, count: values, position: start });
  }
  const end = length - nextBytes;
  return { tags, next: big ? Number(view.getBigUint64(end, littleEndian)) : view.getUint32(end, littleEndian) };
}

/** Whether a directory is a smaller copy of a page or a mask, rather than a page. */
export function isExtra(file: PositionalFile, header: TiffHeader, directory: TiffDirectory): boolean {
  return (firstValue(file, header, directory, TAG.subfile, 0) & 5) !== 0;
}

/** The first page's description, where programs say what the pages are; empty where there is none. */
export function descriptionOf(file: PositionalFile, directory: TiffDirectory): string {
  const tag = directory.tags.get(TAG.description);
  return tag === undefined
    ? ''
    : Buffer.from(file.readNow(tag.position, Math.min(tag.count, MAX_DESCRIPTION))).toString('utf8');
}

/** Reads what a page is. @throws BflyError UNSUPPORTED where it is not grey, or of a type that the protocol lacks. */
export function readPage(file: PositionalFile, header: TiffHeader, directory: TiffDirectory): TiffPage {
  const value = (tag: number, otherwise: number): number => firstValue(file, header, directory, tag, otherwise);
  const width = value(TAG.width, 0);
  const height = value(TAG.height, 0);
  if (width === 0 || height === 0) throw damaged('a page has no width or height');
  const samples = value(TAG.samples, 1);
  const photometric = value(TAG.photometric, 1);
  if (samples !== 1 || photometric === 2 || photometric > 3)
    throw new BflyError(
      'UNSUPPORTED',
      `its pages have ${samples} samples a pixel (colour or transparency); one, grey, would be right`,
    );
  const tiled = directory.tags.has(TAG.tileOffsets);
  const offsets = directory.tags.get(tiled ? TAG.tileOffsets : TAG.stripOffsets);
  const byteCounts = directory.tags.get(tiled ? TAG.tileByteCounts : TAG.stripByteCounts);
  const blockWidth = tiled ? value(TAG.tileWidth, 0) : width;
  const blockHeight = tiled ? value(TAG.tileHeight, 0) : Math.min(height, value(TAG.rowsPerStrip, height));
  if (blockWidth === 0 || blockHeight === 0) throw damaged('a page has strips or tiles of no size');
  const blocks = Math.ceil(width / blockWidth) * Math.ceil(height / blockHeight);
  if (offsets === undefined || byteCounts === undefined || offsets.count < blocks || byteCounts.count < blocks)
    throw damaged(`a page lacks the positions of its ${blocks} ${tiled ? 'tiles' : 'strips'}`);
  const dtype = pageType(value(TAG.bits, 1), value(TAG.sampleFormat, 1));
  const compression = value(TAG.compression, 1);
  const predictor = value(TAG.predictor, 1);
  return { width, height, dtype, compression, predictor, blockWidth, blockHeight, tiled, offsets, byteCounts };
}

function pageType(bits: number, format: number): DType {
  // 4 = "undefined data", which the standard lets readers take as unsigned.
  const number =
    format === 3 ? 'float' : format === 2 ? 'signed' : format === 1 || format === 4 ? 'unsigned' : undefined;
  const dtype = number === undefined ? undefined : dtypeOf(number, bits);
  if (dtype === undefined)
    throw new BflyError(
      'UNSUPPORTED',
      `its pixels are ${bits}-bit ${number ?? `numbers of sample format ${format}`}; integers of 8, 16, 32 or 64 bits or 32-bit floats would be right`,
    );
  return dtype;
}

/** Values of a tag as numbers, from `start` on. @throws BflyError UNSUPPORTED where the file ends before. */
export function readValues(
  file: PositionalFile,
  { littleEndian }: TiffHeader,
  values: TiffValues,
  start: number,
  count: number,
): Float64Array {
  const { bytesPerValue, position } = values;
  const view = viewOf(file.readNow(position + start * bytesPerValue, count * bytesPerValue));
  if (view.byteLength < count * bytesPerValue) throw damaged('the values of a tag lie beyond its end');
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * bytesPerValue;
    if (bytesPerValue === 8) out[i] = Number(view.getBigUint64(at, littleEndian));
    else if (bytesPerValue === 4) out[i] = view.getUint32(at, littleEndian);
    else out[i] = bytesPerValue === 2 ? view.getUint16(at, littleEndian) : view.getUint8(at);
  }
  return out;
}

function firstValue(
  file: PositionalFile,
  header: TiffHeader,
  directory: TiffDirectory,
  tag: number,
  otherwise: number,
): number {
  const values = directory.tags.get(tag);
  return values === undefined || values.count === 0
    ? otherwise
    : (readValues(file, header, values, 0, 1)[0] ?? otherwise);
}

function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
