/** Chunks of one Zarr array, as voxels of a volume: x fastest, whatever the order of the axes. The library is zarrita. */
import { type AbsolutePath, type GetOptions, type RangeQuery, Array as ZarrArray } from 'zarrita';
import type { Vec3 } from '../../protocol/volume.ts';
import type { AxisRoles } from './axis-choice.ts';
import type { ByteStore } from './byte-store.ts';
import { copyStrided } from './copy-strided.ts';
import { mostChunkBytes, registerZarrCodecs } from './zarr-codecs.ts';
import { chunkBytes, type ZarrArrayInfo } from './zarr-metadata.ts';

/** Which part of an array is the volume. */
export interface ZarrPart {
  readonly roles: AxisRoles;
  /** Where the volume is on each of `roles.others`. */
  readonly indices: readonly number[];
}

/** Handed through the library to the store, which notes there whether there was a chunk. */
interface ChunkOptions extends GetOptions {
  found?: boolean;
}

/** The library never forgets an index: this much of them, and it is begun anew. */
const MAX_INDEX_BYTES = 32 * 1024 * 1024;

/** One array, or one channel or time of it. Reads may run concurrently. */
export class ZarrChunks {
  readonly #files: ArrayFiles;
  readonly #info: ZarrArrayInfo;
  readonly #part: ZarrPart;
  readonly #seenShards = new Set<string>();
  #array: ZarrArray<ZarrType, ArrayFiles>;

  /** @param folder of the array in the store, '' = the store's own. */
  constructor(store: ByteStore, folder: string, info: ZarrArrayInfo, part: ZarrPart) {
    registerZarrCodecs();
    this.#info = info;
    this.#part = part;
    this.#files = new ArrayFiles(store, folder, info);
    this.#array = this.#open();
  }

  /**
   * Reads a chunk.
   *
   * @param shape wanted of it, from its first voxel on.
   * @returns owned voxels, x fastest, little-endian; undefined where there is no such chunk, which is then zeros.
   * @throws Error whose message goes on after "it".
   */
  async read(index: Vec3, shape: Vec3): Promise<Uint8Array | undefined> {
    const place = this.#placeOf(index);
    this.#forgetIndices(place);
    const options: ChunkOptions = {};
    const chunk = await this.#array.getChunk(place, options).catch((cause: unknown) => {
      // The library wraps what the codec says.
      throw cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    });
    if (options.found !== true && this.#info.isZeroFilled) return undefined;
    const { type } = this.#info;
    const expected = chunkBytes(this.#info);
    if (chunk.data.byteLength !== expected)
      throw new Error(`it holds ${chunk.data.byteLength} bytes of voxels instead of ${expected}`);
    const voxels = copyStrided(
      new Uint8Array(chunk.data.buffer, chunk.data.byteOffset, chunk.data.byteLength),
      type.bytes,
      this.#stridesOf(chunk.stride),
      shape,
    );
    if (type.name !== 'float64') return voxels;
    return new Uint8Array(Float32Array.from(new Float64Array(voxels.buffer)).buffer);
  }

  /** A chunk's place in the array's own order, for messages. */
  nameOf(index: Vec3): string {
    return this.#placeOf(index).join(',');
  }

  #open(): ZarrArray<ZarrType, ArrayFiles> {
    // Types of arrays are texts that were looked at.
    return new ZarrArray(this.#files, '/', this.#info.metadata) as ZarrArray<ZarrType, ArrayFiles>;
  }

  /** Place of a chunk in the array's grid. */
  #placeOf(index: Vec3): number[] {
    const { roles, indices } = this.#part;
    const place = this.#info.shape.map(() => 0);
    place[roles.x] = index[0];
    place[roles.y] = index[1];
    if (roles.z !== undefined) place[roles.z] = index[2];
    for (const [i, axis] of roles.others.entries())
      place[axis] = Math.floor((indices[i] as number) / (this.#info.chunk[axis] as number));
    return place;
  }

  /** Where the volume begins in a chunk, and its steps along x, y, z, in voxels. */
  #stridesOf(stride: readonly number[]): { readonly start: number; readonly steps: Vec3 } {
    const { roles, indices } = this.#part;
    let start = 0;
    for (const [i, axis] of roles.others.entries())
      start += ((indices[i] as number) % (this.#info.chunk[axis] as number)) * (stride[axis] as number);
    const z = roles.z === undefined ? 0 : (stride[roles.z] as number);
    return { start, steps: [stride[roles.x] as number, stride[roles.y] as number, z] };
  }

  #forgetIndices(place: readonly number[]): void {
    const { shards, metadata, chunk } = this.#info;
    if (shards === undefined) return;
    const grid = metadata.chunk_grid.configuration.chunk_shape;
    const shard = place.map((i, axis) => Math.floor((i * (chunk[axis] as number)) / (grid[axis] as number))).join();
    this.#seenShards.add(shard);
    if (this.#seenShards.size <= Math.max(1, MAX_INDEX_BYTES / shards.indexBytes)) return;
    this.#seenShards.clear();
    this.#seenShards.add(shard);
    this.#array = this.#open();
  }
}

type ZarrType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'uint64' | 'int64' | 'float32' | 'float64';

/** The files of an array, as the library asks for them. */
class ArrayFiles {
  readonly #store: ByteStore;
  readonly #prefix: string;
  readonly #maxBytes: number;
  readonly #indexFirst: boolean;

  constructor(store: ByteStore, folder: string, info: ZarrArrayInfo) {
    this.#store = store;
    this.#prefix = folder === '' ? '' : `${folder}/`;
    this.#maxBytes = mostChunkBytes(chunkBytes(info));
    this.#indexFirst = info.shards?.indexFirst === true;
  }

  async get(key: AbsolutePath, options?: ChunkOptions): Promise<Uint8Array | undefined> {
    const bytes = await this.#store.get(this.#prefix + key.slice(1), this.#maxBytes);
    if (options !== undefined && bytes !== undefined) options.found = true;
    return bytes;
  }

  async getRange(key: AbsolutePath, range: RangeQuery, options?: ChunkOptions): Promise<Uint8Array | undefined> {
    const name = this.#prefix + key.slice(1);
    if ('suffixLength' in range) {
      const length = range.suffixLength;
      return this.#store.getRange(name, this.#indexFirst ? { offset: 0, length } : range);
    }
    if (!Number.isSafeInteger(range.offset + range.length)) throw new Error('its shard has a place for it far outside');
    if (range.length > this.#maxBytes)
      throw new Error(`it has ${range.length} bytes in its shard, more than its voxels can take`);
    const bytes = await this.#store.getRange(name, range);
    if (bytes === undefined) throw new Error('its shard is gone');
    if (options !== undefined) options.found = true;
    return bytes;
  }
}
