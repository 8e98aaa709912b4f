/** Compares what a log gives with what a snapshot says. */
import { TABLES, type TableName } from '../../protocol/edit-ops.ts';
import type { EditView } from '../../protocol/edit-view.ts';
import { jsonLine } from './edit-json.ts';

/** Keys of rows that edits have ever changed, by table. */
export type TouchedKeys = Readonly<Record<TableName, ReadonlySet<bigint>>>;

/** What differs, one sentence each, the first of them alone where there are many. */
export const MAX_FAULTS = 20;

/**
 * Compares two states of the same seq.
 *
 * @param touched rows that no edit ever named are not in `log`, and are not compared.
 */
export function compareViews(log: EditView, snapshot: EditView, touched: TouchedKeys): string[] {
  const faults: string[] = [];
  for (const fault of allFaults(log, snapshot, touched)) {
    faults.push(fault);
    if (faults.length === MAX_FAULTS) break;
  }
  return faults;
}

function* allFaults(log: EditView, snapshot: EditView, touched: TouchedKeys): Generator<string> {
  for (const [id, root] of log.links())
    if (snapshot.rootOf(id) !== root) yield `id ${id}: root ${root} by the log, ${snapshot.rootOf(id)} by the snapshot`;
  // The others were seen from the other side.
  for (const [id, root] of snapshot.links())
    if (log.rootOf(id) === id) yield `id ${id}: root ${id} by the log, ${root} by the snapshot`;
  yield* mapFaults('region', regionsOf(log), regionsOf(snapshot));
  yield* mapFaults('metadata', log.meta, snapshot.meta);
  for (const table of TABLES)
    for (const key of touched[table])
      if (textOf(log.row(table, key)) !== textOf(snapshot.row(table, key)))
        yield `row ${key} of ${table}: ${said(log.row(table, key))} by the log, ${said(snapshot.row(table, key))} by the snapshot`;
}

function* mapFaults(
  what: string,
  log: ReadonlyMap<string, unknown>,
  snapshot: ReadonlyMap<string, unknown>,
): Generator<string> {
  for (const key of new Set([...log.keys(), ...snapshot.keys()]))
    if (textOf(log.get(key)) !== textOf(snapshot.get(key)))
      yield `${what} ${key}: ${said(log.get(key))} by the log, ${said(snapshot.get(key))} by the snapshot`;
}

function regionsOf(view: EditView): Map<string, unknown> {
  return new Map(Array.from(view.regions(), (region) => [`${region.id}:${region.region}`, region]));
}

const said = (value: unknown): string => (value === undefined ? 'none' : textOf(value));

/** Equal for equal values, whatever the order of their fields and the width of their integers. */
function textOf(value: unknown): string {
  if (value === undefined) return '';
  return jsonLine(inOrder(value)).trimEnd();
}

function inOrder(value: unknown): unknown {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, inOrder(item)]),
  );
}
