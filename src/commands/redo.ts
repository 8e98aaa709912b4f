/** What has to be undone so that an edit is in force again. Rule [E21]. */
import { readIds } from '../client/edit-result.ts';

/**
 * The undos that keep an edit out of force.
 *
 * @param undos all edits of the log that hold an undo, in order.
 * @param seq of the edit; where it is itself an undo in force, its undoing is the redo.
 * @returns their seqs, ascending; none where the edit is in force.
 */
export function findUndos(
  undos: readonly { readonly seq: number; readonly ops: readonly object[] }[],
  seq: number,
): number[] {
  const out = new Map<number, number[]>();
  // Undos name earlier edits: from the last one back, each is decided before it is looked at.
  for (const { seq: undo, ops } of undos.toReversed()) {
    if (undo === seq && !out.has(undo)) return [undo];
    if (out.has(undo)) continue;
    for (const named of namedBy(ops)) out.set(named, [undo, ...(out.get(named) ?? [])]);
  }
  return out.get(seq) ?? [];
}

function namedBy(ops: readonly object[]): Set<number> {
  const named = ops.flatMap((op) => ('op' in op && op.op === 'undo' && 'seq' in op ? readIds([op.seq]) : []));
  return new Set(named.map(Number));
}
