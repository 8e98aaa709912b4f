/** What an edit does to roots, told from what its bodies were before it. Rules [E32], [E33]. */
import type { Changes } from './edit-changes.ts';
import { IdList } from './id-list.ts';
import type { IdTable } from './id-table.ts';
import { LabelMap } from './label-map.ts';
import type { Partition } from './partition.ts';

/** Longer lists are not kept for the next edit. */
const KEPT = 1_024;

/** Bodies as they were before the edit under way, of those that it touched. Lists by the same place, used again by the next edit. */
class Before {
  /** How many there are; what stands behind is of earlier edits. */
  count = 0;
  /** Root labels then. */
  labels: number[] = [];
  /** Number of the root, -1 of a body without members. */
  tops: number[] = [];
  sizes: number[] = [];
  /** Members that have left since. */
  moved: number[] = [];
  /** What `finish` makes of them: the root that those have who stayed. */
  targets: number[] = [];
  /** Places by label, of the first so many: only moves ask for them. */
  placeOf: Map<number, number> | undefined;
  /** What was looked up last. */
  lastLabel = -1;
  lastPlace = -1;

  add(label: number, top: number, size: number): void {
    const at = this.count++;
    this.labels[at] = label;
    this.tops[at] = top;
    this.sizes[at] = size;
    this.moved[at] = 0;
  }

  clear(): void {
    if (this.labels.length > KEPT)
      [this.labels, this.tops, this.sizes, this.moved, this.targets] = [[], [], [], [], []];
    this.count = 0;
    this.placeOf = undefined;
    this.lastLabel = -1;
    this.lastPlace = -1;
  }
}

