/** Copying boxes of voxels between buffers: the inner loop of every cutout. */
import type { Box } from '../../protocol/volume.ts';
import { intersect } from './box.ts';

/** Rows up to this many bytes are copied word by word: a call of `set` costs more than the row. */
const SHORT_ROW_BYTES = 192;

/**
 * Copies the common part of two boxes.
 *
 * @param source voxels of `sourceBox`, x fastest.
 * @param target voxels of `targetBox`, x fastest; written where the boxes meet.
 */
export function copyBox(
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
  const sourcePlane = sourceRow * (sourceBox[4] - sourceBox[1]);
  const targetPlane = targetRow * (targetBox[4] - targetBox[1]);
  const rowBytes = (common[3] - common[0]) * bytesPerVoxel;
  const rows = common[4] - common[1];
  const from =
    (common[2] - sourceBox[2]) * sourcePlane +
    (common[1] - sourceBox[1]) * sourceRow +
    (common[0] - sourceBox[0]) * bytesPerVoxel;
  const to =
    (common[2] - targetBox[2]) * targetPlane +
    (common[1] - targetBox[1]) * targetRow +
    (common[0] - targetBox[0]) * bytesPerVoxel;
  const planes = common[5] - common[2];
  if (rowBytes === sourceRow && rowBytes === targetRow) {
    // Whole rows on both sides: each plane is one run.
    for (let z = 0; z < planes; z++)
      target.set(
        source.subarray(from + z * sourcePlane, from + z * sourcePlane + rowBytes * rows),
        to + z * targetPlane,
      );
    return;
  }
  const strides = { sourceRow, targetRow, sourcePlane, targetPlane, rowBytes, rows, planes };
  if (rowBytes <= SHORT_ROW_BYTES && copyShortRows(source, from, target, to, strides)) return;
  for (let z = 0; z < planes; z++) {
    let s = from + z * sourcePlane;
    let t = to + z * targetPlane;
    for (let y = 0; y < rows; y++, s += sourceRow, t += targetRow) target.set(source.subarray(s, s + rowBytes), t);
  }
}

interface Strides {
  readonly sourceRow: number;
  readonly targetRow: number;
  readonly sourcePlane: number;
  readonly targetPlane: number;
  readonly rowBytes: number;
  readonly rows: number;
  readonly planes: number;
}

/** Copies by words of 4 bytes; false where some row does not begin or end on a word. */
function copyShortRows(source: Uint8Array, from: number, target: Uint8Array, to: number, n: Strides): boolean {
  const s0 = source.byteOffset + from;
  const t0 = target.byteOffset + to;
  if ((s0 | t0 | n.sourceRow | n.targetRow | n.sourcePlane | n.targetPlane | n.rowBytes) & 3) return false;
  // Divided and not shifted: shifts are of 32 bits, and a large answer has more bytes than that counts.
  const sourceWords = new Int32Array(source.buffer, 0, Math.floor(source.buffer.byteLength / 4));
  const targetWords = new Int32Array(target.buffer, 0, Math.floor(target.buffer.byteLength / 4));
  const words = n.rowBytes / 4;
  const sourceStep = n.sourceRow / 4;
  const targetStep = n.targetRow / 4;
  for (let z = 0; z < n.planes; z++) {
    let s = (s0 + z * n.sourcePlane) / 4;
    let t = (t0 + z * n.targetPlane) / 4;
    for (let y = 0; y < n.rows; y++, s += sourceStep, t += targetStep)
      for (let i = 0; i < words; i++) targetWords[t + i] = sourceWords[s + i] as number;
  }
  return true;
}

/**
 * Fills a sampled box: target voxel (x, y, z) of `targetBox` is the source's voxel (x·step, y·step, z).
 *
 * @param targetBox in voxels of the sampled grid.
 */
export function sampleBox(
  source: Uint8Array,
  sourceBox: Box,
  target: Uint8Array,
  targetBox: Box,
  bytesPerVoxel: number,
  step: number,
): void {
  const sx = sourceBox[3] - sourceBox[0];
  const sy = sourceBox[4] - sourceBox[1];
  const tx = targetBox[3] - targetBox[0];
  const ty = targetBox[4] - targetBox[1];
  const x0 = Math.max(targetBox[0], Math.ceil(sourceBox[0] / step));
  const x1 = Math.min(targetBox[3], Math.ceil(sourceBox[3] / step));
  const y0 = Math.max(targetBox[1], Math.ceil(sourceBox[1] / step));
  const y1 = Math.min(targetBox[4], Math.ceil(sourceBox[4] / step));
  for (let z = Math.max(targetBox[2], sourceBox[2]); z < Math.min(targetBox[5], sourceBox[5]); z++)
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++) {
        const s =
          (((z - sourceBox[2]) * sy + (y * step - sourceBox[1])) * sx + (x * step - sourceBox[0])) * bytesPerVoxel;
        const t = (((z - targetBox[2]) * ty + (y - targetBox[1])) * tx + (x - targetBox[0])) * bytesPerVoxel;
        for (let b = 0; b < bytesPerVoxel; b++) target[t + b] = source[s + b] as number;
      }
}
