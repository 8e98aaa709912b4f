/** Where an edit was made. Pure. */
import { type Box, type ChannelInfo, type EditEvent, type MipInfo, readIds, type Vec3 } from '../../../client/index.ts';

/** What an edit itself tells of its place: a voxel of mip 0, in its middle; else the segments that it is about. */
export type ToldPlace = { readonly voxel: Vec3 } | { readonly ids: readonly bigint[] };

type Fields = Readonly<Record<string, unknown>>;

/** Ids that are looked for. */
const MOST_IDS = 64;

/** @returns undefined where it has no place, such as metadata. */
export function toldPlace({ ops, changes, results }: EditEvent): ToldPlace | undefined {
  const boxes = (changes.touched ?? []).flatMap(([mip, box]) => (mip === 0 ? [box] : []));
  const opBoxes = ops.flatMap((op) => (isBox(op['box']) ? [op['box']] : []));
  const box = union(boxes.length > 0 ? boxes : opBoxes);
  if (box !== undefined) return { voxel: middle(box) };
  const rows = [...Object.values(changes.rows ?? {}).flat(), ...ops.flatMap((op) => rowsOf(op))];
  for (const row of rows) {
    const voxel = voxelOf(row as Fields);
    if (voxel !== undefined) return { voxel };
  }
  const named = ops.flatMap((op) => [...readIds(op['ids']), ...readIds([op['id']])]);
  const roots = results.flatMap((result) => readIds([(result as Fields | null)?.['root']]));
  const moved = [...readIds(changes.joined), ...(changes.parted ?? []).map(([root]) => root)];
  const ids = [...new Set([...named, ...roots, ...moved])].filter((id) => id !== 0n).slice(0, MOST_IDS);
  return ids.length === 0 ? undefined : { ids };
}

function rowsOf(op: Fields): readonly unknown[] {
  return Array.isArray(op['rows']) ? op['rows'] : [];
}

/** The first point of a row; the middle of the first two. */
function voxelOf({ points, point }: Fields): Vec3 | undefined {
  const at = Array.isArray(points) ? points : point;
  if (!Array.isArray(at) || at.length < 3) return undefined;
  const [x = 0, y = 0, z = 0, x2 = x, y2 = y, z2 = z] = at.map(Number);
  const voxel = [(x + x2) / 2, (y + y2) / 2, (z + z2) / 2] as const;
  return voxel.every(Number.isFinite) ? voxel : undefined;
}

function isBox(value: unknown): value is Box {
  return Array.isArray(value) && value.length === 6 && value.every((part) => Number.isFinite(Number(part)));
}

function union(boxes: readonly Box[]): Box | undefined {
  const [first, ...rest] = boxes;
  if (first === undefined) return undefined;
  const box: [number, number, number, number, number, number] = [...first];
  for (const other of rest)
    for (let axis = 0; axis < 3; axis++) {
      box[axis] = Math.min(box[axis] ?? 0, other[axis] ?? 0);
      box[axis + 3] = Math.max(box[axis + 3] ?? 0, other[axis + 3] ?? 0);
    }
  return box;
}

function middle([x0, y0, z0, x1, y1, z1]: Box): Vec3 {
  return [(x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2];
}

/** The finest level of which so many bytes are all; undefined where even the coarsest has more. */
export function wholeLevel(
  { mips }: Pick<ChannelInfo, 'mips'>,
  voxelBytes: number,
  maxBytes: number,
): number | undefined {
  const fits = ({ shape: [x, y, z] }: MipInfo): boolean => x * y * z * voxelBytes <= maxBytes;
  const found = mips.findIndex(fits);
  return found < 0 ? undefined : found;
}

/**
 * A voxel of one of some ids: the first of them that is there, at the voxel that is nearest to the middle of all that have it.
 *
 * @param data borrowed, x fastest. @param shape along x, y, z. @returns its coordinates in the array.
 */
export function voxelOfIds(data: ArrayLike<number | bigint>, shape: Vec3, ids: readonly bigint[]): Vec3 | undefined {
  const [sx, sy] = shape;
  const isBig = typeof data[0] === 'bigint';
  const rank = new Map<number | bigint, number>(ids.map((id, i) => [isBig ? id : Number(id), i]));
  const sums = ids.map(() => ({ n: 0, x: 0, y: 0, z: 0 }));
  for (let i = 0; i < data.length; i++) {
    const sum = sums[rank.get(data[i] ?? 0) ?? -1];
    if (sum === undefined) continue;
    sum.n++;
    sum.x += i % sx;
    sum.y += Math.floor(i / sx) % sy;
    sum.z += Math.floor(i / (sx * sy));
  }
  const found = sums.findIndex(({ n }) => n > 0);
  const { n = 0, x = 0, y = 0, z = 0 } = sums[found] ?? {};
  if (n === 0) return undefined;
  return nearest(data, shape, isBig ? (ids[found] ?? 0n) : Number(ids[found]), [x / n, y / n, z / n]);
}

function nearest(data: ArrayLike<number | bigint>, shape: Vec3, id: number | bigint, to: Vec3): Vec3 {
  const [sx, sy] = shape;
  let best = Number.POSITIVE_INFINITY;
  let at: Vec3 = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== id) continue;
    const [x, y, z] = [i % sx, Math.floor(i / sx) % sy, Math.floor(i / (sx * sy))];
    const distance = (x - to[0]) ** 2 + (y - to[1]) ** 2 + (z - to[2]) ** 2;
    if (distance >= best) continue;
    best = distance;
    at = [x, y, z];
  }
  return at;
}
