/**
 * The `info` file of a Neuroglancer precomputed volume.
 *
 * Source: Neuroglancer, src/datasource/precomputed/volume.md and sharded.md
 */
import { BflyError } from '../../protocol/errors.ts';
import { DTYPES, type DType, type MipInfo, type Vec3, type VolumeType } from '../../protocol/volume.ts';
import type { ShardingSpec } from './precomputed-sharding.ts';

/** How the chunks of a scale are coded. */
export type PrecomputedEncoding = 'raw' | 'jpeg' | 'png' | 'compressed_segmentation' | 'compresso';

/** One resolution level. */
export interface PrecomputedScale {
  /** Folder of the chunks, relative to the info file. */
  readonly key: string;
  readonly mip: MipInfo;
  readonly encoding: PrecomputedEncoding;
  /** Block of `compressed_segmentation`; 8×8×8 otherwise. */
  readonly blockSize: Vec3;
  /** Undefined where each chunk is a file. */
  readonly sharding: ShardingSpec | undefined;
}

/** What an info file says of its voxels. */
export interface PrecomputedInfo {
  readonly type: VolumeType;
  readonly dtype: DType;
  readonly scales: readonly PrecomputedScale[];
}

type Json = Readonly<Record<string, unknown>>;

const ENCODINGS_FOR: Readonly<Record<PrecomputedEncoding, readonly DType[]>> = {
  raw: DTYPES,
  jpeg: ['uint8'],
  png: ['uint8', 'uint16'],
  compressed_segmentation: ['uint32', 'uint64'],
  compresso: ['uint8', 'uint16', 'uint32', 'uint64'],
};
const MAX_HASHED_BITS = 64;
/** 2³⁰ minishards would be an index of 16 GiB. */
const MAX_MINISHARD_BITS = 30;

/**
 * Reads an info file.
 *
 * @param text JSON.
 * @throws BflyError UNSUPPORTED naming the field that is wrong and what would be right.
 */
export function readPrecomputedInfo(text: string): PrecomputedInfo {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new BflyError('UNSUPPORTED', 'info is not JSON', { cause });
  }
  if (!isObject(parsed)) throw wrong('', 'a JSON object', parsed);
  const kind = parsed['@type'];
  if (kind !== undefined && kind !== 'neuroglancer_multiscale_volume')
    throw wrong('@type', '"neuroglancer_multiscale_volume" or absent', kind);
  const type = oneOf('type', parsed['type'], ['image', 'segmentation'] as const);
  const dtype = oneOf('data_type', parsed['data_type'], DTYPES);
  if (parsed['num_channels'] !== 1) throw wrong('num_channels', '1', parsed['num_channels']);
  const { scales } = parsed;
  if (!Array.isArray(scales) || scales.length === 0) throw wrong('scales', 'a list of at least one scale', scales);
  return { type, dtype, scales: scales.map((scale: unknown, i) => readScale(`scales[${i}]`, scale, dtype)) };
}

function readScale(at: string, scale: unknown, dtype: DType): PrecomputedScale {
  if (!isObject(scale)) throw wrong(at, 'a JSON object', scale);
  const { key } = scale;
  if (typeof key !== 'string' || key === '') throw wrong(`${at}.key`, 'the name of a folder', key);
  const encoding = scale['encoding'];
  if (!isEncoding(encoding)) throw wrong(`${at}.encoding`, Object.keys(ENCODINGS_FOR).join(', '), encoding);
  if (!ENCODINGS_FOR[encoding].includes(dtype))
    throw wrong('data_type', `${ENCODINGS_FOR[encoding].join(' or ')} with the encoding ${encoding}`, dtype);
  const shape = positive(`${at}.size`, scale['size'], true);
  const sizes = scale['chunk_sizes'];
  if (!Array.isArray(sizes)) throw wrong(`${at}.chunk_sizes`, 'a list of sizes', sizes);
  const chunk = positive(`${at}.chunk_sizes[0]`, sizes[0], true);
  const voxel = positive(`${at}.resolution`, scale['resolution'], false);
  const offset = scale['voxel_offset'] === undefined ? ([0, 0, 0] as const) : vector(scale['voxel_offset']);
  if (offset === undefined || !offset.every(Number.isSafeInteger))
    throw wrong(`${at}.voxel_offset`, 'three integers', scale['voxel_offset']);
  const blockSize =
    encoding === 'compressed_segmentation'
      ? positive(`${at}.compressed_segmentation_block_size`, scale['compressed_segmentation_block_size'], true)
      : ([8, 8, 8] as const);
  const sharding = scale['sharding'] ?? undefined;
  return {
    key,
    mip: { shape, chunk: clipped(chunk, shape), voxel, offset },
    encoding,
    blockSize,
    sharding: sharding === undefined ? undefined : readSharding(`${at}.sharding`, sharding),
  };
}

