/** The pages of a snapshot for one subscriber, made one by one as it takes them. Rules [S10], [S11]. */
import type { Row, TableName } from '../../protocol/edit-ops.ts';
import { TABLES } from '../../protocol/edit-ops.ts';
import type { EditState } from '../../protocol/edit-state.ts';
import { encodeServer } from '../../protocol/encode.ts';
import { pack } from '../../protocol/msgpack.ts';
import { wireRow } from '../../protocol/wire-lists.ts';
import type { OpenLog } from '../core/edits/edit-logs.ts';
import type { EditFilter } from './edit-filter.ts';

/** A position in a snapshot: what `snap` in SUBSCRIBE names. */
export interface SnapPosition {
  readonly section: string;
  readonly row: number;
}

/** Sections in order. Rule [S11]. */
export const SECTIONS = ['links', 'regions', 'rows:neuron', 'rows:synapse', 'rows:annotation', 'end'] as const;
type Section = (typeof SECTIONS)[number];

/** Bytes of a page, about; links have 16 each. */
const PAGE_BYTES = 48 * 1024;
const LINK_BYTES = 16;
/** Rows that are looked at for one page. */
const ROWS_AT_ONCE = 256;

/** The state of a path at one seq, as it is sent; shared by all who are sent it. */
export class FrozenState {
  readonly seq: number;
  /** When it was taken, ms. */
  readonly at: number;
  readonly #open: OpenLog;
  readonly #source: EditState;
  #durable = false;
  readonly #links;
  readonly #regions: readonly unknown[];
  /** Rows that edits changed, by key ascending; undefined = gone. */
  readonly #edited = new Map<TableName, readonly (readonly [key: bigint, row: Row | undefined])[]>();

  /** Copies what edits will change; the state must be durable when pages of it are sent. */
  constructor(open: OpenLog, now: number) {
    const { state } = open.log;
    this.seq = state.seq;
    this.at = now;
    this.#open = open;
    this.#source = state;
    this.#links = state.freezeLinks();
    this.#regions = [...state.regions()];
    for (const table of TABLES) {
      const rows = [...state.editedRows(table)].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#edited.set(table, rows);
    }
  }

  /** Whether it may be sent: "void" where the edits that it held were not kept. */
  get standing(): 'durable' | 'waiting' | 'void' {
    if (this.#durable) return 'durable';
    const { log } = this.#open;
    if (log.state !== this.#source) return 'void';
    this.#durable = this.seq <= log.head;
    return this.#durable ? 'durable' : 'waiting';
  }

  /** Links of a page, and the row that the next one begins with; undefined at the end. Owned. */
  links(row: number): { readonly rows: Uint8Array; readonly next: number | undefined } {
    const most = Math.floor(PAGE_BYTES / LINK_BYTES);
    const rows = this.#links.page(row, most);
    const next = row + rows.length / LINK_BYTES;
    return { rows, next: next < this.#links.rows ? next : undefined };
  }

  regions(row: number): { readonly rows: readonly unknown[]; readonly next: number | undefined } {
    const most = 512;
    const rows = this.#regions.slice(row, row + most);
    return { rows, next: row + most < this.#regions.length ? row + most : undefined };
  }

  /**
   * Rows of a table behind a key, as they were.
   *
   * @returns the last key that was looked at; undefined at the end.
   */
  rows(
    table: TableName,
    after: bigint | undefined,
    filter: EditFilter | undefined,
  ): { readonly rows: readonly Row[]; readonly next: bigint | undefined } {
    const base = this.#open.log.rows.baseRows(table, after, ROWS_AT_ONCE);
    const edited = this.#edited.get(table) ?? [];
    const lastBase = base.length < ROWS_AT_ONCE ? undefined : base[base.length - 1]?.key;
    const merged = new Map<bigint, Row>(base.map((row) => [row.key, row]));
    for (let at = firstBehind(edited, after); at < edited.length; at++) {
      const [key, row] = edited[at] as (typeof edited)[number];
      if (lastBase !== undefined && key > lastBase) break;
      if (row === undefined) merged.delete(key);
      else merged.set(key, row);
      if (lastBase === undefined && merged.size >= 2 * ROWS_AT_ONCE) return this.#page(merged, key, filter);
    }
    return this.#page(merged, lastBase, filter);
  }

  /** As many rows as fit a page. */
  #page(
    merged: ReadonlyMap<bigint, Row>,
    next: bigint | undefined,
    filter: EditFilter | undefined,
  ): { readonly rows: readonly Row[]; readonly next: bigint | undefined } {
    const sorted = [...merged.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const rows: Row[] = [];
    let bytes = 0;
    for (const row of sorted) {
      if (filter !== undefined && !filter.meetsRow(row)) continue;
      bytes += pack(row).length;
      if (rows.length > 0 && bytes > PAGE_BYTES) return { rows, next: rows[rows.length - 1]?.key };
      rows.push(row);
    }
    return { rows, next };
  }
}

function firstBehind(rows: readonly (readonly [key: bigint, ...rest: unknown[]])[], after: bigint | undefined): number {
  if (after === undefined) return 0;
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] as readonly [bigint])[0] <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sends one frozen state to one subscriber. */
export class SnapshotPages {
  readonly state: FrozenState;
  /** Whether the links are among it. */
  readonly isWhole: boolean;
  readonly #filter: EditFilter | undefined;
  /** Sections that are still to be sent. */
  readonly #sections: Section[];
  #row = 0;
  #after: bigint | undefined;

  /**
   * @param from where to go on, for a snapshot that was cut off: pages end where they did before.
   */
  constructor(state: FrozenState, filter: EditFilter | undefined, sections: readonly Section[], from?: SnapPosition) {
    this.state = state;
    this.isWhole = sections.includes('links');
    this.#filter = filter;
    // biome-ignore lint/complexity/useIndexOf: the section of a client may be any text
    const at = from === undefined ? -1 : sections.findIndex((section) => section === from.section);
    this.#sections = sections.slice(Math.max(0, at));
    if (from === undefined || at < 0) return;
    if (!from.section.startsWith('rows:')) this.#row = from.row;
    else while (this.#row < from.row && this.#sections[0] === from.section) this.#nextRows(from.section);
  }

  /** The next SNAP frame of subscription `sub`; undefined when all were sent. Borrowed. */
  next(sub: number): Uint8Array | undefined {
    const section = this.#sections[0];
    if (section === undefined) return undefined;
    const { seq } = this.state;
    const row = this.#row;
    const frame = (rows: unknown, more: boolean): Uint8Array =>
      encodeServer({ kind: 'SNAP', id: sub, seq, section, row, more, rows });
    switch (section) {
      case 'links': {
        const page = this.state.links(row);
        this.#goOn(page.next);
        return frame(page.rows, page.next !== undefined);
      }
      case 'regions': {
        const page = this.state.regions(row);
        this.#goOn(page.next);
        return frame(page.rows, page.next !== undefined);
      }
      case 'end':
        this.#goOn(undefined);
        return frame([], false);
      default: {
        const page = this.#nextRows(section);
        return frame(page.rows.map(wireRow), page.next !== undefined);
      }
    }
  }

  #nextRows(section: string): ReturnType<FrozenState['rows']> {
    const page = this.state.rows(section.slice('rows:'.length) as TableName, this.#after, this.#filter);
    const row = this.#row + page.rows.length;
    this.#after = page.next;
    this.#goOn(page.next === undefined ? undefined : row);
    return page;
  }

  #goOn(next: number | undefined): void {
    this.#row = next ?? 0;
    if (next !== undefined) return;
    this.#after = undefined;
    this.#sections.shift();
  }
}
