/**
 * Numbers 0, 1, 2, … in disjoint sets, which unite and which numbers leave again.
 *
 * Each number bears a *label*; labels are a union-find, whose roots stand for the sets. Uniting is almost free, whatever the sizes; who
 * leaves gets another label. The members of a set are a ring, so that they can be told without a search.
 */
import { grownInt32, grownUint8 } from './growable.ts';
import { inPieces, type Sliced } from './slices.ts';

/** Bit of `#rank` that marks a label. */
const MARK = 0x80;

/** Sets as they were. */
export interface FrozenSets {
  /** How many labels there were. */
  readonly labels: number;
  labelOf(number: number): number;
  /** The root above a label. */
  rootOf(label: number): number;
}

/** Disjoint sets of numbers. */
export class Partition {
  /** By number. */
  #label: Int32Array = new Int32Array(0);
  #next: Int32Array = new Int32Array(0);
  #previous: Int32Array = new Int32Array(0);
  /** By label; of those that are no roots only the parent and the rank count. */
  #parent: Int32Array = new Int32Array(0);
  #rank: Uint8Array = new Uint8Array(0);
  #size: Int32Array = new Int32Array(0);
  #first: Int32Array = new Int32Array(0);
  #top: Int32Array = new Int32Array(0);
  #numbers = 0;
  #labels = 0;
  #sets = 0;

  /** How many numbers there are. */
  get numbers(): number {
    return this.#numbers;
  }

  /** How many labels there ever were: those of later ones are not below. */
  get labels(): number {
    return this.#labels;
  }

  /** How many sets have a member. */
  get sets(): number {
    return this.#sets;
  }

  /** Adds the next number, alone. */
  add(): number {
    const number = this.addTo(this.addLabel());
    this.#top[this.#label[number] as number] = number;
    return number;
  }

  /** Adds the next number to a set, by its root label. */
  addTo(root: number): number {
    const number = this.#numbers++;
    this.#label = grownInt32(this.#label, number + 1);
    this.#next = grownInt32(this.#next, number + 1);
    this.#previous = grownInt32(this.#previous, number + 1);
    this.#enter(number, root);
    return number;
  }

