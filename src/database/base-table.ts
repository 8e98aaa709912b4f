/** Rows that came from files, read from their pages. How pages are written: `base-table-writer.ts`. */
import type { Row } from '../../protocol/edit-ops.ts';
import type { Database } from './database.ts';
import type { KeyRange } from './keys.ts';
import { type CodeRange, codeRanges, holdsPoint, placeCode, type SpaceBox } from './spatial-index.ts';
import { type BaseTableName, type RowColumns, rowAt, type SynapseEnd } from './table-columns.ts';
import { keyBehind, keyPage, PageOrder, pageRange, segmentPage, spacePage } from './table-keys.ts';
import { decodePage } from './table-page.ts';

/** What the store keeps of a table besides its pages. */
export interface BaseTableInfo {
  /** Number in the keys of its pages. */
  readonly number: number;
  readonly rows: number;
  /** Largest key, decimal; null where there are no rows. */
  readonly last: string | null;
}

/** A page that was read. */
interface Page {
  readonly key: Uint8Array;
  readonly columns: RowColumns;
}

/** Pages that one read of the store takes. */
const READ_AHEAD = 8;
const MAX_KEY = (1n << 64n) - 1n;

/** A table of a dataset. */
export class BaseTable {
  readonly name: BaseTableName;
  #info: BaseTableInfo;
  readonly #database: Database;
  /** The page that a row was last looked up in: rows are often asked for in order. */
  #recent: RowColumns | undefined;

  constructor(database: Database, name: BaseTableName, info: BaseTableInfo) {
    this.#database = database;
    this.name = name;
    this.#info = info;
  }

  get info(): BaseTableInfo {
    return this.#info;
  }

  /** Takes note of a row that was written into its pages. */
  changed(info: BaseTableInfo): void {
    this.#info = info;
    this.#recent = undefined;
  }

  /** Number of rows. */
  get count(): number {
    return this.info.rows;
  }

  /** The largest key; -1n where there are no rows. */
  get lastKey(): bigint {
    return this.info.last === null ? -1n : BigInt(this.info.last);
  }

  /** The row of a key. */
  row(key: bigint): Row | undefined {
    const found = this.#find(key);
    return found === undefined ? undefined : rowAt(found.columns, found.index);
  }

  has(key: bigint): boolean {
    return this.#find(key) !== undefined;
  }

  /** At most `limit` rows whose keys are above `after` (undefined: from the first), ascending. */
  rows(after: bigint | undefined, limit: number): Row[] {
    const rows: Row[] = [];
    for (const { columns, from } of this.pagesBehind(after)) {
      const to = Math.min(columns.key.length, from + limit - rows.length);
      for (let i = from; i < to; i++) rows.push(rowAt(columns, i));
      if (rows.length >= limit) break;
    }
    return rows;
  }

  /** Pages in order of keys, each with the index of its first row above `after`. Reads as it goes; the table may be dropped meanwhile. */
  *pagesBehind(after: bigint | undefined): Generator<{ readonly columns: RowColumns; readonly from: number }> {
    if (after !== undefined && after >= this.lastKey) return;
    const all = pageRange(this.info.number, PageOrder.KEY);
    const floor = after === undefined ? undefined : this.#floor(all, keyPage(this.info.number, after));
    const start = floor?.key ?? all.start;
    for (const { columns } of this.#pages({ start, end: all.end })) {
      const from = after === undefined ? 0 : firstAbove(columns.key, after);
      if (from < columns.key.length) yield { columns, from };
    }
  }

  /** Rows above `after`, a page of them at a time, ascending. */
  *pagesOfRows(after: bigint | undefined): Generator<Row[]> {
    for (const { columns, from } of this.pagesBehind(after)) {
      const rows: Row[] = [];
      for (let i = from; i < columns.key.length; i++) rows.push(rowAt(columns, i));
      yield rows;
    }
  }

