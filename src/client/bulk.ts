/** Voxels of an edit as BULK frames, cut like tiles. Rules [E12], [D20], [D21]. */
import { BULK_TYPE, type Bulk, boxShape, TileFlag } from '../../protocol/index.ts';
import type { BulkVoxels } from './edit-input.ts';

/**
 * The frames of one BULK, in their order.
 *
 * @param wseq of the EDIT that names it. @param frame most bytes of payload in a frame.
 * @returns messages whose payloads are views of the voxels.
 */
export function bulkFrames({ bulk, box, bytes }: BulkVoxels, wseq: number, frame: number): Bulk[] {
  const [sizeX, sizeY] = boxShape(box);
  const frames: Bulk[] = [];
  for (let at = 0; at < bytes.length; at += frame) {
    const payload = bytes.subarray(at, at + frame);
    const isLast = at + payload.length === bytes.length;
    const header = {
      type: BULK_TYPE,
      id: bulk,
      flags: (at > 0 ? TileFlag.CONT : 0) | (isLast ? TileFlag.LAST : 0),
      item: 0,
      seq: wseq,
      mip: 0,
      x: box[0],
      y: box[1],
      z: box[2],
      encoding: 0,
      rawLength: at === 0 ? bytes.length : at,
      crc32: 0,
      sizeX,
      sizeY,
      length: payload.length,
    } as const;
    frames.push({ kind: 'BULK', id: bulk, header, payload });
  }
  return frames;
}
