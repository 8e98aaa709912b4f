/** Labels of sets by place: 0, 1, 2, … in the order in which they come. Cheap where there are a hundred thousand of them. */

/** Places of labels, most of which are of the edit under way. */
export class LabelMap {
  readonly #from: number;
  /** Place + 1, by label of the edit. */
  readonly #fresh: Int32Array;
  readonly #old = new Map<number, number>();
  #count = 0;

  /** @param from labels of the edit are those from here to `end`. */
  constructor(from: number, end: number) {
    this.#from = from;
    this.#fresh = new Int32Array(end - from);
  }

  /** Where a label came first. */
  add(label: number): number {
    const fresh = label - this.#from;
    const known = fresh >= 0 ? (this.#fresh[fresh] as number) : (this.#old.get(label) ?? 0);
    if (known > 0) return known - 1;
    const place = this.#count++;
    if (fresh >= 0) this.#fresh[fresh] = place + 1;
    else this.#old.set(label, place + 1);
    return place;
  }
}
