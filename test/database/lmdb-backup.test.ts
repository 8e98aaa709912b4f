import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/database/database.ts';
import { logRange, logRecordKey } from '../../src/database/keys.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { DATABASE_FILE, type LmdbOptions } from '../../src/database/lmdb-environment.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { DatabaseProcess, isBuilt } from '../support/database-process.ts';
import { bytes, keyOf, noiseOf, sameBytes } from '../support/stored-things.ts';

let dir: string;
const children: DatabaseProcess[] = [];
const databases: Database[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bfly-backup-'));
});
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.close()));
  await Promise.all(children.splice(0).map((child) => child.kill()));
  await rm(dir, { recursive: true, force: true });
});

async function openHere(folder: string, options: LmdbOptions = {}): Promise<Database> {
  const database = await openLmdbDatabase(join(dir, folder), options);
  databases.push(database);
  return database;
}

function start(limit?: string): DatabaseProcess {
  const child = new DatabaseProcess(limit);
  children.push(child);
  return child;
}

/** Change n: entry n, tile n and the record `n`, together. */
async function change(database: Database, n: number): Promise<void> {
  await database.commit({
    entries: [{ store: 'log', key: logRecordKey(1, n), value: noiseOf(n, 300) }],
    tiles: [{ key: keyOf({ x: n, version: n }), frame: noiseOf(n, 20_000) }],
    records: [['n', n]],
  });
}

/** The number of the last change in a store; it and all before it are there, whole, and none behind it. */
function lastChange(database: Database): number {
  const last = Number(database.record('n'));
  const entries = database.entries('log', logRange(1));
  expect(entries).toHaveLength(last);
  expect(database.countTiles(1, 0)).toBe(last);
  entries.forEach(([key, value], index) => {
    const n = index + 1;
    expect(Buffer.compare(key, logRecordKey(1, n))).toBe(0);
    expect(sameBytes(value, noiseOf(n, 300))).toBe(true);
    expect(sameBytes(database.tile(keyOf({ x: n, version: n })), noiseOf(n, 20_000))).toBe(true);
  });
  return last;
}

describe('a backup', () => {
  it('holds all that was committed before, and opens beside the original, to be written too', async () => {
    const original = await openHere('data', { log: SILENT_LOG });
    for (let n = 1; n <= 30; n++) await change(original, n);
    await original.backup(join(dir, 'copies', 'one'));
    expect(await readdir(join(dir, 'copies', 'one'))).toEqual([DATABASE_FILE]);
    await change(original, 31);
    const reader = await openHere('copies/one', { readOnly: true });
    expect(lastChange(reader)).toBe(30);
    await reader.close();
    const copy = await openHere('copies/one');
    for (let n = 31; n <= 35; n++) await change(copy, n);
    expect([lastChange(original), lastChange(copy)]).toEqual([31, 35]);
    await original.close();
    await copy.close();
    expect(lastChange(await openHere('data'))).toBe(31);
    expect(lastChange(await openHere('copies/one'))).toBe(35);
  });

  it('is made of an empty store, and of one by a reader', async () => {
    const original = await openHere('data');
    await original.backup(join(dir, 'empty'));
    expect((await openHere('empty')).records('')).toEqual([]);
    await change(original, 1);
    const reader = await openHere('data', { readOnly: true });
    await reader.backup(join(dir, 'copy'));
    expect(lastChange(await openHere('copy'))).toBe(1);
  });

  it('is one moment of a store that is written all the while, which is not held up', async () => {
    const original = await openHere('data');
    // Something to copy for a while.
    for (let n = 0; n < 40; n++)
      await original.commit({ tiles: [{ key: keyOf({ channel: 2, x: n }), frame: noiseOf(n, 1_000_000) }] });
    let n = 0;
    for (let round = 0; round < 4; round++) {
      const [before, folder] = [n, `copy${round}`];
      let isDone = false;
      const copied = original.backup(join(dir, folder)).then(() => {
        isDone = true;
      });
      while (!isDone) await change(original, ++n);
      await copied;
      const last = lastChange(await openHere(folder));
      expect(last).toBeGreaterThanOrEqual(before);
      expect(last).toBeLessThanOrEqual(n);
    }
    // Commits went through while copies were made: each waited for none.
    expect(n).toBeGreaterThan(8);
    expect(lastChange(original)).toBe(n);
  }, 60_000);

  it('is whole where the database is closed while it is made', async () => {
    const original = await openHere('data');
    for (let n = 1; n <= 20; n++) await change(original, n);
    const copied = original.backup(join(dir, 'copy'));
    await original.close();
    await copied;
    expect(lastChange(await openHere('copy'))).toBe(20);
  });

  it('does not keep a drop waiting, nor who asks whether all is flushed', async () => {
    const original = await openHere('data');
    for (let n = 0; n < 30; n++)
      await original.commit({ tiles: [{ key: keyOf({ x: n }), frame: noiseOf(n, 1_000_000) }] });
    const order: string[] = [];
    const copied = original.backup(join(dir, 'copy')).then(() => order.push('copied'));
    await original.flushed();
    order.push('flushed');
    await copied;
    expect(order).toEqual(['flushed', 'copied']);
  });

  it('is refused into a folder that holds anything, or where a file is, and changes nothing', async () => {
    const original = await openHere('data');
    await writeFile(join(dir, 'file'), 'x');
    for (const target of [dir, join(dir, 'data'), join(dir, 'file'), join(dir, 'file', 'below')]) {
      const error = await original.backup(target).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'CONFLICT', message: expect.not.stringContaining(dir) });
    }
    expect((await readdir(dir)).sort()).toEqual(['data', 'file']);
    expect((await readdir(join(dir, 'data'))).sort()).toEqual([DATABASE_FILE, `${DATABASE_FILE}-lock`]);
  });
});

