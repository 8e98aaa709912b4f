/** Rows of tables as they come on the wire, and as they are kept: ids are bigints, bytes are owned. Rules [E6], [E7]. */
import { ANNOTATION_KINDS, badOp, type NewRow, type Row, type TableName } from './edit-ops.ts';
import { badField, readArray, readId64, readMap } from './fields.ts';
import type { WireMap } from './messages.ts';

/** Fields of rows that are one id. */
const ID_FIELDS = ['key', 'pre', 'post'] as const;
/** Numbers that the points of an annotation are made of, by kind; a polyline has at least two points. */
const POINT_NUMBERS: Readonly<Record<string, number>> = { point: 3, line: 6, box: 6, ellipsoid: 6 };

/**
 * A list of ids: an array of integers, or `bin` of little-endian u64. Rule [F15].
 *
 * @throws BflyError BAD_REQUEST.
 */
export function readIds(value: unknown, field: string): bigint[] {
  if (value instanceof Uint8Array) {
    if (value.length % 8 !== 0) throw badField(field, 'an array of ids, or bin of whole u64');
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return Array.from({ length: value.length / 8 }, (_, i) => view.getBigUint64(8 * i, true));
  }
  return readArray(value, field, Number.POSITIVE_INFINITY).map((id) => readId64(id, field));
}

/** A copy of a decoded value that shares no bytes with the frame it came in. NaN is refused. @throws BflyError BAD_REQUEST */
export function ownValue(value: unknown, field: string): unknown {
  if (typeof value === 'number' && Number.isNaN(value)) throw badField(field, 'free of NaN');
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map((part) => ownValue(part, field));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, ownValue(part, field)]));
}

/** A row as it is kept, of one that is known to be good: from the log, a file or a server. @throws BflyError BAD_REQUEST where an id is none. */
export function readRow(value: unknown): Row {
  const row = normalRow(readMap(value, 'row'));
  if (row.key === undefined) throw badField('row.key', 'an id');
  return { ...row, key: row.key };
}

/** Turns the ids of a row into bigints and copies the rest. */
function normalRow(map: WireMap): NewRow {
  const row: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(map)) {
    if (value === undefined || (name === 'key' && value === null)) continue;
    const isId = ID_FIELDS.some((field) => field === name);
    if (isId) row[name] = readId64(value, name);
    else if (name === 'ids' && value !== null) row[name] = readIds(value, name);
    else row[name] = ownValue(value, name);
  }
  return row;
}

/**
 * A row of a `put`, checked.
 *
 * @param index the op's, for the error. @throws BflyError BAD_REQUEST with the op's index and the field of the row.
 */
export function parseRow(value: unknown, table: TableName, index: number, place: number): NewRow {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw badOp(index, 'rows', `must hold maps; row ${place} is none`);
  const map = readMap(value, 'row');
  const bad = (field: string, legal: string): Error => badOp(index, field, `of row ${place} must be ${legal}`);
  checkFields(map, table, bad);
  for (const field of Object.keys(map)) if (holdsNaN(map[field])) throw bad(field, 'free of NaN');
  return normalRow(map);
}

type Bad = (field: string, legal: string) => Error;

function checkFields(map: WireMap, table: TableName, bad: Bad): void {
  for (const field of ID_FIELDS) {
    const isNeeded = field === 'key' ? table === 'neuron' : table === 'synapse';
    const isUnset = map[field] === undefined || map[field] === null;
    if (isUnset ? isNeeded : !isId(map[field])) throw bad(field, 'an id, an integer from 0 to 2^64-1');
  }
  if (table !== 'annotation') {
    if (!isNumbers(map['point']) || map['point'].length !== 3) throw bad('point', 'three finite numbers [x, y, z]');
    if (table === 'neuron' && !isText(map['name'])) throw bad('name', 'a string');
    return;
  }
  const kind = ANNOTATION_KINDS.find((name) => name === map['kind']);
  if (kind === undefined) throw bad('kind', `one of ${ANNOTATION_KINDS.join(', ')}`);
  const points = map['points'];
  const count = POINT_NUMBERS[kind];
  const isGood =
    isNumbers(points) &&
    (count === undefined ? points.length >= 6 && points.length % 3 === 0 : points.length === count);
  if (!isGood)
    throw bad('points', `finite numbers [x, y, z, x, y, z, …], ${count ?? '6 or more'} of them for a ${kind}`);
  if (!isText(map['text'])) throw bad('text', 'a string');
  if (!isText(map['author'])) throw bad('author', 'a string');
  const { time, ids } = map;
  if (time !== undefined && time !== null && !(Number.isSafeInteger(time) && Number(time) >= 0))
    throw bad('time', 'milliseconds since 1970, an integer');
  const isList = ids instanceof Uint8Array ? ids.length % 8 === 0 : Array.isArray(ids) && ids.every(isId);
  if (ids !== undefined && ids !== null && !isList) throw bad('ids', 'an array of ids, or bin of whole u64');
}

function isId(value: unknown): boolean {
  if (typeof value === 'bigint') return value >= 0n && value < 1n << 64n;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => typeof n === 'number' && Number.isFinite(n));
}

function isText(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string';
}

function holdsNaN(value: unknown): boolean {
  if (typeof value === 'number') return Number.isNaN(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  return Object.values(value).some(holdsNaN);
}
