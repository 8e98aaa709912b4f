import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BflyError,
  type ChannelInfo,
  type CutoutResult,
  type EditEvent,
  type Peer,
} from '../../../src/client/index.ts';
import { type BoardSession, ChannelBoard } from '../../../src/viewer/page/home/channel-board.ts';

const INFO: ChannelInfo = {
  ...{ path: '', kind: 'channel', type: 'image', dtype: 'uint8', enc: ['raw'], source: 'array' },
  mips: [{ shape: [2, 1, 3], chunk: [64, 64, 64], voxel: [8, 8, 8], offset: [0, 0, 0] }],
  ...{ editable: true, epoch: new Uint8Array(8), first: 1, head: 7, tables: {} },
};

function edit(seq: number, name: string, touched = false): EditEvent {
  return {
    ...{ seq, time: seq * 1000, user: { id: name, name }, mine: false, ops: [{ op: 'merge' }], results: [] },
    changes: touched ? { touched: [[0, [0, 0, 0, 1, 1, 1]]] } : {},
  };
}

type Listener = (value: never) => void;

/** A subscription that says what the test wants. */
class FakeSubscription {
  readonly listeners = new Map<string, Listener>();
  isOpen = true;
  on(name: string, listener: Listener): () => void {
    this.listeners.set(name, listener);
    return () => {};
  }
  say(name: string, value: unknown): void {
    this.listeners.get(name)?.(value as never); // the test says what belongs to the name
  }
  close(): void {
    this.isOpen = false;
  }
}

/** A session whose thumbnails come when the test lets them. */
class FakeSession {
  readonly user = { id: 'me', name: 'Me' };
  readonly subscriptions = new Map<string, FakeSubscription>();
  readonly cutouts: { readonly path: string; readonly come: (result: CutoutResult | Error) => void }[] = [];
  readonly historyAsked: unknown[] = [];
  fault: Error | undefined;

  async info(path: string): Promise<ChannelInfo> {
    if (this.fault !== undefined) throw this.fault;
    return { ...INFO, path };
  }

  cutout(path: string, { signal }: { signal: AbortSignal }): Promise<CutoutResult> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      const come = (result: CutoutResult | Error): void => (result instanceof Error ? reject(result) : resolve(result));
      this.cutouts.push({ path, come });
    });
  }

  async *history(_path: string, options: unknown): AsyncGenerator<EditEvent> {
    this.historyAsked.push(options);
    yield edit(7, 'Ada');
  }

  subscribe(path: string, { signal }: { signal: AbortSignal }): FakeSubscription {
    const subscription = new FakeSubscription();
    this.subscriptions.set(path, subscription);
    signal.addEventListener('abort', () => subscription.say('end', { error: signal.reason }));
    return subscription;
  }

  get open(): number {
    return [...this.subscriptions.values()].filter(({ isOpen }) => isOpen).length;
  }
}

const SLICE: CutoutResult = {
  ...{ data: Uint8Array.of(0, 255), shape: [2, 1, 1], dtype: 'uint8', mip: 0, box: [0, 0, 1, 2, 1, 2], seq: 7 },
};

