/** The edits of all channels of a view in one list, newest first, as a filter shows them. Pure. */
import type { EditEvent } from '../../../client/index.ts';
import { userName } from '../../../client/words.ts';
import type { ChannelLog } from './channel-log.ts';
import { editWords } from './edit-words.ts';

/** What of the edits is shown; undefined = all. */
export interface RowFilter {
  /** As `authorOf` names them. */
  readonly author?: string | undefined;
  /** Name of an op. */
  readonly kind?: string | undefined;
}

/** One edit of one channel. */
export interface EditRow {
  readonly path: string;
  readonly edit: EditEvent;
}

/** Names an author: people may share a name, or an id where nobody has one. */
export function authorOf({ user }: Pick<EditEvent, 'user'>): string {
  return `${user.id}\n${user.name}`;
}

/** All rows that can be told in order: what lies before the oldest edit of a channel that has older ones is left out. */
export function rowsOf(logs: ReadonlyMap<string, ChannelLog>, { author, kind }: RowFilter = {}): EditRow[] {
  let since = Number.NEGATIVE_INFINITY;
  for (const log of logs.values())
    if (log.hasOlder) since = Math.max(since, log.edits[0]?.time ?? Number.POSITIVE_INFINITY);
  const isShown = (edit: EditEvent): boolean =>
    (logs.size === 1 || edit.time >= since) &&
    (author === undefined || authorOf(edit) === author) &&
    (kind === undefined || edit.ops.some((op) => op['op'] === kind));
  const rows = [...logs].flatMap(([path, { edits }]) => {
    // Of one channel the seq decides: clocks go back at times.
    let latest = 0;
    return edits.flatMap((edit) => {
      latest = Math.max(latest, edit.time);
      return isShown(edit) ? [{ path, edit, latest }] : [];
    });
  });
  rows.reverse();
  return logs.size === 1 ? rows : rows.sort((a, b) => b.latest - a.latest);
}

/** Who made the edits that are known, by what `authorOf` says, in the order of their names. */
export function authorsOf(logs: Iterable<ChannelLog>): Map<string, string> {
  const authors = new Map<string, string>();
  for (const { edits } of logs) for (const edit of edits) authors.set(authorOf(edit), userName(edit.user));
  return new Map([...authors].sort(([, a], [, b]) => a.localeCompare(b)));
}

/** What stands in the way of an undo, in words: the edits in force that were built on it. */
export function builtOn(edits: readonly EditEvent[], log: ChannelLog): string {
  const said = edits.map((edit) => `edit ${edit.seq} (${userName(edit.user)} ${editWords(edit, log.isUndo)})`);
  const shown = said.slice(0, 3);
  const more = said.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
