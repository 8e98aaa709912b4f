/** The last level of a source and the first that is built, where both can be made block by block. */
import { type Box, type MipInfo, type Vec3, volumeOf } from '../../protocol/volume.ts';
import type { Channel } from '../core/channel.ts';
import { isCutInBlocks } from '../image/source-block.ts';
import type { SourceBlock } from '../image/tile-maker.ts';
import { tileBox, tilesIn, tilesOf } from '../query/tile-grid.ts';

/** Voxels of all tiles of a block that are held at once: with larger tiles they are made one by one. */
const MAX_BLOCK_VOXELS = 16 * 2 ** 20;

/** Two levels that are made together. */
export interface BlockLevels {
  /** The finer one's. */
  readonly mip: number;
  readonly coarser: MipInfo;
  /** Tiles of the finer level that make one of the coarser. */
  tilesOf(coarser: Vec3): readonly Vec3[];
  /** What makes them all. */
  request(tiles: readonly Vec3[], coarser: Vec3): Omit<SourceBlock, 'findsMaxId' | 'memory'>;
}

/**
 * Which blocks a level of a channel is made in.
 *
 * @returns undefined where its tiles are to be made one by one; the level above a level of blocks then finds its tiles there.
 */
export function blocksOf(channel: Channel, mip: number): BlockLevels | undefined {
  const { spec, sourceFingerprint: fingerprint, dtype, type, stored: encoding } = channel;
  const finer = channel.mips[mip];
  const coarser = channel.mips[mip + 1];
  const factors = channel.factors[mip + 1];
  if (mip !== channel.sourceMips - 1 || spec === undefined || fingerprint === undefined) return undefined;
  if (finer === undefined || coarser === undefined || factors === undefined) return undefined;
  const blockVoxels = volumeOf(coarser.chunk) * volumeOf(factors);
  if (!isCutInBlocks(finer, coarser, factors) || blockVoxels > MAX_BLOCK_VOXELS) return undefined;
  const hasOwnChunks = channel.ownChunks[mip] === true;
  return {
    mip,
    coarser,
    tilesOf: ([x, y, z]) => [...tilesIn(tilesOf(finer, footprint(tileBox(coarser, x, y, z), factors)))],
    request: (tiles, [x, y, z]) => ({
      ...{ spec, fingerprint, dtype, type, encoding, mip, finer, factors },
      shift: channel.shifts[mip] ?? [0, 0, 0],
      tiles: tiles.map((tile) => ({
        box: tileBox(finer, tile[0], tile[1], tile[2]),
        ...(hasOwnChunks ? { chunk: tile } : {}),
      })),
      coarser: { mip: mip + 1, box: tileBox(coarser, x, y, z) },
    }),
  };
}

function footprint(box: Box, [fx, fy, fz]: Vec3): Box {
  return [box[0] * fx, box[1] * fy, box[2] * fz, box[3] * fx, box[4] * fy, box[5] * fz];
}
