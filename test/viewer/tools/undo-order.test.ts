import { describe, expect, it } from 'vitest';
import type { EditResult } from '../../../src/client/index.ts';
import { type Undoable, UndoOrder } from '../../../src/viewer/page/tools/undo-order.ts';
import { deferred } from '../../support/transport-harness.ts';

/** A channel that remembers what was asked of it. */
class FakeChannel implements Undoable {
  readonly name: string;
  readonly log: string[];
  done = 0;
  undone = 0;
  fault: Error | undefined;

  constructor(name: string, log: string[]) {
    this.name = name;
    this.log = log;
  }

  get canUndo(): boolean {
    return this.done > 0;
  }

  get canRedo(): boolean {
    return this.undone > 0;
  }

  async undo(): Promise<EditResult | undefined> {
    if (this.fault !== undefined) throw this.fault;
    if (this.done === 0) return undefined;
    this.done--;
    this.undone++;
    this.log.push(`undo ${this.name}`);
    return { status: 'applied', seq: 1, dup: false, results: [null] };
  }

  async redo(): Promise<EditResult | undefined> {
    if (this.undone === 0) return undefined;
    this.undone--;
    this.done++;
    this.log.push(`redo ${this.name}`);
    return { status: 'applied', seq: 1, dup: false, results: [null] };
  }
}

function stage(): {
  order: UndoOrder<FakeChannel>;
  a: FakeChannel;
  b: FakeChannel;
  log: string[];
  did: (channel: FakeChannel) => void;
} {
  const log: string[] = [];
  const order = new UndoOrder<FakeChannel>();
  const did = (channel: FakeChannel): void => {
    channel.done++;
    channel.undone = 0;
    order.did(channel);
  };
  return { order, a: new FakeChannel('a', log), b: new FakeChannel('b', log), log, did };
}

describe('undo over several channels', () => {
  it('takes the newest edit back first, whichever channel it changed, and redoes in the opposite order', async () => {
    const { order, a, b, log, did } = stage();
    for (const channel of [a, b, b, a]) did(channel);
    // Asked for at once: each waits for the one before.
    await Promise.all([order.undo(), order.undo(), order.undo(), order.redo(), order.redo(), order.redo()]);
    expect(log).toEqual(['undo a', 'undo b', 'undo b', 'redo b', 'redo b', 'redo a']);
    expect([order.canUndo, order.canRedo]).toEqual([true, false]);
  });

  it('says that there is nothing where all is undone', async () => {
    const { order, a, did } = stage();
    expect(await order.undo()).toBeUndefined();
    did(a);
    await order.undo();
    expect([order.canUndo, order.canRedo]).toEqual([false, true]);
    expect(await order.undo()).toBeUndefined();
  });

  it('forgets what could be redone when a new edit is made', async () => {
    const { order, a, b, log, did } = stage();
    did(a);
    await order.undo();
    did(b);
    expect(order.canRedo).toBe(false);
    expect(await order.redo()).toBeUndefined();
    expect(log).toEqual(['undo a']);
  });

  it('passes over edits that were refused, and those that changed nothing', async () => {
    const { order, a, b, log, did } = stage();
    did(a);
    did(b);
    order.did(a); // of which nothing came
    order.failed(a);
    order.did(b); // changed nothing: the channel does not know it
    b.done = 1;
    await order.undo();
    await order.undo();
    expect(log).toEqual(['undo b', 'undo a']);
  });

  it('can be tried again after a failure', async () => {
    const { order, a, log, did } = stage();
    did(a);
    a.fault = new Error('no line');
    await expect(order.undo()).rejects.toThrow('no line');
    a.fault = undefined;
    await order.undo();
    expect(log).toEqual(['undo a']);
  });

  it('waits for an edit that is being prepared, and takes that one back', async () => {
    const { order, a, b, log, did } = stage();
    did(a);
    const ready = deferred<void>();
    const made = order.prepare(ready.promise.then(() => did(b)));
    const undone = order.undo();
    await Promise.resolve();
    expect(log).toEqual([]);
    ready.resolve();
    await Promise.all([made, undone]);
    expect(log).toEqual(['undo b']);
    await order.undo();
    expect(log).toEqual(['undo b', 'undo a']);
  });

  it('takes nothing else back where the edit that was being prepared is not made', async () => {
    const { order, a, log, did } = stage();
    did(a);
    const made = order.prepare(Promise.reject(new Error('no seed lies in the segment')));
    const undone = order.undo();
    await expect(made).rejects.toThrow('no seed');
    await expect(undone).rejects.toThrow('the edit before it was not made');
    expect(log).toEqual([]);
    await order.undo();
    expect(log).toEqual(['undo a']);
  });

  it('takes several back that were prepared at once, the newest first', async () => {
    const { order, a, b, log, did } = stage();
    const [first, second] = [deferred<void>(), deferred<void>()];
    const made = [order.prepare(first.promise.then(() => did(a))), order.prepare(second.promise.then(() => did(b)))];
    const undone = [order.undo(), order.undo()];
    second.resolve();
    await new Promise(setImmediate);
    expect(log).toEqual([]);
    first.resolve();
    await Promise.all([...made, ...undone]);
    expect(log).toEqual(['undo a', 'undo b']);
  });
});
