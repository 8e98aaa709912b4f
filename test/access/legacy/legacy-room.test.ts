import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EditState } from '../../../protocol/edit-state.ts';
import { BflyError } from '../../../protocol/errors.ts';
import { parseOps } from '../../../protocol/parse-ops.ts';
import {
  type LegacyFrame,
  type LegacyLog,
  type LegacyMember,
  LegacyRoom,
} from '../../../src/access/legacy/legacy-room.ts';
import type { CommittedBatch, LoggedRecord } from '../../../src/core/edits/edit-request.ts';

/** A log of merges whose commits the test makes. */
class FakeLog implements LegacyLog {
  readonly path = 'e/s/d/seg';
  readonly epoch = new Uint8Array(8);
  head = 0;
  tip = newState();
  #kept: bigint[][] = [];
  #applied: { readonly ids: bigint[]; readonly record: LoggedRecord }[] = [];
  #waiting: { readonly seq: number; readonly resolve: () => void; readonly reject: (fault: unknown) => void }[] = [];
  #listeners = new Set<(batch: CommittedBatch) => void>();

  /** Takes a merge in; it is not durable yet. */
  merge(...ids: number[]): void {
    const big = ids.map(BigInt);
    const { changes, results } = this.tip.apply(parseOps([{ op: 'merge', ids: big }]));
    const { seq } = this.tip;
    const user = { id: 'u', name: 'u' };
    const record = { seq, time: 0, user, wid: new Uint8Array(16), wseq: seq, ops: [], results, changes };
    this.#applied.push({ ids: big, record: { ...record, chk: new Uint8Array(8) } });
  }

  /** Everything that was taken in becomes durable. */
  commit(): void {
    const from = this.head;
    const batch = this.#applied.splice(0);
    this.#kept.push(...batch.map(({ ids }) => ids));
    this.head = this.tip.seq;
    for (const { seq, resolve } of this.#waiting) if (seq <= this.head) resolve();
    const records = batch.map(({ record }) => record);
    for (const listener of this.#listeners) listener({ from, upto: this.head, records, publicParts: [] });
  }

  /** What is not durable is lost. */
  fail(): void {
    this.#applied = [];
    this.tip = newState();
    for (const ids of this.#kept) this.tip.apply(parseOps([{ op: 'merge', ids }]));
    for (const { reject } of this.#waiting.splice(0)) reject(new BflyError('INTERNAL', 'lost'));
  }

  reached(seq: number): Promise<void> {
    if (seq <= this.head) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ seq, resolve, reject }));
  }

  onCommit(listener: (batch: CommittedBatch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  submit(): never {
    throw new Error('not here');
  }
}

function newState(): EditState {
  return new EditState({
    maxId: () => 100n,
    maxLegalId: 2n ** 64n - 1n,
    baseRow: () => undefined,
    lastBaseKey: () => -1n,
  });
}

/** A socket that keeps what it is sent. */
class Follower implements LegacyMember {
  isFull = false;
  readonly tables: unknown[] = [];
  readonly faults: string[] = [];
  isReady = (): boolean => !this.isFull;
  sendChange = ({ save }: LegacyFrame): void => void this.tables.push(JSON.parse(Buffer.from(save).toString()).merge);
  sendFault = ({ code }: BflyError): void => void this.faults.push(code);
}

const fail = (fault: unknown): never => {
  throw fault;
};

describe("a room of Butterfly's own socket", () => {
  let log: FakeLog;
  let room: LegacyRoom;
  let follower: Follower;

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
    log = new FakeLog();
    room = new LegacyRoom(log, { now: () => performance.now(), onFault: fail, maxLinks: 10 });
    follower = new Follower();
    room.enter(follower, await room.tables());
  });
  afterEach(() => {
    room.close();
    vi.useRealTimers();
  });

  it('tells a change at once, those that follow within 100 ms together, and the last of them always', async () => {
    log.merge(1, 2);
    log.commit();
    await vi.advanceTimersByTimeAsync(1);
    expect(follower.tables).toEqual([[['1', '2']]]);
    for (const id of [3, 4, 5]) {
      log.merge(1, id);
      log.commit();
      await vi.advanceTimersByTimeAsync(20);
    }
    expect(follower.tables).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(60);
    expect(follower.tables.slice(1)).toEqual([[['1', '2', '3', '4', '5']]]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(follower.tables).toHaveLength(2);
  });

  it('tells nothing of edits that change no table, but answers who asks', async () => {
    log.merge(7, 7);
    log.commit();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(follower.tables).toEqual([]);
    room.owe(follower, 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(follower.tables).toEqual([[]]);
    log.merge(1, 2);
    log.commit();
    await vi.advanceTimersByTimeAsync(1_000);
    // Its save was told along with everybody else's.
    room.owe(follower, 2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(follower.tables).toEqual([[], [['1', '2']]]);
  });

  it('[E4] never shows an edit that is not durable, nor one that was lost', async () => {
    log.merge(1, 2);
    const first = room.tables();
    let shown: LegacyFrame | undefined;
    void first.then((frame) => {
      shown = frame;
    });
    await vi.advanceTimersByTimeAsync(10);
    expect(shown?.seq).toBe(0);
    log.commit();
    log.merge(3, 4);
    const late = new Follower();
    room.enter(late, await first);
    await vi.advanceTimersByTimeAsync(500);
    expect(late.tables).toEqual([]);
    log.fail();
    // The same seq, of another edit.
    log.merge(5, 6);
    log.commit();
    await vi.advanceTimersByTimeAsync(2_000);
    const required = [
      ['1', '2'],
      ['5', '6'],
    ];
    expect(late.tables.at(-1)).toEqual(required);
    expect(JSON.stringify([...late.tables, ...follower.tables])).not.toContain('"3"');
  });

  it('passes over who cannot take more, and sends them the newest when they can', async () => {
    const slow = new Follower();
    room.enter(slow, await room.tables());
    slow.isFull = true;
    for (const id of [2, 3, 4]) {
      log.merge(1, id);
      log.commit();
      await vi.advanceTimersByTimeAsync(200);
    }
    expect(follower.tables).toHaveLength(3);
    expect(slow.tables).toEqual([]);
    slow.isFull = false;
    room.look();
    await vi.advanceTimersByTimeAsync(200);
    expect(slow.tables).toEqual([[['1', '2', '3', '4']]]);
    room.leave(slow);
    log.merge(1, 9);
    log.commit();
    await vi.advanceTimersByTimeAsync(200);
    expect(slow.tables).toHaveLength(1);
  });

  it('says so where there is more than tables are made of', async () => {
    log.merge(...Array.from({ length: 12 }, (_, i) => i));
    log.commit();
    await expect(room.tables()).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(follower.faults).toEqual(['TOO_LARGE']);
    const late = new Follower();
    room.enter(late, undefined);
    room.owe(late, 1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(late.faults).toEqual(['TOO_LARGE']);
  });
});
