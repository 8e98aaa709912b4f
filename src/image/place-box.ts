/** Puts what was read from the disk where it belongs in an answer. */
import type { Box } from '../../protocol/volume.ts';
import { intersect } from '../query/box.ts';

/**
 * Copies the common part of two boxes, row by row.
 *
 * @param source voxels of `sourceBox`, x fastest; borrowed.
 * @param target voxels of `targetBox`, x fastest; written where the boxes meet.
 */
export function placeBox(
  source: Uint8Array,
  sourceBox: Box,
  target: Uint8Array,
  targetBox: Box,
  bytesPerVoxel: number,
): void {
  const common = intersect(sourceBox, targetBox);
  if (common === undefined) return;
  const sourceRow = (sourceBox[3] - sourceBox[0]) * bytesPerVoxel;
  const targetRow = (targetBox[3] - targetBox[0]) * bytesPerVoxel;
  const sourceRows = sourceBox[4] - sourceBox[1];
  const targetRows = targetBox[4] - targetBox[1];
  const sourceX = (common[0] - sourceBox[0]) * bytesPerVoxel;
  const targetX = (common[0] - targetBox[0]) * bytesPerVoxel;
  const wholeRows = sourceRow === targetRow && sourceRow === (common[3] - common[0]) * bytesPerVoxel;
  // Where whole rows are copied, those of a plane are one run.
  const runRows = wholeRows ? common[4] - common[1] : 1;
  const runBytes = wholeRows ? sourceRow * runRows : (common[3] - common[0]) * bytesPerVoxel;
  for (let z = common[2]; z < common[5]; z++)
    for (let y = common[1]; y < common[4]; y += runRows) {
      const from = ((z - sourceBox[2]) * sourceRows + (y - sourceBox[1])) * sourceRow + sourceX;
      const to = ((z - targetBox[2]) * targetRows + (y - targetBox[1])) * targetRow + targetX;
      target.set(source.subarray(from, from + runBytes), to);
    }
}
