/** Rows of the tables that files hold, as columns: an object for each of a million rows would be too much. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Row } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';

/** Tables that may have rows from files; annotations come from edits alone. */
export const BASE_TABLES = ['neuron', 'synapse'] as const;
/** Name of such a table. */
export type BaseTableName = (typeof BASE_TABLES)[number];

/** Points, one for each row: voxels of mip 0, fractions allowed. */
export interface PointColumns {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
}

/** Rows of a table; all columns have the same length. `pre` and `post` are there for synapses alone. */
export interface RowColumns extends PointColumns {
  readonly key: BigUint64Array;
  readonly pre?: BigUint64Array;
  readonly post?: BigUint64Array;
}

/** Ends of a synapse: each is the id of a segment. */
export const SYNAPSE_ENDS = ['pre', 'post'] as const;
/** Name of such an end. */
export type SynapseEnd = (typeof SYNAPSE_ENDS)[number];

/** Rows of synapses. */
export interface SynapseColumns extends RowColumns {
  readonly pre: BigUint64Array;
  readonly post: BigUint64Array;
}

/** Id columns of a table, in the order in which pages have them; the first is the key. */
export function idColumns(columns: RowColumns): readonly BigUint64Array[] {
  const { key, pre, post } = columns;
  return pre === undefined || post === undefined ? [key] : [key, pre, post];
}

/** A row as an object of its own. */
export function rowAt(columns: RowColumns, index: number): Row {
  const { key, pre, post, x, y, z } = columns;
  // The index is inside, so every column has a value there.
  const point = [x[index] as number, y[index] as number, z[index] as number];
  if (pre === undefined || post === undefined) return { key: key[index] as bigint, point };
  return { key: key[index] as bigint, pre: pre[index] as bigint, post: post[index] as bigint, point };
}

/** New columns for `length` rows, zeros. */
export function newColumns(table: BaseTableName, length: number): RowColumns {
  const points = { x: new Float64Array(length), y: new Float64Array(length), z: new Float64Array(length) };
  const key = new BigUint64Array(length);
  if (table === 'neuron') return { key, ...points };
  return { key, pre: new BigUint64Array(length), post: new BigUint64Array(length), ...points };
}

/** Columns without rows. */
export const NO_SYNAPSES = newColumns('synapse', 0) as SynapseColumns;

/** The 64-bit values of a column as pairs of 32-bit ones, low half first: they can be copied and compared without an object for each. */
export function halvesOf(column: BigUint64Array | Float64Array): Uint32Array {
  return new Uint32Array(column.buffer, column.byteOffset, 2 * column.length);
}

/** The rows that `order` names, in its order, one turn of the event loop for each column; owned. */
export async function pick(columns: RowColumns, order: Uint32Array): Promise<RowColumns> {
  const picked = newColumns(columns.pre === undefined ? 'neuron' : 'synapse', order.length);
  const from = [...idColumns(columns), columns.x, columns.y, columns.z].map(halvesOf);
  const to = [...idColumns(picked), picked.x, picked.y, picked.z].map(halvesOf);
  for (const [c, source] of from.entries()) {
    const target = to[c] as Uint32Array; // both have the same columns
    for (let i = 0; i < order.length; i++) {
      const at = 2 * (order[i] as number);
      target[2 * i] = source[at] as number;
      target[2 * i + 1] = source[at + 1] as number;
    }
    await nextTurn();
  }
  return picked;
}

/**
 * Columns of a few rows.
 *
 * @throws BflyError BAD_REQUEST naming the row and field that a table's rows cannot have.
 */
export function columnsOf(table: BaseTableName, rows: readonly Row[]): RowColumns {
  const columns = newColumns(table, rows.length);
  rows.forEach((row, i) => {
    idColumns(columns).forEach((column, c) => {
      column[i] = checkId(row[ID_FIELDS[c] as string], `${table} row ${i}: ${ID_FIELDS[c]}`);
    });
    const point = row['point'];
    if (!Array.isArray(point) || point.length !== 3)
      throw new BflyError('BAD_REQUEST', `${table} row ${i}: point must be three numbers [x, y, z]`);
    [columns.x, columns.y, columns.z].forEach((column, axis) => {
      column[i] = checkCoordinate(point[axis], `${table} row ${i}: point`);
    });
  });
  return columns;
}

const ID_FIELDS = ['key', 'pre', 'post'] as const;
const TWO_64 = 1n << 64n;

/** An id of a row. @throws BflyError BAD_REQUEST */
export function checkId(value: unknown, field: string): bigint {
  if (typeof value === 'bigint' && value >= 0n && value < TWO_64) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new BflyError('BAD_REQUEST', `${field} must be an integer from 0 to 2^64-1, not ${shown(value)}`);
}

/** A coordinate of a row: positions of boxes are i32, so what is beyond could never be found. @throws BflyError BAD_REQUEST */
export function checkCoordinate(value: unknown, field: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Math.abs(number) < 2 ** 31) return number;
  throw new BflyError('BAD_REQUEST', `${field} must be a number of voxels between -2^31 and 2^31, not ${shown(value)}`);
}

/** A value in a message, cut where it is long. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
