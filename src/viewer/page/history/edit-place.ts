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
 * A voxel of one of some ids: of that with the fewest voxels, which is what was added to or taken from a larger one, where it is nearest to the
 * middle of them.
 *
 * @param data borrowed, x fastest. @param shape along x, y, z. @returns its coordinates in the array.
 */
export function voxelOfIds(data: ArrayLike<number | bigint>, shape: Vec3, ids: readonly bigint[]): Vec3 | undefined {
  const wanted = ids.map((id) => (typeof data[0] === 'bigint' ? id : Number(id)));
  const ranks = new Map(wanted.map((id, rank) => [id, rank]));
  const sums = wanted.map(() => ({ n: 0, x: 0, y: 0, z: 0 }));
  // Neighbours mostly have the same value.
  let last: number | bigint | undefined;
  let sum: (typeof sums)[number] | undefined;
  forEachVoxel(shape, (i, x, y, z) => {
    const value = data[i] ?? 0;
    if (value !== last) {
      last = value;
      sum = sums[ranks.get(value) ?? -1];
    }
    if (sum === undefined) return;
    sum.n++;
    sum.x += x;
    sum.y += y;
    sum.z += z;
  });
  const fewest = sums.reduce((least, { n }) => (n > 0 ? Math.min(least, n) : least), Number.POSITIVE_INFINITY);
  const found = sums.findIndex(({ n }) => n === fewest);
  const [id, all] = [wanted[found], sums[found]];
  if (id === undefined || all === undefined) return undefined;
  return nearest(data, shape, id, [all.x / all.n, all.y / all.n, all.z / all.n]);
}

function nearest(data: ArrayLike<number | bigint>, shape: Vec3, id: number | bigint, to: Vec3): Vec3 {
  let best = Number.POSITIVE_INFINITY;
  let at: Vec3 = [0, 0, 0];
  forEachVoxel(shape, (i, x, y, z) => {
    if (data[i] !== id) return;
    const distance = (x - to[0]) ** 2 + (y - to[1]) ** 2 + (z - to[2]) ** 2;
    if (distance >= best) return;
    best = distance;
    at = [x, y, z];
  });
  return at;
}

function forEachVoxel([sx, sy, sz]: Vec3, visit: (i: number, x: number, y: number, z: number) => void): void {
  let i = 0;
  for (let z = 0; z < sz; z++) for (let y = 0; y < sy; y++) for (let x = 0; x < sx; x++) visit(i++, x, y, z);
}
