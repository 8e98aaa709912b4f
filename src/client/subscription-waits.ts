/** The promises of a subscription. */
import { BflyError } from '../../protocol/index.ts';
import { SeqWaiters } from './seq-waiters.ts';
import type { SubscriptionEnd } from './subscription.ts';

/** How far a subscription is, for those who wait for it. */
export interface WaitedFor {
  readonly loading: boolean;
  /** Whether regions and rows are those of the filter that is wanted. */
  readonly focused: boolean;
  readonly position: number | undefined;
}

/** Who waits for what. That a promise rejects need not be handled. */
export class SubscriptionWaits {
  readonly ready: Promise<void>;
  readonly closed: Promise<SubscriptionEnd>;
  readonly #progress: WaitedFor;
  readonly #seqs = new SeqWaiters();
  readonly #focusing = new SeqWaiters();
  #settleReady: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #end: ((end: SubscriptionEnd) => void) | undefined;

  constructor(progress: WaitedFor) {
    this.#progress = progress;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => {}); // whoever iterates hears of it there
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Whether the subscription has ended. */
  get isOver(): boolean {
    return this.#end === undefined;
  }

  /** Until the state holds the edit of a seq. */
  until(seq: number): Promise<void> {
    const { loading, position } = this.#progress;
    if (!loading && (position ?? 0) >= seq) return Promise.resolve();
    return this.isOver ? Promise.reject(overError()) : this.#seqs.add(seq);
  }

  /** Until regions and rows are those of the filter that is wanted. */
  focused(): Promise<void> {
    if (this.isOver) return Promise.reject(overError());
    const focused = this.#focusing.add(0);
    focused.catch(() => {});
    return focused;
  }

  /** Something has changed. */
  look(): void {
    const { loading, focused, position } = this.#progress;
    if (loading) return;
    this.#settleReady?.resolve();
    this.#settleReady = undefined;
    this.#seqs.reach(position ?? 0);
    if (focused) this.#focusing.reach(0);
  }

  /** The log has begun another life: the seqs that were waited for will never be. */
  newEpoch(): void {
    this.#seqs.fail(new BflyError('EPOCH_MISMATCH', 'the log of the path was begun anew'));
  }

  end(end: SubscriptionEnd): void {
    const error = 'error' in end ? end.error : new BflyError('CANCELLED', 'the subscription is closed');
    this.#settleReady?.reject(error);
    this.#settleReady = undefined;
    this.#seqs.fail(error);
    this.#focusing.fail(error);
    this.#end?.(end);
    this.#end = undefined;
  }
}

function overError(): BflyError {
  return new BflyError('CANCELLED', 'the subscription is over');
}
