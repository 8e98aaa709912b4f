/** Which neurons a table of synapses has, and where they are. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ascendingOrder } from './sort-order.ts';
import { newColumns, type PointColumns, type RowColumns, type SynapseColumns } from './table-columns.ts';

/** Neurons that are worked out before others have their turn. */
const NEURONS_AT_ONCE = 2_048;

/** Points by id, read id by id. */
class Points {
  readonly #ids: BigUint64Array;
  readonly #order: Uint32Array;
  readonly #points: PointColumns;
  readonly #takesLast: boolean;
  #at = 0;

  constructor(ids: BigUint64Array, order: Uint32Array, points: PointColumns, takesLast: boolean) {
    this.#ids = ids;
    this.#order = order;
    this.#points = points;
    this.#takesLast = takesLast;
  }

  /** The next id; undefined behind the last. */
  get next(): bigint | undefined {
    return this.#ids[this.#order[this.#at] as number];
  }

  /** Writes the point of an id into a row and goes on to the next id. @returns whether there is one; `write` false: only goes on. */
  take(id: bigint, into: RowColumns, row: number, write: boolean): boolean {
    if (this.next !== id) return false;
    const first = this.#at;
    while (this.next === id) this.#at++;
    if (!write) return true;
    const from = this.#order[this.#takesLast ? this.#at - 1 : first] as number;
    into.x[row] = this.#points.x[from] as number;
    into.y[row] = this.#points.y[from] as number;
    into.z[row] = this.#points.z[from] as number;
    return true;
  }
}

/**
 * Neurons of some synapses and somata, by id. A neuron's point is its soma's; without one, the centre of the first synapse that it is
 * post of; else of the first that it is pre of. Source: parity.md 4.2.
 *
 * @param somata of two with one id the later counts.
 */
export async function neuronsOf(synapses: SynapseColumns, somata: RowColumns): Promise<RowColumns> {
  const { pre, post } = synapses;
  const sources = [
    new Points(somata.key, await ascendingOrder(somata.key), somata, true),
    new Points(post, await ascendingOrder(post), synapses, false),
    new Points(pre, await ascendingOrder(pre), synapses, false),
  ];
  const found = newColumns('neuron', somata.key.length + post.length + pre.length);
  let count = 0;
  for (let id = leastOf(sources); id !== undefined; id = leastOf(sources)) {
    let isPlaced = false;
    for (const source of sources) isPlaced = source.take(id, found, count, !isPlaced) || isPlaced;
    found.key[count++] = id;
    if (count % NEURONS_AT_ONCE === 0) await nextTurn();
  }
  const { key, x, y, z } = found;
  return { key: key.slice(0, count), x: x.slice(0, count), y: y.slice(0, count), z: z.slice(0, count) };
}

function leastOf(sources: readonly Points[]): bigint | undefined {
  let least: bigint | undefined;
  for (const { next } of sources) if (next !== undefined && (least === undefined || next < least)) least = next;
  return least;
}
