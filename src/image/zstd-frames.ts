/**
 * How much frames of Zstandard unpack to, without unpacking them: the library makes room for all of it, and never gives it back.
 *
 * Source: RFC 8878, 3.1
 */

const FRAME_MAGIC = 0xfd2f_b528;
/** Sixteen magics of frames that hold nothing. */
const SKIPPED_MAGIC = 0x184d_2a50;
const MAX_BLOCK_BYTES = 128 * 1024;
const BlockKind = { RAW: 0, REPEATED: 1, PACKED: 2 } as const;

/** What frames unpack to, bytes. */
export interface UnpackedSize {
  /** Surely so many. */
  readonly least: number;
  /** Surely no more. */
  readonly most: number;
}

/** Looks through the frames, as far as they are whole; where they are not, the library finds that out. */
export function zstdSize(bytes: Uint8Array): UnpackedSize {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let least = 0;
  let most = 0;
  for (let at = 0; at + 8 <= bytes.length; ) {
    const magic = view.getUint32(at, true);
    if (magic >>> 4 === SKIPPED_MAGIC >>> 4) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (magic !== FRAME_MAGIC) break;
    const frame = frameSize(view, at);
    least += frame.least;
    most += frame.most;
    at = frame.end;
  }
  return { least, most };
}

function frameSize(view: DataView, start: number): UnpackedSize & { readonly end: number } {
  const descriptor = view.getUint8(start + 4);
  const { told, end: blocks } = frameHead(view, start, descriptor);
  let at = blocks;
  let least = 0;
  let most = 0;
  for (let isLast = false; !isLast && at + 3 <= view.byteLength; ) {
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const kind = (head >> 1) & 3;
    const size = head >> 3;
    isLast = (head & 1) === 1;
    least += kind === BlockKind.PACKED ? 0 : size;
    most += kind === BlockKind.PACKED ? MAX_BLOCK_BYTES : size;
    at += 3 + (kind === BlockKind.REPEATED ? 1 : size);
  }
  const hasChecksum = (descriptor & 4) !== 0;
  // The library holds a frame to what it tells of itself.
  return { least: told ?? least, most: told ?? most, end: at + (hasChecksum ? 4 : 0) };
}

/** What the frame tells of its length, where it does, and where its blocks begin. */
function frameHead(view: DataView, start: number, descriptor: number): { told: number | undefined; end: number } {
  const isSingle = (descriptor & 0x20) !== 0;
  const at = start + 5 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const width = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const end = at + width;
  if (width === 0 || end > view.byteLength) return { told: undefined, end };
  if (width === 1) return { told: view.getUint8(at), end };
  if (width === 2) return { told: view.getUint16(at, true) + 256, end };
  return { told: width === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true)), end };
}
