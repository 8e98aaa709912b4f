/** A path that is followed and edited at once: own edits show before they are answered, and can be taken back. */
import type { Box, WireMap } from '../../protocol/index.ts';
import type { EditEvent } from './edit-event.ts';
import type { EditOp } from './edit-input.ts';
import type { EditResult } from './edit-result.ts';
import type { Editing, EditOptions } from './editing.ts';
import { Emitter } from './events.ts';
import { boxesOf, isPredicted, type OptimisticView, PendingView } from './optimistic-view.ts';
import type { PendingEdit } from './pending-edit.ts';
import type { Subscription } from './subscription.ts';
import { UndoStack } from './undo-stack.ts';

/** An own edit that was shown and has been taken back. */
export interface RolledBackEdit {
  readonly ops: readonly WireMap[];
  readonly error: unknown;
}

/** An own edit, undo or redo that is not in the state of the subscription yet. */
export interface UnsavedEdit {
  /** As they travel. */
  readonly ops: readonly WireMap[];
  /** Whether all that it does shows in `view` already; of an undo nothing does, of voxels their boxes alone. */
  readonly isPredicted: boolean;
  /** Set when the server has answered: it is durable, and on its way back to us. */
  readonly seq: number | undefined;
}

/** Events of a live channel. */
export interface LiveChannelEvents {
  /** `view` or `unsaved` has changed, by edits of others, by own ones, or because one was taken back. Boxes of mip 0 to look at again. */
  readonly change: { readonly touched: readonly Box[] };
  readonly rolledBack: RolledBackEdit;
}

/**
 * A path that is followed and edited at once.
 *
 * @example
 * const labels = session.open('exp/sample/dataset/labels');
 * await labels.subscription.ready;
 * const merged = labels.edit([{ op: 'merge', ids: [17n, 23n] }]);
 * labels.view.rootOf(23n); // 17n already
 * await merged; // durable
 * await labels.undo();
 */
export interface LiveChannel {
  readonly path: string;
  readonly subscription: Subscription;
  /** What to show: the state of `subscription`, and own edits that are not in it yet. */
  readonly view: OptimisticView;
  /** Number of `unsaved`. */
  readonly pending: number;
  /** What was done here and is not in the state of `subscription` yet, in its order: what a viewer shows as being saved. */
  readonly unsaved: readonly UnsavedEdit[];
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** As `Session.edit`; the edit shows at once. */
  edit(ops: readonly EditOp[], options?: EditOptions): Promise<EditResult>;
  /** Undoes the newest edit that was made here and is in force. @returns undefined where there is none. */
  undo(): Promise<EditResult | undefined>;
  /** Puts the edit that was undone last back in its old place, unless another was made since. @returns undefined where there is none. */
  redo(): Promise<EditResult | undefined>;
  on<Name extends keyof LiveChannelEvents>(name: Name, listener: (value: LiveChannelEvents[Name]) => void): () => void;
  /** Ends the subscription; edits under way go on. */
  close(): void;
}

/** An own edit that is not in the state. */
interface Shown {
  readonly edit: PendingEdit;
  /** Set when it was answered: it is shown until the state holds it. */
  seq: number | undefined;
}

/** The working channel. */
export class LiveChannelOverlay implements LiveChannel {
  readonly path: string;
  readonly subscription: Subscription;
  readonly #editing: Editing;
  readonly #events = new Emitter<LiveChannelEvents>();
  readonly #view: PendingView;
  readonly #undo: UndoStack;
  #shown: Shown[] = [];

  constructor(editing: Editing, subscription: Subscription) {
    this.#editing = editing;
    this.path = subscription.path;
    this.subscription = subscription;
    this.#view = new PendingView(subscription.state, () => this.#shown.map(({ edit }) => edit.fields.ops));
    this.#undo = new UndoStack((seq) => this.#step(seq));
    subscription.on('edits', (edits) => this.#took(edits));
    subscription.on('state', () => this.#settle());
    subscription.on('reset', ({ newEpoch }) => {
      if (newEpoch) this.#undo.clear();
      this.#changed([]);
    });
  }

  get view(): OptimisticView {
    return this.#view;
  }

  get pending(): number {
    return this.#shown.length;
  }

  get unsaved(): readonly UnsavedEdit[] {
    return this.#shown.map(({ edit: { fields }, seq }) => ({
      ops: fields.ops,
      isPredicted: fields.ops.every(isPredicted),
      seq,
    }));
  }

  get canUndo(): boolean {
    return this.#undo.canUndo;
  }

  get canRedo(): boolean {
    return this.#undo.canRedo;
  }

  edit(ops: readonly EditOp[], options: EditOptions = {}): Promise<EditResult> {
    try {
      const edit = this.#editing.edit(this.path, ops, options);
      this.#undo.did(edit.result);
      this.#show(edit, (error) => this.#events.emit('rolledBack', { ops: edit.fields.ops, error }));
      return edit.result;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  undo(): Promise<EditResult | undefined> {
    return this.#undo.undo();
  }

  redo(): Promise<EditResult | undefined> {
    return this.#undo.redo();
  }

  on<Name extends keyof LiveChannelEvents>(name: Name, listener: (value: LiveChannelEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  close(): void {
    this.subscription.close();
  }

  #took(edits: readonly EditEvent[]): void {
    this.#undo.saw(edits);
    for (const { wid, wseq, seq, mine } of edits) {
      if (!mine) continue;
      this.#shown = this.#shown.filter((shown) => shown.seq !== seq && !isOf(shown.edit, wid, wseq));
    }
    this.#changed(edits.flatMap(({ changes }) => boxesAt0(changes.touched ?? [])));
  }

  /** Edits that are in the state need not be shown over it. */
  #settle(): void {
    const { loading, seq } = this.subscription;
    const before = this.#shown.length;
    if (!loading) this.#shown = this.#shown.filter((shown) => shown.seq === undefined || shown.seq > seq);
    if (this.#shown.length < before || loading) this.#changed([]);
    else this.#view.forget();
  }

  /** An undo or redo: whoever asked for it hears of its failure. */
  #step(seq: number): Promise<EditResult> {
    const edit = this.#editing.edit(this.path, [{ op: 'undo', seq }], {});
    this.#show(edit, () => {});
    return edit.result;
  }

  #show(edit: PendingEdit, failed: (error: unknown) => void): void {
    const shown: Shown = { edit, seq: undefined };
    if (edit.stage !== 'over') this.#shown.push(shown);
    edit.result.then(
      ({ seq }) => {
        shown.seq = seq;
        this.#settle();
      },
      (error: unknown) => {
        if (this.#takeBack(shown)) failed(error);
      },
    );
    this.#changed(boxesOf(edit.fields.ops));
  }

  /** @returns whether it was there. */
  #takeBack(shown: Shown): boolean {
    if (!this.#shown.includes(shown)) return false;
    this.#shown = this.#shown.filter((other) => other !== shown);
    this.#changed(boxesOf(shown.edit.fields.ops));
    return true;
  }

  #changed(touched: readonly Box[]): void {
    this.#view.forget();
    this.#events.emit('change', { touched });
  }
}

function isOf(edit: PendingEdit, wid: Uint8Array | undefined, wseq: number | undefined): boolean {
  return wid !== undefined && edit.wseq === wseq && edit.wseq > 0 && edit.wid.every((byte, i) => byte === wid[i]);
}

function boxesAt0(touched: readonly (readonly [mip: number, box: Box])[]): Box[] {
  return touched.filter(([mip]) => mip === 0).map(([, box]) => box);
}
