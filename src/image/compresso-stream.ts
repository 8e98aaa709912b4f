/**
 * The sections of a compresso stream: labels as the borders between them, one label for each region inside the borders, and
 * instructions for the border voxels that no neighbour tells.
 *
 * | section | bytes | |
 * |---|---|---|
 * | header | 36 | `cpso`, u8 version, u8 label width, u16 sx, sy, sz, u8 steps x, y, z, u64 ids, u32 values, u64 locations, u8 connectivity |
 * | ids | label width each | the label of each region; regions are numbered by their first voxel |
 * | values | window width each | the distinct patterns of borders in windows of x·y·z steps, a bit for each voxel, x fastest |
 * | locations | label width each | 0..5: as the neighbour at -x, +x, -y, +y, -z, +z; 6: as the next number says; n: the label n - 7 |
 * | windows | window width each | odd n: (n - 1) / 2 windows with pattern 0; even n: one with pattern n / 2 |
 * | index | 2·sz numbers | version 1 only: where slices begin, for those who read but a few |
 *
 * Sources: Matejek et al., "Compresso: Efficient Compression of Segmentation Data for Connectomics", MICCAI 2017; the section
 * "Compresso Stream Format" of https://github.com/seung-lab/compresso, whose stream is another than the paper's.
 */
import { BflyError } from '../../protocol/errors.ts';
import { type Vec3, volumeOf } from '../../protocol/volume.ts';

/** Unsigned numbers out of a stream. */
export interface Column {
  readonly length: number;
  /** Lower 32 bits. */
  readonly low: Uint32Array;
  /** Upper 32 bits; empty where the numbers are narrower. */
  readonly high: Uint32Array;
}

/** A stream, taken apart. */
export interface CompressoStream {
  /** Voxels of a window along x, y, z. */
  readonly step: Vec3;
  /** Whether regions go on from slice to slice. */
  readonly isSolid: boolean;
  readonly ids: Column;
  readonly values: Column;
  readonly locations: Column;
  readonly windows: Column;
}

const HEADER_BYTES = 36;
/** `cpso`, little-endian. */
const MAGIC = 0x6f737063;
const MAX_WINDOW = 64;

/** @throws BflyError INTERNAL saying what is broken. */
export function brokenStream(what: string): BflyError {
  return new BflyError('INTERNAL', what);
}

/**
 * Takes a stream apart.
 *
 * @param bytes borrowed.
 * @param shape x, y, z that it must have.
 * @param labelBytes width that its labels must have: 1, 2, 4 or 8.
 * @throws BflyError INTERNAL saying what is broken.
 */
