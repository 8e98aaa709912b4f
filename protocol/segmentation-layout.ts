/** What reading and writing compressed segmentation share: how a box is cut into blocks. */
import { BflyError } from './errors.ts';
import type { Vec3 } from './volume.ts';

/** Voxel types that can be compressed so. */
export type SegmentationDType = 'uint32' | 'uint64';

/** Voxels of a block in the protocol's encodings. */
export const DEFAULT_BLOCK: Vec3 = [8, 8, 8];
/** Largest offset of a table, words. */
export const MAX_TABLE_OFFSET = 0xff_ffff;
const MAX_BLOCK_VOXELS = 2 ** 21;

/** How a box is cut into blocks. */
export interface Layout {
  readonly size: Vec3;
  readonly block: Vec3;
  readonly grid: Vec3;
  readonly blocks: number;
  readonly blockVoxels: number;
  readonly wordsPerVoxel: 1 | 2;
}
/** The part of a block that lies inside the volume. */
export interface Placed {
  /** Voxels of the block along x, y, z that exist. */
  xEnd: number;
  yEnd: number;
  zEnd: number;
  /** Number of the block's first voxel in the volume. */
  first: number;
}

/** Says which part of a block lies inside the volume. */
export function place(layout: Layout, gx: number, gy: number, gz: number, into: Placed): void {
  const [nx, ny, nz] = layout.size;
  const [bx, by, bz] = layout.block;
  into.xEnd = Math.min(bx, nx - gx * bx);
  into.yEnd = Math.min(by, ny - gy * by);
  into.zEnd = Math.min(bz, nz - gz * bz);
  into.first = gx * bx + nx * (gy * by + ny * gz * bz);
}

/** Cuts a box into blocks. @throws BflyError BAD_REQUEST where sizes are no positive integers or blocks too large. */
export function layoutOf(size: Vec3, dtype: SegmentationDType, block: Vec3): Layout {
  for (const n of [...size, ...block])
    if (!Number.isSafeInteger(n) || n < 1)
      throw new BflyError(
        'BAD_REQUEST',
        `sizes are positive integers, not ${size.join('×')} in blocks of ${block.join('×')}`,
      );
  const blockVoxels = block[0] * block[1] * block[2];
  if (blockVoxels > MAX_BLOCK_VOXELS)
    throw new BflyError(
      'BAD_REQUEST',
      `compression blocks have up to ${MAX_BLOCK_VOXELS} voxels, not ${block.join('×')}`,
    );
  const grid: Vec3 = [Math.ceil(size[0] / block[0]), Math.ceil(size[1] / block[1]), Math.ceil(size[2] / block[2])];
  return {
    size,
    block,
    grid,
    blocks: grid[0] * grid[1] * grid[2],
    blockVoxels,
    wordsPerVoxel: dtype === 'uint64' ? 2 : 1,
  };
}
/** Whole 32-bit words of some bytes; a copy only where they are not aligned. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, bytes.length >>> 2);
}
