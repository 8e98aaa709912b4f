import { describe, expect, it } from 'vitest';
import type { EditResult, LiveChannel, UnsavedEdit } from '../../../src/client/index.ts';
import { OwnEdits } from '../../../src/viewer/page/tools/own-edits.ts';

const RESULT: EditResult = { status: 'applied', seq: 1, dup: false, results: [null] };

/** A channel whose edits are answered at once. */
class FakeChannel {
  readonly name: string;
  readonly #log: string[];
  readonly #listeners = new Map<string, Set<() => void>>();
  unsaved: UnsavedEdit[] = [];
  done = 0;
  undone = 0;

  constructor(name: string, log: string[]) {
    this.name = name;
    this.#log = log;
  }

  get canUndo(): boolean {
    return this.done > 0;
  }

  get canRedo(): boolean {
    return this.undone > 0;
  }

  on(name: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  emit(name: string): void {
    for (const listener of this.#listeners.get(name) ?? []) listener();
  }

  /** Shows an edit, and then that it is saved. */
  show(op: string): void {
    this.unsaved = [{ ops: [{ op }], isPredicted: true, seq: undefined }];
    this.emit('change');
    this.emit('change'); // as when an edit of somebody else comes meanwhile
    this.unsaved = [];
    this.emit('change');
  }

  edit(): void {
    this.done++;
    this.undone = 0;
    this.show('write');
  }

  refuse(): void {
    this.show('write');
    this.emit('rolledBack');
  }

  async undo(): Promise<EditResult> {
    this.done--;
    this.undone++;
    this.#log.push(`undo ${this.name}`);
    this.show('undo');
    return RESULT;
  }

  async redo(): Promise<EditResult> {
    this.done++;
    this.undone--;
    this.#log.push(`redo ${this.name}`);
    this.show('undo');
    return RESULT;
  }
}

function stage() {
  const log: string[] = [];
  let changes = 0;
  const own = new OwnEdits(() => changes++);
  const [a, b] = [new FakeChannel('a', log), new FakeChannel('b', log)];
  own.follow([a, b] as unknown as LiveChannel[]); // as much of them as is used
  return { own, a, b, log, changes: () => changes };
}

describe('own edits of all channels', () => {
  it('are undone in the order in which they were made, whatever part of the view made them', async () => {
    const { own, a, b, log } = stage();
    for (const channel of [a, b, a]) channel.edit();
    for (let i = 0; i < 3; i++) await own.undo();
    expect([own.canUndo, own.canRedo]).toEqual([false, true]);
    for (let i = 0; i < 3; i++) await own.redo();
    expect(log).toEqual(['undo a', 'undo b', 'undo a', 'redo a', 'redo b', 'redo a']);
    expect([own.canUndo, own.canRedo]).toEqual([true, false]);
  });

  it('count an undo that another part makes as an edit, which can be undone', async () => {
    const { own, a, b, log } = stage();
    b.edit();
    a.done++;
    a.show('undo'); // of an edit that was chosen in the history
    await own.undo();
    expect(log).toEqual(['undo a']);
  });

  it('leave out what was refused', async () => {
    const { own, a, b, log } = stage();
    a.edit();
    b.edit();
    a.refuse();
    await own.undo();
    expect(log).toEqual(['undo b']);
  });

  it('are followed once, however often the layers change, until the end', () => {
    const { own, a, changes } = stage();
    own.follow([a] as unknown as LiveChannel[]);
    const before = changes();
    a.emit('change');
    expect(changes()).toBe(before + 1);
    own.end();
    a.emit('change');
    expect(changes()).toBe(before + 1);
  });
});