  /** Pages that may have rows in a box, each once: candidates, in no order of keys. */
  *pagesIn(box: SpaceBox): Generator<RowColumns> {
    if (this.count === 0) return;
    let last: Page | undefined;
    let lastCode = -1n;
    for (const range of codeRanges(box)) {
      // Pages follow each other without gaps: where the last one read goes beyond the range, it has all of it.
      if (lastCode > range.last) continue;
      for (const page of this.#pagesOf(range, last)) {
        last = page;
        const { x, y, z } = page.columns;
        const end = x.length - 1;
        // No page is empty.
        lastCode = placeCode(x[end] as number, y[end] as number, z[end] as number);
        yield page.columns;
      }
    }
  }

  /** Rows whose point lies in a box, a page of them at a time, in no order of keys. */
  *search(box: SpaceBox): Generator<Row[]> {
    for (const columns of this.pagesIn(box)) {
      const { x, y, z } = columns;
      const rows: Row[] = [];
      for (let i = 0; i < x.length; i++)
        if (holdsPoint(box, x[i] as number, y[i] as number, z[i] as number)) rows.push(rowAt(columns, i));
      yield rows;
    }
  }

  /** Synapses of a segment at one of their ends, some at a time, ascending. */
  *rowsOf(end: SynapseEnd, segment: bigint): Generator<Row[]> {
    const { number } = this.info;
    const order = end === 'pre' ? PageOrder.PRE : PageOrder.POST;
    const all = pageRange(number, order);
    const start = this.#floor(all, segmentPage(number, order, segment, 0n))?.key ?? all.start;
    for (const { columns } of this.#pages({ start, end: keyBehind(segmentPage(number, order, segment, MAX_KEY)) })) {
      const segments = columns[end];
      const rows: Row[] = [];
      segments?.forEach((id, i) => {
        if (id === segment) rows.push(rowAt(columns, i));
      });
      yield rows;
    }
  }

  /** The pages that hold a range's rows, without those up to the last that was read. */
  *#pagesOf({ first, last }: CodeRange, read: Page | undefined): Generator<Page> {
    const { number } = this.info;
    const all = pageRange(number, PageOrder.SPACE);
    const floor = this.#floor(all, spacePage(number, first, 0n), read);
    const isNew = floor !== undefined && floor !== read;
    if (isNew) yield floor;
    const start = floor === undefined ? all.start : keyBehind(floor.key);
    yield* this.#pages({ start, end: keyBehind(spacePage(number, last, MAX_KEY)) });
  }

  *#pages({ start, end }: KeyRange): Generator<Page> {
    for (let from = start; ; ) {
      const entries = this.#database.entries('rows', { start: from, end, limit: READ_AHEAD });
      for (const [key, bytes] of entries) yield { key, columns: decodePage(bytes) };
      const last = entries.at(-1);
      if (last === undefined || entries.length < READ_AHEAD) return;
      from = keyBehind(last[0]);
    }
  }

  /** The last page whose key is not above `key`; `known` where it is that one, or a later one. */
  #floor(all: KeyRange, key: Uint8Array, known?: Page): Page | undefined {
    const start = known?.key ?? all.start;
    if (known !== undefined && Buffer.compare(key, start) <= 0) return known;
    const [found] = this.#database.entries('rows', { start, end: keyBehind(key), reverse: true, limit: 1 });
    if (found === undefined) return undefined;
    const isKnown = known !== undefined && Buffer.compare(found[0], known.key) === 0;
    return isKnown ? known : { key: found[0], columns: decodePage(found[1]) };
  }

  #find(key: bigint): { readonly columns: RowColumns; readonly index: number } | undefined {
    if (key < 0n || key > this.lastKey) return undefined;
    const columns = this.#pageOf(key);
    const index = columns === undefined ? 0 : firstAbove(columns.key, key) - 1;
    return columns?.key[index] === key ? { columns, index } : undefined;
  }

  #pageOf(key: bigint): RowColumns | undefined {
    const recent = this.#recent?.key;
    if (recent !== undefined && (recent[0] as bigint) <= key && key <= (recent[recent.length - 1] as bigint))
      return this.#recent;
    const all = pageRange(this.info.number, PageOrder.KEY);
    this.#recent = this.#floor(all, keyPage(this.info.number, key))?.columns;
    return this.#recent;
  }
}

/** Index of the first key above `key` in ascending keys. */
function firstAbove(keys: BigUint64Array, key: bigint): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as bigint) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
