/** The rows of one channel that is followed, as shapes: what others and we make of them, and what is near where there are too many. */
import type { ChannelInfo, LiveChannel, Row, Session, Subscription } from '../../../client/index.ts';
import { readIds } from '../../../client/index.ts';
import { onNextFrame } from '../next-frame.ts';
import type { Place } from '../stage.ts';
import type { PastRows, PastView, RowName } from '../volume/past-moment.ts';
import { focusBox, hasManyRows, mustRefocus, rowCount } from './large-tables.ts';
import { RowStore } from './row-store.ts';
import { SHOWN_TABLES, type ShownTable } from './shape.ts';

/** So long after the view has moved what is near it is loaded, ms. */
const REST_MS = 300;

/** What the rows of a channel are made from. */
export interface ChannelRowsParts {
  readonly session: Session;
  readonly path: string;
  readonly info: ChannelInfo;
  readonly channel: LiveChannel;
  /** Whose rows are shown instead of those of now, where it is the past of this channel. */
  readonly past: Pick<PastView, 'rows' | 'onRows'>;
  /** Hears of every change, at most once a frame. */
  readonly changed: () => void;
  /** Others came, went or moved. */
  readonly peersChanged: () => void;
}

/** Follows the rows of a channel until `close`. */
export class ChannelRows {
  readonly path: string;
  readonly info: ChannelInfo;
  readonly channel: LiveChannel;
  readonly store: RowStore;
  /** Names of authors by their ids, as edits told them. */
  readonly names = new Map<string, string>();
  readonly #changed: () => void;
  /** Follows the rows near the view, where there are many. */
  readonly #near: Subscription | undefined;
  readonly #ends: (() => void)[] = [];
  readonly #frame = onNextFrame(() => this.#flush());
  /** What is shown instead of the rows of now. */
  #past: PastRows | undefined;
  /** Rows that edits changed while the past was shown. */
  #missed: RowName[] = [];
  /** Another moment is shown, even if its rows are the same. */
  #isElsewhen = false;
  #isStale = true;
  #isOver = false;
  #loaded: ReturnType<typeof focusBox> | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #looked: { readonly place: Place; readonly size: number } | undefined;

