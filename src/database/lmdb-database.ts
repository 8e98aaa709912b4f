/** The store on disk. Layouts in `keys.ts`, opening and ownership in `lmdb-environment.ts`. */
import { setImmediate } from 'node:timers/promises';
import { BflyError } from '../../protocol/errors.ts';
import type { Logger } from '../utility/log.ts';
import { isCompressible } from './compressible.ts';
import type { Change, Database, EntryRange, EntryStore, TileKey } from './database.ts';
import {
  channelKey,
  isSameTile,
  type KeyRange,
  logRange,
  rowsRange,
  TILE_KEY_BYTES,
  TILE_VERSION_OFFSET,
  tileKey,
  tileRange,
} from './keys.ts';
import { copyEnvironment } from './lmdb-backup.ts';
import { countEntries, type LmdbEntries, readEntries, readEntry, readEntryKeys } from './lmdb-entries.ts';
import { type LmdbEnvironment, type LmdbOptions, openEnvironment, ownedBy, prepareFolder } from './lmdb-environment.ts';
import { reasonOf, writeFailure } from './lmdb-failure.ts';
import { checkEntryKey, checkEntryRange, type PreparedChange, prepareChange, recordKey } from './prepare-change.ts';

/** Tiles removed by one transaction: a few milliseconds of the event loop. */
const DROP_BATCH = 512;
const MARK = Uint8Array.of(1);
/** A commit that takes longer is told of: lmdb never settles one whose transaction could not begin, after an I/O error on a meta page. */
const LATE_MS = 10_000;
const LATE =
  'a commit has not ended: the disk is very slow, or fails; if this lasts, stop the server, see to the disk, start it again';

/** Environments that this process has open, by folder: LMDB must not open one file twice in a process. */
interface OpenFolder {
  readonly environment: Promise<LmdbEnvironment>;
  readonly writable: boolean;
  users: number;
}
const openFolders = new Map<string, OpenFolder>();

/**
 * Opens the store in a folder, which is made where it is missing. One process writes; others may read beside it.
 *
 * @throws UNAVAILABLE with the pid where another process, or this one, already writes, or the system refuses; UNSUPPORTED where the
 *   folder's `butterfly.mdb` is not a database of a format known here; NOT_FOUND where there is none to read. Nothing is changed then.
 */
export async function openLmdbDatabase(dir: string, options: LmdbOptions = {}): Promise<Database> {
  const readOnly = options.readOnly === true;
  const folder = await prepareFolder(dir, readOnly);
  let entry = openFolders.get(folder);
  if (entry !== undefined && !readOnly)
    throw entry.writable
      ? ownedBy(process.pid)
      : new BflyError('UNAVAILABLE', 'this process reads the database: close that before opening it for writing');
  if (entry === undefined) {
    entry = { environment: openEnvironment(folder, options), writable: !readOnly, users: 0 };
    openFolders.set(folder, entry);
  }
  const { environment } = entry;
  entry.users++;
  try {
    const leave = async (): Promise<void> => await leaveFolder(folder, environment);
    return new LmdbDatabase(await environment, readOnly, leave, options.log);
  } catch (error) {
    if (openFolders.get(folder)?.environment === environment) openFolders.delete(folder);
    throw error;
  }
}

async function leaveFolder(folder: string, environment: Promise<LmdbEnvironment>): Promise<void> {
  const entry = openFolders.get(folder);
  if (entry?.environment !== environment || --entry.users > 0) return;
  await (await environment).close();
  openFolders.delete(folder);
}

class LmdbDatabase implements Database {
  readonly #env: LmdbEnvironment;
  readonly #readOnly: boolean;
  readonly #leave: () => Promise<void>;
  readonly #log: Logger | undefined;
  readonly #key = new Uint8Array(TILE_KEY_BYTES);
  /** Channels with a tile of a version above 0, or that may have one: only there is the newest version looked for. */
  readonly #edited = new Set<number>();
  readonly #pending = new Set<Promise<unknown>>();
  /** Backups under way, which only `close` waits for. */
  readonly #copies = new Set<Promise<unknown>>();
  /** The bytes last lent: LMDB reads into one place, so that tiles of one size need one view. */
  #lent: Uint8Array = new Uint8Array(0);
  #closing: Promise<void> | undefined;

