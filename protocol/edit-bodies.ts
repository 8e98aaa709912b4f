/**
 * Bodies: base ids that merges in force join, and which of them an edit changed. Rules [E21]..[E23], [E32], [E33].
 *
 * Merges unite at once. What goes out of force may part bodies: then the graph is searched from both ends of what is gone, and only the
 * smaller part is moved. Nothing is folded anew.
 */
import type { Changes } from './edit-changes.ts';
import { EditGraph } from './edit-graph.ts';
import { partsCutOff, SearchMarks } from './edit-search.ts';
import { grownInt32 } from './growable.ts';
import { IdTable } from './id-table.ts';
import { Partition } from './partition.ts';

/** Ids of which the bytes are written one by one. */
const FEW = 8;
/** Room that is given back after an edit that moved many ids. */
const MUCH = 4_096;

/** Bodies as they were before the edit under way, of those that it touched. Lists by the same place. */
interface Before {
  /** Root labels then. */
  readonly labels: number[];
  /** Number of the root, -1 of a body without members. */
  readonly tops: number[];
  readonly sizes: number[];
  /** Members that have left since. */
  readonly moved: number[];
  readonly placeOf: Map<number, number>;
  /** What was looked up last. */
  lastLabel: number;
  lastPlace: number;
}

/** The part of `changes` that tells of roots. */
export type RootChanges = Pick<Changes, 'joined' | 'parted'>;

/** Bodies of the ids that edits named. Ids are handled by their numbers in `ids`. */
export class Bodies {
  readonly ids: IdTable;
  readonly graph: EditGraph;
  readonly sets: Partition;
  readonly #marks = new SearchMarks();
  /** Of the edit under way: ids and labels before it. */
  #idsBefore = 0;
  #labelsBefore = 0;
  #before = noneBefore();
  /** Numbers that left their bodies, and where those stand in `#before`. */
  #moved: Int32Array = new Int32Array(0);
  #movedFrom: Int32Array = new Int32Array(0);
  #movedCount = 0;

  constructor(ids = new IdTable(), graph = new EditGraph(), sets = new Partition()) {
    this.ids = ids;
    this.graph = graph;
    this.sets = sets;
  }

  /** Ids that are not their own root. */
  get linkCount(): number {
    return this.ids.size - this.sets.sets;
  }

  /** Number of the root of a number's body. */
  rootOf(number: number): number {
    return this.#top(this.sets.setOf(number));
  }

  /** As `rootOf`, and the next time faster; no edit is under way. */
  lookUp(number: number): number {
    return this.#top(this.sets.shorten(number));
  }

  sizeOf(number: number): number {
    return this.sets.sizeOf(this.sets.setOf(number));
  }

  /** Begins the next edit, which names these ids. `finish` or `abort` must follow. */
  begin(named: Iterable<bigint>): void {
    this.#idsBefore = this.ids.size;
    this.graph.begin();
    for (const id of named) {
      const number = this.ids.add(id);
      if (number < this.sets.numbers) this.sets.shorten(number);
      else {
        this.sets.add();
        this.graph.reserve(number + 1);
      }
    }
    this.#labelsBefore = this.sets.labels;
  }

  /** All become one body. */
  merge(numbers: readonly number[]): void {
    const [hub] = numbers;
    if (hub === undefined) return;
    for (const number of numbers) {
      if (number === hub) continue;
      this.graph.connect(hub, number);
      this.#unite(this.sets.setOf(hub), this.sets.setOf(number));
    }
  }

  /** These leave their bodies and form a new one. */
  cleave(numbers: readonly number[]): void {
    const leaving = [...new Set(numbers)];
    const [hub] = leaving;
    if (hub === undefined) return;
    const label = this.sets.addLabel();
    for (const number of leaving) {
      const from = this.sets.setOf(number);
      this.graph.cleave(number, from);
      this.#move(number, from, label);
    }
    for (const number of leaving) if (number !== hub) this.graph.connect(hub, number);
  }

