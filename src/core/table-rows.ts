/** Rows of a channel's tables as they are now, for formats that list them. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Row, TableName } from '../../protocol/edit-ops.ts';
import type { SpaceBox } from '../database/spatial-index.ts';
import type { SynapseEnd } from '../database/table-columns.ts';
import type { TableView } from '../database/table-view.ts';
import type { DatabaseLayer } from '../database/tables.ts';
import type { Channel } from './channel.ts';

/** How long the event loop may be held, ms. */
const HELD_MS = 4;

/** Half-open box in voxels of mip 0; fractions and infinities allowed. */
export type RowBox = SpaceBox;

/** Which rows. */
export interface RowQuery {
  readonly channel: Channel;
  readonly table: TableName;
  /** Rows whose points' bounding box meets it. Unset: all. */
  readonly box?: RowBox;
}

/** A segment at one of the ends of a synapse. */
export interface Joined {
  readonly channel: Channel;
  readonly end: SynapseEnd;
  readonly segment: bigint;
}

/** Reads rows. Whatever is asked waits for tables that are being loaded, and gives others their turn. */
export class TableRows {
  readonly #tables: DatabaseLayer;

  constructor(tables: DatabaseLayer) {
    this.#tables = tables;
  }

  /** How many rows a table has. */
  async count({ path, number }: Channel, table: TableName): Promise<number> {
    await this.#tables.ready(path);
    return this.#tables.channelTables(path, number).counts()[table] ?? 0;
  }

  /** The row of a key. */
  async row({ path, number }: Channel, table: TableName, key: bigint): Promise<Row | undefined> {
    await this.#tables.ready(path);
    return this.#tables.view(path, number).row(table, key);
  }

  /** Rows that are wanted, each once, in no order. */
  async find(query: RowQuery, isWanted: (row: Row) => boolean): Promise<Row[]> {
    const found: Row[] = [];
    await this.#visit(query, (row) => {
      if (isWanted(row)) found.push(row);
    });
    return found;
  }

  /** Synapses that may have a segment at one of their ends and are wanted, each once, in no order. */
  async joined({ channel, end, segment }: Joined, isWanted: (row: Row) => boolean): Promise<Row[]> {
    const found: Row[] = [];
    const view = await this.#viewOf(channel);
    await inTurns(view.mayJoin(end, segment), (row) => {
      if (isWanted(row)) found.push(row);
    });
    return found;
  }

  /** How many synapses each neuron is pre and post to, by its id. Neurons without any are left out. */
  async synapseCounts(channel: Channel): Promise<ReadonlyMap<bigint, { readonly pre: number; readonly post: number }>> {
    const counts = new Map<bigint, { pre: number; post: number }>();
    const add = (row: Row, field: 'pre' | 'post'): void => {
      const id = row[field];
      if (typeof id !== 'bigint') return;
      const count = counts.get(id) ?? { pre: 0, post: 0 };
      count[field]++;
      counts.set(id, count);
    };
    await this.#visit({ channel, table: 'synapse' }, (row) => {
      add(row, 'pre');
      add(row, 'post');
    });
    return counts;
  }

  async #visit({ channel, table, box }: RowQuery, visit: (row: Row) => void): Promise<void> {
    const view = await this.#viewOf(channel);
    await inTurns(box === undefined ? view.rowsBehind(table, undefined) : view.search(table, box), visit);
  }

  async #viewOf({ path, number }: Channel): Promise<TableView> {
    await this.#tables.ready(path);
    return this.#tables.view(path, number);
  }
}

async function inTurns(parts: Iterable<readonly Row[]>, visit: (row: Row) => void): Promise<void> {
  let since = performance.now();
  for (const rows of parts) {
    for (const row of rows) visit(row);
    if (performance.now() - since < HELD_MS) continue;
    await nextTurn();
    since = performance.now();
  }
}
