/** The fold of edits as the rules say it, word by word: everything is computed anew from all edits each time. The oracle of the tests. */
import type { IdRef, NewRow, Op, Row, TableName } from '../../protocol/edit-ops.ts';
import type { VoxelOutcome } from '../../protocol/edit-state.ts';
import type { Box } from '../../protocol/volume.ts';

/** An edit with what it was given. */
interface NaiveEdit {
  readonly ops: readonly Op[];
  readonly created: readonly (bigint | undefined)[];
  readonly keys: readonly (readonly bigint[] | undefined)[];
  /** As text: what its changes told, if it has voxel ops. */
  readonly touched: readonly string[];
}

/** What an edit in force made of something, and which edit. */
interface Made<V> {
  readonly seq: number;
  readonly value: V;
}

/** State after some edits. Ids without an entry are alone. */
export interface NaiveState {
  readonly bodies: ReadonlyMap<bigint, ReadonlySet<bigint>>;
  /** By `id:region`. */
  readonly regions: ReadonlyMap<string, Made<{ readonly box: Box | null; readonly alias: bigint }>>;
  /** By `table:key`; null: gone. */
  readonly rows: ReadonlyMap<string, Made<Row | null>>;
  readonly meta: ReadonlyMap<string, Made<unknown>>;
  readonly out: ReadonlySet<number>;
}

/** What is known besides the edits. */
export interface NaiveContext {
  readonly maxId: bigint | undefined;
  readonly maxLegalId: bigint;
  readonly bodyIds: number;
  readonly baseRows: Readonly<Record<TableName, readonly Row[]>>;
}

/** A refusal: code, op and field. */
export class NaiveRefusal extends Error {
  readonly code: string;
  readonly details: { readonly op: number; readonly field: string };

  constructor(code: string, op: number, field: string) {
    super(`${code} ${op} ${field}`);
    this.code = code;
    this.details = { op, field };
  }
}

/** Rule [E23]. */
export function naiveRoot(body: ReadonlySet<bigint>): bigint {
  let root: bigint | undefined;
  for (const id of body) if (id !== 0n && (root === undefined || id < root)) root = id;
  return root ?? 0n;
}

/** Rule [E21]: one pass from the newest undo to the oldest. */
function outOfForce(edits: readonly NaiveEdit[]): Set<number> {
  const out = new Set<number>();
  for (let seq = edits.length; seq >= 1; seq--)
    if (!out.has(seq)) for (const op of edits[seq - 1]?.ops ?? []) if (op.op === 'undo') out.add(op.seq);
  return out;
}

function resolve(ref: IdRef, created: readonly (bigint | undefined)[]): bigint {
  const id = typeof ref === 'bigint' ? ref : created[ref.new];
  if (id === undefined) throw new Error('nothing was created there');
  return id;
}

/** Rules [E20]..[E23], [E28]. */
export function naiveFold(edits: readonly NaiveEdit[]): NaiveState {
  const out = outOfForce(edits);
  const bodies = new Map<bigint, Set<bigint>>();
  const regions = new Map<string, Made<{ readonly box: Box | null; readonly alias: bigint }>>();
  const rows = new Map<string, Made<Row | null>>();
  const meta = new Map<string, Made<unknown>>();
  const bodyOf = (id: bigint): Set<bigint> => bodies.get(id) ?? new Set([id]);
  for (const [i, { ops, created, keys }] of edits.entries()) {
    const seq = i + 1;
    if (out.has(seq)) continue;
    for (const [index, op] of ops.entries()) {
      if (op.op === 'merge' || op.op === 'cleave') {
        const ids = op.ids.map((ref) => resolve(ref, created));
        if (op.op === 'cleave') for (const id of ids) bodyOf(id).delete(id);
        const body = new Set(op.op === 'cleave' ? ids : ids.flatMap((id) => [...bodyOf(id)]));
        for (const id of body) bodies.set(id, body);
      } else if (op.op === 'region') {
        const alias = created[index] as bigint;
        regions.set(`${resolve(op.id, created)}:${op.region}`, { seq, value: { box: op.box, alias } });
      } else if (op.op === 'put') {
        for (const [at, row] of op.rows.entries()) {
          const key = (keys[index] as readonly bigint[])[at] as bigint;
          rows.set(`${op.table}:${key}`, { seq, value: { ...row, key } });
        }
      } else if (op.op === 'delete') {
        for (const key of op.keys) rows.set(`${op.table}:${key}`, { seq, value: null });
      } else if (op.op === 'meta') meta.set(op.key, { seq, value: op.value });
    }
  }
  return { bodies, regions, rows, meta, out };
}

function* idsOf(op: Op): Generator<bigint> {
  if (op.op === 'merge' || op.op === 'cleave') for (const id of op.ids) if (typeof id === 'bigint') yield id;
  if ((op.op === 'split' || op.op === 'region') && typeof op.id === 'bigint') yield op.id;
  if (op.op === 'put')
    for (const row of op.rows as readonly NewRow[]) {
      if (op.table === 'neuron' && row.key !== undefined) yield row.key;
      const { pre, post, ids } = row as { pre?: bigint; post?: bigint; ids?: readonly bigint[] };
      if (pre !== undefined) yield pre;
      if (post !== undefined) yield post;
      yield* ids ?? [];
    }
}

