/** Writes the pages of base rows: a whole table at once, or one row into what is there. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Row } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { BaseTable, BaseTableInfo } from './base-table.ts';
import type { Database, EntryWrite } from './database.ts';
import { ascendingOrder, isAscending, repeatedKey } from './sort-order.ts';
import { placeCode, placeHalves } from './spatial-index.ts';
import { type BaseTableName, columnsOf, pick, type RowColumns, rowAt, SYNAPSE_ENDS } from './table-columns.ts';
import { keyBehind, keyPage, PageOrder, type PageOrderKind, pageRange, segmentPage, spacePage } from './table-keys.ts';
import { decodePage, encodePage, PAGE_ROWS } from './table-page.ts';

/** Pages of one transaction: about a megabyte. */
const COMMIT_PAGES = 64;
/** Rows whose place is worked out before others have their turn. */
const PLACES_AT_ONCE = 65_536;

/**
 * Rows in order of their keys.
 *
 * @throws BflyError BAD_REQUEST where two rows have one key.
 */
export async function inKeyOrder(table: BaseTableName, columns: RowColumns): Promise<RowColumns> {
  const sorted = isAscending(columns.key) ? columns : await pick(columns, await ascendingOrder(columns.key));
  const repeated = repeatedKey(sorted.key);
  if (repeated !== undefined)
    throw new BflyError('BAD_REQUEST', `two rows of the table ${table} have the key ${repeated}: a key stands once`);
  return sorted;
}

/**
 * Writes a whole table under a number of its own, in many commits: nothing reads it until its info is kept.
 *
 * @param columns in order of keys, see `inKeyOrder`; borrowed until the promise resolves.
 * @throws the reason of `signal` where it is broken off; what of it was written is then to be dropped.
 */
export async function writeTable(
  database: Database,
  number: number,
  columns: RowColumns,
  signal?: AbortSignal,
): Promise<BaseTableInfo> {
  const { key } = columns;
  await writePages(database, columns, (page) => keyPage(number, page.key), signal);
  const byPlace = await pick(columns, await ascendingOrder(await placeCodes(columns)));
  await writePages(database, byPlace, (page) => spacePage(number, page.code, page.key), signal);
  for (const end of SYNAPSE_ENDS) {
    const segments = columns[end];
    if (segments === undefined) continue;
    const bySegment = await pick(columns, await ascendingOrder(segments));
    await writePages(database, bySegment, (page) => segmentPage(number, ORDER_OF[end], page[end], page.key), signal);
  }
  return { number, rows: key.length, last: key.length === 0 ? null : String(key[key.length - 1]) };
}

const ORDER_OF = { pre: PageOrder.PRE, post: PageOrder.POST } as const;

interface FirstRow {
  readonly key: bigint;
  readonly code: bigint;
  /** 0 where rows have none. */
  readonly pre: bigint;
  readonly post: bigint;
}

async function writePages(
  database: Database,
  columns: RowColumns,
  keyOf: (first: FirstRow) => Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const rows = columns.key.length;
  for (let from = 0; from < rows; from += COMMIT_PAGES * PAGE_ROWS) {
    signal?.throwIfAborted();
    const upTo = Math.min(rows, from + COMMIT_PAGES * PAGE_ROWS);
    await database.commit({ entries: pagesOf(columns, from, upTo, keyOf) });
  }
}

function pagesOf(
  columns: RowColumns,
  from: number,
  upTo: number,
  keyOf: (first: FirstRow) => Uint8Array,
): EntryWrite[] {
  const pages: EntryWrite[] = [];
  for (let at = from; at < upTo; at += PAGE_ROWS) {
    const { pre, post } = columns;
    const ends = { pre: pre?.[at] ?? 0n, post: post?.[at] ?? 0n };
    const key = keyOf({ key: columns.key[at] as bigint, code: codeAt(columns, at), ...ends });
    pages.push({ store: 'rows', key, value: encodePage(columns, at, Math.min(upTo, at + PAGE_ROWS)) });
  }
  return pages;
}

function codeAt({ x, y, z }: RowColumns, i: number): bigint {
  return placeCode(x[i] as number, y[i] as number, z[i] as number);
}

async function placeCodes({ x, y, z }: RowColumns): Promise<BigUint64Array> {
  const codes = new BigUint64Array(x.length);
  const halves = new Uint32Array(codes.buffer);
  for (let i = 0; i < x.length; i++) {
    const [high, low] = placeHalves(x[i] as number, y[i] as number, z[i] as number);
    halves[2 * i] = low;
    halves[2 * i + 1] = high;
    if (i % PLACES_AT_ONCE === PLACES_AT_ONCE - 1) await nextTurn();
  }
  return codes;
}

