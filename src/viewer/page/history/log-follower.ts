/** Keeps a ChannelLog up to date: live edits as they come, older ones when somebody asks, what a filter left out from the history. */
import type { EditEvent, LiveChannel, Session } from '../../../client/index.ts';
import { ChannelLog } from './channel-log.ts';

/** Edits that are asked for at once. */
const PAGE = 256;

/** Follows one channel until `end`. */
export class LogFollower {
  readonly channel: LiveChannel;
  readonly log = new ChannelLog();
  readonly #session: Pick<Session, 'history'>;
  readonly #changed: () => void;
  readonly #page: number;
  readonly #ends: (() => void)[];
  readonly #abort = new AbortController();
  /** Counts lives of the log: what was asked of an earlier one is void. */
  #life = 0;
  #hasBegun = false;
  #isFilling = false;
  #older: Promise<void> | undefined;

  /** @param changed hears whenever the log did. @param page older edits that are read at once. */
  constructor(session: Pick<Session, 'history'>, channel: LiveChannel, changed: () => void, page = PAGE) {
    this.#page = page;
    this.#session = session;
    this.channel = channel;
    this.#changed = changed;
    this.#ends = [
      channel.subscription.on('edits', (edits) => this.#took(edits)),
      channel.subscription.on('state', () => this.#look()),
      channel.subscription.on('reset', () => {
        this.#life++;
        this.#hasBegun = false;
        this.log.begin(0);
        this.#changed();
      }),
    ];
    channel.subscription.ready.then(
      () => this.#look(),
      () => {}, // the state of the line says it
    );
  }

  end(): void {
    this.#life++;
    this.#abort.abort();
    for (const end of this.#ends) end();
  }

  #took(edits: readonly EditEvent[]): void {
    // A filter takes ops away, and whole edits: those are read from the history, by `#look`.
    if (!this.#hasBegun || edits.some(({ ops }) => ops.length === 0)) return;
    if (this.log.addNewer(edits)) this.#changed();
  }

  #look(): void {
    const { loading, seq } = this.channel.subscription;
    if (loading) return;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.log.begin(seq);
      this.#changed();
      void this.loadOlder();
    } else if (seq > this.log.head && !this.#isFilling) void this.#fill();
  }

  /** Reads what is missing at the newer end. */
  async #fill(): Promise<void> {
    this.#isFilling = true;
    const life = this.#life;
    try {
      const { head } = this.log;
      const missing = await this.#read(head, this.channel.subscription.seq - head);
      if (life !== this.#life) return;
      if (!this.log.addNewer(missing)) this.log.begin(this.channel.subscription.seq);
      this.#changed();
    } catch {
      // The next edit tries again.
    } finally {
      this.#isFilling = false;
    }
  }

  /** Reads the page before the oldest edit that is known. Never rejects. */
  loadOlder(): Promise<void> {
    if (!this.log.hasOlder || !this.#hasBegun) return Promise.resolve();
    this.#older ??= this.#loadOlder().finally(() => {
      this.#older = undefined;
    });
    return this.#older;
  }

  async #loadOlder(): Promise<void> {
    const life = this.#life;
    const { first } = this.log;
    const after = Math.max(0, first - 1 - this.#page);
    try {
      const edits = await this.#read(after, first - 1 - after);
      if (life === this.#life && this.log.addOlder(edits)) this.#changed();
    } catch {
      // Who scrolls on asks again.
    }
  }

  async #read(after: number, limit: number): Promise<EditEvent[]> {
    const edits: EditEvent[] = [];
    const asked = this.#session.history(this.channel.path, { after, limit, signal: this.#abort.signal });
    for await (const edit of asked) edits.push(edit);
    return edits;
  }
}
