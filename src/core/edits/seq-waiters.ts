/** Those who wait for an edit to become durable. */
import { BflyError } from '../../../protocol/errors.ts';

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Waiters of one path. */
export class SeqWaiters {
  readonly #path: string;
  readonly #waiters = new Set<Waiter>();

  constructor(path: string) {
    this.#path = path;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when `reached` tells of the seq. Rejects with UNAVAILABLE after `timeoutMs`, or with what `refuse` is given. */
  async wait(seq: number, timeoutMs?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waiter: Waiter | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { seq, resolve, reject };
        this.#waiters.add(waiter);
        if (timeoutMs === undefined) return;
        const late = (): void => reject(new BflyError('UNAVAILABLE', `${this.#path} has not reached seq ${seq} yet`));
        timer = setTimeout(late, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  /** Everything up to `head` is durable. */
  reached(head: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.seq > head) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** What they wait for will not be. */
  refuse(error: BflyError): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const { reject } of waiters) reject(error);
  }
}
