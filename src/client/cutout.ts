/** A box of voxels as one array, put together from tiles. */
import {
  BflyError,
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  type SegmentMap,
  type Vec3,
  type VoxelArray,
  viewVoxels,
  volumeOf,
} from '../../protocol/index.ts';
import type { Pull, PullOptions } from './pull.ts';

/** How far a cutout is. */
export interface CutoutProgress {
  readonly tiles: number;
  /** Tiles that the box needs in all. */
  readonly total: number;
}

/** Options of a cutout. */
export interface CutoutOptions {
  /** Level; 0 (default) is the finest. */
  readonly mip?: number;
  /** Half-open, in voxels of `mip`; may stick out of the volume. Default: the whole level. */
  readonly box?: Box;
  readonly at?: number;
  readonly epoch?: Uint8Array;
  readonly map?: SegmentMap;
  readonly enc?: PullOptions['enc'];
  readonly urgency?: number;
  readonly signal?: AbortSignal;
  /** Largest array that is made; default 2 GiB. */
  readonly maxBytes?: number;
  /** Called after each tile. */
  readonly onProgress?: (progress: CutoutProgress) => void;
}

/** A box of voxels. */
export interface CutoutResult {
  /** Owned; x fastest, then y, then z; 0 outside the volume. */
  readonly data: VoxelArray;
  /** Size along x, y, z. */
  readonly shape: Vec3;
  readonly dtype: DType;
  readonly mip: number;
  readonly box: Box;
  /** Seq that the server answered from; single tiles may be newer. */
  readonly seq: number;
}

const DEFAULT_MAX_BYTES = 2 ** 31;

/** @throws BflyError TOO_LARGE where a box of this dtype is larger than `maxBytes`. */
export function checkCutoutSize(box: Box, dtype: DType, maxBytes = DEFAULT_MAX_BYTES): void {
  const bytes = volumeOf(boxShape(box)) * BYTES_PER_VOXEL[dtype];
  if (bytes <= maxBytes) return;
  throw new BflyError('TOO_LARGE', `the box has ${bytes} bytes of ${dtype}; maxBytes is ${maxBytes}`);
}

/**
 * Puts the tiles of a pull together.
 *
 * @param pull of `box`, not read from before.
 * @throws BflyError of the first error tile, TOO_LARGE; whatever ends the pull.
 */
export async function assembleCutout(pull: Pull, mip: number, box: Box, options: CutoutOptions): Promise<CutoutResult> {
  try {
    const { tiles: total, dtype, at } = await pull.ready;
    checkCutoutSize(box, dtype, options.maxBytes);
    const shape = boxShape(box);
    const bytes = new Uint8Array(volumeOf(shape) * BYTES_PER_VOXEL[dtype]);
    let tiles = 0;
    for await (const tile of pull) {
      if (tile.error !== undefined) throw tile.error;
      const isZero = tile.fill && tile.payload.every((byte) => byte === 0);
      if (!isZero) copyTile(tile.bytes(), tile.box, bytes, box, BYTES_PER_VOXEL[dtype]);
      options.onProgress?.({ tiles: ++tiles, total });
    }
    return { data: viewVoxels(dtype, bytes), shape, dtype, mip, box, seq: at };
  } finally {
    pull.cancel();
  }
}

/**
 * Copies what two boxes have in common, in runs as long as both sides allow.
 *
 * @param source voxels of `from`, x fastest. @param target voxels of `to`, written where the boxes meet.
 */
export function copyTile(source: Uint8Array, from: Box, target: Uint8Array, to: Box, bytesPerVoxel: number): void {
  const x0 = Math.max(from[0], to[0]);
  const y0 = Math.max(from[1], to[1]);
  const z0 = Math.max(from[2], to[2]);
  const width = Math.min(from[3], to[3]) - x0;
  const height = Math.min(from[4], to[4]) - y0;
  const depth = Math.min(from[5], to[5]) - z0;
  if (width <= 0 || height <= 0 || depth <= 0) return;
  const [sourceX, sourceY] = boxShape(from);
  const [targetX, targetY] = boxShape(to);
  // Where rows are whole on both sides, a plane is one run.
  const wholeRows = width === sourceX && width === targetX;
  const run = (wholeRows ? width * height : width) * bytesPerVoxel;
  const rows = wholeRows ? 1 : height;
  for (let z = z0; z < z0 + depth; z++) {
    let s = (((z - from[2]) * sourceY + (y0 - from[1])) * sourceX + (x0 - from[0])) * bytesPerVoxel;
    let t = (((z - to[2]) * targetY + (y0 - to[1])) * targetX + (x0 - to[0])) * bytesPerVoxel;
    for (let row = 0; row < rows; row++) {
      target.set(source.subarray(s, s + run), t);
      s += sourceX * bytesPerVoxel;
      t += targetX * bytesPerVoxel;
    }
  }
}
