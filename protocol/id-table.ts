/**
 * Ids (u64) by dense numbers: 0, 1, 2, … in the order in which they came. An open-addressing hash over two 32-bit halves: BigInt
 * arithmetic is some twenty times slower.
 */
import { grownUint32 } from './growable.ts';
import { inPieces, type Sliced } from './slices.ts';

const LEAST_SLOTS = 16;

/** One id as two halves, without BigInt arithmetic. */
const id64 = new BigUint64Array(1);
const halves = new Uint32Array(id64.buffer);
/** Where the low half stands; every machine that this runs on is little-endian, and this costs nothing. */
const LOW = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** Ids and their numbers. */
export class IdTable {
  /** Halves of the ids by number. Replaced when they grow; entries below `size` never change while they are in. */
  low: Uint32Array = new Uint32Array(0);
  high: Uint32Array = new Uint32Array(0);
  /** Number + 1 by slot, 0 = free. */
  #slots: Int32Array = new Int32Array(LEAST_SLOTS);
  #size = 0;

  /** How many ids there are. */
  get size(): number {
    return this.#size;
  }

  /** Number of an id, -1 where it is not in. */
  find(id: bigint): number {
    id64[0] = id;
    return findSlot(this.#slots, this.low, this.high, halves[LOW] as number, halves[HIGH] as number);
  }

  /** Number of an id, a new one where it is not in. */
  add(id: bigint): number {
    id64[0] = id;
    return this.addHalves(halves[LOW] as number, halves[HIGH] as number);
  }

  /** As `add`, by the halves of the id. */
  addHalves(low: number, high: number): number {
    const found = findSlot(this.#slots, this.low, this.high, low, high);
    if (found >= 0) return found;
    const number = this.#size;
    if ((number + 1) * 4 > this.#slots.length * 3) this.#rehash(this.#slots.length * 2);
    this.low = grownUint32(this.low, number + 1);
    this.high = grownUint32(this.high, number + 1);
    this.low[number] = low;
    this.high[number] = high;
    this.#size = number + 1;
    place(this.#slots, number, low, high);
    return number;
  }

  /** The id of a number. */
  id(number: number): bigint {
    halves[LOW] = this.low[number] as number;
    halves[HIGH] = this.high[number] as number;
    return id64[0] as bigint;
  }

  /** Takes ids out again, the newest first, until `size` are left. */
  shrink(size: number): void {
    const mask = this.#slots.length - 1;
    while (this.#size > size) {
      const number = --this.#size;
      let slot = hash(this.low[number] as number, this.high[number] as number) & mask;
      // Nothing was placed after the newest, so that no other id's way leads over its slot.
      while (this.#slots[slot] !== number + 1) slot = (slot + 1) & mask;
      this.#slots[slot] = 0;
    }
  }

  /** Whether the id of number `a` comes before that of `b`; 0 comes last. */
  isBefore(a: number, b: number): boolean {
    const highA = this.high[a] as number;
    const highB = this.high[b] as number;
    const lowA = this.low[a] as number;
    const lowB = this.low[b] as number;
    if ((highA | lowA) === 0) return false;
    if ((highB | lowB) === 0) return true;
    return highA === highB ? lowA < lowB : highA < highB;
  }

  /** The number whose id comes first, of those from `start` to `end`; negative ones are passed over. @returns -1 where there is none. */
  firstOf(numbers: Int32Array, start: number, end: number): number {
    const { low, high } = this;
    let first = -1;
    let firstLow = 0;
    let firstHigh = 0;
    for (let i = start; i < end; i++) {
      const number = numbers[i] as number;
      if (number < 0) continue;
      const ownHigh = high[number] as number;
      if (first >= 0 && ownHigh > firstHigh && (firstHigh | firstLow) !== 0) continue;
      if (first >= 0 && !this.isBefore(number, first)) continue;
      first = number;
      firstLow = low[number] as number;
      firstHigh = ownHigh;
    }
    return first;
  }

  /** Look-ups that go on seeing the ids that are in now, and no later ones. Shares memory with this table. */
  freeze(): { readonly low: Uint32Array; readonly high: Uint32Array; find(id: bigint): number } {
    const { low, high } = this;
    const slots = this.#slots;
    const size = this.#size;
    return {
      low,
      high,
      find(id) {
        id64[0] = id;
        return findBelow(slots, low, high, size, halves[LOW] as number, halves[HIGH] as number);
      },
    };
  }

  /** Takes ids in that are all different, into an empty table. Owns the arrays. */
  *load(low: Uint32Array, high: Uint32Array): Sliced<void> {
    this.low = low;
    this.high = high;
    this.#size = low.length;
    let slots = LEAST_SLOTS;
    while (low.length * 4 > slots * 3) slots *= 2;
    this.#slots = new Int32Array(slots);
    yield* inPieces(this.#size, (from, end) => this.#placeAll(from, end));
  }

  #rehash(length: number): void {
    this.#slots = new Int32Array(length);
    this.#placeAll(0, this.#size);
  }

  /** In the order of the numbers: `shrink` relies on it. */
  #placeAll(from: number, end: number): void {
    const { low, high } = this;
    const slots = this.#slots;
    for (let number = from; number < end; number++) place(slots, number, low[number] as number, high[number] as number);
  }
}

/** Another one in each process, so that nobody can choose ids that all fall into one slot. Where ids fall is never seen. */
const SEED = Math.trunc(Math.random() * 0x1_0000_0000);

function hash(low: number, high: number): number {
  let h = low ^ SEED;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35) ^ high;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

function place(slots: Int32Array, number: number, low: number, high: number): void {
  const mask = slots.length - 1;
  let slot = hash(low, high) & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = number + 1;
}

function findSlot(slots: Int32Array, lows: Uint32Array, highs: Uint32Array, low: number, high: number): number {
  const mask = slots.length - 1;
  for (let slot = hash(low, high) & mask; ; slot = (slot + 1) & mask) {
    const number = (slots[slot] as number) - 1;
    if (number < 0 || (lows[number] === low && highs[number] === high)) return number;
  }
}

/** As `findSlot`, over slots that may hold numbers of a later time, which are passed over. */
function findBelow(
  slots: Int32Array,
  lows: Uint32Array,
  highs: Uint32Array,
  size: number,
  low: number,
  high: number,
): number {
  const mask = slots.length - 1;
  for (let slot = hash(low, high) & mask; ; slot = (slot + 1) & mask) {
    const number = (slots[slot] as number) - 1;
    if (number < 0) return -1;
    if (number < size && lows[number] === low && highs[number] === high) return number;
  }
}
