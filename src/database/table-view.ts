/** What can be read of tables, with edits or without, and Butterfly's eight questions to them. Source: parity.md 4.3. */
import type { Row, TableName } from '../../protocol/edit-ops.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import type { BaseTables } from './channel-tables.ts';
import { ALL_SPACE, type SpaceBox } from './spatial-index.ts';
import type { SynapseEnd } from './table-columns.ts';

/** Tables to read. */
export interface TableView {
  row(table: TableName, key: bigint): Row | undefined;
  has(table: TableName, key: bigint): boolean;
  /** Rows with keys above `after` (undefined: from the first), ascending, some at a time. */
  rowsBehind(table: TableName, after: bigint | undefined): Iterable<readonly Row[]>;
  /** Rows that meet a box, each once, some at a time, in no order. */
  search(table: TableName, box: SpaceBox): Iterable<readonly Row[]>;
  /** Synapses that may have a segment at one of their ends, each once, some at a time, in no order: look at each. */
  mayJoin(end: SynapseEnd, segment: bigint): Iterable<readonly Row[]>;
}

/** Rows as files have them. */
export function baseView(base: BaseTables): TableView {
  const of = (table: TableName) => (table === 'annotation' ? undefined : base[table]);
  return {
    row: (table, key) => of(table)?.row(key),
    has: (table, key) => of(table)?.has(key) === true,
    rowsBehind: (table, after) => of(table)?.pagesOfRows(after) ?? [],
    search: (table, box) => of(table)?.search(box) ?? [],
    mayJoin: (end, segment) => base.synapse?.rowsOf(end, segment) ?? [],
  };
}

/** Where a row is, in voxels `scale` times as large, rounded down; undefined where there is no such row, or it has no point. */
export function keypoint(view: TableView, table: TableName, key: bigint, scale: Vec3 = [1, 1, 1]): Vec3 | undefined {
  const point = view.row(table, key)?.['point'];
  if (!Array.isArray(point) || point.length !== 3) return undefined;
  const at = (axis: 0 | 1 | 2): number => Math.floor(Number(point[axis]) / scale[axis]);
  return [at(0), at(1), at(2)];
}

/** The neurons that a synapse joins. */
export function synapseParent(
  view: TableView,
  key: bigint,
): { readonly pre: bigint; readonly post: bigint } | undefined {
  const row = view.row('synapse', key);
  return row === undefined ? undefined : { pre: idOf(row, 'pre'), post: idOf(row, 'post') };
}

/** What a neuron is to a synapse: 0 nothing, 1 pre, 2 post, 3 both. */
export function roleIn(synapse: Row, neuron: bigint): number {
  return Number(idOf(synapse, 'pre') === neuron) + 2 * Number(idOf(synapse, 'post') === neuron);
}

/** Synapses of a neuron in a box, ascending, and what it is to each. */
export function neuronChildren(view: TableView, neuron: bigint, box: SpaceBox = ALL_SPACE): Map<bigint, number> {
  const roles: [bigint, number][] = [];
  for (const rows of view.search('synapse', box))
    for (const row of rows) if (roleIn(row, neuron) !== 0) roles.push([row.key, roleIn(row, neuron)]);
  return new Map(roles.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Synapses in a box, ascending; owned. */
export function synapseIds(view: TableView, box: SpaceBox = ALL_SPACE): BigUint64Array {
  const ids: bigint[] = [];
  for (const rows of view.search('synapse', box)) for (const { key } of rows) ids.push(key);
  return BigUint64Array.from(ids).sort();
}

/** All neurons, ascending; owned. */
export function allNeurons(view: TableView): BigUint64Array {
  const ids: bigint[] = [];
  for (const rows of view.rowsBehind('neuron', undefined)) for (const { key } of rows) ids.push(key);
  return BigUint64Array.from(ids);
}

function idOf(row: Row, field: 'pre' | 'post'): bigint {
  const id = row[field];
  return typeof id === 'bigint' ? id : -1n;
}
