/** How a channel is cut into levels and chunks, and the fingerprint by which a change of that is noticed. */
import { BflyError } from '../../protocol/errors.ts';
import { MAX_RAW_TILE } from '../../protocol/limits.ts';
import {
  BYTES_PER_VOXEL,
  type DType,
  type MipInfo,
  type Vec3,
  type VolumeType,
  volumeOf,
} from '../../protocol/volume.ts';
import { MAX_TILE_INDEX } from '../database/keys.ts';
import { pyramid } from '../image/downsample.ts';
import type { SourceInfo } from '../image/source.ts';
import type { VolumeSpec } from '../image/tile-maker.ts';
import { butterflyBlock, defaultChunk, fitsOneChunk } from '../query/query.ts';

/** Levels that keys of tiles tell apart. */
const MAX_LEVELS = 256;

/** What the configuration of a channel says of its layout. */
export interface LayoutWish {
  /** experiment/sample/dataset/channel. */
  readonly path: string;
  /** Undefined for a channel that lives in the store alone, brought in by ingest. */
  readonly spec?: VolumeSpec;
  readonly type?: VolumeType;
  /** Nanometres along x, y, z. */
  readonly voxel?: Vec3;
  /** Voxels of the finest level that requests are moved by: request p reads voxel p + offset. */
  readonly offset?: Vec3;
  readonly chunk?: Vec3;
  /** Butterfly's rule for blocks of this many bytes, instead of chunks of about 64³. */
  readonly maxBlockBytes?: number;
}

/** Levels, chunks and encodings of a channel. */
export interface Layout {
  /** What the tiles were made from and how; another value makes them worthless. */
  readonly fingerprint: string;
  readonly sourceKind: string;
  readonly type: VolumeType;
  readonly dtype: DType;
  readonly mips: readonly MipInfo[];
  readonly sourceMips: number;
  readonly ownChunks: readonly boolean[];
  readonly shifts: readonly Vec3[];
  readonly maxId?: string;
}

/** Levels built on demand above the source's own: more would make one request read a great part of the volume. */
export const ON_DEMAND_LEVELS = 3;

/** Formats that are made for tiles, each read whole. */
const TILED_KINDS: ReadonlySet<string> = new Set(['precomputed', 'mojo', 'boss']);
/** Formats with chunks that may be of any size. */
const CHUNKED_KINDS: ReadonlySet<string> = new Set(['zarr', 'n5']);
/** Smaller chunks than this make poor tiles: each has its header, its record and its message. */
const MIN_OWN_TILE = 16 * 1024;

/** Changes when tiles of the same source would be made differently. */
const LAYOUT_VERSION = 1;

/** Whether a fingerprint is of what a configuration names, letter by letter. */
export function isMadeOf(fingerprint: string | undefined, spec: VolumeSpec | undefined): boolean {
  if (fingerprint === undefined) return false;
  const [, made] = JSON.parse(fingerprint) as readonly unknown[];
  return JSON.stringify(made) === JSON.stringify(spec);
}

/** What a fingerprint's tiles were made from. */
export function madeFrom(fingerprint: string): VolumeSpec | undefined {
  // Of a channel without a source it is null.
  const [, made] = JSON.parse(fingerprint) as readonly [unknown, VolumeSpec | null];
  return made ?? undefined;
}

/** What the source said of itself when a fingerprint was made. */
export function sourceFingerprint(fingerprint: string): string {
  const [, , source] = JSON.parse(fingerprint) as readonly unknown[];
  return String(source);
}

/** Whether two fingerprints are of the same data read in the same way, though one may name the file by another path. */
export function isSameVolume(kept: string, wanted: string): boolean {
  const [a, b] = [kept, wanted].map((text) => JSON.parse(text) as [unknown, { dataset?: string }, ...unknown[]]);
  if (a === undefined || b === undefined) return false;
  const datasets = [a[1].dataset, b[1].dataset].filter((name) => name !== undefined);
  const rest = (parts: readonly unknown[]): string => JSON.stringify([parts[0], ...parts.slice(2)]);
  return rest(a) === rest(b) && new Set(datasets).size <= 1;
}

/**
 * Whether two fingerprints differ at most in when files were written: they are as long as before and give the same grid of the same
 * voxels, as after a copy or a `touch`.
 */
export function isTouchedVolume(kept: string, wanted: string): boolean {
  // Stamps of files are SIZE@TIME, see `fileStamp`.
  const timeless = (text: string): string => {
    const [version, spec, source, ...rest] = JSON.parse(text) as readonly unknown[];
    return JSON.stringify([version, spec, String(source).replaceAll(/:(\d+)@\d+(?=:|$)/g, ':$1'), ...rest]);
  };
  return isSameVolume(timeless(kept), timeless(wanted));
}