export function readCompressoStream(bytes: Uint8Array, shape: Vec3, labelBytes: number): CompressoStream {
  if (bytes.length < HEADER_BYTES)
    throw brokenStream(`it has ${bytes.length} bytes, fewer than the ${HEADER_BYTES} of its header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { version, step } = checkHeader(view, shape, labelBytes);
  const windowBytes = windowWidth(volumeOf(step));
  const count = (at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  const [ids, values, locations] = [count(15), view.getUint32(23, true), count(27)];
  const indexBytes = version === 1 ? 2 * shape[2] * indexWidth(shape) : 0;
  const windowsAt = HEADER_BYTES + (ids + locations) * labelBytes + values * windowBytes;
  if (windowsAt + indexBytes > bytes.length)
    throw brokenStream(`it has ${bytes.length} bytes, and its header asks for at least ${windowsAt + indexBytes}`);
  const windows = Math.floor((bytes.length - windowsAt - indexBytes) / windowBytes);
  const valuesAt = HEADER_BYTES + ids * labelBytes;
  return {
    step,
    isSolid: view.getUint8(35) === 6,
    ids: readColumn(view, HEADER_BYTES, ids, labelBytes),
    values: readColumn(view, valuesAt, values, windowBytes),
    locations: readColumn(view, valuesAt + values * windowBytes, locations, labelBytes),
    windows: readColumn(view, windowsAt, windows, windowBytes),
  };
}

function checkHeader(view: DataView, shape: Vec3, labelBytes: number): { version: number; step: Vec3 } {
  if (view.getUint32(0, true) !== MAGIC) throw brokenStream('it does not begin with "cpso"');
  const version = view.getUint8(4);
  if (version > 1) throw brokenStream(`it is version ${version} of the format, and only 0 and 1 are known`);
  const width = view.getUint8(5);
  if (width !== labelBytes) throw brokenStream(`its labels have ${width} bytes instead of ${labelBytes}`);
  const size = [6, 8, 10].map((at) => view.getUint16(at, true));
  if (size.some((side, axis) => side !== shape[axis]))
    throw brokenStream(`it is ${size.join('×')} instead of ${shape.join('×')}`);
  const step: Vec3 = [view.getUint8(12), view.getUint8(13), view.getUint8(14)];
  const inWindow = volumeOf(step);
  if (inWindow < 1 || inWindow > MAX_WINDOW)
    throw brokenStream(`its windows are ${step.join('×')}; 1 to ${MAX_WINDOW} voxels would be right`);
  const connectivity = view.getUint8(35);
  if (connectivity !== 4 && connectivity !== 6)
    throw brokenStream(`its connectivity is ${connectivity}; 4 or 6 would be right`);
  return { version, step };
}

/** Bytes that hold a bit for each voxel of a window. */
function windowWidth(voxels: number): number {
  if (voxels <= 8) return 1;
  if (voxels <= 16) return 2;
  return voxels <= 32 ? 4 : 8;
}

/** Bytes of a number of the index: enough for twice the voxels of a slice. */
function indexWidth([sx, sy]: Vec3): number {
  const most = 2 * sx * sy;
  if (most < 0xff) return 1;
  if (most < 0xffff) return 2;
  return most < 0xffffffff ? 4 : 8;
}

function readColumn(view: DataView, start: number, count: number, width: number): Column {
  const low = new Uint32Array(count);
  const high = new Uint32Array(width === 8 ? count : 0);
  for (let i = 0, at = start; i < count; i++, at += width) {
    if (width === 1) low[i] = view.getUint8(at);
    else if (width === 2) low[i] = view.getUint16(at, true);
    else low[i] = view.getUint32(at, true);
    if (width === 8) high[i] = view.getUint32(at + 4, true);
  }
  return { length: count, low, high };
}

/**
 * Draws the borders.
 *
 * @returns owned: 1 for each voxel that is a border, else 0; x fastest.
 * @throws BflyError INTERNAL where windows are missing or have patterns that are not there.
 */
export function readBorders({ windows, values, step }: CompressoStream, shape: Vec3): Uint8Array {
  const borders = new Uint8Array(volumeOf(shape));
  if (values.length === 0) return borders;
  const [nx, ny, nz] = [0, 1, 2].map((axis) => Math.ceil((shape[axis] ?? 0) / (step[axis] ?? 1)));
  const inRow = nx ?? 0;
  const inSlice = inRow * (ny ?? 0);
  const total = inSlice * (nz ?? 0);
  const draw = (window: number, pattern: number): void => {
    const [low, high] = [values.low[pattern] ?? 0, values.high[pattern] ?? 0];
    if (low === 0 && high === 0) return;
    const z = Math.floor(window / inSlice);
    const y = Math.floor((window - z * inSlice) / inRow);
    const x = window - z * inSlice - y * inRow;
    drawWindow(borders, shape, [x * step[0], y * step[1], z * step[2]], step, low, high);
  };
  const isZeroEmpty = values.low[0] === 0 && (values.high[0] ?? 0) === 0;
  let at = 0;
  for (let i = 0; i < windows.length && at < total; i++) {
    const low = windows.low[i] ?? 0;
    const half = Math.floor(((windows.high[i] ?? 0) * 2 ** 32 + low) / 2);
    if ((low & 1) === 1) {
      const end = Math.min(total, at + half);
      if (!isZeroEmpty) for (let window = at; window < end; window++) draw(window, 0);
      at = end;
    } else {
      if (half >= values.length) throw brokenStream(`a window has pattern ${half}, and there are ${values.length}`);
      draw(at++, half);
    }
  }
  if (at < total) throw brokenStream(`it has ${at} windows instead of ${total}`);
  return borders;
}

/** Sets the voxels of one window; those outside the volume are left out. */
function drawWindow(
  borders: Uint8Array,
  [sx, sy, sz]: Vec3,
  [x0, y0, z0]: Vec3,
  [dx, dy, dz]: Vec3,
  low: number,
  high: number,
): void {
  const width = Math.min(dx, sx - x0);
  for (let z = z0; z < Math.min(sz, z0 + dz); z++)
    for (let y = y0; y < Math.min(sy, y0 + dy); y++) {
      const row = (z * sy + y) * sx + x0;
      const bit = ((z - z0) * dy + (y - y0)) * dx;
      for (let x = 0; x < width; x++) {
        const word = bit + x < 32 ? low : high;
        borders[row + x] = (word >>> ((bit + x) & 31)) & 1;
      }
    }
}
