/** What edits did, in plain words of the past: "merged 3 segments into 9775". Pure. */

import { type EditEvent, readIds } from '../../../client/index.ts';
import { cleanText, counted } from '../../../client/words.ts';

/** Whether an edit did nothing but undo others, as far as it is known. */
export type IsUndo = (seq: number) => boolean;

/** Kinds of ops that a filter offers, with what they are called there. */
export const KINDS: readonly (readonly [op: string, label: string])[] = [
  ['merge', 'Merges'],
  ['cleave', 'Cleaves'],
  ['split', 'Splits'],
  ['write', 'Paint'],
  ['put', 'Annotations'],
  ['delete', 'Deletions'],
  ['undo', 'Undo and redo'],
  ['region', 'Regions'],
  ['meta', 'Metadata'],
];

/** More things than these are only counted. */
const SHOWN = 3;

type Fields = Readonly<Record<string, unknown>>;

/** What an edit did: one line, without who and when. It begins with a verb, lower case. */
export function editWords({ ops, results, changes, cut, time }: EditEvent, isUndo: IsUndo = () => false): string {
  const undos = ops.flatMap((op) => (op['op'] === 'undo' ? [Number(op['seq'])] : []));
  const others = ops.flatMap((op, i) => (op['op'] === 'undo' ? [] : [opWords(op, fieldsOf(results[i]))]));
  const said = [...(undos.length > 0 ? [undoWords(undos, changes, isUndo)] : []), ...others];
  const shown = said.slice(0, SHOWN);
  const more = said.length - shown.length;
  const text = [...shown, ...(more > 0 ? [`${counted(more, 'more change')}`] : [])].join(', ');
  if (text === '') return 'changed something elsewhere';
  // Of edits that stand in the way of another their ops alone are told.
  const isNoop = cut !== true && time > 0 && Object.keys(changes).length === 0;
  return isNoop ? `${text} (nothing changed)` : text;
}

function opWords(op: Fields, result: Fields): string {
  const { op: name, ids, id, table, value } = op;
  switch (name) {
    case 'merge':
    case 'cleave':
      return bodyWords(name, ids, result['root']);
    case 'split':
      return `split ${inVoxels(result['voxels'], 'off ')}${id === undefined ? 'a segment' : shortId(id)}${as(result['id'])}`;
    case 'write':
      return paintWords(value, result);
    case 'region':
      return id === undefined ? 'marked a part' : `marked part ${op['region']} of ${shortId(id)}`;
    case 'put':
      return putWords(table, op['rows']);
    case 'delete':
      return `deleted ${things(table, [], countOf(op['keys']))}`;
    case 'meta':
      return op['key'] === undefined ? 'changed metadata' : `changed metadata “${cleanText(String(op['key']))}”`;
    default:
      return `did “${cleanText(String(name))}”`;
  }
}

function bodyWords(name: 'merge' | 'cleave', ids: unknown, root: unknown): string {
  const count = countOf(ids);
  const segments = count === 0 ? 'segments' : counted(count, 'segment');
  if (name === 'merge') return `merged ${segments}${root === undefined ? '' : ` into ${shortId(root)}`}`;
  if (count === 1) return `cleaved ${shortId(root ?? readIds(ids)[0])} out of its body`;
  return `cleaved ${segments}${root === undefined ? '' : ` out into ${shortId(root)}`}`;
}

function paintWords(value: unknown, { id, voxels }: Fields): string {
  const count = typeof voxels === 'number' ? counted(voxels, 'voxel') : 'voxels';
  if (value === 0 || value === 0n) return `erased ${count}`;
  if (value === 'new')
    return `painted ${count}${id === undefined ? ' with a new segment' : ` with new ${shortId(id)}`}`;
  return `painted ${count}${typeof value === 'number' || typeof value === 'bigint' ? ` with ${shortId(value)}` : ''}`;
}

function putWords(table: unknown, rows: unknown): string {
  const list = Array.isArray(rows) ? rows.map(fieldsOf) : [];
  if (table === 'neuron') return `named ${list.length === 0 ? 'bodies' : counted(list.length, 'body', 'bodies')}`;
  const isNew = list.every(({ key }) => key === undefined);
  const kinds = list.map(({ kind }) => String(kind));
  return `${isNew ? 'added' : 'changed'} ${things(table, kinds, list.length)}`;
}

/** `2 points`, `a synapse`, `5 annotations`. */
function things(table: unknown, kinds: readonly string[], count: number): string {
  const [kind] = kinds;
  const isOne = table === 'annotation' && kind !== undefined && kinds.every((other) => other === kind);
  const known = isOne && ['point', 'line', 'box', 'ellipsoid', 'polyline'].includes(kind);
  const name = known ? kind : typeof table === 'string' ? cleanText(table) : 'row';
  const names = name === 'box' ? 'boxes' : `${name}s`;
  return count === 0 ? names : counted(count, name, names);
}

/** What undos come to: an undo of an undo is a redo. */
function undoWords(
  named: readonly number[],
  { undone = [], redone = [] }: EditEvent['changes'],
  isUndo: IsUndo,
): string {
  if (named.some(Number.isNaN)) return 'undid edits';
  const isPlain = (seq: number): boolean => !isUndo(seq);
  // Undos that go out of force, or back into it, are how it came about, not what it came to.
  const passing = new Set(named.length < undone.length + redone.length ? named.filter((seq) => !isPlain(seq)) : []);
  const out = undone.filter((seq) => isPlain(seq) && !passing.has(seq));
  const back = redone.filter(isPlain);
  const said = [...listed('undid', out), ...listed('redid', back)];
  return said.length > 0 ? said.join(' and ') : (listed('undid', named)[0] ?? 'undid edits');
}

function listed(verb: string, seqs: readonly number[]): string[] {
  if (seqs.length === 0) return [];
  if (seqs.length > SHOWN) return [`${verb} ${counted(seqs.length, 'edit')}`];
  return [`${verb} ${seqs.join(', ')}`];
}

function countOf(ids: unknown): number {
  if (ids instanceof Uint8Array) return ids.length / 8;
  return Array.isArray(ids) ? new Set(ids.map((id) => (typeof id === 'object' ? id : BigInt(id)))).size : 0;
}

function inVoxels(count: unknown, after: string): string {
  return typeof count === 'number' ? `${counted(count, 'voxel')} ${after}` : '';
}

const as = (id: unknown): string => (id === undefined || id === null ? '' : ` as ${shortId(id)}`);

/** An id as it is; `{new: k}` is one that the same edit made. */
function shortId(id: unknown): string {
  return typeof id === 'bigint' || typeof id === 'number' ? String(id) : 'a new segment';
}

function fieldsOf(value: unknown): Fields {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  return isMap ? (value as Fields) : {}; // any map has fields
}