/** Numbers that left one body, which stands at a place of `Before`. */
interface Moved {
  readonly place: number;
  readonly numbers: Int32Array | number[];
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
  readonly #before = new Before();
  /** Numbers that left their bodies, each once: who has a label of this edit has moved before. */
  #moved: Moved[] = [];

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
    this.#before.add(root, this.#topOf(root), this.#sets.sizeOf(root));
  }

  /** Notes a number before it leaves its set, which was touched. */
  noteMove(number: number): void {
    const label = this.#sets.labelOf(number);
    if (label >= this.#labelsBefore) return;
    const place = this.#placeOf(label);
    const last = this.#moved.at(-1);
    if (last?.place === place && Array.isArray(last.numbers)) last.numbers.push(number);
    else this.#moved.push({ place, numbers: [number] });
    this.#count(place, 1);
  }

  /** As `noteMove` of each; negative ones are passed over. Kept until the edit ends, and not to be changed till then. */
  noteMoves(numbers: Int32Array): void {
    let least = 0;
    for (let i = 0; i < numbers.length; i++) least = Math.min(least, numbers[i] as number);
    // The first to leave the only body that was touched may be millions.
    if (least < 0 || this.#moved.length > 0 || this.#before.count > 1) return this.#noteSome(numbers);
    this.#moved.push({ place: 0, numbers });
    this.#count(0, numbers.length);
  }

  #noteSome(numbers: Int32Array): void {
    const kept = new Int32Array(numbers.length);
    let [place, start, end] = [-1, 0, 0];
    const endRun = (): void => {
      if (end === start) return;
      this.#moved.push({ place, numbers: kept.subarray(start, end) });
      this.#count(place, end - start);
      start = end;
    };
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] as number;
      const label = number < 0 ? this.#labelsBefore : this.#sets.labelOf(number);
      if (label >= this.#labelsBefore) continue;
      const from = this.#placeOf(label);
      if (from !== place) endRun();
      place = from;
      kept[end++] = number;
    }
    endRun();
  }

  #count(place: number, moved: number): void {
    const counts = this.#before.moved;
    counts[place] = (counts[place] as number) + moved;
  }

  /** Where the body that a label belonged to stands in `#before`: on the way up from it is one mark, at what was the root. */
  #placeOf(label: number): number {
    let at = label;
    while (!this.#sets.isMarked(at)) at = this.#sets.parentOf(at);
    const before = this.#before;
    if (at !== before.lastLabel) {
      before.placeOf ??= new Map();
      const { labels, placeOf } = before;
      while (placeOf.size < before.count) placeOf.set(labels[placeOf.size] as number, placeOf.size);
      before.lastLabel = at;
      before.lastPlace = before.placeOf.get(at) as number;
    }
    return before.lastPlace;
  }

  /** Members of the largest body that the edit touched so far. */
  largest(): number {
    let largest = 0;
    const { labels, count } = this.#before;
    for (let at = 0; at < count; at++)
      largest = Math.max(largest, this.#sets.sizeOf(this.#sets.find(labels[at] as number)));
    // What was cut off has a label of this edit.
    for (let label = this.#labelsBefore; label < this.#sets.labels; label++)
      largest = Math.max(largest, this.#sets.sizeOf(this.#sets.find(label)));
    return largest;
  }

  /** Ends the edit. @returns what it did to roots; owned. */
  finish(): RootChanges {
    const { count, labels, tops, sizes, moved, targets } = this.#before;
    if (count === 0 && this.#moved.length === 0) return NOTHING;
    const joined: number[] = [];
    for (let place = 0; place < count; place++) {
      const top = tops[place] as number;
      const isLeft = (sizes[place] as number) > (moved[place] as number);
      const target = isLeft ? this.#topOf(this.#sets.find(labels[place] as number)) : top;
      if (target !== top) joined.push(top, target);
      targets[place] = target;
    }
    const parted = this.#moved.length === 0 ? [] : this.#parted(targets);
    this.#forget();
    if (parted.length === 0) return joined.length === 0 ? NOTHING : { joined: this.#bytesOf(joined) };
    return joined.length === 0 ? { parted } : { joined: this.#bytesOf(joined), parted };
  }

  /**
   * Members that have another root than `joined` says, by their root. Counted first, and all in one array: there may be millions, or as many
   * roots.
   */
  #parted(targets: readonly number[]): (readonly [bigint, Uint8Array])[] {
    const sets: number[] = [];
    const counts: number[] = [];
    const known = new LabelMap(this.#labelsBefore, this.#sets.labels);
    this.#eachRun(targets, (set, _, start, end) => {
      const at = known.add(set);
      if (at === sets.length) {
        sets.push(set);
        counts.push(0);
      }
      counts[at] = (counts[at] as number) + end - start;
    });
    let total = 0;
    const ends = counts.map((count) => {
      total += count;
      return total - count;
    });
    const list = new IdList(total);
    this.#eachRun(targets, (set, numbers, start, end) => {
      const at = known.add(set);
      list.set(ends[at] as number, this.#ids, numbers, start, end);
      ends[at] = (ends[at] as number) + end - start;
    });
    return sets.map((set, at) => {
      const end = ends[at] as number;
      return [this.#ids.id(this.#topOf(set)), list.part(end - (counts[at] as number), end)];
    });
  }

  /** Calls `visit` with each run of moved numbers that are in one set, by its root label, whose root is another than `joined` says. */
  #eachRun(
    targets: readonly number[],
    visit: (set: number, numbers: Int32Array | number[], start: number, end: number) => void,
  ): void {
    const sets = this.#sets;
    for (const { place, numbers } of this.#moved)
      for (let start = 0, end = 0; start < numbers.length; start = end) {
        // Those that were cut off together have one label.
        end = sets.endOfRun(numbers, start);
        const set = sets.setOf(numbers[start] as number);
        if (this.#topOf(set) !== targets[place]) visit(set, numbers, start, end);
      }
  }

  /** Ends an edit that was taken back. */
  abort(): void {
    // So that all roots are known again.
    for (const label of this.#before.labels) this.#topOf(this.#sets.find(label));
    for (const { numbers } of this.#moved)
      for (let i = 0; i < numbers.length; i = this.#sets.endOfRun(numbers, i))
        this.#topOf(this.#sets.setOf(numbers[i] as number));
    this.#forget();
  }

  #forget(): void {
    const { labels, count } = this.#before;
    for (let at = 0; at < count; at++) this.#sets.setMark(labels[at] as number, false);
    if (count > 0) this.#before.clear();
    if (this.#moved.length > 0) this.#moved = [];
  }

  /** Ids of numbers, little-endian u64. */
  #bytesOf(numbers: readonly number[]): Uint8Array {
    const list = new IdList(numbers.length);
    list.set(0, this.#ids, numbers, 0, numbers.length);
    return list.part(0, numbers.length);
  }
}

const NOTHING: RootChanges = {};
