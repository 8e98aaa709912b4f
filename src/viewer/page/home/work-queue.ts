/** Work of which only so much is done at a time. */

/** Runs what it is given in order, at most `limit` at once. */
export class WorkQueue {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Does some work when it is its turn.
   *
   * @param signal ends the waiting, if there is one; the work itself has to look at it.
   * @returns what the work gives.
   * @throws the signal's reason where it ends before the work begins; what the work throws.
   */
  async run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#running--;
      this.#next();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const begin = (): void => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        if (this.#waiting.delete(begin)) reject(signal?.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(begin);
      this.#next();
    });
  }

  #next(): void {
    for (const begin of this.#waiting) {
      if (this.#running >= this.#limit) return;
      this.#waiting.delete(begin);
      this.#running++;
      begin();
    }
  }
}
