/**
 * What the metadata of a Zarr array say: `.zarray` of version 2, `zarr.json` of version 3.
 *
 * Source: Zarr storage specification version 2; Zarr core specification version 3; ZEP 2 (sharding)
 */
import type { ArrayMetadata } from 'zarrita';
import { BflyError } from '../../protocol/errors.ts';
import { ARRAY_CODECS, BYTE_CODECS, codecTitle } from './zarr-codecs.ts';
import { readFill, type StoredType, storedTypeV2, storedTypeV3 } from './zarr-dtype.ts';

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** An array that can be read. */
export interface ZarrArrayInfo {
  readonly shape: readonly number[];
  /** Size of what is stored as one: a chunk, or where chunks are kept in shards, one of those. */
  readonly chunk: readonly number[];
  readonly type: StoredType;
  /** Whether a chunk that is not there is zeros. */
  readonly isZeroFilled: boolean;
  /** Names of the axes, where it has any. */
  readonly axisNames: readonly string[] | undefined;
  readonly attributes: Json;
  /** What the library is told. */
  readonly metadata: ArrayMetadata;
  /** Where chunks are kept in shards: at which end the index stands, and its size in memory. */
  readonly shards: { readonly indexFirst: boolean; readonly indexBytes: number } | undefined;
}

interface Codec {
  readonly name: string;
  readonly configuration: Record<string, unknown>;
}

const MAX_AXES = 16;
/** A chunk is decoded whole. */
const MAX_CHUNK_BYTES = 512 * 1024 * 1024;
/** The index of a shard is read whole: 64 MiB. */
const MAX_SHARD_CHUNKS = 2 ** 22;

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The error for a field of metadata that cannot be read. @param right what would be right. */
export function wrongField(file: string, field: string, right: string, found: unknown): BflyError {
  const text = JSON.stringify(found, (_, value) => (typeof value === 'bigint' ? Number(value) : value));
  const shown = found === undefined ? 'it is missing' : `it is ${text?.slice(0, 80)}`;
  return new BflyError('UNSUPPORTED', `${file}${field === '' ? '' : `: ${field}`} must be ${right}; ${shown}`);
}

/**
 * Reads `.zarray`.
 *
 * @param file what messages call it.
 * @throws BflyError UNSUPPORTED naming the field that is wrong and what would be right.
 */
export function readArrayV2(file: string, json: Json, attributes: Json): ZarrArrayInfo {
  const shape = sizes(file, 'shape', json['shape'], undefined);
  const chunk = sizes(file, 'chunks', json['chunks'], shape.length);
  const { type, isBigEndian } = storedTypeV2(file, json['dtype']);
  const order = oneOf(file, 'order', json['order'] ?? 'C', ['C', 'F'] as const);
  const separator = oneOf(file, 'dimension_separator', json['dimension_separator'] ?? '.', ['.', '/'] as const);
  const filters = json['filters'] ?? [];
  if (!Array.isArray(filters)) throw wrongField(file, 'filters', 'a list or null', filters);
  const given = [...filters, ...(json['compressor'] == null ? [] : [json['compressor']])];
  const stored = given.map((codec: unknown) => codecV2(file, codec));
  const toArrays = stored.filter(({ name }) => ARRAY_CODECS.has(name));
  const codecs: Codec[] = [
    ...(order === 'F' ? [{ name: 'transpose', configuration: { order: 'F' } }] : []),
    ...toArrays,
    { name: 'bytes', configuration: { endian: isBigEndian ? 'big' : 'little' } },
    ...stored.filter(({ name }) => !ARRAY_CODECS.has(name)),
  ];
  const names = attributes['_ARRAY_DIMENSIONS'];
  return finished(file, {
    ...{ shape, chunk, type, attributes, codecs, shards: undefined },
    fill: json['fill_value'],
    keys: { name: 'v2', configuration: { separator } },
    grid: chunk,
    names,
  });
}

