/** Tiles that came and wait for their consumer, and consumers that wait for tiles. */

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined> | PromiseLike<IteratorResult<T, undefined>>) => void;
  readonly reject: (error: unknown) => void;
}

interface Entry<T> {
  readonly value: T | Promise<T>;
  readonly bytes: number;
  next: Entry<T> | undefined;
}

/** A queue with one producer, read like an async iterator. */
export class TileQueue<T> {
  readonly #taken: (bytes: number) => void;
  #head: Entry<T> | undefined;
  #tail: Entry<T> | undefined;
  #length = 0;
  #bytes = 0;
  #waiters: Waiter<T>[] = [];
  #ending: { readonly error?: unknown } | undefined;

  /** @param taken told the bytes of each entry at the moment that a consumer takes it. */
  constructor(taken: (bytes: number) => void) {
    this.#taken = taken;
  }

  /** Entries that nobody has taken. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of the entries that nobody has taken. */
  get bytes(): number {
    return this.#bytes;
  }

  push(value: T | Promise<T>, bytes: number): void {
    if (this.#ending !== undefined) return;
    const entry: Entry<T> = { value, bytes, next: undefined };
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.#length++;
    this.#bytes += bytes;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) this.#give(waiter, entry);
  }

  /** Nothing more comes. What waits can still be taken, and after it the error comes once. */
  end(ending: { readonly error?: unknown } = {}): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    for (const waiter of this.#waiters.splice(0)) this.#giveEnd(waiter);
  }

  /** Forgets what waits, and ends so, even where another end was to come after it. */
  cut(ending: { readonly error?: unknown }): void {
    this.#head = undefined;
    this.#tail = undefined;
    this.#length = 0;
    this.#bytes = 0;
    this.#ending = undefined;
    this.end(ending);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (this.#head !== undefined) this.#give(waiter, this.#head);
      else if (this.#ending !== undefined) this.#giveEnd(waiter);
      else this.#waiters.push(waiter);
    });
  }

  /** @param head the first entry. */
  #give(waiter: Waiter<T>, head: Entry<T>): void {
    this.#head = head.next;
    if (this.#head === undefined) this.#tail = undefined;
    this.#length--;
    this.#bytes -= head.bytes;
    const { value } = head;
    if (value instanceof Promise) waiter.resolve(value.then((done) => ({ done: false, value: done })));
    else waiter.resolve({ done: false, value });
    this.#taken(head.bytes);
  }

  #giveEnd(waiter: Waiter<T>): void {
    const ending = this.#ending;
    if (ending !== undefined && 'error' in ending) {
      this.#ending = {};
      waiter.reject(ending.error);
    } else waiter.resolve({ done: true, value: undefined });
  }
}
