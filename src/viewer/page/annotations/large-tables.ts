/** Tables with very many rows: what of them is loaded, and how. Pure. */

import { mipBox } from '../../../../protocol/volume.ts';
import type { Box, ChannelInfo, EditFilter, Vec3 } from '../../../client/index.ts';
import { type Place, toVoxel } from '../stage.ts';

/** With more rows than this only those near the view are loaded. */
export const MANY_ROWS = 50_000;

/** What a channel is followed with where its rows are followed apart: everything but them. Rule [S12]. */
export const WITHOUT_ROWS: EditFilter = {
  kinds: ['merge', 'cleave', 'split', 'region', 'write', 'undo', 'meta'],
};

/** Rows of the tables that are shown. */
export function rowCount({ tables }: Pick<ChannelInfo, 'tables'>): number {
  return (tables['synapse'] ?? 0) + (tables['annotation'] ?? 0);
}

/** Whether only rows near the view are to be loaded. */
export function hasManyRows(info: Pick<ChannelInfo, 'tables'>): boolean {
  return rowCount(info) > MANY_ROWS;
}

/**
 * The box around the view whose rows are loaded: twice what is seen to each side, but no larger than holds about `MANY_ROWS` where rows lie
 * evenly; voxels of mip 0.
 *
 * @param place the middle of the view. @param size what is seen along an axis, nm.
 */
export function focusBox(info: ChannelInfo, place: Place, size: number): Box {
  const finest = info.mips[0];
  const [x0, y0, z0, x1, y1, z1] = finest === undefined ? [0, 0, 0, 1, 1, 1] : mipBox(finest);
  const shape: Vec3 = [x1 - x0, y1 - y0, z1 - z0];
  const voxel = finest?.voxel ?? [1, 1, 1];
  const share = Math.min(1, MANY_ROWS / Math.max(1, rowCount(info)));
  const edge = Math.cbrt(share * shape[0] * voxel[0] * shape[1] * voxel[1] * shape[2] * voxel[2]);
  const half = Math.max(Math.min(2 * size, edge / 2), 1);
  const middle = toVoxel(info, place);
  const range = (axis: 0 | 1 | 2, low: number, high: number): [number, number] => {
    const reach = half / voxel[axis];
    const from = Math.max(low, Math.min(high - 1, Math.floor(middle[axis] - reach)));
    return [from, Math.min(high, Math.max(from + 1, Math.ceil(middle[axis] + reach)))];
  };
  const [x, y, z] = [range(0, x0, x1), range(1, y0, y1), range(2, z0, z1)];
  return [x[0], y[0], z[0], x[1], y[1], z[1]];
}

/** Whether what is seen has come so near to the edge of what is loaded, or so small in it, that it is to be loaded anew. */
export function mustRefocus(loaded: Box | undefined, wanted: Box): boolean {
  if (loaded === undefined) return true;
  return ([0, 1, 2] as const).some((axis) => {
    const [from, to] = [loaded[axis], loaded[axis + 3] ?? 0];
    const [low, high] = [wanted[axis], wanted[axis + 3] ?? 0];
    const moved = Math.max(Math.abs(low - from), Math.abs(high - to));
    return moved > (to - from) / 4;
  });
}
