/** Which moment of the past a view shows. While there is one, nothing can be edited in it. */
import { Emitter } from '../../../client/events.ts';
import type { Row, TableName } from '../../../client/index.ts';

/** Names a row of a channel. */
export type RowName = readonly [table: TableName, key: bigint];

/** Rows of one channel as they were after an edit. */
export interface PastRows {
  readonly path: string;
  /** The seq that they are of. */
  readonly at: number;
  /** The row then; null: there was none; undefined: no edit ever changed it, so that it was what it is now. */
  row(table: TableName, key: bigint): Row | null | undefined;
  /** Rows that any edit changed, before or since: each key once, with what it was then; null: there was none. */
  changed(table: TableName): Iterable<readonly [key: bigint, row: Row | null]>;
}

/** What parts of the view may know of it. */
export interface PastView {
  /** The seq that is shown; undefined = now. */
  readonly at: number | undefined;
  /** The channel whose past it is; the others are shown as they are now. */
  readonly path: string | undefined;
  /** Rows of that channel, a little later than `at`: undefined while they are not read, and where they do not go back: they are as now then. */
  readonly rows: PastRows | undefined;
  /** Calls `listener` at every change of the moment. @returns a function that ends it. */
  on(listener: () => void): () => void;
  /**
   * Calls `listener` when other rows are to be shown.
   *
   * @param listener gets those that may differ from what was shown last; undefined: any may. @returns a function that ends it.
   */
  onRows(listener: (names: readonly RowName[] | undefined) => void): () => void;
}

/** What is said to who wants to edit meanwhile. */
export const PAST_REFUSAL = 'This is the past: go back to now to edit';

/** The moment of one view. */
export class PastMoment implements PastView {
  readonly #events = new Emitter<{ change: undefined; rows: readonly RowName[] | undefined }>();
  #shown: { readonly path: string; readonly at: number } | undefined;
  #rows: PastRows | undefined;

  get at(): number | undefined {
    return this.#shown?.at;
  }

  get path(): string | undefined {
    return this.#shown?.path;
  }

  get rows(): PastRows | undefined {
    return this.#rows;
  }

  /** Another moment is shown, or the present. */
  set(shown: { readonly path: string; readonly at: number } | undefined): void {
    if (shown?.at === this.at && shown?.path === this.path) return;
    this.#shown = shown;
    this.#events.emit('change', undefined);
  }

  /** Other rows are shown; undefined = those of now. @param names see `onRows`. */
  showRows(rows: PastRows | undefined, names: readonly RowName[] | undefined): void {
    this.#rows = rows;
    this.#events.emit('rows', names);
  }

  on(listener: () => void): () => void {
    return this.#events.on('change', listener);
  }

  onRows(listener: (names: readonly RowName[] | undefined) => void): () => void {
    return this.#events.on('rows', listener);
  }
}