if (!isBuilt) console.warn('NOT RUN: tests of backups in several processes need the built package (npm run build)');
describe.skipIf(!isBuilt)('a backup, with several processes,', () => {
  it('is made by one process while another writes, and opens while that still runs', async () => {
    const child = start();
    expect(await child.ask({ op: 'open', dir: join(dir, 'data') })).toEqual({ ok: true });
    child.send({ op: 'loop', from: 0 });
    let flushed = Number((await child.next())?.['flushed']);
    const reader = await openHere('data', { readOnly: true });
    for (let round = 0; round < 5; round++) {
      await reader.backup(join(dir, `copy${round}`));
      const copy = await openHere(`copy${round}`);
      const last = Number(copy.record('n'));
      expect(last).toBeGreaterThanOrEqual(flushed);
      for (let n = 0; n <= last + 1; n++)
        for (let x = 0; x < 5; x++) {
          const tile = copy.tile(keyOf({ x, y: n }));
          expect(n <= last ? sameBytes(tile, noiseOf(n, 20_000)) : tile === undefined).toBe(true);
        }
      expect(sameBytes(copy.tile(keyOf({ x: 9 })), noiseOf(last, 20_000))).toBe(true);
      await copy.commit({ records: [['mine', round]] });
      await copy.close();
      for (let line = 0; line < 3; line++) flushed = Number((await child.next())?.['flushed']);
    }
  }, 60_000);

  it.skipIf(process.platform === 'win32')('leaves nothing behind where there is no room for it', async () => {
    const original = await openHere('data');
    for (let n = 1; n <= 300; n++) await change(original, n);
    // A limit on the size of files stands in for the end of the disk.
    const child = start('ulimit -f 2048');
    expect(await child.ask({ op: 'open', dir: join(dir, 'data'), options: { readOnly: true } })).toEqual({ ok: true });
    for (const to of [join(dir, 'copy'), join(dir, 'empty')]) {
      expect(await child.ask({ op: 'backup', to })).toMatchObject({
        ok: false,
        code: 'UNAVAILABLE',
        message: 'the copy of the database could not be written (no room on its disk)',
      });
    }
    expect(await readdir(dir)).toEqual(['data']);
    expect(await child.ask({ op: 'read', name: 'n' })).toMatchObject({ record: 300 });
  });

  it('was not cut off: the name of a database is never that of a part of a copy', async () => {
    const original = await openHere('data');
    for (let n = 0; n < 60; n++)
      await original.commit({ tiles: [{ key: keyOf({ x: n }), frame: noiseOf(n, 1_000_000) }] });
    await original.commit({ records: [['n', 0]] });
    const child = start();
    await child.ask({ op: 'open', dir: join(dir, 'data'), options: { readOnly: true } });
    child.send({ op: 'backup', to: join(dir, 'copy') });
    // It has begun when its folder is there.
    let names: string[] = [];
    while (names.length === 0) names = await readdir(join(dir, 'copy')).catch(() => []);
    await child.kill();
    const opened = await openLmdbDatabase(join(dir, 'copy'), { readOnly: true }).catch((error: unknown) => error);
    if ((await readdir(join(dir, 'copy'))).includes(DATABASE_FILE)) {
      databases.push(opened as Database);
      expect((opened as Database).record('n')).toBe(0);
    } else expect(opened).toMatchObject({ code: 'NOT_FOUND' });
    await expect(original.backup(join(dir, 'copy'))).rejects.toMatchObject({ code: 'CONFLICT' });
    await original.commit({ entries: [{ store: 'log', key: bytes(1), value: bytes(1) }] });
  });
});
