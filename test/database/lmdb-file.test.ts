import { mkdtemp, open as openFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { DATABASE_FILE } from '../../src/database/lmdb-environment.ts';
import { inspectFile, padFile } from '../../src/database/lmdb-file.ts';
import { keyOf, noiseOf } from '../support/stored-things.ts';

const PAGE = 4096;
let dir: string;
let file: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bfly-file-'));
  file = join(dir, DATABASE_FILE);
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function sizeOf(): Promise<number> {
  return (await stat(file)).size;
}

describe('inspectFile', () => {
  it('reads the texts of the main database as LMDB wrote them', async () => {
    const root = open<string, Uint8Array>({ path: file, noSubdir: true, keyEncoding: 'binary', encoding: 'string' });
    expect(inspectFile(file)).toEqual({ kind: 'lmdb', short: false, entries: new Map() });
    await root.put(Buffer.from('ä'), 'first');
    await root.put(Buffer.from('b'), 'x'.repeat(700));
    await root.put(Buffer.from('ä'), 'second');
    root.openDB({ name: 'tiles' });
    const entries = new Map<string, string | undefined>([
      ['b', 'x'.repeat(700)],
      // lmdb ends the names of sub-databases with a zero.
      ['tiles\0', undefined],
      ['ä', 'second'],
    ]);
    expect(inspectFile(file)).toEqual({ kind: 'lmdb', short: false, entries });
    await root.close();
    expect(inspectFile(file)).toEqual({ kind: 'lmdb', short: false, entries });
  });

  it('takes a main database of more than a page for a foreign one', async () => {
    const root = open<string, Uint8Array>({ path: file, noSubdir: true, keyEncoding: 'binary', encoding: 'string' });
    await root.batch(() => {
      for (let n = 0; n < 200; n++) root.put(Buffer.from(`key ${n}`), 'x'.repeat(100));
    });
    await root.close();
    expect(inspectFile(file).kind).toBe('foreign');
  });

  it('takes no file and an empty file for absent, other bytes for foreign', async () => {
    expect(inspectFile(file).kind).toBe('absent');
    await writeFile(file, '');
    expect(inspectFile(file).kind).toBe('absent');
    for (const size of [1, 159, 160, 8192]) {
      await writeFile(file, noiseOf(size, size));
      expect(inspectFile(file).kind).toBe('foreign');
    }
  });

  it('never fails on a database with any page overwritten', async () => {
    await (await openLmdbDatabase(dir)).close();
    const whole = (await sizeOf()) / PAGE;
    for (let page = 0; page < Math.min(whole, 40); page++) {
      await rm(dir, { recursive: true, force: true });
      await (await openLmdbDatabase(dir)).close();
      const handle = await openFile(file, 'r+');
      await handle.write(noiseOf(page, PAGE), 0, PAGE, page * PAGE);
      await handle.close();
      expect(['foreign', 'damaged', 'lmdb']).toContain(inspectFile(file).kind);
    }
  });
});

describe('padFile', () => {
  it('makes a file as long as the database counts, and never shorter', async () => {
    const database = await openLmdbDatabase(dir);
    await database.commit({ tiles: [{ key: keyOf(), frame: noiseOf(1, 200_000) }] });
    const whole = await sizeOf();
    expect(inspectFile(file).short).toBe(false);
    await database.close();
    // The close has padded it, so that what it writes last cannot make it short.
    expect(await sizeOf()).toBeGreaterThan(whole + 60 * PAGE);
    await truncate(file, whole - 10 * PAGE);
    expect(inspectFile(file)).toMatchObject({ kind: 'lmdb', short: true });
    padFile(file, 0);
    expect(inspectFile(file).short).toBe(false);
    const padded = await sizeOf();
    padFile(file, 3);
    expect(await sizeOf()).toBe(padded + 3 * PAGE);
    padFile(file, 0);
    expect(await sizeOf()).toBe(padded + 3 * PAGE);
  });
});
