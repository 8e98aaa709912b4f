/** Undo of an edit from the history: whether one may, and what was built on it. */
import { type ChannelInfo, ConflictError, type EditEvent, type LiveChannel } from '../../../client/index.ts';
import type { ChannelLog } from './channel-log.ts';

/** What came of it. */
export type UndoOutcome =
  | { readonly kind: 'done'; readonly seq: number }
  /** It was out of force already. */
  | { readonly kind: 'noop' }
  /** Later edits in force changed the same; undefined: there are too many to tell. */
  | { readonly kind: 'blocked'; readonly by: readonly EditEvent[] | undefined };

type Right = NonNullable<ChannelInfo['rights']>[number];

/** The right that an op needs, and its undo. */
function rightOf(op: unknown): Right {
  if (op === 'put' || op === 'delete') return 'annotate';
  return op === 'meta' ? 'admin' : 'edit';
}

/** Why one may not undo an edit; undefined where one may. Rule [E30]. */
export function undoRefusal(info: Pick<ChannelInfo, 'editable' | 'rights'>, edit: EditEvent): string | undefined {
  const { editable, rights } = info;
  if (rights === undefined) return editable ? undefined : 'This channel cannot be edited';
  const needed = edit.ops.map((op) => rightOf(op['op']));
  if (!needed.every((right) => rights.includes(right))) return 'You may not edit this channel in that way';
  if (!edit.mine && !rights.includes('edit-others')) return 'You may not undo what others did';
  return undefined;
}

/**
 * Takes an edit out of force.
 *
 * @param anyway even if later edits were built on it.
 * @throws BflyError as an edit.
 */
export async function undoEdit(
  channel: Pick<LiveChannel, 'edit'>,
  log: Pick<ChannelLog, 'since' | 'isInForce'>,
  seq: number,
  anyway = false,
): Promise<UndoOutcome> {
  const ops = [{ op: 'undo', seq }] as const;
  try {
    const { status, seq: by } = await channel.edit(ops, anyway ? {} : { base: log.since(seq) });
    return status === 'noop' ? { kind: 'noop' } : { kind: 'done', seq: by };
  } catch (error) {
    if (!(error instanceof ConflictError) || anyway) throw error;
    const by = error.edits?.filter((other) => log.isInForce(other.seq));
    // What stood in the way has been undone itself.
    if (by?.length === 0 && !error.more) return undoEdit(channel, log, seq, true);
    return { kind: 'blocked', by };
  }
}
