/** Edits as people read them. */
import type { EditEvent } from '../client/edit-event.ts';
import { readIds } from '../client/edit-result.ts';
import { cleanText, counted } from '../client/words.ts';
import type { UndoWord } from './undo-words.ts';

/** More ids than these are only counted. */
const IDS_SHOWN = 6;
/** More ops than these are only counted. */
const OPS_SHOWN = 3;

type Fields = Readonly<Record<string, unknown>>;

/**
 * What an edit did, in one line: `merge 17, 23 → 17; put annotation 4`.
 *
 * @param undoWord says what the undo of an edit comes to; default: `undo 4`.
 */
export function describeEdit(
  ops: readonly object[],
  results: readonly unknown[],
  undoWord: UndoWord = (seq) => `undo ${seq}`,
): string {
  const shown = ops.slice(0, OPS_SHOWN).map((op, i) => describeOp(op as Fields, results[i], undoWord)); // any object has fields
  const more = ops.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ') || 'nothing that the filter shows';
}

function describeOp(op: Fields, result: unknown, undoWord: UndoWord): string {
  const got: Fields = isFields(result) ? result : {};
  const name = String(op['op']);
  switch (name) {
    case 'merge':
    case 'cleave':
      return `${name}${listIds(op['ids'])}${becomes(got['root'])}`;
    case 'split':
      return `split${asId(op['id'])}${becomes(got['id'])}${inVoxels(got['voxels'])}`;
    case 'region': {
      const where = Array.isArray(op['box']) ? ` at ${op['box'].join(',')}` : '';
      return op['id'] === undefined ? name : `region${asId(op['id'])}:${op['region']}${where}${becomes(got['alias'])}`;
    }
    case 'write': {
      const what = op['value'] === undefined ? 'voxels' : plain(op['value']);
      return Array.isArray(op['box'])
        ? `write ${what} into ${op['box'].join(',')}${becomes(got['id'])}${inVoxels(got['voxels'])}`
        : name;
    }
    case 'put':
      return op['table'] === undefined ? name : `put ${op['table']}${listIds(got['keys'])}`;
    case 'delete':
      return op['table'] === undefined ? name : `delete ${op['table']}${listIds(op['keys'])}`;
    case 'undo':
      return op['seq'] === undefined ? name : undoWord(Number(op['seq']));
    case 'meta':
      return op['key'] === undefined ? name : `meta ${cleanText(String(op['key']))}`;
    default:
      return cleanText(name);
  }
}

/** A remark behind an edit that came from a log whole, and left everything as it was. */
export function noopRemark({ changes, cut }: EditEvent): string {
  return cut !== true && Object.keys(changes).length === 0 ? ' (nothing changed)' : '';
}

/** Date and time of the day in this machine's zone: `2026-03-01 14:05:09`. */
export function formatTime(ms: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function listIds(value: unknown): string {
  const created = Array.isArray(value) ? value.filter(isFields).map(plain) : [];
  const ids = [...readIds(value).map(String), ...created];
  if (ids.length === 0) return '';
  if (ids.length <= IDS_SHOWN) return ` ${ids.join(', ')}`;
  return ` ${ids.slice(0, IDS_SHOWN - 1).join(', ')}, … (${ids.length.toLocaleString('en')})`;
}

const becomes = (id: unknown): string => (id === undefined || id === null ? '' : ` → ${plain(id)}`);
const asId = (id: unknown): string => (id === undefined ? '' : ` ${plain(id)}`);
const inVoxels = (count: unknown): string => (typeof count === 'number' ? ` (${counted(count, 'voxel')})` : '');

/** A value of an op in a word; `{new: k}` is what op k created. */
function plain(value: unknown): string {
  if (isFields(value)) return `new of op ${value['new']}`;
  return cleanText(String(value));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