/** Levels, chunks and encodings that follow from the configuration and the source. */
export function layOut(entry: LayoutWish, info: SourceInfo, levels: 'on-demand' | 'all'): Layout {
  const voxelScale = voxelScaleOf(entry, info);
  const finest = info.mips[0];
  if (finest === undefined) throw new BflyError('UNSUPPORTED', `${entry.path}: the source has no levels`);
  const ownChunks: boolean[] = [];
  const shifts: Vec3[] = [];
  const mips = info.mips.map((mip): MipInfo => {
    const chunk = chunkOf(entry, info, mip);
    ownChunks.push(sameVec(chunk, mip.chunk) || fitsOneChunk({ ...mip, chunk: minVec(chunk, mip.chunk) }));
    const shift = shiftOf(entry, info, finest, mip);
    shifts.push(shift);
    return {
      shape: mip.shape,
      chunk,
      voxel: mapVec(mip.voxel, (size, axis) => size * (voxelScale[axis] as number)),
      offset: mapVec(mip.offset, (o, axis) => o - (shift[axis] as number)),
    };
  });
  const sourceMips = mips.length;
  const coarsest = mips[sourceMips - 1];
  const built = coarsest === undefined ? [] : pyramid(coarsest);
  // All levels, whether they are offered or not: an ingest takes up what was made on demand.
  checkKeys(entry.path, [...mips, ...built]);
  const grids = [...mips, ...built].map(({ shape, chunk, offset }) => [shape, chunk, offset]);
  mips.push(...built.slice(0, levels === 'all' ? undefined : ON_DEMAND_LEVELS));
  return {
    fingerprint: JSON.stringify([
      LAYOUT_VERSION,
      entry.spec,
      info.fingerprint,
      info.dtype,
      entry.type ?? info.type,
      shifts,
      grids,
    ]),
    sourceKind: info.kind,
    type: entry.type ?? info.type,
    dtype: info.dtype,
    mips,
    sourceMips,
    ownChunks,
    shifts,
  };
}

/** @throws BflyError UNSUPPORTED for levels and tiles that the store has no keys for. */
function checkKeys(path: string, mips: readonly MipInfo[]): void {
  if (mips.length > MAX_LEVELS)
    throw new BflyError('UNSUPPORTED', `${path} has ${mips.length} levels; at most ${MAX_LEVELS} would be right`);
  for (const { shape, chunk } of mips)
    if (shape.some((size, axis) => Math.ceil(size / (chunk[axis] as number)) > MAX_TILE_INDEX))
      throw new BflyError(
        'UNSUPPORTED',
        `${path} has ${shape.join('×')} voxels in tiles of ${chunk.join('×')}; at most ${MAX_TILE_INDEX} tiles along an axis would be right`,
      );
}

/** The configured offset in voxels of a level. Source: parity.md 2, floor(offset / scale). */
function shiftOf(entry: LayoutWish, info: SourceInfo, finest: MipInfo, mip: MipInfo): Vec3 {
  return mapVec(entry.offset ?? [0, 0, 0], (offset, axis) => {
    // Shapes are rounded up, which tells little of the scale where a level is only a few voxels wide.
    const scale = info.voxelKnown
      ? (mip.voxel[axis] as number) / (finest.voxel[axis] as number)
      : (finest.shape[axis] as number) / (mip.shape[axis] as number);
    return Math.floor(offset / Math.max(1, Math.round(scale)));
  });
}

function voxelScaleOf(entry: LayoutWish, info: SourceInfo): Vec3 {
  const finest = info.mips[0];
  if (entry.voxel === undefined || finest === undefined) return [1, 1, 1];
  const { voxel } = entry;
  return mapVec(finest.voxel, (size, axis) => (voxel[axis] as number) / size);
}

function chunkOf(entry: LayoutWish, info: SourceInfo, mip: MipInfo): Vec3 {
  const bytes = BYTES_PER_VOXEL[info.dtype];
  if (entry.chunk !== undefined) return cutToTile(minVec(entry.chunk, mip.shape), bytes);
  if (entry.maxBlockBytes !== undefined && info.kind === 'hdf5')
    return cutToTile(butterflyBlock(mip.shape, bytes, entry.maxBlockBytes), bytes);
  // A format made for tiles of its own is served in them: each stored chunk is then read once, and may be taken over as it is.
  const rawBytes = volumeOf(mip.chunk) * bytes;
  if (TILED_KINDS.has(info.kind) && rawBytes <= MAX_RAW_TILE) return mip.chunk;
  const isTile = rawBytes >= MIN_OWN_TILE || sameVec(mip.chunk, mip.shape);
  if (CHUNKED_KINDS.has(info.kind) && isTile && rawBytes <= MAX_RAW_TILE) return mip.chunk;
  return defaultChunk(mip.shape);
}

/** Halves the longest side of a chunk until its voxels are no more bytes than a tile may have. Rule [D6]. */
function cutToTile(chunk: Vec3, voxelBytes: number): Vec3 {
  if (volumeOf(chunk) * voxelBytes <= MAX_RAW_TILE) return chunk;
  const longest = Math.max(...chunk);
  const axis = chunk.indexOf(longest);
  return cutToTile(
    mapVec(chunk, (size, at) => (at === axis ? Math.ceil(size / 2) : size)),
    voxelBytes,
  );
}

const sameVec = (a: Vec3, b: Vec3): boolean => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];
const minVec = (a: Vec3, b: Vec3): Vec3 => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.min(a[2], b[2])];
const mapVec = (v: Vec3, f: (value: number, axis: number) => number): Vec3 => [f(v[0], 0), f(v[1], 1), f(v[2], 2)];
