/**
 * Chunks of a precomputed scale that are kept many to a file.
 *
 * A chunk's number (a Morton code of its place in the grid) is hashed; bits of the hash name the shard file and the minishard in it.
 * File: an index of `2^minishardBits` pairs of offsets, one for each minishard's own index, which lists numbers, places and sizes.
 *
 * Source: Neuroglancer, src/datasource/precomputed/sharded.md and volume.md ("Compressed Morton code")
 */
import type { Vec3 } from '../../protocol/volume.ts';
import type { ByteStore } from './byte-store.ts';
import { RecentValues } from './recent-values.ts';
import { gunzipBytes } from './zlib-bytes.ts';

/** How chunk numbers become places in files. */
export interface ShardingSpec {
  readonly preshiftBits: number;
  readonly minishardBits: number;
  readonly shardBits: number;
  readonly hash: 'identity' | 'murmurhash3_x86_128';
  readonly indexEncoding: 'raw' | 'gzip';
  readonly dataEncoding: 'raw' | 'gzip';
}

/** An index of millions of chunks. */
const MAX_INDEX_BYTES = 128 * 1024 * 1024;
const RECENT_INDEX_BYTES = 16 * 1024 * 1024;
const INDEX_ENTRY_BYTES = 16;
/** Bytes of a chunk's entry in a minishard index: number, offset, size. */
const CHUNK_ENTRY_BYTES = 24;

/** Number of a chunk: bits of x, y and z in turn, lowest first, each axis as long as its grid needs bits. */
export function compressedMortonCode(index: Vec3, grid: Vec3): bigint {
  let code = 0n;
  let at = 0n;
  for (let bit = 0; grid.some((cells) => 2 ** bit < cells); bit++)
    for (const axis of [0, 1, 2] as const) {
      if (2 ** bit >= grid[axis]) continue;
      if (Math.floor(index[axis] / 2 ** bit) % 2 === 1) code |= 1n << at;
      at++;
    }
  return code;
}

