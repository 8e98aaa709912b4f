/** A source of levels that are grids of chunks, for formats that can give one chunk at a time. */
import { BflyError } from '../../protocol/errors.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type MipInfo,
  mipBox,
  type Vec3,
  volumeOf,
} from '../../protocol/volume.ts';
import { intersect } from '../query/box.ts';
import { copyBox } from '../query/copy-box.ts';
import { inParallel } from './in-parallel.ts';
import { RecentValues } from './recent-values.ts';
import type { EncodedChunk, Source, SourceInfo } from './source.ts';
import { levelOf } from './voxel-type.ts';

/** One level of a volume. */
export interface ChunkedLevel {
  readonly mip: MipInfo;
  /**
   * Reads a chunk of the level's grid.
   *
   * @param shape of the chunk, clipped at the volume's end.
   * @returns owned: its voxels, x fastest, little-endian; undefined where there is no such chunk, which is then zeros.
   * @throws Error whose message goes on after "it".
   */
  load(index: Vec3, shape: Vec3): Promise<Uint8Array | undefined>;
  /** What messages call a chunk. */
  nameOf(index: Vec3): string;
}

/**
 * The level of an array with chunks.
 *
 * @param stored size of a chunk, which may be larger than its array.
 */
export function levelOfChunks(
  shape: Vec3,
  stored: Vec3,
  { voxel, offset }: Pick<MipInfo, 'voxel' | 'offset'>,
): MipInfo {
  const chunk: Vec3 = [Math.min(stored[0], shape[0]), Math.min(stored[1], shape[1]), Math.min(stored[2], shape[2])];
  return { shape, chunk, voxel, offset };
}

const CHUNKS_AT_ONCE = 4;
/** Decoded chunks that are kept: the next read likely wants the rest of one. */
const RECENT_BYTES = 64 * 1024 * 1024;
const MAX_RECENT_BYTES = 512 * 1024 * 1024;

/** An open volume of chunked levels. */
export class ChunkedSource implements Source {
  readonly info: SourceInfo;
  readonly #levels: readonly ChunkedLevel[];
  readonly #recent: RecentValues<Uint8Array | undefined>;
  readonly #close: () => void;

  /** @param close frees what the levels read from. @throws BflyError UNSUPPORTED as `checkChunks`. */
  constructor(info: Omit<SourceInfo, 'mips'>, levels: readonly ChunkedLevel[], close: () => void) {
    this.info = { ...info, mips: levels.map(({ mip }) => mip) };
    checkChunks(`chunk ${levels[0]?.nameOf([0, 0, 0])}`, this.info.mips);
    this.#levels = levels;
    this.#close = close;
    // Two of the largest chunks: a read along their border would else decode both for each of its rows of tiles.
    const largest = Math.max(...levels.map(({ mip }) => volumeOf(mip.chunk))) * BYTES_PER_VOXEL[info.dtype];
    const bytes = Math.min(MAX_RECENT_BYTES, Math.max(RECENT_BYTES, 2 * largest + 1024));
    // A chunk that is not there may be written later: it is not kept.
    this.#recent = new RecentValues(bytes, (chunk) => 64 + (chunk?.length ?? Number.POSITIVE_INFINITY));
  }

  async read(mip: number, box: Box): Promise<Uint8Array> {
    const level = levelOf(this.info, mip);
    const bytesPerVoxel = BYTES_PER_VOXEL[this.info.dtype];
    const out = new Uint8Array(volumeOf(boxShape(box)) * bytesPerVoxel);
    await inParallel(CHUNKS_AT_ONCE, chunksOf(box, level.offset, level.chunk), async (index) => {
      const chunkBox = chunkBoxOf(level, index);
      if (chunkBox === undefined) return;
      const voxels = await this.#recent.get(`${mip}:${index.join(',')}`, () => this.#load(mip, index, chunkBox));
      if (voxels !== undefined) copyBox(voxels, chunkBox, out, box, bytesPerVoxel);
    });
    return out;
  }

  /** A whole chunk, decoded: what is stored is no encoding of the protocol, or one that tiles are not kept in. */
  async readChunk(mip: number, index: Vec3): Promise<EncodedChunk | 'absent' | undefined> {
    const chunkBox = chunkBoxOf(levelOf(this.info, mip), index);
    if (chunkBox === undefined) return undefined;
    // Not kept: whoever takes whole chunks keeps them.
    const voxels = await this.#load(mip, index, chunkBox);
    return voxels === undefined ? 'absent' : { encoding: 'raw', bytes: voxels };
  }

  async close(): Promise<void> {
    this.#recent.clear();
    this.#close();
  }

  async #load(mip: number, index: Vec3, chunkBox: Box): Promise<Uint8Array | undefined> {
    const level = this.#levels[mip];
    try {
      const shape = boxShape(chunkBox);
      const voxels = await level?.load(index, shape);
      const expected = volumeOf(shape) * BYTES_PER_VOXEL[this.info.dtype];
      if (voxels !== undefined && voxels.length !== expected)
        throw new Error(`it has ${voxels.length} bytes instead of ${expected}`);
      return voxels;
    } catch (cause) {
      throw chunkFault(`chunk ${level?.nameOf(index)} is broken`, cause);
    }
  }
}

/** A chunk of fewer voxels is no chunk: one tile would take tens of thousands of files. */
const LEAST_CHUNK_VOXELS = 8;
/** Unless the level has no more of them than this. */
const FEW_CHUNKS = 32_768;

/** @param what is named in the message. @throws BflyError UNSUPPORTED where chunks are so small that nobody could wait for a tile. */
export function checkChunks(what: string, mips: readonly MipInfo[]): void {
  for (const { shape, chunk } of mips)
    if (volumeOf(chunk) < LEAST_CHUNK_VOXELS && volumeOf(shape) / volumeOf(chunk) > FEW_CHUNKS)
      throw new BflyError(
        'UNSUPPORTED',
        `${what}: chunks of ${chunk.join('×')} voxels are too small for ${shape.join('×')} of them; 64×64×64 would be right`,
      );
}

/** The error of a chunk that cannot be read: what went wrong, without paths; a server that is away, and a file that must not be read, stay that. */
export function chunkFault(what: string, cause: unknown): BflyError {
  if (cause instanceof BflyError && (cause.code === 'UNAVAILABLE' || cause.code === 'FORBIDDEN')) return cause;
  const told = cause instanceof Error && !('syscall' in cause) ? cause.message : 'it cannot be read';
  return new BflyError('INTERNAL', `${what}: ${told}`, { cause });
}

/** The box of a chunk, clipped; undefined where the grid has none such. */
export function chunkBoxOf(level: MipInfo, index: Vec3): Box | undefined {
  const [x, y, z] = [
    level.offset[0] + index[0] * level.chunk[0],
    level.offset[1] + index[1] * level.chunk[1],
    level.offset[2] + index[2] * level.chunk[2],
  ];
  return intersect([x, y, z, x + level.chunk[0], y + level.chunk[1], z + level.chunk[2]], mipBox(level));
}

/** Indices of the chunks that a box touches. */
export function* chunksOf(box: Box, offset: Vec3, chunk: Vec3): Generator<Vec3> {
  const first = (axis: 0 | 1 | 2): number => Math.floor((box[axis] - offset[axis]) / chunk[axis]);
  const end = (axis: 0 | 1 | 2): number => Math.ceil(((box[axis + 3] ?? 0) - offset[axis]) / chunk[axis]);
  for (let z = first(2); z < end(2); z++)
    for (let y = first(1); y < end(1); y++) for (let x = first(0); x < end(0); x++) yield [x, y, z];
}
