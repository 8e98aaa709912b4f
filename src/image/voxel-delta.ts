/**
 * What one edit changed in one tile of mip 0, as it is kept in the log. Rule [E26]: recorded once, never computed again.
 *
 * | bytes | meaning                                                                                    |
 * |-------|--------------------------------------------------------------------------------------------|
 * | 1     | version of this layout, 1                                                                  |
 * | 1     | flags: 1 = one value for all voxels, 2 = the body is deflated (RFC 1951)                   |
 * | …     | x, y, z of the tile: LEB128 numbers                                                        |
 * | …     | bytes of the body before it was deflated, LEB128                                           |
 * | …     | body: length of the mask (LEB128), the mask (rule [E8], over the tile's box), the values   |
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { BflyError } from '../../protocol/errors.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import { putVarint } from '../../protocol/voxel-mask.ts';
import { isConstant } from './tile.ts';

/** Some voxels of a tile of mip 0 and their new values. */
export interface VoxelDelta {
  /** Index of the tile. */
  readonly tile: Vec3;
  /** Over the tile's box, clipped at the volume's end. Not empty. */
  readonly mask: Uint8Array;
  /** Little-endian: one voxel for all, or one for each that the mask sets, in order. */
  readonly values: Uint8Array;
}

const VERSION = 1;
const UNIFORM = 1;
const DEFLATED = 2;
/** Shorter ones are not worth the work. */
const MIN_DEFLATED = 200;
/** More than any tile's voxels and their mask: a length that says so is damaged. */
const MAX_BODY = 128 * 1024 * 1024;
const VARINT_BYTES = 8;

/**
 * Puts a delta into bytes. Values that are all the same are kept once.
 *
 * @param delta borrowed until the call returns.
 * @returns owned.
 */
export function encodeDelta({ tile, mask, values }: VoxelDelta, voxelBytes: number): Uint8Array {
  const uniform = isConstant(values, voxelBytes);
  const kept = uniform ? values.subarray(0, voxelBytes) : values;
  const body = new Uint8Array(VARINT_BYTES + mask.length + kept.length);
  const maskAt = putVarint(body, 0, mask.length);
  body.set(mask, maskAt);
  body.set(kept, maskAt + mask.length);
  const plain = body.subarray(0, maskAt + mask.length + kept.length);
  const packed = plain.length < MIN_DEFLATED ? plain : deflateRawSync(plain, { level: 1 });
  const deflated = packed.length < plain.length - (plain.length >> 3);
  const out = new Uint8Array(2 + 4 * VARINT_BYTES + (deflated ? packed : plain).length);
  out[0] = VERSION;
  out[1] = (uniform ? UNIFORM : 0) | (deflated ? DEFLATED : 0);
  let at = 2;
  for (const number of [...tile, plain.length]) at = putVarint(out, at, number);
  out.set(deflated ? packed : plain, at);
  return out.slice(0, at + (deflated ? packed : plain).length);
}

/**
 * Reads a delta.
 *
 * @returns mask and values may be views of `bytes`.
 * @throws BflyError INTERNAL where the bytes are none.
 */
export function decodeDelta(bytes: Uint8Array): VoxelDelta & { readonly uniform: boolean } {
  const { tile, flags, length, at } = readHead(bytes);
  const rest = bytes.subarray(at);
  const body = (flags & DEFLATED) === 0 ? rest : inflate(rest, length);
  if (body.length !== length) throw corrupt(`its body has ${body.length} bytes instead of ${length}`);
  const mask = readVarint(body, 0);
  if (mask.at + mask.value > body.length) throw corrupt('its mask is cut off');
  return {
    tile,
    mask: body.subarray(mask.at, mask.at + mask.value),
    values: body.subarray(mask.at + mask.value),
    uniform: (flags & UNIFORM) !== 0,
  };
}

/** Index of the tile that a delta changes. @throws BflyError INTERNAL. */
export function deltaTile(bytes: Uint8Array): Vec3 {
  return readHead(bytes).tile;
}

function readHead(bytes: Uint8Array): { tile: Vec3; flags: number; length: number; at: number } {
  if (bytes[0] !== VERSION) throw corrupt(`it has version ${bytes[0] ?? 'none'}; this server knows ${VERSION}`);
  const x = readVarint(bytes, 2);
  const y = readVarint(bytes, x.at);
  const z = readVarint(bytes, y.at);
  const length = readVarint(bytes, z.at);
  if (length.value > MAX_BODY) throw corrupt(`its body cannot have ${length.value} bytes`);
  return {
    tile: [x.value, y.value, z.value],
    flags: bytes[1] as number,
    length: length.value,
    at: length.at,
  };
}

function inflate(bytes: Uint8Array, length: number): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: Math.max(1, length) });
  } catch (cause) {
    throw corrupt('its body cannot be inflated', cause);
  }
}

function readVarint(bytes: Uint8Array, from: number): { value: number; at: number } {
  let value = 0;
  for (let at = from, scale = 1; scale <= 2 ** 49; scale *= 0x80) {
    const byte = bytes[at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, at };
  }
  throw corrupt('a number in it is cut off');
}

function corrupt(what: string, cause?: unknown): BflyError {
  return new BflyError('INTERNAL', `the log's record of changed voxels is corrupt: ${what}`, { cause });
}
