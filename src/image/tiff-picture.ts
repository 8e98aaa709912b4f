/**
 * Writes an uncompressed TIFF of one page and one strip, of any dtype or of 8-bit colours: what pipelines download ids in.
 * 64-bit samples are written too, which Butterfly's clients read, though not every program does. Source: TIFF 6.0.
 */
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType } from '../../protocol/volume.ts';

const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;
const SHORT = 3;
const LONG = 4;
const MAX_BYTES = 2 ** 32 - 1;

/**
 * Writes a picture.
 *
 * @param pixels rows from the top, without gaps, little-endian; borrowed until the call returns.
 * @param channels 1: grey; 3: red, green, blue, of uint8.
 * @returns owned: the file.
 * @throws BflyError TOO_LARGE beyond 4 GiB.
 */
export function writeTiff(
  pixels: Uint8Array,
  width: number,
  height: number,
  dtype: DType,
  channels: 1 | 3,
): Uint8Array {
  const bits = 8 * BYTES_PER_VOXEL[dtype];
  // Behind the directory stand the sizes and formats of three samples. The pixels begin on 8 bytes for readers that map the file.
  const entries = 11;
  const samplesAt = HEADER_BYTES + 2 + entries * ENTRY_BYTES + 4;
  const start = Math.ceil((samplesAt + 12) / 8) * 8;
  if (start + pixels.length > MAX_BYTES)
    throw new BflyError('TOO_LARGE', 'A tif holds at most 4 GiB: ask for a smaller box.');
  const file = new Uint8Array(start + pixels.length);
  const view = new DataView(file.buffer);
  file.set([0x49, 0x49, 42, 0, HEADER_BYTES]);
  view.setUint16(HEADER_BYTES, entries, true);
  let at = HEADER_BYTES + 2;
  const tag = (id: number, type: number, value: number, count = 1): void => {
    view.setUint16(at, id, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, count, true);
    // A SHORT stands in the first two of the four bytes, which is where little-endian puts it.
    view.setUint32(at + 8, value, true);
    at += ENTRY_BYTES;
  };
  tag(256, LONG, width);
  tag(257, LONG, height);
  if (channels === 1) tag(258, SHORT, bits);
  else tag(258, SHORT, samplesAt, 3);
  tag(259, SHORT, 1);
  tag(262, SHORT, channels === 1 ? 1 : 2);
  tag(273, LONG, start);
  tag(277, SHORT, channels);
  tag(278, LONG, height);
  tag(279, LONG, pixels.length);
  tag(284, SHORT, 1);
  if (channels === 1) tag(339, SHORT, sampleFormat(dtype));
  else tag(339, SHORT, samplesAt + 6, 3);
  for (let channel = 0; channel < 3; channel++) {
    view.setUint16(samplesAt + 2 * channel, bits, true);
    view.setUint16(samplesAt + 6 + 2 * channel, sampleFormat(dtype), true);
  }
  file.set(pixels, start);
  return file;
}

/** 1 unsigned, 2 signed, 3 IEEE. */
function sampleFormat(dtype: DType): number {
  if (dtype === 'float32') return 3;
  return dtype.startsWith('u') ? 1 : 2;
}
