/** Neuroglancer precomputed folders: each scale is a level, chunks are read as they are asked for. */
import { decodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { contains, intersect } from '../query/box.ts';
import { copyBox } from '../query/copy-box.ts';
import type { ByteStore } from './byte-store.ts';
import { checkChunks, chunkFault } from './chunked-source.ts';
import { decodeCompresso } from './compresso.ts';
import { decodeGrey, jpegFrame } from './grey-image.ts';
import { inParallel } from './in-parallel.ts';
import { openByteStore, withByteStore } from './open-byte-store.ts';
import { gunzipped, PackedFiles } from './packed-files.ts';
import { type PrecomputedInfo, type PrecomputedScale, readPrecomputedInfo } from './precomputed-info.ts';
import { ShardedChunks } from './precomputed-sharding.ts';
import { RecentValues } from './recent-values.ts';
import type {
  ByteRange,
  EncodedChunk,
  FoundVolume,
  Source,
  SourceFile,
  SourceFormat,
  SourceInfo,
  SourceSpec,
} from './source.ts';
import { readSourceFile } from './source-file.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { levelOf } from './voxel-type.ts';

const CHUNKS_AT_ONCE = 4;
/** Decoded chunks of which a read took only a part: the next read likely wants the rest. */
const RECENT_CHUNK_BYTES = 64 * 1024 * 1024;
const MAX_INFO_BYTES = 16 * 1024 * 1024;

/** Folders with an `info` file, here or on a server. */
export const precomputedFormat: SourceFormat = {
  kind: 'precomputed',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    const info = await withByteStore(path, readInfo);
    return info === undefined ? undefined : [{ spec: { path }, name: volumeName(path), kind: 'precomputed' }];
  },
  async open({ path, dataset, within }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is a folder, which holds no datasets`);
    const store = await openByteStore(path, within);
    try {
      const found = store === undefined ? undefined : await readInfo(store);
      if (store === undefined || found === undefined)
        throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a folder with an info file`);
      const folders = await Promise.all(found.info.scales.map(({ key }) => store.stampOf(key)));
      const stamps = [found.stamp, ...folders.filter((stamp) => stamp !== undefined)];
      return new PrecomputedSource(path, store, found.info, `precomputed:${stamps.join(':')}`);
    } catch (error) {
      store?.close();
      throw error;
    }
  },
};

async function readInfo(
  store: ByteStore,
): Promise<{ readonly info: PrecomputedInfo; readonly stamp: string } | undefined> {
  const unread = (cause: unknown): never => {
    if (cause instanceof BflyError && cause.code === 'UNAVAILABLE') throw cause;
    const why = store.isRemote && cause instanceof BflyError ? `: ${cause.message}` : '';
    throw new BflyError('UNSUPPORTED', `the info file of ${store.name} cannot be read${why}`, { cause });
  };
  const plain = await store.getStamped('info', MAX_INFO_BYTES).catch(unread);
  const found = plain ?? (store.isRemote ? undefined : await store.getStamped('info.gz', MAX_INFO_BYTES).catch(unread));
  if (found === undefined && store.refused)
    throw new BflyError('UNSUPPORTED', 'the server refuses (403) to give the info file, if there is one');
  if (found === undefined) return undefined;
  const bytes = await gunzipped(found.bytes, MAX_INFO_BYTES).catch(unread);
  return { info: readPrecomputedInfo(Buffer.from(bytes).toString('utf8')), stamp: found.stamp };
}

/** No encoding takes twice the room of the voxels; small chunks have headers. */
const mostBytes = (rawBytes: number): number => 2 * rawBytes + 65_536;

