/** What is there after `kill -9`, and on a full disk. `BFLY_FUZZ_SEED` and `BFLY_FUZZ_RUNS` run it again, or for longer. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/database/database.ts';
import { logRange, logSeq, rowsRange } from '../../src/database/keys.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { DatabaseProcess, isBuilt } from '../support/database-process.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';
import { bytes, keyOf, noiseOf, sameBytes } from '../support/stored-things.ts';

let dir: string;
const children: DatabaseProcess[] = [];
const databases: Database[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bfly-killed-'));
});
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.close()));
  await Promise.all(children.splice(0).map((child) => child.kill()));
  await rm(dir, { recursive: true, force: true });
});

function start(limit?: string): DatabaseProcess {
  const child = new DatabaseProcess(limit);
  children.push(child);
  return child;
}

/** Checks a log that the child's `edits` wrote: gapless, each batch whole. @returns its last seq */
function checkLog(database: Database): number {
  const head = Number(database.record('head') ?? 0);
  const entries = database.entries('log', logRange(1));
  expect(entries.map(([key]) => logSeq(key))).toEqual(Array.from({ length: head }, (_, index) => index + 1));
  for (const [key, value] of entries) {
    const seq = logSeq(key);
    if (!sameBytes(value, noiseOf(seq, 100 + ((seq * 37) % 400)))) throw new Error(`edit ${seq} has other bytes`);
  }
  // Each batch left a row with its length under its last seq: the batches follow one another without a gap.
  let end = 0;
  for (const [key, value] of database.entries('rows', rowsRange(1))) {
    end += ((value[0] ?? 0) << 8) | (value[1] ?? 0);
    expect(logSeq(key)).toBe(end);
    const version = keyOf({ x: 3, version: end });
    expect(database.hasTile(version) && sameBytes(database.tile(version), noiseOf(end, 5000)), `tile ${end}`).toBe(
      true,
    );
  }
  expect(end).toBe(head);
  expect(database.countTiles(1, 0)).toBe(database.countEntries('rows', rowsRange(1)));
  return head;
}

if (!isBuilt) console.warn('NOT RUN: tests of killed databases need the built package (npm run build)');
describe.skipIf(!isBuilt)('after kill -9', () => {
  it('all edits are there that were acknowledged, batches whole, seqs without a gap, at any moment', async () => {
    const seed = testSeed('killed databases');
    const random = seededRandom(seed);
    let known = 0;
    for (let round = 0; round < testRuns(24); round++) {
      const child = start();
      expect(await child.ask({ op: 'open', dir })).toEqual({ ok: true });
      child.send({ op: 'edits', from: known + 1, seed: Math.floor(random() * 2 ** 31) });
      const lines = Math.floor(random() * 25);
      let acknowledged = known;
      for (let line = 0; line < lines; line++) acknowledged = Number((await child.next())?.['head']);
      // A moment that has nothing to do with what it reports.
      await delay(random() * 8);
      await child.kill();
      for (let line = await child.next(); line !== undefined; line = await child.next())
        acknowledged = Number(line['head']);

      const database = await openLmdbDatabase(dir);
      databases.push(database);
      const head = checkLog(database);
      expect(head, `round ${round}`).toBeGreaterThanOrEqual(acknowledged);
      expect(acknowledged).toBeGreaterThanOrEqual(known);
      await database.close();
      known = head;
    }
    // Otherwise nothing was tried.
    expect(known).toBeGreaterThan(testRuns(24));
  }, 600_000);
});

describe.skipIf(!isBuilt || process.platform === 'win32')('on a full disk', () => {
  it('exactly those commits are there, whole, that resolved, whichever they shared a transaction with', async () => {
    // A limit on the size of files stands in for the end of the disk.
    const child = start('ulimit -f 4096');
    await child.ask({ op: 'open', dir });
    const answer = await child.ask({ op: 'crowd', count: 200 });
    expect(answer).toMatchObject({ ok: true });
    const resolved = answer?.['resolved'] as boolean[];
    expect(answer?.['there']).toEqual(resolved.map((isThere) => [isThere, isThere]));
    // Otherwise nothing was tried.
    expect(new Set(resolved).size).toBe(2);
    expect(await child.ask({ op: 'putRow', key: [1], value: [1] })).toEqual({ ok: true });
  }, 60_000);
});

describe.skipIf(!isBuilt)('a store of before there were rows', () => {
  it('is read as having none, and sees those that a writer adds', async () => {
    const child = start();
    await child.ask({ op: 'open', dir });
    await child.ask({ op: 'putRow', key: [1], value: [1] });
    await child.ask({ op: 'commit', records: [['a', 1]] });
    await child.ask({ op: 'forgetRows' });
    await child.ask({ op: 'close' });
    const reader = await openLmdbDatabase(dir, { readOnly: true });
    databases.push(reader);
    const range = { start: bytes(), end: bytes(255) };
    const seen = (): unknown => [
      reader.entry('rows', bytes(1)),
      reader.entries('rows', range),
      reader.countEntries('rows', range),
    ];
    expect(reader.record('a')).toBe(1);
    expect(seen()).toEqual([undefined, [], 0]);
    const writer = start();
    expect(await writer.ask({ op: 'open', dir })).toEqual({ ok: true });
    expect(await writer.ask({ op: 'putRow', key: [1], value: [7] })).toEqual({ ok: true });
    expect(seen()).toEqual([bytes(7), [[bytes(1), bytes(7)]], 1]);
  });
});
