/** Neuroglancer precomputed folders: each scale is a level, chunks are read as they are asked for. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeCompressedSegmentation } from '../../protocol/compressed-segmentation.ts';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { contains, intersect } from '../query/box.ts';
import { copyBox } from '../query/copy-box.ts';
import { fileStamp } from './file-stamp.ts';
import { decodeGrey, jpegFrame } from './grey-image.ts';
import { inParallel } from './in-parallel.ts';
import { type PrecomputedInfo, type PrecomputedScale, readPrecomputedInfo } from './precomputed-info.ts';
import { isMissing, ShardedChunks } from './precomputed-sharding.ts';
import { RecentValues } from './recent-values.ts';
import type { EncodedChunk, FoundVolume, Source, SourceFormat, SourceInfo, SourceSpec } from './source.ts';
import { quotedName, volumeName } from './volume-name.ts';
import { levelOf } from './voxel-type.ts';
import { gunzipBytes, plainArray } from './zlib-bytes.ts';

const CHUNKS_AT_ONCE = 4;
/** Decoded chunks of which a read took only a part: the next read likely wants the rest. */
const RECENT_CHUNK_BYTES = 64 * 1024 * 1024;
const MAX_INFO_BYTES = 16 * 1024 * 1024;

/** Folders with an `info` file. */
export const precomputedFormat: SourceFormat = {
  kind: 'precomputed',
  async find(path: string): Promise<readonly FoundVolume[] | undefined> {
    const info = await readInfo(path);
    return info === undefined ? undefined : [{ spec: { path }, name: volumeName(path), kind: 'precomputed' }];
  },
  async open({ path, dataset }: SourceSpec): Promise<Source> {
    if (dataset !== undefined)
      throw new BflyError('NOT_FOUND', `${quotedName(path)} is a folder, which holds no datasets`);
    const info = await readInfo(path);
    if (info === undefined) throw new BflyError('UNSUPPORTED', `${quotedName(path)} is not a folder with an info file`);
    const folders = info.scales.map(({ key }) => join(path, key));
    const stamps = await Promise.all([join(path, 'info'), ...folders].map(fileStamp));
    return new PrecomputedSource(path, info, `precomputed:${stamps.join(':')}`);
  },
};

async function readInfo(folder: string): Promise<PrecomputedInfo | undefined> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) return undefined;
  const bytes = await readStored(join(folder, 'info'), MAX_INFO_BYTES).catch((cause: unknown) => {
    throw new BflyError('UNSUPPORTED', `the info file of ${quotedName(folder)} cannot be read`, { cause });
  });
  if (bytes === undefined) return undefined;
  return readPrecomputedInfo(Buffer.from(bytes).toString('utf8'));
}

/**
 * Reads a file that mirrors may keep compressed: as `NAME.gz`, or as gzip under its plain name.
 *
 * @param plainBytes length that the file has where it is not compressed, if that is known: raw voxels may begin with the mark of gzip.
 * @param maxBytes a longer file is refused, before it is read, and so is one that gunzips to more.
 * @returns undefined where there is neither.
 */
async function readStored(path: string, maxBytes: number, plainBytes?: number): Promise<Uint8Array | undefined> {
  const bytes = (await readIfThere(path, maxBytes)) ?? (await readIfThere(`${path}.gz`, maxBytes));
  if (bytes === undefined || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes.length === plainBytes) return bytes;
  return gunzipBytes(bytes, maxBytes);
}

/** No encoding takes twice the room of the voxels; small chunks have headers. */
const mostBytes = (rawBytes: number): number => 2 * rawBytes + 65_536;

async function readIfThere(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    // A pipe would be waited for, a device read without end.
    const found = await stat(path);
    if (!found.isFile()) throw new BflyError('UNSUPPORTED', 'it is not a plain file');
    if (found.size > maxBytes) throw new BflyError('UNSUPPORTED', `it has ${found.size} bytes, more than it can need`);
    return plainArray(await readFile(path));
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw cause;
  }
}

class PrecomputedSource implements Source {
  readonly info: SourceInfo;
  readonly #folder: string;
  readonly #scales: readonly PrecomputedScale[];
  readonly #shards: readonly (ShardedChunks | undefined)[];
  readonly #chunks = new RecentValues<Uint8Array | undefined>(RECENT_CHUNK_BYTES, (chunk) => 64 + (chunk?.length ?? 0));

  constructor(folder: string, { type, dtype, scales }: PrecomputedInfo, fingerprint: string) {
    this.#folder = folder;
    this.#scales = scales;
    this.#shards = scales.map(({ key, sharding, mip }) =>
      sharding === undefined
        ? undefined
        : new ShardedChunks(
            join(folder, key),
            sharding,
            gridOf(mip.shape, mip.chunk),
            mostBytes(volumeOf(mip.chunk) * BYTES_PER_VOXEL[dtype]),
          ),
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

  async close(): Promise<void> {
    this.#chunks.clear();
    for (const shards of this.#shards) shards?.close();
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
      const path = join(this.#folder, scale.key, chunkName(chunkBox));
      return await readStored(path, mostBytes(plainBytes), scale.encoding === 'raw' ? plainBytes : undefined);
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
  // Messages of the system hold paths; those of shards and of zlib do not.
  const told = cause instanceof Error && !('syscall' in cause) ? cause.message : 'it cannot be read';
  return new BflyError('INTERNAL', `chunk ${chunkName(chunkBox)} of scale "${key}" is broken ${encoding}: ${told}`, {
    cause,
  });
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