class PrecomputedSource implements Source {
  readonly info: SourceInfo;
  readonly #store: ByteStore;
  readonly #files: PackedFiles;
  /** Undefined where it is on another machine. */
  readonly #folder: string | undefined;
  readonly #scales: readonly PrecomputedScale[];
  readonly #shards: readonly (ShardedChunks | undefined)[];
  /** A chunk that is not there may be written later: it is not kept. */
  readonly #chunks = new RecentValues<Uint8Array | undefined>(
    RECENT_CHUNK_BYTES,
    (chunk) => 64 + (chunk?.length ?? Number.POSITIVE_INFINITY),
  );

  constructor(path: string, store: ByteStore, { type, dtype, scales }: PrecomputedInfo, fingerprint: string) {
    this.#store = store;
    this.#files = new PackedFiles(store);
    this.#folder = store.isRemote ? undefined : path;
    this.#scales = scales;
    this.#shards = scales.map(({ key, sharding, mip }) =>
      sharding === undefined
        ? undefined
        : new ShardedChunks(
            store,
            key,
            sharding,
            gridOf(mip.shape, mip.chunk),
            mostBytes(volumeOf(mip.chunk) * BYTES_PER_VOXEL[dtype]),
          ),
    );
    checkChunks(
      store.name,
      scales.map(({ mip }) => mip),
    );
    this.info = { kind: 'precomputed', type, dtype, mips: scales.map(({ mip }) => mip), voxelKnown: true, fingerprint };
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    const level = levelOf(this.info, mip);
    const bytesPerVoxel = BYTES_PER_VOXEL[this.info.dtype];
    const out = new Uint8Array(volumeOf(boxShape(box)) * bytesPerVoxel);
    await inParallel(CHUNKS_AT_ONCE, chunksOf(box, level.offset, level.chunk), async (index) => {
      const chunkBox = this.#chunkBox(mip, index);
      if (chunkBox === undefined) return;
      const load = (): Promise<Uint8Array | undefined> => this.#decode(mip, index, chunkBox);
      const voxels = await (contains(box, chunkBox) ? load() : this.#chunks.get(`${mip}:${index.join(',')}`, load));
      if (voxels !== undefined) copyBox(voxels, chunkBox, out, box, bytesPerVoxel);
    });
    return out;
  }

  async readChunk(mip: number, index: Vec3): Promise<EncodedChunk | 'absent' | undefined> {
    const scale = this.#scales[mip];
    const chunkBox = this.#chunkBox(mip, index);
    if (scale === undefined || chunkBox === undefined) return undefined;
    const encoding = passedOn(scale);
    if (encoding === undefined) return undefined;
    const stored = await this.#readStored(mip, index, chunkBox);
    if (stored === undefined) return 'absent';
    const [sx, sy, sz] = boxShape(chunkBox);
    if (encoding === 'jpeg') {
      // The format leaves the picture's sides free, the protocol does not.
      const frame = jpegFrame(stored);
      if (frame?.channels !== 1 || frame.width !== sx || frame.height !== sy * sz) return undefined;
    }
    if (encoding === 'raw')
      checkLength(stored, volumeOf([sx, sy, sz]) * BYTES_PER_VOXEL[this.info.dtype], scale, chunkBox);
    return { encoding, bytes: stored };
  }

  async file(key: string, range?: ByteRange): Promise<SourceFile | undefined> {
    return this.#folder === undefined ? undefined : readSourceFile(this.#folder, key, range);
  }

  async close(): Promise<void> {
    this.#chunks.clear();
    for (const shards of this.#shards) shards?.close();
    this.#store.close();
  }

  /** The box of a chunk, clipped; undefined where the grid has none such. */
  #chunkBox(mip: number, index: Vec3): Box | undefined {
    const level = levelOf(this.info, mip);
    const [x, y, z] = [0, 1, 2].map(
      (axis) => (level.offset[axis] ?? 0) + (index[axis] ?? 0) * (level.chunk[axis] ?? 1),
    );
    if (x === undefined || y === undefined || z === undefined) return undefined;
    return intersect([x, y, z, x + level.chunk[0], y + level.chunk[1], z + level.chunk[2]], mipBox(level));
  }

  async #decode(mip: number, index: Vec3, chunkBox: Box): Promise<Uint8Array | undefined> {
    const scale = this.#scales[mip];
    const stored = await this.#readStored(mip, index, chunkBox);
    if (stored === undefined || scale === undefined) return undefined;
    try {
      return await decodeChunk(stored, scale, boxShape(chunkBox), this.info.dtype);
    } catch (cause) {
      throw broken(scale, chunkBox, cause);
    }
  }

  async #readStored(mip: number, index: Vec3, chunkBox: Box): Promise<Uint8Array | undefined> {
    const scale = this.#scales[mip];
    const shards = this.#shards[mip];
    if (scale === undefined) return undefined;
    try {
      if (shards !== undefined) return await shards.read(index);
      const plainBytes = volumeOf(boxShape(chunkBox)) * BYTES_PER_VOXEL[this.info.dtype];
      const name = `${scale.key}/${chunkName(chunkBox)}`;
      return await this.#files.get(name, mostBytes(plainBytes), scale.encoding === 'raw' ? plainBytes : undefined);
    } catch (cause) {
      throw broken(scale, chunkBox, cause);
    }
  }
}

