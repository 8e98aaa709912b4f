/** Chunks as formats of files have them: payloads alone, of the whole size that the format says, one value all over included. */
import { crc32 } from 'node:zlib';
import { BflyError } from '../../protocol/errors.ts';
import { TILE_HEADER_BYTES, TileFlag } from '../../protocol/tile-frame.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  type EncodingName,
  encodingNumber,
  type MipInfo,
  type Vec3,
  volumeOf,
} from '../../protocol/volume.ts';
import { codecOf } from '../image/codecs/registry.ts';
import { tileBox } from '../query/tile-grid.ts';
import type { Cache } from './cache.ts';
import type { Channel } from './channel.ts';
import { copyTile } from './cutout.ts';
import type { Reading } from './reading.ts';
import { type TileReader, versionOf } from './tile-reader.ts';

/** Which chunk, and how it is to be. */
export interface ChunkQuery {
  readonly channel: Channel;
  readonly mip: number;
  /** Index in the level's grid, inside. */
  readonly tile: Vec3;
  readonly encoding: EncodingName;
  /** Unset: as ingested. */
  readonly reading: Reading | undefined;
  /** Voxels along x, y, z of every chunk of the grid: those at its end are filled up with zeros. Unset: as large as they are. */
  readonly padTo?: Vec3;
}

/** A chunk. */
export interface Chunk {
  /** Shared. */
  readonly bytes: Uint8Array;
  /** False where the source lacks the chunk at the moment: what comes next under the same tag may be another. */
  readonly isLasting: boolean;
}

const FLAGS_AT = 8;
const ENCODING_AT = 41;

/** Gives chunks: at once where their tiles are at hand. */
export class Chunks {
  readonly #tiles: TileReader;
  readonly #cache: Cache;
  readonly #making = new Map<string, Promise<Chunk>>();
  readonly #stamps = new WeakMap<Channel, string>();

  constructor(tiles: TileReader, cache: Cache) {
    this.#tiles = tiles;
    this.#cache = cache;
  }

  /**
   * Names the bytes of a chunk without reading anything: the same name, the same bytes. Edits elsewhere do not change it, but for those
   * of bodies in a reading of bodies.
   */
  tag({ channel, mip, tile, encoding, reading, padTo }: ChunkQuery): string {
    const merged = reading?.merged === true ? `-m${reading.linksSeq}` : '';
    const padded = padTo === undefined ? '' : '-p';
    return `${this.#stamp(channel)}-${versionOf(reading, mip, tile)}${merged}-${encoding}${padded}`;
  }

  /**
   * A chunk that is at hand.
   *
   * @throws BflyError of a tile that could not be read a moment ago; UNSUPPORTED where the encoding cannot hold it.
   */
  peek(query: ChunkQuery): Chunk | undefined {
    const { channel, mip, tile, encoding, reading } = query;
    const box = boxOf(query);
    if (isShort(box, query.padTo)) {
      const bytes = this.#cache.bytes(this.#paddedKey(query));
      return bytes === undefined ? undefined : { bytes, isLasting: true };
    }
    const frame = this.#tiles.peek(channel, mip, tile, encoding, true, reading);
    if (frame === undefined) return undefined;
    const isLasting = !this.#tiles.isFleeting(frame);
    if (!isFill(frame)) return { bytes: payloadOf(frame, encoding), isLasting };
    const bytes = this.#peekFilled(frame, boxShape(box), dtypeOf(query), encoding);
    return bytes === undefined ? undefined : { bytes, isLasting };
  }

  /** A chunk, from wherever it takes. @throws BflyError as `peek`, and of the tile. */
  async load(query: ChunkQuery): Promise<Chunk> {
    const ready = this.peek(query);
    if (ready !== undefined) return ready;
    const { channel, mip, tile, encoding, reading, padTo } = query;
    const box = boxOf(query);
    if (padTo !== undefined && isShort(box, padTo))
      return this.#once(this.#paddedKey(query), () => this.#makePadded(query, box, padTo));
    const frame = await this.#tiles.load(channel, mip, tile, encoding, reading);
    const isLasting = !this.#tiles.isFleeting(frame);
    if (!isFill(frame)) return { bytes: payloadOf(frame, encoding), isLasting };
    return { bytes: await this.#filled(frame, boxShape(box), dtypeOf(query), encoding), isLasting };
  }

  async #makePadded(query: ChunkQuery, box: Box, padTo: Vec3): Promise<Chunk> {
    const { channel, mip, tile, encoding, reading } = query;
    const dtype = dtypeOf(query);
    const frame = await this.#tiles.load(channel, mip, tile, 'raw', reading);
    const raw = new Uint8Array(volumeOf(padTo) * BYTES_PER_VOXEL[dtype]);
    const [x, y, z] = box;
    copyTile(frame, box, raw, [x, y, z, x + padTo[0], y + padTo[1], z + padTo[2]], BYTES_PER_VOXEL[dtype]);
    const bytes = await codecOf(encoding).encode(raw, padTo, dtype);
    const isLasting = !this.#tiles.isFleeting(frame);
    if (isLasting) this.#cache.set(this.#paddedKey(query), bytes);
    return { bytes, isLasting };
  }

