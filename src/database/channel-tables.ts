/**
 * The tables of one channel: base rows from files, and over them the rows that edits changed.
 *
 * A row is what the overlay has under its key, else what the base has. A row of the base that is no more has nil in the overlay.
 * Reads show what is committed. Writes are made by the edit log and committed by it, together with the edit that they are of.
 */
import type { Changes } from '../../protocol/edit-changes.ts';
import { type Row, TABLES, type TableName } from '../../protocol/edit-ops.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { readRow } from '../../protocol/parse-rows.ts';
import type { BaseTable } from './base-table.ts';
import type { Database, EntryRange, EntryWrite } from './database.ts';
import {
  codeRanges,
  cornersOf,
  type Extent,
  extentOf,
  meets,
  placeCode,
  SIZE_CLASSES,
  type SpaceBox,
  sizeClassOf,
} from './spatial-index.ts';
import { BASE_TABLES, type BaseTableName, rowAt, type SynapseEnd } from './table-columns.ts';
import {
  countersKey,
  keyBehind,
  overlayRange,
  overlayRowKey,
  overlayRows,
  placeKey,
  placeRange,
  rowKeyIn,
} from './table-keys.ts';

/** Base rows of a dataset; a table that is not there has no entry. */
export type BaseTables = Readonly<Partial<Record<BaseTableName, BaseTable>>>;

/** Numbers of rows; a table that never had one has no entry. */
export type TableCounts = Readonly<Partial<Record<TableName, number>>>;

/** What the store keeps about an overlay, as MessagePack; lists are by index in `TABLES`. */
interface Counters {
  /** Rows in the overlay. */
  readonly changed: readonly number[];
  /** Rows in the overlay whose keys are in the base. */
  readonly shadowed: readonly number[];
  /** Rows more (or fewer) than in the base. */
  readonly more: readonly number[];
  /** Classes of sizes that have places: bit c for class c. */
  readonly classes: readonly number[];
  /** Number and rows of each base table that `shadowed` and `more` were counted against, in the order of `BASE_TABLES`; zeros: none. */
  readonly base: readonly number[];
  /** Counts the calls of `overlayWrites`: tells which of them are committed. */
  readonly stamp: number;
}

/** A row as a call of `overlayWrites` left it. */
interface Pending {
  readonly stamp: number;
  /** Null: gone. */
  readonly row: Row | null;
}

const NIL = Uint8Array.of(0xc0);
/** Entries that one read of the store takes. */
const READ_AHEAD = 256;
/** Overlays with more rows are asked key by key. */
const MOST_REMEMBERED_KEYS = 2_048;

/** The tables of a channel. */
export class ChannelTables {
  readonly #database: Database;
  readonly #channel: number;
  readonly #base: BaseTables;
  /** As the last call of `overlayWrites` left it, committed or not. */
  #counters: Counters;
  /** What the store had last, as bytes and decoded. */
  #stored: { readonly bytes: Uint8Array; readonly counters: Counters } | undefined;
  /** Keys of small overlays, and the stamp at which they were read. */
  readonly #changedKeys = new Map<TableName, { readonly stamp: number; readonly keys: Set<bigint> }>();
  /** Rows of calls that may not be committed yet, oldest first. */
  readonly #pending = new Map<string, Pending>();

  /**
   * @param channel number of the channel in the store.
   * @param base base rows, wholly loaded.
   */
  constructor(database: Database, channel: number, base: BaseTables = {}) {
    this.#database = database;
    this.#channel = channel;
    this.#base = base;
    this.#counters = this.#storedCounters();
  }

  // --- base rows

  /** The row as files have it. */
  baseRow(table: TableName, key: bigint): Row | undefined {
    return this.#baseOf(table)?.row(key);
  }

  /** Largest key of the base; -1n where it has no rows. */
  lastBaseKey(table: TableName): bigint {
    return this.#baseOf(table)?.lastKey ?? -1n;
  }

  /** At most `limit` base rows with keys above `afterKey` (undefined: from the first), ascending. */
  baseRows(table: TableName, afterKey: bigint | undefined, limit: number): Row[] {
    return this.#baseOf(table)?.rows(afterKey, limit) ?? [];
  }

  // --- rows as they are now

  /** The row of a key. */
  row(table: TableName, key: bigint): Row | undefined {
    const changed = this.#changed(table, key);
    if (changed !== undefined) return changed ?? undefined;
    return this.baseRow(table, key);
  }

