/** The grid of chunks of one level: which tiles a box meets, and in which order they are sent. Pure. */
import { type Box, type MipInfo, mipBox, type Vec3 } from '../../protocol/volume.ts';
import { intersect } from './box.ts';

/** Tiles of a level, as half-open ranges of indices counted from the level's offset. */
export type TileRange = Box;

/** Number of tiles along each axis. */
export function gridShape(mip: MipInfo): Vec3 {
  return [
    Math.ceil(mip.shape[0] / mip.chunk[0]),
    Math.ceil(mip.shape[1] / mip.chunk[1]),
    Math.ceil(mip.shape[2] / mip.chunk[2]),
  ];
}

/** The tiles that a box meets; undefined where it lies outside the volume. */
export function tilesOf(mip: MipInfo, box: Box): TileRange | undefined {
  const inside = intersect(mipBox(mip), box);
  if (inside === undefined) return undefined;
  const { offset, chunk } = mip;
  return [
    Math.floor((inside[0] - offset[0]) / chunk[0]),
    Math.floor((inside[1] - offset[1]) / chunk[1]),
    Math.floor((inside[2] - offset[2]) / chunk[2]),
    Math.ceil((inside[3] - offset[0]) / chunk[0]),
    Math.ceil((inside[4] - offset[1]) / chunk[1]),
    Math.ceil((inside[5] - offset[2]) / chunk[2]),
  ];
}

/** Box of a tile in voxels of its level, clipped at the volume's end. */
export function tileBox(mip: MipInfo, x: number, y: number, z: number): Box {
  const { offset, chunk, shape } = mip;
  const x0 = x * chunk[0];
  const y0 = y * chunk[1];
  const z0 = z * chunk[2];
  return [
    offset[0] + x0,
    offset[1] + y0,
    offset[2] + z0,
    offset[0] + Math.min(x0 + chunk[0], shape[0]),
    offset[1] + Math.min(y0 + chunk[1], shape[1]),
    offset[2] + Math.min(z0 + chunk[2], shape[2]),
  ];
}

/** The tile that holds a voxel; may lie outside the grid. */
export function tileAt(mip: MipInfo, voxel: Vec3): Vec3 {
  return [
    Math.floor((voxel[0] - mip.offset[0]) / mip.chunk[0]),
    Math.floor((voxel[1] - mip.offset[1]) / mip.chunk[1]),
    Math.floor((voxel[2] - mip.offset[2]) / mip.chunk[2]),
  ];
}

/** The tiles of a range, x fastest, then y, then z; none for undefined. */
export function* tilesIn(range: TileRange | undefined): Generator<readonly [number, number, number]> {
  if (range === undefined) return;
  for (let z = range[2]; z < range[5]; z++)
    for (let y = range[1]; y < range[4]; y++) for (let x = range[0]; x < range[3]; x++) yield [x, y, z];
}
