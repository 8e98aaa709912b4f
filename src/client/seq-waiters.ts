/** Those who wait until a log has come so far. */

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Promises by seq. */
export class SeqWaiters {
  #waiters: Waiter[] = [];

  add(seq: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ seq, resolve, reject }));
  }

  /** The log is at this seq. */
  reach(seq: number): void {
    const reached = this.#waiters.filter((waiter) => waiter.seq <= seq);
    if (reached.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.seq > seq);
    for (const waiter of reached) waiter.resolve();
  }

  /** It will never be. */
  fail(error: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
