/** Undo and redo of one's own edits. Rules [E21], [E30]. */
import { BflyError } from '../../protocol/index.ts';
import type { EditEvent } from './edit-event.ts';
import type { EditResult } from './edit-result.ts';

/** An own edit; resolves with its seq, or undefined where it changed nothing. */
type Done = Promise<number | undefined>;

/** An own edit that was undone, and the edit that did it. */
interface Undone {
  readonly seq: number;
  readonly by: number;
}

/** Own edits in their order, and those that were undone. One step at a time: each waits for the one before. */
export class UndoStack {
  readonly #send: (seq: number) => Promise<EditResult>;
  #done: Done[] = [];
  #undone: Undone[] = [];
  /** Whether an own edit is in force, as the edit `at` left it. */
  readonly #force = new Map<number, { readonly at: number; readonly inForce: boolean }>();
  /** Changes with each new edit: what was undone before it cannot be redone after it. */
  #era = 0;
  #tail: Promise<unknown> = Promise.resolve();

  /** @param send makes the edit that takes an edit out of force. */
  constructor(send: (seq: number) => Promise<EditResult>) {
    this.#send = send;
  }

  get canUndo(): boolean {
    return this.#done.length > 0;
  }

  get canRedo(): boolean {
    return this.#undone.length > 0;
  }

  /** A new own edit. */
  did(result: Promise<EditResult>): void {
    this.#era++;
    this.#undone = [];
    const done: Done = result.then(
      ({ status, seq }) => {
        if (status === 'noop') return this.#forget(done);
        this.#note(seq, seq, true);
        return seq;
      },
      () => this.#forget(done),
    );
    this.#done.push(done);
  }

  /** Edits of the log, in order. */
  saw(edits: readonly EditEvent[]): void {
    for (const { seq: at, changes } of edits) {
      for (const seq of changes.undone ?? []) if (this.#force.has(seq)) this.#note(seq, at, false);
      for (const seq of changes.redone ?? []) if (this.#force.has(seq)) this.#note(seq, at, true);
    }
  }

  /** Takes the newest own edit that is in force out of it. @returns undefined where there is none. */
  undo(): Promise<EditResult | undefined> {
    return this.#next(() => this.#undo(this.#era));
  }

  /** Puts the edit that was undone last back in force. @returns undefined where there is none. */
  redo(): Promise<EditResult | undefined> {
    return this.#next(() => this.#redo());
  }

  /** The log has begun another life. */
  clear(): void {
    this.#era++;
    this.#done = [];
    this.#undone = [];
    this.#force.clear();
  }

  #next<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(step);
    this.#tail = result.catch(() => {});
    return result;
  }

  async #undo(era: number): Promise<EditResult | undefined> {
    for (let done = this.#done.pop(); done !== undefined; done = this.#done.pop()) {
      const seq = await done;
      if (seq === undefined || this.#force.get(seq)?.inForce !== true) continue;
      const result = await this.#try(seq, () => this.#done.push(Promise.resolve(seq)));
      if (result === undefined || result.status === 'noop') continue; // somebody else was first, or it is no more
      this.#note(seq, result.seq, false);
      if (era === this.#era) this.#undone.push({ seq, by: result.seq });
      return result;
    }
    return undefined;
  }

  async #redo(): Promise<EditResult | undefined> {
    for (let undone = this.#undone.pop(); undone !== undefined; undone = this.#undone.pop()) {
      const { seq, by } = undone;
      const again = undone;
      const isBack = this.#force.get(seq)?.inForce === true;
      const result = isBack ? undefined : await this.#try(by, () => this.#undone.push(again));
      this.#done.push(Promise.resolve(seq));
      if (result === undefined || result.status === 'noop') continue;
      this.#note(seq, result.seq, true);
      return result;
    }
    return undefined;
  }

  /** @returns undefined where there is no such edit. @throws whatever else the edit throws, after `putBack`. */
  async #try(seq: number, putBack: () => void): Promise<EditResult | undefined> {
    try {
      return await this.#send(seq);
    } catch (error) {
      if (error instanceof BflyError && error.code === 'NOT_FOUND') return undefined;
      putBack();
      throw error;
    }
  }

  #note(seq: number, at: number, inForce: boolean): void {
    const known = this.#force.get(seq);
    if (known === undefined || at >= known.at) this.#force.set(seq, { at, inForce });
  }

  #forget(done: Done): undefined {
    this.#done = this.#done.filter((other) => other !== done);
    return undefined;
  }
}
