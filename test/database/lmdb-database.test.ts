import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import type { Database } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { DATABASE_FILE, type LmdbOptions } from '../../src/database/lmdb-environment.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { databaseContract } from '../contract/database-contract.ts';
import { DatabaseProcess, isBuilt } from '../support/database-process.ts';
import { frameOf, keyOf, noiseOf, sameBytes } from '../support/stored-things.ts';

let dir: string;
const children: DatabaseProcess[] = [];
const databases: Database[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bfly-database-'));
});
afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.close()));
  await Promise.all(children.splice(0).map((child) => child.kill()));
  await rm(dir, { recursive: true, force: true });
});

async function openHere(options?: LmdbOptions, folder = dir): Promise<Database> {
  const database = await openLmdbDatabase(folder, options);
  databases.push(database);
  return database;
}

function start(limit?: string): DatabaseProcess {
  const child = new DatabaseProcess(limit);
  children.push(child);
  return child;
}

/** The environment as LMDB sees it, closed afterwards: a file may be open once in a process. */
async function withRaw<T>(use: (root: RootDatabase<string, Uint8Array>) => T | Promise<T>, folder = dir): Promise<T> {
  const path = join(folder, DATABASE_FILE);
  const root = open<string, Uint8Array>({ path, noSubdir: true, keyEncoding: 'binary', encoding: 'string' });
  try {
    return await use(root);
  } finally {
    await root.close();
  }
}

/** Names of all files, and the bytes of the database file. Never opens the lock file: closing it would drop LMDB's locks. */
async function contentsOf(folder: string): Promise<readonly [string[], string]> {
  const bytes = await readFile(join(folder, DATABASE_FILE));
  return [(await readdir(folder)).sort(), bytes.toString('base64')];
}

async function failureOf(promise: Promise<unknown>): Promise<BflyError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof BflyError)) throw new Error(`expected a BflyError, got ${String(error)}`);
  // Shown to clients: one sentence without a path of the server.
  expect(error.message).not.toContain(dir);
  expect(error.message).not.toMatch(/\n|\/tmp/);
  return error;
}

databaseContract('LmdbDatabase', async () => {
  const folder = join(dir, 'data');
  let database = await openHere({}, folder);
  const reopen = async (): Promise<Database> => {
    await database.close();
    database = await openHere({}, folder);
    return database;
  };
  return { database, reopen };
});

describe('LmdbDatabase opens', () => {
  it('a folder that does not exist, with the folders above it', async () => {
    const folder = join(dir, 'a', 'b');
    await (await openHere({}, folder)).commit({ records: [['a', 1]] });
    expect((await readdir(folder)).sort()).toEqual([DATABASE_FILE, `${DATABASE_FILE}-lock`]);
  });

  it('a folder with other files, which it leaves alone', async () => {
    await writeFile(join(dir, 'data.mdb'), 'not ours');
    await mkdir(join(dir, 'images'));
    await openHere();
    expect(await readFile(join(dir, 'data.mdb'), 'utf8')).toBe('not ours');
    expect((await readdir(dir)).sort()).toEqual([DATABASE_FILE, `${DATABASE_FILE}-lock`, 'data.mdb', 'images']);
  });

  it('an empty file, as a first start leaves that was stopped at once', async () => {
    await writeFile(join(dir, DATABASE_FILE), '');
    await (await openHere()).commit({ records: [['a', 1]] });
  });

  it('an environment without entries, as a first start leaves that was stopped a moment later', async () => {
    await withRaw(() => {});
    await (await openHere()).commit({ records: [['a', 1]] });
  });

  it('what it wrote, after a close and without its lock file too', async () => {
    const first = await openHere();
    await first.commit({ tiles: [{ key: keyOf({ version: 3 }), frame: frameOf(1) }], records: [['a', { b: 1 }]] });
    await first.close();
    await unlink(join(dir, `${DATABASE_FILE}-lock`));
    const second = await openHere();
    expect(second.record('a')).toEqual({ b: 1 });
    expect(sameBytes(second.tile(keyOf({ version: 9 })), frameOf(1))).toBe(true);
  });

  it('with a small map, which grows', async () => {
    const database = await openHere({ mapSizeBytes: 2 ** 17, log: SILENT_LOG });
    for (let x = 0; x < 20; x++) await database.commit({ tiles: [{ key: keyOf({ x }), frame: frameOf(x, 300_000) }] });
    for (let x = 0; x < 20; x++) expect(sameBytes(database.tile(keyOf({ x })), frameOf(x, 300_000))).toBe(true);
  });

  it('a header of its own in every new database', async () => {
    await (await openHere()).close();
    const [header, owner] = await withRaw((root) => [root.get(Buffer.from('bfly')), root.get(Buffer.from('owner'))]);
    expect(JSON.parse(header ?? '')).toEqual({ magic: 'bfly', format: 1 });
    expect(JSON.parse(owner ?? '')).toMatchObject({ pid: process.pid, closed: 'whole' });
  });
});

