/** The links of a moment, while edits go on. */
import type { Bodies } from './edit-bodies.ts';

const ROW_BYTES = 16;
/** So many rows apart are those whose places are noted: readers of several pages do not start from the first row. */
const NOTED_ROWS = 4_096;

/** Links as they were. Rows are those of ids that are not their own root, in the order in which edits named the ids first. */
export interface FrozenLinks {
  readonly seq: number;
  /** How many rows there are. */
  readonly rows: number;
  /** Rows from `fromRow` on, at most `maxRows`: 2 × u64, little-endian: id, root. Owned. Pages may be read in any order, by several readers. */
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
  /** Numbers of row 0, of row `NOTED_ROWS`, and so on, as far as they have been seen. */
  const noted: number[] = [];
  const note = (): void => {
    if (row === noted.length * NOTED_ROWS) noted.push(number);
  };
  const seek = (to: number): void => {
    const nearest = Math.min(Math.floor(to / NOTED_ROWS), noted.length - 1);
    if (nearest >= 0 && (to < row || nearest * NOTED_ROWS > row))
      [row, number] = [nearest * NOTED_ROWS, noted[nearest] as number];
    for (; row < to && number < numbers; number++) {
      if (topOf(number) === number) continue;
      note();
      row++;
    }
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
        note();
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