  /** A box of one value, at hand or made at once where that takes no thread. */
  #peekFilled(frame: Uint8Array, size: Vec3, dtype: DType, encoding: EncodingName): Uint8Array | undefined {
    const key = fillKey(frame, size, dtype, encoding);
    const known = this.#cache.bytes(key);
    if (known !== undefined || encoding !== 'raw') return known;
    const raw = filledBox(frame, size, dtype);
    this.#cache.set(key, raw);
    return raw;
  }

  async #filled(frame: Uint8Array, size: Vec3, dtype: DType, encoding: EncodingName): Promise<Uint8Array> {
    const ready = this.#peekFilled(frame, size, dtype, encoding);
    if (ready !== undefined) return ready;
    const key = fillKey(frame, size, dtype, encoding);
    const { bytes } = await this.#once(key, async () => {
      const made = await codecOf(encoding).encode(filledBox(frame, size, dtype), size, dtype);
      this.#cache.set(key, made);
      return { bytes: made, isLasting: true };
    });
    return bytes;
  }

  #once(key: string, make: () => Promise<Chunk>): Promise<Chunk> {
    const underWay = this.#making.get(key);
    if (underWay !== undefined) return underWay;
    const started = make().finally(() => this.#making.delete(key));
    this.#making.set(key, started);
    return started;
  }

  /** Begins as the keys of a channel's tiles do, so that it goes with them. */
  #paddedKey(query: ChunkQuery): string {
    const { channel, mip, tile, padTo } = query;
    return `${channel.number}/${mip}/${tile.join(',')}/${padTo?.join(',')}/${this.tag(query)}`;
  }

  /** Which life of a channel, on which data. */
  #stamp(channel: Channel): string {
    const known = this.#stamps.get(channel);
    if (known !== undefined) return known;
    // A source whose files were only written anew keeps its epoch, to all appearances with the same voxels.
    const source = crc32(channel.sourceFingerprint ?? '');
    const stamp = `${Buffer.from(channel.epoch).toString('hex')}-${source.toString(16)}`;
    this.#stamps.set(channel, stamp);
    return stamp;
  }
}

/**
 * Whether every chunk of a channel can be had in an encoding. JPEG of segmentations cannot: it would invent ids.
 *
 * @param dtype of the voxels as they are read.
 */
export function canServeChunks({ type, mips }: Channel, dtype: DType, encoding: EncodingName): boolean {
  if (encoding === 'jpeg' && type === 'segmentation') return false;
  const { canEncode } = codecOf(encoding);
  return mips.every(({ chunk }) => canEncode(dtype, chunk));
}

/** Voxel type of a chunk. */
function dtypeOf({ channel, reading }: ChunkQuery): DType {
  return reading?.merged === true ? 'uint64' : channel.dtype;
}

function boxOf({ channel, mip, tile }: ChunkQuery): Box {
  return tileBox(channel.mips[mip] as MipInfo, tile[0], tile[1], tile[2]);
}

function isShort(box: Box, padTo: Vec3 | undefined): boolean {
  if (padTo === undefined) return false;
  return box[3] - box[0] !== padTo[0] || box[4] - box[1] !== padTo[1] || box[5] - box[2] !== padTo[2];
}

function isFill(frame: Uint8Array): boolean {
  return ((frame[FLAGS_AT] as number) & TileFlag.FILL) !== 0;
}

/** @throws BflyError UNSUPPORTED where the tile is so large that the encoding could not hold it. */
function payloadOf(frame: Uint8Array, encoding: EncodingName): Uint8Array {
  if (frame[ENCODING_AT] === encodingNumber(encoding)) return frame.subarray(TILE_HEADER_BYTES);
  throw new BflyError('UNSUPPORTED', `a chunk of this size cannot be had as ${encoding}; raw can`);
}

function filledBox(frame: Uint8Array, size: Vec3, dtype: DType): Uint8Array {
  const raw = new Uint8Array(volumeOf(size) * BYTES_PER_VOXEL[dtype]);
  const voxel = frame.subarray(TILE_HEADER_BYTES);
  if (voxel.some((byte) => byte !== 0)) Buffer.from(raw.buffer).fill(voxel);
  return raw;
}

function fillKey(frame: Uint8Array, size: Vec3, dtype: DType, encoding: EncodingName): string {
  const value = Buffer.from(frame.subarray(TILE_HEADER_BYTES)).toString('hex');
  return `fill/${dtype}/${size.join(',')}/${encoding}/${value}`;
}
