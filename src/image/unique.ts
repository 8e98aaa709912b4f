/** The distinct ids of a block. */
import { BflyError } from '../../protocol/errors.ts';
import { type DType, viewVoxels } from '../../protocol/volume.ts';
import { numbersOf } from './footprint.ts';

/** Values of 16 bits are marked in a table of this size instead of a set. */
const SHORT_VALUES = 1 << 16;
/** Slots of the memory of pairs seen, a power of two. */
const SEEN_SLOTS = 1 << 12;

/**
 * Adds the distinct values of some voxels to a set, 0 too.
 *
 * @param raw voxels, little-endian; borrowed until the call returns.
 * @throws BflyError UNSUPPORTED for float32, whose values are no ids.
 */
export function uniqueIds(raw: Uint8Array, dtype: DType, into: Set<bigint>): void {
  switch (dtype) {
    case 'float32':
      throw new BflyError(
        'UNSUPPORTED',
        'float32 voxels are not ids: ask for unique ids of a channel of an integer type',
      );
    case 'uint64':
    case 'int64':
      addPairs(raw, dtype === 'int64', into);
      return;
    case 'uint32':
    case 'int32':
      addLong(numbersOf(dtype, raw), into);
      return;
    default:
      addShort(numbersOf(dtype, raw), into);
  }
}

function addShort(voxels: ArrayLike<number>, into: Set<bigint>): void {
  const seen = new Uint8Array(SHORT_VALUES);
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i] as number;
    if (seen[value & (SHORT_VALUES - 1)] === 1) continue;
    seen[value & (SHORT_VALUES - 1)] = 1;
    into.add(BigInt(value));
  }
}

function addLong(voxels: ArrayLike<number>, into: Set<bigint>): void {
  const seen = new Set<number>();
  let last = Number.NaN;
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i] as number;
    if (value === last) continue;
    last = value;
    seen.add(value);
  }
  for (const value of seen) into.add(BigInt(value));
}

/** Halves are compared, and BigInts made, only where a run ends and the id was not the last of its slot. */
function addPairs(raw: Uint8Array, signed: boolean, into: Set<bigint>): void {
  const aligned = raw.byteOffset % 8 === 0 ? raw : Uint8Array.from(raw);
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, raw.length >>> 2);
  const ids = viewVoxels(signed ? 'int64' : 'uint64', aligned);
  const slotLow = new Uint32Array(SEEN_SLOTS);
  const slotHigh = new Uint32Array(SEEN_SLOTS);
  const slotUsed = new Uint8Array(SEEN_SLOTS);
  let low = 0;
  let high = 0;
  for (let i = 0; i < words.length; i += 2) {
    const a = words[i] as number;
    const b = words[i + 1] as number;
    if (a === low && b === high && i > 0) continue;
    low = a;
    high = b;
    const slot = (Math.imul(a ^ Math.imul(b, 0x85eb_ca6b), 0x9e37_79b1) >>> 16) & (SEEN_SLOTS - 1);
    if (slotUsed[slot] === 1 && slotLow[slot] === a && slotHigh[slot] === b) continue;
    slotUsed[slot] = 1;
    slotLow[slot] = a;
    slotHigh[slot] = b;
    into.add(BigInt(ids[i >> 1] as bigint));
  }
}
