/** PNG and JPEG images of one channel. The only place that reads images with sharp. */
import sharp, { type Sharp } from 'sharp';
import { BflyError } from '../../protocol/errors.ts';

/** What an image file says of itself. */
export interface GreyHeader {
  readonly width: number;
  readonly height: number;
  readonly dtype: 'uint8' | 'uint16';
}

/** A decoded image. */
export interface GreyImage extends GreyHeader {
  /** Rows from the top, little-endian. */
  readonly bytes: Uint8Array;
}

// Stored values are wanted: no colour profile is applied, and slices of serial sections pass sharp's usual limit of pixels.
const AS_STORED = { ignoreIcc: true, limitInputPixels: false, failOn: 'truncated', sequentialRead: true } as const;

/**
 * Reads the header of an image.
 *
 * Grey of 8 or 16 bits only: a grey picture that is stored as RGB or with transparency is refused, since only its pixels could tell.
 * Grey of 1, 2 or 4 bits is widened to 0..255.
 *
 * @param input path of a file, or its bytes (borrowed until the promise settles).
 * @throws BflyError UNSUPPORTED saying what is wrong with it.
 */
export async function readGreyHeader(input: string | Uint8Array): Promise<GreyHeader> {
  return headerOf(sharp(input, AS_STORED));
}

/**
 * Decodes an image of `readGreyHeader`'s kind to owned bytes.
 *
 * @param pixels how many it should have: others are refused by its header, before anything is decoded.
 * @throws BflyError UNSUPPORTED saying what is wrong with it.
 */
export async function decodeGrey(input: string | Uint8Array, pixels?: number): Promise<GreyImage> {
  const image = sharp(input, AS_STORED);
  const header = await headerOf(image);
  if (pixels !== undefined && header.width * header.height !== pixels)
    throw new BflyError('UNSUPPORTED', `it is ${header.width}×${header.height}, which are not ${pixels} pixels`);
  const wide = header.dtype === 'uint16';
  try {
    const { data, info } = await image
      .toColourspace(wide ? 'grey16' : 'b-w')
      .raw({ depth: wide ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 1) throw new Error(`${info.channels} channels came out`);
    return { ...header, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  } catch (cause) {
    throw new BflyError('UNSUPPORTED', 'the image is truncated or damaged', { cause });
  }
}

async function headerOf(image: Sharp): Promise<GreyHeader> {
  const { width, height, channels, depth, space } = await image.metadata().catch((cause: unknown) => {
    throw new BflyError('UNSUPPORTED', 'it is not an image, or its header is damaged', { cause });
  });
  if (channels !== 1)
    throw new BflyError(
      'UNSUPPORTED',
      `the image is colour (${space}, ${channels} channels); a grey one would be right`,
    );
  if (depth !== 'uchar' && depth !== 'ushort')
    throw new BflyError('UNSUPPORTED', `the image has pixels of type ${depth}; 8 or 16 bits would be right`);
  return { width, height, dtype: depth === 'ushort' ? 'uint16' : 'uint8' };
}

/** Width, height and number of channels that a JPEG's frame header says; undefined where there is none. */
export function jpegFrame(
  bytes: Uint8Array,
): { readonly width: number; readonly height: number; readonly channels: number } | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    // C4, C8 and CC lie among the frame headers but are tables and the like.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), channels: view.getUint8(at + 9) };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return undefined;
}