describe('ChannelBoard', () => {
  let session: FakeSession;
  let board: ChannelBoard;
  beforeEach(() => {
    vi.useFakeTimers();
    session = new FakeSession();
    board = new ChannelBoard(session as unknown as BoardSession); // a stand-in for the parts that are used
  });
  afterEach(() => {
    board.close();
    vi.useRealTimers();
  });

  /** Lets all that is due happen. */
  const settle = (ms = 200): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  it('asks nothing of a channel that only passes by', async () => {
    board.enter('a');
    await settle(50);
    board.leave('a');
    await settle();
    expect([session.subscriptions.size, session.cutouts.length]).toEqual([0, 0]);
  });

  it('tells what a channel is, who edited it last, and who is in it', async () => {
    const state = board.stateOf('a');
    board.enter('a');
    await settle();
    expect(state.info.value?.path).toBe('a');
    expect(session.historyAsked).toMatchObject([{ after: 6, limit: 1 }]);
    expect(state.lastEdit.value).toEqual({ seq: 7, author: 'Ada', verb: 'merged', time: 7000 });
    const subscription = session.subscriptions.get('a');
    subscription?.say('edits', [edit(8, 'Bo'), edit(9, 'Cy')]);
    expect(state.lastEdit.value).toMatchObject({ seq: 9, author: 'Cy' });
    const peer: Peer = { peer: 'p', user: { id: 'ada', name: 'Ada' }, name: 'Ada', color: '#123456', state: {} };
    subscription?.say('peers', new Map([['p', peer]]));
    expect(state.people.value).toMatchObject([{ name: 'Ada', color: '#123456' }]);
    board.leave('a');
    await settle();
    expect([state.people.value, session.open]).toEqual([[], 0]);
  });

  it('does not go back to an older edit that comes later', async () => {
    const state = board.stateOf('a');
    session.history = async function* () {
      await Promise.resolve();
      await new Promise((done) => setTimeout(done, 50));
      yield edit(7, 'Ada');
    };
    board.enter('a');
    await settle(150);
    session.subscriptions.get('a')?.say('edits', [edit(8, 'Bo')]);
    await settle();
    expect(state.lastEdit.value).toMatchObject({ seq: 8, author: 'Bo' });
  });

  it('follows at most 60 channels, the next one when another leaves', async () => {
    for (let n = 0; n < 70; n++) board.enter(`c${n}`);
    await settle();
    expect(session.open).toBe(60);
    for (let n = 0; n < 5; n++) board.leave(`c${n}`);
    await settle();
    expect([session.open, session.subscriptions.has('c64'), session.subscriptions.has('c65')]).toEqual([
      60,
      true,
      false,
    ]);
  });

  it('asks for at most two thumbnails at a time', async () => {
    for (let n = 0; n < 5; n++) board.enter(`c${n}`);
    await settle();
    expect(session.cutouts.map(({ path }) => path)).toEqual(['c0', 'c1']);
    session.cutouts[0]?.come(SLICE);
    session.cutouts[1]?.come(new BflyError('UNAVAILABLE', 'the disk is away'));
    await settle();
    expect(board.stateOf('c0').thumbnail.value).toMatchObject({ kind: 'drawn', picture: { width: 2, height: 1 } });
    expect(board.stateOf('c1').thumbnail.value).toEqual({ kind: 'failed', fault: 'the disk is away' });
    expect(session.cutouts.map(({ path }) => path)).toEqual(['c0', 'c1', 'c2', 'c3']);
  });

  it('ends the thumbnail of a channel that leaves, and asks again when it comes back', async () => {
    board.enter('a');
    await settle();
    board.leave('a');
    await settle();
    expect(board.stateOf('a').thumbnail.value.kind).toBe('waiting');
    board.enter('a');
    await settle();
    session.cutouts[1]?.come(SLICE);
    await settle();
    expect(board.stateOf('a').thumbnail.value.kind).toBe('drawn');
    board.leave('a');
    board.enter('a');
    await settle();
    expect(session.cutouts).toHaveLength(2);
  });

  it('draws voxels that were edited anew, once for many edits', async () => {
    board.enter('a');
    await settle();
    session.cutouts[0]?.come(SLICE);
    await settle();
    const subscription = session.subscriptions.get('a');
    for (let seq = 8; seq < 30; seq++) subscription?.say('edits', [edit(seq, 'Ada', true)]);
    await settle(3_100);
    expect(session.cutouts).toHaveLength(2);
    session.cutouts[1]?.come(new BflyError('UNAVAILABLE', 'not now'));
    await settle();
    expect(board.stateOf('a').thumbnail.value.kind).toBe('drawn');
    subscription?.say('edits', [edit(30, 'Ada')]);
    await settle(3_100);
    expect(session.cutouts).toHaveLength(2);
  });

  it('begins anew where the log does', async () => {
    const state = board.stateOf('a');
    board.enter('a');
    await settle();
    session.subscriptions.get('a')?.say('reset', { newEpoch: true });
    await settle();
    expect([session.historyAsked.length, session.open]).toEqual([2, 1]);
    expect(state.lastEdit.value?.author).toBe('Ada');
  });

  it('says why a channel cannot be shown', async () => {
    session.fault = new BflyError('NOT_FOUND', 'there is no channel a');
    board.enter('a');
    await settle();
    expect(board.stateOf('a').fault.value).toBe('there is no channel a');
    expect(session.subscriptions.size).toBe(0);
  });

  it('closes everything with the page', async () => {
    for (let n = 0; n < 70; n++) board.enter(`c${n}`);
    await settle();
    board.close();
    await settle();
    expect(session.open).toBe(0);
    board.enter('later');
    await settle();
    expect(session.subscriptions.has('later')).toBe(false);
  });
});
