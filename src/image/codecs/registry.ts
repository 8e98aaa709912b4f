/** The encodings that this server has, by name. */
import { BflyError } from '../../../protocol/errors.ts';
import type { DType, EncodingName, VolumeType } from '../../../protocol/volume.ts';
import type { Codec } from './codec.ts';
import { compressionCodec, gzip, zstd } from './compression.ts';
import { jpegCodec, pngCodec } from './picture.ts';
import { rawCodec } from './raw.ts';
import { compressedSegmentationCodec, segmentationCodec } from './segmentation.ts';

/** By the time that encoding takes, shortest first. lz4 is missing: no decoder of it is in every browser, nor here. */
const CODECS: readonly Codec[] = [
  rawCodec,
  ...(zstd === undefined ? [] : [compressionCodec(zstd)]),
  segmentationCodec,
  ...(zstd === undefined ? [] : [compressedSegmentationCodec(zstd)]),
  compressedSegmentationCodec(gzip),
  compressionCodec(gzip),
  jpegCodec,
  pngCodec,
];

const BY_NAME = new Map<EncodingName, Codec>(CODECS.map((codec) => [codec.name, codec]));

/** The codec of an encoding. @throws BflyError UNSUPPORTED where this server has none. */
export function codecOf(name: EncodingName): Codec {
  const codec = BY_NAME.get(name);
  if (codec === undefined)
    throw new BflyError(
      'UNSUPPORTED',
      `encoding ${name} is not supported here: use one of ${[...BY_NAME.keys()].join(', ')}`,
    );
  return codec;
}

/**
 * Names of the encodings in which a channel can be served, cheapest first: as it is stored, raw, then by the time that encoding takes.
 * JPEG only for images: it would invent ids.
 */
export function servableEncodings(type: VolumeType, dtype: DType, stored: EncodingName): EncodingName[] {
  const names = CODECS.filter((codec) => codec.canEncode(dtype) && (codec.name !== 'jpeg' || type === 'image')).map(
    (codec) => codec.name,
  );
  return names.includes(stored) ? [stored, ...names.filter((name) => name !== stored)] : names;
}

/** The encoding in which the tiles of a channel are kept: ids of 32 or 64 bits shrink some fiftyfold at the speed of memory, EM hardly at all. */
export function storedEncoding(type: VolumeType, dtype: DType): EncodingName {
  return type === 'segmentation' && segmentationCodec.canEncode(dtype) ? 'cseg' : 'raw';
}
