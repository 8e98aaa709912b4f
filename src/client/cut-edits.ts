/** Edits that the server cut in pieces, and the order of those that it did not. Pure. Rules [S7], [S8]. */
import type { WireMap } from '../../protocol/index.ts';

/** The rows of `parted` that come later belong to the last edit that came before. */
export function joinCut(before: readonly WireMap[], after: readonly WireMap[]): readonly WireMap[] {
  const last = before.at(-1);
  const [first, ...rest] = after;
  if (last === undefined || first === undefined || first['seq'] !== last['seq']) return [...before, ...after];
  const changes = mapOf(last['changes']);
  const parted = [...listOf(changes['parted']), ...listOf(mapOf(first['changes'])['parted'])];
  return [...before.slice(0, -1), { ...last, changes: { ...changes, parted } }, ...rest];
}

function mapOf(value: unknown): WireMap {
  return typeof value === 'object' && value !== null ? (value as WireMap) : {}; // an object of the wire is a map
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Whether edits follow on one another within (after, upto]. */
export function isAscending(edits: readonly { readonly seq: number }[], after: number, upto: number): boolean {
  let before = after;
  for (const { seq } of edits) {
    if (seq <= before || seq > upto) return false;
    before = seq;
  }
  return true;
}
