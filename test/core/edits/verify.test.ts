/** [E20] Verifying a log: what is wrong with a store is said, and where. */
import { describe, expect, it } from 'vitest';
import { EditState } from '../../../protocol/edit-state.ts';
import { EditView } from '../../../protocol/edit-view.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import { CheckpointKeeper } from '../../../src/core/edits/checkpoint.ts';
import { compareView } from '../../../src/core/edits/compare-states.ts';
import { openState } from '../../../src/core/edits/open-state.ts';
import { verifyLog } from '../../../src/core/edits/verify.ts';
import type { EntryStore } from '../../../src/database/database.ts';
import {
  LogKind,
  logDeltaKey,
  logRange,
  logRecordKey,
  logSnapshotKey,
  logTilesKey,
} from '../../../src/database/keys.ts';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';
import { overlayRowKey } from '../../../src/database/table-keys.ts';
import { type OpenedLog, openLogOn } from '../../support/opened-log.ts';

/** A log with some of everything: 12 edits, and a snapshot of the tenth. */
async function logged(): Promise<OpenedLog & { readonly database: MemoryDatabase; readonly number: number }> {
  const database = new MemoryDatabase();
  const opened = await openLogOn(database);
  const { submit } = opened;
  const point = (key: number, x: number) => ({ key, kind: 'point', points: [x, 2, 3] });
  await submit({ op: 'merge', ids: [1, 2, 3] });
  await submit({ op: 'merge', ids: [4, 5] });
  await submit({ op: 'cleave', ids: [2] });
  await submit({ op: 'write', box: [0, 0, 0, 8, 8, 4], value: 1 });
  await submit({ op: 'put', table: 'annotation', rows: [point(7, 1), point(8, 1)] });
  await submit({ op: 'meta', key: 'title', value: 'a' });
  await submit({ op: 'region', id: 1, region: 3, box: [0, 0, 0, 2, 2, 2] });
  await submit({ op: 'delete', table: 'annotation', keys: [8] });
  await submit({ op: 'undo', seq: 2 });
  await submit({ op: 'undo', seq: 4 });
  await new CheckpointKeeper(database, opened.channel.number, 10 - 1_000).finish(opened.log.tip, 10);
  await submit({ op: 'undo', seq: 9 });
  await submit({ op: 'merge', ids: [4, 1] });
  return { ...opened, database, number: opened.channel.number };
}

/** What verifying finds in a store after something was done to it. */
async function faultsAfter(
  damage: (at: Awaited<ReturnType<typeof logged>>) => readonly [EntryStore, Uint8Array, Uint8Array | null],
): Promise<readonly string[]> {
  const at = await logged();
  expect(await verifyLog(at.context)).toMatchObject({ edits: 12, snapshot: 10, deltas: 4, faults: [] });
  const [store, key, value] = damage(at);
  await at.database.commit({ entries: [{ store, key, value }] });
  const { faults } = await verifyLog(at.context);
  await at.logs.close();
  return faults;
}

function entryOf({ database }: { readonly database: MemoryDatabase }, store: EntryStore, key: Uint8Array): Uint8Array {
  const value = database.entry(store, key);
  if (value === undefined) throw new Error('there is no such entry');
  return value;
}

/** Changed in one bit. */
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] as number) ^ 1);

