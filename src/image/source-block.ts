/** Tiles of a source and the one of the next level that they make, in one go: no voxel is read, or changes threads, twice. */
import { type Box, BYTES_PER_VOXEL, type MipInfo, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { copyBox } from '../query/copy-box.ts';
import { downsampleBlock } from './downsample.ts';
import { decodeTileFrame, makeTileFrame } from './tile.ts';
import type { MadeTile, SourceBlock } from './tile-maker.ts';

/** A tile that was read from a source, and its voxels where they were at hand. */
export interface ReadTile extends MadeTile {
  readonly raw?: Uint8Array;
}

/** Reads one tile of a block. */
export type ReadTileOf = (tile: SourceBlock['tiles'][number]) => Promise<ReadTile>;

/**
 * Whether every voxel of the coarser level is made from one tile of the finer one alone, and every tile of the finer level goes into one
 * tile of the coarser: then blocks can be made by themselves.
 */
export function isCutInBlocks(finer: MipInfo, coarser: MipInfo, factors: Vec3): boolean {
  return ([0, 1, 2] as const).every((axis) => {
    const factor = factors[axis];
    const alone = finer.shape[axis] <= finer.chunk[axis] && coarser.shape[axis] <= coarser.chunk[axis];
    const begins = finer.offset[axis] === coarser.offset[axis] * factor;
    return (
      alone || (begins && finer.chunk[axis] % factor === 0 && (coarser.chunk[axis] * factor) % finer.chunk[axis] === 0)
    );
  });
}

/** The box of a coarser level that a tile of the finer one makes. Each in voxels of its level. */
function coarserBox(box: Box, factors: Vec3): Box {
  const [fx, fy, fz] = factors;
  return [
    Math.floor(box[0] / fx),
    Math.floor(box[1] / fy),
    Math.floor(box[2] / fz),
    Math.ceil(box[3] / fx),
    Math.ceil(box[4] / fy),
    Math.ceil(box[5] / fz),
  ];
}

/**
 * Makes the tiles of a block, and the coarser one of them.
 *
 * @param read gives a tile of the block as it is stored.
 * @param allocate gives memory for frames; see `TilePlace`.
 * @param look is shown the voxels of each tile; borrowed.
 * @returns the tiles in the order of `block.tiles`, the coarser one last, which is `absent` where one of them is; only those before it
 *   where one cannot be read.
 */
export async function makeBlock(
  block: SourceBlock,
  read: ReadTileOf,
  allocate: (bytes: number) => Uint8Array,
  look?: (raw: Uint8Array) => void,
): Promise<MadeTile[]> {
  const { dtype, type, factors, encoding, coarser } = block;
  const voxelBytes = BYTES_PER_VOXEL[dtype];
  const finerVolume = mipBox(block.finer);
  const [x0, y0, z0, x1, y1, z1] = coarser.box;
  const raw = new Uint8Array(volumeOf([x1 - x0, y1 - y0, z1 - z0]) * voxelBytes);
  const made: MadeTile[] = [];
  for (const tile of block.tiles) {
    // Those before it are had all the same; who asks for it by itself hears why it is not.
    const found = await read(tile).catch(() => undefined);
    if (found === undefined) return made;
    const { frame, absent, raw: known } = found;
    const voxels = known ?? (await decodeTileFrame(frame, dtype));
    look?.(voxels);
    const part = coarserBox(tile.box, factors);
    copyBox(
      downsampleBlock(voxels, tile.box, dtype, type, part, factors, finerVolume),
      part,
      raw,
      coarser.box,
      voxelBytes,
    );
    made.push({ frame, absent });
  }
  const frame = await makeTileFrame({ raw, dtype, mip: coarser.mip, box: coarser.box, seq: 0, encoding, allocate });
  return [...made, { frame, absent: made.some(({ absent }) => absent) }];
}

/** Memory out of buffers that are used again, as far as there are some of the right length. */
export function reusing(buffers: readonly ArrayBuffer[]): (bytes: number) => Uint8Array {
  const free = [...buffers];
  return (bytes) => {
    const at = free.findIndex(({ byteLength }) => byteLength === bytes);
    const [buffer] = at < 0 ? [] : free.splice(at, 1);
    return new Uint8Array(buffer ?? Buffer.allocUnsafeSlow(bytes).buffer);
  };
}
