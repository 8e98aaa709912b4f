/** The largest id of a block. */
import { BflyError } from '../../protocol/errors.ts';
import { type DType, viewVoxels } from '../../protocol/volume.ts';
import { numbersOf } from './footprint.ts';

/**
 * The largest of some voxels, as an id: negative values are none.
 *
 * @param raw voxels, little-endian; borrowed until the call returns.
 * @returns 0 where there is no larger one.
 * @throws BflyError UNSUPPORTED for float32, whose values are no ids.
 */
export function maxIdOf(raw: Uint8Array, dtype: DType): bigint {
  switch (dtype) {
    case 'float32':
      throw new BflyError('UNSUPPORTED', 'float32 voxels are not ids: give a segmentation of an integer type');
    case 'uint64':
    case 'int64':
      return largestPair(raw, dtype === 'int64');
    default: {
      const voxels = numbersOf(dtype, raw);
      let largest = 0;
      for (let i = 0; i < voxels.length; i++) if ((voxels[i] as number) > largest) largest = voxels[i] as number;
      return BigInt(largest);
    }
  }
}

/** By halves: a BigInt for each voxel would take many times as long. */
function largestPair(raw: Uint8Array, signed: boolean): bigint {
  const words = viewVoxels('uint32', raw.subarray(0, raw.length & ~7)) as Uint32Array;
  // A signed value whose upper half is larger than this is negative.
  const highest = signed ? 0x7fff_ffff : 0xffff_ffff;
  let low = 0;
  let high = 0;
  for (let i = 0; i < words.length; i += 2) {
    const b = words[i + 1] as number;
    if (b < high || b > highest) continue;
    const a = words[i] as number;
    if (b === high && a <= low) continue;
    low = a;
    high = b;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
