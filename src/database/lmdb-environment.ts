/**
 * One LMDB environment: finds out what is in a folder before anything is changed, marks it as Butterfly's, and lets one process write.
 *
 * Files in the folder: `butterfly.mdb`, and `butterfly.mdb-lock`, which LMDB makes anew where it is missing. Other files are left alone.
 * The main database holds, besides the names of the sub-databases:
 * - `bfly`, the header: `{"magic":"bfly","format":1}`;
 * - `owner`, the process that writes or was the last to, see `Owner`.
 */
import { mkdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database as LmdbStore, open, type RootDatabase } from 'lmdb';
import { BflyError } from '../../protocol/errors.ts';
import type { Logger } from '../utility/log.ts';
import type { EntryStore } from './database.ts';
import type { LmdbEntries } from './lmdb-entries.ts';
import { reasonOf } from './lmdb-failure.ts';
import { type FileState, inspectFile, padFile } from './lmdb-file.ts';
import { isOwning, isRunning, type Owner, ownerNow, parseJson, parseOwner } from './lmdb-owner.ts';

/** Name of the database file in its folder. */
export const DATABASE_FILE = 'butterfly.mdb';
/** What this version reads and writes. */
export const FORMAT_VERSION = 1;
const MAGIC = 'bfly';
const HEADER = 'bfly';
const OWNER = 'owner';
const HEADER_KEY = Buffer.from(HEADER);
const OWNER_KEY = Buffer.from(OWNER);
/** More than the one small transaction that gives up ownership can take. */
const CLOSING_PAGES = 64;
/** More than closing takes after ownership has been given up. */
const SETTLING_MS = 50;

/** How to open an environment. */
export interface LmdbOptions {
  /** Reads only: beside a writer too, whose commits are seen. Needs a database that exists. */
  readonly readOnly?: boolean;
  /** Bytes of address space to map at first. The map grows by itself: a hint, no limit. */
  readonly mapSizeBytes?: number;
  readonly log?: Logger;
}

/** An open environment and its sub-databases; keys are bytes, see `keys.ts`. */
export interface LmdbEnvironment {
  readonly root: RootDatabase<string, Uint8Array>;
  readonly tiles: LmdbEntries;
  /** The same, for tiles that are written as they are: each value says itself whether it is compressed. */
  readonly plainTiles: LmdbEntries;
  readonly edited: LmdbEntries;
  readonly records: LmdbStore<string, Uint8Array>;
  /** Stores of entries by name; undefined where a reader finds a database that has not got this one yet. */
  entries(store: EntryStore): LmdbEntries | undefined;
  /** Gives up ownership; the environment can still be read. */
  release(): void;
  /** Closes the files. */
  close(): Promise<void>;
}

/**
 * Opens a folder's environment.
 *
 * @throws UNSUPPORTED where the file is not a Butterfly database of a known format, UNAVAILABLE where another process writes it or
 *   the system refuses, NOT_FOUND where there is nothing to read. Nothing is changed then.
 */
export async function openEnvironment(dir: string, options: LmdbOptions): Promise<LmdbEnvironment> {
  try {
    return options.readOnly === true ? await openToRead(dir, options) : await openToWrite(dir, options);
  } catch (cause) {
    if (cause instanceof BflyError) throw cause;
    const { code } = cause as { code?: unknown };
    // LMDB's own codes, as against the system's: what it found in the file is not what it should be.
    if (typeof code === 'number' && code <= -30000) throw unsupported(`LMDB refuses ${DATABASE_FILE}`, 'restore it');
    // LMDB finds no place among its readers for a process with the pid of one in another container, nor with a lock file whose last user
    // was closing it at this very moment.
    if (reasonOf(cause).includes('No transaction to renew')) throw lockedOut(cause);
    throw new BflyError('UNAVAILABLE', `the database could not be opened (${reasonOf(cause)})`, { cause });
  }
}

