/** Tiles as grey pictures, sx wide and sy·sz high: their pixels in rows are the voxels in order. sharp does the work. */
import sharp, { type Sharp } from 'sharp';
import { BflyError } from '../../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType, type Vec3, volumeOf } from '../../../protocol/volume.ts';
import { type Codec, checkEncodable, corruptPayload, owned, rawLengthOf, wrongLength } from './codec.ts';

const JPEG_QUALITY = 85;
/** Higher levels take up to ten times as long for a few percent of a noisy picture. */
const PNG_LEVEL = 1;
/** JPEG's own limit. */
const JPEG_MAX_SIDE = 65_535;
/** libvips' limit. */
const PNG_MAX_SIDE = 10_000_000;
const PNG_BIT_DEPTH_OFFSET = 24;

// Tiles are many and small: parallelism is over tiles, and no tile is coded twice.
sharp.concurrency(1);
sharp.cache(false);

function fits(size: Vec3 | undefined, maxSide: number): boolean {
  return size === undefined || (size[0] <= maxSide && size[1] * size[2] <= maxSide);
}

function picture(raw: Uint8Array, size: Vec3, dtype: DType): Sharp {
  const options = { raw: { width: size[0], height: size[1] * size[2], channels: 1 as const } };
  if (dtype !== 'uint16') return sharp(raw, options).toColourspace('b-w');
  const aligned = raw.byteOffset % 2 === 0 ? raw : Uint8Array.from(raw);
  const values = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
  return sharp(values, options).toColourspace('grey16');
}

async function decodePicture(codec: Codec, bytes: Uint8Array, size: Vec3, dtype: DType): Promise<Uint8Array> {
  if (!codec.canEncode(dtype))
    throw new BflyError('INTERNAL', `the tile is a ${codec.name}, which cannot hold ${dtype}`);
  const expected = rawLengthOf(size, dtype);
  const pixels = volumeOf(size);
  try {
    const image = sharp(bytes, { limitInputPixels: false, ignoreIcc: true, failOn: 'error' });
    const { format, width, height } = await image.metadata();
    if (format !== codec.name) throw new BflyError('INTERNAL', `the tile is a ${format} instead of a ${codec.name}`);
    if (width * height !== pixels) throw wrongLength(width * height * BYTES_PER_VOXEL[dtype], expected);
    const grey = image.toColourspace(dtype === 'uint16' ? 'grey16' : 'b-w').raw({ depth: depthOf(dtype) });
    const { data, info } = await grey.toBuffer({ resolveWithObject: true });
    if (info.channels !== 1 || data.length !== expected) throw wrongLength(data.length, expected);
    return owned(data);
  } catch (error) {
    if (error instanceof BflyError) throw error;
    throw corruptPayload(codec.name, error);
  }
}

function depthOf(dtype: DType): 'uchar' | 'ushort' {
  return dtype === 'uint16' ? 'ushort' : 'uchar';
}

/** JPEG of quality 85, one component, for uint8. Loses detail. */
export const jpegCodec: Codec = {
  name: 'jpeg',
  canEncode: (dtype, size) => dtype === 'uint8' && fits(size, JPEG_MAX_SIDE),
  async encode(raw, size, dtype) {
    checkEncodable(jpegCodec, raw, size, dtype);
    return owned(await picture(raw, size, dtype).jpeg({ quality: JPEG_QUALITY }).toBuffer());
  },
  decode: (bytes, size, dtype) => decodePicture(jpegCodec, bytes, size, dtype),
};

/** PNG, one channel of 8 or 16 bits, for uint8 and uint16. Loses nothing. */
export const pngCodec: Codec = {
  name: 'png',
  canEncode: (dtype, size) => (dtype === 'uint8' || dtype === 'uint16') && fits(size, PNG_MAX_SIDE),
  async encode(raw, size, dtype) {
    checkEncodable(pngCodec, raw, size, dtype);
    return owned(await picture(raw, size, dtype).png({ compressionLevel: PNG_LEVEL }).toBuffer());
  },
  async decode(bytes, size, dtype) {
    // Another depth would be scaled to this one without a word.
    const bits = bytes[PNG_BIT_DEPTH_OFFSET];
    if (bits !== 8 * BYTES_PER_VOXEL[dtype])
      throw new BflyError('INTERNAL', `the tile's png has ${bits ?? 'no'} bits a pixel instead of ${dtype}'s`);
    return decodePicture(pngCodec, bytes, size, dtype);
  },
};
