/**
 * A page of base rows. Little-endian; the columns stand one after the other, `n` values each.
 *
 * | offset | size | meaning                                        |
 * |--------|------|------------------------------------------------|
 * | 0      | 4    | n, number of rows                              |
 * | 4      | 4    | number of id columns: 1 key, or 3 key, pre, post |
 * | 8      | 8 n each | the id columns, u64                        |
 * |        | 8 n each | x, y, z, float64                           |
 */
import { idColumns, type RowColumns } from './table-columns.ts';

/** Most rows of a page: with three ids they fill four pages of LMDB. */
export const PAGE_ROWS = 336;
const HEADER_BYTES = 8;

/** Writes rows `from` up to `to`; owned. */
export function encodePage(columns: RowColumns, from: number, to: number): Uint8Array {
  const ids = idColumns(columns);
  const rows = to - from;
  const page = new Uint8Array(HEADER_BYTES + 8 * rows * (ids.length + 3));
  new Uint32Array(page.buffer, 0, 2).set([rows, ids.length]);
  let at = HEADER_BYTES;
  for (const column of [...ids, columns.x, columns.y, columns.z]) {
    page.set(new Uint8Array(column.buffer, column.byteOffset + 8 * from, 8 * rows), at);
    at += 8 * rows;
  }
  return page;
}

/** Reads a page: columns are views of its bytes, or of a copy where they do not stand right for that. */
export function decodePage(bytes: Uint8Array): RowColumns {
  const page = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
  const { buffer, byteOffset } = page;
  const [rows = 0, ids = 1] = new Uint32Array(buffer, byteOffset, 2);
  const at = (column: number): number => byteOffset + HEADER_BYTES + 8 * rows * column;
  const id = (column: number): BigUint64Array => new BigUint64Array(buffer, at(column), rows);
  const points = {
    x: new Float64Array(buffer, at(ids), rows),
    y: new Float64Array(buffer, at(ids + 1), rows),
    z: new Float64Array(buffer, at(ids + 2), rows),
  };
  return ids === 1 ? { key: id(0), ...points } : { key: id(0), pre: id(1), post: id(2), ...points };
}
