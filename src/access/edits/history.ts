/** HISTORY: pages of a log. Rule [S14]. */
import type { ClientMessage, EditRecord, ServerMessage } from '../../../protocol/messages.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import { nameOf } from '../../core/edits/edit-feed.ts';
import type { OpenLog } from '../../core/edits/edit-logs.ts';
import { authorPart, privatePartOf, publicPartOf } from '../../core/edits/edit-record.ts';
import type { SessionContext } from '../session/session-context.ts';

type IsOwn = (wid: Uint8Array) => boolean;
type History = Extract<ClientMessage, { kind: 'HISTORY' }>;

/** Bytes of edits in a reply, which may have 64 KiB. */
const PAGE_BYTES = 60 * 1024;

/** The answer to a HISTORY. @throws what opening the path throws. */
export async function answerHistory(
  message: History,
  { home, checkRead, identity }: SessionContext,
  writers: ReadonlySet<string>,
): Promise<ServerMessage> {
  checkRead(message.path);
  const open = home.peekLog(message.path) ?? (await home.openLog(message.path));
  // The right may have gone while the path was opened.
  checkRead(message.path);
  const { epoch, head } = open.log;
  const page = historyPage(message, open, isOwnOf(open, writers, identity().user.id));
  return { kind: 'HISTORY_OK', id: message.id, epoch, first: 1, head, ...page };
}

/** Tells the writers of the session, which may have asked for one that has become another user's. */
function isOwnOf({ log }: OpenLog, writers: ReadonlySet<string>, user: string): IsOwn {
  return (wid) => writers.has(nameOf(wid)) && log.lastOf(wid, user) !== undefined;
}

/** The page ends with the range, or where it is full: then the next one begins behind its last edit. */
function historyPage(
  { after, limit, user, kinds }: History,
  { log }: OpenLog,
  isOwn: IsOwn,
): { readonly edits: EditRecord[]; readonly more: boolean } {
  const edits: EditRecord[] = [];
  const last = Math.min(log.head, after + limit);
  let bytes = 0;
  for (const { value } of log.reader.page(after, limit, last)) {
    const edit = editOf(value, isOwn);
    if (user !== undefined && userOf(edit) !== user) continue;
    if (kinds !== undefined && !hasKind(edit, kinds)) continue;
    bytes += Math.min(value.length, PAGE_BYTES);
    if (edits.length > 0 && bytes > PAGE_BYTES) return { edits, more: true };
    edits.push(fitting(edit, value.length));
  }
  return { edits, more: last < log.head };
}

function editOf(value: Uint8Array, isOwn: IsOwn): EditRecord {
  const publicPart = publicPartOf(value);
  const { wid, wseq } = privatePartOf(value);
  return unpack(isOwn(wid) ? authorPart(publicPart, wid, wseq) : publicPart) as EditRecord;
}

/** An edit that is larger than a reply comes without what makes it large, and says so. */
function fitting(edit: EditRecord, bytes: number): EditRecord {
  if (bytes <= PAGE_BYTES || pack(edit).length <= PAGE_BYTES) return edit;
  const { ops, changes: _changes, ...rest } = edit;
  const kinds = Array.isArray(ops) ? ops.slice(0, 64).map((op: { op?: unknown }) => ({ op: op.op })) : [];
  return { ...rest, ops: kinds, changes: {}, cut: true };
}

function userOf(edit: EditRecord): unknown {
  return (edit['user'] as { readonly id?: unknown } | undefined)?.id;
}

function hasKind(edit: EditRecord, kinds: readonly string[]): boolean {
  const { ops } = edit;
  return Array.isArray(ops) && ops.some((op: { readonly op?: unknown }) => kinds.includes(String(op.op)));
}
