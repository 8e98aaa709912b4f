/** Placing something new, click by click. Pure. */
import { mipBox } from '../../../../protocol/volume.ts';
import type { ChannelInfo, Vec3 } from '../../../client/index.ts';
import { type Place, toPlace, toVoxel } from '../stage.ts';

/** What can be placed. */
export const PLACED_KINDS = ['point', 'line', 'box', 'synapse'] as const;
/** Name of such a kind. */
export type PlacedKind = (typeof PLACED_KINDS)[number];

/** Clicks that a kind takes. */
export const CLICKS: Readonly<Record<PlacedKind, number>> = { point: 1, line: 2, box: 2, synapse: 2 };

/** What is said before each click. */
export const HINTS: Readonly<Record<PlacedKind, readonly string[]>> = {
  point: ['Click on a slice to place a point'],
  line: ['Click on a slice where the line begins', 'Click where the line ends'],
  box: ['Click on a slice on one corner of the box', 'Click on the opposite corner; another slice makes it deeper'],
  synapse: ['Click on the presynaptic place', 'Click on the postsynaptic place'],
};

/**
 * The points of what was clicked, nm.
 *
 * A box holds whole voxels, at least the one that was clicked on: two clicks on one slice make a box that is one voxel deep.
 */
export function placedPoints(kind: PlacedKind, clicks: readonly Place[], info: ChannelInfo): readonly Place[] {
  const [a, b] = clicks;
  if (kind !== 'box' || a === undefined || b === undefined) return clicks;
  const [from, to] = [toVoxel(info, a), toVoxel(info, b)];
  const low: Vec3 = [0, 1, 2].map((axis) => Math.floor(Math.min(from[axis] ?? 0, to[axis] ?? 0))) as unknown as Vec3; // three axes
  const high: Vec3 = [0, 1, 2].map(
    (axis) => Math.floor(Math.max(from[axis] ?? 0, to[axis] ?? 0)) + 1,
  ) as unknown as Vec3;
  return [toPlace(info, low), toPlace(info, high)];
}

/** Whether a place lies in a channel. */
export function isInVolume(info: ChannelInfo, place: Place): boolean {
  const [finest] = info.mips;
  if (finest === undefined) return false;
  const [x0, y0, z0, x1, y1, z1] = mipBox(finest);
  const [x, y, z] = toVoxel(info, place);
  return x >= x0 && y >= y0 && z >= z0 && x < x1 && y < y1 && z < z1;
}

/** A place that was moved along a slice, nm. */
export function movedBy(place: Place, from: Place, to: Place): Place {
  return [place[0] + to[0] - from[0], place[1] + to[1] - from[1], place[2] + to[2] - from[2]];
}
