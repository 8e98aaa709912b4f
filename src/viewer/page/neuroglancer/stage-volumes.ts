/** The layers of Neuroglancer that show channels of the server, as StageVolumes. */

import type { ManagedUserLayer, UserLayer } from 'neuroglancer/unstable/layer/index.js';
import { SegmentationUserLayer } from 'neuroglancer/unstable/layer/segmentation/index.js';
import { getBaseObjectColor } from 'neuroglancer/unstable/segmentation_display_state/frontend.js';
import type { Viewer } from 'neuroglancer/unstable/viewer.js';
import type { ChannelInfo, LiveChannel } from '../../../client/index.ts';
import type { StageVolume } from '../stage.ts';
import type { OpenChannel } from '../volume/open-channels.ts';
import { LiveGraph } from './live-graph.ts';
import { addressOf } from './live-source.ts';
import { readAddress } from './volume-address.ts';

/** What of a segmentation layer is watched. */
type Segments = SegmentationUserLayer['displayState'];

/** Watches the layers. */
export class StageVolumes {
  readonly #viewer: Viewer;
  readonly #channelOf: (path: string) => Promise<OpenChannel>;
  readonly #changed: () => void;
  readonly #known = new Map<string, OpenChannel>();
  readonly #watched = new WeakSet<object>();

  /** @param channelOf opens the channel of a path, once. @param changed hears of every change. */
  constructor(viewer: Viewer, channelOf: (path: string) => Promise<OpenChannel>, changed: () => void) {
    this.#viewer = viewer;
    this.#channelOf = channelOf;
    this.#changed = changed;
    viewer.layerManager.layersChanged.add(() => this.#look());
    this.#look();
  }

  get volumes(): readonly StageVolume[] {
    return this.#viewer.layerManager.managedLayers.flatMap((managed) => {
      const address = addressIn(managed);
      if (address === undefined) return [];
      const { path, at, map } = readAddress(address);
      const known = this.#known.get(path);
      if (known === undefined) return [];
      const isLive = at === undefined && map === 'base';
      return [new LayerVolume(managed, path, known.info, isLive ? known.channel : undefined)];
    });
  }

  /** Whether a chunk is there of what some layer shows. */
  get someSeen(): boolean {
    const layers = this.#viewer.layerManager.managedLayers.flatMap(({ layer }) => layer?.renderLayers ?? []);
    return layers.some(({ layerChunkProgressInfo }) => layerChunkProgressInfo.numVisibleChunksAvailable > 0);
  }

  /** The segments of a layer, by its name. */
  segmentsOf(name: string): Segments | undefined {
    const layer = this.#viewer.layerManager.getLayerByName(name)?.layer;
    return layer instanceof SegmentationUserLayer ? layer.displayState : undefined;
  }

  /** The bodies of a path, of each layer that shows them. */
  graphsOf(path: string): LiveGraph[] {
    return this.#viewer.layerManager.managedLayers.flatMap(({ layer }) => {
      if (!(layer instanceof SegmentationUserLayer)) return [];
      const graph = layer.displayState.segmentationGroupState.value.graph.value;
      return graph instanceof LiveGraph && graph.channel.path === path ? [graph] : [];
    });
  }

  #look(): void {
    for (const managed of this.#viewer.layerManager.managedLayers) {
      this.#watch(managed);
      const address = addressIn(managed);
      if (address === undefined) continue;
      const { path } = readAddress(address);
      if (this.#known.has(path)) continue;
      this.#channelOf(path).then(
        (open) => {
          this.#known.set(path, open);
          this.#changed();
        },
        () => {}, // the layer itself says why it cannot be shown
      );
    }
    this.#changed();
  }

  #watch(managed: ManagedUserLayer): void {
    const { layer } = managed;
    if (layer === null || this.#watched.has(layer)) return;
    this.#watched.add(layer);
    layer.dataSourcesChanged.add(() => this.#look());
    if (!(layer instanceof SegmentationUserLayer)) return;
    layer.displayState.segmentationGroupState.value.visibleSegments.changed.add(() => this.#changed());
  }
}

function addressIn({ layer }: ManagedUserLayer): string | undefined {
  if (layer === null) return undefined;
  for (const { spec } of (layer as UserLayer & { dataSources?: { spec: { url: string } }[] }).dataSources ?? []) {
    const address = addressOf(spec.url);
    if (address !== undefined) return address;
  }
  return undefined;
}

class LayerVolume implements StageVolume {
  readonly path: string;
  readonly info: ChannelInfo;
  readonly channel: LiveChannel | undefined;
  readonly #managed: ManagedUserLayer;

  constructor(managed: ManagedUserLayer, path: string, info: ChannelInfo, channel: LiveChannel | undefined) {
    this.#managed = managed;
    this.path = path;
    this.info = info;
    this.channel = channel;
  }

  get name(): string {
    return this.#managed.name;
  }

  get isVisible(): boolean {
    return this.#managed.visible;
  }

  get #segments(): Segments | undefined {
    const { layer } = this.#managed;
    return layer instanceof SegmentationUserLayer ? layer.displayState : undefined;
  }

  get selected(): readonly bigint[] {
    return [...(this.#segments?.segmentationGroupState.value.visibleSegments ?? [])];
  }

  get hovered(): { base: bigint; root: bigint } | undefined {
    const under = this.#segments?.segmentSelectionState;
    if (under?.hasSelectedSegment !== true) return undefined;
    const { selectedSegment: root, baseValue: base = root } = under;
    return { base, root };
  }

  colorOf(root: bigint): string | undefined {
    const state = this.#segments;
    if (state === undefined) return undefined;
    const [red = 1, green = 1, blue = 1] = getBaseObjectColor(state, root, new Float32Array(3));
    return `rgb(${[red, green, blue].map((part) => Math.round(255 * part)).join(' ')})`;
  }
}
