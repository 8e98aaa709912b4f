/** What clients hold of a log: the state of a snapshot, with the `changes` of the edits that followed. They fold no ops. Rules [E32]..[E34]. */
import { type Changes, type Region, readMeta, readRegion } from './edit-changes.ts';
import { type Row, TABLES, type TableName } from './edit-ops.ts';
import { badField, readArray } from './fields.ts';
import { IdTable } from './id-table.ts';
import { membersOf } from './members.ts';
import { readRow } from './parse-rows.ts';
import { Partition } from './partition.ts';

export { readChanges } from './edit-changes.ts';

/** State as changes tell it: what is not told is as it was ingested. */
export class EditView {
  #seq = 0;
  #ids = new IdTable();
  /** Bodies; the top of a set is the number of its root, as it was told. */
  #sets = new Partition();
  /** Sets whose root is no member, by its number: only until the same changes have brought it in. */
  readonly #strays = new Map<number, number>();
  readonly #regions = new Map<string, Region>();
  readonly #rows: Readonly<Record<TableName, Map<bigint, Row>>> = {
    neuron: new Map(),
    synapse: new Map(),
    annotation: new Map(),
  };
  readonly #meta = new Map<string, unknown>();

  /** The state is that of this seq. */
  get seq(): number {
    return this.#seq;
  }

  /** Metadata as it is now. */
  get meta(): ReadonlyMap<string, unknown> {
    return this.#meta;
  }

  /** Forgets everything: the state is that before any edit. */
  clear(): void {
    this.#seq = 0;
    this.#ids = new IdTable();
    this.#sets = new Partition();
    this.#strays.clear();
    this.#meta.clear();
    this.clearTables();
  }

  /** Forgets regions and rows: others follow. */
  clearTables(): void {
    this.#regions.clear();
    for (const table of TABLES) this.#rows[table].clear();
  }

  /** What was loaded is the state of this seq. */
  begin(seq: number): void {
    this.#seq = seq;
  }

  /** Links of a snapshot: rows of 2 × u64, little-endian, id and root; borrowed. @throws BflyError BAD_REQUEST */
  loadLinks(rows: Uint8Array): void {
    let [lastLow, lastHigh, set] = [0, 0, -1];
    forEachPair(rows, 'links', (low, high, rootLow, rootHigh) => {
      // Many in a row have the same root.
      if (set < 0 || rootLow !== lastLow || rootHigh !== lastHigh) {
        const root = this.#numberOf(rootLow, rootHigh);
        set = this.#setCalled(root) ?? this.#newSet(root);
        [lastLow, lastHigh] = [rootLow, rootHigh];
      }
      const number = this.#ids.addHalves(low, high);
      if (number < this.#sets.numbers) this.#moveTo(number, set);
      else this.#sets.addTo(set);
    });
    this.#forgetStrays();
  }

  /** Regions of a snapshot, as decoded. @throws BflyError BAD_REQUEST */
  loadRegions(rows: unknown): void {
    for (const row of readArray(rows, 'regions', Number.POSITIVE_INFINITY)) this.#setRegion(readRegion(row));
  }

  /** Rows of a snapshot, as decoded. @throws BflyError BAD_REQUEST */
  loadRows(table: TableName, rows: unknown): void {
    for (const row of readArray(rows, 'rows', Number.POSITIVE_INFINITY).map(readRow))
      this.#rows[table].set(row.key, row);
  }

  /** Metadata of a snapshot, as decoded: a map. @throws BflyError BAD_REQUEST */
  loadMeta(meta: unknown): void {
    this.#setMeta(readMeta(meta));
  }

  /**
   * Applies what an edit changed.
   *
   * @param changes in normal form (`readChanges`); kept in part. @throws BflyError BAD_REQUEST where `joined` or `parted` are no whole rows.
   */
  apply(seq: number, changes: Changes): void {
    this.#join(changes.joined ?? new Uint8Array());
    for (const [root, members] of changes.parted ?? []) this.#part(root, members);
    this.#forgetStrays();
    for (const region of changes.regions ?? []) this.#setRegion(region);
    for (const [id, region] of changes.goneRegions ?? []) this.#regions.delete(`${id}:${region}`);
    for (const table of TABLES) {
      for (const row of changes.rows?.[table] ?? []) this.#rows[table].set(row.key, row);
      for (const key of changes.gone?.[table] ?? []) this.#rows[table].delete(key);
    }
    this.#setMeta(changes.meta ?? {});
    this.#seq = Math.max(this.#seq, seq);
  }

  /** The id that a body is called by; the id itself where nothing was told of it. */
  rootOf(id: bigint): bigint {
    const number = this.#ids.find(id);
    return number < 0 ? id : this.#ids.id(this.#sets.topOf(this.#sets.shorten(number)));
  }

  /** Ids of a body, ascending; `[id]` where it is alone. Owned. */
  membersOf(id: bigint): BigUint64Array {
    return membersOf(this.#ids, this.#sets, id);
  }

  /** Number of ids of a body. */
  bodySize(id: bigint): number {
    const number = this.#ids.find(id);
    return number < 0 ? 1 : this.#sets.sizeOf(this.#sets.setOf(number));
  }

  /** Ids that are not their own root, each with its root, in no order. The state must not change meanwhile. */
  *links(): Generator<readonly [id: bigint, root: bigint]> {
    for (let number = 0; number < this.#sets.numbers; number++) {
      const top = this.#sets.topOf(this.#sets.setOf(number));
      if (top !== number) yield [this.#ids.id(number), this.#ids.id(top)];
    }
  }

  /** Regions as they are now. */
  regions(): Iterable<Region> {
    return this.#regions.values();
  }

  region(id: bigint, region: number): Region | undefined {
    return this.#regions.get(`${id}:${region}`);
  }

  /** A row, if it was told. */
  row(table: TableName, key: bigint): Row | undefined {
    return this.#rows[table].get(key);
  }

  /** The rows that were told. */
  rows(table: TableName): ReadonlyMap<bigint, Row> {
    return this.#rows[table];
  }

  #setRegion(region: Region): void {
    this.#regions.set(`${region.id}:${region.region}`, region);
  }

  #setMeta(meta: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(meta))
      if (value === null || value === undefined) this.#meta.delete(key);
      else this.#meta.set(key, value);
  }

  #numberOf(low: number, high: number): number {
    const number = this.#ids.addHalves(low, high);
    if (number === this.#sets.numbers) this.#sets.add();
    return number;
  }

  /** The set whose root a number is. */
  #setCalled(root: number): number | undefined {
    const own = this.#sets.setOf(root);
    if (this.#sets.topOf(own) === root) return own;
    const stray = this.#strays.get(root);
    return stray === undefined ? undefined : this.#sets.find(stray);
  }

  #newSet(root: number): number {
    const set = this.#sets.addLabel();
    this.#call(set, root);
    return set;
  }

  #call(set: number, root: number): void {
    this.#sets.setTop(set, root);
    if (this.#sets.setOf(root) !== set) this.#strays.set(root, set);
  }

  /** All rows at once: bodies are looked up by the roots that they had before the first of them. */
  #join(rows: Uint8Array): void {
    const moving = new Set<number>();
    const byTarget = new Map<number, number[]>();
    forEachPair(rows, 'joined', (fromLow, fromHigh, toLow, toHigh) => {
      const set = this.#setCalled(this.#numberOf(fromLow, fromHigh));
      const to = this.#numberOf(toLow, toHigh);
      if (set === undefined || moving.has(set)) return;
      moving.add(set);
      const sets = byTarget.get(to);
      if (sets === undefined) byTarget.set(to, [set]);
      else sets.push(set);
    });
    // All are looked up before the first is united: a root may be called after a body that goes elsewhere.
    const joins = [...byTarget].map(([to, sets]) => {
      const there = this.#setCalled(to);
      return { to, sets: there === undefined || moving.has(there) ? sets : [there, ...sets] };
    });
    for (const { sets } of joins) for (const set of sets) this.#strays.delete(this.#sets.topOf(set));
    for (const { to, sets } of joins) this.#call(this.#uniteAll(sets), to);
  }

  #uniteAll(sets: readonly number[]): number {
    return sets.reduce((whole, set) => this.#sets.unite(whole, set));
  }

  #part(root: bigint, members: Uint8Array): void {
    const number = this.#ids.add(root);
    if (number === this.#sets.numbers) this.#sets.add();
    const set = this.#setCalled(number) ?? this.#newSet(number);
    forEachWord(members, (low, high) => this.#moveTo(this.#numberOf(low, high), set));
  }

  /** Moves a member; the set that it leaves is called as before. */
  #moveTo(number: number, set: number): void {
    const from = this.#sets.setOf(number);
    if (from === set) return;
    const top = this.#sets.topOf(from);
    this.#sets.move(number, from, set);
    if (top === number && this.#sets.sizeOf(from) > 0) this.#call(from, number);
  }

  #forgetStrays(): void {
    for (const [root, label] of this.#strays) {
      const set = this.#sets.find(label);
      if (this.#sets.sizeOf(set) === 0 || this.#sets.setOf(root) === set) this.#strays.delete(root);
    }
  }
}

type Pair = (low: number, high: number, low2: number, high2: number) => void;

function forEachPair(bytes: Uint8Array, field: string, visit: Pair): void {
  if (bytes.length % 16 !== 0) throw badField(field, 'bytes (bin) of rows of 2 u64');
  const words = wordsOf(bytes);
  for (let at = 0; at < words.length; at += 4)
    visit(words[at] as number, words[at + 1] as number, words[at + 2] as number, words[at + 3] as number);
}

function forEachWord(bytes: Uint8Array, visit: (low: number, high: number) => void): void {
  if (bytes.length % 8 !== 0) throw badField('parted', 'bytes (bin) of u64');
  const words = wordsOf(bytes);
  for (let at = 0; at < words.length; at += 2) visit(words[at] as number, words[at + 1] as number);
}

/** Halves of u64, the low one first. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, bytes.length / 4);
}
