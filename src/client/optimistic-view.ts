/** The state of a path as it will be when the own edits that nobody has answered yet are applied, in their order, after all others. */
import { type Row, TABLES, type TableName } from '../../protocol/edit-ops.ts';
import type { Box, WireMap } from '../../protocol/index.ts';
import { BodyOverlay, type CommittedBodies } from './body-overlay.ts';
import { readIds } from './edit-result.ts';

/** The state that is certain. */
export interface CommittedState extends CommittedBodies {
  row(table: TableName, key: bigint): Row | undefined;
  rows(table: TableName): ReadonlyMap<bigint, Row>;
}

/**
 * What users see: merges, cleaves, rows and boxes of voxels at once. Of other ops (split, region, undo, meta, and those that name an id
 * which is not there yet) nothing shows before the server has answered.
 */
export interface OptimisticView {
  /** What the body of an id is called. */
  rootOf(id: bigint | number): bigint;
  /** All ids of the body that an id is in, in no order. */
  membersOf(id: bigint | number): readonly bigint[];
  row(table: TableName, key: bigint | number): Row | undefined;
  /** All rows of a table, in no order. Rows whose key the server has still to assign have keys below 0. */
  rows(table: TableName): Iterable<Row>;
  /** Boxes of mip 0 that own edits will write, which the server shows only later. */
  readonly touched: readonly Box[];
}

/** Recomputed from nothing whenever something has changed, when it is next looked at. */
export class PendingView implements OptimisticView {
  readonly #committed: CommittedState;
  readonly #pending: () => Iterable<readonly WireMap[]>;
  #layers: Layers | undefined;

  /** @param pending ops of the own edits that are not in `committed`, in their order. */
  constructor(committed: CommittedState, pending: () => Iterable<readonly WireMap[]>) {
    this.#committed = committed;
    this.#pending = pending;
  }

  /** Something has changed below. */
  forget(): void {
    this.#layers = undefined;
  }

  get touched(): readonly Box[] {
    return this.#made().touched;
  }

  rootOf(id: bigint | number): bigint {
    return this.#made().bodies.rootOf(BigInt(id));
  }

  membersOf(id: bigint | number): readonly bigint[] {
    return this.#made().bodies.membersOf(BigInt(id));
  }

  row(table: TableName, key: bigint | number): Row | undefined {
    const own = this.#made().rows[table].get(BigInt(key));
    return own === undefined ? this.#committed.row(table, BigInt(key)) : (own ?? undefined);
  }

  *rows(table: TableName): Iterable<Row> {
    const own = this.#made().rows[table];
    for (const [key, row] of this.#committed.rows(table)) if (!own.has(key)) yield row;
    for (const row of own.values()) if (row !== null) yield row;
  }

  #made(): Layers {
    this.#layers ??= makeLayers(this.#committed, this.#pending());
    return this.#layers;
  }
}

interface Layers {
  readonly bodies: BodyOverlay;
  /** Null: gone. */
  readonly rows: Readonly<Record<TableName, Map<bigint, Row | null>>>;
  readonly touched: Box[];
}

function makeLayers(committed: CommittedState, pending: Iterable<readonly WireMap[]>): Layers {
  const rows = { neuron: new Map(), synapse: new Map(), annotation: new Map() };
  const layers: Layers = { bodies: new BodyOverlay(committed), rows, touched: [] };
  let unnamed = 0n;
  for (const ops of pending) for (const op of ops) applyOp(layers, op, () => --unnamed);
  return layers;
}

/** Whether all that an op does shows in the view before the server has answered. */
export function isPredicted(op: WireMap): boolean {
  switch (op['op']) {
    case 'merge':
    case 'cleave':
      return !namesNewIds(op);
    case 'put':
    case 'delete':
      return true;
    default:
      return false;
  }
}

/** Whether it names ids that ops before it will get from the server. */
function namesNewIds({ ids }: WireMap): boolean {
  return Array.isArray(ids) && readIds(ids).length < ids.length;
}

function applyOp({ bodies, rows, touched }: Layers, op: WireMap, nextKey: () => bigint): void {
  switch (op['op']) {
    case 'merge':
    case 'cleave': {
      if (namesNewIds(op)) return;
      const ids = readIds(op['ids']);
      if (op['op'] === 'merge') bodies.merge(ids);
      else bodies.cleave(ids);
      break;
    }
    case 'write':
    case 'split':
      touched.push(op['box'] as Box); // our own op
      break;
    case 'put': {
      const table = tableOf(op);
      if (table === undefined || !Array.isArray(op['rows'])) return;
      for (const row of op['rows'] as readonly WireMap[]) {
        const key = typeof row['key'] === 'bigint' ? row['key'] : nextKey();
        rows[table].set(key, { ...row, key });
      }
      break;
    }
    case 'delete': {
      const table = tableOf(op);
      if (table !== undefined) for (const key of readIds(op['keys'])) rows[table].set(key, null);
    }
  }
}

function tableOf(op: WireMap): TableName | undefined {
  return TABLES.find((table) => table === op['table']);
}

/** Boxes of mip 0 whose voxels ops will change. */
export function boxesOf(ops: readonly WireMap[]): Box[] {
  return ops.filter((op) => op['op'] === 'write' || op['op'] === 'split').map((op) => op['box'] as Box); // our own ops
}
