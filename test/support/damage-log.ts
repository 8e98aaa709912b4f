/** Logs that something went wrong with. */
import { channelRecord } from '../../src/core/channel.ts';
import { logRecordKey } from '../../src/database/keys.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';

/** Removes one edit from the log of a channel, in a store that nobody uses. */
export async function damageLog(dataDir: string, path: string, seq: number): Promise<void> {
  const database = await openLmdbDatabase(dataDir);
  try {
    const number = channelRecord(database, path)?.number ?? 0;
    await database.commit({ entries: [{ store: 'log', key: logRecordKey(number, seq), value: null }] });
  } finally {
    await database.close();
  }
}
