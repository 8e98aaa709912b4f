/** How much of a message a value takes, and lists of ids as they travel. Rules [F4] and [F15]. */
import type { Changes } from './edit-changes.ts';
import type { Row } from './edit-ops.ts';

/** Longer lists of ids are sent as bytes. */
const LONGEST_ARRAY = 16;

/** Ids as they travel: more than 16 as `bin` of little-endian u64. Owned where they are bytes. */
export function wireIds(ids: readonly bigint[]): readonly bigint[] | Uint8Array {
  return ids.length > LONGEST_ARRAY ? new Uint8Array(BigUint64Array.from(ids).buffer) : ids;
}

/** A row as it travels. */
export function wireRow(row: Row): Row {
  const { ids } = row;
  return Array.isArray(ids) && ids.length > LONGEST_ARRAY ? { ...row, ids: wireIds(ids) } : row;
}

/** Changes as they travel. */
export function wireChanges(changes: Changes): object {
  const { rows, gone } = changes;
  if (rows === undefined && gone === undefined) return changes;
  const byTable = <T, U>(some: Readonly<Record<string, T>>, turn: (part: T) => U): object =>
    Object.fromEntries(Object.entries(some).map(([table, part]) => [table, turn(part)]));
  return {
    ...changes,
    ...(rows === undefined ? {} : { rows: byTable(rows, (some) => some.map(wireRow)) }),
    ...(gone === undefined ? {} : { gone: byTable(gone, wireIds) }),
  };
}

/** Nodes of a value in a message: containers, keys and values. Lists of more than 16 ids count as the bytes that they are sent as. */
export function nodesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 1;
  if (!Array.isArray(value)) return Object.values(value).reduce((sum: number, part) => sum + 1 + nodesOf(part), 1);
  if (value.length > LONGEST_ARRAY && typeof value[0] === 'bigint') return 1;
  return value.reduce((sum: number, part) => sum + nodesOf(part), 1);
}
