/** The filter of a subscription: which one is wanted, and whether the server has been told. Rule [S13]. */
import type { LogCursor } from './log-cursor.ts';
import type { EditFilter } from './subscription.ts';
import type { SubscriptionPlace } from './subscription-place.ts';

/** Sends FOCUS, but not while the server would begin a snapshot anew because of it, links and all. */
export class SubscriptionFilter {
  readonly #cursor: LogCursor;
  #wanted: EditFilter | undefined;
  /** Where FOCUS with the wanted filter was sent. */
  #toldAt: SubscriptionPlace | undefined;

  constructor(cursor: LogCursor, wanted: EditFilter | undefined) {
    this.#cursor = cursor;
    this.#wanted = wanted;
  }

  get wanted(): EditFilter | undefined {
    return this.#wanted;
  }

  want(filter: EditFilter): void {
    this.#wanted = filter;
    this.#toldAt = undefined;
    this.#cursor.refocus();
  }

  /** Tells the server if that is due. @param failed called where it refuses. */
  tell(place: SubscriptionPlace | undefined, failed: (place: SubscriptionPlace) => void): void {
    if (place?.isOpen !== true || this.#toldAt === place || !this.#cursor.mayFocus) return;
    const filter = this.#wanted;
    this.#toldAt = place;
    place.focus(filter ?? {}, (isDone) => {
      if (!isDone) failed(place);
      else if (this.#toldAt === place && this.#wanted === filter) this.#cursor.confirmFocus();
    });
  }
}
