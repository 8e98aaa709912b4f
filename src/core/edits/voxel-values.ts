/** Values of a `write` op as voxels. Rules [E9], [E12], [E25]. */
import { badOp } from '../../../protocol/edit-ops.ts';
import type { Bulk } from '../../../protocol/messages.ts';
import { TileFlag } from '../../../protocol/tile-frame.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, volumeOf } from '../../../protocol/volume.ts';
import type { EncodedVoxels } from '../../image/cut-voxels.ts';

/** Bytes of the voxels of one BULK, decoded. Rule [E12]. */
const MAX_BULK_RAW = 16 * 1024 * 1024;

/** Smallest and largest value of the integer types. */
const RANGES: Readonly<Record<Exclude<DType, 'float32'>, readonly [bigint, bigint]>> = {
  uint8: [0n, 0xffn],
  int8: [-0x80n, 0x7fn],
  uint16: [0n, 0xffffn],
  int16: [-0x8000n, 0x7fffn],
  uint32: [0n, 0xffff_ffffn],
  int32: [-0x8000_0000n, 0x7fff_ffffn],
  uint64: [0n, (1n << 64n) - 1n],
  int64: [-(1n << 63n), (1n << 63n) - 1n],
};

/**
 * A value as one voxel.
 *
 * @param isId ids are not negative.
 * @returns owned, little-endian.
 * @throws BflyError BAD_REQUEST where the voxel type cannot hold it.
 */
export function voxelBytesOf(index: number, value: number | bigint, dtype: DType, isId: boolean): Uint8Array {
  const bytes = new Uint8Array(BYTES_PER_VOXEL[dtype]);
  const view = new DataView(bytes.buffer);
  if (dtype === 'float32') {
    const number = Number(value);
    const isRounded = Number.isFinite(number) && !Number.isFinite(Math.fround(number));
    if (Number.isNaN(number) || isRounded) throw badOp(index, 'value', 'must be a number that float32 can hold');
    view.setFloat32(0, number, true);
    return bytes;
  }
  const [least, most] = RANGES[dtype];
  const from = isId ? 0n : least;
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!isWhole || BigInt(value) < from || BigInt(value) > most)
    throw badOp(index, 'value', `must be an integer from ${from} to ${most}`);
  const bits = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number((bits >> BigInt(8 * i)) & 0xffn);
  return bytes;
}

/** The voxels that a BULK carries, still encoded. @throws BflyError BAD_REQUEST where it is not of the op's box; TOO_LARGE. */
export function encodedBulk(index: number, { header, payload }: Bulk, box: Box, dtype: DType): EncodedVoxels {
  const size = boxShape(box);
  const rawLength = volumeOf(size) * BYTES_PER_VOXEL[dtype];
  if (rawLength > MAX_BULK_RAW)
    throw badOp(index, 'bulk', `may carry ${MAX_BULK_RAW} bytes of voxels; the box has ${rawLength}`, 'TOO_LARGE');
  const isSame =
    header.mip === 0 &&
    header.x === box[0] &&
    header.y === box[1] &&
    header.z === box[2] &&
    header.sizeX === size[0] &&
    header.sizeY === size[1] &&
    header.rawLength === rawLength;
  if (!isSame) throw badOp(index, 'bulk', `must be of the op's box at mip 0: ${rawLength} bytes of ${dtype}`);
  return { payload, encoding: header.encoding, fill: (header.flags & TileFlag.FILL) !== 0 };
}
