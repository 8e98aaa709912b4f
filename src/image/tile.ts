/**
 * Tiles as they are stored and sent: whole TILE frames of one piece, id 0 and item 0 (`protocol/tile-frame.ts`).
 *
 * All frames made here are owned, in a buffer of their own length, so they can be transferred between threads.
 */
import { crc32 } from 'node:zlib';
import { BflyError } from '../../protocol/errors.ts';
import { MAX_RAW_TILE } from '../../protocol/limits.ts';
import {
  readTileHeader,
  TILE_HEADER_BYTES,
  TILE_TYPE,
  TileFlag,
  type TileHeader,
  writeTileHeader,
} from '../../protocol/tile-frame.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type DType,
  ENCODINGS,
  type EncodingName,
  encodingNumber,
  type Vec3,
} from '../../protocol/volume.ts';
import { rawLengthOf } from './codecs/codec.ts';
import { codecOf } from './codecs/registry.ts';

/** Which box of which level a tile is, and since when it is true. */
export interface TilePlace {
  readonly dtype: DType;
  readonly mip: number;
  /** In voxels of the level; 1..65535 along x and y. */
  readonly box: Box;
  /** Seq at which the voxels are true; 0 = as ingested. */
  readonly seq: number;
  /** Gives memory of so many bytes, owned, whatever is in it; default: new. */
  readonly allocate?: (bytes: number) => Uint8Array;
}

const MAX_SIDE = 0xffff;
const MAX_LENGTH = 0xffff_ffff;
/** More than any tile decodes to: a header that says so is damaged, and memory for it is not to be had. */
const MAX_DECODED = 16 * MAX_RAW_TILE;

/**
 * Makes the frame of some voxels. One value all over becomes a FILL of one voxel, whatever the encoding; a box that the encoding
 * cannot hold for its size (a JPEG of more than 65535 rows) becomes raw.
 *
 * @param tile.raw voxels of the box, x fastest, little-endian; must not change until the promise settles.
 * @returns an owned frame.
 * @throws BflyError UNSUPPORTED where the encoding cannot hold the dtype, INTERNAL where lengths do not fit the box.
 */
export async function makeTileFrame(
  tile: TilePlace & { readonly raw: Uint8Array; readonly encoding: EncodingName },
): Promise<Uint8Array> {
  const { raw, dtype, encoding } = tile;
  const size = boxShape(tile.box);
  const expected = rawLengthOf(size, dtype);
  if (raw.length !== expected)
    throw new BflyError('INTERNAL', `a tile of ${size.join('×')} ${dtype} has ${expected} bytes, not ${raw.length}`);
  if (isConstant(raw, BYTES_PER_VOXEL[dtype]))
    return fillTileFrame({ ...tile, value: raw.subarray(0, BYTES_PER_VOXEL[dtype]) });
  const codec = codecOf(encoding);
  if (codec.canEncode(dtype) && !codec.canEncode(dtype, size))
    return frameFromEncoded({ ...tile, encoding: 'raw', bytes: raw });
  return frameFromEncoded({ ...tile, bytes: await codec.encode(raw, size, dtype) });
}

/**
 * Makes the frame of a box with one value all over.
 *
 * @param tile.value little-endian bytes of the voxel, copied; zero where it is left out.
 * @returns an owned frame.
 */
export function fillTileFrame(tile: TilePlace & { readonly value?: Uint8Array }): Uint8Array {
  const voxelBytes = BYTES_PER_VOXEL[tile.dtype];
  const value = tile.value ?? new Uint8Array(voxelBytes);
  if (value.length !== voxelBytes)
    throw new BflyError('INTERNAL', `a voxel of ${tile.dtype} has ${voxelBytes} bytes, not ${value.length}`);
  return writeFrame(tile, TileFlag.FILL | TileFlag.LAST, 'raw', value);
}

/**
 * Wraps a payload that is encoded already, unseen.
 *
 * @param tile.bytes copied.
 * @returns an owned frame.
 */
export function frameFromEncoded(
  tile: TilePlace & { readonly bytes: Uint8Array; readonly encoding: EncodingName },
): Uint8Array {
  return writeFrame(tile, TileFlag.LAST, tile.encoding, tile.bytes);
}

/**
 * Decodes a tile.
 *
 * @param frame must not change until the promise settles.
 * @returns voxels, x fastest, little-endian: for a raw tile a view of the frame's payload, as long-lived as the frame, else owned.
 * @throws BflyError INTERNAL where the frame or its payload is corrupt, UNSUPPORTED where this server lacks the encoding.
 */
