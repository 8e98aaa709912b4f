/** Keeps sets of ids that somebody shows the same as the bodies of a live channel, own edits included, at most once a frame. */
import type { EditEvent, LiveChannel, UnsavedEdit } from '../../../client/index.ts';
import { readIds } from '../../../client/index.ts';
import { type FrameWork, onceAFrame } from '../next-frame.ts';
import { BodySets, type FillPace, type ShownSets } from './body-sets.ts';

/** How work is put off until the next frame. */
export type Frames = (work: () => void) => FrameWork;

/** Follows one channel until `end`. */
export class BodySync {
  readonly #channel: LiveChannel;
  readonly #shown: BodySets;
  readonly #ends: (() => void)[];
  readonly #frame: FrameWork;
  /** Own edits that are not in the state, as they were last looked at. */
  #unsaved: readonly UnsavedEdit['ops'][] = [];
  /** Ids whose bodies may not be shown right. */
  #doubtful = new Set<bigint>();
  /** Whether own edits lie, or lay, between the state and what is shown: then all of the body in the state of who is doubtful is doubtful. */
  #isLayered = false;
  /** Pairs of roots whose bodies were joined. */
  #joins: (readonly bigint[])[] = [];
  /** What is shown began with the state that is followed. */
  #isWhole = false;
  #isOver = false;

  constructor(channel: LiveChannel, sets: ShownSets, frames: Frames = onceAFrame, pace?: FillPace) {
    this.#channel = channel;
    this.#shown = new BodySets(sets, pace);
    this.#frame = frames(() => this.#show());
    this.#ends = [
      channel.subscription.on('edits', (edits) => this.#took(edits)),
      channel.subscription.on('reset', () => {
        this.#isWhole = false;
        this.#frame.ask();
      }),
      channel.subscription.on('state', () => this.#frame.ask()),
      channel.on('change', () => this.#changed()),
    ];
    this.#changed();
  }

  end(): void {
    this.#isOver = true;
    this.#frame.cancel();
    this.#shown.end();
    for (const end of this.#ends) end();
  }

  #took(edits: readonly EditEvent[]): void {
    for (const { changes } of edits) {
      const joined = changes.joined === undefined ? [] : readIds(changes.joined);
      // Most edits only join, and bodies may be large: those are not looked at member by member.
      const isPlain = changes.parted === undefined;
      for (let at = 0; at + 1 < joined.length; at += 2) {
        const pair = joined.slice(at, at + 2);
        if (isPlain && !pair.includes(0n)) this.#joins.push(pair);
        else this.#doubt(pair);
      }
      // Whoever left a body is in that of one of these roots, or was called otherwise since.
      for (const [root] of changes.parted ?? []) this.#doubt([root]);
      if (joined.length > 0 || changes.parted !== undefined) for (const ops of this.#unsaved) this.#doubtOps(ops);
    }
    this.#frame.ask();
  }

  /** Own edits may have come or gone: what any of them names may look different now. */
  #changed(): void {
    const before = this.#unsaved;
    this.#unsaved = this.#channel.unsaved.map(({ ops }) => ops);
    const isSame = before.length === this.#unsaved.length && before.every((ops, i) => ops === this.#unsaved[i]);
    if (!isSame) for (const ops of [...before, ...this.#unsaved]) this.#doubtOps(ops);
    this.#frame.ask();
  }

  #doubt(ids: readonly bigint[]): void {
    for (const id of ids) this.#doubtful.add(id);
  }

  #doubtOps(ops: UnsavedEdit['ops']): void {
    this.#isLayered = true;
    for (const op of ops) if (op['op'] === 'merge' || op['op'] === 'cleave') this.#doubt(readIds(op['ids']));
  }

  #show(): void {
    if (this.#isOver || this.#channel.subscription.loading) return;
    if (!this.#isWhole) return void this.#showAll();
    // What comes meanwhile is shown when all is.
    if (this.#shown.isFilling || this.#doubtful.size + this.#joins.length === 0) return;
    const [joins, ids, isLayered] = [this.#joins, this.#doubtful, this.#isLayered];
    this.#forgetDoubts();
    this.#shown.link(joins);
    this.#shown.show(isLayered ? this.#withTheirBodies(ids) : ids, this.#channel.view);
    this.#shown.done();
  }

  async #showAll(): Promise<void> {
    this.#isWhole = true;
    this.#forgetDoubts();
    for (const ops of this.#unsaved) this.#doubtOps(ops);
    // What changes meanwhile is in doubt. Who is overtaken leaves the rest to who came later.
    if (!(await this.#shown.fill(this.#channel.subscription.state.links()))) return;
    this.#shown.done();
    this.#frame.ask();
  }

  #forgetDoubts(): void {
    this.#joins = [];
    this.#doubtful = new Set();
    this.#isLayered = false;
  }

  /** Ids, and the rest of what they are part of without own edits: what own edits leave of a body need not hold any id that was named. */
  #withTheirBodies(ids: Iterable<bigint>): Set<bigint> {
    const { state } = this.#channel.subscription;
    const all = new Set<bigint>();
    for (const id of ids) if (!all.has(id)) for (const member of state.membersOf(id)) all.add(member);
    return all;
  }
}
