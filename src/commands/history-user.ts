/** Edits of one user, who may be named by id or by name. */
import type { EditEvent } from '../client/edit-event.ts';
import type { HistoryOptions } from '../client/history.ts';
import { cleanText } from '../client/words.ts';
import { type Context, type EditSession, say } from './context.ts';

/** Pages of edits, oldest first. */
export type EditPages = AsyncIterable<{ readonly edits: readonly EditEvent[] }>;

/**
 * The edits of whoever has this id; where nobody with it edited the channel, of all who have it as their name.
 *
 * @param options of the history, without a user.
 */
export async function* pagesOfUser(
  session: EditSession,
  path: string,
  user: string,
  options: HistoryOptions,
  { terminal }: Context,
): AsyncGenerator<{ readonly edits: readonly EditEvent[] }> {
  const { signal, limit = Number.POSITIVE_INFINITY, ...wishes } = options;
  if (await hasEdits(session, path, user, signal)) {
    yield* session.history(path, { ...options, user }).pages();
    return;
  }
  const ids = new Set<string>();
  let left = limit;
  const asked = session.history(path, { ...wishes, ...(signal === undefined ? {} : { signal }) });
  for await (const page of asked.pages()) {
    const edits = page.edits.filter((edit) => isCalled(edit, user)).slice(0, left);
    for (const edit of edits) ids.add(edit.user.id);
    left -= edits.length;
    yield { edits };
    if (left === 0) break;
  }
  const name = cleanText(user);
  if (ids.size === 0) say(terminal, `no edit here is by anybody of the id or name "${name}"`);
  if (ids.size > 1)
    say(
      terminal,
      `"${name}" is the name of several: ${[...ids].map(cleanText).join(', ')}; --user ID shows one of them`,
    );
}

async function hasEdits(session: EditSession, path: string, user: string, signal?: AbortSignal): Promise<boolean> {
  for await (const _ of session.history(path, { user, ...(signal === undefined ? {} : { signal }) })) return true;
  return false;
}

/** As it is kept, or as it is shown. */
function isCalled({ user: { name } }: EditEvent, wanted: string): boolean {
  return name !== '' && (name === wanted || cleanText(name) === cleanText(wanted));
}