/** What an edit did, told by comparing the states before and after it. */
export interface NaiveOutcome {
  readonly results: readonly unknown[];
  /** Whether anything changed. */
  readonly isNoop: boolean;
  readonly undone: readonly number[];
  readonly redone: readonly number[];
  /** As text, sorted. */
  readonly touched: readonly string[];
  /** `table:key` of rows that are now, and that are no more. */
  readonly rows: readonly string[];
  readonly gone: readonly string[];
}

/** A log and its oracle. */
export class NaiveFold {
  readonly edits: NaiveEdit[] = [];
  readonly #context: NaiveContext;
  state: NaiveState = naiveFold([]);

  constructor(context: NaiveContext) {
    this.#context = context;
  }

  /** @throws NaiveRefusal */
  apply(ops: readonly Op[], voxels: ReadonlyMap<number, VoxelOutcome>): NaiveOutcome {
    const created = this.#plan(ops);
    const keys: (readonly bigint[] | undefined)[] = [];
    const results: unknown[] = [];
    const partly: NaiveEdit[] = [...this.edits];
    for (const [index, op] of ops.entries()) {
      const before = naiveFold([...this.edits, { ops: ops.slice(0, index), created, keys, touched: [] }]);
      this.#check(op, index, created);
      keys.push(op.op === 'put' ? this.#keys(ops, op, index, keys, before) : undefined);
      partly[this.edits.length] = { ops: ops.slice(0, index + 1), created, keys, touched: [] };
      const now = naiveFold(partly);
      this.#checkSizes(op, index, before, now);
      results.push(resultOf(op, index, { created, keys, voxels, now }));
    }
    const touched = [...voxels.values()].flatMap((outcome) => outcome.touched);
    const { state } = this;
    this.state = naiveFold([...this.edits, { ops, created, keys, touched: [] }]);
    const outcome = this.#compare(state, this.state, results, touched);
    const hasVoxels = ops.some(({ op }) => op === 'split' || op === 'write');
    this.edits.push({ ops, created, keys, touched: hasVoxels ? outcome.touched : [] });
    return outcome;
  }

  #check(op: Op, index: number, created: readonly (bigint | undefined)[]): void {
    if (op.op === 'undo' && (op.seq < 1 || op.seq > this.edits.length))
      throw new NaiveRefusal('NOT_FOUND', index, 'seq');
    if (op.op !== 'split' && op.op !== 'region') return;
    const id = resolve(op.id, created);
    const isAlias = this.edits.some((edit) =>
      edit.ops.some((one, i) => one.op === 'region' && one.region !== 0 && edit.created[i] === id),
    );
    if (isAlias) throw new NaiveRefusal('BAD_REQUEST', index, 'id');
  }

  #checkSizes(op: Op, index: number, before: NaiveState, now: NaiveState): void {
    if (op.op !== 'merge' && op.op !== 'cleave' && op.op !== 'undo') return;
    for (const body of now.bodies.values())
      if (body.size > this.#context.bodyIds) throw new NaiveRefusal('LIMIT', index, op.op === 'undo' ? 'seq' : 'ids');
    void before;
  }