/** The folder as one name for it, made where it is to be written. */
export async function prepareFolder(dir: string, readOnly: boolean): Promise<string> {
  try {
    if (!readOnly) await mkdir(dir, { recursive: true });
    const real = await realpath(dir);
    if (!(await stat(real)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    return real;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new BflyError('UNSUPPORTED', 'the data folder is a file: choose another --data', { cause });
    if (code === 'ENOENT') throw nothingToRead();
    throw new BflyError('UNAVAILABLE', `the data folder cannot be used (${reasonOf(cause)})`, { cause });
  }
}

/** UNAVAILABLE because another process, or this one, writes. */
export function ownedBy(pid: number): BflyError {
  return new BflyError('UNAVAILABLE', `process ${pid} writes this database: stop it or choose another --data`, {
    details: { pid },
  });
}

async function openToRead(dir: string, options: LmdbOptions): Promise<LmdbEnvironment> {
  const file = join(dir, DATABASE_FILE);
  const state = await inspectSettled(file);
  if (!isOurs(state)) throw nothingToRead();
  const root = openRoot(file, options);
  try {
    if (state.short && !isOwned(root))
      throw new BflyError('UNAVAILABLE', 'the database was not closed: open it for writing once, which mends it');
    return openStores(root, () => {});
  } catch (error) {
    await root.close();
    throw error;
  }
}

async function openToWrite(dir: string, options: LmdbOptions): Promise<LmdbEnvironment> {
  const file = join(dir, DATABASE_FILE);
  const state = await inspectSettled(file);
  const known = isOurs(state) ? parseOwner(state.entries.get(OWNER)) : undefined;
  // Before LMDB is opened where that is plain to see; `claim` decides.
  if (known !== undefined && isOwning(known, noReaders)) throw ownedBy(known.pid);
  const owner = ownerNow();
  const root = openRoot(file, options);
  try {
    const previous = claim(root, owner);
    if (previous?.closed === null) options.log?.warn({ pid: previous.pid }, 'took over a database that was not closed');
    if (state.short) padFile(file, 0);
    return openStores(root, () => release(root, file, owner));
  } catch (error) {
    await root.close();
    throw error;
  }
}

/**
 * Looks at a file, and once more a little later where its last owner has given it up and still runs: it may be closing it now, and who
 * opens LMDB's lock file in the microseconds in which its last user closes it cannot use it.
 */
async function inspectSettled(file: string): Promise<FileState> {
  const state = inspectFile(file);
  const owner = parseOwner(state.entries.get(OWNER));
  if (owner === undefined || owner.closed === null || owner.pid === process.pid || !isRunning(owner, noReaders))
    return state;
  await delay(SETTLING_MS);
  return inspectFile(file);
}

const noReaders = (): ReadonlySet<number> => new Set();

/** Whether a file is a database of Butterfly's, as against none yet. Refuses what cannot be used. */
function isOurs({ kind, short, entries }: FileState): boolean {
  if (kind === 'absent') return false;
  if (kind === 'foreign') throw notOurs();
  if (kind === 'damaged') throw cutShort();
  if (!hasHeader(entries.get(HEADER), entries.size === 0)) return false;
  const owner = parseOwner(entries.get(OWNER));
  if (short && (owner === undefined || owner.closed === 'whole')) throw cutShort();
  return true;
}

/**
 * Whether a main database has our header, as against nothing at all.
 *
 * @throws UNSUPPORTED where it has anything else
 */
function hasHeader(text: string | undefined, empty: boolean): boolean {
  if (empty) return false;
  const header = parseJson(text) as { magic?: unknown; format?: unknown } | null | undefined;
  const format = header?.format;
  if (header?.magic !== MAGIC || typeof format !== 'number' || !Number.isInteger(format) || format < 1) throw notOurs();
  if (format <= FORMAT_VERSION) return true;
  const found = `the database has format ${format} and this Butterfly reads up to ${FORMAT_VERSION}`;
  throw unsupported(found, 'use a newer Butterfly');
}

/**
 * Makes this process the owner, and the database Butterfly's where it is new. LMDB's write lock, which holds for all processes
 * and which the kernel frees when one dies, makes looking and setting one step.
 *
 * @returns the owner that had died, where there was one
 */
function claim(root: RootDatabase<string, Uint8Array>, owner: Owner): Owner | undefined {
  return root.transactionSync(() => {
    const isNew = !hasHeader(root.get(HEADER_KEY), isEmpty(root));
    const previous = parseOwner(root.get(OWNER_KEY));
    if (previous !== undefined && isOwning(previous, () => readerPids(root))) throw ownedBy(previous.pid);
    if (isNew) root.putSync(HEADER_KEY, JSON.stringify({ magic: MAGIC, format: FORMAT_VERSION }));
    root.putSync(OWNER_KEY, JSON.stringify(owner));
    return previous;
  });
}

function isEmpty(root: RootDatabase<string, Uint8Array>): boolean {
  for (const _ of root.getKeys({ limit: 1 })) return false;
  return true;
}

function isOwned(root: RootDatabase<string, Uint8Array>): boolean {
  const owner = parseOwner(root.get(OWNER_KEY));
  return owner !== undefined && isOwning(owner, () => readerPids(root));
}

/** Gives up ownership. */
function release(root: RootDatabase<string, Uint8Array>, file: string, owner: Owner): void {
  let closed: Owner['closed'] = 'whole';
  try {
    padFile(file, CLOSING_PAGES);
  } catch {
    // No room: the note tells the next owner that the file may rightly be short.
    closed = 'short';
  }
  root.transactionSync(() => {
    if (parseOwner(root.get(OWNER_KEY))?.token === owner.token)
      root.putSync(OWNER_KEY, JSON.stringify({ ...owner, closed }));
  });
}

/** Makes a copy of a database, which nobody has open, one that its owner closed: what it says of an owner holds for the original. */
export async function markClosed(file: string): Promise<void> {
  const root = openRoot(file, {});
  try {
    const owner = parseOwner(root.get(OWNER_KEY));
    if (owner !== undefined) release(root, file, owner);
  } finally {
    await root.close();
  }
}

function openRoot(file: string, options: LmdbOptions): RootDatabase<string, Uint8Array> {
  return open<string, Uint8Array>({
    path: file,
    noSubdir: true,
    readOnly: options.readOnly === true,
    keyEncoding: 'binary',
    encoding: 'string',
    maxDbs: 16,
    // A commit is on the disk before it is seen: who hears of an edit hears of one that no power cut undoes. No slower, as measured.
    overlappingSync: false,
    // With it, a failed commit also rejects a promise that nobody can catch, which ends the process.
    eventTurnBatching: false,
    ...(options.mapSizeBytes === undefined ? {} : { mapSize: options.mapSizeBytes }),
  });
}

function openStores(root: RootDatabase<string, Uint8Array>, release: () => void): LmdbEnvironment {
  const bytes = { keyEncoding: 'binary', encoding: 'binary' } as const;
  // An object of its own, since `true` shares one buffer of read bytes among all open databases.
  const tiles = root.openDB<Uint8Array, Uint8Array>('tiles', { ...bytes, compression: {} });
  const plainTiles = root.openDB<Uint8Array, Uint8Array>('tiles', { ...bytes, compression: { threshold: 2 ** 31 } });
  const edited = root.openDB<Uint8Array, Uint8Array>('edited', bytes);
  const records = root.openDB<string, Uint8Array>('records', { keyEncoding: 'binary', encoding: 'string' });
  const log = root.openDB<Uint8Array, Uint8Array>('log', bytes);
  // lmdb returns undefined, against its types, for what a reader does not find.
  if ([tiles, edited, records, log].includes(undefined as never)) throw nothingToRead();
  // Databases of before there were tables have no `rows` until they are opened for writing.
  const openRows = (): LmdbEntries | undefined => root.openDB('rows', bytes);
  let rows = openRows();
  const entries = (store: EntryStore): LmdbEntries | undefined => {
    if (store === 'log') return log;
    rows ??= openRows();
    return rows;
  };
  // Any read takes a place in LMDB's table of readers, by which other processes see that this one lives.
  root.get(HEADER_KEY);
  return { root, tiles, plainTiles, edited, records, entries, release, close: async () => await root.close() };
}

/** Pids in LMDB's table of readers, without those whose lock the kernel has freed. */
function readerPids(root: RootDatabase<string, Uint8Array>): ReadonlySet<number> {
  root.readerCheck();
  const lines = root.readerList().split('\n');
  return new Set(lines.map((line) => Number.parseInt(line, 10)).filter((pid) => pid > 0));
}

function unsupported(found: string, advice: string): BflyError {
  return new BflyError('UNSUPPORTED', `${found}: ${advice} or choose another --data`);
}

function notOurs(): BflyError {
  return unsupported(`${DATABASE_FILE} in the data folder is no Butterfly database, or was cut short`, 'move it away');
}

function cutShort(): BflyError {
  return unsupported('the database file was cut short', 'restore it from a copy');
}

function nothingToRead(): BflyError {
  return new BflyError('NOT_FOUND', 'the data folder holds no database yet: open it for writing first');
}

function lockedOut(cause: unknown): BflyError {
  const message = 'another container uses this database, or it was just closing: stop that, then start again';
  return new BflyError('UNAVAILABLE', message, { cause });
}
