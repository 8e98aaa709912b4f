/** Keys, frames and entries for tests of stores. */
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import type { EntryRange, TileKey } from '../../src/database/database.ts';
import { MAX_KEY_BYTES } from '../../src/database/keys.ts';

/** Key of channel 1, mip 0, tile 0 0 0, version 0, but for `parts`. */
export function keyOf(parts: Partial<TileKey> = {}): TileKey {
  return { channel: 1, mip: 0, x: 0, y: 0, z: 0, version: 0, ...parts };
}

/** A frame whose bytes follow from `seed`. */
export function frameOf(seed: number, size = TILE_HEADER_BYTES + 100): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i === 0 ? 0x9e : (seed * 31 + i * 7) & 255));
}

/** Bytes that LZ4 cannot shrink. */
export function noiseOf(seed: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A key of these bytes. */
export const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

/** The range of all entries of a store. */
export const ALL_ENTRIES: EntryRange = { start: bytes(), end: new Uint8Array(MAX_KEY_BYTES).fill(255) };

/** Whether a frame has exactly these bytes; faster than `toEqual` on large ones by thousands. */
export function sameBytes(frame: Uint8Array | undefined, expected: Uint8Array): boolean {
  return frame !== undefined && Buffer.compare(frame, expected) === 0;
}
