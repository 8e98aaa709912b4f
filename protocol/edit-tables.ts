/** Rows of tables: those that edits made, over those that were there before. Rules [E5], [E7], [E28]. */
import { type Entry, History } from './edit-history.ts';
import { compare } from './edit-new-ids.ts';
import { badOp, type DeleteOp, type Op, type PutOp, type Row, TABLES, type TableName } from './edit-ops.ts';
import type { FoldContext } from './fold-context.ts';
import { readRow } from './parse-rows.ts';
import { nodesOf } from './wire-lists.ts';

const MAX_KEY = 0xffff_ffff_ffff_ffffn;

/** The part of `changes` that tells of rows. */
export interface RowChanges {
  readonly rows?: Partial<Record<TableName, readonly Row[]>>;
  readonly gone?: Partial<Record<TableName, readonly bigint[]>>;
}

/** The tables of a channel. */
export class Tables {
  readonly #context: FoldContext;
  readonly #rows: Readonly<Record<TableName, History<bigint, Row>>> = {
    neuron: new History(),
    synapse: new History(),
    annotation: new History(),
  };
  /** The greatest key that rows of edits ever had, -1n where there was none. */
  #lastKey: Readonly<Record<TableName, bigint>> = { neuron: -1n, synapse: -1n, annotation: -1n };
  #lastKeyBefore = this.#lastKey;
  readonly #sorted = new Map<TableName, { readonly revision: number; readonly keys: BigUint64Array }>();

  constructor(context: FoldContext) {
    this.#context = context;
  }

  /** The row of a key as it is now. */
  row(table: TableName, key: bigint): Row | undefined {
    const entry = this.#rows[table].current(key);
    return entry === undefined ? this.#context.baseRow(table, key) : entry.value;
  }

  /** Keys of which an edit in force decides, and their rows; undefined: it is gone. */
  *edited(table: TableName): Generator<readonly [key: bigint, row: Row | undefined]> {
    for (const [key, { value }] of this.#rows[table].currents())
      if (value !== undefined || this.#context.baseRow(table, key) !== undefined) yield [key, value];
  }

  /** Keys that edits ever made something of. */
  editedCount(table: TableName): number {
    return this.#rows[table].size;
  }

  /** Those keys, ascending, in force or not. Shared: not to be changed. */
  editedKeys(table: TableName): BigUint64Array {
    const { revision } = this.#rows[table];
    const known = this.#sorted.get(table);
    if (known?.revision === revision) return known.keys;
    const keys = BigUint64Array.from(this.#rows[table].keys()).sort();
    this.#sorted.set(table, { revision, keys });
    return keys;
  }

  /** What edits had made of a key as of a seq, `out` being out of force then: its row, null for gone, undefined where none decided. */
  editedRowAt(table: TableName, key: bigint, seq: number, out: ReadonlySet<number>): Row | null | undefined {
    const entry = this.#rows[table].at(key, seq, out);
    return entry === undefined ? undefined : (entry.value ?? null);
  }

  /** Begins an edit: `finish` or `abort` must follow. Keys that it names are not assigned by it, whatever their place. */
  begin(ops: readonly Op[]): void {
    this.#lastKeyBefore = this.#lastKey;
    for (const op of ops)
      if (op.op === 'put') for (const { key } of op.rows) if (key !== undefined) this.#use(op.table, key);
  }

  #use(table: TableName, key: bigint): void {
    if (key > this.#lastKey[table]) this.#lastKey = { ...this.#lastKey, [table]: key };
  }

  /**
   * Puts rows.
   *
   * @param given their keys as they were recorded; undefined: a new edit, which is checked, and given keys.
   * @returns their keys. @throws BflyError BAD_REQUEST, LIMIT
   */
  put(seq: number, index: number, { table, rows, create }: PutOp, given?: readonly bigint[]): readonly bigint[] {
    return rows.map((row, i) => {
      const key = given?.[i] ?? row.key ?? this.#nextKey(table, index);
      this.#use(table, key);
      if (create && given === undefined && this.row(table, key) !== undefined)
        throw badOp(index, 'rows', `must be new ones, with create: there is a row of key ${key} in ${table}`);
      this.#rows[table].set(seq, key, { ...row, key });
      return key;
    });
  }

  #nextKey(table: TableName, index: number): bigint {
    let key = this.#lastKey[table] + 1n;
    const base = this.#context.lastBaseKey(table);
    if (base >= key) key = base + 1n;
    if (key <= MAX_KEY) return key;
    throw badOp(index, 'rows', 'must name their keys: the greatest key there can be has been used', 'LIMIT');
  }

  delete(seq: number, { table, keys }: DeleteOp): void {
    for (const key of keys) this.#rows[table].set(seq, key, undefined);
  }

  /** Edits went out of force or came back into it. */
  turned(seqs: readonly number[], isInForce: (seq: number) => boolean): void {
    for (const table of TABLES) this.#rows[table].turned(seqs, isInForce);
  }

  /** Whether the edit under way has to do with any row. */
  get isTouched(): boolean {
    return TABLES.some((table) => this.#rows[table].isTouched);
  }

  /** Ends the edit. @returns what it did to rows, by ascending keys. */
  finish(): RowChanges {
    const rows: Partial<Record<TableName, readonly Row[]>> = {};
    const gone: Partial<Record<TableName, readonly bigint[]>> = {};
    for (const table of TABLES) {
      if (!this.#rows[table].isTouched) continue;
      const { here, lost } = this.#changesOf(table);
      if (here.length > 0) rows[table] = here.sort((a, b) => compare(a.key, b.key));
      if (lost.length > 0) gone[table] = lost.sort(compare);
      this.#rows[table].finish();
    }
    return {
      ...(Object.keys(rows).length === 0 ? {} : { rows }),
      ...(Object.keys(gone).length === 0 ? {} : { gone }),
    };
  }

  /** Nodes that what the edit under way does to rows takes in a message, or what takes it back, whichever are more. */
  weigh(): number {
    let [here, back] = [0, 0];
    for (const table of TABLES)
      for (const [key, before, now] of this.#rows[table].changed()) {
        const base = before === undefined || now === undefined ? this.#context.baseRow(table, key) : undefined;
        here += nodesOf(rowOf(now, base));
        back += nodesOf(rowOf(before, base));
      }
    return Math.max(here, back);
  }

  #changesOf(table: TableName): { readonly here: Row[]; readonly lost: bigint[] } {
    const here: Row[] = [];
    const lost: bigint[] = [];
    for (const [key, before, now] of this.#rows[table].changed()) {
      const base = before === undefined || now === undefined ? this.#context.baseRow(table, key) : undefined;
      const is = rowOf(now, base);
      if (is !== undefined) here.push(is);
      else if (rowOf(before, base) !== undefined) lost.push(key);
    }
    return { here, lost };
  }

  /** Takes the edit back. */
  abort(seq: number): void {
    this.#lastKey = this.#lastKeyBefore;
    for (const table of TABLES) this.#rows[table].abort(seq);
  }

  /** What a checkpoint keeps of edits up to a seq: values that `load` takes, one by one. Later edits may go on meanwhile. */
  *dump(upto: number): Generator<readonly unknown[]> {
    for (const table of TABLES)
      for (const [key, entries] of this.#rows[table].dump(upto))
        yield [table, key, entries.map(({ seq, value }) => (value === undefined ? [seq] : [seq, value]))];
  }

  load([table, key, entries]: readonly unknown[], isInForce: (seq: number) => boolean): void {
    const known = TABLES.find((name) => name === table);
    if (known === undefined) throw new TypeError('a row of no table');
    const made = (entries as readonly (readonly [number, unknown?])[]).map(
      // Only `dump` makes these.
      ([seq, value]): Entry<Row> => ({ seq, value: value === undefined ? undefined : readRow(value) }),
    );
    const id = BigInt(key as number | bigint);
    this.#rows[known].load(id, made, isInForce);
    if (made.some(({ value }) => value !== undefined)) this.#use(known, id);
  }
}

function rowOf(entry: Entry<Row> | undefined, base: Row | undefined): Row | undefined {
  return entry === undefined ? base : entry.value;
}
