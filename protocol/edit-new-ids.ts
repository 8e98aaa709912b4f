/** Which new ids edits get, and which ids they name. Rules [E1], [E24]. */
import { badOp, type IdRef, type Op, type Row } from './edit-ops.ts';

const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** What decides about new ids besides the edits themselves. */
export interface IdBounds {
  maxId(): bigint | undefined;
  readonly maxLegalId: bigint;
  /** Whether bodies know an id. */
  isNode(id: bigint): boolean;
  /** Alias of a region that was declared before, in force or not. */
  aliasOf(id: bigint, region: number): bigint | undefined;
}

/** Ids that edits named and were given. */
export class NewIds {
  readonly #bounds: IdBounds;
  /** The last id that was assigned, for voxels or as an alias. */
  #last: bigint | undefined;
  /** Ids of voxels that were assigned. */
  readonly #assigned = new Set<bigint>();
  /** Ids above the last assigned one that are no nodes of bodies: named by rows, splits and regions. */
  readonly #named = new Set<bigint>();
  /** Of the edit under way. */
  #lastBefore: bigint | undefined;
  #fresh: { readonly assigned: bigint[]; readonly named: bigint[] } = { assigned: [], named: [] };

  constructor(bounds: IdBounds) {
    this.#bounds = bounds;
  }

  /** Whether voxels may have an id as their value. */
  isAssigned(id: bigint): boolean {
    const maxId = this.#bounds.maxId();
    return this.#assigned.has(id) || (maxId !== undefined && id <= maxId);
  }

  /** The ids that the ops create, by their index; a region that has an alias keeps it. @throws BflyError LIMIT, UNSUPPORTED */
  plan(ops: readonly Op[]): (bigint | undefined)[] {
    // Looked for when it is needed: most edits create nothing.
    let named: ReadonlySet<bigint> | undefined;
    const created: (bigint | undefined)[] = [];
    let aliases: Map<string, bigint> | undefined;
    let last = this.#last;
    const next = (index: number, field: string, limit: bigint): bigint => {
      named ??= allNamedIds(ops);
      last = this.#next(last, named, index, field, limit);
      return last;
    };
    for (let index = 0; index < ops.length; index++) {
      const op = ops[index] as Op;
      if (op.op === 'split') created.push(next(index, 'id', this.#bounds.maxLegalId));
      else if (op.op === 'write' && op.value === 'new') created.push(next(index, 'value', this.#bounds.maxLegalId));
      else if (op.op === 'region') {
        const id = resolve(op.id, created);
        const key = `${id}:${op.region}`;
        const alias = op.region === 0 ? id : (this.#bounds.aliasOf(id, op.region) ?? aliases?.get(key));
        const given = alias ?? next(index, 'region', MAX_U64);
        aliases ??= new Map();
        aliases.set(key, given);
        created.push(given);
      } else created.push(undefined);
    }
    return created;
  }

  #next(last: bigint | undefined, named: ReadonlySet<bigint>, index: number, field: string, limit: bigint): bigint {
    const maxId = this.#bounds.maxId();
    if (maxId === undefined)
      throw badOp(index, field, 'needs a new id, and the largest id of this channel is not known', 'UNSUPPORTED');
    let id = (last !== undefined && last > maxId ? last : maxId) + 1n;
    while (named.has(id) || this.#named.has(id) || this.#bounds.isNode(id)) id++;
    if (id <= limit) return id;
    throw badOp(index, field, `needs a new id, and there is none left up to ${limit}`, 'LIMIT');
  }

  /** Begins an edit: `finish` or `abort` must follow. */
  begin(): void {
    this.#lastBefore = this.#last;
    const { assigned, named } = this.#fresh;
    if (assigned.length + named.length > 0) this.#fresh = { assigned: [], named: [] };
  }

  /** Notes an id that an op was given. */
  assign(id: bigint, isBase: boolean): void {
    if (this.#last === undefined || id > this.#last) this.#last = id;
    if (!isBase || this.#assigned.has(id)) return;
    this.#assigned.add(id);
    this.#fresh.assigned.push(id);
  }

  /** Notes an id that an op names and that bodies do not know. */
  name(id: bigint): void {
    const maxId = this.#bounds.maxId();
    const isBelow = (this.#last !== undefined && id <= this.#last) || (maxId !== undefined && id <= maxId);
    if (isBelow || this.#named.has(id)) return;
    this.#named.add(id);
    this.#fresh.named.push(id);
  }

  /** Takes back what the edit under way did. */
  abort(): void {
    this.#last = this.#lastBefore;
    for (const id of this.#fresh.assigned) this.#assigned.delete(id);
    for (const id of this.#fresh.named) this.#named.delete(id);
  }

  /** What a checkpoint keeps. */
  dump(): { readonly last: bigint | null; readonly assigned: readonly bigint[]; readonly named: readonly bigint[] } {
    const least = this.#last ?? -1n;
    const maxId = this.#bounds.maxId() ?? -1n;
    const named = [...this.#named].filter((id) => id > least && id > maxId).sort(compare);
    return { last: this.#last ?? null, assigned: [...this.#assigned].sort(compare), named };
  }

  /** Takes in what `dump` gave. */
  load(last: bigint | undefined, assigned: Iterable<bigint>, named: Iterable<bigint>): void {
    this.#last = last;
    for (const id of assigned) this.#assigned.add(id);
    for (const id of named) this.#named.add(id);
  }
}

/** Ascending order of bigints. */
export function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The id that a reference stands for. `created` holds what the ops before it created. */
export function resolve(ref: IdRef, created: readonly (bigint | undefined)[]): bigint {
  if (typeof ref === 'bigint') return ref;
  const id = created[ref.new];
  // `parseOps` lets only references to ops pass that come before and create an id.
  if (id === undefined) throw badOp(ref.new, 'op', 'creates no id that another op could name');
  return id;
}

/** Ids that an op names, but for those that it refers to by `{new: k}`. */
export function* namedIds(op: Op): Generator<bigint> {
  if (op.op === 'merge' || op.op === 'cleave') {
    for (const id of op.ids) if (typeof id === 'bigint') yield id;
  } else if (op.op === 'split' || op.op === 'region') {
    if (typeof op.id === 'bigint') yield op.id;
  } else if (op.op === 'put') {
    for (const row of op.rows) yield* rowIds(row, op.table === 'neuron');
  }
}

function allNamedIds(ops: readonly Op[]): ReadonlySet<bigint> {
  const named = new Set<bigint>();
  for (const op of ops) for (const id of namedIds(op)) named.add(id);
  return named;
}

/** Ids of segments that a row names. */
function* rowIds(row: Omit<Row, 'key'> & { readonly key?: bigint }, isKeyId: boolean): Generator<bigint> {
  if (isKeyId && row.key !== undefined) yield row.key;
  const { pre, post, ids } = row as Readonly<Record<string, unknown>>;
  for (const id of [pre, post]) if (typeof id === 'bigint') yield id;
  // Rows in normal form hold bigints.
  if (Array.isArray(ids)) for (const id of ids) if (typeof id === 'bigint') yield id;
}
