/** The view that opens on some channels: their layers, and a place in the middle of the first. */
import type { ChannelInfo, Session } from '../../../client/index.ts';

/** A state of Neuroglancer, as far as we write one. */
export interface ViewState {
  readonly dimensions: Readonly<Record<'x' | 'y' | 'z', readonly [size: number, unit: 'm']>>;
  readonly position: readonly number[];
  readonly crossSectionScale: number;
  readonly projectionScale: number;
  readonly layers: readonly Readonly<Record<string, unknown>>[];
  readonly layout: string;
  readonly selectedLayer?: Readonly<Record<string, unknown>>;
}

/** What a slice of it is to fill of the screen, pixels. */
const SCREEN = 600;

/**
 * The view on some channels, or on all channels of datasets.
 *
 * @throws BflyError of the first path that cannot be had.
 */
export async function firstView(session: Session, paths: readonly string[]): Promise<ViewState> {
  const infos = await Promise.all(paths.map((path) => session.info(path)));
  const channels = infos.flatMap((info) => (info.kind === 'channel' ? [info] : info.channels));
  return viewOf(channels.map((info) => ({ path: info.path, info })));
}

/** A channel and what is known of it. */
export interface Channel {
  readonly path: string;
  readonly info: ChannelInfo;
}

/** The view on some channels; images lie below segmentations. */
export function viewOf(channels: readonly Channel[]): ViewState {
  const sorted = [...channels].sort((a, b) => rank(a) - rank(b));
  const [finest] = sorted[0]?.info.mips ?? [];
  const voxel = finest?.voxel ?? [1, 1, 1];
  const shape = finest?.shape ?? [1, 1, 1];
  const offset = finest?.offset ?? [0, 0, 0];
  const names = new Set<string>();
  const layers = sorted.map((channel) => layerOf(channel, names));
  const labels = layers.find(({ type }) => type === 'segmentation');
  const widest = Math.max(shape[0], (shape[1] * voxel[1]) / voxel[0]);
  return {
    dimensions: { x: [nm(voxel[0]), 'm'], y: [nm(voxel[1]), 'm'], z: [nm(voxel[2]), 'm'] },
    position: shape.map((size, axis) => (offset[axis] ?? 0) + Math.floor(size / 2) + 0.5),
    crossSectionScale: Math.max(1e-3, Number((widest / SCREEN).toPrecision(3))),
    projectionScale: Math.ceil(widest * 1.5),
    layers,
    layout: '4panel',
    ...(labels === undefined ? {} : { selectedLayer: { layer: labels['name'], visible: false } }),
  };
}

function rank({ info }: Channel): number {
  return info.type === 'segmentation' ? 1 : 0;
}

function nm(value: number): number {
  return Number((value * 1e-9).toPrecision(12));
}

function layerOf({ path, info }: Channel, names: Set<string>): Readonly<Record<string, unknown>> {
  const last = path.split('/').at(-1) ?? path;
  let name = last;
  for (let n = 2; names.has(name); n++) name = `${last} ${n}`;
  names.add(name);
  const source = `bfly://${path}`;
  if (info.type !== 'segmentation') return { type: 'image', source, name };
  return { type: 'segmentation', source, name, selectedAlpha: 0.35, notSelectedAlpha: 0.15, tab: 'segments' };
}
