/** What an edit does to roots, told from what its bodies were before it. Rules [E32], [E33]. */
import type { Changes } from './edit-changes.ts';
import { grownInt32 } from './growable.ts';
import type { IdTable } from './id-table.ts';
import type { Partition } from './partition.ts';

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

/**
 * The ledger of one edit after the other.
 *
 * Of a body that is touched the root label and the root are noted. Who leaves a body gets a label of this edit, so those who stayed are those
 * whose labels still lead over the noted one: for them one row of `joined` will do. Who left is listed in `parted` where that row is wrong.
 */
export class RootLedger {
  readonly #ids: IdTable;
  readonly #sets: Partition;
  readonly #topOf: (root: number) => number;
  #labelsBefore = 0;
  #before = noneBefore();
  /** Numbers that left their bodies, and where those stand in `#before`. */
  #moved: Int32Array = new Int32Array(0);
  #movedFrom: Int32Array = new Int32Array(0);
  #movedCount = 0;

  /** @param topOf number of the root of a set, by its root label; -1 for an empty one. */
  constructor(ids: IdTable, sets: Partition, topOf: (root: number) => number) {
    this.#ids = ids;
    this.#sets = sets;
    this.#topOf = topOf;
  }

  /** Begins an edit, whose ids are all there: `finish` or `abort` must follow. Labels lead up the same way until then. */
  begin(): void {
    this.#labelsBefore = this.#sets.labels;
  }

  /** Notes a body as it is before the edit changes it, by its root label. */
  touch(root: number): void {
    if (root >= this.#labelsBefore || this.#sets.isMarked(root)) return;
    this.#sets.setMark(root, true);
    const { labels, tops, sizes, moved, placeOf } = this.#before;
    placeOf.set(root, labels.length);
    labels.push(root);
    tops.push(this.#topOf(root));
    sizes.push(this.#sets.sizeOf(root));
    moved.push(0);
  }

  /** Makes room: so many moves are to come. */
  expect(moves: number): void {
    this.#growMoved(this.#movedCount + moves);
  }

  /** Notes a number before it leaves its set, which was touched. */
  noteMove(number: number): void {
    const label = this.#sets.labelOf(number);
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
    while (!this.#sets.isMarked(at)) at = this.#sets.parentOf(at);
    const before = this.#before;
    if (at !== before.lastLabel) {
      before.lastLabel = at;
      before.lastPlace = before.placeOf.get(at) as number;
    }
    before.moved[before.lastPlace] = (before.moved[before.lastPlace] as number) + 1;
    return before.lastPlace;
  }

  /** Members of the largest body that the edit touched so far. */
  largest(): number {
    let largest = 0;
    for (const label of this.#before.labels) largest = Math.max(largest, this.#sets.sizeOf(this.#sets.find(label)));
    // What was cut off has a label of this edit.
    for (let label = this.#labelsBefore; label < this.#sets.labels; label++)
      largest = Math.max(largest, this.#sets.sizeOf(this.#sets.find(label)));
    return largest;
  }

  /** Ends the edit. @returns what it did to roots; owned. */
  finish(): RootChanges {
    const { labels, tops, sizes, moved } = this.#before;
    const joined: number[] = [];
    const targets = tops.map((top, place) => {
      const isLeft = (sizes[place] as number) > (moved[place] as number);
      const target = isLeft ? this.#topOf(this.#sets.find(labels[place] as number)) : top;
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
    this.#eachRun(targets, (root, from, end) => parted.get(root)?.add(this.#ids, this.#moved.subarray(from, end)));
    return [...parted].map(([root, members]) => [this.#ids.id(root), members.bytes]);
  }

  /** Calls `visit` with each run of moved members that have one root now, which is another than `joined` says. */
  #eachRun(targets: readonly number[], visit: (root: number, from: number, end: number) => void): void {
    const moved = this.#moved;
    const movedFrom = this.#movedFrom;
    const count = this.#movedCount;
    for (let from = 0; from < count; ) {
      // Those that were cut off together have one label.
      const label = this.#sets.labelOf(moved[from] as number);
      const place = movedFrom[from] as number;
      let end = from + 1;
      while (end < count && movedFrom[end] === place && this.#sets.labelOf(moved[end] as number) === label) end++;
      const root = this.#topOf(this.#sets.find(label));
      if (root !== targets[place]) visit(root, from, end);
      from = end;
    }
  }

  /** Ends an edit that was taken back. */
  abort(): void {
    // So that all roots are known again.
    for (const label of this.#before.labels) this.#topOf(this.#sets.find(label));
    for (let i = 0; i < this.#movedCount; i++) this.#topOf(this.#sets.setOf(this.#moved[i] as number));
    this.#forget();
  }

  #forget(): void {
    for (const label of this.#before.labels) this.#sets.setMark(label, false);
    this.#before = noneBefore();
    this.#movedCount = 0;
    if (this.#moved.length <= MUCH) return;
    this.#moved = new Int32Array(0);
    this.#movedFrom = new Int32Array(0);
  }

  /** Ids of numbers, little-endian u64. */
  #bytesOf(numbers: readonly number[]): Uint8Array {
    const members = new MemberList(numbers.length);
    members.add(this.#ids, numbers);
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
