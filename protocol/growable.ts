/** Typed arrays that grow: numbers of millions of ids, in as few bytes as they need. */

/** Room for `wanted` entries: small ones double, large ones grow by a quarter, so that little is left unused. */
export function grownCapacity(capacity: number, wanted: number): number {
  if (wanted <= capacity) return capacity;
  return Math.max(wanted, 16, Math.ceil(capacity * (capacity < 0x1_0000 ? 2 : 1.25)));
}

/** A copy with more room, or the same array where it has enough. New entries are 0. */
export function grownInt32(array: Int32Array, wanted: number): Int32Array {
  if (wanted <= array.length) return array;
  const larger = new Int32Array(grownCapacity(array.length, wanted));
  larger.set(array);
  return larger;
}

/** As `grownInt32`. */
export function grownUint32(array: Uint32Array, wanted: number): Uint32Array {
  if (wanted <= array.length) return array;
  const larger = new Uint32Array(grownCapacity(array.length, wanted));
  larger.set(array);
  return larger;
}

/** As `grownInt32`. */
export function grownUint8(array: Uint8Array, wanted: number): Uint8Array {
  if (wanted <= array.length) return array;
  const larger = new Uint8Array(grownCapacity(array.length, wanted));
  larger.set(array);
  return larger;
}
