/**
 * TILE and BULK: legal MessagePack arrays of 14 whose fields stand at constant offsets, so that a header is written in
 * place in front of cached bytes and a payload is read as a typed array without a copy. Layout: SPEC rule [D20].
 *
 * The store keeps every tile as such a frame (id 0, item 0), so a stored tile goes to the socket with two integers rewritten.
 */

/** Bytes in front of the payload. */
export const TILE_HEADER_BYTES = 64;
export const TILE_TYPE = 0x21;
export const BULK_TYPE = 0x31;

/** Bits of the flags field. */
export const TileFlag = {
  /** Not the first frame of its tile. */
  CONT: 1,
  /** The last frame of its tile. */
  LAST: 2,
  /** The payload is one voxel, the value of all. */
  FILL: 4,
  /** The payload is MessagePack `[code, message]`. */
  ERROR: 16,
} as const;

/** The header of one TILE or BULK frame. */
export interface TileHeader {
  readonly type: typeof TILE_TYPE | typeof BULK_TYPE;
  /** PULL's or CUTOUT's id; BULK: an id of its own. */
  readonly id: number;
  readonly flags: number;
  /** Number of the tile in its stream, from 0. */
  readonly item: number;
  /** Seq at which the payload is true; BULK: the EDIT's wseq. */
  readonly seq: number;
  readonly mip: number;
  /** First voxel of the box. */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Number of the encoding, see `ENCODINGS`. */
  readonly encoding: number;
  /** First frame: bytes of the whole decoded box. CONT: offset of this frame in the encoded payload. */
  readonly rawLength: number;
  /** crc32 (IEEE) of this frame's payload; 0 = not computed. */
  readonly crc32: number;
  /** Size of the box along x and y; along z it follows from the raw length. */
  readonly sizeX: number;
  readonly sizeY: number;
  /** Bytes of payload in this frame. */
  readonly length: number;
}

const TEMPLATE = new Uint8Array(TILE_HEADER_BYTES);
/** Offsets of the fixed MessagePack tokens and what stands there. */
const TOKENS: readonly (readonly [number, number])[] = [
  [0, 0x9e],
  [2, 0xce],
  [7, 0xcc],
  [9, 0xce],
  [14, 0xcf],
  [23, 0xcc],
  [25, 0xd2],
  [30, 0xd2],
  [35, 0xd2],
  [40, 0xcc],
  [42, 0xce],
  [47, 0xce],
  [52, 0xc4],
  [53, 5],
  [59, 0xc6],
];
for (const [offset, token] of TOKENS) TEMPLATE[offset] = token;

/** Writes a header into the first 64 bytes of `frame`. */
export function writeTileHeader(frame: Uint8Array, header: TileHeader): void {
  frame.set(TEMPLATE, 0);
  const view = new DataView(frame.buffer, frame.byteOffset, TILE_HEADER_BYTES);
  frame[1] = header.type;
  view.setUint32(3, header.id);
  frame[8] = header.flags;
  view.setUint32(10, header.item);
  view.setUint32(15, Math.floor(header.seq / 0x1_0000_0000));
  view.setUint32(19, header.seq >>> 0);
  frame[24] = header.mip;
  view.setInt32(26, header.x);
  view.setInt32(31, header.y);
  view.setInt32(36, header.z);
  frame[41] = header.encoding;
  view.setUint32(43, header.rawLength);
  view.setUint32(48, header.crc32);
  view.setUint16(54, header.sizeX);
  view.setUint16(56, header.sizeY);
  view.setUint32(60, header.length);
}

/** Rewrites only what differs between two sendings of one stored single-frame tile. */
export function readdressTile(frame: Uint8Array, id: number, item: number): void {
  frame[3] = id >>> 24;
  frame[4] = id >>> 16;
  frame[5] = id >>> 8;
  frame[6] = id;
  frame[10] = item >>> 24;
  frame[11] = item >>> 16;
  frame[12] = item >>> 8;
  frame[13] = item;
}

/** True where a frame begins like a TILE or BULK and must be read by `readTileHeader`. */
export function isTileFrame(frame: Uint8Array, type: number): boolean {
  return frame.length >= 2 && frame[0] === 0x9e && frame[1] === type;
}

/** Reads a header; `undefined` where a token or the payload's length is not what rule [D20] says. */
export function readTileHeader(frame: Uint8Array): TileHeader | undefined {
  if (frame.length < TILE_HEADER_BYTES) return undefined;
  for (const [offset, token] of TOKENS) if (frame[offset] !== token) return undefined;
  const type = frame[1];
  if (type !== TILE_TYPE && type !== BULK_TYPE) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, TILE_HEADER_BYTES);
  const length = view.getUint32(60);
  if (length !== frame.length - TILE_HEADER_BYTES) return undefined;
  const seqHigh = view.getUint32(15);
  if (seqHigh > 0x1f_ffff) return undefined;
  return {
    type,
    id: view.getUint32(3),
    flags: frame[8] as number,
    item: view.getUint32(10),
    seq: seqHigh * 0x1_0000_0000 + view.getUint32(19),
    mip: frame[24] as number,
    x: view.getInt32(26),
    y: view.getInt32(31),
    z: view.getInt32(36),
    encoding: frame[41] as number,
    rawLength: view.getUint32(43),
    crc32: view.getUint32(48),
    sizeX: view.getUint16(54),
    sizeY: view.getUint16(56),
    length,
  };
}