/** The protocol's name of a scale's encoding, where it has one. */
function passedOn({ encoding, blockSize }: PrecomputedScale): EncodedChunk['encoding'] | undefined {
  if (encoding === 'raw' || encoding === 'jpeg') return encoding;
  return encoding === 'compressed_segmentation' && blockSize.every((size) => size === 8) ? 'cseg' : undefined;
}

async function decodeChunk(
  stored: Uint8Array,
  scale: PrecomputedScale,
  shape: Vec3,
  dtype: DType,
): Promise<Uint8Array> {
  const expected = volumeOf(shape) * BYTES_PER_VOXEL[dtype];
  if (scale.encoding === 'raw') {
    if (stored.length !== expected)
      throw new BflyError('INTERNAL', `it has ${stored.length} bytes instead of ${expected}`);
    return stored;
  }
  if (scale.encoding === 'compressed_segmentation') {
    if (dtype !== 'uint32' && dtype !== 'uint64') throw new BflyError('INTERNAL', `${dtype} cannot be coded so`);
    return decodeCompressedSegmentation(stored, shape, dtype, scale.blockSize);
  }
  if (scale.encoding === 'compresso') return decodeCompresso(stored, shape, BYTES_PER_VOXEL[dtype]);
  const image = await decodeGrey(stored, volumeOf(shape));
  if (image.dtype !== dtype || image.bytes.length !== expected)
    throw new BflyError(
      'INTERNAL',
      `it is ${image.width}×${image.height} ${image.dtype}, not ${shape.join('×')} ${dtype}`,
    );
  return image.bytes;
}

function checkLength(stored: Uint8Array, expected: number, scale: PrecomputedScale, chunkBox: Box): void {
  if (stored.length !== expected)
    throw broken(scale, chunkBox, new BflyError('INTERNAL', `it has ${stored.length} bytes instead of ${expected}`));
}

function broken({ key, encoding }: PrecomputedScale, chunkBox: Box, cause: unknown): BflyError {
  return chunkFault(`chunk ${chunkName(chunkBox)} of scale "${key}" is broken ${encoding}`, cause);
}

function chunkName([x0, y0, z0, x1, y1, z1]: Box): string {
  return `${x0}-${x1}_${y0}-${y1}_${z0}-${z1}`;
}

function gridOf(shape: Vec3, chunk: Vec3): Vec3 {
  return [Math.ceil(shape[0] / chunk[0]), Math.ceil(shape[1] / chunk[1]), Math.ceil(shape[2] / chunk[2])];
}

/** Indices of the chunks that a box touches. */
function* chunksOf(box: Box, offset: Vec3, chunk: Vec3): Generator<Vec3> {
  const first = (axis: 0 | 1 | 2): number => Math.floor((box[axis] - offset[axis]) / chunk[axis]);
  const end = (axis: 0 | 1 | 2): number => Math.ceil(((box[axis + 3] ?? 0) - offset[axis]) / chunk[axis]);
  for (let z = first(2); z < end(2); z++)
    for (let y = first(1); y < end(1); y++) for (let x = first(0); x < end(0); x++) yield [x, y, z];
}
