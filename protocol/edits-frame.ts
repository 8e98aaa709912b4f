/** The fixed prefix of EDITS: rule [S6]. */
import { FrameType } from './messages.ts';

/** Bytes before the array of edits. */
export const EDITS_PREFIX_BYTES = 27;

/** Writes the prefix into the first 27 bytes of a frame. */
export function writeEditsPrefix(frame: Uint8Array, sub: number, from: number, upto: number, flags: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, EDITS_PREFIX_BYTES);
  frame[0] = 0x96;
  frame[1] = FrameType.EDITS;
  frame[2] = 0xce;
  view.setUint32(3, sub);
  frame[7] = 0xcf;
  view.setBigUint64(8, BigInt(from));
  frame[16] = 0xcf;
  view.setBigUint64(17, BigInt(upto));
  frame[25] = 0xcc;
  frame[26] = flags;
}