describe('LmdbDatabase refuses, and changes nothing:', () => {
  const file = (): string => join(dir, DATABASE_FILE);
  const writeSome = async (): Promise<void> => {
    const database = await openHere();
    for (let x = 0; x < 40; x++) await database.commit({ tiles: [{ key: keyOf({ x }), frame: noiseOf(x, 30_000) }] });
    await database.close();
  };
  const setHeader = async (text: string): Promise<void> => {
    await (await openHere()).close();
    await withRaw(async (root) => await root.put(Buffer.from('bfly'), text));
  };

  const cases: readonly (readonly [what: string, found: RegExp, make: () => Promise<void>])[] = [
    ['random bytes', /no Butterfly database/, () => writeFile(file(), noiseOf(17, 100_000))],
    ['few random bytes', /no Butterfly database/, () => writeFile(file(), noiseOf(17, 10))],
    ['zeros', /no Butterfly database/, () => writeFile(file(), new Uint8Array(65536))],
    [
      'a database cut to its first bytes',
      /cut short/,
      async () => {
        await writeSome();
        await truncate(file(), 100);
      },
    ],
    [
      'a database cut to its first page',
      /cut short/,
      async () => {
        await writeSome();
        await truncate(file(), 4096);
      },
    ],
    [
      'a database cut in the middle',
      /cut short/,
      async () => {
        await writeSome();
        await truncate(file(), Math.floor((await stat(file())).size / 8192) * 4096);
      },
    ],
    [
      'a database without its last page',
      /cut short/,
      async () => {
        await writeSome();
        // A clean close adds pages at the end for its own last transaction.
        await truncate(file(), (await stat(file())).size - 65 * 4096);
      },
    ],
    [
      'an environment of another program',
      /no Butterfly database/,
      () => withRaw(async (root) => void (await root.put(Buffer.from('k'), 'v'))),
    ],
    [
      'an environment of another program without its lock file',
      /no Butterfly database/,
      async () => {
        await withRaw(async (root) => void (await root.put(Buffer.from('k'), 'v')));
        await unlink(`${file()}-lock`);
      },
    ],
    ['a header that is not JSON', /no Butterfly database/, () => setHeader('bfly')],
    ['a header of another kind', /no Butterfly database/, () => setHeader('{"magic":"other","format":1}')],
    ['a header without a format', /no Butterfly database/, () => setHeader('{"magic":"bfly"}')],
    ['a newer format', /format 2 .* up to 1: use a newer Butterfly/, () => setHeader('{"magic":"bfly","format":2}')],
    [
      'a newer format without its lock file',
      /format 7/,
      async () => {
        await setHeader('{"magic":"bfly","format":7}');
        await unlink(`${file()}-lock`);
      },
    ],
  ];
  it.each(cases)('%s', async (_what, found, make) => {
    await make();
    const before = await contentsOf(dir);
    for (const readOnly of [false, true]) {
      const error = await failureOf(openHere({ readOnly }));
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toMatch(found);
      expect(error.message).toMatch(/choose another --data$/);
      expect(await contentsOf(dir)).toEqual(before);
    }
  });

  it('a file where the folder should be', async () => {
    const path = join(dir, 'file');
    await writeFile(path, 'x');
    for (const folder of [path, join(path, 'below')])
      expect((await failureOf(openHere({}, folder))).code).toBe('UNSUPPORTED');
    expect(await readFile(path, 'utf8')).toBe('x');
  });

  it('to read what is not there', async () => {
    expect((await failureOf(openHere({ readOnly: true }))).code).toBe('NOT_FOUND');
    expect((await failureOf(openHere({ readOnly: true }, join(dir, 'none')))).code).toBe('NOT_FOUND');
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('LmdbDatabase in one process', () => {
  it('lets one open it for writing, and the next after its close', async () => {
    const first = await openHere();
    const error = await failureOf(openHere());
    expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { pid: process.pid } });
    expect(error.message).toBe(`process ${process.pid} writes this database: stop it or choose another --data`);
    await first.commit({ records: [['a', 1]] });
    await first.close();
    expect((await openHere()).record('a')).toBe(1);
  });

  it('lets one of many win that open it at the same time', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => openHere()));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('lets readers in beside the writer, who see its commits and cannot write', async () => {
    const writer = await openHere();
    const readers = [await openHere({ readOnly: true }), await openHere({ readOnly: true })];
    await writer.commit({ tiles: [{ key: keyOf({ version: 4 }), frame: frameOf(1) }], records: [['a', 1]] });
    for (const reader of readers) {
      expect(sameBytes(reader.tile(keyOf({ version: 9 })), frameOf(1))).toBe(true);
      expect(reader.record('a')).toBe(1);
      for (const write of [() => reader.commit({ records: [['a', 2]] }), () => reader.dropChannel(1)])
        await expect(write()).rejects.toMatchObject({ code: 'READ_ONLY' });
      await reader.close();
    }
    await writer.commit({ records: [['a', 3]] });
    expect(writer.record('a')).toBe(3);
  });

  it('opens again for writing after readers have closed, not before', async () => {
    await (await openHere()).close();
    const reader = await openHere({ readOnly: true });
    expect((await failureOf(openHere())).code).toBe('UNAVAILABLE');
    await reader.close();
    await openHere();
  });

  it('keeps two databases apart, also what they lend', async () => {
    const [one, two] = [await openHere({}, join(dir, '1')), await openHere({}, join(dir, '2'))];
    await one.commit({ tiles: [{ key: keyOf(), frame: frameOf(1, 5000) }] });
    await two.commit({ tiles: [{ key: keyOf(), frame: frameOf(2, 5000) }] });
    const lent = one.tileBorrowed(keyOf());
    two.tileBorrowed(keyOf());
    expect(sameBytes(lent, frameOf(1, 5000))).toBe(true);
  });

  it('lends tiles of 17 MiB, and lets their headers be overwritten', async () => {
    const size = 2 ** 24 + 2 ** 20;
    const frame = new Uint8Array(size);
    for (let i = 0; i < size; i += 4) frame[i] = (Math.imul(i, 2654435761) >>> 24) ^ (i >>> 16);
    const database = await openHere();
    await database.commit({ tiles: [{ key: keyOf(), frame }] });
    database.tileBorrowed(keyOf())?.fill(1, 0, 64);
    expect(Buffer.compare(database.tile(keyOf()) ?? new Uint8Array(), frame)).toBe(0);
  });
});

if (!isBuilt) console.warn('NOT RUN: tests of databases in several processes need the built package (npm run build)');
describe.skipIf(!isBuilt)('LmdbDatabase in several processes', () => {
  it('names the process that writes, and changes nothing', async () => {
    const child = start();
    expect(await child.ask({ op: 'open', dir })).toEqual({ ok: true });
    const before = await contentsOf(dir);
    const error = await failureOf(openHere());
    expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { pid: child.pid } });
    expect(error.message).toBe(`process ${child.pid} writes this database: stop it or choose another --data`);
    expect(await contentsOf(dir)).toEqual(before);
    expect(await child.ask({ op: 'commit', records: [['a', 1]] })).toEqual({ ok: true });
    await child.ask({ op: 'close' });
    expect((await openHere()).record('a')).toBe(1);
  });

  it('reads beside a writer, and sees what is committed later', async () => {
    const child = start();
    await child.ask({ op: 'open', dir });
    await child.ask({ op: 'commit', tiles: [[0, 0, 1, 30_000]], records: [['a', 1]] });
    const reader = await openHere({ readOnly: true });
    expect(reader.record('a')).toBe(1);
    for (let n = 0; n < 60; n++) await child.ask({ op: 'commit', tiles: [[n, 1, n, 500_000]], records: [['n', n]] });
    expect(reader.record('n')).toBe(59);
    for (let n = 0; n < 60; n++) expect(sameBytes(reader.tile(keyOf({ x: n, y: 1 })), frameOf(n, 500_000))).toBe(true);
    // The first edit of a channel that the reader knew as never edited.
    expect(sameBytes(reader.tile(keyOf({ version: 5 })), frameOf(1, 30_000))).toBe(true);
    await child.ask({ op: 'commit', tiles: [[0, 0, 8, 30_000, 5]] });
    expect(sameBytes(reader.tile(keyOf({ version: 5 })), frameOf(8, 30_000))).toBe(true);
    expect(sameBytes(reader.tile(keyOf({ version: 4 })), frameOf(1, 30_000))).toBe(true);
    await child.ask({ op: 'drop', channel: 1 });
    expect(reader.countTiles(1, 0)).toBe(0);
  });

  it('shows each change whole or not at all', async () => {
    const child = start();
    await child.ask({ op: 'open', dir });
    await child.ask({ op: 'commit', records: [['changes', 0]] });
    const reader = await openHere({ readOnly: true });
    let done = false;
    const written = child.ask({ op: 'burst', changes: 40, tiles: 400 }).then(() => {
      done = true;
    });
    const seen = new Set<number>();
    while (!done) {
      const count = reader.countTiles(1, 0);
      seen.add(count);
      expect(count).toBe(Number(reader.record('changes')) * 400);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await written;
    expect(reader.countTiles(1, 0)).toBe(40 * 400);
    // Otherwise nothing was tried.
    expect(seen.size).toBeGreaterThan(3);
  });

  it('lets another process read beside this writer', async () => {
    const writer = await openHere();
    const child = start();
    expect(await child.ask({ op: 'open', dir, options: { readOnly: true } })).toEqual({ ok: true });
    await writer.commit({ records: [['a', 'now']] });
    expect(await child.ask({ op: 'read', name: 'a' })).toMatchObject({ record: 'now' });
  });

  it('has all that was flushed, whole, after the writer was killed, and can be written at once', async () => {
    let known = -1;
    for (let round = 0; round < 6; round++) {
      const child = start();
      expect(await child.ask({ op: 'open', dir })).toEqual({ ok: true });
      child.send({ op: 'loop', from: known + 1 });
      for (let line = 0; line < 5 + 3 * round; line++) known = Number((await child.next())?.['flushed']);
      await child.kill();
      for (let line = await child.next(); line !== undefined; line = await child.next())
        known = Number(line['flushed']);

      const database = await openHere();
      const last = Number(database.record('n'));
      expect(last).toBeGreaterThanOrEqual(known);
      // The change in hand when the process died may be there or not, but not in part.
      for (let n = 0; n <= last + 1; n++) {
        for (let x = 0; x < 5; x++) {
          const tile = database.tile(keyOf({ x, y: n }));
          expect(n <= last ? sameBytes(tile, noiseOf(n, 20_000)) : tile === undefined, `tile ${x} of change ${n}`).toBe(
            true,
          );
        }
      }
      expect(sameBytes(database.tile(keyOf({ x: 9 })), noiseOf(last, 20_000))).toBe(true);
      await database.close();
      known = last;
    }
  }, 60_000);

  it('takes over from a dead process whose pid another has now', async () => {
    const dead = start();
    await dead.ask({ op: 'open', dir });
    await dead.kill();
    // Started later by more than the 10 ms in which start times are told.
    const living = start();
    expect(await living.ask({ op: 'read' })).toMatchObject({ ok: true });
    await withRaw(async (root) => {
      const owner = JSON.parse(root.get(Buffer.from('owner')) ?? '');
      expect(owner.pid).toBe(dead.pid);
      await root.put(Buffer.from('owner'), JSON.stringify({ ...owner, pid: living.pid }));
    });
    if (process.platform === 'linux') await openHere();
  });

  it.runIf(process.platform === 'linux')(
    'takes over from a process before the last boot, not from a living one',
    async () => {
      const child = start();
      await child.ask({ op: 'open', dir });
      expect((await failureOf(openHere())).code).toBe('UNAVAILABLE');
      await withRaw(async (root) => {
        const owner = JSON.parse(root.get(Buffer.from('owner')) ?? '');
        await root.put(Buffer.from('owner'), JSON.stringify({ ...owner, boot: 'another' }));
      });
      await (await openHere()).close();
      // A close by an owner that was robbed leaves the new owner alone.
      await openHere();
      await child.ask({ op: 'close' });
      const owner = start();
      expect(await owner.ask({ op: 'open', dir })).toMatchObject({ ok: false, code: 'UNAVAILABLE' });
    },
  );

  it.runIf(process.platform === 'linux')(
    'asks the kernel whether an owner of another pid namespace lives',
    async () => {
      const child = start();
      await child.ask({ op: 'open', dir });
      await withRaw(async (root) => {
        const owner = JSON.parse(root.get(Buffer.from('owner')) ?? '');
        await root.put(Buffer.from('owner'), JSON.stringify({ ...owner, namespace: 'pid:[1]' }));
      });
      expect(await failureOf(openHere())).toMatchObject({ code: 'UNAVAILABLE', details: { pid: child.pid } });
      await child.kill();
      await openHere();
    },
  );

  it('lets exactly one of two win that start at the same time, 20 times', async () => {
    const pair = [start(), start()] as const;
    for (let round = 0; round < 20; round++) {
      const folder = join(dir, String(round));
      // A new folder, one that was closed, and one whose owner died.
      if (round % 3 > 0) await (await openHere({}, folder)).close();
      if (round % 3 > 1)
        await withRaw(async (root) => {
          const token = 'dead';
          await root.put(Buffer.from('owner'), JSON.stringify({ pid: 2 ** 22 + 1, started: '1', token }));
        }, folder);
      const answers = await Promise.all(pair.map((child) => child.ask({ op: 'open', dir: folder })));
      const winner = answers.findIndex((answer) => answer?.['ok'] === true);
      expect(answers[1 - winner], `round ${round}: ${JSON.stringify(answers)}`).toMatchObject({
        ok: false,
        code: 'UNAVAILABLE',
        message: expect.stringContaining(`process ${pair[winner]?.pid} writes`),
      });
      const won = pair[winner];
      expect(await won?.ask({ op: 'commit', records: [['winner', winner]] })).toEqual({ ok: true });
      expect(await won?.ask({ op: 'close' })).toEqual({ ok: true });
    }
  }, 60_000);

  it.skipIf(process.platform === 'win32')('refuses a commit on a full disk, and goes on', async () => {
    // A limit on the size of files stands in for the end of the disk: 4 MiB or, where the shell counts in half kilobytes, 2.
    const child = start('ulimit -f 4096');
    await child.ask({ op: 'open', dir });
    const filled = await child.ask({ op: 'fill' });
    expect(filled).toMatchObject({ ok: true, code: 'UNAVAILABLE', message: expect.stringMatching(/^disk full/) });
    const count = Number(filled?.['count']);
    expect(count).toBeGreaterThan(10);
    // Once more, then: reads go on, what is dropped makes room.
    expect(await child.ask({ op: 'fill' })).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await child.ask({ op: 'read', name: 'count' })).toMatchObject({ ok: true, record: expect.any(Number) });
    const last = await child.ask({ op: 'read', key: keyOf({ x: count - 1 }) });
    expect(String(last?.['tile']).length).toBeGreaterThan(50_000);
    expect(await child.ask({ op: 'read', key: keyOf({ x: count }) })).toMatchObject({ tile: null });
    expect(await child.ask({ op: 'drop', channel: 1 })).toEqual({ ok: true });
    expect(await child.ask({ op: 'commit', tiles: [[1, 2, 3, 50_000]], records: [['after', 1]] })).toEqual({
      ok: true,
    });
    expect(await child.ask({ op: 'close' })).toEqual({ ok: true });
    expect(await child.end()).toBe(0);
    const database = await openHere();
    expect(database.record('after')).toBe(1);
    expect(sameBytes(database.tile(keyOf({ x: 1, y: 2 })), frameOf(3, 50_000))).toBe(true);
  });
});
