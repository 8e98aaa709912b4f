/** Which moment of the past a view shows. While there is one, nothing can be edited in it. */
import { Emitter } from '../../../client/events.ts';

/** What parts of the view may know of it. */
export interface PastView {
  /** The seq that is shown; undefined = now. */
  readonly at: number | undefined;
  /** The channel whose past it is; the others are shown as they are now. */
  readonly path: string | undefined;
  /** Calls `listener` at every change. @returns a function that ends it. */
  on(listener: () => void): () => void;
}

/** What is said to who wants to edit meanwhile. */
export const PAST_REFUSAL = 'This is the past: go back to now to edit';

/** The moment of one view. */
export class PastMoment implements PastView {
  readonly #events = new Emitter<{ change: undefined }>();
  #shown: { readonly path: string; readonly at: number } | undefined;

  get at(): number | undefined {
    return this.#shown?.at;
  }

  get path(): string | undefined {
    return this.#shown?.path;
  }

  /** Another moment is shown, or the present. */
  set(shown: { readonly path: string; readonly at: number } | undefined): void {
    if (shown?.at === this.at && shown?.path === this.path) return;
    this.#shown = shown;
    this.#events.emit('change', undefined);
  }

  on(listener: () => void): () => void {
    return this.#events.on('change', listener);
  }
}
