import type { DType, Vec3 } from '../../../protocol/volume.ts';
import { type Codec, checkEncodable, rawLengthOf, wrongLength } from './codec.ts';

function checked(bytes: Uint8Array, size: Vec3, dtype: DType): Uint8Array {
  const expected = rawLengthOf(size, dtype);
  if (bytes.length !== expected) throw wrongLength(bytes.length, expected);
  return bytes;
}

/** Voxels as they are: nothing is copied in either direction. */
export const rawCodec: Codec = {
  name: 'raw',
  canEncode: () => true,
  async encode(raw, size, dtype) {
    checkEncodable(rawCodec, raw, size, dtype);
    return raw;
  },
  async decode(bytes, size, dtype) {
    return checked(bytes, size, dtype);
  },
  decodeSync: checked,
};
