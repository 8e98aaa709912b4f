import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Changes, readChanges } from '../../protocol/edit-changes.ts';
import { type Op, type OpResult, type Row, TABLES, type TableName } from '../../protocol/edit-ops.ts';
import { EditState, type FoldContext } from '../../protocol/edit-state.ts';
import { EditView } from '../../protocol/edit-view.ts';
import { BflyError } from '../../protocol/errors.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { atOnce } from '../../protocol/slices.ts';
import { type NaiveContext, NaiveFold, NaiveRefusal, rootIn } from '../support/naive-fold.ts';
import { ALL_KINDS, BODY_KINDS, opsOf, type Plans, plansOf, SOME_IDS, type Weights } from '../support/random-edits.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const BASE_ROWS: NaiveContext['baseRows'] = {
  neuron: [{ key: 3n, point: [1, 2, 3], name: 'base' }],
  synapse: [],
  annotation: [{ key: 2n, kind: 'point', points: [0, 0, 0], ids: [] }],
};
const NAIVE: NaiveContext = { maxId: 20n, maxLegalId: 60n, bodyIds: 2 ** 22, baseRows: BASE_ROWS };

function contextOf(naive: NaiveContext): FoldContext {
  return {
    maxId: () => naive.maxId,
    maxLegalId: naive.maxLegalId,
    bodyIds: naive.bodyIds,
    baseRow: (table, key) => naive.baseRows[table].find((row) => row.key === key),
    lastBaseKey: (table) =>
      naive.baseRows[table]
        .map(({ key }) => key)
        .sort()
        .at(-1) ?? -1n,
  };
}

interface Logged {
  readonly ops: readonly Op[];
  readonly results: readonly OpResult[];
  readonly touched: readonly (readonly [number, readonly [number, number, number, number, number, number]])[];
  readonly changes: Changes;
}

/** Everything that can be asked, in a form that compares. */
function everything(state: EditState): unknown {
  const ids = new Set<bigint>(SOME_IDS);
  for (let id = 0n; id < 70n; id++) ids.add(id);
  return {
    seq: state.seq,
    linksSeq: state.linksSeq,
    linkCount: state.linkCount,
    roots: [...ids].map((id) => state.rootOf(id)),
    members: [...ids].map((id) => [...state.membersOf(id)]),
    sizes: [...ids].map((id) => state.bodySize(id)),
    assigned: [...ids].filter((id) => state.isAssigned(id)),
    regions: [...state.regions()],
    rows: TABLES.map((table) => [...state.editedRows(table)]),
    meta: [...state.meta],
    out: [...state.outOfForce()].sort((a, b) => a - b),
    turns: [...state.forceChanges()],
  };
}

/** What a view and a fold can both be asked. */
function shared(view: EditState | EditView): unknown {
  const ids = [...SOME_IDS, ...Array.from({ length: 70 }, (_, i) => BigInt(i))];
  return {
    roots: ids.map((id) => view.rootOf(id)),
    members: ids.map((id) => [...view.membersOf(id)]),
    regions: [...view.regions()].sort((a, b) => Number(a.alias - b.alias) || a.region - b.region),
    rows: TABLES.map((table) => Array.from({ length: 12 }, (_, key) => view.row(table, BigInt(key)))),
    meta: Object.fromEntries(view.meta),
  };
}

/** A view of a snapshot, as it travels. */
function viewOf(state: EditState, context: FoldContext): EditView {
  const view = new EditView();
  const links = state.freezeLinks();
  for (let row = 0; row < links.rows; row += 3) view.loadLinks(links.page(row, 3));
  view.loadRegions(unpack(pack([...state.regions()])));
  const rows = (table: TableName): Row[] =>
    Array.from({ length: 40 }, (_, key) => state.row(table, BigInt(key))).filter((row) => row !== undefined);
  for (const table of TABLES) view.loadRows(table, unpack(pack(rows(table))));
  view.loadMeta(Object.fromEntries(state.meta));
  view.begin(state.seq);
  void context;
  return view;
}

