/** A writer of small Zarr arrays for tests, of both versions, as the specifications say it: nothing of the reader's is used. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import Blosc from 'numcodecs/blosc';
import Lz4 from 'numcodecs/lz4';
import Zstd from 'numcodecs/zstd';
import { crc32c } from '../../src/image/zarr-codecs.ts';

/** An array in memory, C order: the last axis is the fastest. */
export interface NdArray {
  readonly shape: readonly number[];
  /** Bytes of one element. */
  readonly size: number;
  /** Little-endian. */
  readonly bytes: Uint8Array;
}

/** Turns bytes into bytes, as a codec on the way to the disk. */
export type Encode = (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;

const blosc = (cname: string, shuffle: number): Encode => {
  const codec = Blosc.fromConfig({ id: 'blosc', cname, clevel: 5, shuffle, blocksize: 0 });
  return (bytes) => codec.encode(bytes);
};
const lz4 = Lz4.fromConfig({ id: 'lz4' });
const zstd = Zstd.fromConfig({ id: 'zstd', level: 3 });

/** Compressions by the name that version 2 gives them in `compressor.id`, with their configuration and how they are made. */
export const COMPRESSORS: Readonly<Record<string, { readonly id: string; readonly encode: Encode }>> = {
  gzip: { id: 'gzip', encode: (bytes) => gzipSync(bytes) },
  zlib: { id: 'zlib', encode: (bytes) => deflateSync(bytes) },
  zstd: { id: 'zstd', encode: (bytes) => zstd.encode(bytes) },
  lz4: { id: 'lz4', encode: (bytes) => lz4.encode(bytes) },
  'blosc of lz4': { id: 'blosc', encode: blosc('lz4', 1) },
  'blosc of zstd, bits shuffled': { id: 'blosc', encode: blosc('zstd', 2) },
  'blosc of zlib, not shuffled': { id: 'blosc', encode: blosc('zlib', 0) },
};

/** A part of an array, filled up with `fill` bytes of 0 beyond its end, in the order of axes that `order` names, slowest first. */
export function chunkOf(
  { shape, size, bytes }: NdArray,
  start: readonly number[],
  chunk: readonly number[],
  order: readonly number[] = shape.map((_, axis) => axis),
): Uint8Array {
  const count = chunk.reduce((a, b) => a * b, 1);
  const out = new Uint8Array(count * size);
  const strides = stridesOf(shape);
  for (let i = 0; i < count; i++) {
    const at: number[] = [];
    let rest = i;
    for (const axis of order.toReversed()) {
      const along = chunk[axis] as number;
      at[axis] = rest % along;
      rest = Math.floor(rest / along);
    }
    const place = start.map((from, axis) => from + (at[axis] as number));
    if (place.some((p, axis) => p >= (shape[axis] as number))) continue;
    const from = place.reduce((sum, p, axis) => sum + p * (strides[axis] as number), 0) * size;
    out.set(bytes.subarray(from, from + size), i * size);
  }
  return out;
}

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}

/** Places of all chunks of a grid. */
export function gridOf(shape: readonly number[], chunk: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (places, size, axis) =>
      places.flatMap((place) =>
        Array.from({ length: Math.ceil(size / (chunk[axis] as number)) }, (_, i) => [...place, i]),
      ),
    [[]],
  );
}

/** The bytes of each element turned round. */
export function bigEndian(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i - (i % size) + size - 1 - (i % size)] = bytes[i] as number;
  return out;
}

/** Writes a file, and the folders it lies in. */
export function put(file: string, content: Uint8Array | string | object): void {
  mkdirSync(dirname(file), { recursive: true });
  const isPlain = typeof content === 'string' || content instanceof Uint8Array;
  writeFileSync(file, isPlain ? content : JSON.stringify(content));
}

/** How an array of version 2 is written. */
export interface V2Options {
  readonly dtype: string;
  readonly chunks: readonly number[];
  readonly order?: 'C' | 'F';
  readonly separator?: '.' | '/';
  readonly compressor?: { readonly id: string; readonly encode: Encode } | undefined;
  readonly fill?: unknown;
  readonly isPresent?: (place: readonly number[]) => boolean;
  readonly attributes?: object;
  /** More fields of `.zarray`, or others. */
  readonly more?: object;
  /** Filters, applied before the compressor. */
  readonly filters?: readonly { readonly json: object; readonly encode: Encode }[];
}

/** Writes `.zarray` and its chunks. */
export async function writeV2(folder: string, array: NdArray, options: V2Options): Promise<void> {
  const { dtype, chunks, order = 'C', separator, compressor, fill = 0, isPresent = () => true } = options;
  const filters = options.filters ?? [];
  put(join(folder, '.zarray'), {
    ...{ zarr_format: 2, shape: array.shape, chunks, dtype, order, fill_value: fill },
    compressor: compressor === undefined ? null : { id: compressor.id },
    filters: filters.length === 0 ? null : filters.map(({ json }) => json),
    ...(separator === undefined ? {} : { dimension_separator: separator }),
    ...options.more,
  });
  if (options.attributes !== undefined) put(join(folder, '.zattrs'), options.attributes);
  const axes = array.shape.map((_, axis) => axis);
  for (const place of gridOf(array.shape, chunks)) {
    if (!isPresent(place)) continue;
    const start = place.map((i, axis) => i * (chunks[axis] as number));
    let bytes = chunkOf(array, start, chunks, order === 'F' ? axes.toReversed() : axes);
    for (const { encode } of filters) bytes = await encode(bytes);
    if (dtype.startsWith('>')) bytes = bigEndian(bytes, array.size);
    put(join(folder, place.join(separator ?? '.')), (await compressor?.encode(bytes)) ?? bytes);
  }
}

