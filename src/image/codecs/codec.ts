/** What an encoding of the protocol can do, and what all of them share. One file a family, one line in `registry.ts`. */
import { BflyError } from '../../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType, type EncodingName, type Vec3, volumeOf } from '../../../protocol/volume.ts';

/** One encoding of a box of voxels. */
export interface Codec {
  readonly name: EncodingName;
  /** Whether voxels of this type, and where a size is given a box of this size, can be encoded. */
  canEncode(dtype: DType, size?: Vec3): boolean;
  /**
   * Encodes a box.
   *
   * @param raw voxels, x fastest, little-endian; must not change until the promise settles.
   * @returns owned bytes; the raw codec gives back `raw` itself.
   * @throws BflyError UNSUPPORTED where `canEncode` says no, INTERNAL where `raw` is not as long as `size` says.
   */
  encode(raw: Uint8Array, size: Vec3, dtype: DType): Promise<Uint8Array>;
  /**
   * Decodes a box and holds no more memory than the box needs, whatever the bytes say.
   *
   * @param bytes must not change until the promise settles.
   * @returns owned voxels; the raw codec gives back `bytes` itself.
   * @throws BflyError INTERNAL where the bytes are corrupt or do not give exactly this box.
   */
  decode(bytes: Uint8Array, size: Vec3, dtype: DType): Promise<Uint8Array>;
  /** The same at once, where the encoding needs no thread. */
  decodeSync?(bytes: Uint8Array, size: Vec3, dtype: DType): Uint8Array;
}

/** Bytes of a box of voxels. */
export function rawLengthOf(size: Vec3, dtype: DType): number {
  return volumeOf(size) * BYTES_PER_VOXEL[dtype];
}

/** The error of a payload that decodes to another length than its box has. */
export function wrongLength(is: number | string, rawLength: number, cause?: unknown): BflyError {
  return new BflyError('INTERNAL', `the tile decodes to ${is} bytes instead of ${rawLength}`, { cause });
}

/** The error of a payload that is no valid data of its encoding. */
export function corruptPayload(name: EncodingName, cause: unknown): BflyError {
  return new BflyError('INTERNAL', `the tile's ${name} payload is corrupt`, { cause });
}

/** @throws BflyError UNSUPPORTED, INTERNAL where a codec is not to encode this. */
export function checkEncodable(codec: Codec, raw: Uint8Array, size: Vec3, dtype: DType): void {
  if (!codec.canEncode(dtype, size))
    throw new BflyError('UNSUPPORTED', `${codec.name} cannot hold a box of ${size.join('×')} ${dtype}: raw can`);
  const expected = rawLengthOf(size, dtype);
  if (raw.length !== expected)
    throw new BflyError('INTERNAL', `a box of ${size.join('×')} ${dtype} has ${expected} bytes, not ${raw.length}`);
}

/** Plain bytes that own their whole buffer: what zlib and sharp return may lie in a shared pool. */
export function owned(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength === bytes.buffer.byteLength) return new Uint8Array(bytes.buffer);
  return Uint8Array.from(bytes);
}
