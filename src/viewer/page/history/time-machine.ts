/** Moves a view through the past of one of its channels. */
import { batch, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { LiveChannel, Session, Subscription } from '../../../client/index.ts';
import { userName } from '../../../client/words.ts';
import { afterTheView } from '../next-frame.ts';
import { sayError } from '../plain-words.ts';
import type { Stage } from '../stage.ts';
import type { PastMoment } from '../volume/past-moment.ts';
import { editWords } from './edit-words.ts';
import { type Moment, Timeline } from './timeline.ts';

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
  readonly session: Pick<Session, 'subscribe' | 'history'>;
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
  /** Edits that have been read, of `head`, while that goes on. */
  readonly #reading = signal<number | undefined>(undefined);
  readonly #isPlaying = signal(false);
  readonly #deps: TimeMachineDeps;
  readonly #ends: (() => void)[];
  #timeline = new Timeline();
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

  /** Back to now, and forgets what was read. */
  end(): void {
    this.now();
    for (const end of this.#ends) end();
  }

  #restart(): void {
    this.now();
    this.#timeline = new Timeline();
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

  /** Voxels and bodies of `at`, as far as they are known. */
  #show(): void {
    clearTimeout(this.#seekTimer);
    this.#seekTimer = undefined;
    const at = this.at.peek();
    const { path, subscription } = this.channel;
    const { stage } = this.#deps;
    if (at !== this.#voxelsAt) {
      const { boxes } = this.#timeline.between(this.#voxelsAt ?? subscription.seq, at ?? subscription.seq);
      stage.showAt(path, at, boxes);
      this.#voxelsAt = at;
    }
    this.#showBodies(at);
    if (at !== undefined) return;
    this.#edits?.close();
    this.#edits = undefined;
    this.#reading.value = undefined;
  }

  #showBodies(at: number | undefined): void {
    if (at === this.#bodiesAt) return;
    const { path } = this.channel;
    const { stage } = this.#deps;
    if (at === undefined) stage.showBodies(path, undefined);
    else if (!this.hasBodies || at > this.#timeline.head)
      return; // comes when it was read
    else if (this.#bodiesAt === undefined) stage.showBodies(path, this.#timeline.bodiesAt(at));
    else stage.showBodies(path, this.#timeline.bodiesAt(at), this.#timeline.between(this.#bodiesAt, at).ids);
    this.#bodiesAt = at;
  }

  /** Reads the edits that are not known, and follows them while the past is shown. What this channel is told may be filtered. */
  #read(): void {
    if (!this.hasBodies || this.#edits !== undefined) return;
    const edits = this.#deps.session.subscribe(this.channel.path, { from: this.#timeline.head });
    this.#edits = edits;
    const isOld = (): boolean => this.#edits !== edits;
    edits.on('edits', (fresh) => {
      if (isOld()) return;
      if (!this.#timeline.add(fresh)) return this.#restart();
      this.#tellProgress();
      this.#tellMoment();
      this.#showBodies(this.#voxelsAt);
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
    const { head } = this.#timeline;
    this.#reading.value = head < this.head.peek() ? head : undefined;
  }

  #tellMoment(): void {
    const at = this.at.peek();
    clearTimeout(this.#askTimer);
    const known = at === undefined ? undefined : this.#timeline.moment(at);
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
