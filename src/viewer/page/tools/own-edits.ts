/** Follows which edits are made here, in whatever part of the view, so that they can be undone in their order. */
import type { EditResult, LiveChannel, UnsavedEdit } from '../../../client/index.ts';
import { UndoOrder } from './undo-order.ts';

/** What is known of a channel. */
interface Followed {
  unsaved: readonly UnsavedEdit['ops'][];
  readonly end: () => void;
}

/** Own edits of all channels of a view. */
export class OwnEdits {
  readonly #order = new UndoOrder<LiveChannel>();
  readonly #followed = new Map<LiveChannel, Followed>();
  readonly #changed: () => void;
  /** Undo and redo make edits too, which are none of their own. */
  #steps = 0;

  /** @param changed hears when `canUndo` or `canRedo` may have changed. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get canUndo(): boolean {
    return this.#order.canUndo;
  }

  get canRedo(): boolean {
    return this.#order.canRedo;
  }

  /** The channels of the view are these now. Those that went can still be undone. */
  follow(channels: readonly LiveChannel[]): void {
    for (const channel of channels) if (!this.#followed.has(channel)) this.#followed.set(channel, this.#begin(channel));
  }

  /** An edit is being prepared: undo and redo wait until it is made. @param edit resolves then. @returns the same. */
  prepare<T>(edit: Promise<T>): Promise<T> {
    return this.#order.prepare(edit);
  }

  undo(): Promise<EditResult | undefined> {
    return this.#step('undo');
  }

  redo(): Promise<EditResult | undefined> {
    return this.#step('redo');
  }

  end(): void {
    for (const { end } of this.#followed.values()) end();
    this.#followed.clear();
  }

  #begin(channel: LiveChannel): Followed {
    const ends = [
      channel.on('change', () => this.#look(channel)),
      channel.on('rolledBack', () => {
        this.#order.failed(channel);
        this.#changed();
      }),
    ];
    return {
      unsaved: channel.unsaved.map(({ ops }) => ops),
      end: () => {
        for (const end of ends) end();
      },
    };
  }

  #look(channel: LiveChannel): void {
    const followed = this.#followed.get(channel);
    if (followed === undefined) return;
    const now = channel.unsaved.map(({ ops }) => ops);
    for (const ops of now) {
      const isStep = this.#steps > 0 && ops.every(({ op }) => op === 'undo');
      if (!isStep && !followed.unsaved.includes(ops)) this.#order.did(channel);
    }
    followed.unsaved = now;
    this.#changed();
  }

  async #step(step: 'undo' | 'redo'): Promise<EditResult | undefined> {
    this.#steps++;
    try {
      return await this.#order[step]();
    } finally {
      this.#steps--;
      this.#changed();
    }
  }
}