/** How an array of version 3 is written. */
export interface V3Options {
  readonly type: string;
  readonly chunks: readonly number[];
  readonly endian?: 'little' | 'big';
  /** Order of the axes of a chunk, slowest first. */
  readonly transpose?: readonly number[];
  readonly codecs?: readonly { readonly json: object; readonly encode: Encode }[];
  readonly shard?: { readonly shape: readonly number[]; readonly indexAt: 'start' | 'end'; readonly checksum: boolean };
  readonly fill?: unknown;
  readonly isPresent?: (place: readonly number[]) => boolean;
  readonly names?: readonly string[];
  readonly keys?: object;
  readonly attributes?: object;
  readonly more?: object;
}

const checksummed = (bytes: Uint8Array): Uint8Array => {
  const sum = new Uint8Array(4);
  new DataView(sum.buffer).setUint32(0, crc32c(bytes), true);
  return Buffer.concat([bytes, sum]);
};

/** The codec crc32c, which is also an entry of `V3Options.codecs`. */
export const CRC32C = { json: { name: 'crc32c' }, encode: checksummed };
/** The codec gzip. */
export const GZIP = { json: { name: 'gzip', configuration: { level: 5 } }, encode: (b: Uint8Array) => gzipSync(b) };
/** The codec zstd. */
export const ZSTD = {
  json: { name: 'zstd', configuration: { level: 3, checksum: false } },
  encode: (b: Uint8Array) => zstd.encode(b),
};

/** Writes `zarr.json` of an array and its chunks or shards. */
export async function writeV3(folder: string, array: NdArray, options: V3Options): Promise<void> {
  const { type, chunks, endian = 'little', transpose, codecs = [], shard, fill = 0, isPresent = () => true } = options;
  const inner = [
    ...(transpose === undefined ? [] : [{ name: 'transpose', configuration: { order: transpose } }]),
    { name: 'bytes', configuration: { endian } },
    ...codecs.map(({ json }) => json),
  ];
  const sharding = shard && {
    name: 'sharding_indexed',
    configuration: {
      chunk_shape: chunks,
      codecs: inner,
      index_codecs: [{ name: 'bytes', configuration: { endian: 'little' } }, ...(shard.checksum ? [CRC32C.json] : [])],
      index_location: shard.indexAt,
    },
  };
  put(join(folder, 'zarr.json'), {
    ...{ zarr_format: 3, node_type: 'array', shape: array.shape, data_type: type, fill_value: fill },
    chunk_grid: { name: 'regular', configuration: { chunk_shape: shard?.shape ?? chunks } },
    chunk_key_encoding: options.keys ?? { name: 'default' },
    codecs: sharding === undefined ? inner : [sharding],
    attributes: options.attributes ?? {},
    ...(options.names === undefined ? {} : { dimension_names: options.names }),
    ...options.more,
  });
  const encoded = async (start: readonly number[]): Promise<Uint8Array> => {
    let bytes = chunkOf(array, start, chunks, transpose);
    if (endian === 'big') bytes = bigEndian(bytes, array.size);
    for (const { encode } of codecs) bytes = await encode(bytes);
    return bytes;
  };
  const scaled = (place: readonly number[], by: readonly number[]): number[] =>
    place.map((i, axis) => i * (by[axis] as number));
  for (const place of gridOf(array.shape, shard?.shape ?? chunks)) {
    if (!isPresent(place)) continue;
    const file = join(folder, 'c', ...place.map(String));
    if (shard === undefined) put(file, await encoded(scaled(place, chunks)));
    else put(file, await shardOf(scaled(place, shard.shape), shard, chunks, encoded, isPresent));
  }
}

async function shardOf(
  start: readonly number[],
  shard: NonNullable<V3Options['shard']>,
  chunks: readonly number[],
  encoded: (start: readonly number[]) => Promise<Uint8Array>,
  isPresent: (place: readonly number[]) => boolean,
): Promise<Uint8Array> {
  const places = gridOf(shard.shape, chunks);
  const index = new BigUint64Array(2 * places.length).fill(0xffff_ffff_ffff_ffffn);
  const indexBytes = index.byteLength + (shard.checksum ? 4 : 0);
  const parts: Uint8Array[] = [];
  let at = shard.indexAt === 'start' ? indexBytes : 0;
  for (const [i, place] of places.entries()) {
    if (!isPresent(place)) continue;
    const bytes = await encoded(place.map((p, axis) => (start[axis] as number) + p * (chunks[axis] as number)));
    index[2 * i] = BigInt(at);
    index[2 * i + 1] = BigInt(bytes.length);
    parts.push(bytes);
    at += bytes.length;
  }
  const plain = new Uint8Array(index.buffer);
  const stored = shard.checksum ? checksummed(plain) : plain;
  return Buffer.concat(shard.indexAt === 'start' ? [stored, ...parts] : [...parts, stored]);
}

/** Attributes of OME-Zarr 0.4 for levels that are twice as coarse each. */
export function ome04(axes: readonly object[], scales: readonly (readonly number[])[], more: object = {}): object {
  return {
    multiscales: [
      {
        version: '0.4',
        axes,
        datasets: scales.map((scale, i) => ({
          path: String(i),
          coordinateTransformations: [{ type: 'scale', scale }],
        })),
        ...more,
      },
    ],
  };
}

/** Axes of space with a unit. */
export const spaceAxes = (names: string, unit = 'nanometer'): object[] =>
  [...names].map((name) => ({ name, type: 'space', unit }));
