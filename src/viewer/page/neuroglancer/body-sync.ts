/** Keeps sets of ids that somebody shows the same as the bodies of a live channel, own edits included, at most once a frame. */
import type { EditEvent, LiveChannel, UnsavedEdit } from '../../../client/index.ts';
import { readIds } from '../../../client/index.ts';
import { onNextFrame } from '../next-frame.ts';

/** Sets of ids. An id that was never linked is a set of its own. */
export interface ShownSets {
  rootOf(id: bigint): bigint;
  /** All of the set of an id. Owned. */
  membersOf(id: bigint): bigint[];
  link(ids: readonly bigint[]): void;
  /** Every id of the set of this one is alone again. */
  part(id: bigint): void;
  clear(): void;
  /** The sets are right again. */
  done(): void;
}

/** Links made between two turns of the event loop while a whole state is shown. */
const LINKS_AT_ONCE = 20_000;

/** Follows one channel until `end`. */
export class BodySync {
  readonly #channel: LiveChannel;
  readonly #sets: ShownSets;
  readonly #ends: (() => void)[];
  #unsaved: readonly UnsavedEdit['ops'][] = [];
  /** Ids whose bodies may not be shown right. */
  #doubtful = new Set<bigint>();
  /** Roots whose bodies were joined. */
  readonly #joins: (readonly bigint[])[] = [];
  #isWhole = false;
  #isOver = false;
  readonly #frame = onNextFrame(() => this.#show());

  constructor(channel: LiveChannel, sets: ShownSets) {
    this.#channel = channel;
    this.#sets = sets;
    this.#ends = [
      channel.subscription.on('edits', (edits) => this.#took(edits)),
      channel.subscription.on('reset', () => {
        this.#isWhole = false;
      }),
      channel.subscription.on('state', () => this.#frame.ask()),
      channel.on('change', () => this.#changed()),
    ];
    this.#frame.ask();
  }

  end(): void {
    this.#isOver = true;
    this.#frame.cancel();
    for (const end of this.#ends) end();
  }

  #took(edits: readonly EditEvent[]): void {
    for (const { changes } of edits) {
      const joined = changes.joined === undefined ? [] : readIds(changes.joined);
      // Most edits only join, and bodies may be large: those are not looked at member by member.
      const isPlain = changes.parted === undefined && this.#unsaved.length === 0 && this.#isWhole;
      for (let at = 0; at + 1 < joined.length; at += 2) {
        const pair = joined.slice(at, at + 2);
        if (isPlain && !pair.includes(0n)) this.#joins.push(pair);
        else for (const id of pair) this.#doubtful.add(id);
      }
      for (const [root, members] of changes.parted ?? []) {
        this.#doubtful.add(root);
        for (const id of readIds(members)) this.#doubtful.add(id);
      }
    }
    this.#frame.ask();
  }

  /** Own edits came or went: what they name looks different now. */
  #changed(): void {
    const now = this.#channel.unsaved.map(({ ops }) => ops);
    for (const ops of now) if (!this.#unsaved.includes(ops)) this.#doubt(ops);
    for (const ops of this.#unsaved) if (!now.includes(ops)) this.#doubt(ops);
    this.#unsaved = now;
    this.#frame.ask();
  }

  #doubt(ops: UnsavedEdit['ops']): void {
    for (const op of ops)
      if (op['op'] === 'merge' || op['op'] === 'cleave') for (const id of readIds(op['ids'])) this.#doubtful.add(id);
  }

  #show(): void {
    if (this.#isOver || this.#channel.subscription.loading) return;
    if (!this.#isWhole) {
      this.#isWhole = true;
      void this.#showAll();
      return;
    }
    if (this.#doubtful.size + this.#joins.length === 0) return;
    for (const pair of this.#joins.splice(0)) this.#sets.link(pair);
    const ids = this.#doubtful;
    this.#doubtful = new Set();
    for (const id of ids) this.#showBody(id);
    this.#sets.done();
  }

  async #showAll(): Promise<void> {
    this.#joins.length = 0;
    this.#sets.clear();
    const byRoot = new Map<bigint, bigint[]>();
    for (const [id, root] of this.#channel.subscription.state.links()) {
      if (id === 0n || root === 0n) continue;
      const known = byRoot.get(root);
      if (known === undefined) byRoot.set(root, [root, id]);
      else known.push(id);
    }
    let links = 0;
    for (const ids of byRoot.values()) {
      // What changed meanwhile is in doubt, and looked at below.
      this.#sets.link(ids);
      links += ids.length;
      if (links < LINKS_AT_ONCE) continue;
      links = 0;
      await new Promise((resolve) => setTimeout(resolve));
      if (this.#isOver) return;
    }
    for (const ops of this.#unsaved) this.#doubt(ops);
    this.#sets.done();
    this.#frame.ask();
  }

  /** Makes the set of an id what its body is; who was in its set and is not in its body is looked at too. */
  #showBody(id: bigint): void {
    if (id === 0n) return;
    const { view } = this.#channel;
    const root = view.rootOf(id);
    const members = new Set(view.membersOf(id));
    members.delete(0n);
    const strangers: bigint[] = [];
    for (const shown of new Set([...members].map((member) => this.#sets.rootOf(member)))) {
      const set = this.#sets.membersOf(shown);
      if (set.every((member) => members.has(member))) continue;
      for (const member of set) if (!members.has(member)) strangers.push(member);
      this.#sets.part(shown);
    }
    const first = this.#sets.rootOf(root);
    const missing = [...members].filter((member) => this.#sets.rootOf(member) !== first);
    if (missing.length > 0) this.#sets.link([root === 0n ? id : root, ...missing]);
    for (const stranger of this.#leftTogether(strangers)) this.#showBody(stranger);
  }

  /** One of each body among ids that have just been parted. */
  #leftTogether(ids: readonly bigint[]): bigint[] {
    const byRoot = new Map<bigint, bigint>();
    for (const id of ids) byRoot.set(this.#channel.view.rootOf(id), id);
    return [...byRoot.values()];
  }
}
