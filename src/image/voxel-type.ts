/** What files say of their voxels, in the protocol's words. */
import { BflyError } from '../../protocol/errors.ts';
import type { DType, MipInfo, VolumeType } from '../../protocol/volume.ts';
import type { SourceInfo } from './source.ts';

/** The likely content of voxels of a type: integers of 32 and 64 bits are ids, all else are grey values. */
export function guessVolumeType(dtype: DType): VolumeType {
  return dtype === 'uint32' || dtype === 'int32' || dtype === 'uint64' || dtype === 'int64' ? 'segmentation' : 'image';
}

/**
 * Name of a voxel type.
 *
 * @param number what the bits mean.
 * @param bits of one voxel.
 * @returns undefined where the protocol has no such type.
 */
export function dtypeOf(number: 'unsigned' | 'signed' | 'float', bits: number): DType | undefined {
  if (number === 'float') return bits === 32 ? 'float32' : undefined;
  switch (bits) {
    case 8:
      return number === 'signed' ? 'int8' : 'uint8';
    case 16:
      return number === 'signed' ? 'int16' : 'uint16';
    case 32:
      return number === 'signed' ? 'int32' : 'uint32';
    case 64:
      return number === 'signed' ? 'int64' : 'uint64';
    default:
      return undefined;
  }
}

/** Turns the bytes of each voxel round, in place. */
export function swapByteOrder(bytes: Uint8Array, bytesPerVoxel: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytesPerVoxel === 2) buffer.swap16();
  else if (bytesPerVoxel === 4) buffer.swap32();
  else if (bytesPerVoxel === 8) buffer.swap64();
}

/** A level of a source. @throws BflyError NOT_FOUND where it has no such level. */
export function levelOf(info: SourceInfo, mip: number): MipInfo {
  const level = info.mips[mip];
  if (level === undefined)
    throw new BflyError('NOT_FOUND', `the volume has no mip ${mip}; it has ${info.mips.length}, counted from 0`);
  return level;
}