/** First 8 bytes of MurmurHash3_x86_128 of a number's 8 bytes, all little-endian. Source: Appleby, MurmurHash3 (public domain) */
export function murmurHash64(value: bigint): bigint {
  const low = Number(value & 0xffff_ffffn);
  const high = Number((value >> 32n) & 0xffff_ffffn);
  // 8 bytes are less than a block: they are all "tail", and the third and fourth state stay those of the length.
  let h1 = Math.imul(rotated(Math.imul(low, 0x239b961b), 15), 0xab0e9789) ^ 8;
  let h2 = Math.imul(rotated(Math.imul(high, 0xab0e9789), 16), 0x38b34ae5) ^ 8;
  let h3 = 8;
  let h4 = 8;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = mixed((h2 + h1) | 0);
  h3 = mixed((h3 + h1) | 0);
  h4 = mixed((h4 + h1) | 0);
  h1 = mixed(h1);
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  return (BigInt(h2 >>> 0) << 32n) | BigInt(h1 >>> 0);
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mixed(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Where a chunk is: shard file and minishard. */
export function shardOf(spec: ShardingSpec, chunk: bigint): { readonly file: string; readonly minishard: number } {
  const shifted = chunk >> BigInt(spec.preshiftBits);
  const hashed = spec.hash === 'identity' ? shifted : murmurHash64(shifted);
  const minishard = Number(BigInt.asUintN(spec.minishardBits, hashed));
  const shard = BigInt.asUintN(spec.shardBits, hashed >> BigInt(spec.minishardBits));
  return { file: shard.toString(16).padStart(Math.ceil(spec.shardBits / 4), '0'), minishard };
}

/** A minishard's chunks; places from the file's beginning. */
interface Minishard {
  readonly chunks: BigUint64Array;
  readonly starts: Float64Array;
  readonly sizes: Float64Array;
}

/** The chunks of one scale. Reads may run concurrently. */
export class ShardedChunks {
  readonly #store: ByteStore;
  readonly #folder: string;
  readonly #spec: ShardingSpec;
  readonly #grid: Vec3;
  readonly #maxChunkBytes: number;
  readonly #minishards = new RecentValues<Minishard | undefined>(
    RECENT_INDEX_BYTES,
    (minishard) => 64 + (minishard === undefined ? 0 : minishard.chunks.length * CHUNK_ENTRY_BYTES),
  );

  /**
   * @param folder of the shards, in the store.
   * @param grid number of chunks along x, y, z.
   * @param maxChunkBytes a chunk of more bytes is refused, stored or gunzipped.
   */
  constructor(store: ByteStore, folder: string, spec: ShardingSpec, grid: Vec3, maxChunkBytes: number) {
    this.#store = store;
    this.#maxChunkBytes = maxChunkBytes;
    this.#folder = folder;
    this.#spec = spec;
    this.#grid = grid;
  }

  /**
   * Reads a chunk's bytes, gunzipped where the shards say so.
   *
   * @returns owned bytes; undefined where there is no such chunk.
   * @throws Error where a shard is damaged.
   */
  async read(index: Vec3): Promise<Uint8Array | undefined> {
    const chunk = compressedMortonCode(index, this.#grid);
    const { file, minishard } = shardOf(this.#spec, chunk);
    const shard = `${this.#folder}/${file}.shard`;
    const found = await this.#minishards.get(`${file}:${minishard}`, () => this.#readMinishard(shard, minishard));
    const place = found?.chunks.indexOf(chunk) ?? -1;
    if (found === undefined || place < 0) return undefined;
    const length = found.sizes[place] ?? 0;
    if (length > this.#maxChunkBytes) throw new Error(`a chunk has ${length} bytes, more than its voxels can take`);
    const bytes = await this.#store.getRange(shard, { offset: found.starts[place] ?? 0, length });
    // Its index was there a moment ago.
    if (bytes === undefined) throw new Error('the shard is gone');
    return this.#spec.dataEncoding === 'gzip' ? await gunzipBytes(bytes, this.#maxChunkBytes) : bytes;
  }

  /** Forgets the indices. */
  close(): void {
    this.#minishards.clear();
  }

  async #readMinishard(shard: string, minishard: number): Promise<Minishard | undefined> {
    const offset = minishard * INDEX_ENTRY_BYTES;
    const entryBytes = await this.#store.getRange(shard, { offset, length: INDEX_ENTRY_BYTES });
    if (entryBytes === undefined) return this.#refuseObsolete(shard);
    const indexEnd = 2 ** this.#spec.minishardBits * INDEX_ENTRY_BYTES;
    const entry = numbersOf(entryBytes);
    const [start = 0, end = 0] = [Number(entry[0]), Number(entry[1])];
    if (end - start > MAX_INDEX_BYTES) throw new Error('a minishard index is too long');
    if (end < start) throw new Error('a minishard ends before it starts');
    if (end === start) return undefined;
    const stored = await this.#store.getRange(shard, { offset: indexEnd + start, length: end - start });
    if (stored === undefined) throw new Error('the shard is gone');
    const isPacked = this.#spec.indexEncoding === 'gzip';
    return readMinishardIndex(isPacked ? await gunzipBytes(stored, MAX_INDEX_BYTES) : stored, indexEnd);
  }

  /** A shard of the obsolete kind must not pass for zeros. */
  async #refuseObsolete(shard: string): Promise<undefined> {
    if (await this.#store.has(shard.replace(/\.shard$/, '.index')))
      throw new Error('the shard is in two files, .index and .data; their concatenation as .shard would be right');
  }
}

function readMinishardIndex(bytes: Uint8Array, indexEnd: number): Minishard {
  if (bytes.length % CHUNK_ENTRY_BYTES !== 0)
    throw new Error(`a minishard index has ${bytes.length} bytes, no multiple of 24`);
  const numbers = numbersOf(bytes);
  const count = numbers.length / 3;
  const chunks = new BigUint64Array(count);
  const starts = new Float64Array(count);
  const sizes = new Float64Array(count);
  let chunk = 0n;
  let end = indexEnd;
  for (let i = 0; i < count; i++) {
    chunk = BigInt.asUintN(64, chunk + (numbers[i] ?? 0n));
    chunks[i] = chunk;
    // Differences are taken modulo 2⁶⁴: chunks need not stand in the order of their numbers.
    starts[i] = Number(BigInt.asUintN(64, BigInt(end) + (numbers[count + i] ?? 0n)));
    sizes[i] = Number(numbers[2 * count + i]);
    end = (starts[i] ?? 0) + (sizes[i] ?? 0);
    if (!Number.isSafeInteger(end)) throw new Error('a minishard index points outside its shard');
  }
  return { chunks, starts, sizes };
}

function numbersOf(bytes: Uint8Array): BigUint64Array {
  // A copy, which `slice` of a Buffer is not: numbers must begin on a multiple of 8.
  return new BigUint64Array(new Uint8Array(bytes).buffer);
}