  /** Takes the newest numbers away, each alone in its set, until so many are left. */
  shrink(numbers: number): void {
    while (this.#numbers > numbers) this.leave(--this.#numbers, this.find(this.#label[this.#numbers] as number));
  }

  /** Makes an empty set. */
  addLabel(): number {
    const label = this.#labels++;
    if (label >= this.#parent.length) {
      this.#parent = grownInt32(this.#parent, label + 1);
      this.#rank = grownUint8(this.#rank, label + 1);
      this.#size = grownInt32(this.#size, label + 1);
      this.#first = grownInt32(this.#first, label + 1);
      this.#top = grownInt32(this.#top, label + 1);
    }
    this.#parent[label] = label;
    this.#first[label] = -1;
    this.#top[label] = -1;
    return label;
  }

  /** The label that a number bears, which need not be a root. */
  labelOf(number: number): number {
    return this.#label[number] as number;
  }

  /** Where, from a place on, numbers bear another label than the one at that place. */
  endOfRun(numbers: Int32Array | readonly number[], start: number): number {
    const labels = this.#label;
    const label = labels[numbers[start] as number];
    let end = start + 1;
    while (end < numbers.length && labels[numbers[end] as number] === label) end++;
    return end;
  }

  parentOf(label: number): number {
    return this.#parent[label] as number;
  }

  /** The root above a label. Changes nothing, so that a way once walked stays as it is; the rank keeps it short. */
  find(label: number): number {
    const parent = this.#parent;
    let at = label;
    for (let up = parent[at] as number; up !== at; up = parent[at] as number) at = up;
    return at;
  }

  /** The root label of a number's set. */
  setOf(number: number): number {
    return this.find(this.#label[number] as number);
  }

  /** As `setOf`; makes the way short for the next time. Not to be called where ways are walked that must stay as they are. */
  shorten(number: number): number {
    const label = this.#label[number] as number;
    const root = this.find(label);
    this.#label[number] = root;
    for (let at = label; at !== root; ) {
      const up = this.#parent[at] as number;
      this.#parent[at] = root;
      at = up;
    }
    return root;
  }

  /** Unites two different sets, by their root labels. Its top is unknown then. @returns the root label of the whole. */
  unite(a: number, b: number): number {
    const rank = this.#rank;
    const rankA = (rank[a] as number) & ~MARK;
    const rankB = (rank[b] as number) & ~MARK;
    const [root, child] = rankA < rankB ? [b, a] : [a, b];
    if (rankA === rankB) rank[root] = (rank[root] as number) + 1;
    this.#parent[child] = root;
    if (this.sizeOf(a) > 0 && this.sizeOf(b) > 0) {
      this.#sets--;
      this.#splice(this.#first[a] as number, this.#first[b] as number);
    }
    if (this.#first[root] === -1) this.#first[root] = this.#first[child] as number;
    this.#size[root] = this.sizeOf(a) + this.sizeOf(b);
    this.#top[root] = -1;
    return root;
  }

  /** Joins the rings of two members into one. */
  #splice(a: number, b: number): void {
    const next = this.#next;
    const afterA = next[a] as number;
    const afterB = next[b] as number;
    next[a] = afterB;
    next[b] = afterA;
    this.#previous[afterB] = a;
    this.#previous[afterA] = b;
  }

  /** Moves a number from one set to another, both by their root labels. */
  move(number: number, from: number, to: number): void {
    this.leave(number, from);
    this.#enter(number, to);
  }

  /**
   * Moves numbers from one set to an empty one, both by their root labels. The top of neither is known then.
   *
   * @param numbers those from `start` to `end` count; negative ones are passed over.
   */
  moveAll(numbers: Int32Array, start: number, end: number, from: number, to: number): void {
    const label = this.#label;
    const next = this.#next;
    const previous = this.#previous;
    let first = this.#first[from] as number;
    let head = -1;
    let last = -1;
    let count = 0;
    for (let i = start; i < end; i++) {
      const number = numbers[i] as number;
      if (number < 0) continue;
      const after = next[number] as number;
      const before = previous[number] as number;
      next[before] = after;
      previous[after] = before;
      if (first === number) first = after;
      label[number] = to;
      if (last < 0) head = number;
      else next[last] = number;
      previous[number] = last;
      last = number;
      count++;
    }
    if (count === 0) return;
    next[last] = head;
    previous[head] = last;
    const left = this.sizeOf(from) - count;
    this.#size[from] = left;
    this.#size[to] = count;
    this.#first[from] = left === 0 ? -1 : first;
    this.#first[to] = head;
    this.#top[from] = -1;
    if (left > 0) this.#sets++;
  }

  /** Takes a number out of its set; the top of the set is unknown then if it was this number. */
  leave(number: number, from: number): void {
    const next = this.#next[number] as number;
    const previous = this.#previous[number] as number;
    const size = this.sizeOf(from) - 1;
    this.#size[from] = size;
    if (size === 0) this.#sets--;
    if (this.#first[from] === number) this.#first[from] = size === 0 ? -1 : next;
    if (this.#top[from] === number) this.#top[from] = -1;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #enter(number: number, to: number): void {
    this.#label[number] = to;
    const first = this.#first[to] as number;
    this.#next[number] = number;
    this.#previous[number] = number;
    if (first < 0) this.#first[to] = number;
    else this.#splice(first, number);
    if (this.#size[to] === 0) this.#sets++;
    this.#size[to] = this.sizeOf(to) + 1;
  }

  /** Members of a set, by its root label. */
  sizeOf(root: number): number {
    return this.#size[root] as number;
  }

  /** The number that a set is called by, -1 where it is unknown. */
  topOf(root: number): number {
    return this.#top[root] as number;
  }

  setTop(root: number, number: number): void {
    this.#top[root] = number;
  }

  /** Calls `visit` with each member of a set. */
  forEach(root: number, visit: (number: number) => void): void {
    const first = this.#first[root] as number;
    if (first < 0) return;
    const next = this.#next;
    let at = first;
    do {
      visit(at);
      at = next[at] as number;
    } while (at !== first);
  }

  isMarked(label: number): boolean {
    return ((this.#rank[label] as number) & MARK) !== 0;
  }

  setMark(label: number, isMarked: boolean): void {
    const rank = (this.#rank[label] as number) & ~MARK;
    this.#rank[label] = isMarked ? rank | MARK : rank;
  }

  /** Copies of what tells the set of a number. */
  freezeSets(): FrozenSets {
    const labels = this.#label.slice(0, this.#numbers);
    const parent = this.#parent.slice(0, this.#labels);
    return {
      labels: this.#labels,
      labelOf: (number) => labels[number] as number,
      rootOf(label) {
        let at = label;
        for (let up = parent[at] as number; up !== at; up = parent[at] as number) at = up;
        return at;
      },
    };
  }

  /** Copies of what tells the top of a number's set. */
  freeze(): { topOf(number: number): number } {
    const labels = this.#label.slice(0, this.#numbers);
    const parent = this.#parent.slice(0, this.#labels);
    const top = this.#top.slice(0, this.#labels);
    return {
      topOf(number) {
        let at = labels[number] as number;
        for (let up = parent[at] as number; up !== at; up = parent[at] as number) at = up;
        return top[at] as number;
      },
    };
  }

  /**
   * Fills an empty partition.
   *
   * @param labels by number: the label of its set, below `count`. Owned from now on.
   * @param isBefore which of two members is the top.
   */
  *load(labels: Int32Array, count: number, isBefore: (a: number, b: number) => boolean): Sliced<void> {
    const numbers = labels.length;
    this.#label = labels;
    this.#next = new Int32Array(numbers);
    this.#previous = new Int32Array(numbers);
    this.#parent = new Int32Array(count);
    this.#rank = new Uint8Array(count);
    this.#size = new Int32Array(count);
    this.#first = new Int32Array(count);
    this.#top = new Int32Array(count);
    this.#numbers = numbers;
    this.#labels = count;
    yield* inPieces(count, (from, end) => {
      for (let label = from; label < end; label++) this.#parent[label] = label;
      this.#first.fill(-1, from, end);
      this.#top.fill(-1, from, end);
    });
    yield* inPieces(numbers, (from, end) => {
      for (let number = from; number < end; number++) {
        const label = labels[number] as number;
        this.#enter(number, label);
        const top = this.#top[label] as number;
        if (top < 0 || isBefore(number, top)) this.#top[label] = number;
      }
    });
  }
}