  /** Edits go out of force and come back into it. The newest edit may be among the first. */
  turn(out: readonly number[], into: readonly number[]): void {
    this.#uniteTurned(out, into);
    for (const seq of out) this.graph.inForce[seq] = 0;
    for (const seq of into) this.graph.inForce[seq] = 1;
    for (const [set, lives] of this.#looseEnds(out, into))
      if (lives.length > 1)
        for (const part of partsCutOff(this.graph, this.#marks, lives)) this.#cutOff(part, this.sets.find(set));
  }

  /** Unites what hangs together before or after the turn; what does not after it is parted later. */
  #uniteTurned(out: readonly number[], into: readonly number[]): void {
    const { graph } = this;
    for (const seq of out)
      graph.forEachCleaving(seq, (cleaving) =>
        this.#unite(this.#setOfLife(~cleaving), this.#setOfLife(graph.lifeAfter(cleaving))),
      );
    for (const seq of into) {
      graph.forEachEdge(seq, (edge, a, b) =>
        this.#unite(this.#setOfLife(graph.lifeAt(a, edge)), this.#setOfLife(graph.lifeAt(b, edge))),
      );
      graph.forEachCleaving(seq, (cleaving) =>
        graph.setLabelOfCleaving(cleaving, this.#setOfLife(graph.lifeAfter(cleaving))),
      );
    }
  }

  /** Lives at the ends of edges that are gone and at both sides of cleavings that came, by the set that they are in. */
  #looseEnds(out: readonly number[], into: readonly number[]): Map<number, number[]> {
    const { graph } = this;
    const ends = new Map<number, number[]>();
    const add = (life: number): void => {
      const set = this.#setOfLife(life);
      const known = ends.get(set);
      if (known === undefined) ends.set(set, [life]);
      else if (known[known.length - 1] !== life) known.push(life);
    };
    for (const seq of out)
      graph.forEachEdge(seq, (edge, a, b) => {
        add(graph.lifeAt(a, edge));
        add(graph.lifeAt(b, edge));
      });
    for (const seq of into)
      graph.forEachCleaving(seq, (cleaving) => {
        add(~cleaving);
        add(graph.lifeAfter(cleaving));
      });
    return ends;
  }

  #setOfLife(life: number): number {
    return life >= 0 ? this.sets.setOf(life) : this.sets.find(this.graph.labelOfCleaving(~life));
  }

  #unite(a: number, b: number): void {
    if (a === b) return;
    this.#touch(a);
    this.#touch(b);
    const topA = this.#top(a);
    const topB = this.#top(b);
    const isA = topB < 0 || (topA >= 0 && this.ids.isBefore(topA, topB));
    this.sets.setTop(this.sets.unite(a, b), isA ? topA : topB);
  }

