/** compressed_segmentation, alone or under a general compression. */
import {
  decodeCompressedSegmentation,
  encodeCompressedSegmentation,
  type SegmentationDType,
} from '../../../protocol/compressed-segmentation.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { DType, EncodingName, Vec3 } from '../../../protocol/volume.ts';
import { type Codec, checkEncodable, corruptPayload, rawLengthOf } from './codec.ts';
import { type Compression, decompressTile } from './compression.ts';

/** Two words of header and at least one of table, with room for noise: a block of 8³ is never longer than its voxels and this. */
const OVERHEAD_PER_BLOCK = 16;

function isSegmentationDType(dtype: DType): dtype is SegmentationDType {
  return dtype === 'uint32' || dtype === 'uint64';
}

function encode(codec: Codec, raw: Uint8Array, size: Vec3, dtype: DType): Uint8Array {
  checkEncodable(codec, raw, size, dtype);
  // checkEncodable has refused every other type; the test tells the compiler.
  if (!isSegmentationDType(dtype)) throw new BflyError('UNSUPPORTED', `${codec.name} holds uint32 or uint64`);
  return encodeCompressedSegmentation(raw, size, dtype);
}

function decode(name: EncodingName, bytes: Uint8Array, size: Vec3, dtype: DType): Uint8Array {
  if (!isSegmentationDType(dtype))
    throw new BflyError('INTERNAL', `the tile is ${name}, which holds uint32 or uint64, not ${dtype}`);
  try {
    return decodeCompressedSegmentation(bytes, size, dtype);
  } catch (error) {
    throw corruptPayload(name, error);
  }
}

/** Most bytes that the compressed segmentation of a box can have: indices of 16 bits and a table entry for each voxel. */
function maxLengthOf(size: Vec3, dtype: DType): number {
  const blocks = Math.ceil(size[0] / 8) * Math.ceil(size[1] / 8) * Math.ceil(size[2] / 8);
  return 4 + blocks * (OVERHEAD_PER_BLOCK + 8 * 8 * 8 * 4) + rawLengthOf(size, dtype);
}

/** compressed_segmentation in blocks of 8×8×8, of uint32 and uint64. */
export const segmentationCodec: Codec = {
  name: 'cseg',
  canEncode: isSegmentationDType,
  async encode(raw, size, dtype) {
    return encode(segmentationCodec, raw, size, dtype);
  },
  async decode(bytes, size, dtype) {
    return decode('cseg', bytes, size, dtype);
  },
  decodeSync: (bytes, size, dtype) => decode('cseg', bytes, size, dtype),
};

/** The same under gzip or zstd. */
export function compressedSegmentationCodec(method: Compression): Codec {
  const name: EncodingName = `cseg+${method.name}`;
  const codec: Codec = {
    name,
    canEncode: isSegmentationDType,
    async encode(raw, size, dtype) {
      return method.compress(encode(codec, raw, size, dtype));
    },
    async decode(bytes, size, dtype) {
      return decode(name, await decompressTile(method, bytes, maxLengthOf(size, dtype)), size, dtype);
    },
  };
  return codec;
}