/** Reads `zarr.json` of an array. @throws BflyError as `readArrayV2`. */
export function readArrayV3(file: string, json: Json): ZarrArrayInfo {
  const shape = sizes(file, 'shape', json['shape'], undefined);
  const type = storedTypeV3(file, json['data_type']);
  const grid = objectAt(file, 'chunk_grid', json['chunk_grid']);
  if (grid['name'] !== 'regular') throw wrongField(file, 'chunk_grid.name', '"regular"', grid['name']);
  const outer = sizes(file, 'chunk_grid…chunk_shape', configurationOf(grid)['chunk_shape'], shape.length);
  const transformers = json['storage_transformers'];
  if (transformers !== undefined && !(Array.isArray(transformers) && transformers.length === 0))
    throw wrongField(file, 'storage_transformers', 'empty', transformers);
  const codecs = codecsV3(file, 'codecs', json['codecs']);
  const attributes = isObject(json['attributes']) ? json['attributes'] : {};
  const keys = keysV3(file, json['chunk_key_encoding']);
  const shards = codecs.some(({ name }) => name === 'sharding_indexed') ? readShards(file, codecs, outer) : undefined;
  return finished(file, {
    ...{ shape, type, attributes, codecs, keys, grid: outer, fill: json['fill_value'] },
    chunk: shards?.chunk ?? outer,
    shards: shards && { indexFirst: shards.indexFirst, indexBytes: shards.indexBytes },
    names: json['dimension_names'] ?? attributes['_ARRAY_DIMENSIONS'],
  });
}

interface Found {
  readonly shape: readonly number[];
  readonly chunk: readonly number[];
  /** The library's chunk: the shard, where there are any. */
  readonly grid: readonly number[];
  readonly type: StoredType;
  readonly codecs: readonly Codec[];
  readonly fill: unknown;
  readonly keys: ArrayMetadata['chunk_key_encoding'];
  readonly names: unknown;
  readonly attributes: Json;
  readonly shards: ZarrArrayInfo['shards'];
}

function finished(file: string, found: Found): ZarrArrayInfo {
  const { shape, chunk, grid, type, codecs, keys, names, attributes, shards } = found;
  const bytes = chunk.reduce((a, b) => a * b, 1) * type.bytes;
  if (bytes > MAX_CHUNK_BYTES)
    throw wrongField(file, 'its chunks', `of at most ${MAX_CHUNK_BYTES / 2 ** 20} MiB, decoded`, chunk);
  const isNamed =
    Array.isArray(names) && names.length === shape.length && names.every((name) => typeof name === 'string');
  const { value, isZero } = readFill(file, found.fill, type);
  return {
    ...{ shape, chunk, type, attributes, shards, isZeroFilled: isZero },
    // Just looked at: every one is a text.
    axisNames: isNamed ? (names as string[]) : undefined,
    metadata: {
      zarr_format: 3,
      node_type: 'array',
      shape: [...shape],
      data_type: type.name,
      chunk_grid: { name: 'regular', configuration: { chunk_shape: [...grid] } },
      chunk_key_encoding: keys,
      codecs: [...codecs],
      fill_value: value,
      attributes: {},
    },
  };
}

function codecV2(file: string, codec: unknown): Codec {
  if (!isObject(codec) || typeof codec['id'] !== 'string')
    throw wrongField(file, 'a codec', 'an object with an id', codec);
  const { id, ...configuration } = codec;
  const name = `numcodecs.${id}`;
  if (!BYTE_CODECS.has(name) && !ARRAY_CODECS.has(name)) throw unknownCodec(file, id);
  return { name, configuration };
}

function codecsV3(file: string, field: string, codecs: unknown): Codec[] {
  if (!Array.isArray(codecs) || codecs.length === 0) throw wrongField(file, field, 'a list of codecs', codecs);
  return codecs.map((codec: unknown, i) => {
    const name = typeof codec === 'string' ? codec : isObject(codec) ? codec['name'] : undefined;
    if (typeof name !== 'string') throw wrongField(file, `${field}[${i}].name`, 'the name of a codec', name);
    const isKnown = BYTE_CODECS.has(name) || ARRAY_CODECS.has(name) || name === 'bytes' || name === 'sharding_indexed';
    if (!isKnown) throw unknownCodec(file, name);
    return { name, configuration: { ...configurationOf(codec) } };
  });
}