  /** As `row`, with what `overlayWrites` was told and is not committed yet. */
  newestRow(table: TableName, key: bigint): Row | undefined {
    const pending = this.#pending.get(pendingKey(table, key));
    return pending === undefined ? this.row(table, key) : (pending.row ?? undefined);
  }

  /** Rows of the overlay, ascending by key; null: a base row that is gone. */
  *changedRows(table: TableName): Generator<readonly [key: bigint, row: Row | null]> {
    for (const { key, row } of this.#changesBehind(table, undefined)) yield [key, row];
  }

  has(table: TableName, key: bigint): boolean {
    const changed = this.#changed(table, key);
    return changed === undefined ? this.#baseOf(table)?.has(key) === true : changed !== null;
  }

  /** Numbers of rows, without a look at them. */
  counts(): TableCounts {
    const { more } = this.#storedCounters();
    const counts: Partial<Record<TableName, number>> = {};
    TABLES.forEach((table, t) => {
      const base = this.#baseOf(table);
      const rows = (base?.count ?? 0) + (more[t] as number);
      if (base !== undefined || rows > 0) counts[table] = rows;
    });
    return counts;
  }

  /** Whether there is, or was, anything in a table: files or edits. */
  hasTable(table: TableName): boolean {
    return this.#baseOf(table) !== undefined || this.#hasChanges(table);
  }

  /** Rows with keys above `after` (undefined: from the first), ascending, some at a time. */
  *rowsBehind(table: TableName, after: bigint | undefined): Generator<Row[]> {
    const changes = this.#changesBehind(table, after);
    let change = changes.next();
    for (const { columns, from } of this.#baseOf(table)?.pagesBehind(after) ?? []) {
      const rows: Row[] = [];
      const base = columns.key;
      for (let i = from; i < base.length; i++) {
        const key = base[i] as bigint;
        for (; change.done !== true && change.value.key < key; change = changes.next())
          if (change.value.row !== null) rows.push(change.value.row);
        if (change.done === true || change.value.key !== key) rows.push(rowAt(columns, i));
      }
      yield rows;
    }
    for (; change.done !== true; change = changes.next()) if (change.value.row !== null) yield [change.value.row];
  }

  /** Rows that meet a box, some at a time, each once, in no order. A place belongs to a box where its points' bounding box meets it. */
  *search(table: TableName, box: SpaceBox): Generator<Row[]> {
    const isShadowed = this.#shadows(table);
    for (const rows of this.#baseOf(table)?.search(box) ?? [])
      yield isShadowed === undefined ? rows : rows.filter(({ key }) => !isShadowed(key));
    if (this.#hasChanges(table)) yield* this.#searchChanges(table, box);
  }

  /**
   * Synapses that may have a segment at one of their ends, some at a time, each once, in no order: those of files that have, and all that
   * edits changed.
   */
  *mayJoin(end: SynapseEnd, segment: bigint): Generator<Row[]> {
    const isShadowed = this.#shadows('synapse');
    for (const rows of this.#baseOf('synapse')?.rowsOf(end, segment) ?? [])
      yield isShadowed === undefined ? rows : rows.filter(({ key }) => !isShadowed(key));
    if (this.#hasChanges('synapse'))
      for (const { row } of this.#changesBehind('synapse', undefined)) if (row !== null) yield [row];
  }

  // --- writes

  /**
   * What to commit with an edit: rows as they are now, and keys of rows that are no more, with places and counters.
   * Calls may follow each other before the first is committed, in the order in which they will be.
   */
  overlayWrites(rows: Changes['rows'], gone: Changes['gone']): EntryWrite[] {
    this.#forgetCommitted();
    const stamp = this.#counters.stamp + 1;
    const next = {
      changed: [...this.#counters.changed],
      shadowed: [...this.#counters.shadowed],
      more: [...this.#counters.more],
      classes: [...this.#counters.classes],
    };
    const writes: EntryWrite[] = [];
    TABLES.forEach((table, t) => {
      const put = (key: bigint, row: Row | null): void => {
        const before = this.#latest(table, key);
        const base = this.#baseOf(table)?.has(key) === true;
        const stays = row !== null || base;
        (next.changed[t] as number) += Number(stays) - Number(before !== undefined);
        (next.shadowed[t] as number) += Number(base && before === undefined);
        (next.more[t] as number) += Number(row !== null) - Number(before === undefined ? base : before !== null);
        const extent = row === null ? undefined : extentOf(row);
        if (extent !== undefined) (next.classes[t] as number) |= 1 << sizeClassOf(extent);
        writes.push(...this.#placeWrites(table, key, before ?? null, extent));
        const value = row === null ? (base ? NIL : null) : packed(row);
        writes.push({ store: 'rows', key: overlayRowKey(this.#channel, table, key), value });
        this.#remember(table, key, stamp, stays ? row : undefined);
      };
      for (const key of gone?.[table] ?? []) put(BigInt(key), null);
      for (const row of rows?.[table] ?? []) put(BigInt(row.key), row);
    });
    this.#counters = { ...this.#counters, ...next, stamp };
    writes.push({ store: 'rows', key: countersKey(this.#channel), value: packed(this.#counters) });
    return writes;
  }

  /** What to drop from the store so that the overlay is empty, to be built anew from the log; call `reload` when it is dropped. */
  clearOverlay(): EntryRange[] {
    return [overlayRange(this.#channel)];
  }

  /** Takes up what the store has, and forgets what was not committed: after a commit that failed, or an overlay that was dropped. */
  reload(): void {
    this.#pending.clear();
    this.#counters = this.#storedCounters();
  }

  // --- reading the overlay

  #baseOf(table: TableName): BaseTable | undefined {
    return table === 'annotation' ? undefined : this.#base[table];
  }

  #hasChanges(table: TableName): boolean {
    return (this.#storedCounters().changed[TABLES.indexOf(table)] as number) > 0;
  }

  /** Tells which base rows the overlay says something about; undefined where there are none. */
  #shadows(table: TableName): ((key: bigint) => boolean) | undefined {
    const t = TABLES.indexOf(table);
    const { shadowed, changed, stamp } = this.#storedCounters();
    if (shadowed[t] === 0) return undefined;
    if ((changed[t] as number) > MOST_REMEMBERED_KEYS) return (key) => this.#changedEntry(table, key) !== undefined;
    const known = this.#changedKeys.get(table);
    const keys = known?.stamp === stamp ? known.keys : new Set<bigint>();
    if (known?.stamp !== stamp) {
      for (const { key } of this.#changesBehind(table, undefined)) keys.add(key);
      this.#changedKeys.set(table, { stamp, keys });
    }
    return (key) => keys.has(key);
  }

  #changedEntry(table: TableName, key: bigint): Uint8Array | undefined {
    return this.#database.entry('rows', overlayRowKey(this.#channel, table, key));
  }

  /** The committed row of the overlay; null where it is gone, undefined where the overlay says nothing. */
  #changed(table: TableName, key: bigint): Row | null | undefined {
    const bytes = this.#changedEntry(table, key);
    return bytes === undefined ? undefined : readStored(bytes);
  }

  /** As `#changed`, with what is not committed. */
  #latest(table: TableName, key: bigint): Row | null | undefined {
    const text = pendingKey(table, key);
    const pending = this.#pending.get(text);
    if (pending === undefined) return this.#changed(table, key);
    return pending.row === null && !(this.#baseOf(table)?.has(key) === true) ? undefined : pending.row;
  }

  *#changesBehind(
    table: TableName,
    after: bigint | undefined,
  ): Generator<{ readonly key: bigint; readonly row: Row | null }, undefined> {
    const { start, end } = overlayRows(this.#channel, table);
    let from = after === undefined ? start : keyBehind(overlayRowKey(this.#channel, table, after));
    for (;;) {
      const entries = this.#database.entries('rows', { start: from, end, limit: READ_AHEAD });
      for (const [key, bytes] of entries) yield { key: rowKeyIn(key), row: readStored(bytes) };
      const last = entries.at(-1);
      if (last === undefined || entries.length < READ_AHEAD) return;
      from = keyBehind(last[0]);
    }
  }

  *#searchChanges(table: TableName, box: SpaceBox): Generator<Row[]> {
    const classes = this.#storedCounters().classes[TABLES.indexOf(table)] as number;
    for (let sizeClass = 0; sizeClass < SIZE_CLASSES; sizeClass++) {
      if ((classes & (1 << sizeClass)) === 0) continue;
      for (const { first, last } of codeRanges(cornersOf(box, sizeClass)))
        yield* this.#searchPlaces(table, box, placeRange(this.#channel, table, sizeClass, first, last));
    }
  }

  *#searchPlaces(table: TableName, box: SpaceBox, { start, end }: EntryRange): Generator<Row[]> {
    for (let from = start; ; ) {
      const entries = this.#database.entries('rows', { start: from, end, limit: READ_AHEAD });
      const found: Row[] = [];
      for (const [key, bytes] of entries) {
        if (!meets(box, readExtent(bytes))) continue;
        // It may have gone since the places were read, where this goes on over turns of the event loop.
        const row = this.#changed(table, rowKeyIn(key));
        if (row !== undefined && row !== null) found.push(row);
      }
      if (found.length > 0) yield found;
      const last = entries.at(-1);
      if (last === undefined || entries.length < READ_AHEAD) return;
      from = keyBehind(last[0]);
    }
  }

  #placeWrites(table: TableName, key: bigint, before: Row | null, extent: Extent | undefined): EntryWrite[] {
    const old = before === null ? undefined : extentOf(before);
    const writes: EntryWrite[] = [];
    if (old !== undefined) writes.push({ store: 'rows', key: this.#placeOf(table, key, old), value: null });
    if (extent !== undefined)
      writes.push({ store: 'rows', key: this.#placeOf(table, key, extent), value: extentBytes(extent) });
    return writes;
  }

  #placeOf(table: TableName, key: bigint, extent: Extent): Uint8Array {
    const [x, y, z] = extent.low;
    return placeKey(this.#channel, table, sizeClassOf(extent), placeCode(x, y, z), key);
  }

  // --- counters, and what is not committed

  /** What the store has; where it was counted against other base rows, counted anew. */
  #storedCounters(): Counters {
    const bytes = this.#database.entry('rows', countersKey(this.#channel));
    const base = this.#baseNow();
    if (bytes === undefined) return noCounters(base);
    const known = this.#stored;
    if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0 && isSameList(known.counters.base, base))
      return known.counters;
    // Only this class writes them.
    const read = unpack(bytes) as Counters;
    const counters = isSameList(read.base, base) ? read : { ...read, ...this.#recount(), base };
    this.#stored = { bytes, counters };
    return counters;
  }

  #baseNow(): number[] {
    return BASE_TABLES.flatMap((table) => {
      const info = this.#base[table]?.info;
      return info === undefined ? [0, 0] : [info.number, info.rows];
    });
  }

  /** What stands against the base, by a look at all changes. */
  #recount(): Pick<Counters, 'shadowed' | 'more'> {
    const counted = TABLES.map((table) => {
      const count = { shadowed: 0, more: 0 };
      for (const { key, row } of this.#changesBehind(table, undefined)) {
        const isInBase = this.#baseOf(table)?.has(key) === true;
        count.shadowed += Number(isInBase);
        count.more += Number(row !== null) - Number(isInBase);
      }
      return count;
    });
    return { shadowed: counted.map(({ shadowed }) => shadowed), more: counted.map(({ more }) => more) };
  }

  #remember(table: TableName, key: bigint, stamp: number, row: Row | null | undefined): void {
    const text = pendingKey(table, key);
    // To the end: the oldest stand first.
    this.#pending.delete(text);
    this.#pending.set(text, { stamp, row: row ?? null });
  }

  #forgetCommitted(): void {
    if (this.#pending.size === 0) return;
    const { stamp } = this.#storedCounters();
    for (const [text, pending] of this.#pending) {
      if (pending.stamp > stamp) return;
      this.#pending.delete(text);
    }
  }
}

function noCounters(base: readonly number[]): Counters {
  const none = TABLES.map(() => 0);
  return { changed: none, shadowed: none, more: none, classes: none, base, stamp: 0 };
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

function pendingKey(table: TableName, key: bigint): string {
  return `${table} ${key}`;
}

/** Owned, where `pack` lends. */
function packed(value: unknown): Uint8Array {
  return pack(value).slice();
}

/** @param bytes owned; null for nil. */
function readStored(bytes: Uint8Array): Row | null {
  return bytes.length === 1 && bytes[0] === NIL[0] ? null : readRow(unpack(bytes));
}

/** The upper corner stands there only where it is another. */
function extentBytes({ low, high }: Extent): Uint8Array {
  const isPoint = low.every((value, axis) => value === high[axis]);
  return new Uint8Array(Float64Array.from(isPoint ? low : [...low, ...high]).buffer);
}

function readExtent(bytes: Uint8Array): Extent {
  const [x = 0, y = 0, z = 0, x1 = x, y1 = y, z1 = z] = new Float64Array(Uint8Array.from(bytes).buffer);
  return { low: [x, y, z], high: [x1, y1, z1] };
}
