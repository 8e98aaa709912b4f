/** Snapshots of a log: when they are written, and what becomes of those that were cut off. */
import { describe, expect, it } from 'vitest';
import { EditState, type FoldContext } from '../../../protocol/edit-state.ts';
import { CheckpointKeeper, checkpointSeqs, checkpoints, newestCheckpoint } from '../../../src/core/edits/checkpoint.ts';
import type { Change, EntryRange, EntryStore } from '../../../src/database/database.ts';
import { LogKind, logRange, logSeq, logSnapshotKey } from '../../../src/database/keys.ts';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';
import { type Logger, SILENT_LOG } from '../../../src/utility/log.ts';
import { openLogOn } from '../../support/opened-log.ts';

const NUMBER = 7;
const CONTEXT: FoldContext = {
  maxId: () => 10n,
  maxLegalId: 2n ** 64n - 1n,
  baseRow: () => undefined,
  lastBaseKey: () => -1n,
};

function grow(state: EditState, edits: number): EditState {
  for (let i = 0; i < edits; i++)
    state.apply([{ op: 'merge', ids: [BigInt(state.seq % 5_000), BigInt((state.seq % 5_000) + 1)] }]);
  return state;
}
const stateOf = (edits: number): EditState => grow(new EditState(CONTEXT), edits);

const part = (seq: number, number: number, value: Uint8Array | null = Uint8Array.of(1)) =>
  ({ store: 'log', key: logSnapshotKey(NUMBER, seq, number), value }) as const;
const seqsIn = (database: MemoryDatabase): number[] => [
  ...new Set(database.entryKeys('log', logRange(NUMBER, LogKind.SNAPSHOT)).map(logSeq)),
];

/** Fails the commits that a test chooses, and never lets a snapshot's value be read along with others. */
class FussyDatabase extends MemoryDatabase {
  failing = false;
  override async commit(change: Change): Promise<void> {
    if (this.failing) throw new Error('the disk is full');
    return await super.commit(change);
  }
  override entries(store: EntryStore, range: EntryRange): (readonly [Uint8Array, Uint8Array])[] {
    const found = super.entries(store, range);
    if (found.some(([key]) => key[4] === LogKind.SNAPSHOT)) throw new Error('snapshots are large: read keys');
    return found;
  }
}

/** What is waited for before a snapshot is written. */
function held(): { readonly promise: Promise<void>; resolve(): void; reject(): void } {
  let settle: { resolve(): void; reject(error: Error): void } | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, resolve: () => settle?.resolve(), reject: () => settle?.reject(new Error('read again')) };
}

