/** Channels as Butterfly's own APIs show them: unsigned voxels, resolutions that halve x and y alone. Source: parity.md 2, 6, 7, 8. */
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, type DType, type MipInfo, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { readFormat, readView } from '../image/render-format.ts';
import type { DataQuery, InfoQuery } from '../query/query.ts';
import type { Channel } from './channel.ts';
import type { Voxels } from './core.ts';
import { flatLevels, MAX_SAMPLED_TILES } from './legacy-levels.ts';

/** What it needs of the Core. */
export interface LegacyCore {
  updateQuery(query: InfoQuery): Promise<Channel>;
  findTiles(query: DataQuery): Promise<Voxels>;
  render(
    channel: Channel,
    voxels: Voxels,
    format: string,
    view: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly mime: string }>;
}

/** One resolution of a channel. */
export interface LegacyScale {
  readonly resolution: number;
  /** Voxels, rounded up. */
  readonly size: Vec3;
  /** What is best asked for at once, voxels. */
  readonly chunk: Vec3;
  /** Nanometres. */
  readonly voxel: Vec3;
}

/** The size of a voxel that nothing is known of, nm: what Butterfly took all voxels for. */
const VOXEL: Vec3 = [4, 4, 30];

/** The voxel type as Butterfly names it: signed voxels are given out as unsigned ones of the same bits. */
export function legacyDType(dtype: DType): DType {
  switch (dtype) {
    case 'int8':
      return 'uint8';
    case 'int16':
      return 'uint16';
    case 'int32':
      return 'uint32';
    case 'int64':
      return 'uint64';
    default:
      return dtype;
  }
}

/**
 * Pixels in a format and view.
 *
 * @param id set: a mask, of 255 where a voxel has this id, and 0 elsewhere.
 * @throws BflyError BAD_REQUEST, before anything is read; TOO_LARGE; UNSUPPORTED for a mask of voxels that are no ids; of the source.
 */
export async function legacyData(
  core: LegacyCore,
  query: DataQuery,
  id?: bigint,
): Promise<{ readonly bytes: Uint8Array; readonly mime: string }> {
  const format = readFormat(query.format);
  const view = readView(query.view);
  const channel = await core.updateQuery(query);
  const { raw, shape, dtype } = await core.findTiles(query);
  const legacy = legacyDType(dtype);
  const voxels: Voxels =
    id === undefined ? { raw, shape, dtype: legacy } : { raw: maskOf(raw, legacy, id), shape, dtype: 'uint8' };
  // Nothing is made of them: a worker would only copy them, twice.
  if (format.kind === 'raw' && view === 'grayscale') return { bytes: voxels.raw, mime: format.mime };
  return core.render(channel, voxels, query.format, query.view);
}

function maskOf(raw: Uint8Array, dtype: DType, id: bigint): Uint8Array {
  if (dtype === 'float32')
    throw new BflyError('UNSUPPORTED', 'voxels of float32 are no ids: ask for the mask without id');
  const voxels = viewVoxels(dtype, raw);
  const mask = new Uint8Array(voxels.length);
  const wanted = voxels instanceof BigUint64Array ? id : Number(id);
  for (let i = 0; i < voxels.length; i++) if (voxels[i] === wanted) mask[i] = 255;
  return mask;
}

/**
 * The resolutions that are offered: as many as the source has stored that halve x and y alone, and more until a plane fits one chunk;
 * never one whose chunks would take too much reading.
 */
export function legacyScales(channel: Channel): LegacyScale[] {
  const finest = channel.mips[0] as MipInfo;
  const stored = flatLevels(channel);
  const voxel = finest.voxel.every((size) => size === 1) ? VOXEL : finest.voxel;
  const scales: LegacyScale[] = [];
  for (let resolution = 0; ; resolution++) {
    const step = 2 ** resolution;
    const mip = Math.min(resolution, stored - 1);
    const level = channel.mips[mip] as MipInfo;
    const size: Vec3 = [Math.ceil(finest.shape[0] / step), Math.ceil(finest.shape[1] / step), finest.shape[2]];
    const chunk: Vec3 = [
      Math.min(level.chunk[0], size[0]),
      Math.min(level.chunk[1], size[1]),
      Math.min(level.chunk[2], size[2]),
    ];
    if (resolution >= stored && sampledTiles(level, chunk, resolution - mip) > MAX_SAMPLED_TILES) break;
    scales.push({ resolution, size, chunk, voxel: [voxel[0] * step, voxel[1] * step, voxel[2]] });
    if (resolution >= stored - 1 && chunk[0] === size[0] && chunk[1] === size[1]) break;
  }
  return scales;
}

/** Tiles that one chunk of a resolution is sampled from, wherever it begins. */
function sampledTiles(level: MipInfo, chunk: Vec3, halvings: number): number {
  const along = (axis: 0 | 1): number => {
    const wanted = Math.min(chunk[axis] * 2 ** halvings, level.shape[axis]);
    return Math.ceil(wanted / level.chunk[axis]) + 1;
  };
  return along(0) * along(1) * (Math.ceil(chunk[2] / level.chunk[2]) + 1);
}

/** Bytes of the voxels of a query. */
export function legacyBytes({ size }: DataQuery, { dtype }: Channel): number {
  return size[0] * size[1] * size[2] * BYTES_PER_VOXEL[dtype];
}