function compareToNaive(state: EditState, naive: NaiveFold): void {
  for (const id of [...SOME_IDS, ...naive.state.bodies.keys()]) {
    expect(state.rootOf(id), `root of ${id}`).toBe(rootIn(naive.state, id));
    const members = [...(naive.state.bodies.get(id) ?? [id])].sort((a, b) => (a < b ? -1 : 1));
    expect([...state.membersOf(id)], `members of ${id}`).toEqual(members);
    expect(state.bodySize(id)).toBe(members.length);
  }
  const moved = [...naive.state.bodies.keys()].filter((id) => rootIn(naive.state, id) !== id);
  expect(state.linkCount).toBe(moved.length);
  expect(state.freezeLinks().rows).toBe(moved.length);
  const regions = [...state.regions()].map(({ id, region, box, alias }) => [`${id}:${region}`, box, alias]);
  const expected = [...naive.state.regions].map(([key, { value }]) => [key, value.box, value.alias]);
  expect(regions.sort()).toEqual(expected.sort());
  for (const table of TABLES)
    for (let key = 0n; key < 40n; key++) expect(state.row(table, key)).toEqual(naive.row(table, key));
  const meta = [...naive.state.meta].filter(([, { value }]) => value !== null).map(([key, { value }]) => [key, value]);
  expect([...state.meta].sort()).toEqual(meta.sort());
  expect([...state.outOfForce()].sort((a, b) => a - b)).toEqual([...naive.state.out].sort((a, b) => a - b));
}

function compareChanges(changes: Changes, status: string, outcome: ReturnType<NaiveFold['apply']>): void {
  const names = (rows: Changes['rows'] | Changes['gone']): string[] =>
    TABLES.flatMap((table) =>
      (rows?.[table] ?? []).map((row) => `${table}:${typeof row === 'bigint' ? row : row.key}`),
    ).sort();
  expect(status).toBe(outcome.isNoop ? 'noop' : 'applied');
  expect(changes.undone ?? []).toEqual(outcome.undone);
  expect(changes.redone ?? []).toEqual(outcome.redone);
  expect((changes.touched ?? []).map(String).sort()).toEqual(outcome.touched);
  expect(names(changes.rows)).toEqual(outcome.rows);
  expect(names(changes.gone)).toEqual(outcome.gone);
}

function refusalOf(work: () => unknown): NaiveRefusal | BflyError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof BflyError || error instanceof NaiveRefusal) return error;
    throw error;
  }
}

/** Applies plans to the fold and to the oracle, and compares them after each. @returns the log. */
function run(plans: Plans, limits: NaiveContext): { readonly state: EditState; readonly log: readonly Logged[] } {
  const context = contextOf(limits);
  const state = new EditState(context);
  const naive = new NaiveFold(limits);
  const view = viewOf(state, context);
  const log: Logged[] = [];
  for (const plan of plans) {
    const { ops, voxels } = opsOf(plan, state.seq + 1);
    let outcome: ReturnType<NaiveFold['apply']> | undefined;
    const expected = refusalOf(() => {
      outcome = naive.apply(ops, voxels);
    });
    if (outcome === undefined) {
      const before = everything(state);
      const bytes = state.checkpoint();
      const refusal = refusalOf(() => state.apply(ops, voxels));
      expect({ code: refusal?.code, ...refusal?.details }).toEqual({ code: expected?.code, ...expected?.details });
      expect(everything(state), '[E11] nothing of a bad edit is applied').toEqual(before);
      expect(state.checkpoint()).toEqual(bytes);
      continue;
    }
    const linksSeq = state.linksSeq;
    const { status, results, changes } = state.apply(ops, voxels);
    expect(results).toEqual(outcome.results);
    compareChanges(changes, status, outcome);
    compareToNaive(state, naive);
    const isMoved = changes.joined !== undefined || changes.parted !== undefined;
    expect(state.linksSeq).toBe(isMoved ? state.seq : linksSeq);
    view.apply(state.seq, readChanges(unpack(pack(changes))));
    expect(shared(view), '[E34] changes applied one by one equal the fold').toEqual(shared(state));
    log.push({ ops, results: unpack(pack(results)) as OpResult[], touched: changes.touched ?? [], changes });
  }
  return { state, log };
}