  /** Gives a part a label of its own. */
  #cutOff(lives: Int32Array, from: number): void {
    const { ids, sets, graph } = this;
    this.#touch(from);
    this.#growMoved(this.#movedCount + lives.length);
    const oldTop = this.#top(from);
    const label = sets.addLabel();
    let top = -1;
    for (let i = 0; i < lives.length; i++) {
      const life = lives[i] as number;
      if (life < 0) {
        graph.setLabelOfCleaving(~life, label);
        continue;
      }
      this.#noteMove(life);
      if (top < 0 || ids.isBefore(life, top)) top = life;
    }
    sets.moveAll(lives, from, label);
    sets.setTop(label, top);
    if (oldTop !== top) sets.setTop(from, oldTop);
  }

  #move(number: number, from: number, to: number): void {
    this.#touch(from);
    this.#noteMove(number);
    this.sets.move(number, from, to);
  }

  #noteMove(number: number): void {
    const label = this.sets.labelOf(number);
    // Who has a label of this edit has moved before.
    if (label >= this.#labelsBefore) return;
    const at = this.#movedCount++;
    if (at >= this.#moved.length) this.#growMoved(at + 1);
    this.#moved[at] = number;
    this.#movedFrom[at] = this.#placeOf(label);
  }

  #growMoved(wanted: number): void {
    this.#moved = grownInt32(this.#moved, wanted);
    this.#movedFrom = grownInt32(this.#movedFrom, wanted);
  }

  /** Where the body that a label belonged to stands in `#before`: on the way up from it is one mark, at what was the root. */
  #placeOf(label: number): number {
    let at = label;
    while (!this.sets.isMarked(at)) at = this.sets.parentOf(at);
    const before = this.#before;
    if (at !== before.lastLabel) {
      before.lastLabel = at;
      before.lastPlace = before.placeOf.get(at) as number;
    }
    before.moved[before.lastPlace] = (before.moved[before.lastPlace] as number) + 1;
    return before.lastPlace;
  }

  /** Notes a body as it is before the edit changes it. */
  #touch(root: number): void {
    if (root >= this.#labelsBefore || this.sets.isMarked(root)) return;
    this.sets.setMark(root, true);
    const { labels, tops, sizes, moved, placeOf } = this.#before;
    placeOf.set(root, labels.length);
    labels.push(root);
    tops.push(this.#top(root));
    sizes.push(this.sets.sizeOf(root));
    moved.push(0);
  }

  /** The smallest non-zero member of a set; found by a walk where the one before it has left. */
  #top(root: number): number {
    const known = this.sets.topOf(root);
    if (known >= 0 || this.sets.sizeOf(root) === 0) return known;
    let top = -1;
    const { ids } = this;
    this.sets.forEach(root, (number) => {
      if (top < 0 || ids.isBefore(number, top)) top = number;
    });
    this.sets.setTop(root, top);
    return top;
  }

  /** Members of the largest body that the edit touched so far. */
  largestTouched(): number {
    let largest = 0;
    for (const label of this.#before.labels) largest = Math.max(largest, this.sets.sizeOf(this.sets.find(label)));
    // What was cut off has a label of this edit.
    for (let label = this.#labelsBefore; label < this.sets.labels; label++)
      largest = Math.max(largest, this.sets.sizeOf(this.sets.find(label)));
    return largest;
  }

  /** Ends the edit. @returns what it did to roots; owned. */
  finish(): RootChanges {
    const { labels, tops, sizes, moved } = this.#before;
    const joined: number[] = [];
    const targets = tops.map((top, place) => {
      const isLeft = (sizes[place] as number) > (moved[place] as number);
      const target = isLeft ? this.#top(this.sets.find(labels[place] as number)) : top;
      if (target !== top) joined.push(top, target);
      return target;
    });
    const parted = this.#movedCount === 0 ? [] : this.#parted(targets);
    this.#forget();
    return {
      ...(joined.length === 0 ? {} : { joined: this.#bytesOf(joined) }),
      ...(parted.length === 0 ? {} : { parted }),
    };
  }

  /** Members that have another root than `joined` says, by their root: counted first, since there may be millions. */
  #parted(targets: readonly number[]): (readonly [bigint, Uint8Array])[] {
    const counts = new Map<number, number>();
    this.#eachRun(targets, (root, from, end) => counts.set(root, (counts.get(root) ?? 0) + end - from));
    const parted = new Map<number, MemberList>();
    for (const [root, count] of counts) parted.set(root, new MemberList(count));
    this.#eachRun(targets, (root, from, end) => parted.get(root)?.add(this.ids, this.#moved.subarray(from, end)));
    return [...parted].map(([root, members]) => [this.ids.id(root), members.bytes]);
  }

  /** Calls `visit` with each run of moved members that have one root now, which is another than `joined` says. */
  #eachRun(targets: readonly number[], visit: (root: number, from: number, end: number) => void): void {
    const moved = this.#moved;
    const movedFrom = this.#movedFrom;
    const count = this.#movedCount;
    for (let from = 0; from < count; ) {
      // Those that were cut off together have one label.
      const label = this.sets.labelOf(moved[from] as number);
      const place = movedFrom[from] as number;
      let end = from + 1;
      while (end < count && movedFrom[end] === place && this.sets.labelOf(moved[end] as number) === label) end++;
      const root = this.#top(this.sets.find(label));
      if (root !== targets[place]) visit(root, from, end);
      from = end;
    }
  }

  /** Takes the edit back, as if it had never been. `out` and `into`: what changes its force when the edit goes out of it, itself included. */
  abort(out: readonly number[], into: readonly number[]): void {
    this.turn(out, into);
    this.graph.pop();
    for (const label of this.#before.labels) this.#top(this.sets.find(label));
    for (let i = 0; i < this.#movedCount; i++) this.rootOf(this.#moved[i] as number);
    this.#forget();
    this.sets.shrink(this.#idsBefore);
    this.ids.shrink(this.#idsBefore);
  }

  #forget(): void {
    for (const label of this.#before.labels) this.sets.setMark(label, false);
    this.#before = noneBefore();
    this.#movedCount = 0;
    if (this.#moved.length <= MUCH) return;
    this.#moved = new Int32Array(0);
    this.#movedFrom = new Int32Array(0);
  }

  /** Ids of numbers, little-endian u64. */
  #bytesOf(numbers: readonly number[]): Uint8Array {
    const members = new MemberList(numbers.length);
    members.add(this.ids, numbers);
    return members.bytes;
  }
}

/** Ids of numbers as bytes, little-endian. */
class MemberList {
  readonly bytes: Uint8Array;
  #words: Uint32Array | undefined;
  #count = 0;

  constructor(count: number) {
    this.bytes = new Uint8Array(8 * count);
    // Small arrays live with the other objects until a second view of them is made, which costs more than most edits.
    if (count > FEW) this.#words = new Uint32Array(this.bytes.buffer);
  }

  add({ low, high }: IdTable, numbers: ArrayLike<number>): void {
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] as number;
      this.#put(low[number] as number);
      this.#put(high[number] as number);
    }
  }

  #put(word: number): void {
    const at = this.#count++;
    if (this.#words !== undefined) this.#words[at] = word;
    else for (let i = 0; i < 4; i++) this.bytes[4 * at + i] = word >>> (8 * i);
  }
}

function noneBefore(): Before {
  return { labels: [], tops: [], sizes: [], moved: [], placeOf: new Map(), lastLabel: -1, lastPlace: -1 };
}
