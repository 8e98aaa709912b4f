/** How the loser of a race is told who won. Rule [E19]. */
import { BflyError } from '../../../protocol/errors.ts';
import { pack } from '../../../protocol/msgpack.ts';
import type { LoggedRecord } from './edit-request.ts';

/** Edits that a CONFLICT names. */
const MAX_WINNERS = 16;
/** An ERROR is at most 64 KiB: ops with large masks are left out. */
const MAX_DETAILS_BYTES = 48 * 1024;

/**
 * The CONFLICT of an edit.
 *
 * @param head seq of the last edit that was looked at: with it as base, the edit has met all before.
 * @param winners seqs of the edits that won, ascending, one more than are told where there are more; undefined = too long ago to tell.
 */
export function conflictError(
  head: number,
  winners: readonly number[] | undefined,
  find: (seq: number) => LoggedRecord | undefined,
): BflyError {
  const message = 'others changed the same things since base: see details, and send the edit again on the new head';
  if (winners === undefined)
    return new BflyError('CONFLICT', 'base is too far behind the head', { details: { head, edits: null, more: true } });
  let room = MAX_DETAILS_BYTES;
  const edits: unknown[] = [];
  for (const seq of winners.slice(0, MAX_WINNERS)) {
    const record = find(seq);
    if (record === undefined) continue;
    const { user, ops, results } = record;
    const size = pack({ seq, user, ops, results }).length;
    const told = size > room ? { seq, user, ops: [], results: [] } : { seq, user, ops, results };
    if (size <= room) room -= size;
    edits.push(told);
  }
  return new BflyError('CONFLICT', message, { details: { head, edits, more: winners.length > MAX_WINNERS } });
}
