/** The pages of a snapshot for one subscriber, made one by one as it takes them. Rules [S10], [S11]. */
import type { Row, TableName } from '../../../protocol/edit-ops.ts';
import { encodeServer } from '../../../protocol/encode.ts';
import { pack } from '../../../protocol/msgpack.ts';
import { wireRow } from '../../../protocol/wire-lists.ts';
import { hasTime } from '../session/turns.ts';
import type { EditFilter } from './edit-filter.ts';
import type { FrozenState } from './frozen-state.ts';

/** A position in a snapshot: what `snap` in SUBSCRIBE names. */
export interface SnapPosition {
  readonly section: string;
  readonly row: number;
}

/** Sections in order. Rule [S11]. */
export const SECTIONS = ['links', 'regions', 'rows:neuron', 'rows:synapse', 'rows:annotation', 'meta', 'end'] as const;
type Section = (typeof SECTIONS)[number];
/** What FOCUS shows anew. Rule [S13]. */
export const FOCUS_SECTIONS: readonly Section[] = SECTIONS.filter((section) => section !== 'links');

/** Bytes of a page, about; links have 16 each. */
const PAGE_BYTES = 48 * 1024;
const LINK_BYTES = 16;
/** After so many rows the clock is looked at. */
const ROWS_BETWEEN_LOOKS = 32;

/** Regions, rows, or keys with values; undefined: nothing where there might have been something. */
type Items = Generator<unknown>;

/** Sends one frozen state to one subscriber. */
export class SnapshotPages {
  readonly state: FrozenState;
  /** Whether the links are among it. */
  readonly isWhole: boolean;
  readonly #filter: EditFilter | undefined;
  /** Sections that are still to be sent. */
  readonly #sections: Section[];
  /** Of the first of them: rows that were sent. */
  #row = 0;
  /** Rows that the subscriber has from before. */
  #skip = 0;
  #items: Items | undefined;
  /** Of the page that is being made. */
  #page: unknown[] = [];
  #bytes = 0;

  /** @param from where to go on, for a snapshot that was cut off under the same filter. */
  constructor(
    state: FrozenState,
    filter: EditFilter | undefined,
    sections: readonly Section[] = SECTIONS,
    from?: SnapPosition,
  ) {
    this.state = state;
    this.isWhole = sections.includes('links');
    this.#filter = filter;
    // biome-ignore lint/complexity/useIndexOf: the section of a client may be any text
    const at = from === undefined ? -1 : sections.findIndex((section) => section === from.section);
    this.#sections = sections.slice(Math.max(0, at));
    if (from === undefined || at < 0) return;
    this.#row = from.row;
    this.#skip = from.row;
  }

  /** The next SNAP frame of subscription `sub`, borrowed; "later" where this turn is over, undefined when all were sent. */
  next(sub: number): Uint8Array | 'later' | undefined {
    const section = this.#sections[0];
    if (section === undefined) return undefined;
    const row = this.#row;
    const page = section === 'links' ? this.#nextLinks(row) : this.#nextItems(section);
    if (page === undefined) return 'later';
    if (!page.more) this.#endSection();
    return encodeServer({ kind: 'SNAP', id: sub, seq: this.state.seq, section, row, ...page });
  }

  #nextLinks(row: number): { readonly rows: Uint8Array; readonly more: boolean } {
    const { links } = this.state;
    if (links === undefined) throw new TypeError('a state without links has none to send');
    const rows = links.page(row, Math.floor(PAGE_BYTES / LINK_BYTES));
    this.#row = row + rows.length / LINK_BYTES;
    return { rows, more: this.#row < links.rows };
  }

  /** Undefined where the page is not full when the turn is over: it goes on. */
  #nextItems(section: Section): { readonly rows: unknown; readonly more: boolean } | undefined {
    this.#items ??= itemsOf(this.state, section);
    for (let looked = 1; ; looked++) {
      const { value: item, done } = this.#items.next();
      if (done === true) return this.#takePage(section, []);
      if (item !== undefined && this.#isWanted(section, item)) {
        const bytes = pack(item).length;
        if (this.#page.length > 0 && this.#bytes + bytes > PAGE_BYTES) return this.#takePage(section, [item], bytes);
        this.#page.push(item);
        this.#bytes += bytes;
      }
      if (looked % ROWS_BETWEEN_LOOKS === 0 && !hasTime()) return undefined;
    }
  }

  #isWanted(section: Section, item: unknown): boolean {
    const table = tableOf(section);
    // Items of tables are rows.
    if (table !== undefined && this.#filter?.meetsRow(table, item as Row) === false) return false;
    if (this.#skip === 0) return true;
    this.#skip--;
    return false;
  }

  /** @param first what the page after it begins with; nothing: there is none. */
  #takePage(
    section: Section,
    first: readonly unknown[],
    bytes = 0,
  ): { readonly rows: unknown; readonly more: boolean } {
    const page = this.#page;
    this.#page = [...first];
    this.#bytes = bytes;
    this.#row += page.length;
    const rows =
      section === 'meta'
        ? Object.fromEntries(page as [string, unknown][])
        : tableOf(section) === undefined
          ? page
          : (page as Row[]).map(wireRow);
    return { rows, more: first.length > 0 };
  }

  #endSection(): void {
    this.#sections.shift();
    this.#items = undefined;
    this.#row = 0;
    this.#skip = 0;
  }
}

/** All of a section but the links. */
function* itemsOf(state: FrozenState, section: Section): Items {
  const table = tableOf(section);
  if (section === 'regions') yield* state.tables.regions();
  else if (section === 'meta') yield* state.tables.meta();
  else if (table !== undefined) yield* state.rows(table);
}

function tableOf(section: Section): TableName | undefined {
  switch (section) {
    case 'rows:neuron':
      return 'neuron';
    case 'rows:synapse':
      return 'synapse';
    case 'rows:annotation':
      return 'annotation';
    default:
      return undefined;
  }
}
