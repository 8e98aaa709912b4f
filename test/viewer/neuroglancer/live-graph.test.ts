import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PastMoment } from '../../../src/viewer/page/volume/past-moment.ts';
import { editStage, PATH } from '../../support/edit-stage.ts';
import { settled } from '../../support/fake-server.ts';

/** Neuroglancer's own needs a document. */
vi.mock('neuroglancer/unstable/segmentation_graph/source.js', () => ({
  SegmentationGraphSource: class {},
  SegmentationGraphSourceConnection: class {
    readonly graph: unknown;
    readonly segmentsState: unknown;
    readonly #ends: (() => void)[] = [];
    constructor(graph: unknown, segmentsState: unknown) {
      this.graph = graph;
      this.segmentsState = segmentsState;
    }
    registerDisposer(end: () => void): void {
      this.#ends.push(end);
    }
    dispose(): void {
      for (const end of this.#ends) end();
    }
  },
}));

const { LiveGraph } = await import('../../../src/viewer/page/neuroglancer/live-graph.ts');
const { SharedDisjointUint64Sets } = await import('neuroglancer/unstable/shared_disjoint_sets.js');

type Change = (id: bigint | null, add: boolean) => void;

/** A set as Neuroglancer has it. */
class IdSet extends Set<bigint> {
  readonly listeners = new Set<Change>();
  readonly changed = {
    add: (listener: Change): (() => void) => {
      this.listeners.add(listener);
      return () => void this.listeners.delete(listener);
    },
  };
  override add(id: bigint): this {
    if (this.has(id)) return this;
    super.add(id);
    for (const listener of this.listeners) listener(id, true);
    return this;
  }
  override delete(id: bigint): boolean {
    if (!super.delete(id)) return false;
    for (const listener of this.listeners) listener(id, false);
    return true;
  }
}

class Flag {
  #value = false;
  readonly #listeners = new Set<() => void>();
  readonly changed = { add: (listener: () => void) => this.#listeners.add(listener) };
  get value(): boolean {
    return this.#value;
  }
  set value(value: boolean) {
    if (value === this.#value) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }
}

/** What a layer shows of segments: what is drawn is selected, and what is selected no longer is drawn no longer. */
function segmentsState() {
  const [visibleSegments, selectedSegments] = [new IdSet(), new IdSet()];
  visibleSegments.changed.add((id, add) => void (add && id !== null && selectedSegments.add(id)));
  selectedSegments.changed.add((id, add) => void (!add && id !== null && visibleSegments.delete(id)));
  return {
    ...{ visibleSegments, selectedSegments, segmentEquivalences: new SharedDisjointUint64Sets() },
    ...{ temporaryVisibleSegments: new IdSet(), temporarySegmentEquivalences: new SharedDisjointUint64Sets() },
    ...{ useTemporaryVisibleSegments: new Flag(), useTemporarySegmentEquivalences: new Flag() },
  };
}

async function stage() {
  const { session, log } = await editStage();
  const channel = session.open(PATH);
  await channel.subscription.ready;
  const past = new PastMoment();
  const graph = new LiveGraph(channel, past);
  const connect = (state = segmentsState()) => {
    const layer = { displayState: { segmentationGroupState: { value: state } } };
    return { state, connection: graph.connect(layer as unknown as Parameters<typeof graph.connect>[0]) };
  };
  return { channel, log, past, graph, connect };
}

const shown = (ids: Iterable<bigint>): bigint[] => [...ids].sort((a, b) => Number(a - b));

/** Lets edits come, and a frame be drawn. */
async function frame(): Promise<void> {
  await settled();
  await vi.advanceTimersByTimeAsync(300);
  await settled();
}

describe('the graph of a live channel', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    vi.stubGlobal('requestAnimationFrame', () => 0);
    vi.stubGlobal('cancelAnimationFrame', () => {});
    return () => {
      vi.useRealTimers();
      vi.unstubAllGlobals();
    };
  });

  it('shows the bodies in every layer, also in those that come later', async () => {
    const { log, connect } = await stage();
    const early = connect();
    log.foreign({ op: 'merge', ids: [5n, 3n] });
    await frame();
    const late = connect();
    for (const { state } of [early, late]) expect(state.segmentEquivalences.toJSON()).toEqual([['3', '5']]);
  });

  it('keeps a body drawn when it is called otherwise', async () => {
    const { log, connect } = await stage();
    const { state } = connect();
    await frame();
    state.visibleSegments.add(5n);
    log.foreign({ op: 'merge', ids: [5n, 3n] });
    await frame();
    expect([shown(state.visibleSegments), shown(state.selectedSegments)]).toEqual([[3n], [3n]]);
  });

  it('follows the channel only while a layer shows it', async () => {
    const { log, connect, channel } = await stage();
    let listeners = 0;
    const { subscription } = channel;
    const on = subscription.on.bind(subscription);
    vi.spyOn(subscription, 'on').mockImplementation((name, listener) => {
      const end = on(name, listener);
      listeners++;
      return () => {
        listeners--;
        end();
      };
    });
    const first = connect();
    await frame();
    expect(listeners).toBeGreaterThan(0);
    first.connection.dispose();
    expect(listeners).toBe(0);
    log.foreign({ op: 'merge', ids: [5n, 3n] });
    await frame();
    expect(first.state.segmentEquivalences.size).toBe(0);
    const again = connect();
    await frame();
    expect(again.state.segmentEquivalences.toJSON()).toEqual([['3', '5']]);
  });

  it('makes edits of merges and splits, but none in the past', async () => {
    const { log, graph, past, channel } = await stage();
    expect(await graph.merge(5n, 3n)).toBe(3n);
    expect(await graph.split(3n, 5n)).toEqual({ include: 3n, exclude: 5n });
    expect(log.edits.map(({ ops }) => ops[0]?.['op'])).toEqual(['merge', 'cleave']);
    past.set({ path: channel.path, at: 1 });
    await expect(graph.merge(5n, 3n)).rejects.toMatchObject({ message: expect.stringContaining('past') });
    await expect(graph.split(3n, 5n)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(log.head).toBe(2);
  });

  it('says what a split will leave', async () => {
    const { graph, channel } = await stage();
    await channel.edit([{ op: 'merge', ids: [7, 5, 3] }]);
    await settled();
    expect(graph.computeSplit(7n, 3n)).toMatchObject({ includeRepresentative: 5n, excludeBaseSegments: [3n] });
    expect(graph.computeSplit(7n, 8n)).toBeUndefined();
  });

  it('shows other bodies over the present ones, and leaves no trace of them', async () => {
    const { graph, channel, connect } = await stage();
    const { state } = connect();
    await channel.edit([{ op: 'merge', ids: [7, 5, 3] }]);
    await frame();
    state.visibleSegments.add(3n);
    const past = bodies([5n, 9n]);
    graph.showBodies(past);
    await settled();
    expect(state.useTemporarySegmentEquivalences.value).toBe(true);
    expect(state.temporarySegmentEquivalences.toJSON()).toEqual([['5', '9']]);
    expect(shown(state.temporaryVisibleSegments)).toEqual([3n, 5n, 7n]);
    expect([shown(state.visibleSegments), shown(state.selectedSegments)]).toEqual([[3n], [3n]]);
    graph.showBodies(bodies([5n, 7n]), [5n, 9n, 7n]);
    expect(state.temporarySegmentEquivalences.toJSON()).toEqual([['5', '7']]);
    expect(shown(state.temporaryVisibleSegments)).toEqual([3n, 5n]);
    graph.showBodies(undefined);
    expect([state.useTemporarySegmentEquivalences.value, state.useTemporaryVisibleSegments.value]).toEqual([
      false,
      false,
    ]);
    expect([state.temporarySegmentEquivalences.size, state.temporaryVisibleSegments.size]).toEqual([0, 0]);
    expect(state.segmentEquivalences.toJSON()).toEqual([['3', '5', '7']]);
    expect(shown(state.visibleSegments)).toEqual([3n]);
  });

  it('shows other bodies again after a tool has shown its own in their place, and in layers that come later', async () => {
    const { graph, connect } = await stage();
    const { state } = connect();
    await frame();
    state.visibleSegments.add(9n);
    graph.showBodies(bodies([5n, 9n]));
    await settled();
    state.temporarySegmentEquivalences.clear();
    state.useTemporarySegmentEquivalences.value = false;
    state.useTemporaryVisibleSegments.value = false;
    await frame();
    expect(state.temporarySegmentEquivalences.toJSON()).toEqual([['5', '9']]);
    expect([state.useTemporaryVisibleSegments.value, shown(state.temporaryVisibleSegments)]).toEqual([true, [5n]]);
    const late = connect();
    expect(late.state.temporarySegmentEquivalences.toJSON()).toEqual([['5', '9']]);
    expect(late.state.useTemporarySegmentEquivalences.value).toBe(true);
  });
});

/** One body of these ids; all others are alone. */
function bodies(ids: readonly bigint[]): Parameters<InstanceType<typeof LiveGraph>['showBodies']>[0] {
  const [root = 0n, ...others] = ids;
  return {
    rootOf: (id) => (ids.includes(id) ? root : id),
    membersOf: (id) => (ids.includes(id) ? ids : [id]),
    links: () => others.map((id) => [id, root] as const),
  };
}
