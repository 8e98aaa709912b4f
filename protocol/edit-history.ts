/** Values by key, of which the latest in force counts. Rule [E28]. */

/** What an edit made of a key. */
export interface Entry<V> {
  readonly seq: number;
  /** Undefined: it removed the value. */
  readonly value: V | undefined;
}

interface Known<V> {
  /** Ascending by seq, one for each edit. */
  readonly entries: Entry<V>[];
  /** The latest in force. */
  current: Entry<V> | undefined;
}

/** Everything that edits ever made of some keys. */
export class History<K, V> {
  readonly #known = new Map<K, Known<V>>();
  readonly #keys = new Map<number, K[]>();
  /** Of the edit under way: what was in force before it. */
  readonly #before = new Map<K, Entry<V> | undefined>();
  #revision = 0;

  /** Another one whenever keys came or went. */
  get revision(): number {
    return this.#revision;
  }

  /** Keys that edits ever made something of, in force or not. */
  get size(): number {
    return this.#known.size;
  }

  /** Those keys, in the order in which they came. Keys of later edits may come while this is read. */
  keys(): Iterable<K> {
    return this.#known.keys();
  }

  /** What the latest edit in force made of a key. */
  current(key: K): Entry<V> | undefined {
    return this.#known.get(key)?.current;
  }

  /**
   * What the latest edit in force had made of a key as of a seq.
   *
   * @param out seqs that were out of force then.
   */
  at(key: K, seq: number, out: ReadonlySet<number>): Entry<V> | undefined {
    return this.#known.get(key)?.entries.findLast((entry) => entry.seq <= seq && !out.has(entry.seq));
  }

  /** Keys that an edit in force made something of, with it. */
  *currents(): Generator<readonly [K, Entry<V>]> {
    for (const [key, { current }] of this.#known) if (current !== undefined) yield [key, current];
  }

  /** Sets or removes a value as the newest edit. */
  set(seq: number, key: K, value: V | undefined): void {
    const entry = { seq, value };
    const known = this.#known.get(key);
    this.#note(key, known?.current);
    if (known === undefined) {
      this.#known.set(key, { entries: [entry], current: entry });
      this.#revision++;
      this.#keysOf(seq).push(key);
      return;
    }
    const { entries } = known;
    if (entries[entries.length - 1]?.seq === seq) entries.pop();
    else this.#keysOf(seq).push(key);
    entries.push(entry);
    known.current = entry;
  }

  #keysOf(seq: number): K[] {
    const keys = this.#keys.get(seq);
    if (keys !== undefined) return keys;
    const fresh: K[] = [];
    this.#keys.set(seq, fresh);
    return fresh;
  }

  #note(key: K, current: Entry<V> | undefined): void {
    if (!this.#before.has(key)) this.#before.set(key, current);
  }

  /** Edits went out of force or came back into it: those that went are told before those that came. */
  turned(seqs: Iterable<number>, isInForce: (seq: number) => boolean): void {
    if (this.#keys.size === 0) return;
    for (const seq of seqs) {
      const keys = this.#keys.get(seq);
      if (keys === undefined) continue;
      const isIn = isInForce(seq);
      for (const key of keys) {
        const known = this.#known.get(key);
        if (known === undefined) continue;
        const { entries, current } = known;
        this.#note(key, current);
        // Not all is looked at: a key that was written a thousand times may turn as often.
        if (isIn && (current === undefined || current.seq < seq)) known.current = entries[indexOf(entries, seq)];
        else if (!isIn && current?.seq === seq)
          known.current = lastInForce(entries, indexOf(entries, seq) - 1, isInForce);
      }
    }
  }

  /** Whether the edit under way has to do with any key. */
  get isTouched(): boolean {
    return this.#before.size > 0;
  }

  /** Keys of which something else is in force than before the edit under way. */
  *changed(): Generator<readonly [K, before: Entry<V> | undefined, now: Entry<V> | undefined]> {
    for (const [key, before] of this.#before) {
      const now = this.current(key);
      if (now !== before) yield [key, before, now];
    }
  }

  /** Ends the edit under way. */
  finish(): void {
    // Clearing an empty map costs more than all the rest of a small edit.
    if (this.#before.size > 0) this.#before.clear();
  }

  /** Takes back what the edit under way made, after what it turned was turned back. */
  abort(seq: number): void {
    for (const key of this.#keys.get(seq) ?? []) {
      const known = this.#known.get(key);
      known?.entries.pop();
      if (known?.entries.length !== 0) continue;
      this.#known.delete(key);
      this.#revision++;
    }
    this.#keys.delete(seq);
    for (const [key, before] of this.#before) {
      const known = this.#known.get(key);
      if (known !== undefined) known.current = before;
    }
    this.#before.clear();
  }

  /** Keys and all that edits up to a seq ever made of them, for a checkpoint; in the order in which they came. Later edits may go on meanwhile. */
  *dump(upto: number): Generator<readonly [K, readonly Entry<V>[]]> {
    for (const [key, { entries }] of this.#known) {
      const isAll = (entries.at(-1)?.seq ?? 0) <= upto;
      const known = isAll ? entries : entries.filter(({ seq }) => seq <= upto);
      if (known.length > 0) yield [key, known];
    }
  }

  /** Takes in what `dump` gave. */
  load(key: K, entries: Entry<V>[], isInForce: (seq: number) => boolean): void {
    this.#known.set(key, { entries, current: lastInForce(entries, entries.length - 1, isInForce) });
    this.#revision++;
    for (const { seq } of entries) this.#keysOf(seq).push(key);
  }
}

/** Where the entry of a seq stands. */
function indexOf<V>(entries: readonly Entry<V>[], seq: number): number {
  let [low, high] = [0, entries.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry<V>).seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lastInForce<V>(
  entries: readonly Entry<V>[],
  from: number,
  isInForce: (seq: number) => boolean,
): Entry<V> | undefined {
  let at = from;
  while (at >= 0 && !isInForce((entries[at] as Entry<V>).seq)) at--;
  return entries[at];
}
