/** Undo and redo over several channels: the newest edit first, whichever channel it changed. Pure. */
import type { EditResult, LiveChannel } from '../../../client/index.ts';

/** What of a channel is needed. */
export type Undoable = Pick<LiveChannel, 'canUndo' | 'canRedo' | 'undo' | 'redo'>;

/** In which order own edits were made in the channels of a view. */
export class UndoOrder<Channel extends Undoable> {
  #done: Channel[] = [];
  #undone: Channel[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  /** Edits that will be made: rejects where one is not. */
  #preparing: Promise<unknown> | undefined;

  /** An edit was made; what was undone before cannot be redone any more. */
  did(channel: Channel): void {
    this.#undone = [];
    this.#done.push(channel);
  }

  /** The newest edit of a channel was refused. */
  failed(channel: Channel): void {
    const at = this.#done.lastIndexOf(channel);
    if (at >= 0) this.#done.splice(at, 1);
  }

  /**
   * An edit is being prepared, which takes a while: whoever undoes something meanwhile means that edit, not the one before it.
   *
   * @param edit resolves once the edit is made (not: saved). @returns the same.
   */
  prepare<T>(edit: Promise<T>): Promise<T> {
    const all = this.#preparing === undefined ? edit : Promise.all([this.#preparing, edit]);
    const done = (): void => {
      if (this.#preparing === all) this.#preparing = undefined;
    };
    this.#preparing = all;
    all.then(done, done);
    return edit;
  }

  get canUndo(): boolean {
    return this.#done.some(({ canUndo }) => canUndo);
  }

  get canRedo(): boolean {
    return this.#undone.some(({ canRedo }) => canRedo);
  }

  /** Undoes the newest edit. @returns undefined where there is none. @throws what the channel throws; it can be tried again. */
  undo(): Promise<EditResult | undefined> {
    return this.#next(() => this.#step(this.#done, this.#undone, 'undo'));
  }

  /** Puts the edit that was undone last back. @returns undefined where there is none. */
  redo(): Promise<EditResult | undefined> {
    return this.#next(() => this.#step(this.#undone, this.#done, 'redo'));
  }

  /** One step at a time: which channel is next depends on the one before. */
  #next<T>(step: () => Promise<T>): Promise<T> {
    const preparing = this.#preparing;
    const result = this.#tail.then(async () => {
      await preparing?.catch(() => {
        throw new Error('the edit before it was not made');
      });
      return step();
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  async #step(from: Channel[], to: Channel[], step: 'undo' | 'redo'): Promise<EditResult | undefined> {
    for (let channel = from.at(-1); channel !== undefined; channel = from.at(-1)) {
      const result = await channel[step]();
      from.splice(from.lastIndexOf(channel), 1);
      if (result === undefined) continue; // refused edits, and those that changed nothing, are no steps
      // Where a new edit was made meanwhile `to` is not what is redone any more.
      to.push(channel);
      return result;
    }
    return undefined;
  }
}
