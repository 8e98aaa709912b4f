/** Edits folded and applied as naively as the rules read, for what storms leave behind: bodies and rows. Independent of the code under test. */
import { createHash } from 'node:crypto';
import { TABLES } from '../../protocol/edit-ops.ts';
import { EditView as ModuleEditView, readChanges } from '../../protocol/edit-view.ts';
import type { WireMap } from '../../protocol/messages.ts';

/** Bodies and rows, however they were come by. */
export interface EditView {
  /** The root of an id, both as decimal text. */
  root(id: string): string;
  /** Rows by `table/key`. */
  readonly rows: ReadonlyMap<string, WireMap>;
  /** Ids that are known of. */
  ids(): Iterable<string>;
}

/** Text that is equal for equal wire values: integers of either kind alike, keys in order, bytes in hex. */
export function canonical(value: unknown): string {
  if (value instanceof Uint8Array)
    return `x${Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'nil';
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, field]) => `${key}:${canonical(field)}`).join(',')}}`;
}

/** A short digest of an edit as others see it. */
export function digestOf(edit: WireMap): string {
  return createHash('sha1').update(canonical(edit)).digest('base64').slice(0, 12);
}

/** A list of ids in either of its forms: rule [F15]. */
export function idsOf(value: unknown): string[] {
  if (!(value instanceof Uint8Array)) return Array.isArray(value) ? value.map(String) : [];
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from({ length: value.length / 8 }, (_, i) => String(view.getBigUint64(i * 8, true)));
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const mapOf = (value: unknown): WireMap => (typeof value === 'object' && value !== null ? (value as WireMap) : {});

/** Whether each edit is in force: rule [E21], word by word. */
export function inForce(log: readonly WireMap[]): boolean[] {
  const force = log.map(() => true);
  for (let at = log.length - 1; at >= 0; at--) {
    if (!force[at]) continue;
    for (const op of listOf(log[at]?.['ops']).map(mapOf)) {
      const undone = Number(op['seq']) - 1;
      if (op['op'] === 'undo' && undone < at) force[undone] = false;
    }
  }
  return force;
}

/** The fold of a whole log from its ops and results: merge, cleave, put, delete, undo; other ops change neither bodies nor rows. */
export function foldLog(log: readonly WireMap[]): EditView {
  const bodies = new Map<string, Set<string>>();
  const rows = new Map<string, WireMap>();
  const bodyOf = (id: string): Set<string> => bodies.get(id) ?? new Set([id]);
  const force = inForce(log);
  for (const [at, edit] of log.entries()) {
    if (!force[at]) continue;
    for (const [k, op] of listOf(edit['ops']).map(mapOf).entries()) {
      const result = mapOf(listOf(edit['results'])[k]);
      if (op['op'] === 'merge' || op['op'] === 'cleave')
        joinOrPart(op['op'], namedBy(op['ids'], listOf(edit['results'])), bodyOf, bodies);
      if (op['op'] === 'put')
        for (const [i, row] of listOf(op['rows']).map(mapOf).entries())
          rows.set(`${op['table']}/${row['key'] ?? idsOf(result['keys'])[i]}`, row);
      if (op['op'] === 'delete') for (const key of idsOf(op['keys'])) rows.delete(`${op['table']}/${key}`);
    }
  }
  return { rows, ids: () => bodies.keys(), root: (id) => rootOf(bodyOf(id)) };
}

/** The ids that an op names; `{new: k}` is what op k created: rule [E1]. */
function namedBy(value: unknown, results: readonly unknown[]): string[] {
  if (!Array.isArray(value)) return idsOf(value);
  return value.map((id) => (typeof id === 'object' && id !== null ? createdBy(id, results) : String(id)));
}

/** The id that the op named by `{new: k}` created. */
export function createdBy(reference: WireMap, results: readonly unknown[]): string {
  const result = mapOf(results[Number(reference['new'])]);
  return String(result['id'] ?? result['alias']);
}

function joinOrPart(
  op: 'merge' | 'cleave',
  ids: readonly string[],
  bodyOf: (id: string) => Set<string>,
  bodies: Map<string, Set<string>>,
): void {
  const body = new Set(op === 'merge' ? ids.flatMap((id) => [...bodyOf(id)]) : ids);
  if (op === 'cleave') for (const id of ids) bodyOf(id).delete(id);
  for (const id of body) bodies.set(id, body);
}

function rootOf(body: ReadonlySet<string>): string {
  const ids = [...body].map(BigInt).filter((id) => id !== 0n);
  return String(ids.sort((a, b) => (a < b ? -1 : 1))[0] ?? 0n);
}

/** What a client has that applies `changes` one by one: rule [E33], word by word. */
export class AppliedView implements EditView {
  readonly #roots = new Map<string, string>();
  readonly #rows = new Map<string, WireMap>();

  get rows(): ReadonlyMap<string, WireMap> {
    return this.#rows;
  }

  root(id: string): string {
    return this.#roots.get(id) ?? id;
  }

  ids(): Iterable<string> {
    return this.#roots.keys();
  }

  /** Takes one edit's `changes`. */
  apply(value: unknown): void {
    const changes = mapOf(value);
    const pairs = idsOf(changes['joined']);
    const joined = new Map<string, string>();
    for (let i = 0; i < pairs.length; i += 2) joined.set(String(pairs[i]), String(pairs[i + 1]));
    for (const from of joined.keys()) if (!this.#roots.has(from)) this.#roots.set(from, from);
    for (const [id, root] of this.#roots) this.#roots.set(id, joined.get(root) ?? root);
    for (const [root, members] of listOf(changes['parted']).map(listOf))
      for (const member of idsOf(members)) this.#roots.set(member, String(root));
    for (const [table, rows] of Object.entries(mapOf(changes['rows']))) this.putRows(table, rows);
    for (const [table, keys] of Object.entries(mapOf(changes['gone'])))
      for (const key of idsOf(keys)) this.#rows.delete(`${table}/${key}`);
  }

  /** Takes one page of a snapshot: rule [S11]. */
  takePage(section: string, rows: unknown): void {
    if (section === 'links') {
      const pairs = idsOf(rows);
      for (let i = 0; i < pairs.length; i += 2) this.#roots.set(String(pairs[i]), String(pairs[i + 1]));
    } else if (section.startsWith('rows:')) this.putRows(section.slice('rows:'.length), rows);
  }

  putRows(table: string, rows: unknown): void {
    for (const row of listOf(rows).map(mapOf)) this.#rows.set(`${table}/${row['key']}`, row);
  }
}

/** The same by `protocol/edit-view.ts`, which the SDK and the viewer use. */
export class ModuleView implements EditView {
  readonly #view = new ModuleEditView();
  readonly #known = new Set<string>();

  get rows(): ReadonlyMap<string, WireMap> {
    return new Map(
      TABLES.flatMap((table) => [...this.#view.rows(table)].map(([key, row]) => [`${table}/${key}`, row])),
    );
  }

  root(id: string): string {
    return String(this.#view.rootOf(BigInt(id)));
  }

  ids(): Iterable<string> {
    return this.#known;
  }

  apply(value: unknown): void {
    const changes = readChanges(value);
    for (const id of idsOf(changes.joined)) this.#known.add(id);
    for (const [, members] of changes.parted ?? []) for (const id of idsOf(members)) this.#known.add(id);
    this.#view.apply(this.#view.seq + 1, changes);
  }

  takePage(section: string, rows: unknown): void {
    if (section === 'links' && rows instanceof Uint8Array) {
      for (const id of idsOf(rows)) this.#known.add(id);
      this.#view.loadLinks(rows);
    }
    const table = TABLES.find((name) => section === `rows:${name}`);
    if (table !== undefined) this.#view.loadRows(table, rows);
  }
}

/** What differs between a client's view and the fold; fields that the server added to rows do not count. */
export function differences(view: EditView, fold: EditView): string[] {
  const found: string[] = [];
  for (const id of new Set([...view.ids(), ...fold.ids()]))
    if (view.root(id) !== fold.root(id)) found.push(`id ${id} has root ${view.root(id)}, not ${fold.root(id)}`);
  for (const key of new Set([...view.rows.keys(), ...fold.rows.keys()])) {
    const [seen, kept] = [view.rows.get(key), fold.rows.get(key)];
    if (seen === undefined || kept === undefined)
      found.push(`row ${key} is ${seen === undefined ? 'missing' : 'too many'}`);
    else
      for (const [field, value] of Object.entries(kept))
        if (canonical(seen[field]) !== canonical(value))
          found.push(`row ${key} has ${field} ${canonical(seen[field])}, not ${canonical(value)}`);
  }
  return found;
}
