/** Moves a view through the past of one of its channels. */
import { batch, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { LiveChannel, Session, Subscription } from '../../../client/index.ts';
import { userName } from '../../../client/words.ts';
import { afterTheView } from '../next-frame.ts';
import { sayError } from '../plain-words.ts';
import type { Stage } from '../stage.ts';
import type { PastMoment, PastRows, RowName } from '../volume/past-moment.ts';
import { editWords } from './edit-words.ts';
import type { FileRows } from './file-rows.ts';
import type { Moment, Timeline } from './timeline.ts';

/** Of longer logs only the voxels go back. */
export const MOST_EDITS = 200_000;
/** Edits a second while it plays. */
const STEPS_A_SECOND = 3;
/** A thumb that is dragged shows a moment at most so often, ms. */
const SEEK_MS = 60;
/** Edits of a long log are looked up when the thumb rests, ms. */
const ASK_MS = 150;

/** What a machine moves. */
export interface TimeMachineDeps {
  readonly session: Pick<Session, 'subscribe' | 'history' | 'feature'>;
  readonly stage: Pick<Stage, 'showAt' | 'showBodies' | 'say'>;
  readonly past: PastMoment;
}

/** The past of one channel. */
export class TimeMachine {
  readonly channel: LiveChannel;
  /** Newest seq. */
  readonly head: Signal<number>;
  /** As `head`, a little later: for panels, which are not to hold up the view. */
  readonly shownHead: Signal<number>;
  /** What is shown; undefined = now. */
  readonly at = signal<number | undefined>(undefined);
  /** The edit that was the newest then; undefined: not known (yet), or none. */
  readonly moment = signal<Moment | undefined>(undefined);
  /** The edit whose rows are shown; undefined = those of now, or they are still being read. */
  readonly rowsAt = signal<number | undefined>(undefined);
  /** Synapses that edits changed of which nobody can tell what they were in files. */
  readonly lostRows = signal(0);
  /** Edits that have been read, of `head`, while that goes on. */
  readonly #reading = signal<number | undefined>(undefined);
  readonly #isPlaying = signal(false);
  readonly #deps: TimeMachineDeps;
  readonly #ends: (() => void)[];
  #reader: typeof import('./past-reader.ts') | undefined;
  /** Edits that were read; undefined before the past is looked at. */
  #timeline: Timeline | undefined;
  #files: FileRows | undefined;
  #edits: Subscription | undefined;
  /** What the stage shows of voxels and of bodies; undefined: the present. */
  #voxelsAt: number | undefined;
  #bodiesAt: number | undefined;
  #seekTimer: ReturnType<typeof setTimeout> | undefined;
  #playTimer: ReturnType<typeof setInterval> | undefined;
  #askTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: LiveChannel, deps: TimeMachineDeps) {
    this.channel = channel;
    this.#deps = deps;
    this.head = signal(channel.subscription.head);
    this.shownHead = signal(channel.subscription.head);
    const later = afterTheView(() => {
      this.shownHead.value = this.head.value;
    });
    this.#ends = [
      () => later.cancel(),
      channel.subscription.on('state', ({ head }) => {
        this.head.value = head;
        later.ask();
      }),
      channel.subscription.on('reset', ({ newEpoch }) => {
        if (newEpoch) this.#restart();
      }),
    ];
  }

  get reading(): ReadonlySignal<number | undefined> {
    return this.#reading;
  }

  get isPlaying(): ReadonlySignal<boolean> {
    return this.#isPlaying;
  }

  /** Whether bodies go back too. */
  get hasBodies(): boolean {
    return this.head.value <= MOST_EDITS;
  }

  /** Whether annotations and synapses go back too. */
  get hasRows(): boolean {
    return this.hasBodies && this.#timeline?.rows.isWhole !== false;
  }

  /** Back to now, and forgets what was read. */
  end(): void {
    this.now();
    this.#files?.end();
    for (const end of this.#ends) end();
  }

  #restart(): void {
    this.now();
    this.#files?.end();
    this.#files = undefined;
    this.lostRows.value = 0;
    this.#timeline = undefined;
  }

  /** Loads what the past is read with: sooner, where it is likely to be looked at. Never rejects. */
  async prepare(): Promise<void> {
    try {
      this.#reader ??= await import('./past-reader.ts');
      this.#timeline ??= new this.#reader.Timeline();
    } catch {
      if (this.at.peek() === undefined) return;
      this.#deps.stage.say('The past cannot be read: the server does not answer', 'error');
      return this.now();
    }
    if (this.at.peek() !== undefined) this.#read();
  }

  now(): void {
    this.seek(undefined);
  }

  /** Shows a moment, 0 to `head`; undefined, and `head`, = now. */
  seek(at: number | undefined): void {
    const to = at === undefined || at >= this.head.peek() ? undefined : Math.max(0, Math.trunc(at));
    if (to === undefined) this.pause();
    if (to === this.at.peek()) return;
    batch(() => {
      this.at.value = to;
      this.#tellMoment();
    });
    this.#deps.past.set(to === undefined ? undefined : { path: this.channel.path, at: to });
    if (to === undefined) return this.#show();
    this.#read();
    this.#seekTimer ??= setTimeout(() => this.#show(), SEEK_MS);
  }

  /** Goes some edits on, or back. */
  step(edits: number): void {
    const from = this.at.peek() ?? this.head.peek();
    this.seek(from + edits);
  }

  /** Steps through the edits up to now; from the first, where now is shown. */
  play(): void {
    if (this.#isPlaying.peek() || this.head.peek() === 0) return;
    if (this.at.peek() === undefined) this.seek(0);
    this.#isPlaying.value = true;
    this.#playTimer = setInterval(() => this.step(1), 1_000 / STEPS_A_SECOND);
  }

  pause(): void {
    clearInterval(this.#playTimer);
    this.#isPlaying.value = false;
  }

  /** Voxels, bodies and rows of `at`, as far as they are known. */
  #show(): void {
    clearTimeout(this.#seekTimer);
    this.#seekTimer = undefined;
    const at = this.at.peek();
    const { path, subscription } = this.channel;
    const { stage } = this.#deps;
    if (at !== this.#voxelsAt) {
      const difference = this.#timeline?.between(this.#voxelsAt ?? subscription.seq, at ?? subscription.seq);
      stage.showAt(path, at, difference?.boxes);
      this.#voxelsAt = at;
    }
    this.#showBodies(at);
    this.#showRows(at);
    if (at !== undefined) return;
    this.#edits?.close();
    this.#edits = undefined;
    this.#reading.value = undefined;
  }

  #showBodies(at: number | undefined): void {
    if (at === this.#bodiesAt) return;
    const { path } = this.channel;
    const { stage } = this.#deps;
    const timeline = this.#timeline;
    if (at === undefined) stage.showBodies(path, undefined);
    else if (!this.hasBodies || timeline === undefined || at > timeline.head)
      return; // comes when it was read
    else if (this.#bodiesAt === undefined) stage.showBodies(path, timeline.bodiesAt(at));
    else stage.showBodies(path, timeline.bodiesAt(at), timeline.between(this.#bodiesAt, at).ids);
    this.#bodiesAt = at;
  }

  #showRows(at: number | undefined): void {
    if (this.#timeline === undefined) return;
    const { rows, head } = this.#timeline;
    const before = this.rowsAt.peek();
    const to = this.hasRows ? at : undefined;
    if (to === before) return;
    // What has not changed since is as now: that is known once all edits are that now holds.
    if (to !== undefined && before === undefined && head < this.channel.subscription.seq) return;
    this.rowsAt.value = to;
    this.#tellRows(rows, rows.isWhole ? rows.between(before ?? head, to ?? head) : undefined);
  }

  /** Edits behind `known` have been read: what they changed is no more what it is now. */
  #takeRows({ rows, head }: Timeline, known: number): void {
    if (this.rowsAt.peek() === undefined || !this.hasRows) return this.#showRows(this.#voxelsAt);
    const names = rows.between(known, head);
    if (names?.length !== 0) this.#tellRows(rows, names);
  }

  #tellRows(rows: Timeline['rows'], names: readonly RowName[] | undefined): void {
    const at = this.rowsAt.peek();
    const { path } = this.channel;
    if (at === undefined) return this.#deps.past.showRows(undefined, names);
    const then: PastRows = {
      ...{ path, at },
      row: (table, key) => (table === 'neuron' ? undefined : rows.row(table, key, at)),
      changed: (table) => (table === 'neuron' ? [] : rows.changed(table, at)),
    };
    this.#deps.past.showRows(then, names);
    this.#askFiles(rows);
  }

  /** What edits changed of the rows of files was something else before. */
  #askFiles(rows: Timeline['rows']): void {
    const keys = rows.takeUnasked();
    if (keys.length === 0 || this.#reader === undefined) return;
    this.#files ??= new this.#reader.FileRows(this.#deps.session, this.channel.path, (key, row) => {
      rows.setBefore(key, row);
      if (row !== null && this.rowsAt.peek() !== undefined) this.#tellRows(rows, [['synapse', key]]);
    });
    const files = this.#files;
    void files.ask(keys).then(() => {
      if (files === this.#files) this.lostRows.value = rows.unknown;
    });
  }

  /** Reads the edits that are not known, and follows them while the past is shown. What this channel is told may be filtered. */
  #read(): void {
    if (!this.hasBodies || this.#edits !== undefined) return;
    const timeline = this.#timeline;
    if (timeline === undefined) return void this.prepare();
    const edits = this.#deps.session.subscribe(this.channel.path, { from: timeline.head });
    this.#edits = edits;
    const isOld = (): boolean => this.#edits !== edits;
    edits.on('edits', (fresh) => {
      if (isOld()) return;
      const known = timeline.head;
      if (!timeline.add(fresh)) return this.#restart();
      this.#tellProgress();
      this.#tellMoment();
      this.#showBodies(this.#voxelsAt);
      this.#takeRows(timeline, known);
    });
    edits.on('reset', () => {
      if (!isOld()) this.#restart();
    });
    edits.on('end', ({ error }) => {
      if (isOld() || error === undefined) return;
      this.#deps.stage.say(`The past cannot be read: ${sayError(error)}`, 'error');
      this.now();
    });
    this.#tellProgress();
  }

  #tellProgress(): void {
    const head = this.#timeline?.head ?? 0;
    this.#reading.value = head < this.head.peek() ? head : undefined;
  }

  #tellMoment(): void {
    const at = this.at.peek();
    clearTimeout(this.#askTimer);
    const known = at === undefined ? undefined : this.#timeline?.moment(at);
    this.moment.value = known;
    if (known === undefined && at !== undefined && at > 0)
      this.#askTimer = setTimeout(() => void this.#ask(at), ASK_MS);
  }

  /** One edit, where not all are read (yet). */
  async #ask(at: number): Promise<void> {
    try {
      for await (const edit of this.#deps.session.history(this.channel.path, { after: at - 1, limit: 1 })) {
        if (this.at.peek() !== at || this.moment.peek() !== undefined) return;
        const { seq, time, user } = edit;
        this.moment.value = { seq, time, user: userName(user), words: editWords(edit) };
      }
    } catch {
      // Then only the number is told.
    }
  }
}
