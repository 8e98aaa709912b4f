/** A channel's log over the wire: folded from its beginning, and as the server's newest snapshot has it. */
import { EditView } from '../../protocol/edit-view.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { EditEvent } from '../client/edit-event.ts';
import type { EditSession } from './context.ts';

/** The state of a channel at one seq. */
export interface StateAt {
  readonly epoch: Uint8Array;
  readonly seq: number;
  readonly view: EditView;
}

/** What the log alone gives. */
export interface FoldedLog {
  readonly view: EditView;
  /** Edits that were read. */
  readonly edits: number;
  /** What is wrong with the numbering, one sentence each. */
  readonly faults: readonly string[];
}

/** Reads the state as the server tells newcomers. @param signal ends it. */
export async function readSnapshot(session: EditSession, path: string, signal: AbortSignal): Promise<StateAt> {
  const subscription = session.subscribe(path, { signal });
  try {
    await subscription.ready;
    const { epoch, seq, state } = subscription;
    if (epoch === undefined) throw new BflyError('UNAVAILABLE', 'the server did not say which log it is');
    return { epoch, seq, view: state };
  } finally {
    // In the same turn: no edit is applied to the state any more.
    subscription.close();
  }
}

/**
 * Folds the edits up to a seq.
 *
 * @param took hears each edit after it was applied. @param signal ends it.
 */
export async function foldHistory(
  session: EditSession,
  path: string,
  upto: number,
  signal: AbortSignal,
  took: (edit: EditEvent) => void = () => {},
): Promise<FoldedLog> {
  const view = new EditView();
  const faults: string[] = [];
  let edits = 0;
  let last = 0;
  for await (const entry of session.history(path, { limit: upto, signal })) {
    if (entry.seq > upto) break;
    if (entry.seq !== last + 1) faults.push(missing(last + 1, entry.seq - 1));
    last = entry.seq;
    edits++;
    const edit = entry.cut === true ? await readLarge(session, path, entry.seq, signal) : entry;
    view.apply(edit.seq, edit.changes);
    took(edit);
  }
  if (last < upto) faults.push(missing(last + 1, upto));
  return { view, edits, faults };
}

/**
 * Metadata as it was at a seq, from the edits alone: snapshots do not tell of it. Rule [S11].
 *
 * @param signal ends it.
 */
export async function readMetadata(
  session: EditSession,
  path: string,
  upto: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, unknown>> {
  const view = new EditView();
  for await (const entry of session.history(path, { kinds: ['meta', 'undo'], signal })) {
    if (entry.seq > upto) break;
    const { meta } = entry.cut === true ? (await readLarge(session, path, entry.seq, signal)).changes : entry.changes;
    if (meta !== undefined) view.apply(entry.seq, { meta });
  }
  return view.meta;
}

/** An edit that is too large for a page of history: subscriptions have it whole. */
async function readLarge(session: EditSession, path: string, seq: number, signal: AbortSignal): Promise<EditEvent> {
  const subscription = session.subscribe(path, { from: seq - 1, signal });
  try {
    for await (const edit of subscription) if (edit.seq === seq) return edit;
    throw new BflyError('NOT_FOUND', `edit ${seq} cannot be read whole`);
  } finally {
    subscription.close();
  }
}

function missing(from: number, to: number): string {
  return from === to ? `edit ${from} is missing in the log` : `edits ${from} to ${to} are missing in the log`;
}
