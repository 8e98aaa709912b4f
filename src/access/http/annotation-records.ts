/** Annotations as bytes. Source: Neuroglancer, src/datasource/precomputed/annotations.md */
import type { Row } from '../../../protocol/edit-ops.ts';

/** What is drawn. */
export type AnnotationShape = 'point' | 'line' | 'box' | 'ellipsoid';

const FLOATS: Readonly<Record<AnnotationShape, number>> = { point: 3, line: 6, box: 6, ellipsoid: 6 };
const U32 = 4;
const U64 = 8;
const NO_IDS: readonly bigint[] = [];

/** Whether a row has all that its shape takes, and is of that kind. */
export function isDrawn(row: Row, shape: AnnotationShape): boolean {
  return (row['kind'] ?? 'point') === shape && coordinatesOf(row)?.length === FLOATS[shape];
}

/** Ids of segments that a row is related to. */
export function relatedTo(row: Row, relationship: string): readonly bigint[] {
  if (relationship === 'segment') return [row.key];
  const ids = row[relationship === 'segments' ? 'ids' : relationship];
  if (typeof ids === 'bigint') return [ids];
  if (!Array.isArray(ids)) return NO_IDS;
  return ids.filter((id): id is bigint | number => typeof id === 'bigint' || typeof id === 'number').map(BigInt);
}

/**
 * Many annotations: their number, what is drawn of each, their keys.
 *
 * @param rows each `isDrawn`.
 */
export function encodeList(rows: readonly Row[], shape: AnnotationShape): Uint8Array {
  const size = FLOATS[shape] * U32;
  const bytes = new Uint8Array(U64 + rows.length * (size + U64));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(rows.length), true);
  rows.forEach((row, i) => {
    writeShape(view, U64 + i * size, row, shape);
    view.setBigUint64(U64 + rows.length * size + i * U64, row.key, true);
  });
  return bytes;
}

/** One annotation, and the segments it is related to. @param row `isDrawn`. */
export function encodeOne(row: Row, shape: AnnotationShape, relationships: readonly string[]): Uint8Array {
  const related = relationships.map((name) => relatedTo(row, name));
  const size = FLOATS[shape] * U32;
  const bytes = new Uint8Array(related.reduce((length, ids) => length + U32 + ids.length * U64, size));
  const view = new DataView(bytes.buffer);
  writeShape(view, 0, row, shape);
  let at = size;
  for (const ids of related) {
    view.setUint32(at, ids.length, true);
    at += U32;
    for (const id of ids) {
      view.setBigUint64(at, id, true);
      at += U64;
    }
  }
  return bytes;
}

function writeShape(view: DataView, at: number, row: Row, shape: AnnotationShape): void {
  const points = coordinatesOf(row) ?? [];
  const numbers = shape === 'box' ? cornersOf(points) : shape === 'ellipsoid' ? centreAndRadii(points) : points;
  numbers.forEach((number, i) => {
    view.setFloat32(at + U32 * i, number, true);
  });
}

/** The lower corner, then the upper one. */
function cornersOf(points: readonly number[]): readonly number[] {
  const [low, high] = [points.slice(0, 3), points.slice(3)];
  return [
    ...low.map((value, axis) => Math.min(value, high[axis] as number)),
    ...low.map((value, axis) => Math.max(value, high[axis] as number)),
  ];
}

/** Rows have the corners of an ellipsoid's bounding box. */
function centreAndRadii(points: readonly number[]): readonly number[] {
  const corners = cornersOf(points);
  const at = (axis: number, sign: 1 | -1): number =>
    ((corners[axis + 3] as number) + sign * (corners[axis] as number)) / 2;
  return [at(0, 1), at(1, 1), at(2, 1), at(0, -1), at(1, -1), at(2, -1)];
}

/** Coordinates of a row's points in voxels of mip 0; undefined where it has no place. */
function coordinatesOf(row: Row): readonly number[] | undefined {
  const flat = row['points'] ?? row['point'];
  if (!Array.isArray(flat)) return undefined;
  const numbers = flat.map(Number);
  return numbers.every(Number.isFinite) ? numbers : undefined;
}
