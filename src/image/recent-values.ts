/** A small memory of what was read last, so that neighbouring boxes do not decode the same slice again. */
export class RecentValues<T> {
  readonly #maxBytes: number;
  readonly #sizeOf: (value: T) => number;
  /** In order of use, the oldest first. Loads under way count as 0 bytes. */
  readonly #entries = new Map<string, { readonly value: Promise<T>; bytes: number }>();
  #bytes = 0;

  /** @param maxBytes of all values that are kept; a larger value is handed through. */
  constructor(maxBytes: number, sizeOf: (value: T) => number) {
    this.#maxBytes = maxBytes;
    this.#sizeOf = sizeOf;
  }

  /** Bytes of the values kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Gives the value of a key, loaded where it is not kept; one load serves all who ask while it is under way.
   *
   * @returns a shared value: never write to it. A load that fails is not kept.
   */
  get(key: string, load: () => Promise<T>): Promise<T> {
    const found = this.#entries.get(key);
    if (found !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
      return found.value;
    }
    const entry = { value: load(), bytes: 0 };
    this.#entries.set(key, entry);
    entry.value.then(
      (value) => {
        if (this.#entries.get(key) !== entry) return;
        const size = this.#sizeOf(value);
        if (size > this.#maxBytes) {
          this.#entries.delete(key);
          return;
        }
        entry.bytes = size;
        this.#bytes += size;
        this.#shrink();
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry.value;
  }

  /** Forgets all. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #shrink(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      if (entry.bytes === 0) continue;
      this.#entries.delete(key);
      this.#bytes -= entry.bytes;
    }
  }
}
