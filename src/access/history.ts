/** HISTORY: pages of a log. Rule [S14]. */
import { BflyError } from '../../protocol/errors.ts';
import type { ClientMessage, EditRecord } from '../../protocol/messages.ts';
import { pack, unpack } from '../../protocol/msgpack.ts';
import { nameOf } from '../core/edits/edit-feed.ts';
import type { OpenLog } from '../core/edits/edit-logs.ts';
import { authorPart, privatePartOf, publicPartOf } from '../core/edits/edit-record.ts';
import type { OpenRequest, SessionContext } from './session-context.ts';

type History = Extract<ClientMessage, { kind: 'HISTORY' }>;

/** Bytes of edits in a reply, which may have 64 KiB. */
const PAGE_BYTES = 60 * 1024;

/** Answers a HISTORY. */
export function answerHistory(message: History, context: SessionContext, writers: ReadonlySet<string>): void {
  const { home, requests, send, error, checkRead } = context;
  const request: OpenRequest = { cancel: () => {}, drop: () => {} };
  requests.set(message.id, request);
  const finish = (): boolean => requests.get(message.id) === request && requests.delete(message.id);
  const opening = async (): Promise<OpenLog> => {
    checkRead(message.path);
    return home.peekLog(message.path) ?? (await home.openLog(message.path));
  };
  opening().then(
    (open) => {
      if (!finish()) return;
      const { epoch, head } = open.log;
      send({ kind: 'HISTORY_OK', id: message.id, epoch, first: 1, head, ...historyPage(message, open, writers) });
    },
    (fault: unknown) => {
      if (!finish()) return;
      if (!(fault instanceof BflyError)) home.log.error({ err: fault }, 'a history failed');
      error(message.id, fault instanceof BflyError ? fault : new BflyError('INTERNAL', 'the history failed'));
    },
  );
}

/** The page ends with the range, or where it is full: then the next one begins behind its last edit. */
function historyPage(
  { after, limit, user, kinds }: History,
  { log }: OpenLog,
  writers: ReadonlySet<string>,
): { readonly edits: EditRecord[]; readonly more: boolean } {
  const edits: EditRecord[] = [];
  const last = Math.min(log.head, after + limit);
  let bytes = 0;
  for (const { value } of log.reader.page(after, limit, last)) {
    const edit = editOf(value, writers);
    if (user !== undefined && userOf(edit) !== user) continue;
    if (kinds !== undefined && !hasKind(edit, kinds)) continue;
    bytes += Math.min(value.length, PAGE_BYTES);
    if (edits.length > 0 && bytes > PAGE_BYTES) return { edits, more: true };
    edits.push(fitting(edit, value.length));
  }
  return { edits, more: last < log.head };
}

function editOf(value: Uint8Array, writers: ReadonlySet<string>): EditRecord {
  const publicPart = publicPartOf(value);
  if (writers.size === 0) return unpack(publicPart) as EditRecord;
  const { wid, wseq } = privatePartOf(value);
  return unpack(writers.has(nameOf(wid)) ? authorPart(publicPart, wid, wseq) : publicPart) as EditRecord;
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
