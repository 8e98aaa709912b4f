/** What lmdb-js can do by itself: puts of as many bytes as our edits have, a commit at a time, each flushed as ours are. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { open } from 'lmdb';
import type { Rate } from '../workloads/pull.ts';

/** Entries of one commit: what 64 writers have under way. */
const BATCH = 64 * 16;

/** @returns entries a second. */
export async function measureRawLmdb(bytes: number, seconds: number): Promise<Rate> {
  const dir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-lmdb-'));
  const root = open<Uint8Array, Uint8Array>({
    ...{ path: path.join(dir, 'raw.mdb'), noSubdir: true, keyEncoding: 'binary', encoding: 'binary' },
    ...{ overlappingSync: false, eventTurnBatching: false },
  });
  const value = new Uint8Array(bytes).fill(7);
  let n = 0;
  const start = performance.now();
  while (performance.now() - start < seconds * 1_000)
    await root.batch(() => {
      for (let i = 0; i < BATCH; i++) {
        const key = Buffer.alloc(13);
        key.writeUInt32BE(n++, 9);
        void root.put(key, value);
      }
    });
  const perSecond = n / ((performance.now() - start) / 1_000);
  await root.close();
  rmSync(dir, { recursive: true, force: true });
  return { perSecond };
}