describe('verifying a log says where', () => {
  it('an edit is missing, in the middle or at the end', async () => {
    const middle = await faultsAfter(({ number }) => ['log', logRecordKey(number, 3), null]);
    expect(middle).toContain('edit 3 is missing');
    const end = await faultsAfter(({ number }) => ['log', logRecordKey(number, 12), null]);
    expect(end).toContain('the edits end at 11, and a writer was answered that edit 12 was kept');
  });

  it('a byte of an edit was changed, wherever it stands in what others see', async () => {
    const size = entryOf(...(await recordOf(2))).length;
    for (let at = 6; at < size - 60; at += 7) {
      const faults = await faultsAfter((log) => {
        const key = logRecordKey(log.number, 2);
        return ['log', key, flipped(entryOf(log, 'log', key), at)];
      });
      expect(faults.join('; '), `byte ${at}`).toMatch(/edit 2\b/);
    }
  });

  it('a writer of an edit was changed', async () => {
    const faults = await faultsAfter((log) => {
      const key = logRecordKey(log.number, 2);
      const value = entryOf(log, 'log', key);
      const publicBytes = new DataView(value.buffer, value.byteOffset).getUint32(1);
      return ['log', key, flipped(value, 5 + publicBytes)];
    });
    expect(faults).toEqual(['the writer of edit 2 is another than it tells']);
  });

  it('a snapshot was changed, or is without a part', async () => {
    const changed = await faultsAfter((log) => {
      const key = logSnapshotKey(log.number, 10, 1);
      const value = entryOf(log, 'log', key);
      return ['log', key, flipped(value, value.length >> 1)];
    });
    expect(changed).toEqual(['part 1 of the snapshot of edit 10 was changed']);
    const torn = await faultsAfter(({ number }) => ['log', logSnapshotKey(number, 10, 1), null]);
    expect(torn).toEqual(['part 1 of the snapshot of edit 10 is missing']);
  });

  it('a snapshot is of another state, though it is whole', async () => {
    const { context, database, number, logs } = await logged();
    const other = (await openState(context, { upto: 9, fromScratch: true })).state;
    other.apply([{ op: 'merge', ids: [1n, 77n] }]);
    await new CheckpointKeeper(database, number, 10 - 1_000).finish(other, 10);
    const { faults } = await verifyLog(context);
    expect(faults.join('; ')).toMatch(/id 77: the replay has root 77, the snapshot 1\b/);
    await logs.close();
  });

  it('a row of the tables was changed, is missing, or was never made', async () => {
    const key = ({ number }: { readonly number: number }, row: bigint) => overlayRowKey(number, 'annotation', row);
    const changed = await faultsAfter((log) => {
      const row = unpack(entryOf(log, 'rows', key(log, 7n))) as object;
      return ['rows', key(log, 7n), pack({ ...row, points: [9, 2, 3] }).slice()];
    });
    expect(changed).toContain('row 7 of annotation is not in the tables as the edits made it');
    const missing = await faultsAfter((log) => ['rows', key(log, 7n), null]);
    expect(missing).toContain('row 7 of annotation is missing in the tables');
    const foreign = await faultsAfter((log) => ['rows', key(log, 99n), entryOf(log, 'rows', key(log, 7n))]);
    expect(foreign).toEqual(['row 99 of annotation is in the tables as no edit made it']);
  });

  it('voxels of an edit are missing, were changed, or are in no list', async () => {
    const missing = await faultsAfter(({ number }) => ['log', logDeltaKey(number, 4, 3), null]);
    expect(missing).toEqual(['part 3 of the voxels of edit 4 is missing']);
    const changed = await faultsAfter((log) => {
      const key = logDeltaKey(log.number, 4, 1);
      const value = entryOf(log, 'log', key);
      return ['log', key, flipped(value, value.length - 1)];
    });
    expect(changed).toEqual(['part 1 of the voxels of edit 4 was changed']);
    const more = await faultsAfter((log) => [
      'log',
      logDeltaKey(log.number, 4, 4),
      entryOf(log, 'log', logDeltaKey(log.number, 4, 3)),
    ]);
    expect(more).toEqual(['part 4 of the voxels of edit 4 is in no list']);
    const unlisted = await faultsAfter(({ number }) => ['log', logTilesKey(number, 4), null]);
    expect(unlisted).toContain('the list of tiles of edit 4 is missing');
    const damaged = await faultsAfter(({ number }) => ['log', logTilesKey(number, 4), Uint8Array.of(4, 0)]);
    expect(damaged.join('; ')).toMatch(/the list of tiles of edit 4 is damaged/);
  });

  it('voxels of an edit and the list of them are missing', async () => {
    const { context, database, number, logs } = await logged();
    await database.dropEntries('log', logRange(number, LogKind.DELTA));
    await database.dropEntries('log', logRange(number, LogKind.TILES));
    expect((await verifyLog(context)).faults).toContain('the list of tiles of edit 4 is missing');
    await logs.close();
  });
});

describe('a replay and what clients were told', () => {
  it('are compared in both directions: also links, regions and metadata that only clients have', () => {
    const state = new EditState({
      ...{ maxId: () => 9n, maxLegalId: 2n ** 32n, baseRow: () => undefined, lastBaseKey: () => -1n },
    });
    const { changes } = state.apply([{ op: 'merge', ids: [1n, 2n] }]);
    const view = new EditView();
    view.apply(1, changes);
    const faults: string[] = [];
    compareView(state, view, (fault) => faults.push(fault));
    expect(faults).toEqual([]);
    // As if the `parted` of a cleave had never been told.
    const other = state.apply([{ op: 'merge', ids: [3n, 4n] }]);
    view.apply(2, other.changes);
    state.apply([{ op: 'cleave', ids: [4n] }]);
    view.apply(3, {
      meta: { title: 'x' },
      regions: [{ id: 1n, region: 2, box: null, alias: 12n }],
    });
    compareView(state, view, (fault) => faults.push(fault));
    expect(faults).toEqual([
      'id 4 has root 4; who was told all changes believes 3',
      'there is no region 2 of id 1; who was told all changes believes that there is',
      'metadata "title" is another to who was told all changes',
    ]);
  });
});

async function recordOf(seq: number): Promise<Parameters<typeof entryOf>> {
  const log = await logged();
  return [log, 'log', logRecordKey(log.number, seq)];
}
