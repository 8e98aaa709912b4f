/** Edits as programs read them: JSON in which every id is a text, so that none is rounded. */
import type { Changes } from '../../protocol/edit-changes.ts';
import type { EditEvent } from '../client/edit-event.ts';
import { readIds } from '../client/edit-result.ts';

/** Fields whose integers are ids or keys. */
const ID_FIELDS: readonly string[] = ['id', 'key', 'pre', 'post', 'root', 'alias'];
/** Fields that hold a list of ids, as an array or as bytes. */
const ID_LISTS: readonly string[] = ['ids', 'keys', 'select'];
/** Fields whose values are the users' own: what is in them is no field of ours. */
const FREE_FIELDS: readonly string[] = ['meta', 'value', 'props', 'view'];

/** A value on one line: bigints and ids as texts, other bytes as base64. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(plainValue(value))}\n`;
}

/** A value for `JSON.stringify`. */
export function plainValue(value: unknown, field = ''): unknown {
  const isFree = FREE_FIELDS.includes(field);
  if (ID_LISTS.includes(field) && (Array.isArray(value) || value instanceof Uint8Array)) return plainIds(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && ID_FIELDS.includes(field)) return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  if (Array.isArray(value)) return value.map((item) => plainValue(item, field));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, plainValue(item, isFree ? field : name)]),
  );
}

function plainIds(value: readonly unknown[] | Uint8Array): unknown[] {
  if (value instanceof Uint8Array) return readIds(value).map(String);
  return value.map((id) => (typeof id === 'number' || typeof id === 'bigint' ? String(id) : plainValue(id)));
}

/** An edit as a plain object. */
export function plainEdit(edit: EditEvent): Readonly<Record<string, unknown>> {
  const { seq, time, user, ops, results, changes, note, cut } = edit;
  return {
    seq,
    time,
    user,
    ops: plainValue(ops),
    results: plainValue(results),
    changes: plainChanges(changes),
    ...(note === undefined ? {} : { note }),
    ...(cut === undefined ? {} : { cut }),
  };
}

/** Changes with the rows of ids as lists: joined `[[from, to], …]`, parted `[[root, [members]], …]`. */
function plainChanges(changes: Changes): unknown {
  const { joined, parted, gone, goneRegions, ...rest } = changes;
  const pairs = readIds(joined).map(String);
  return {
    ...(joined === undefined
      ? {}
      : { joined: Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i], pairs[2 * i + 1]]) }),
    ...(parted === undefined
      ? {}
      : { parted: parted.map(([root, members]) => [root.toString(), readIds(members).map(String)]) }),
    ...(plainValue(rest) as object), // an object stays one
    ...(gone === undefined ? {} : { gone: plainValue(gone) }),
    ...(goneRegions === undefined ? {} : { goneRegions: plainValue(goneRegions) }),
  };
}
