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
import { BflyError, type LiveChannel } from '../../../client/index.ts';
import type { StageBodies } from '../stage.ts';
import { PAST_REFUSAL, type PastView } from '../volume/past-moment.ts';
import { BodySync } from './body-sync.ts';
import { PastBodies } from './past-bodies.ts';

/** Bodies of one channel. */
export class LiveGraph extends SegmentationGraphSource {
  readonly channel: LiveChannel;
  readonly #past: PastView;
  readonly #sets = new SharedDisjointUint64Sets();
  readonly #connections = new Set<LiveConnection>();
  readonly #pastBodies = new PastBodies(() => [...this.#connections].map(({ segmentsState }) => segmentsState));
  /** Follows the channel while a layer shows it. */
  #sync: BodySync | undefined;

  /** @param past nothing is edited while there is one. */
  constructor(channel: LiveChannel, past: PastView) {
    super();
    this.channel = channel;
    this.#past = past;
  }

  #begin(): BodySync {
    return new BodySync(this.channel, {
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
    const { segmentEquivalences, visibleSegments } = connection.segmentsState;
    segmentEquivalences.assignFrom(this.#sets);
    connection.normalise();
    this.#connections.add(connection);
    this.#sync ??= this.#begin();
    this.#pastBodies.join(connection.segmentsState);
    connection.registerDisposer(visibleSegments.changed.add(() => this.#pastBodies.select()));
    connection.registerDisposer(() => this.#leave(connection));
    return connection;
  }

  #leave(connection: LiveConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#sync?.end();
    this.#sync = undefined;
    this.#sets.clear();
  }

  /** The bodies that are shown instead of the present ones. */
  get otherBodies(): StageBodies | undefined {
    return this.#pastBodies.bodies;
  }

  /** Shows other bodies than the present ones, see `Stage.showBodies`. */
  showBodies(bodies: StageBodies | undefined, changed?: Iterable<bigint>): void {
    this.#pastBodies.show(bodies, changed);
  }

  /** Neuroglancer's Merge tool. */
  async merge(a: bigint, b: bigint): Promise<bigint> {
    this.#needPresent();
    await this.channel.edit([{ op: 'merge', ids: [a, b] }]);
    return this.channel.view.rootOf(a);
  }

  /** Neuroglancer's Split tool: the base segment that was clicked last leaves the body. */
  async split(include: bigint, exclude: bigint): Promise<{ include: bigint; exclude: bigint }> {
    this.#needPresent();
    await this.channel.edit([{ op: 'cleave', ids: [exclude] }]);
    return { include: this.channel.view.rootOf(include), exclude: this.channel.view.rootOf(exclude) };
  }

  #needPresent(): void {
    if (this.#past.at !== undefined) throw new BflyError('BAD_REQUEST', PAST_REFUSAL);
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
    let first = include;
    for (const id of stay) if (id < first) first = id;
    return {
      includeRepresentative: first,
      includeBaseSegments: stay,
      excludeRepresentative: exclude,
      excludeBaseSegments: [exclude],
    };
  }
}

class LiveConnection extends SegmentationGraphSourceConnection<LiveGraph> {
  computeSplit(include: bigint, exclude: bigint): ComputedSplit | undefined {
    return this.graph.computeSplit(include, exclude);
  }

  /** Bodies are selected by their roots. */
  normalise(): void {
    const { segmentEquivalences, visibleSegments, selectedSegments } = this.segmentsState;
    // Those that are drawn first: what is selected no longer is drawn no longer, and what is drawn is selected.
    for (const set of [visibleSegments, selectedSegments])
      for (const id of [...set]) {
        const root = segmentEquivalences.get(id);
        if (root === id) continue;
        set.delete(id);
        set.add(root);
      }
  }
}