  constructor({ session, path, info, channel, past, changed, peersChanged }: ChannelRowsParts) {
    this.path = path;
    this.info = info;
    this.channel = channel;
    this.#changed = changed;
    this.#near = hasManyRows(info) ? session.subscribe(path, { snapshot: false }) : undefined;
    this.store = new RowStore(info, this.#source(), () => new Promise((resolve) => setTimeout(resolve)));
    this.#ends.push(
      channel.on('change', () => this.#ownChanged()),
      channel.subscription.on('peers', () => peersChanged()),
      past.onRows((names) => this.#goTo(past.rows, names)),
    );
    this.#goTo(past.rows, undefined);
    for (const subscription of this.#subscriptions) this.#follow(subscription);
    this.#frame.ask();
  }

  /** Rows of the tables that are there, loaded or not. */
  get total(): number {
    return this.#near === undefined ? this.store.count : Math.max(rowCount(this.info), this.store.count);
  }

  /** Whether only rows near the view are here. */
  get isPartial(): boolean {
    return this.#near !== undefined;
  }

  /** The view is elsewhere: what is near it is loaded, when it rests. @param size what is seen along an axis, nm. */
  look(place: Place, size: number): void {
    if (this.#near === undefined) return;
    this.#looked = { place, size };
    // It moves with the view, but not with every frame of it, and one after the other.
    if (this.#rest !== undefined || !mustRefocus(this.#loaded, focusBox(this.info, place, size))) return;
    this.#rest = setTimeout(() => void this.#focus(), this.#loaded === undefined ? 0 : REST_MS);
  }

  /** The edit whose rows are shown; undefined = those of now. */
  get at(): number | undefined {
    return this.#past?.at;
  }

  /** A name for the author of a row. */
  nameOf(author: string): string | undefined {
    return this.names.get(author);
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#rest);
    this.#frame.cancel();
    this.store.close();
    this.#near?.close();
    for (const end of this.#ends) end();
  }

  get #subscriptions(): readonly Subscription[] {
    return [this.#near, this.channel.subscription].filter((one) => one !== undefined);
  }

  #source(): ConstructorParameters<typeof RowStore>[1] {
    const { channel } = this;
    return {
      certain: (table) => this.#certain(table),
      row: (table, key) => {
        const then = this.#past?.row(table, key);
        if (then !== undefined) return then ?? undefined;
        if (this.#past === undefined && (this.#near === undefined || this.#isOwn(table, key)))
          return channel.view.row(table, key);
        return this.#near?.state.row(table, key) ?? channel.subscription.state.row(table, key);
      },
      own: () => ownKeys(channel),
    };
  }

  *#certain(table: ShownTable): Generator<Row> {
    const past = this.#past;
    for (const subscription of this.#subscriptions)
      for (const row of subscription.state.rows(table).values()) if (past?.row(table, row.key) === undefined) yield row;
    for (const [, row] of past?.changed(table) ?? []) if (row !== null) yield row;
  }

  /** Shows the rows of another moment. @param names of the rows that differ from what is shown; undefined: any may. */
  #goTo(rows: PastRows | undefined, names: readonly RowName[] | undefined): void {
    const then = rows?.path === this.path ? rows : undefined;
    if (then === undefined && this.#past === undefined) return;
    this.#isElsewhen ||= then?.at !== this.#past?.at;
    this.#past = then;
    if (names === undefined) this.#isStale = true;
    this.#mark(names ?? []);
    if (then === undefined) this.#mark(this.#missed.splice(0));
    // Edits that nobody has answered are of now.
    this.store.markOwn();
    this.#frame.ask();
  }

  #mark(names: readonly RowName[]): void {
    for (const [table, key] of names) if (table !== 'neuron') this.store.mark(table, key);
  }

  #isOwn(table: ShownTable, key: bigint): boolean {
    for (const [ownTable, ownKey] of ownKeys(this.channel)) if (ownTable === table && ownKey === key) return true;
    return false;
  }

  #follow(subscription: Subscription): void {
    this.#ends.push(
      subscription.on('edits', (edits) => {
        for (const { changes, user } of edits) {
          if (user.name !== '') this.names.set(user.id, user.name);
          const names = SHOWN_TABLES.flatMap((table): RowName[] => [
            ...(changes.rows?.[table] ?? []).map(({ key }): RowName => [table, key]),
            ...(changes.gone?.[table] ?? []).map((key): RowName => [table, key]),
          ]);
          if (this.#past === undefined) this.#mark(names);
          else this.#missed.push(...names);
        }
        this.#frame.ask();
      }),
      subscription.on('state', ({ loading }) => {
        if (loading) this.#isStale = true;
        else if (this.#isStale) this.#frame.ask();
      }),
      subscription.on('reset', () => {
        this.#isStale = true;
      }),
    );
  }

  #ownChanged(): void {
    this.store.markOwn();
    this.#frame.ask();
  }

  #flush(): void {
    if (this.#isOver) return;
    const isLoading = this.#subscriptions.some(({ loading }) => loading);
    if (this.#isStale && !isLoading) {
      this.#isStale = false;
      this.#isElsewhen = false;
      void this.store.rebuild().then((isDone) => {
        if (isDone && !this.#isOver) this.#changed();
      });
      return;
    }
    // While a snapshot comes in its rows are not all here: what was shown stays.
    if (isLoading || (!this.store.flush() && !this.#isElsewhen)) return;
    this.#isElsewhen = false;
    this.#changed();
  }

  async #focus(): Promise<void> {
    const looked = this.#looked;
    if (this.#near === undefined || looked === undefined || this.#isOver) return;
    const box = focusBox(this.info, looked.place, looked.size);
    this.#loaded = box;
    try {
      await this.#near.focus({ box, kinds: ['put', 'delete', 'undo'] });
      this.#isStale = true;
      this.#frame.ask();
    } catch {
      // The line is gone: the subscription takes it up again by itself.
    }
    this.#rest = undefined;
  }
}

/** Keys of rows that edits put or delete which nobody has answered. Rows without key have -1, -2, … in the order of the edits. */
function* ownKeys(channel: LiveChannel): Generator<readonly [ShownTable, bigint]> {
  let unnamed = 0n;
  for (const { ops } of channel.unsaved)
    for (const op of ops) {
      const table = SHOWN_TABLES.find((name) => name === op['table']);
      if (op['op'] === 'put' && Array.isArray(op['rows']))
        for (const row of op['rows'] as readonly Row[]) {
          const { key = --unnamed } = row as { readonly key?: bigint };
          if (table !== undefined) yield [table, key];
        }
      else if (op['op'] === 'delete' && table !== undefined) for (const key of readIds(op['keys'])) yield [table, key];
    }
}
