/** The edits of a channel in miniature, behind the session that commands use. */
import type { EditEvent } from '../../src/client/edit-event.ts';
import type { HistoryOptions, HistoryPage } from '../../src/client/history.ts';
import type { EditSession } from '../../src/commands/context.ts';

/** An edit of a test. */
export type FakeEdit = Partial<EditEvent> & Pick<EditEvent, 'ops'>;

const PAGE = 4;

/** A log whose edits have the seqs 1, 2, … and pages of four. */
export class FakeLog {
  readonly edits: readonly EditEvent[];
  readonly #info: object;
  /** Questions for pages, as they were asked. */
  readonly asked: HistoryOptions[] = [];

  /** @param info what is told of the channel, besides how many edits it has. */
  constructor(edits: readonly FakeEdit[], info: object = {}) {
    this.#info = info;
    this.edits = edits.map((edit, i) => ({
      seq: i + 1,
      time: 0,
      user: { id: 'u1', name: 'Ada' },
      mine: false,
      results: [],
      changes: { undone: [1] },
      ...edit,
    }));
  }

  /** A session that can read the log, and knows of a channel with so many edits. */
  get session(): EditSession {
    const info = async () => ({ kind: 'channel', path: 'a/b/c/d', head: this.edits.length, ...this.#info });
    const history = (_path: string, options: HistoryOptions = {}) => {
      const pages = (): AsyncGenerator<HistoryPage> => this.#pages(options);
      return {
        pages,
        async *[Symbol.asyncIterator]() {
          for await (const page of pages()) yield* page.edits;
        },
      };
    };
    // What the commands under test use of a session.
    return { info, history, on: () => () => {}, close: async () => {} } as unknown as EditSession;
  }

  async *#pages(options: HistoryOptions): AsyncGenerator<HistoryPage> {
    const { user, kinds, limit = Number.POSITIVE_INFINITY } = options;
    let left = limit;
    for (let after = options.after ?? 0; after < this.edits.length && left > 0; after += PAGE) {
      this.asked.push(options);
      const edits = this.edits
        .slice(after, after + PAGE)
        .filter((edit) => user === undefined || edit.user.id === user)
        .filter(({ ops }) => kinds === undefined || ops.some(({ op }) => kinds.includes(String(op))))
        .slice(0, left);
      left -= edits.length;
      yield { epoch: new Uint8Array(8), first: 1, head: this.edits.length, edits };
    }
  }
}
