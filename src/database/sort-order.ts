/** Sorts a million 64-bit numbers in small steps, so that a server that listens goes on answering. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { halvesOf } from './table-columns.ts';

const DIGIT_VALUES = 65_536;

/**
 * The order in which keys ascend; equal keys stay in their order. Radix sort by 16 bits, one turn of the event loop for each.
 *
 * @param keys borrowed until the promise resolves.
 * @returns indices, owned.
 */
export async function ascendingOrder(keys: BigUint64Array): Promise<Uint32Array> {
  const { length } = keys;
  const digits = new Uint16Array(keys.buffer, keys.byteOffset, length * 4);
  let order = new Uint32Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  if (isAscending(keys)) return order;
  let sorted = new Uint32Array(length);
  for (let digit = 0; digit < 4; digit++) {
    if (!sortByDigit(digits, digit, order, sorted)) continue;
    [order, sorted] = [sorted, order];
    await nextTurn();
  }
  return order;
}

/** @returns false where all have the same digit, and nothing was written. */
function sortByDigit(digits: Uint16Array, digit: number, order: Uint32Array, sorted: Uint32Array): boolean {
  const starts = new Uint32Array(DIGIT_VALUES + 1);
  for (let at = digit; at < digits.length; at += 4) (starts[(digits[at] as number) + 1] as number)++;
  if (starts.includes(order.length)) return false;
  for (let value = 0; value < DIGIT_VALUES; value++) (starts[value + 1] as number) += starts[value] as number;
  for (let i = 0; i < order.length; i++) {
    const index = order[i] as number;
    const value = digits[4 * index + digit] as number;
    sorted[starts[value] as number] = index;
    (starts[value] as number)++;
  }
  return true;
}

/** Whether keys never descend. */
export function isAscending(keys: BigUint64Array): boolean {
  return firstStep(keys, (step) => step < 0) === undefined;
}

/** A key that stands next to its like, in ascending keys. */
export function repeatedKey(keys: BigUint64Array): bigint | undefined {
  const at = firstStep(keys, (step) => step === 0);
  return at === undefined ? undefined : keys[at];
}

/** The first index whose key stands to the one before it as asked: below it (-1), equal (0) or above it (1). */
function firstStep(keys: BigUint64Array, isWanted: (step: number) => boolean): number | undefined {
  const halves = halvesOf(keys);
  for (let at = 2; at < halves.length; at += 2) {
    const high = (halves[at + 1] as number) - (halves[at - 1] as number);
    if (isWanted(Math.sign(high !== 0 ? high : (halves[at] as number) - (halves[at - 2] as number)))) return at / 2;
  }
  return undefined;
}
