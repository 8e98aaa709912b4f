/** The state of a path at one seq, as snapshots are made of it. Rules [S10], [S11]. */
import type { Row, TableName } from '../../../protocol/edit-ops.ts';
import type { EditState, FrozenLinks, FrozenTables } from '../../../protocol/edit-state.ts';
import type { OpenLog } from '../../core/edits/edit-logs.ts';

/** Base rows that are read at once. */
const BASE_ROWS = 256;

/** A state that stays as it is while edits go on; shared by all who are sent it. */
export class FrozenState {
  readonly seq: number;
  /** When it was taken, ms. */
  readonly at: number;
  /** Undefined where it was taken without them. */
  readonly links: FrozenLinks | undefined;
  readonly tables: FrozenTables;
  readonly #open: OpenLog;
  readonly #source: EditState;
  #durable = false;

  /** @param hasLinks whether the links are copied. All else is read when it is asked for. */
  constructor(open: OpenLog, now: number, hasLinks: boolean) {
    const state = open.log.tip;
    this.seq = state.seq;
    this.at = now;
    this.#open = open;
    this.#source = state;
    this.links = hasLinks ? state.freezeLinks() : undefined;
    this.tables = state.freezeTables();
  }

  /** Whether it may be sent: "void" where the edits that it held were not kept. */
  get standing(): 'durable' | 'waiting' | 'void' {
    if (this.#durable) return 'durable';
    const { log } = this.#open;
    if (log.tip !== this.#source) return 'void';
    this.#durable = this.seq <= log.head;
    return this.#durable ? 'durable' : 'waiting';
  }

  /** Rows of a table as they were, by ascending key; undefined where there is none at a key that was looked at. */
  *rows(table: TableName): Generator<Row | undefined> {
    const { tables } = this;
    const keys = tables.editedKeys(table);
    let next = 0;
    let after: bigint | undefined;
    for (;;) {
      const base = this.#open.log.rows.baseRows(table, after, BASE_ROWS);
      for (const row of base) {
        for (; next < keys.length && (keys[next] as bigint) < row.key; next++)
          yield tables.editedRow(table, keys[next] as bigint) ?? undefined;
        if (keys[next] !== row.key) yield row;
        else {
          const edited = tables.editedRow(table, row.key);
          next++;
          yield edited === undefined ? row : (edited ?? undefined);
        }
      }
      after = base[base.length - 1]?.key;
      if (base.length < BASE_ROWS) break;
    }
    for (; next < keys.length; next++) yield tables.editedRow(table, keys[next] as bigint) ?? undefined;
  }
}
