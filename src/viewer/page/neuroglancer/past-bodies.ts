/**
 * Bodies of another moment over the present ones: in the sets that Neuroglancer has for what passes, such as the preview of a split. What is
 * selected, and what the link holds, knows nothing of them.
 */
import type { VisibleSegmentsState } from 'neuroglancer/unstable/segmentation_display_state/base.js';
import { SharedDisjointUint64Sets } from 'neuroglancer/unstable/shared_disjoint_sets.js';
import type { StageBodies } from '../stage.ts';
import { BodySets } from './body-sets.ts';

/** Of a selected body of more ids only its own id is looked for in other bodies. */
const IDS_LOOKED_AT = 10_000;
/** A tool that showed something else in these sets has done so by then, ms. */
const AGAIN_MS = 100;

/** Bodies of another moment in some layers. */
export class PastBodies {
  readonly #layers: () => readonly VisibleSegmentsState[];
  readonly #sets = new SharedDisjointUint64Sets();
  readonly #shown: BodySets;
  #bodies: StageBodies | undefined;
  /** What changed while the sets were filled. */
  #missed = new Set<bigint>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param layers those that show the bodies. */
  constructor(layers: () => readonly VisibleSegmentsState[]) {
    this.#layers = layers;
    this.#shown = new BodySets({
      rootOf: (id) => this.#sets.get(id),
      membersOf: (id) => [...this.#sets.setElements(this.#sets.get(id))],
      link: (ids) => this.#each((sets) => sets.linkAll([...ids])),
      part: (id) => this.#each((sets) => sets.deleteSet(id)),
      clear: () => this.#each((sets) => sets.clear()),
      done: () => this.select(),
    });
  }

  /** Those that are shown; undefined: the present ones. */
  get bodies(): StageBodies | undefined {
    return this.#bodies;
  }

  #each(change: (sets: SharedDisjointUint64Sets) => void): void {
    change(this.#sets);
    for (const { temporarySegmentEquivalences } of this.#layers()) change(temporarySegmentEquivalences);
  }

  /** See `Stage.showBodies`. */
  show(bodies: StageBodies | undefined, changed?: Iterable<bigint>): void {
    const before = this.#bodies;
    this.#bodies = bodies;
    if (bodies === undefined) return this.#leave();
    if (before === undefined || changed === undefined) void this.#fill(bodies);
    else if (this.#shown.isFilling) for (const id of changed) this.#missed.add(id);
    else {
      this.#shown.show(changed, bodies);
      this.#shown.done();
    }
  }

  async #fill(bodies: StageBodies): Promise<void> {
    this.#missed = new Set();
    if (!(await this.#shown.fill(bodies.links()))) return;
    this.#shown.show(this.#missed, this.#bodies ?? bodies);
    this.#shown.done();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#shown.clear();
    for (const layer of this.#layers()) leavePast(layer);
  }

  /** A layer that came later. */
  join(layer: VisibleSegmentsState): void {
    layer.useTemporaryVisibleSegments.changed.add(() => {
      if (this.#bodies !== undefined && !layer.useTemporaryVisibleSegments.value) this.#takeBack();
    });
    if (this.#bodies === undefined) return;
    layer.temporarySegmentEquivalences.assignFrom(this.#sets);
    this.select();
  }

  /** A tool has shown its own in these sets, and ended that. */
  #takeBack(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#bodies === undefined) return;
      for (const { temporarySegmentEquivalences } of this.#layers())
        temporarySegmentEquivalences.assignFrom(this.#sets);
      this.select();
    }, AGAIN_MS);
  }

  /** Shows what is selected as it is in these bodies. */
  select(): void {
    if (this.#bodies === undefined || this.#shown.isFilling) return;
    for (const layer of this.#layers()) {
      const roots = this.#rootsOf(layer);
      const { temporaryVisibleSegments: shown } = layer;
      for (const id of [...shown.keys()]) if (!roots.has(id)) shown.delete(id);
      for (const id of roots) shown.add(id);
      layer.useTemporarySegmentEquivalences.value = true;
      layer.useTemporaryVisibleSegments.value = true;
    }
  }

  #rootsOf({ visibleSegments, segmentEquivalences }: VisibleSegmentsState): Set<bigint> {
    const roots = new Set<bigint>();
    for (const id of visibleSegments.keys()) {
      roots.add(this.#sets.get(id));
      let looked = 0;
      for (const member of segmentEquivalences.setElements(id)) {
        if (++looked > IDS_LOOKED_AT) break;
        roots.add(this.#sets.get(member));
      }
    }
    return roots;
  }
}

function leavePast(layer: VisibleSegmentsState): void {
  layer.useTemporarySegmentEquivalences.value = false;
  layer.useTemporaryVisibleSegments.value = false;
  layer.temporaryVisibleSegments.clear();
  layer.temporarySegmentEquivalences.clear();
}
