/** What can be asked, as plain values. Pure: no I/O, no clock, no state. */
import { BflyError } from '../../protocol/errors.ts';
import { type Box, type DType, type MipInfo, mipBox, type Vec3 } from '../../protocol/volume.ts';
import { intersect } from './box.ts';
import { type TileRange, tileBox, tilesOf } from './tile-grid.ts';

/** A question for metadata of a path. */
export interface InfoQuery {
  readonly path: string;
}

/**
 * A box of pixels as Butterfly's own API asks for it: in the pixel grid of `resolution`, where x and y are halved
 * `resolution` times and z never is. Source: parity.md 2.
 */
export interface DataQuery {
  readonly path: string;
  readonly resolution: number;
  /** First voxel along x, y, z. */
  readonly origin: Vec3;
  /** Width, height, depth: each at least 1. */
  readonly size: Vec3;
  /** png, jpg, tif, npz, zip, raw, … */
  readonly format: string;
  /** grayscale, colormap or rgb. */
  readonly view: string;
}

/** What a channel's metadata adds to a query: the level that is read, and every how many voxels of it one is taken. */
export interface LevelSample {
  readonly mip: number;
  /** 1 = every voxel; n = the first of every n along x and y. */
  readonly step: number;
}

/** One tile of a query, and which part of it is wanted. */
export interface TileQuery {
  readonly path: string;
  readonly resolution: number;
  /** Index of the tile along x, y, z. */
  readonly tile: Vec3;
  /** The wanted part, in voxels counted from the tile's first; empty where the query does not meet the tile. */
  readonly crop: Box;
  /** Butterfly's tile key: the path, then scales and index as `[sz sy sx iz iy ix]`. */
  readonly key: string;
}

/** The most voxels one answer may hold: a request for more is refused before anything is allocated. */
export const MAX_ANSWER_VOXELS = 2 ** 30;
/** The most bytes one answer may hold: 64-bit voxels would go beyond what a buffer can have long before they are too many. */
export const MAX_ANSWER_BYTES = 2 ** 31;
/** Boxes begin within this distance of 0: sums with a size are exact then. */
const MAX_POSITION = 2 ** 52;

/** A query for pixels of a path, before anything about the path is known: one voxel at the origin. */
export function makeDataQuery(query: InfoQuery): DataQuery {
  return { path: query.path, resolution: 0, origin: [0, 0, 0], size: [1, 1, 1], format: 'png', view: 'grayscale' };
}

/**
 * Checks what no metadata is needed for.
 *
 * @throws BflyError BAD_REQUEST for a size or resolution that is not positive; TOO_LARGE for an absurd one.
 */
export function checkDataQuery(query: DataQuery): void {
  for (const [axis, name] of (['x', 'y', 'z'] as const).entries()) {
    const at = query.origin[axis] as number;
    if (!Number.isInteger(at)) throw new BflyError('BAD_REQUEST', `The ${name} ${at} is not an integer.`);
    if (Math.abs(at) > MAX_POSITION)
      throw new BflyError('BAD_REQUEST', `The ${name} ${at} is not in -${MAX_POSITION}..${MAX_POSITION}.`);
  }
  for (const [axis, name] of (['width', 'height', 'depth'] as const).entries()) {
    const size = query.size[axis] as number;
    if (!Number.isInteger(size)) throw new BflyError('BAD_REQUEST', `The ${name} ${size} is not an integer.`);
    if (size < 1) throw new BflyError('BAD_REQUEST', `The ${name} ${size} is not positive.`);
  }
  const { resolution } = query;
  if (!Number.isInteger(resolution) || resolution < 0 || resolution > 30)
    throw new BflyError('BAD_REQUEST', `The resolution ${resolution} is not in 0..30.`);
  if (query.size[0] * query.size[1] * query.size[2] > MAX_ANSWER_VOXELS)
    throw new BflyError('TOO_LARGE', `The box holds more than ${MAX_ANSWER_VOXELS} voxels.`);
}