/** From `at` on: a view of a snapshot, a checkpoint, and a replay all come to the same end. */
function continueFrom(at: number, state: EditState, log: readonly Logged[], limits: NaiveContext): void {
  const context = contextOf(limits);
  let replayed = new EditState(context);
  let view: EditView | undefined;
  let parts: Uint8Array[] = [];
  let writing = replayed.writeCheckpoint();
  for (const [i, { ops, results, touched, changes }] of log.entries()) {
    if (i === at) {
      view = viewOf(replayed, context);
      parts = replayed.checkpoint();
      const restored = EditState.fromCheckpoint(context, parts);
      expect(everything(restored)).toEqual(everything(replayed));
      expect(restored.checkpoint(), 'the same state gives the same bytes').toEqual(parts);
      replayed = restored;
      writing = replayed.writeCheckpoint();
    }
    replayed.replay({ seq: i + 1, ops, results, touched });
    refusalOf(() => replayed.apply([...ops, { op: 'undo', seq: Number.MAX_SAFE_INTEGER }]));
    view?.apply(i + 1, changes);
    if (i === at) writing.next();
  }
  if (log.length > 0) expect(atOnce(writing), 'a checkpoint is that of its moment, whatever follows').toEqual(parts);
  expect(everything(replayed)).toEqual(everything(state));
  expect(replayed.checkpoint()).toEqual(state.checkpoint());
  if (view !== undefined) expect(shared(view)).toEqual(shared(state));
}

function check(name: string, runs: number, maxEdits: number, weights: Weights, limits: NaiveContext): void {
  const seed = testSeed(name);
  fc.assert(
    fc.property(plansOf(maxEdits, weights), fc.nat(), (plans, cut) => {
      const { state, log } = run(plans, limits);
      continueFrom(log.length === 0 ? 0 : cut % log.length, state, log, limits);
    }),
    { seed, numRuns: testRuns(runs) },
  );
}

describe('[E20] the fold of any edits', { timeout: 120_000 }, () => {
  it('equals the oracle, for bodies alone', () => {
    check('bodies', 50, 14, BODY_KINDS, NAIVE);
  });

  it('equals the oracle, for every op in any grouping', () => {
    check('every op', 40, 14, ALL_KINDS, NAIVE);
  });

  it('[L1] refuses bodies of too many ids, and changes nothing then', () => {
    check('small bodies', 40, 12, BODY_KINDS, { ...NAIVE, bodyIds: 4 });
  });

  it('[E24] gives no ids beyond the dtype, nor where the largest is unknown', () => {
    check('few ids', 15, 12, { ...ALL_KINDS, split: 6 }, { ...NAIVE, maxLegalId: 26n });
    check('no maxId', 15, 10, { ...ALL_KINDS, split: 3 }, { ...NAIVE, maxId: undefined });
  });
});

describe('[E23] large bodies', { timeout: 60_000 }, () => {
  it('part and join as the oracle says, whatever the shape: chains, stars, rings, trees', () => {
    const seed = testSeed('large bodies');
    const random = seededRandom(seed);
    const below = (n: number): number => Math.floor(random() * n);
    const state = new EditState(contextOf(NAIVE));
    const naive = new NaiveFold(NAIVE);
    const none = new Map<number, never>();
    const ids = Array.from({ length: 160 }, (_, i) => BigInt(i + 100));
    const at = (i: number): bigint => ids[i] ?? 0n;
    const edit = (...ops: Op[]): void => {
      const outcome = naive.apply(ops, none);
      const { results, status } = state.apply(ops);
      expect(results).toEqual(outcome.results);
      expect(status).toBe(outcome.isNoop ? 'noop' : 'applied');
    };
    edit({ op: 'merge', ids: ids.slice(0, 60) });
    for (let i = 60; i < 99; i++) edit({ op: 'merge', ids: [at(i), at(i + 1)] });
    edit({ op: 'merge', ids: [at(60), at(99)] });
    for (let i = 101; i < 150; i++) edit({ op: 'merge', ids: [at(i), at(100 + below(i - 100))] });
    edit({ op: 'merge', ids: [at(5), at(80), at(120)] });
    for (let i = 0; i < 60; i++) {
      const some = Array.from({ length: 1 + below(4) }, () => at(below(155)));
      const kind = below(5);
      if (kind < 3) edit({ op: 'undo', seq: 1 + below(state.seq) });
      else edit({ op: kind === 3 ? 'cleave' : 'merge', ids: some });
      for (const id of ids)
        if (state.rootOf(id) !== rootIn(naive.state, id)) expect.fail(`root of ${id} after edit ${state.seq}`);
    }
  });
});
