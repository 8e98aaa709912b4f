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
  let named: Set<number> | undefined;
  let looked: Set<number> | undefined;
  for (let index = 0; index < ops.length; index++) {
    const op = ops[index] as Op;
    if (op.op !== 'undo') {
      need(NEEDED[op.op], index);
      continue;
    }
    named ??= new Set();
    looked ??= new Set();
    if (named.has(op.seq)) continue;
    named.add(op.seq);
    const undone = find(op.seq);
    if (undone === undefined)
      throw new BflyError('NOT_FOUND', `ops[${index}].seq must be the seq of an edit; there is no ${op.seq}`, {
        details: { op: index, field: 'seq' },
      });
    if (undone.user.id !== author.user.id) need('edit-others', index);
    eachRight(undone, find, looked, (right) => need(right, index));
  }

  function need(right: Right, index: number): void {
    if (author.rights.allows(right, path)) return;
    throw new BflyError('FORBIDDEN', `ops[${index}] needs the right "${right}" on this path`, {
      details: { op: index, right },
    });
  }
}

/** Edits that are looked at for the undos of one EDIT: those that they name, those that these named, and so on. */
const MAX_LOOKED = 2_048;

/**
 * Calls `need` with every right that taking an edit out of force, or putting it back, takes: those of its ops, and of the edits that its
 * own undos name.
 *
 * @param looked edits whose rights were asked for before; added to.
 */
function eachRight(
  record: LoggedRecord,
  find: (seq: number) => LoggedRecord | undefined,
  looked: Set<number>,
  need: (right: Right) => void,
): void {
  if (looked.has(record.seq)) return;
  looked.add(record.seq);
  const waiting = [record];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    for (const { op, seq } of next.ops) {
      // The log holds ops that were read by `parseOps`.
      if (op !== 'undo') need(NEEDED[op as keyof typeof NEEDED]);
      else if (typeof seq === 'number' && !looked.has(seq)) {
        looked.add(seq);
        const undone = looked.size > MAX_LOOKED ? undefined : find(seq);
        if (undone !== undefined) waiting.push(undone);
        else return need('admin');
      }
    }
}
