/** The only place that knows msgpackr. Options: transport facts 6.1; what clients send has passed the guard before it comes here. */
import { Packr, Unpackr } from 'msgpackr';

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  useFloat32: 0,
  // `toJSON` in what clients send is a key like any other.
  useToJSON: false,
});
const unpackr = new Unpackr({
  useRecords: false,
  // 'auto' (a number up to 2⁵³, else a bigint) is implemented, but missing from msgpackr's types.
  int64AsType: 'auto' as 'bigint',
  structuredClone: false,
  mapsAsObjects: true,
});

/** The same bytes as a plain Uint8Array: a Buffer's `slice` does not copy, and whoever is given bytes relies on it. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Encodes one value. Every number that is a safe integer becomes an int token, however deep it stands: rule [F5].
 *
 * @returns bytes that are *borrowed*: a view of a shared arena, good to be sent at once, to be copied before it is kept.
 */
export function pack(value: unknown): Uint8Array {
  return plainBytes(packr.pack(withWireInts(value)));
}

/** Decodes one value. `bin` fields are views of `bytes` (borrowed as long as `bytes` is). 64-bit integers up to 2⁵³ are numbers, else bigints. */
export function unpack(bytes: Uint8Array): unknown {
  return unpackr.unpack(plainBytes(bytes));
}

/**
 * msgpackr writes numbers of 2³² and more as float64, which no integer field accepts, and every bigint in 9 bytes:
 * so large integers travel as bigint, small ones as number.
 */
function wireInt(value: number | bigint): number | bigint {
  const isSmall = value <= 0xffff_ffff && value >= -0x8000_0000;
  if (typeof value === 'bigint') return isSmall ? Number(value) : value;
  return isSmall || !Number.isSafeInteger(value) ? value : BigInt(value);
}

/** The same value with `wireInt` applied to every number in it; what needs no change is not copied. */
function withWireInts(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return wireInt(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      const wired = withWireInts(value[i]);
      if (wired === value[i]) continue;
      copy ??= value.slice();
      copy[i] = wired;
    }
    return copy ?? value;
  }
  let copy: Record<string, unknown> | undefined;
  for (const [key, part] of Object.entries(value)) {
    const wired = withWireInts(part);
    if (wired === part) continue;
    copy ??= { ...value };
    copy[key] = wired;
  }
  return copy ?? value;
}
