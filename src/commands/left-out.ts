/** What Butterfly's files of merges and splits have no place for. */
import type { EditEvent } from '../client/edit-event.ts';
import { counted } from '../client/words.ts';
import { SPLIT_META_PREFIX } from '../utility/legacy-ops.ts';
import type { EditSession } from './context.ts';
import { undosInForce } from './redo.ts';

/** What edits are of, and the ops that make them so. */
const KINDS: readonly (readonly [of: string, ops: readonly string[]])[] = [
  ['voxels', ['split', 'write']],
  ['rows of tables', ['put', 'delete']],
  ['metadata', ['meta']],
];

/**
 * Says which edits are not in the files of `bfly export --npy`.
 *
 * @param upto seq of the state that was written. @param signal ends it.
 * @returns undefined where there are none. Edits that are undone do not count.
 */
export async function leftOutOfNpy(
  session: Pick<EditSession, 'history'>,
  path: string,
  upto: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const undos: EditEvent[] = [];
  const found = new Map(KINDS.map(([of]) => [of, [] as number[]]));
  for await (const edit of session.history(path, { kinds: ['undo', ...KINDS.flatMap(([, ops]) => ops)], signal })) {
    if (edit.seq > upto) break;
    if (edit.ops.some(({ op }) => op === 'undo')) undos.push(edit);
    for (const [of, names] of KINDS)
      if (edit.ops.some((op) => names.includes(String(op['op'])) && !isSplit(op))) found.get(of)?.push(edit.seq);
  }
  const out = undosInForce(undos);
  const parts = KINDS.flatMap(([of]) => {
    const edits = (found.get(of) ?? []).filter((seq) => !out.has(seq)).length;
    return edits === 0 ? [] : [`${counted(edits, 'edit')} of ${of}`];
  });
  if (parts.length === 0) return undefined;
  const last = parts.at(-1) ?? '';
  const all = parts.length === 1 ? last : `${parts.slice(0, -1).join(', ')} and ${last}`;
  return `left out, since these files hold merges and splits of regions alone: ${all}; without --npy rows and metadata are written, with --to voxels`;
}

/** Splits that are kept as metadata are in the files. */
function isSplit(op: Readonly<Record<string, unknown>>): boolean {
  return op['op'] === 'meta' && String(op['key']).startsWith(SPLIT_META_PREFIX);
}
