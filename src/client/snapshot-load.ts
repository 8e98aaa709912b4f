/** A snapshot on its way into the folded state: pages of sections in their order, to be gone on with after a lost connection. Rule [S11]. */
import { TABLES, type TableName } from '../../protocol/edit-ops.ts';
import { MalformedFrame, type ServerMessage } from '../../protocol/index.ts';

/** The part of the folded state that a snapshot fills. */
export interface LoadedState {
  loadLinks(rows: Uint8Array): void;
  loadRegions(rows: unknown): void;
  loadRows(table: TableName, rows: unknown): void;
  loadMeta(meta: unknown): void;
  /** Forgets regions and rows. */
  clearTables(): void;
}

/** What a page did: it does not follow on the one before, more is to come, or it was the last. */
export type PageStep = 'gap' | 'more' | 'end';

const LINK_BYTES = 16;
/** In order. `meta` may come behind any of them. */
const SECTIONS = ['links', 'regions', ...TABLES.map((table) => `rows:${table}`), 'end'];
const META = 'meta';

/** Whether a section is one that this client reads. Others are passed over. */
export function isKnownSection(section: string): boolean {
  return section === META || SECTIONS.includes(section);
}

/** A snapshot that has begun. */
export class SnapshotLoad {
  readonly seq: number;
  /** Whether it replaces everything; else regions and rows alone, after FOCUS. */
  readonly isWhole: boolean;
  /** Whether another filter was asked for since the server made it. */
  isOutdated: boolean;
  readonly #state: LoadedState;
  /** The section that the last page was of. */
  #section = 'links';
  /** The last of `SECTIONS` that has begun. */
  #ordered = 'links';
  /** Rows of the section that are here. */
  #row = 0;
  /** All of the section is here. */
  #isDone: boolean;
  #linkRows = 0;

  constructor(
    state: LoadedState,
    { seq, isWhole, isOutdated }: { readonly seq: number; readonly isWhole: boolean; readonly isOutdated: boolean },
  ) {
    this.#state = state;
    this.seq = seq;
    this.isWhole = isWhole;
    this.isOutdated = isOutdated;
    this.#isDone = !isWhole;
  }

  /** Where to go on: `snap` of SUBSCRIBE. A section that is complete goes on with no rows, whatever is behind it. */
  get position(): [seq: number, section: string, row: number] {
    return [this.seq, this.#section, this.#row];
  }

  /** Takes up what an older filter brought no more: goes on behind the links, which are those of any filter. */
  refilter(): void {
    this.isOutdated = false;
    if (this.#ordered === 'links') return;
    this.#state.clearTables();
    this.#section = 'links';
    this.#ordered = 'links';
    this.#row = this.#linkRows;
    this.#isDone = true;
  }

  /** Takes a page of a known section. @throws MalformedFrame, BflyError where its rows cannot be read. */
  take({ section, row, more, rows }: Extract<ServerMessage, { kind: 'SNAP' }>): PageStep {
    if (section !== this.#section && !this.#goOnTo(section)) return 'gap';
    if (row !== this.#row) return 'gap';
    this.#row += this.#load(section, rows);
    this.#isDone = !more;
    if (section === 'links') this.#linkRows = this.#row;
    return section === 'end' && !more ? 'end' : 'more';
  }

  #goOnTo(section: string): boolean {
    if (!this.#isDone) return false;
    if (section !== META) {
      if (SECTIONS.indexOf(section) !== SECTIONS.indexOf(this.#ordered) + 1) return false;
      this.#ordered = section;
    }
    this.#section = section;
    this.#row = 0;
    return true;
  }

  /** @returns rows. */
  #load(section: string, rows: unknown): number {
    if (section === 'end') return 0;
    if (section === 'links') {
      if (!(rows instanceof Uint8Array)) throw new MalformedFrame('SNAP of links has no bytes');
      this.#state.loadLinks(rows);
      return Math.floor(rows.length / LINK_BYTES);
    }
    if (section === META) {
      this.#state.loadMeta(rows);
      return typeof rows === 'object' && rows !== null ? Object.keys(rows).length : 0;
    }
    if (!Array.isArray(rows)) throw new MalformedFrame(`SNAP of ${section} has no rows`);
    const table = TABLES.find((name) => section === `rows:${name}`);
    if (table === undefined) this.#state.loadRegions(rows);
    else this.#state.loadRows(table, rows);
    return rows.length;
  }
}
