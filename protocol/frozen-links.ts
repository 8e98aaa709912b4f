/** The links of a moment, while edits go on. */
import type { Bodies } from './edit-bodies.ts';

const ROW_BYTES = 16;

/** Links as they were. Rows are those of ids that are not their own root, in the order in which edits named the ids first. */
export interface FrozenLinks {
  readonly seq: number;
  /** How many rows there are. */
  readonly rows: number;
  /** Rows from `fromRow` on, at most `maxRows`: 2 × u64, little-endian: id, root. Owned. Going on from the page before is fast. */
  page(fromRow: number, maxRows: number): Uint8Array;
  rootOf(id: bigint): bigint;
}

/** Freezes the links of bodies; no edit is under way. */
export function freezeLinks(bodies: Bodies, seq: number): FrozenLinks {
  const rows = bodies.linkCount;
  const numbers = bodies.ids.size;
  const { low, high, find } = bodies.ids.freeze();
  const { topOf } = bodies.sets.freeze();
  /** Where the last page ended. */
  let row = 0;
  let number = 0;
  const seek = (to: number): void => {
    if (to < row) [row, number] = [0, 0];
    for (; row < to && number < numbers; number++) if (topOf(number) !== number) row++;
  };
  return {
    seq,
    rows,
    page(fromRow, maxRows) {
      seek(Math.min(fromRow, rows));
      const count = Math.min(maxRows, rows - row);
      const words = new Uint32Array((count * ROW_BYTES) / 4);
      for (let at = 0; at < words.length; number++) {
        const top = topOf(number);
        if (top === number) continue;
        words[at++] = low[number] as number;
        words[at++] = high[number] as number;
        words[at++] = low[top] as number;
        words[at++] = high[top] as number;
        row++;
      }
      return new Uint8Array(words.buffer);
    },
    rootOf(id) {
      const found = find(id);
      if (found < 0) return id;
      const top = topOf(found);
      return (BigInt(high[top] as number) << 32n) | BigInt(low[top] as number);
    },
  };
}
