/** The only place that knows msgpackr. Options: transport facts 6.1; what clients send has passed the guard before it comes here. */
import { Packr, Unpackr } from 'msgpackr';

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, useFloat32: 0 });
const unpackr = new Unpackr({
  useRecords: false,
  // 'auto' (a number up to 2⁵³, else a bigint) is implemented, but missing from msgpackr's types.
  int64AsType: 'auto' as 'bigint',
  structuredClone: false,
  mapsAsObjects: true,
});

/**
 * Encodes one value.
 *
 * @returns bytes that are *borrowed*: a view of a shared arena, good to be sent at once, to be copied before it is kept.
 */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** Decodes one value. `bin` fields are views of `bytes` (borrowed as long as `bytes` is). 64-bit integers up to 2⁵³ are numbers, else bigints. */
export function unpack(bytes: Uint8Array): unknown {
  return unpackr.unpack(bytes);
}

/** An integer as the wire wants it: msgpackr writes numbers of 2³² and more as float64, so they travel as bigint. */
export function wireInt(value: number): number | bigint {
  return value > 0xffff_ffff || value < -0x8000_0000 ? BigInt(value) : value;
}
