/**
 * The bodies of a live channel as Neuroglancer's segmentation graph: what its Merge and Split tools ask for becomes edits, and what the log
 * tells, of ours and of others', moves segments between bodies. No chunk is loaded again for it.
 */
import type { SegmentationUserLayer } from 'neuroglancer/unstable/layer/segmentation/index.js';
import { VisibleSegmentEquivalencePolicy } from 'neuroglancer/unstable/segmentation_graph/segment_id.js';
import {
  type ComputedSplit,
  SegmentationGraphSource,
  SegmentationGraphSourceConnection,
} from 'neuroglancer/unstable/segmentation_graph/source.js';
import { SharedDisjointUint64Sets } from 'neuroglancer/unstable/shared_disjoint_sets.js';
import type { LiveChannel } from '../../../client/index.ts';
import { BodySync } from './body-sync.ts';

/** Bodies of one channel. */
export class LiveGraph extends SegmentationGraphSource {
  readonly channel: LiveChannel;
  readonly #sets = new SharedDisjointUint64Sets();
  readonly #connections = new Set<LiveConnection>();
  readonly #sync: BodySync;

  constructor(channel: LiveChannel) {
    super();
    this.channel = channel;
    this.#sync = new BodySync(channel, {
      rootOf: (id) => this.#sets.get(id),
      membersOf: (id) => [...this.#sets.setElements(this.#sets.get(id))],
      link: (ids) => this.#each((sets) => sets.linkAll([...ids])),
      part: (id) => this.#each((sets) => sets.deleteSet(id)),
      clear: () => this.#each((sets) => sets.clear()),
      done: () => {
        for (const connection of this.#connections) connection.normalise();
      },
    });
  }

  #each(change: (sets: SharedDisjointUint64Sets) => void): void {
    change(this.#sets);
    for (const { segmentsState } of this.#connections) change(segmentsState.segmentEquivalences);
  }

  connect(layer: SegmentationUserLayer): SegmentationGraphSourceConnection {
    const connection = new LiveConnection(this, layer.displayState.segmentationGroupState.value);
    connection.segmentsState.segmentEquivalences.assignFrom(this.#sets);
    connection.normalise();
    this.#connections.add(connection);
    connection.registerDisposer(() => void this.#connections.delete(connection));
    return connection;
  }

  /** Neuroglancer's Merge tool. */
  async merge(a: bigint, b: bigint): Promise<bigint> {
    await this.channel.edit([{ op: 'merge', ids: [a, b] }]);
    return this.channel.view.rootOf(a);
  }

  /** Neuroglancer's Split tool: the base segment that was clicked last leaves the body. */
  async split(include: bigint, exclude: bigint): Promise<{ include: bigint; exclude: bigint }> {
    await this.channel.edit([{ op: 'cleave', ids: [exclude] }]);
    return { include: this.channel.view.rootOf(include), exclude: this.channel.view.rootOf(exclude) };
  }

  trackSegment(): () => void {
    return () => {};
  }

  get visibleSegmentEquivalencePolicy(): VisibleSegmentEquivalencePolicy {
    return VisibleSegmentEquivalencePolicy.MIN_REPRESENTATIVE;
  }

  /** What a split will leave on either side; undefined where the two are in different bodies already. */
  computeSplit(include: bigint, exclude: bigint): ComputedSplit | undefined {
    const { view } = this.channel;
    if (include === exclude || view.rootOf(include) !== view.rootOf(exclude)) return undefined;
    const stay = view.membersOf(include).filter((id) => id !== exclude);
    return {
      includeRepresentative: stay.reduce((least, id) => (id < least ? id : least), include),
      includeBaseSegments: [...stay],
      excludeRepresentative: exclude,
      excludeBaseSegments: [exclude],
    };
  }

  /** Ends it: the channel lives on. */
  dispose(): void {
    this.#sync.end();
  }
}

class LiveConnection extends SegmentationGraphSourceConnection<LiveGraph> {
  computeSplit(include: bigint, exclude: bigint): ComputedSplit | undefined {
    return this.graph.computeSplit(include, exclude);
  }

  /** Bodies are selected by their roots. */
  normalise(): void {
    const { segmentEquivalences, visibleSegments, selectedSegments } = this.segmentsState;
    for (const set of [selectedSegments, visibleSegments])
      for (const id of [...set]) {
        const root = segmentEquivalences.get(id);
        if (root === id) continue;
        set.delete(id);
        set.add(root);
      }
  }
}
