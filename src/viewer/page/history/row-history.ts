/** What the rows of a channel were after each of its edits. Pure. */
import type { EditEvent, Row } from '../../../client/index.ts';
import type { ShownTable } from '../annotations/shape.ts';
import type { RowName } from '../volume/past-moment.ts';

/** Tables that are shown, see `annotations/`. */
const TABLES: readonly ShownTable[] = ['annotation', 'synapse'];
/** Rows of all edits together; of more nothing is kept. */
const MOST_VERSIONS = 500_000;
/** More rows than these are not told one by one. */
const NAMES_TOLD = 5_000;

/** A row from an edit on; null: it has gone. */
interface Version {
  readonly seq: number;
  readonly row: Row | null;
}

/** All that is known of a row that edits changed. */
interface Life {
  /** Ascending by seq, at least one. */
  readonly versions: Version[];
  /** Before the first of them: null where there was none, undefined where that is not known (yet). */
  before: Row | null | undefined;
}

/** A table of files, whose rows may have been there before the first edit. */
const FILE_TABLE = 'synapse' satisfies ShownTable;

/** The rows that edits changed, from the first edit on. */
export class RowHistory {
  readonly #lives: Readonly<Record<ShownTable, Map<bigint, Life>>> = { annotation: new Map(), synapse: new Map() };
  /** Which rows each edit changed, ascending by seq; edits that changed none are left out. */
  #edits: { readonly seq: number; readonly names: readonly RowName[] }[] = [];
  /** Keys of `FILE_TABLE` whose row before the first edit is to be looked up. */
  #unasked: bigint[] = [];
  #unknown = 0;
  #versions = 0;
  readonly #most: number;

  /** @param most see `MOST_VERSIONS`. */
  constructor(most = MOST_VERSIONS) {
    this.#most = most;
  }

  /** Whether there were not too many rows to keep all. */
  get isWhole(): boolean {
    return this.#versions <= this.#most;
  }

  /** Rows of which it is not known what they were before their first edit; until then they are told as if there was none. */
  get unknown(): number {
    return this.#unknown;
  }

  /** Adds the next edit. @returns the rows that it changed. */
  add({ seq, ops, results, changes }: Pick<EditEvent, 'seq' | 'ops' | 'results' | 'changes'>): readonly RowName[] {
    if (!this.isWhole) return [];
    const names: RowName[] = [];
    const made = newKeys(ops, results);
    for (const table of TABLES) {
      const note = (key: bigint, row: Row | null): void => {
        this.#note(table, key, { seq, row }, made);
        names.push([table, key]);
      };
      for (const row of changes.rows?.[table] ?? []) note(row.key, row);
      for (const key of changes.gone?.[table] ?? []) note(BigInt(key), null);
    }
    if (names.length > 0) this.#edits.push({ seq, names });
    this.#versions += names.length;
    if (!this.isWhole) this.#forget();
    return names;
  }

  #note(table: ShownTable, key: bigint, version: Version, made: ReadonlySet<string>): void {
    const life = this.#lives[table].get(key);
    if (life !== undefined) {
      life.versions.push(version);
      return;
    }
    const mayBeOfFile = table === FILE_TABLE && !made.has(nameOf(table, key));
    this.#lives[table].set(key, { versions: [version], before: mayBeOfFile ? undefined : null });
    if (!mayBeOfFile) return;
    this.#unasked.push(key);
    this.#unknown++;
  }

  #forget(): void {
    for (const table of TABLES) this.#lives[table].clear();
    this.#edits = [];
    this.#unasked = [];
    this.#unknown = 0;
  }

  /** Synapses whose row before the first edit is to be looked up, in files; each is told once. */
  takeUnasked(): bigint[] {
    return this.#unasked.splice(0);
  }

  /** What a synapse was before the first edit; null: there was none. */
  setBefore(key: bigint, row: Row | null): void {
    const life = this.#lives[FILE_TABLE].get(key);
    if (life === undefined || life.before !== undefined) return;
    life.before = row;
    this.#unknown--;
  }

  /** A row after an edit; null: there was none; undefined: no edit ever changed it. */
  row(table: ShownTable, key: bigint, seq: number): Row | null | undefined {
    const life = this.#lives[table].get(key);
    return life && rowAt(life, seq);
  }

  /** All rows that any edit changed, each with what it was after one. */
  *changed(table: ShownTable, seq: number): Generator<readonly [key: bigint, row: Row | null]> {
    for (const [key, life] of this.#lives[table]) yield [key, rowAt(life, seq)];
  }

  /** Rows that may differ between two moments, whichever is first, each once. @returns undefined where there are too many. */
  between(a: number, b: number): RowName[] | undefined {
    const [from, to] = a < b ? [a, b] : [b, a];
    const names = new Map<string, RowName>();
    for (let i = this.#firstBehind(from); i < this.#edits.length; i++) {
      const edit = this.#edits[i];
      if (edit === undefined || edit.seq > to) break;
      if (names.size + edit.names.length > NAMES_TOLD) return undefined;
      for (const [table, key] of edit.names) names.set(nameOf(table, key), [table, key]);
    }
    return [...names.values()];
  }

  /** Index of the first edit behind a seq. */
  #firstBehind(seq: number): number {
    let [low, high] = [0, this.#edits.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#edits[middle]?.seq ?? 0) > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function rowAt({ versions, before = null }: Life, seq: number): Row | null {
  const version = versions.findLast((one) => one.seq <= seq);
  return version === undefined ? before : version.row;
}

/** Names of the rows that an edit made: the server gave their keys, which no row ever had. */
function newKeys(ops: EditEvent['ops'], results: EditEvent['results']): ReadonlySet<string> {
  const made = new Set<string>();
  for (const [i, { op, table, rows }] of ops.entries()) {
    const keys = (results[i] as { readonly keys?: unknown } | null | undefined)?.keys;
    if (op !== 'put' || !Array.isArray(rows) || !Array.isArray(keys)) continue;
    for (const [at, row] of rows.entries())
      if ((row as { readonly key?: unknown }).key === undefined) made.add(nameOf(String(table), BigInt(keys[at])));
  }
  return made;
}

function nameOf(table: string, key: bigint): string {
  return `${table}:${key}`;
}
