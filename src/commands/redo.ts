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
): readonly number[] {
  const out = undosInForce(undos);
  const isUndo = undos.some((undo) => undo.seq === seq);
  return isUndo && !out.has(seq) ? [seq] : (out.get(seq) ?? []);
}

/**
 * What is out of force, and by which undos.
 *
 * @param undos as of `findUndos`.
 * @returns seqs of undos, ascending, by the edit that they keep out of force; edits in force are not in it.
 */
export function undosInForce(
  undos: readonly { readonly seq: number; readonly ops: readonly object[] }[],
): ReadonlyMap<number, readonly number[]> {
  const out = new Map<number, number[]>();
  // Undos name earlier edits: from the last one back, each is decided before it is looked at.
  for (const { seq: undo, ops } of undos.toReversed()) {
    if (out.has(undo)) continue;
    for (const named of new Set(seqsUndone(ops))) out.set(named, [undo, ...(out.get(named) ?? [])]);
  }
  return out;
}

/** The edits that the undos in some ops name. */
export function seqsUndone(ops: readonly object[]): number[] {
  return ops.flatMap((op) => ('op' in op && op.op === 'undo' && 'seq' in op ? readIds([op.seq]).map(Number) : []));
}
