/** Members of bodies, as ids. */
import type { IdTable } from './id-table.ts';
import type { Partition } from './partition.ts';

/** Ids of the body that an id is in, ascending; `[id]` where it is in none. Owned. */
export function membersOf(ids: IdTable, sets: Partition, id: bigint): BigUint64Array {
  const number = ids.find(id);
  if (number < 0) return BigUint64Array.of(id);
  const set = sets.setOf(number);
  const members = new BigUint64Array(sets.sizeOf(set));
  const words = new Uint32Array(members.buffer);
  let at = 0;
  sets.forEach(set, (member) => {
    words[at++] = ids.low[member] as number;
    words[at++] = ids.high[member] as number;
  });
  return members.sort();
}