  #keys(
    ops: readonly Op[],
    op: Op & { readonly op: 'put' },
    index: number,
    keysSoFar: readonly (readonly bigint[] | undefined)[],
    before: NaiveState,
  ): readonly bigint[] {
    let last = -1n;
    const use = (key: bigint | undefined): void => {
      if (key !== undefined && key > last) last = key;
    };
    for (const row of this.#context.baseRows[op.table]) use(row.key);
    for (const edit of this.edits)
      for (const [i, one] of edit.ops.entries())
        if (one.op === 'put' && one.table === op.table) edit.keys[i]?.forEach(use);
    for (const [i, keys] of keysSoFar.entries()) {
      const one = ops[i];
      if (one?.op === 'put' && one.table === op.table) keys?.forEach(use);
    }
    for (const one of ops) if (one.op === 'put' && one.table === op.table) for (const row of one.rows) use(row.key);
    const exists = new Set<bigint>();
    return op.rows.map((row) => {
      const key = row.key ?? last + 1n;
      use(key);
      const made = before.rows.get(`${op.table}:${key}`);
      const base = this.#context.baseRows[op.table].some((one) => one.key === key);
      const isThere = exists.has(key) || (made === undefined ? base : made.value !== null);
      if (op.create && isThere) throw new NaiveRefusal('BAD_REQUEST', index, 'rows');
      exists.add(key);
      return key;
    });
  }

  /** Rule [E24]. */
  #plan(ops: readonly Op[]): (bigint | undefined)[] {
    const { maxId, maxLegalId } = this.#context;
    const taken = new Set<bigint>();
    let last = maxId ?? 0n;
    const aliases = new Map<string, bigint>();
    for (const { ops: earlier, created } of this.edits)
      for (const [i, op] of earlier.entries()) {
        for (const id of idsOf(op)) taken.add(id);
        const id = created[i];
        if (id === undefined || (op.op === 'region' && op.region === 0)) continue;
        taken.add(id);
        if (id > last) last = id;
        if (op.op === 'region') aliases.set(`${resolve(op.id, created)}:${op.region}`, id);
      }
    for (const op of ops) for (const id of idsOf(op)) taken.add(id);
    const created: (bigint | undefined)[] = [];
    for (const [index, op] of ops.entries()) {
      const isBase = op.op === 'split' || (op.op === 'write' && op.value === 'new');
      let given: bigint | undefined;
      if (op.op === 'region') {
        const id = resolve(op.id, created);
        given = op.region === 0 ? id : aliases.get(`${id}:${op.region}`);
      }
      if (given === undefined && (isBase || op.op === 'region')) {
        const field = op.op === 'split' ? 'id' : op.op === 'write' ? 'value' : 'region';
        if (maxId === undefined) throw new NaiveRefusal('UNSUPPORTED', index, field);
        given = last + 1n;
        while (taken.has(given)) given++;
        if (given > (isBase ? maxLegalId : 2n ** 64n - 1n)) throw new NaiveRefusal('LIMIT', index, field);
        last = given;
        if (op.op === 'region') aliases.set(`${resolve(op.id, created)}:${op.region}`, given);
      }
      created.push(given);
    }
    return created;
  }

  #compare(
    before: NaiveState,
    now: NaiveState,
    results: readonly unknown[],
    own: readonly (readonly [number, Box])[],
  ): NaiveOutcome {
    const undone = [...now.out].filter((seq) => !before.out.has(seq)).sort((a, b) => a - b);
    const redone = [...before.out].filter((seq) => !now.out.has(seq)).sort((a, b) => a - b);
    const touched = new Set(own.map(String));
    for (const seq of [...undone, ...redone]) for (const one of this.edits[seq - 1]?.touched ?? []) touched.add(one);
    const { rows, gone } = this.#rowChanges(before, now);
    const ids = new Set([...before.bodies.keys(), ...now.bodies.keys()]);
    const isMoved = [...ids].some((id) => rootIn(before, id) !== rootIn(now, id));
    const isOther = (a: NaiveState['meta'], b: NaiveState['meta']): boolean =>
      [...new Set([...a.keys(), ...b.keys()])].some(
        (key) =>
          a.get(key)?.seq !== b.get(key)?.seq &&
          ((a.get(key)?.value ?? null) !== null || (b.get(key)?.value ?? null) !== null),
      );
    const isRegion = [...new Set([...before.regions.keys(), ...now.regions.keys()])].some(
      (key) => String(before.regions.get(key)?.value.box) !== String(now.regions.get(key)?.value.box),
    );
    const changes = undone.length + redone.length + touched.size + rows.length + gone.length;
    const isNoop = !isMoved && changes === 0 && !isRegion && !isOther(before.meta, now.meta);
    return { results, isNoop, undone, redone, touched: [...touched].sort(), rows, gone };
  }

  #rowChanges(before: NaiveState, now: NaiveState): { rows: string[]; gone: string[] } {
    const rows: string[] = [];
    const gone: string[] = [];
    for (const name of new Set([...before.rows.keys(), ...now.rows.keys()])) {
      if (before.rows.get(name)?.seq === now.rows.get(name)?.seq) continue;
      const was = this.#rowIn(before, name);
      if (this.#rowIn(now, name) !== undefined) rows.push(name);
      else if (was !== undefined) gone.push(name);
    }
    return { rows: rows.sort(), gone: gone.sort() };
  }

  #rowIn(state: NaiveState, name: string): Row | undefined {
    const made = state.rows.get(name);
    if (made !== undefined) return made.value ?? undefined;
    const [table, key] = name.split(':');
    return this.#context.baseRows[table as TableName].find((row) => row.key === BigInt(key ?? ''));
  }

  /** A row as it is now. */
  row(table: TableName, key: bigint): Row | undefined {
    return this.#rowIn(this.state, `${table}:${key}`);
  }
}

/** Root of an id in a state. */
export function rootIn(state: NaiveState, id: bigint): bigint {
  return naiveRoot(state.bodies.get(id) ?? new Set([id]));
}

interface Given {
  readonly created: readonly (bigint | undefined)[];
  readonly keys: readonly (readonly bigint[] | undefined)[];
  readonly voxels: ReadonlyMap<number, VoxelOutcome>;
  readonly now: NaiveState;
}

function resultOf(op: Op, index: number, { created, keys, voxels, now }: Given): unknown {
  const count = voxels.get(index)?.voxels ?? 0;
  switch (op.op) {
    case 'merge':
    case 'cleave': {
      const [first] = op.ids;
      return first === undefined ? null : { root: rootIn(now, resolve(first, created)) };
    }
    case 'split':
      return { id: created[index], voxels: count };
    case 'write':
      return op.value === 'new' ? { voxels: count, id: created[index] } : { voxels: count };
    case 'region':
      return { alias: created[index] };
    case 'put':
      return { keys: keys[index] };
    default:
      return null;
  }
}