function readSharding(at: string, spec: unknown): ShardingSpec {
  if (!isObject(spec)) throw wrong(at, 'a JSON object', spec);
  if (spec['@type'] !== 'neuroglancer_uint64_sharded_v1')
    throw wrong(`${at}.@type`, '"neuroglancer_uint64_sharded_v1"', spec['@type']);
  const codings = ['raw', 'gzip'] as const;
  const preshiftBits = bits(`${at}.preshift_bits`, spec['preshift_bits'], MAX_HASHED_BITS);
  const minishardBits = bits(`${at}.minishard_bits`, spec['minishard_bits'], MAX_MINISHARD_BITS);
  return {
    preshiftBits,
    minishardBits,
    shardBits: bits(`${at}.shard_bits`, spec['shard_bits'], MAX_HASHED_BITS - minishardBits),
    hash: oneOf(`${at}.hash`, spec['hash'], ['identity', 'murmurhash3_x86_128'] as const),
    indexEncoding: oneOf(`${at}.minishard_index_encoding`, spec['minishard_index_encoding'] ?? 'raw', codings),
    dataEncoding: oneOf(`${at}.data_encoding`, spec['data_encoding'] ?? 'raw', codings),
  };
}

/** The grid is that of the stored chunk, but where it is larger than the volume there is but one, of the volume's size. */
function clipped(chunk: Vec3, shape: Vec3): Vec3 {
  return [Math.min(chunk[0], shape[0]), Math.min(chunk[1], shape[1]), Math.min(chunk[2], shape[2])];
}

function wrong(field: string, right: string, found: unknown): BflyError {
  const shown = found === undefined ? 'it is missing' : `it is ${JSON.stringify(found)?.slice(0, 80)}`;
  return new BflyError('UNSUPPORTED', `info${field === '' ? '' : `.${field}`} must be ${right}; ${shown}`);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEncoding(value: unknown): value is PrecomputedEncoding {
  return typeof value === 'string' && Object.hasOwn(ENCODINGS_FOR, value);
}

function oneOf<T extends string>(field: string, value: unknown, legal: readonly T[]): T {
  const found = legal.find((item) => item === value);
  if (found === undefined) throw wrong(field, `one of ${legal.join(', ')}`, value);
  return found;
}

function bits(field: string, value: unknown, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw wrong(field, `an integer from 0 to ${max}`, value);
  return value;
}

function positive(field: string, value: unknown, whole: boolean): Vec3 {
  const found = vector(value);
  if (found === undefined || !found.every((n) => n > 0 && (!whole || Number.isSafeInteger(n))))
    throw wrong(field, `three ${whole ? 'integers' : 'numbers'} above 0`, value);
  return found;
}

function vector(value: unknown): Vec3 | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [x, y, z]: unknown[] = value;
  const numbers = typeof x === 'number' && typeof y === 'number' && typeof z === 'number';
  return numbers && [x, y, z].every(Number.isFinite) ? [x, y, z] : undefined;
}
