/** Writes uncompressed BMP files; no library here does. Source: BITMAPINFOHEADER of the Windows API. */
import { BflyError } from '../../protocol/errors.ts';

const FILE_HEADER_BYTES = 14;
const INFO_HEADER_BYTES = 40;
const GREY_COLOURS = 256;
const MAX_BYTES = 2 ** 31 - 1;

/**
 * Writes a picture.
 *
 * @param pixels rows from the top, without gaps; borrowed until the call returns. 1 channel: grey; 3: red, green, blue.
 * @returns owned: the file.
 * @throws BflyError TOO_LARGE beyond 2 GiB.
 */
export function writeBmp(pixels: Uint8Array, width: number, height: number, channels: 1 | 3): Uint8Array {
  const paletteBytes = channels === 1 ? 4 * GREY_COLOURS : 0;
  const start = FILE_HEADER_BYTES + INFO_HEADER_BYTES + paletteBytes;
  const rowBytes = Math.ceil((width * channels) / 4) * 4;
  const size = start + rowBytes * height;
  if (size > MAX_BYTES) throw new BflyError('TOO_LARGE', 'A bmp holds at most 2 GiB: ask for a smaller box.');
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint16(0, 0x4d42, true);
  view.setUint32(2, size, true);
  view.setUint32(10, start, true);
  view.setUint32(14, INFO_HEADER_BYTES, true);
  view.setInt32(18, width, true);
  view.setInt32(22, height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 8 * channels, true);
  view.setUint32(34, rowBytes * height, true);
  view.setUint32(46, paletteBytes / 4, true);
  for (let grey = 0; grey < paletteBytes / 4; grey++)
    file.fill(grey, start - paletteBytes + 4 * grey, start - paletteBytes + 4 * grey + 3);
  // Rows stand from the bottom up.
  for (let y = 0; y < height; y++) {
    const row = pixels.subarray(y * width * channels, (y + 1) * width * channels);
    const to = start + (height - 1 - y) * rowBytes;
    if (channels === 1) file.set(row, to);
    else writeBlueFirst(row, file, to);
  }
  return file;
}

function writeBlueFirst(row: Uint8Array, file: Uint8Array, to: number): void {
  for (let i = 0; i < row.length; i += 3) {
    file[to + i] = row[i + 2] as number;
    file[to + i + 1] = row[i + 1] as number;
    file[to + i + 2] = row[i] as number;
  }
}
