/** Which rights the ops of an EDIT need. Rules [E13] (4) and [E30]. */
import type { Op, OpName } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { Author, Right } from '../rights.ts';
import type { LoggedRecord } from './edit-request.ts';

const NEEDED: Readonly<Record<Exclude<OpName, 'undo'>, Right>> = {
  merge: 'edit',
  cleave: 'edit',
  split: 'edit',
  region: 'edit',
  write: 'edit',
  put: 'annotate',
  delete: 'annotate',
  meta: 'admin',
};

/**
 * Checks that an author may do all of some ops.
 *
 * @param find an edit of the log, for undo.
 * @throws FORBIDDEN with the op's index; NOT_FOUND where an undo names an edit that is not there.
 */
export function checkRights(
  ops: readonly Op[],
  path: string,
  author: Author,
  find: (seq: number) => LoggedRecord | undefined,
): void {
  for (const [index, op] of ops.entries()) {
    if (op.op !== 'undo') {
      need(NEEDED[op.op], index);
      continue;
    }
    const undone = find(op.seq);
    if (undone === undefined)
      throw new BflyError('NOT_FOUND', `ops[${index}].seq must be the seq of an edit; there is no ${op.seq}`, {
        details: { op: index, field: 'seq' },
      });
    if (undone.user.id !== author.user.id) need('edit-others', index);
    for (const right of rightsOf(undone, find, 0)) need(right, index);
  }

  function need(right: Right, index: number): void {
    if (author.rights.allows(right, path)) return;
    throw new BflyError('FORBIDDEN', `ops[${index}] needs the right "${right}" on this path`, {
      details: { op: index, right },
    });
  }
}

/** Undos of undos of undos …: each step names an earlier edit, and a few are all that people do. */
const MAX_DEPTH = 64;

function rightsOf(
  record: LoggedRecord,
  find: (seq: number) => LoggedRecord | undefined,
  depth: number,
): ReadonlySet<Right> {
  const rights = new Set<Right>();
  for (const { op, seq } of record.ops) {
    // The log holds ops that were read by `parseOps`.
    if (op !== 'undo') rights.add(NEEDED[op as keyof typeof NEEDED]);
    else {
      const undone = depth < MAX_DEPTH && typeof seq === 'number' ? find(seq) : undefined;
      if (undone === undefined) rights.add('admin');
      else for (const right of rightsOf(undone, find, depth + 1)) rights.add(right);
    }
  }
  return rights;
}
