/**
 * A volume as Zarr and OME-Zarr describe it, in either version: arrays of axes z, y, x, one for each level, in a group that says how they lie.
 *
 * Source: zarr-specs v2 and v3; OME-NGFF 0.4 and 0.5. A translation is the place of the first voxel's centre, as OME has it.
 */
import { type DType, type EncodingName, type MipInfo, type Vec3, volumeOf } from '../../../protocol/volume.ts';
import type { Channel } from '../../core/channel.ts';

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** What a Zarr volume is described from. */
export interface ZarrVolume {
  readonly channel: Channel;
  readonly dtype: DType;
}

/** Names in both versions. */
const AXES = ['z', 'y', 'x'] as const;
const GZIP_LEVEL = 1;

/** Chunks are not filled up to more than this, voxels. */
const MOST_FILLED = 2 ** 20;

/**
 * Size of every chunk of a level: where one chunk is all, as large as those of the finest level, which some clients expect of all levels,
 * unless that is very much larger.
 */
export function zarrChunk({ mips }: Channel, mip: number): Vec3 {
  const { chunk, shape } = mips[mip] as MipInfo;
  const finest = (mips[0] as MipInfo).chunk;
  const side = (axis: 0 | 1 | 2): number =>
    chunk[axis] >= shape[axis] ? Math.max(chunk[axis], finest[axis]) : chunk[axis];
  const filled: Vec3 = [side(0), side(1), side(2)];
  return volumeOf(filled) <= MOST_FILLED ? filled : chunk;
}

/** How chunks are compressed in v3: ids shrink to little, grey values hardly. v2 has always gzip, for not all its clients can do without. */
export function zarrEncoding({ channel }: ZarrVolume, version: 2 | 3): EncodingName {
  return version === 2 || channel.type === 'segmentation' ? 'gzip' : 'raw';
}

/** `zarr.json` of a level. */
export function arrayMetadata(volume: ZarrVolume, mip: number): Json {
  const { channel, dtype } = volume;
  const isZipped = zarrEncoding(volume, 3) === 'gzip';
  const bytes = { name: 'bytes', configuration: { endian: 'little' } };
  return {
    zarr_format: 3,
    node_type: 'array',
    shape: reversed((channel.mips[mip] as MipInfo).shape),
    data_type: dtype,
    chunk_grid: { name: 'regular', configuration: { chunk_shape: reversed(zarrChunk(channel, mip)) } },
    chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
    fill_value: 0,
    codecs: isZipped ? [bytes, { name: 'gzip', configuration: { level: GZIP_LEVEL } }] : [bytes],
    dimension_names: AXES,
    attributes: {},
  };
}

/** `.zarray` of a level. */
export function arrayMetadata2({ channel, dtype }: ZarrVolume, mip: number): Json {
  return {
    zarr_format: 2,
    shape: reversed((channel.mips[mip] as MipInfo).shape),
    chunks: reversed(zarrChunk(channel, mip)),
    dtype: DTYPES_2[dtype],
    compressor: { id: 'gzip', level: GZIP_LEVEL },
    fill_value: 0,
    order: 'C',
    filters: null,
    dimension_separator: '/',
  };
}

/** Attributes of a level in v2: names of its axes, where xarray looks for them. */
export const ARRAY_ATTRIBUTES_2: Json = { _ARRAY_DIMENSIONS: AXES };

const DTYPES_2: Readonly<Record<DType, string>> = {
  uint8: '|u1',
  int8: '|i1',
  uint16: '<u2',
  int16: '<i2',
  uint32: '<u4',
  int32: '<i4',
  uint64: '<u8',
  int64: '<i8',
  float32: '<f4',
};

/**
 * OME's attributes of a volume.
 *
 * @param image path to the image that the labels are of; unset: they stand for themselves.
 */
export function omeAttributes({ channel, dtype }: ZarrVolume, version: '0.4' | '0.5', image?: string): Json {
  const said = version === '0.4' ? { version } : {};
  const multiscales = [
    {
      ...said,
      name: channel.path.split('/').at(-1),
      axes: AXES.map((name) => ({ name, type: 'space', unit: 'nanometer' })),
      datasets: channel.mips.map((level, mip) => ({
        path: String(mip),
        coordinateTransformations: transformsOf(level),
      })),
    },
  ];
  if (channel.type !== 'segmentation' || dtype === 'float32') return { multiscales };
  return { multiscales, 'image-label': { ...said, ...(image === undefined ? {} : { source: { image } }) } };
}

function transformsOf({ voxel, offset }: MipInfo): readonly Json[] {
  const centre = (axis: 0 | 1 | 2): number => (offset[axis] + 0.5) * voxel[axis];
  return [
    { type: 'scale', scale: reversed(voxel) },
    { type: 'translation', translation: reversed([centre(0), centre(1), centre(2)]) },
  ];
}

const reversed = ([x, y, z]: Vec3): Vec3 => [z, y, x];
