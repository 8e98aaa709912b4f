/** A writer of small precomputed volumes for tests: a file a chunk, or shards as the format's text describes them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { encodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import { type Box, BYTES_PER_VOXEL, type DType, type Vec3 } from '../../protocol/volume.ts';
import { compressedMortonCode, type ShardingSpec, shardOf } from '../../src/image/precomputed-sharding.ts';
import { precomputedFormat } from '../../src/image/precomputed-source.ts';
import type { Source } from '../../src/image/source.ts';
import { copyBox } from '../../src/query/copy-box.ts';
import { randomBytes, randomFrom } from './source-fixtures.ts';

/** Size of the volumes that are written: no multiple of the chunk's. */
export const SIZE: Vec3 = [21, 13, 10];
/** Their first voxel. */
export const OFFSET: Vec3 = [100, -7, 3];
/** Their chunks. */
export const CHUNK: Vec3 = [8, 8, 4];

/** A volume to write: all of it, and how. */
export interface Written {
  readonly dtype: DType;
  readonly encoding: string;
  readonly voxels: Uint8Array;
  readonly encode: (voxels: Uint8Array, shape: Vec3) => Uint8Array | Promise<Uint8Array>;
}

/** An object of an info file. */
export type Json = Record<string, unknown>;

/** An info file; `scale` and `more` overrule fields of the scale and of the whole. */
export function infoOf(
  { dtype, encoding }: Pick<Written, 'dtype' | 'encoding'>,
  scale: Json = {},
  more: Json = {},
): Json {
  const blocks = encoding === 'compressed_segmentation' ? { compressed_segmentation_block_size: [8, 8, 8] } : {};
  return {
    '@type': 'neuroglancer_multiscale_volume',
    type: dtype === 'uint32' || dtype === 'uint64' ? 'segmentation' : 'image',
    data_type: dtype,
    num_channels: 1,
    scales: [
      {
        key: 's0',
        size: SIZE,
        voxel_offset: OFFSET,
        resolution: [4, 4, 40],
        chunk_sizes: [CHUNK, [4, 4, 4]],
        encoding,
        ...blocks,
        ...scale,
      },
    ],
    ...more,
  };
}

/** All chunks of a volume: place in the grid, box, and voxels. */
export function chunksOf({ voxels, dtype }: Written): { index: Vec3; box: Box; voxels: Uint8Array; shape: Vec3 }[] {
  const out: { index: Vec3; box: Box; voxels: Uint8Array; shape: Vec3 }[] = [];
  const end = (i: number, axis: 0 | 1 | 2): number => Math.min(SIZE[axis], (i + 1) * CHUNK[axis]);
  const whole: Box = [0, 0, 0, ...SIZE];
  for (let z = 0; z * CHUNK[2] < SIZE[2]; z++)
    for (let y = 0; y * CHUNK[1] < SIZE[1]; y++)
      for (let x = 0; x * CHUNK[0] < SIZE[0]; x++) {
        const box: Box = [x * CHUNK[0], y * CHUNK[1], z * CHUNK[2], end(x, 0), end(y, 1), end(z, 2)];
        const shape: Vec3 = [box[3] - box[0], box[4] - box[1], box[5] - box[2]];
        const part = new Uint8Array(shape[0] * shape[1] * shape[2] * BYTES_PER_VOXEL[dtype]);
        copyBox(voxels, whole, part, box, BYTES_PER_VOXEL[dtype]);
        out.push({ index: [x, y, z], box, voxels: part, shape });
      }
  return out;
}

/** Name of a chunk's file. */
export function nameOf(box: Box): string {
  const [x, y, z] = OFFSET;
  return `${box[0] + x}-${box[3] + x}_${box[1] + y}-${box[4] + y}_${box[2] + z}-${box[5] + z}`;
}

/** Writes a volume with a file a chunk, and opens it. */
export async function writeFiles(
  folder: string,
  volume: Written,
  pack: (name: string, bytes: Uint8Array) => [string, Uint8Array] = (n, b) => [n, b],
): Promise<Source> {
  writeFileSync(join(folder, 'info'), JSON.stringify(infoOf(volume)));
  mkdirSync(join(folder, 's0'));
  for (const { box, voxels, shape } of chunksOf(volume)) {
    const [name, bytes] = pack(nameOf(box), await volume.encode(voxels, shape));
    writeFileSync(join(folder, 's0', name), bytes);
  }
  return precomputedFormat.open({ path: folder });
}

/** Bytes of a whole volume. */
export const bytesIn = (dtype: DType): number => SIZE[0] * SIZE[1] * SIZE[2] * BYTES_PER_VOXEL[dtype];
/** The encoding `raw`. */
export const plain = (bytes: Uint8Array): Uint8Array => bytes;
const picture =
  (bits: 8 | 16) =>
  (voxels: Uint8Array, shape: Vec3): Promise<Buffer> =>
    sharp(bits === 8 ? voxels : new Uint16Array(voxels.slice().buffer), {
      raw: { width: shape[0], height: shape[1] * shape[2], channels: 1 },
    })
      .toColourspace(bits === 8 ? 'b-w' : 'grey16')
      .png()
      .toBuffer();
