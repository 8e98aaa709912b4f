/** A volume as Neuroglancer precomputed describes it. Source: Neuroglancer, src/datasource/precomputed/volume.md */
import type { DType, EncodingName, MipInfo, Vec3, VolumeType } from '../../../protocol/volume.ts';
import { canServeChunks } from '../../core/chunks.ts';
import { ADDRESS_ENCODINGS, type AddressEncoding, type AddressedVolume } from './volume-address.ts';

/** How a volume is offered. */
export interface PrecomputedVolume {
  readonly type: VolumeType;
  readonly dataType: string;
  readonly encoding: AddressEncoding;
  /** Name of each level in URLs, finest first. */
  readonly keys: readonly string[];
}

/** The format has no signed integers: they are offered as what is as wide, bit for bit. */
const DATA_TYPES: Readonly<Record<DType, string>> = {
  uint8: 'uint8',
  int8: 'uint8',
  uint16: 'uint16',
  int16: 'uint16',
  uint32: 'uint32',
  int32: 'uint32',
  uint64: 'uint64',
  int64: 'uint64',
  float32: 'float32',
};

/** Decides how a volume is offered; undefined where it cannot be had in the encoding that its address names. */
export function precomputedVolume({ channel, dtype, address }: AddressedVolume): PrecomputedVolume | undefined {
  // Segmentations of fractions are none to the format.
  const type = dtype === 'float32' ? 'image' : channel.type;
  const isCompact = type === 'segmentation' && (dtype === 'uint32' || dtype === 'uint64');
  const encoding = address.encoding ?? (isCompact ? 'compressed_segmentation' : 'raw');
  const name: EncodingName = ADDRESS_ENCODINGS[encoding];
  if (encoding !== 'raw' && !canServeChunks(channel, dtype, name)) return undefined;
  if (encoding === 'compressed_segmentation' && type === 'image') return undefined;
  return { type, dataType: DATA_TYPES[dtype], encoding, keys: keysOf(channel.mips) };
}

/** The sizes of voxels, with the number of the level where two have the same. */
function keysOf(mips: readonly MipInfo[]): readonly string[] {
  const keys = mips.map(({ voxel }) => voxel.join('_'));
  return new Set(keys).size === keys.length ? keys : keys.map((key, mip) => `${key}_mip${mip}`);
}

/** The `info` of a volume, without what stands beside the voxels. */
export function precomputedInfo({ channel }: AddressedVolume, volume: PrecomputedVolume): Record<string, unknown> {
  const { type, dataType, encoding, keys } = volume;
  return {
    '@type': 'neuroglancer_multiscale_volume',
    type,
    data_type: dataType,
    num_channels: 1,
    scales: channel.mips.map(({ shape, offset, voxel, chunk }, mip) => ({
      key: keys[mip],
      size: shape,
      voxel_offset: offset,
      resolution: voxel,
      chunk_sizes: [chunk],
      encoding,
      ...(encoding === 'compressed_segmentation' ? { compressed_segmentation_block_size: [8, 8, 8] } : {}),
    })),
  };
}

const INTEGER = '(0|-?[1-9]\\d{0,9})';
const CHUNK_NAME = new RegExp(`^${INTEGER}-${INTEGER}_${INTEGER}-${INTEGER}_${INTEGER}-${INTEGER}$`);

/** Whether a name could be that of a chunk. */
export function isChunkName(name: string): boolean {
  return CHUNK_NAME.test(name);
}

/** The index of the chunk of a name `x0-x1_y0-y1_z0-z1`; undefined where no chunk of the level's grid is just that. */
export function chunkOfName({ shape, offset, chunk }: MipInfo, name: string): Vec3 | undefined {
  const ends = CHUNK_NAME.exec(name);
  if (ends === null) return undefined;
  const index = [0, 0, 0];
  for (let axis = 0; axis < 3; axis++) {
    const size = chunk[axis] as number;
    const from = Number(ends[1 + 2 * axis]) - (offset[axis] as number);
    const end = Math.min(from + size, shape[axis] as number);
    if (from < 0 || from % size !== 0 || end <= from) return undefined;
    if (Number(ends[2 + 2 * axis]) - (offset[axis] as number) !== end) return undefined;
    index[axis] = from / size;
  }
  return [index[0] as number, index[1] as number, index[2] as number];
}