describe('snapshots', () => {
  it('that were cut off are written again at the same seq, whole', async () => {
    const database = new FussyDatabase();
    const state = stateOf(1_100);
    await database.commit({ entries: [part(1_100, 1), part(1_100, 2), part(900, 1)] });
    expect(newestCheckpoint(database, NUMBER, 1_100)).toBeUndefined();
    await new CheckpointKeeper(database, NUMBER, 0).finish(state, 1_100);
    const found = newestCheckpoint(database, NUMBER, 1_100);
    expect(found?.seq).toBe(1_100);
    expect(EditState.fromCheckpoint(CONTEXT, found?.parts ?? []).checkpoint()).toEqual(state.checkpoint());
    expect(seqsIn(database)).toEqual([1_100]);
  });

  it('that are missing a part, or have a changed one, are passed over for an older one', async () => {
    const database = new FussyDatabase();
    await new CheckpointKeeper(database, NUMBER, 0).finish(stateOf(1_000), 1_000);
    const kept = database
      .entryKeys('log', logRange(NUMBER))
      .map((key) => ({ store: 'log', key, value: database.entry('log', key) ?? null }) as const);
    await new CheckpointKeeper(database, NUMBER, 1_000).finish(stateOf(2_500), 2_500);
    await database.commit({ entries: kept });
    expect(checkpointSeqs(database, NUMBER)).toEqual([2_500, 1_000]);
    expect(newestCheckpoint(database, NUMBER, 3_000)?.seq).toBe(2_500);
    expect(newestCheckpoint(database, NUMBER, 2_499)?.seq).toBe(1_000);
    const first = database.entry('log', logSnapshotKey(NUMBER, 2_500, 1)) ?? new Uint8Array();
    for (const [value, fault] of [
      [null, 'part 1 of the snapshot of edit 2500 is missing'],
      [
        first.with(first.length >> 1, (first[first.length >> 1] as number) ^ 1),
        'part 1 of the snapshot of edit 2500 was changed',
      ],
    ] as const) {
      await database.commit({ entries: [part(2_500, 1, value)] });
      expect(newestCheckpoint(database, NUMBER, 3_000)?.seq).toBe(1_000);
      expect([...checkpoints(database, NUMBER)].map((found) => found.fault)).toEqual([fault, undefined]);
    }
    await database.commit({ entries: [part(2_500, 0, Buffer.from('{"par'))] });
    expect(newestCheckpoint(database, NUMBER, 3_000)?.seq).toBe(1_000);
  });

  it('are of the moment when they fall due, and written when that is durable, though edits go on', async () => {
    const database = new FussyDatabase();
    const keeper = new CheckpointKeeper(database, NUMBER, 0);
    const state = stateOf(20_000);
    const expected = state.checkpoint();
    const durable = held();
    const asked: number[] = [];
    const reached = (seq: number): Promise<void> => {
      asked.push(seq);
      return durable.promise;
    };
    keeper.consider(state, reached);
    grow(state, 30_000);
    keeper.consider(state, reached);
    expect(asked).toEqual([20_000]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seqsIn(database)).toEqual([]);
    durable.resolve();
    await keeper.finish(state, 0);
    const found = newestCheckpoint(database, NUMBER, 60_000);
    expect(found?.seq).toBe(20_000);
    expect(found?.parts).toEqual(expected);
    keeper.consider(state, async (seq) => {
      asked.push(seq);
    });
    await keeper.finish(state, 0);
    expect(asked).toEqual([20_000, 50_000]);
    expect(seqsIn(database)).toEqual([50_000]);
  });

  it('are written while edits never pause: there is always one that is not durable yet', async () => {
    const database = new FussyDatabase();
    const { log, submit, logs, channel } = await openLogOn(database);
    const edits: Promise<number>[] = [];
    const paused: number[] = [];
    const more = (): void => {
      for (let i = 0; i < 500; i++) edits.push(submit({ op: 'merge', ids: [1 + (i % 50), 2 + (i % 50)] }));
    };
    log.onCommit(() => {
      if (log.tip.seq < 20_500) more();
      if (log.tip.seq === log.head) paused.push(log.head);
    });
    more();
    await log.reached(20_500);
    await Promise.all(edits);
    expect(paused).toEqual([20_500]);
    await logs.close();
    expect(checkpointSeqs(database, channel.number)).toEqual([20_000]);
    expect((await openLogOn(database)).log.head).toBe(20_500);
  });

  it('of a state that was given up are thrown away, and the next one is written', async () => {
    const database = new FussyDatabase();
    const keeper = new CheckpointKeeper(database, NUMBER, 0);
    const lost = held();
    const state = stateOf(20_000);
    keeper.consider(state, () => lost.promise);
    lost.reject();
    await keeper.finish(state, 0);
    expect(seqsIn(database)).toEqual([]);
    keeper.consider(state, async () => {});
    await keeper.finish(state, 0);
    expect(seqsIn(database)).toEqual([20_000]);
  });

  it('that cannot be written harm nothing: the end goes on, the log says so', async () => {
    const database = new FussyDatabase();
    const warned: string[] = [];
    const log: Logger = { ...SILENT_LOG, warn: (_, message) => warned.push(message) };
    const keeper = new CheckpointKeeper(database, NUMBER, 0, log);
    database.failing = true;
    await keeper.finish(stateOf(1_000), 1_000);
    expect(warned).toEqual([expect.stringContaining('snapshot could not be written')]);
    database.failing = false;
    await keeper.finish(stateOf(1_000), 1_000);
    expect(seqsIn(database)).toEqual([1_000]);
  });
});