/**
 * Writes that put one row into a table, in the place of the row of its key where there is one.
 *
 * @param row checked here.
 * @returns what to commit together, and the table's info after it.
 * @throws BflyError BAD_REQUEST
 */
export function writesOfRow(
  database: Database,
  table: BaseTable,
  row: Row,
): { readonly entries: EntryWrite[]; readonly info: BaseTableInfo } {
  const columns = columnsOf(table.name, [row]);
  const checked = rowAt(columns, 0);
  const before = table.row(checked.key);
  const orders = [PageOrder.KEY, PageOrder.SPACE, ...(table.name === 'synapse' ? [PageOrder.PRE, PageOrder.POST] : [])];
  const entries = orders.flatMap((order) => new PageEdit(database, table, order).replace(before, checked));
  const { number, rows } = table.info;
  const isLast = checked.key > table.lastKey;
  return {
    entries,
    info: { number, rows: before === undefined ? rows + 1 : rows, last: String(isLast ? checked.key : table.lastKey) },
  };
}

/** A change of one row in one order of pages. */
class PageEdit {
  readonly #database: Database;
  readonly #table: BaseTable;
  readonly #order: PageOrderKind;

  constructor(database: Database, table: BaseTable, order: PageOrderKind) {
    this.#database = database;
    this.#table = table;
    this.#order = order;
  }

  replace(before: Row | undefined, after: Row): EntryWrite[] {
    const writes: EntryWrite[] = [];
    const home = this.#pageFor(after);
    const old = before === undefined ? undefined : this.#pageFor(before);
    if (before !== undefined && old !== undefined && !isSame(old.key, home?.key))
      writes.push(...this.#rewrite(old.key, without(old.rows, before)));
    const rows = before === undefined ? (home?.rows ?? []) : without(home?.rows ?? [], before);
    writes.push(...this.#rewrite(home?.key, [...rows, after]));
    return writes;
  }

  /** A page's rows in order, in as many pages as they need, in its place. */
  #rewrite(key: Uint8Array | undefined, rows: readonly Row[]): EntryWrite[] {
    const sorted = [...rows].sort((a, b) => Buffer.compare(this.#pageKey(a), this.#pageKey(b)));
    const writes: EntryWrite[] = key === undefined ? [] : [{ store: 'rows', key, value: null }];
    const pages = Math.max(1, Math.ceil(sorted.length / PAGE_ROWS));
    const size = Math.ceil(sorted.length / pages);
    for (let at = 0; at < sorted.length; at += size) {
      const columns = columnsOf(this.#table.name, sorted.slice(at, at + size));
      const pageKey = this.#pageKey(sorted[at] as Row);
      writes.push({ store: 'rows', key: pageKey, value: encodePage(columns, 0, columns.key.length) });
    }
    return writes;
  }

  /** The page that a row stands in, or would: the last that begins before it, else the first. */
  #pageFor(row: Row): { readonly key: Uint8Array; readonly rows: readonly Row[] } | undefined {
    const all = pageRange(this.#table.info.number, this.#order);
    const before = { start: all.start, end: keyBehind(this.#pageKey(row)), reverse: true, limit: 1 };
    const [found] = [
      ...this.#database.entries('rows', before),
      ...this.#database.entries('rows', { ...all, limit: 1 }),
    ];
    if (found === undefined) return undefined;
    const columns = decodePage(found[1]);
    return { key: found[0], rows: Array.from(columns.key, (_, i) => rowAt(columns, i)) };
  }

  #pageKey(row: Row): Uint8Array {
    const { number } = this.#table.info;
    if (this.#order === PageOrder.KEY) return keyPage(number, row.key);
    if (this.#order === PageOrder.PRE || this.#order === PageOrder.POST)
      // Rows of synapses have both, as they were checked.
      return segmentPage(number, this.#order, row[this.#order === PageOrder.PRE ? 'pre' : 'post'] as bigint, row.key);
    const [x, y, z] = row['point'] as [number, number, number]; // rows of base tables have one
    return spacePage(number, placeCode(x, y, z), row.key);
  }
}

function without(rows: readonly Row[], gone: Row): Row[] {
  return rows.filter(({ key }) => key !== gone.key);
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