  constructor(env: LmdbEnvironment, readOnly: boolean, leave: () => Promise<void>, log: Logger | undefined) {
    this.#env = env;
    this.#readOnly = readOnly;
    this.#leave = leave;
    this.#log = log;
    for (const key of env.edited.getKeys()) this.#edited.add(new DataView(key.buffer, key.byteOffset).getUint32(0));
  }

  tileBorrowed(key: TileKey): Uint8Array | undefined {
    this.#check();
    const at = this.#newest(key);
    const bytes = at === undefined ? undefined : this.#env.tiles.getBinaryFast(at);
    return bytes === undefined ? undefined : this.#lend(bytes);
  }

  tile(key: TileKey): Uint8Array | undefined {
    return this.tileBorrowed(key)?.slice();
  }

  hasTile(key: TileKey): boolean {
    this.#check();
    const at = tileKey(key, this.#key);
    for (const found of this.#env.tiles.getKeys({ start: at, limit: 1 })) return Buffer.compare(found, at) === 0;
    return false;
  }

  countTiles(channel: number, mip: number): number {
    this.#check();
    return this.#env.tiles.getKeysCount({ ...tileRange(channel, mip) });
  }

  record(name: string): unknown {
    this.#check();
    const text = this.#env.records.get(recordKey(name));
    return text === undefined ? undefined : JSON.parse(text);
  }

  records(prefix: string): readonly (readonly [name: string, value: unknown])[] {
    this.#check();
    const found: [string, unknown][] = [];
    const start = Buffer.from(prefix);
    for (const { key, value } of this.#env.records.getRange(start.length === 0 ? {} : { start })) {
      const name = Buffer.from(key).toString('utf8');
      if (!name.startsWith(prefix)) break;
      found.push([name, JSON.parse(value)]);
    }
    return found;
  }

  entry(store: EntryStore, key: Uint8Array): Uint8Array | undefined {
    this.#check();
    checkEntryKey(key);
    const entries = this.#env.entries(store);
    return entries && readEntry(entries, key);
  }

  entries(store: EntryStore, range: EntryRange): (readonly [key: Uint8Array, value: Uint8Array])[] {
    this.#check();
    const entries = this.#env.entries(store);
    return checkEntryRange(range) && entries !== undefined ? readEntries(entries, range) : [];
  }

  entryKeys(store: EntryStore, range: EntryRange): Uint8Array[] {
    this.#check();
    const entries = this.#env.entries(store);
    return checkEntryRange(range) && entries !== undefined ? readEntryKeys(entries, range) : [];
  }

  countEntries(store: EntryStore, range: EntryRange): number {
    this.#check();
    const entries = this.#env.entries(store);
    return checkEntryRange(range) && entries !== undefined ? countEntries(entries, range) : 0;
  }

  async dropEntries(store: EntryStore, range: EntryRange): Promise<void> {
    this.#check();
    this.#checkWritable();
    const entries = this.#env.entries(store);
    if (checkEntryRange(range) && entries !== undefined) await this.#drop(entries, range);
  }

  async commit(change: Change): Promise<void> {
    this.#check();
    this.#checkWritable();
    const prepared = prepareChange(change, true);
    const { tiles, records, entries } = prepared;
    if (tiles.length + records.length + entries.length > 0) await this.#write(() => this.#put(prepared));
  }

  async flushed(): Promise<void> {
    this.#check();
    // A commit resolves when it is on the disk, so what has been promised is all there is to wait for.
    await Promise.allSettled(this.#pending);
  }

  async dropChannel(channel: number): Promise<void> {
    this.#check();
    this.#checkWritable();
    await this.dropTiles(channel);
    await this.dropEntries('log', logRange(channel));
    await this.dropEntries('rows', rowsRange(channel));
  }

  async dropTiles(channel: number): Promise<void> {
    this.#check();
    this.#checkWritable();
    await this.#drop(this.#env.tiles, tileRange(channel));
  }

  async dropEditedTiles(channel: number): Promise<void> {
    this.#check();
    this.#checkWritable();
    await this.#drop(this.#env.tiles, tileRange(channel), isEditedTile);
  }

  async backup(dir: string): Promise<void> {
    this.#check();
    await track(this.#copies, copyEnvironment(this.#env.root, dir));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#pending, ...this.#copies]);
    try {
      if (!this.#readOnly) this.#env.release();
    } catch (error) {
      // All that was promised is kept; who opens next finds an owner that is gone.
      this.#log?.warn({ reason: reasonOf(error) }, 'the database closed without giving up ownership');
    }
    await this.#leave();
  }

  /** Removes the keys of a range, or those of them that are `doomed`, after all that was asked for before. */
  async #drop(
    store: LmdbEntries,
    { start, end }: KeyRange,
    doomed: (key: Uint8Array) => boolean = () => true,
  ): Promise<void> {
    await Promise.allSettled(this.#pending);
    for (let next = start, isFirst = true; ; isFirst = false) {
      this.#check();
      const keys = [...store.getKeys({ start: next, end, exclusiveStart: !isFirst, limit: DROP_BATCH })];
      const last = keys.at(-1);
      if (last === undefined) return;
      const gone = keys.filter(doomed);
      // Each step waits for its commit, or a turn of the event loop, which leaves that to others.
      if (gone.length === 0) await setImmediate();
      else
        await this.#write(() => {
          for (const key of gone) store.remove(key);
        });
      next = last;
    }
  }

  /** Key of the newest version not above `key.version`; in channels never edited only version 0 can be there. */
  #newest(key: TileKey): Uint8Array | undefined {
    const at = tileKey(key, this.#key);
    if (!this.#isEdited(key.channel)) return key.version === 0 ? at : at.fill(0, TILE_VERSION_OFFSET);
    for (const found of this.#env.tiles.getKeys({ start: at, reverse: true, limit: 1 }))
      return isSameTile(found, at) ? found : undefined;
    return undefined;
  }

  #isEdited(channel: number): boolean {
    if (this.#edited.has(channel)) return true;
    if (!this.#readOnly || !this.#env.edited.doesExist(channelKey(channel))) return false;
    this.#edited.add(channel);
    return true;
  }

  /** A view of what LMDB has read. */
  #lend(bytes: Buffer & { readonly isGlobal?: boolean }): Uint8Array {
    const { length } = bytes;
    // lmdb may hand out its own pages, which are read-only memory, for values above 16 MiB that it keeps uncompressed.
    if (bytes.isGlobal !== true) return new Uint8Array(bytes);
    const lent = this.#lent;
    if (lent.buffer === bytes.buffer && lent.length === length && lent.byteOffset === bytes.byteOffset) return lent;
    // lmdb overwrites `length` of a longer buffer: only a view of its own has the tile's length for everybody.
    this.#lent = new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    return this.#lent;
  }

  /** Queues a change; called inside a batch, so that its parts share a transaction. */
  #put({ tiles, records, entries }: PreparedChange): void {
    const env = this.#env;
    for (const { key, frame, channel, version } of tiles) {
      if (version > 0) {
        // Before it is visible: to look in vain costs a microsecond, not to look would hide an edit. Also where the mark is known,
        // since the transaction that carried it may have failed.
        this.#edited.add(channel);
        env.edited.put(channelKey(channel), MARK);
      }
      (isCompressible(frame) ? env.tiles : env.plainTiles).put(key, frame);
    }
    for (const { name, text } of records) {
      if (text === undefined) env.records.remove(name);
      else env.records.put(name, text);
    }
    for (const { store, key, value } of entries) {
      if (value === null) env.entries(store)?.remove(key);
      else env.entries(store)?.put(key, value);
    }
  }

  async #write(queue: () => void): Promise<void> {
    const watch = setTimeout(() => this.#log?.error({ seconds: LATE_MS / 1000 }, LATE), LATE_MS);
    watch.unref();
    try {
      // One block of lmdb's: never parted between two transactions.
      await track(this.#pending, this.#env.root.batch(queue));
    } catch (error) {
      throw await writeFailure(error, this.#log);
    } finally {
      clearTimeout(watch);
    }
  }

  #checkWritable(): void {
    if (this.#readOnly) throw new BflyError('READ_ONLY', 'the database is open for reading only');
  }

  #check(): void {
    if (this.#closing !== undefined) throw new BflyError('UNAVAILABLE', 'the database is closed: open it again');
  }
}

/** Keeps a promise in a set while it is open. */
async function track(open: Set<Promise<unknown>>, promise: Promise<unknown>): Promise<void> {
  open.add(promise);
  try {
    await promise;
  } finally {
    open.delete(promise);
  }
}

function isEditedTile(key: Uint8Array): boolean {
  for (let i = TILE_VERSION_OFFSET; i < TILE_KEY_BYTES; i++) if (key[i] !== 0) return true;
  return false;
}
