/** Bodies and rows folded the plain way: from nothing, edit by edit. The oracle of the client's tests. */
import type { WireMap } from '../../protocol/index.ts';

/** Ids of a list, however it travels. */
export function idsOf(value: unknown): bigint[] {
  if (Array.isArray(value)) return value.map((id) => BigInt(id as number | bigint));
  if (!(value instanceof Uint8Array)) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 8 }, (_, i) => view.getBigUint64(8 * i, true));
}

/** Bin of u64. */
export function bin(ids: readonly bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(ids).buffer);
}

/** The state of a log. */
export class NaiveState {
  /** Bodies of ids that were ever named. */
  bodies: Set<bigint>[] = [];
  readonly rows = new Map<string, Map<bigint, WireMap>>();
  nextKey = 1n;

  rootOf(id: bigint): bigint {
    return rootOf(this.bodies.find((body) => body.has(id)) ?? new Set([id]));
  }

  membersOf(id: bigint): bigint[] {
    return sorted(this.bodies.find((body) => body.has(id)) ?? [id]);
  }

  table(name: string): Map<bigint, WireMap> {
    let table = this.rows.get(name);
    if (table === undefined) {
      table = new Map();
      this.rows.set(name, table);
    }
    return table;
  }

  /** @returns the op's result. */
  apply(op: WireMap, keys?: readonly bigint[]): WireMap | null {
    switch (op['op']) {
      case 'merge':
        return this.#regroup(idsOf(op['ids']), true);
      case 'cleave':
        return this.#regroup(idsOf(op['ids']), false);
      case 'put': {
        const given = (op['rows'] as WireMap[]).map((row, i) => {
          const key = keys?.[i] ?? (row['key'] === undefined ? this.nextKey++ : BigInt(row['key'] as number | bigint));
          this.table(String(op['table'])).set(key, { ...row, key });
          return key;
        });
        return { keys: given };
      }
      case 'delete':
        for (const key of idsOf(op['keys'])) this.table(String(op['table'])).delete(key);
        return null;
      default:
        return null;
    }
  }

  #regroup(ids: readonly bigint[], whole: boolean): WireMap {
    const named = new Set(ids);
    const body = new Set(named);
    const kept: Set<bigint>[] = [];
    for (const old of this.bodies) {
      if (![...named].some((id) => old.has(id))) kept.push(old);
      else if (whole) for (const id of old) body.add(id);
      else kept.push(new Set([...old].filter((id) => !named.has(id))));
    }
    this.bodies = [...kept, body].filter((some) => some.size > 0);
    return { root: rootOf(body) };
  }
}

function rootOf(body: ReadonlySet<bigint>): bigint {
  return sorted(body).find((id) => id !== 0n) ?? 0n;
}

function sorted(ids: Iterable<bigint>): bigint[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** One edit of a log. */
export interface NaiveEdit {
  readonly seq: number;
  readonly ops: readonly WireMap[];
  /** Results of the ops as the log keeps them. */
  readonly results: readonly (WireMap | null)[];
}

/** The fold of the edits in force, rules [E20] and [E21]. */
export function naiveFold(edits: readonly NaiveEdit[]): NaiveState {
  const state = new NaiveState();
  for (const edit of edits)
    for (const [i, op] of edit.ops.entries()) {
      if (!inForce(edits, edit.seq)) break;
      state.apply(op, idsOf(edit.results[i]?.['keys'] ?? []));
    }
  return state;
}

/** Whether no undo in force names an edit. */
export function inForce(edits: readonly NaiveEdit[], seq: number): boolean {
  return !edits.some(
    (other) =>
      other.seq > seq && other.ops.some((op) => op['op'] === 'undo' && op['seq'] === seq) && inForce(edits, other.seq),
  );
}

/** What changed from one state to another, as rule [E32] says it. */
export function naiveChanges(before: NaiveState, after: NaiveState, ops: readonly WireMap[]): WireMap {
  const ids = sorted(new Set([...before.bodies, ...after.bodies].flatMap((body) => [...body])));
  const moved = ids.filter((id) => before.rootOf(id) !== after.rootOf(id));
  const changes: Record<string, unknown> = {};
  if (moved.length > 0 && ops.every((op) => op['op'] === 'merge')) {
    const from = sorted(new Set(moved.map((id) => before.rootOf(id))));
    changes['joined'] = bin(from.flatMap((root) => [root, after.rootOf(root)]));
  } else if (moved.length > 0) {
    const touched = new Set(moved.flatMap((id) => [...before.membersOf(id), ...after.membersOf(id)]));
    const roots = sorted(new Set([...touched].map((id) => after.rootOf(id))));
    changes['parted'] = roots.map((root) => [root, bin(after.membersOf(root))]);
  }
  for (const name of new Set([...before.rows.keys(), ...after.rows.keys()])) {
    const [old, now] = [before.table(name), after.table(name)];
    const rows = [...now].filter(([key, row]) => JSON.stringify(old.get(key), text) !== JSON.stringify(row, text));
    const gone = [...old.keys()].filter((key) => !now.has(key));
    if (rows.length > 0) changes['rows'] = { ...(changes['rows'] ?? {}), [name]: rows.map(([, row]) => row) };
    if (gone.length > 0) changes['gone'] = { ...(changes['gone'] ?? {}), [name]: gone };
  }
  const touched = ops.filter((op) => op['op'] === 'write').map((op) => [0, op['box']]);
  if (touched.length > 0) changes['touched'] = touched;
  return changes;
}

const text = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
