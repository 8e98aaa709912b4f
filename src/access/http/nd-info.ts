/** A dataset as NDStore describes its projects. Source: parity.md 7. */
import type { Vec3 } from '../../../protocol/volume.ts';
import type { Channel } from '../../core/channel.ts';
import { legacyDType, legacyScales } from '../../core/legacy-volumes.ts';
import type { JsonValue } from '../../utility/pretty-json.ts';

/** A channel and what it is called. */
export interface NdChannel {
  readonly name: string;
  readonly channel: Channel;
}

type Geometry = Readonly<Record<string, JsonValue>>;

/**
 * Describes a dataset.
 *
 * NDStore knows one grid for all channels of a project: that of the first. A channel with another grid has its own beside its other members.
 *
 * @param channels at least one.
 */
export function ndInfo(dataset: string, channels: readonly [NdChannel, ...NdChannel[]]): JsonValue {
  const grid = geometry(channels[0].channel);
  return {
    channels: Object.fromEntries(channels.map((item) => [item.name, describe(item, grid)])),
    dataset: { scaling: 'zslices', description: dataset, ...grid, timerange: [0, 0] },
    metadata: {},
    project: { description: dataset, name: dataset, version: '0.0' },
  };
}

function describe({ name, channel }: NdChannel, grid: Geometry): JsonValue {
  const own = geometry(channel);
  return {
    datatype: legacyDType(channel.dtype),
    channel_type: channel.type === 'image' ? 'image' : 'annotation',
    description: name,
    exceptions: 0,
    propagate: 2,
    readonly: 1,
    resolution: 0,
    windowrange: [0, 0],
    ...(JSON.stringify(own) === JSON.stringify(grid) ? {} : own),
  };
}

function geometry(channel: Channel): Geometry {
  const scales = legacyScales(channel);
  const [width, height, depth] = (channel.mips[0] as { readonly shape: Vec3 }).shape;
  const each = (value: (resolution: number) => JsonValue): JsonValue =>
    Object.fromEntries(scales.map(({ resolution }) => [String(resolution), value(resolution)]));
  // NDStore rounds down, so that no request goes past the end.
  const half = (size: number, resolution: number): number => Math.max(1, Math.floor(size / 2 ** resolution));
  const imageSize = each((r) => [half(width, r), half(height, r), depth]);
  const voxel = each((r) => [...(scales[r] as { readonly voxel: Vec3 }).voxel]);
  const zero = each(() => [0, 0, 0]);
  return {
    scalinglevels: scales.length,
    resolutions: scales.map(({ resolution }) => resolution),
    offset: zero,
    neariso_scaledown: each(() => 1),
    cube_dimension: each((r) => [...(scales[r] as { readonly chunk: Vec3 }).chunk]),
    imagesize: imageSize,
    voxelres: voxel,
    neariso_voxelres: voxel,
    neariso_offset: zero,
    neariso_imagesize: imageSize,
  };
}
