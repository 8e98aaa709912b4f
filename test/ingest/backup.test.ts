import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChannelRecord, channelRecord, openChannel } from '../../src/core/channel.ts';
import type { Database } from '../../src/database/database.ts';
import { logRange, logRecordKey } from '../../src/database/keys.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { backupDatabase, restoreDatabase } from '../../src/ingest/backup.ts';
import { channelOf, IM, openArrayCore } from '../support/array-core.ts';

const PATHS = ['e/s/d/a', 'e/s/d/b'];

let dir: string;
let database: Database;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bfly-restore-'));
  database = await openLmdbDatabase(join(dir, 'data'));
  const { entries, maker } = openArrayCore(
    PATHS.map((path) => channelOf(path, IM)),
    { database },
  );
  for (const entry of entries) await openChannel(entry, database, maker);
  const edits = [1, 2, 3].map((seq) => ({
    store: 'log' as const,
    key: logRecordKey(1, seq),
    value: Uint8Array.of(seq),
  }));
  await database.commit({ entries: edits });
});
afterEach(async () => {
  await database.close();
  await rm(dir, { recursive: true, force: true });
});

const recordsOf = (from: Database): ChannelRecord[] => PATHS.map((path) => channelRecord(from, path) as ChannelRecord);

describe('a restored store', () => {
  it('[S1] is the one that was backed up, with new epochs, while the original runs', async () => {
    await backupDatabase(join(dir, 'data'), join(dir, 'copy'));
    await database.commit({ entries: [{ store: 'log', key: logRecordKey(1, 4), value: Uint8Array.of(4) }] });
    await restoreDatabase(join(dir, 'copy'), join(dir, 'restored'));
    expect(await readdir(join(dir, 'restored'))).toEqual(['butterfly.mdb']);
    const restored = await openLmdbDatabase(join(dir, 'restored'));
    try {
      expect(restored.entries('log', logRange(1)).map(([, value]) => value[0])).toEqual([1, 2, 3]);
      const epochs = new Set([database, restored].flatMap(recordsOf).map(({ epoch }) => epoch));
      expect(epochs.size).toBe(4);
      const timeless = (from: Database): unknown => recordsOf(from).map((record) => ({ ...record, epoch: '' }));
      expect(timeless(restored)).toEqual(timeless(database));
    } finally {
      await restored.close();
    }
    // A copy is only read: restored once more, it has other epochs, and its own are as they were.
    const copy = await openLmdbDatabase(join(dir, 'copy'), { readOnly: true });
    try {
      expect(recordsOf(copy)).toEqual(recordsOf(database));
    } finally {
      await copy.close();
    }
  });

  it('is made in an empty folder only, and of a store only; nothing is left of one that failed', async () => {
    await expect(restoreDatabase(join(dir, 'data'), dir)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(restoreDatabase(join(dir, 'data'), join(dir, 'data'))).rejects.toMatchObject({ code: 'CONFLICT' });
    for (const from of ['none', '.'])
      await expect(restoreDatabase(join(dir, from), join(dir, 'restored'))).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    expect(await readdir(dir)).toEqual(['data']);
  });

  it('may be made of the data folder of a running server', async () => {
    await restoreDatabase(join(dir, 'data'), join(dir, 'restored'));
    const restored = await openLmdbDatabase(join(dir, 'restored'));
    expect(restored.countEntries('log', logRange(1))).toBe(3);
    await restored.close();
  });
});
