import { expect, it } from 'vitest';
import { saveChannelRecord } from '../../src/core/channel.ts';
import { logRecordKey } from '../../src/database/keys.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { editedPaths } from '../../src/ingest/edited-paths.ts';

it('counts the edits of every path, and never fails over what a record says of its source', async () => {
  const database = new MemoryDatabase();
  const layout = {
    epoch: '0'.repeat(16),
    sourceKind: 'x',
    type: 'image',
    dtype: 'uint8',
    mips: [],
    sourceMips: 0,
  } as const;
  const more = { ownChunks: [], shifts: [], ingested: false };
  const fingerprints = ['[1,{"path":"/data/a.h5"}]', 'of another make', '[1,null]'];
  for (const [n, fingerprint] of fingerprints.entries())
    await saveChannelRecord(database, `e/s/d/${n}`, { ...layout, ...more, fingerprint, number: n + 1 });
  for (const number of [1, 2])
    await database.commit({ entries: [{ store: 'log', key: logRecordKey(number, 7), value: Uint8Array.of(1) }] });
  expect(editedPaths(database)).toEqual([
    { path: 'e/s/d/0', edits: 7, source: '/data/a.h5' },
    { path: 'e/s/d/1', edits: 7 },
  ]);
});
