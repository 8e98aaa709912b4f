/** Rows of tables as shapes in the view, and shapes as rows. Rules [E6], [E7]. Pure. */
import type { ChannelInfo, Row, RowInput, Vec3 } from '../../../client/index.ts';
import { type Place, toPlace, toVoxel } from '../stage.ts';

/** Tables whose rows are shown. */
export const SHOWN_TABLES = ['annotation', 'synapse'] as const;
/** Name of such a table. */
export type ShownTable = (typeof SHOWN_TABLES)[number];

/** What can be drawn. A synapse is an arrow from its pre- to its postsynaptic place. */
export const SHAPE_KINDS = ['point', 'line', 'box', 'synapse', 'ellipsoid', 'polyline'] as const;
/** Name of such a kind. */
export type ShapeKind = (typeof SHAPE_KINDS)[number];

/** A row that has a place. Never changed once it is made. */
export interface Shape {
  readonly table: ShownTable;
  /** Below 0 while the server has not answered. */
  readonly key: bigint;
  readonly kind: ShapeKind;
  /** Nanometres; of a box and an ellipsoid two opposite corners; of a synapse one or two (pre, post). At least one. */
  readonly points: readonly Place[];
  /** Lower and upper corner of all points, nm. */
  readonly low: Place;
  readonly high: Place;
  readonly row: Row;
}

/** Names a shape of the view. */
export interface ShapeName {
  readonly path: string;
  readonly table: ShownTable;
  readonly key: bigint;
}

/** A name without what else whoever gave it knows. */
export function bareName({ path, table, key }: ShapeName): ShapeName {
  return { path, table, key };
}

/** Whether two names are of one shape. */
export function isSameName(a: ShapeName | undefined, b: ShapeName | undefined): boolean {
  return a !== undefined && b !== undefined && a.path === b.path && a.table === b.table && a.key === b.key;
}

/** How many points a kind has; at least so many where it may have more. */
const POINTS: Readonly<Record<ShapeKind, number>> = {
  point: 1,
  line: 2,
  box: 2,
  synapse: 1,
  ellipsoid: 2,
  polyline: 2,
};

/** A row as a shape; undefined where it has no place that could be drawn. */
export function shapeOf(table: ShownTable, row: Row, info: ChannelInfo): Shape | undefined {
  const kind = table === 'synapse' ? 'synapse' : kindOf(row['kind']);
  const flat = table === 'synapse' ? endsOf(row) : numbers(row['points'] ?? row['point']);
  if (kind === undefined || flat === undefined || flat.length < 3) return undefined;
  const points: Place[] = [];
  for (let at = 0; at + 2 < flat.length; at += 3)
    points.push(toPlace(info, [flat[at] ?? 0, flat[at + 1] ?? 0, flat[at + 2] ?? 0]));
  if (points.length < POINTS[kind]) return undefined;
  return { table, key: row.key, kind, points, ...boundsOf(points), row };
}

/** The row of a new shape, without key. `points`: nm. `more`: other fields, such as `text`, or `pre` and `post` of a synapse. */
export function rowOf(
  kind: ShapeKind,
  points: readonly Place[],
  info: ChannelInfo,
  more: Readonly<Record<string, unknown>> = {},
): RowInput {
  const voxels = points.map((place) => exact(toVoxel(info, place)));
  if (kind !== 'synapse') return { kind, points: voxels.flat(), ...more };
  return { ...synapsePlaces(voxels), ...more };
}

/** The row of a shape that was moved: what else it held stays. */
export function movedRow(shape: Shape, points: readonly Place[], info: ChannelInfo): RowInput {
  const { point: _point, ...rest } = shape.row;
  const voxels = points.map((place) => exact(toVoxel(info, place)));
  if (shape.kind === 'synapse') return { ...shape.row, ...synapsePlaces(voxels) };
  return { ...rest, points: voxels.flat() };
}

/** A synapse is where the middle between its ends is; the ends stand beside it. */
function synapsePlaces(voxels: readonly Vec3[]): Readonly<Record<string, unknown>> {
  const [pre = [0, 0, 0], post] = voxels;
  if (post === undefined) return { point: pre };
  const point = exact([(pre[0] + post[0]) / 2, (pre[1] + post[1]) / 2, (pre[2] + post[2]) / 2]);
  return { point, prePoint: pre, postPoint: post };
}

/** A thousandth of a voxel is finer than anybody can point. */
function exact([x, y, z]: Vec3): [number, number, number] {
  const round = (value: number): number => Math.round(value * 1_000) / 1_000;
  return [round(x), round(y), round(z)];
}

/** Coordinates of the ends of a synapse; of its one point where the ends are not told. */
function endsOf(row: Row): readonly number[] | undefined {
  const pre = numbers(row['prePoint']);
  const post = numbers(row['postPoint']);
  return pre?.length === 3 && post?.length === 3 ? [...pre, ...post] : numbers(row['point']);
}

function kindOf(value: unknown): ShapeKind | undefined {
  if (value === undefined) return 'point';
  return SHAPE_KINDS.find((kind) => kind === value && kind !== 'synapse');
}

function numbers(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  // Integers beyond 2³² come as bigints.
  const flat = value.map(Number);
  return flat.every(Number.isFinite) ? flat : undefined;
}

/** Lower and upper corner. */
export function boundsOf(points: readonly Place[]): { low: Place; high: Place } {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (const place of points)
    for (const axis of [0, 1, 2] as const) {
      low[axis] = Math.min(low[axis], place[axis]);
      high[axis] = Math.max(high[axis], place[axis]);
    }
  return { low, high };
}

/** The middle of a shape, nm. */
export function middleOf({ low, high }: Pick<Shape, 'low' | 'high'>): Place {
  return [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2];
}

/** What was written of a shape; '' where nothing was. */
export function textOf({ row }: Pick<Shape, 'row'>): string {
  return typeof row['text'] === 'string' ? row['text'] : '';
}

/** Id of who made it; '' where it is not known. */
export function authorOf({ row }: Pick<Shape, 'row'>): string {
  return typeof row['author'] === 'string' ? row['author'] : '';
}

/** Name of a shape among those of a channel. */
export function nameOf({ table, key }: Pick<Shape, 'table' | 'key'>): string {
  return `${table}:${key}`;
}