export async function decodeTileFrame(frame: Uint8Array, dtype: DType): Promise<Uint8Array> {
  const header = soundHeader(frame);
  const size = tileSize(header, dtype);
  const payload = frame.subarray(TILE_HEADER_BYTES);
  if ((header.flags & TileFlag.FILL) !== 0) return filled(payload, size, dtype);
  return codecOf(encodingOf(header)).decode(payload, size, dtype);
}

/**
 * Decodes a tile for those who want to know which values it has, not where: a FILL gives its one voxel.
 *
 * @throws BflyError as `decodeTileFrame`.
 */
export async function decodeVoxelsOnce(frame: Uint8Array, dtype: DType): Promise<Uint8Array> {
  const header = headerOf(frame);
  if ((header.flags & TileFlag.FILL) === 0) return decodeTileFrame(frame, dtype);
  // A FILL of one voxel: what is wrong with it is found in the same way.
  soundHeader(frame);
  return filled(frame.subarray(TILE_HEADER_BYTES), [1, 1, 1], dtype);
}

/**
 * Decodes a tile at once where its encoding allows that: raw, FILL and cseg.
 *
 * @returns as `decodeTileFrame`; undefined where only that can decode it.
 * @throws BflyError as `decodeTileFrame`.
 */
export function decodeTileFrameSync(frame: Uint8Array, dtype: DType): Uint8Array | undefined {
  const header = soundHeader(frame);
  const size = tileSize(header, dtype);
  const payload = frame.subarray(TILE_HEADER_BYTES);
  if ((header.flags & TileFlag.FILL) !== 0) return filled(payload, size, dtype);
  return codecOf(encodingOf(header)).decodeSync?.(payload, size, dtype);
}

/**
 * Gives a tile in another encoding. FILL and ERROR frames stay what they are, and so does a tile that is in that encoding already
 * or that the encoding cannot hold for its size when it is raw.
 *
 * @param frame must not change until the promise settles.
 * @returns `frame` itself where nothing changes, else an owned frame with id 0, item 0.
 * @throws BflyError as `decodeTileFrame`; UNSUPPORTED where the encoding cannot hold the dtype.
 */
export async function transcodeTileFrame(frame: Uint8Array, dtype: DType, to: EncodingName): Promise<Uint8Array> {
  const header = headerOf(frame);
  if ((header.flags & (TileFlag.FILL | TileFlag.ERROR)) !== 0) return frame;
  if (header.encoding === encodingNumber(to)) return frame;
  const size = tileSize(header, dtype);
  const { x, y, z } = header;
  const place: TilePlace = {
    dtype,
    mip: header.mip,
    box: [x, y, z, x + size[0], y + size[1], z + size[2]],
    seq: header.seq,
  };
  const codec = codecOf(to);
  const fits = codec.canEncode(dtype, size);
  if (!fits && codec.canEncode(dtype) && header.encoding === encodingNumber('raw')) return frame;
  const raw = await decodeTileFrame(frame, dtype);
  if (!fits && codec.canEncode(dtype)) return frameFromEncoded({ ...place, encoding: 'raw', bytes: raw });
  return frameFromEncoded({ ...place, encoding: to, bytes: await codec.encode(raw, size, dtype) });
}

/**
 * Size of a tile along x, y, z.
 *
 * @throws BflyError INTERNAL where the header's numbers are those of no box.
 */
export function tileSize(header: TileHeader, dtype: DType): Vec3 {
  const slice = header.sizeX * header.sizeY * BYTES_PER_VOXEL[dtype];
  const depth = header.rawLength / slice;
  if (slice === 0 || depth < 1 || !Number.isInteger(depth) || header.rawLength > MAX_DECODED)
    throw new BflyError(
      'INTERNAL',
      `the stored tile is corrupt: ${header.rawLength} bytes are no box ${header.sizeX}×${header.sizeY} of ${dtype}`,
    );
  return [header.sizeX, header.sizeY, depth];
}

/** The box of a tile, in voxels of its level. @throws BflyError INTERNAL as `tileSize`. */
export function boxOfFrame(frame: Uint8Array, dtype: DType): Box {
  const header = headerOf(frame);
  const { x, y, z } = header;
  const size = tileSize(header, dtype);
  return [x, y, z, x + size[0], y + size[1], z + size[2]];
}

/** Seq at which a stored frame is true. `frame` is a whole TILE frame. */
export function seqOfFrame(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, TILE_HEADER_BYTES);
  return view.getUint32(15) * 0x1_0000_0000 + view.getUint32(19);
}

