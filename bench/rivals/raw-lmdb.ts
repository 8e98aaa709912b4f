/**
 * What lmdb-js can do by itself: as many writers as ours has, with as many puts under way, each of as many bytes as our edits have, and each
 * told when its put is on the disk. Commits are flushed as ours are.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { open } from 'lmdb';
import type { Rate } from '../workloads/pull.ts';

const WARM_UP_MS = 1_000;

/** @param underWay puts of all writers together. @returns entries a second. @throws where one is missing afterwards. */
export async function measureRawLmdb(bytes: number, underWay: number, seconds: number): Promise<Rate> {
  const dir = mkdtempSync(path.join(tmpdir(), 'bfly-bench-lmdb-'));
  const root = open<Uint8Array, Uint8Array>({
    ...{ path: path.join(dir, 'raw.mdb'), noSubdir: true, keyEncoding: 'binary', encoding: 'binary' },
    ...{ overlappingSync: false, eventTurnBatching: false },
  });
  const value = new Uint8Array(bytes).fill(7);
  let sent = 0;
  let told = 0;
  let isOver = false;
  const writer = async (): Promise<void> => {
    while (!isOver) {
      const key = Buffer.alloc(13);
      key.writeUInt32BE(sent++, 9);
      if (!(await root.put(key, value))) throw new Error('lmdb-js did not put');
      told++;
    }
  };
  const writers = Promise.all(Array.from({ length: underWay }, writer));
  await sleep(WARM_UP_MS);
  const from = told;
  const start = performance.now();
  await sleep(seconds * 1_000);
  const perSecond = (told - from) / ((performance.now() - start) / 1_000);
  isOver = true;
  await writers;
  const kept = root.getCount();
  await root.close();
  rmSync(dir, { recursive: true, force: true });
  if (kept !== told) throw new Error(`lmdb-js kept ${kept} of ${told} entries`);
  return { perSecond };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
