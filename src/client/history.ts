/** Past edits of a path, in pages. Rule [S14]. */
import { BflyError, type ServerMessage } from '../../protocol/index.ts';
import { type EditEvent, type IsMine, readEditEvent } from './edit-event.ts';
import { sameBytes } from './epochs.ts';
import { ask, type OperationHost } from './operation.ts';

/** Options of a history. */
export interface HistoryOptions {
  /** Begins behind this seq; default 0. */
  readonly after?: number;
  /** Most edits; default: all that there are when the last page is asked for. */
  readonly limit?: number;
  /** Id of a user: that one's edits alone. */
  readonly user?: string;
  /** Names of ops: edits with one of them alone. */
  readonly kinds?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Some edits, as one answer brought them. */
export interface HistoryPage {
  readonly epoch: Uint8Array;
  /** Oldest and newest seq of the path. */
  readonly first: number;
  readonly head: number;
  readonly edits: readonly EditEvent[];
}

/**
 * Past edits, oldest first, asked for as they are taken.
 *
 * @example
 * for await (const edit of session.history('exp/sample/dataset/labels', { kinds: ['merge'] })) console.log(edit.seq);
 */
export interface History extends AsyncIterable<EditEvent> {
  /** The same edits, page by page. */
  pages(): AsyncIterable<HistoryPage>;
}

/** Edits that one page looks at. */
const PAGE = 256;

type Reply = Extract<ServerMessage, { kind: 'HISTORY_OK' }>;

/** @throws BflyError while it is read: of the server's ERROR, EPOCH_MISMATCH where the log begins anew between two pages. */
export function readHistory(host: OperationHost, path: string, options: HistoryOptions, isMine: IsMine): History {
  return {
    pages: () => pages(host, path, options, isMine),
    async *[Symbol.asyncIterator]() {
      for await (const page of pages(host, path, options, isMine)) yield* page.edits;
    },
  };
}

async function* pages(
  host: OperationHost,
  path: string,
  options: HistoryOptions,
  isMine: IsMine,
): AsyncGenerator<HistoryPage, void, undefined> {
  let after = options.after ?? 0;
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let epoch: Uint8Array | undefined;
  while (left > 0) {
    const reply = await askPage(host, path, after, options);
    if (epoch !== undefined && !sameBytes(epoch, reply.epoch))
      throw new BflyError('EPOCH_MISMATCH', 'the log of the path was begun anew; read its history again');
    epoch = reply.epoch.slice();
    const edits = reply.edits.slice(0, left).map((record) => readEditEvent(record, isMine));
    left -= edits.length;
    yield { epoch, first: reply.first, head: reply.head, edits };
    if (!reply.more) return;
    // A page that is full ends before its range does; an empty one has looked at all of it.
    after = edits.at(-1)?.seq ?? after + PAGE;
  }
}

function askPage(host: OperationHost, path: string, after: number, options: HistoryOptions): Promise<Reply> {
  const { user, kinds, signal } = options;
  return ask(host, {
    message: (id) => ({
      kind: 'HISTORY',
      id,
      path,
      after,
      limit: PAGE,
      ...(user === undefined ? {} : { user }),
      ...(kinds === undefined ? {} : { kinds }),
    }),
    answer: (message) => (message.kind === 'HISTORY_OK' ? { value: message } : undefined),
    signal,
  });
}