function unknownCodec(file: string, name: string): BflyError {
  const known = [...new Set([...BYTE_CODECS, ...ARRAY_CODECS].map(codecTitle))].sort().join(', ');
  return new BflyError(
    'UNSUPPORTED',
    `${file}: the codec "${name.slice(0, 80)}" is not one that can be decoded here: ${known} and shards would be right`,
  );
}

function configurationOf(value: unknown): Json {
  const found = isObject(value) ? value['configuration'] : undefined;
  return isObject(found) ? found : {};
}

function keysV3(file: string, value: unknown): ArrayMetadata['chunk_key_encoding'] {
  const encoding = typeof value === 'string' ? { name: value } : objectAt(file, 'chunk_key_encoding', value);
  const name = oneOf(file, 'chunk_key_encoding.name', encoding['name'], ['default', 'v2'] as const);
  const separator = configurationOf(encoding)['separator'] ?? (name === 'v2' ? '.' : '/');
  return { name, configuration: { separator: oneOf(file, 'the separator', separator, ['.', '/'] as const) } };
}

/** Shards of shards, and anything around them, are legal but nobody writes them. */
function readShards(
  file: string,
  codecs: Codec[],
  outer: readonly number[],
): { readonly chunk: readonly number[]; readonly indexFirst: boolean; readonly indexBytes: number } {
  const [sharding, ...others] = codecs;
  if (sharding?.name !== 'sharding_indexed' || others.length > 0)
    throw wrongField(
      file,
      'codecs',
      'sharding_indexed alone, where chunks are kept in shards',
      codecs.map(({ name }) => name),
    );
  const { configuration } = sharding;
  const chunk = sizes(file, 'the chunk_shape of its shards', configuration['chunk_shape'], outer.length);
  if (outer.some((size, axis) => size % (chunk[axis] as number) !== 0))
    throw wrongField(file, 'the chunk_shape of its shards', `a divisor of the shard's, ${outer.join('×')}`, chunk);
  const inner = codecsV3(file, 'the codecs of its shards', configuration['codecs']);
  if (inner.some(({ name }) => name === 'sharding_indexed'))
    throw wrongField(
      file,
      'the codecs of its shards',
      'of chunks, not of shards again',
      inner.map(({ name }) => name),
    );
  const index = codecsV3(file, 'index_codecs', configuration['index_codecs']);
  if (index.some(({ name }) => name !== 'bytes' && name !== 'crc32c'))
    throw wrongField(
      file,
      'index_codecs',
      'bytes, crc32c',
      index.map(({ name }) => name),
    );
  const place = oneOf(file, 'index_location', configuration['index_location'] ?? 'end', ['start', 'end'] as const);
  sharding.configuration['codecs'] = inner;
  sharding.configuration['index_codecs'] = index;
  sharding.configuration['chunk_shape'] = [...chunk];
  const chunks = outer.reduce((count, size, axis) => count * (size / (chunk[axis] as number)), 1);
  if (chunks > MAX_SHARD_CHUNKS)
    throw wrongField(
      file,
      'its shards',
      `of at most ${MAX_SHARD_CHUNKS} chunks`,
      `${outer.join('×')} of ${chunk.join('×')}`,
    );
  return { chunk, indexFirst: place === 'start', indexBytes: 16 * chunks };
}

function objectAt(file: string, field: string, value: unknown): Json {
  if (!isObject(value)) throw wrongField(file, field, 'an object', value);
  return value;
}

function oneOf<T extends string>(file: string, field: string, value: unknown, legal: readonly T[]): T {
  const found = legal.find((item) => item === value);
  if (found === undefined) throw wrongField(file, field, legal.map((item) => `"${item}"`).join(' or '), value);
  return found;
}

function sizes(file: string, field: string, value: unknown, count: number | undefined): readonly number[] {
  const isList = Array.isArray(value) && value.length <= MAX_AXES && value.length === (count ?? value.length);
  if (!isList || !value.every((size) => Number.isSafeInteger(size) && size > 0))
    throw wrongField(file, field, `${count ?? 'a list of'} whole numbers above 0`, value);
  return value;
}

/** Bytes of a chunk, decoded. */
export function chunkBytes({ chunk, type }: ZarrArrayInfo): number {
  return chunk.reduce((a, b) => a * b, 1) * type.bytes;
}
