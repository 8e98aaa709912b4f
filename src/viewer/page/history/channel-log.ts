/** The newest edits of one channel without a gap, and which of them are in force. Pure. */
import type { EditEvent } from '../../../client/index.ts';

/** Edits that are kept; a quarter of them, the oldest, go when there are more. */
const MOST_KEPT = 20_000;

/** A run of edits up to the newest that is known. */
export class ChannelLog {
  /** Ascending, one for each seq. */
  #edits: EditEvent[] = [];
  #head = 0;
  /** What an edit, the newest that did, made of the force of another. */
  readonly #turns = new Map<number, { readonly by: number; readonly inForce: boolean }>();
  readonly #most: number;

  constructor(most = MOST_KEPT) {
    this.#most = most;
  }

  /** Newest seq. */
  get head(): number {
    return this.#head;
  }

  /** Those that are known, ascending. */
  get edits(): readonly EditEvent[] {
    return this.#edits;
  }

  /** The oldest seq that is known; `head + 1` where none is. */
  get first(): number {
    return this.#head - this.#edits.length + 1;
  }

  get hasOlder(): boolean {
    return this.first > 1;
  }

  /** Nothing is known but that there are so many. */
  begin(head: number): void {
    this.#edits = [];
    this.#turns.clear();
    this.#head = head;
  }

  get(seq: number): EditEvent | undefined {
    return this.#edits[seq - this.first];
  }

  /** Adds newer edits; those that are known are passed over. @returns false where one is missing: nothing was added. */
  addNewer(edits: readonly EditEvent[]): boolean {
    const fresh = edits.filter(({ seq }) => seq > this.#head);
    if (fresh.some(({ seq }, i) => seq !== this.#head + 1 + i)) return false;
    for (const edit of fresh) {
      this.#edits.push(edit);
      this.#head = edit.seq;
      this.#note(edit);
    }
    if (this.#edits.length > this.#most) this.#edits = this.#edits.slice(this.#edits.length - (3 * this.#most) / 4);
    return true;
  }

  /** Adds older edits, ascending, the last of them just before the first that is known. @returns false where they are not those. */
  addOlder(edits: readonly EditEvent[]): boolean {
    const { first } = this;
    if (edits.some(({ seq }, i) => seq !== first - edits.length + i)) return false;
    this.#edits = [...edits, ...this.#edits];
    for (const edit of edits) this.#note(edit);
    return true;
  }

  #note({ seq: by, changes }: EditEvent): void {
    for (const seq of changes.undone ?? []) this.#turn(seq, by, false);
    for (const seq of changes.redone ?? []) this.#turn(seq, by, true);
  }

  #turn(seq: number, by: number, inForce: boolean): void {
    if ((this.#turns.get(seq)?.by ?? 0) < by) this.#turns.set(seq, { by, inForce });
  }

  /** Whether an edit is in force. All edits behind it are known. */
  isInForce(seq: number): boolean {
    return this.#turns.get(seq)?.inForce ?? true;
  }

  /** The edit that put an edit where it is: itself, or the redo that put it back. */
  since(seq: number): number {
    return this.#turns.get(seq)?.by ?? seq;
  }

  /** Whether an edit does nothing but undo others. */
  readonly isUndo = (seq: number): boolean => {
    const ops = this.get(seq)?.ops ?? [];
    return ops.length > 0 && ops.every((op) => op['op'] === 'undo');
  };
}
