/** Edits that came, for any number of iterators: each sees all from when it began, and the slowest decides how much more may come. */
import type { EditEvent } from './edit-event.ts';

interface Entry {
  readonly edit: EditEvent;
  /** Bytes that are free again when all have taken it. */
  readonly bytes: number;
  /** Iterators that have not taken it. */
  readers: number;
  next: Entry | undefined;
}

interface Waiter {
  readonly resolve: (result: IteratorResult<EditEvent, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** The end of a feed. */
interface Ending {
  readonly error?: unknown;
}

/** Edits of one subscription on their way to iterators. */
export class EditFeed {
  readonly #taken: (bytes: number) => void;
  readonly #iterators = new Set<FeedIterator>();
  #bytes = 0;
  #ending: Ending | undefined;

  /** @param taken told the bytes that the slowest iterator has taken. */
  constructor(taken: (bytes: number) => void) {
    this.#taken = taken;
  }

  /** Bytes that some iterator has not taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Gives edits to all iterators.
   *
   * @param bytes length of the message that they came in.
   * @returns bytes that wait now: 0 where nobody iterates.
   */
  push(edits: readonly EditEvent[], bytes: number): number {
    if (this.#iterators.size === 0 || edits.length === 0) return 0;
    this.#bytes += bytes;
    const last = edits.length - 1;
    for (const [i, edit] of edits.entries()) {
      // The message is consumed with the last edit in it.
      const entry: Entry = { edit, bytes: i === last ? bytes : 0, readers: this.#iterators.size, next: undefined };
      for (const iterator of [...this.#iterators]) iterator.offer(entry);
    }
    return bytes;
  }

  /** Nothing more comes: what waits can still be taken, then the iterators end, or throw. */
  end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    for (const iterator of [...this.#iterators]) iterator.end(ending);
  }

  iterate(): AsyncIterableIterator<EditEvent, undefined, undefined> {
    const iterator = new FeedIterator(
      (entry) => this.#pass(entry),
      () => this.#iterators.delete(iterator),
    );
    if (this.#ending === undefined) this.#iterators.add(iterator);
    else iterator.end(this.#ending);
    return iterator;
  }

  #pass(entry: Entry): void {
    if (--entry.readers > 0) return;
    this.#bytes -= entry.bytes;
    if (entry.bytes > 0) this.#taken(entry.bytes);
  }
}

class FeedIterator implements AsyncIterableIterator<EditEvent, undefined, undefined> {
  readonly #passed: (entry: Entry) => void;
  readonly #left: () => void;
  /** Entries of all iterators are one chain; each has its own place in it. */
  #first: Entry | undefined;
  #last: Entry | undefined;
  #waiters: Waiter[] = [];
  #ending: Ending | undefined;

  constructor(passed: (entry: Entry) => void, left: () => void) {
    this.#passed = passed;
    this.#left = left;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  offer(entry: Entry): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: entry.edit });
      this.#passed(entry);
      return;
    }
    if (this.#first === undefined) this.#first = entry;
    else if (this.#last !== undefined) this.#last.next = entry;
    this.#last = entry;
  }

  next(): Promise<IteratorResult<EditEvent, undefined>> {
    const entry = this.#first;
    if (entry !== undefined) {
      this.#advance(entry);
      return Promise.resolve({ done: false, value: entry.edit });
    }
    return new Promise((resolve, reject) => {
      if (this.#ending === undefined) this.#waiters.push({ resolve, reject });
      else this.#giveEnd({ resolve, reject }, this.#ending);
    });
  }

  async return(): Promise<IteratorResult<EditEvent, undefined>> {
    this.#left();
    while (this.#first !== undefined) this.#advance(this.#first);
    this.end({});
    return { done: true, value: undefined };
  }

  end(ending: Ending): void {
    this.#ending ??= ending;
    this.#left();
    for (const waiter of this.#waiters.splice(0)) this.#giveEnd(waiter, this.#ending);
  }

  #advance(entry: Entry): void {
    this.#first = entry === this.#last ? undefined : entry.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#passed(entry);
  }

  #giveEnd(waiter: Waiter, ending: Ending): void {
    if ('error' in ending) {
      this.#ending = {};
      waiter.reject(ending.error);
    } else waiter.resolve({ done: true, value: undefined });
  }
}
