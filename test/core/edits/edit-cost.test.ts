import { describe, expect, it } from 'vitest';
import type { Op } from '../../../protocol/edit-ops.ts';
import { EditState, type FoldContext } from '../../../protocol/edit-state.ts';
import { editCost } from '../../../src/core/edits/edit-cost.ts';

const CONTEXT: FoldContext = {
  maxId: () => 1n << 40n,
  maxLegalId: (1n << 64n) - 1n,
  baseRow: () => undefined,
  lastBaseKey: () => -1n,
};
const merge = (first: number, count: number): Op => ({
  op: 'merge',
  ids: Array.from({ length: count }, (_, i) => BigInt(first + i)),
});

/** Costs of edits of one op each, in order. */
function costs(...ops: Op[]): number[] {
  const state = new EditState(CONTEXT);
  return ops.map((op) => editCost([op], state.apply([op]).changes));
}

describe('the cost of an edit', () => {
  it('is nothing where no more is told than was sent', () => {
    const cleave: Op = { op: 'cleave', ids: [2n, 3n] };
    expect(costs(merge(1, 5_000), cleave, { op: 'meta', key: 'a', value: 1 }, merge(4_000, 2_000))).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('is that of each root, member and edit that an undo brings back', () => {
    const undo = (seq: number): Op => ({ op: 'undo', seq });
    // Parted into 5,000; of which 4,999 have another root than before, and are told with one member each; joined again.
    const [, parted, joined] = costs(merge(1, 5_000), undo(1), undo(2));
    expect(parted).toBe(4_999 + Math.floor(4_999 / 16) + 1);
    expect(joined).toBe(4_999 + 2);
    // A long arm that leaves with one root.
    const [, , arm] = costs(merge(1, 5_000), { op: 'merge', ids: [0n, 9_000n, 1n] }, undo(2));
    expect(arm).toBeLessThan(400);
  });
});