/** Few labels, as a segmentation has. */
export function labels(dtype: 'uint32' | 'uint64'): Uint8Array {
  const random = randomFrom(3);
  const count = SIZE[0] * SIZE[1] * SIZE[2];
  const value = (): bigint => BigInt(Math.floor(random() * 6)) * (dtype === 'uint64' ? 9_000_000_000n : 70_001n);
  return dtype === 'uint64'
    ? new Uint8Array(BigUint64Array.from({ length: count }, value).buffer)
    : new Uint8Array(Uint32Array.from({ length: count }, () => Number(value())).buffer);
}

/** The volume that most tests write. */
export const raw16: Written = {
  dtype: 'uint16',
  encoding: 'raw',
  voxels: randomBytes(1, bytesIn('uint16')),
  encode: plain,
};

/** A volume of each encoding without loss, by name. */
export const VOLUMES: [string, Written][] = [
  ...(['uint8', 'int16', 'uint32', 'uint64', 'float32'] as const).map((dtype): [string, Written] => [
    `raw ${dtype}`,
    { dtype, encoding: 'raw', voxels: randomBytes(2, bytesIn(dtype)), encode: plain },
  ]),
  ['png uint8', { dtype: 'uint8', encoding: 'png', voxels: randomBytes(4, bytesIn('uint8')), encode: picture(8) }],
  ['png uint16', { dtype: 'uint16', encoding: 'png', voxels: randomBytes(5, bytesIn('uint16')), encode: picture(16) }],
  ...(['uint32', 'uint64'] as const).map((dtype): [string, Written] => [
    `compressed_segmentation ${dtype}`,
    {
      dtype,
      encoding: 'compressed_segmentation',
      voxels: labels(dtype),
      encode: (voxels, shape) => encodeCompressedSegmentation(voxels, shape, dtype),
    },
  ]),
];

/** Writes shards as the format's text says, and opens the volume. */
export async function writeShards(
  folder: string,
  volume: Written,
  spec: ShardingSpec,
  present: (index: Vec3) => boolean = () => true,
): Promise<Source> {
  const sharding = {
    '@type': 'neuroglancer_uint64_sharded_v1',
    preshift_bits: spec.preshiftBits,
    minishard_bits: spec.minishardBits,
    shard_bits: spec.shardBits,
    hash: spec.hash,
    minishard_index_encoding: spec.indexEncoding,
    data_encoding: spec.dataEncoding,
  };
  writeFileSync(join(folder, 'info'), JSON.stringify(infoOf(volume, { sharding, chunk_sizes: [CHUNK] })));
  mkdirSync(join(folder, 's0'));
  const grid: Vec3 = [Math.ceil(SIZE[0] / CHUNK[0]), Math.ceil(SIZE[1] / CHUNK[1]), Math.ceil(SIZE[2] / CHUNK[2])];
  const shards = new Map<string, Map<number, { id: bigint; bytes: Uint8Array }[]>>();
  for (const { index, voxels, shape } of chunksOf(volume)) {
    if (!present(index)) continue;
    const id = compressedMortonCode(index, grid);
    const { file, minishard } = shardOf(spec, id);
    const bytes = await volume.encode(voxels, shape);
    const shard = shards.get(file) ?? new Map<number, { id: bigint; bytes: Uint8Array }[]>();
    shards.set(file, shard);
    shard.set(minishard, [
      ...(shard.get(minishard) ?? []),
      { id, bytes: spec.dataEncoding === 'gzip' ? gzipSync(bytes) : bytes },
    ]);
  }
  for (const [file, minishards] of shards)
    writeFileSync(join(folder, 's0', `${file}.shard`), shardBytes(minishards, spec));
  return precomputedFormat.open({ path: folder });
}

function shardBytes(minishards: Map<number, { id: bigint; bytes: Uint8Array }[]>, spec: ShardingSpec): Uint8Array {
  const index = new BigUint64Array(2 * 2 ** spec.minishardBits);
  const body: Uint8Array[] = [];
  let at = 0n;
  for (const [minishard, chunks] of minishards) {
    chunks.sort((a, b) => (a.id < b.id ? -1 : 1));
    const entries = new BigUint64Array(3 * chunks.length);
    let lastId = 0n;
    for (const [i, { id, bytes }] of chunks.entries()) {
      // A byte of padding before each chunk: its start counts from the end of the one before.
      body.push(Uint8Array.of(0xee), bytes);
      entries[i] = id - lastId;
      entries[chunks.length + i] = i === 0 ? at + 1n : 1n;
      entries[2 * chunks.length + i] = BigInt(bytes.length);
      lastId = id;
      at += 1n + BigInt(bytes.length);
    }
    const packed = new Uint8Array(entries.buffer);
    const stored = spec.indexEncoding === 'gzip' ? gzipSync(packed) : packed;
    body.push(stored);
    index[2 * minishard] = at;
    at += BigInt(stored.length);
    index[2 * minishard + 1] = at;
  }
  return Buffer.concat([new Uint8Array(index.buffer), ...body]);
}

/** A sharding that spreads the chunks over several shards and minishards. */
export const SPEC: ShardingSpec = {
  preshiftBits: 1,
  minishardBits: 2,
  shardBits: 2,
  hash: 'identity',
  indexEncoding: 'raw',
  dataEncoding: 'raw',
};