/**
 * Part of a query that falls on one tile of the level that it reads.
 *
 * @param mip the level, its offset 0.
 * @param tile index of the tile; default the first.
 */
export function makeTileQuery(query: DataQuery, mip: MipInfo, tile: Vec3 = [0, 0, 0]): TileQuery {
  const box = tileBox(mip, tile[0], tile[1], tile[2]);
  const { origin: o, size: s } = query;
  const common = intersect(box, [o[0], o[1], o[2], o[0] + s[0], o[1] + s[1], o[2] + s[2]]);
  const [x, y, z] = box;
  const crop: Box =
    common === undefined
      ? [0, 0, 0, 0, 0, 0]
      : [common[0] - x, common[1] - y, common[2] - z, common[3] - x, common[4] - y, common[5] - z];
  const scale = 2 ** query.resolution;
  return {
    path: query.path,
    resolution: query.resolution,
    tile,
    crop,
    key: `${query.path}[1 ${scale} ${scale} ${tile[2]} ${tile[1]} ${tile[0]}]`,
  };
}

/** A box of one level, as `bfly.v1` asks for it. */
export interface BoxQuery {
  readonly path: string;
  readonly mip: number;
  readonly box: Box;
}

/** The tiles of a level that a box meets, and how many. */
export interface TileSelection {
  /** Undefined where the box lies wholly outside. */
  readonly range: TileRange | undefined;
  readonly count: number;
}

/** Which tiles a box of a level meets. */
export function selectTiles(mip: MipInfo, box: Box): TileSelection {
  const range = tilesOf(mip, box);
  if (range === undefined) return { range, count: 0 };
  return { range, count: (range[3] - range[0]) * (range[4] - range[1]) * (range[5] - range[2]) };
}

/** @throws BflyError OUT_OF_BOUNDS naming the levels there are. */
export function levelOf(mips: readonly MipInfo[], mip: number): MipInfo {
  const level = mips[mip];
  if (level !== undefined) return level;
  throw new BflyError('OUT_OF_BOUNDS', `mip ${mip} does not exist: the volume has mips 0 to ${mips.length - 1}`);
}

/**
 * The block that Butterfly cut HDF5 files into: 64 planes, each plane in k × k parts so that a block stays near `maxBytes`.
 * Source: parity.md 10.1.
 */
export function butterflyBlock(shape: Vec3, bytesPerVoxel: number, maxBytes: number): Vec3 {
  const planeBytes = shape[0] * shape[1] * bytesPerVoxel;
  const k = Math.ceil(Math.sqrt(Math.ceil(planeBytes / (maxBytes / 64))));
  return [Math.ceil(shape[0] / k), Math.ceil(shape[1] / k), Math.min(64, shape[2])];
}

/**
 * The chunk that a server cuts a volume into: about 64³ voxels, flatter where the volume is flat, never larger than the volume.
 */
export function defaultChunk(shape: Vec3): Vec3 {
  let depth = 64;
  while (depth > 1 && depth / 2 >= shape[2]) depth /= 2;
  let side = 64;
  while (side < 512 && side * side * 4 * depth <= 64 ** 3) side *= 2;
  return [Math.min(side, shape[0]), Math.min(side, shape[1]), Math.min(depth, shape[2])];
}

/** Whether a level's whole volume fits one of its chunks. */
export function fitsOneChunk(mip: MipInfo): boolean {
  const box = mipBox(mip);
  return mip.chunk[0] >= box[3] - box[0] && mip.chunk[1] >= box[4] - box[1] && mip.chunk[2] >= box[5] - box[2];
}

/** dtypes that Butterfly took for ids of segments. Source: parity.md 6.2. */
export function isLegacyIdType(dtype: DType): boolean {
  return dtype !== 'uint8' && dtype !== 'int8' && dtype !== 'float32';
}