/** The same tile as true at another seq. @returns an owned frame, id 0 and item 0. */
export function frameAtSeq(frame: Uint8Array, seq: number): Uint8Array {
  const copy = new Uint8Array(Buffer.allocUnsafeSlow(frame.length).buffer);
  copy.set(frame);
  writeTileHeader(copy, { ...headerOf(frame), id: 0, item: 0, seq });
  return copy;
}

/** Whether a frame is a whole TILE whose payload has its checksum; without one (0) the payload is taken as it is. */
export function verifyTileFrame(frame: Uint8Array): boolean {
  const header = readTileHeader(frame);
  if (header === undefined || header.type !== TILE_TYPE) return false;
  return header.crc32 === 0 || header.crc32 === crc32(frame.subarray(TILE_HEADER_BYTES));
}

/** Whether every voxel equals the first: bytes that equal themselves one voxel on. Ends at the first difference, at memcmp's speed. */
export function isConstant(raw: Uint8Array, voxelBytes: number): boolean {
  return Buffer.compare(raw.subarray(voxelBytes), raw.subarray(0, raw.length - voxelBytes)) === 0;
}

function headerOf(frame: Uint8Array): TileHeader {
  const header = readTileHeader(frame);
  if (header === undefined || header.type !== TILE_TYPE)
    throw new BflyError('INTERNAL', 'the stored tile is corrupt: it does not begin with the header of a TILE');
  return header;
}

/** The header of a whole tile with voxels whose checksum holds. */
function soundHeader(frame: Uint8Array): TileHeader {
  const header = headerOf(frame);
  if ((header.flags & TileFlag.ERROR) !== 0)
    throw new BflyError('INTERNAL', 'the tile is the report of an error and holds no voxels');
  if ((header.flags & (TileFlag.CONT | TileFlag.LAST)) !== TileFlag.LAST)
    throw new BflyError('INTERNAL', 'the frame is a part of a tile: decode the whole of it');
  if (!verifyTileFrame(frame))
    throw new BflyError('INTERNAL', 'the stored tile is corrupt: its payload does not have its checksum');
  return header;
}

function encodingOf(header: TileHeader): EncodingName {
  const name = ENCODINGS[header.encoding];
  if (name === undefined)
    throw new BflyError('INTERNAL', `the stored tile is corrupt: ${header.encoding} is not the number of an encoding`);
  return name;
}

/** A whole box of one voxel's value. */
function filled(voxel: Uint8Array, size: Vec3, dtype: DType): Uint8Array {
  const voxelBytes = BYTES_PER_VOXEL[dtype];
  if (voxel.length !== voxelBytes)
    throw new BflyError('INTERNAL', `the stored tile is corrupt: its one voxel has ${voxel.length} bytes`);
  const raw = new Uint8Array(rawLengthOf(size, dtype));
  if (voxel.every((byte) => byte === 0)) return raw;
  raw.set(voxel);
  for (let done = voxelBytes; done < raw.length; done *= 2) raw.copyWithin(done, 0, done);
  return raw;
}

function writeFrame(place: TilePlace, flags: number, encoding: EncodingName, payload: Uint8Array): Uint8Array {
  const { box, dtype, mip, seq } = place;
  const size = boxShape(box);
  const rawLength = rawLengthOf(size, dtype);
  const legal = size.every((n) => n >= 1) && size[0] <= MAX_SIDE && size[1] <= MAX_SIDE;
  if (!legal || rawLength > MAX_DECODED || payload.length > MAX_LENGTH)
    throw new BflyError(
      'INTERNAL',
      `a tile is 1 to ${MAX_SIDE} voxels wide and at most 64 MiB, not ${size.join('×')} ${dtype}`,
    );
  // Not zeroed first: every byte is written below.
  const frame = (place.allocate ?? allocateNew)(TILE_HEADER_BYTES + payload.length);
  writeTileHeader(frame, {
    type: TILE_TYPE,
    id: 0,
    flags,
    item: 0,
    seq,
    mip,
    x: box[0],
    y: box[1],
    z: box[2],
    encoding: encodingNumber(encoding),
    rawLength,
    crc32: crc32(payload),
    sizeX: size[0],
    sizeY: size[1],
    length: payload.length,
  });
  frame.set(payload, TILE_HEADER_BYTES);
  return frame;
}

/** Owned bytes with a buffer for themselves, whatever is in them. */
const allocateNew = (bytes: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
