/**
 * What is kept: tiles and records, and what is atomic and durable about them. `lmdb-*.ts` keep it on disk,
 * `memory-database.ts` in memory for tests; both pass `test/contract/database-contract.ts`.
 */

/** Address of one stored tile. */
export interface TileKey {
  /** Number of the channel in this database, 1..2³²-1. */
  readonly channel: number;
  readonly mip: number;
  /** Index of the tile along x, y, z, counted from the level's offset; each 0..2²¹-1. */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Seq of the edit that made it; 0 = as ingested. */
  readonly version: number;
}

/** Part of a commit: a tile with its whole TILE frame (64-byte header, id 0, item 0, then the payload). */
export interface TileWrite {
  readonly key: TileKey;
  /** Borrowed until `commit` returns its promise; where the change is lent, until that settles. */
  readonly frame: Uint8Array;
}

/**
 * Stores of entries, each an ordered map from bytes to bytes: `log` the edit log and what belongs to it, `rows` the tables and their
 * spatial index. Layouts of the keys: `keys.ts`.
 */
export type EntryStore = 'log' | 'rows';

/** An entry to write. Both are borrowed until `commit` returns its promise; where the change is lent, until that settles. */
export interface EntryWrite {
  readonly store: EntryStore;
  readonly key: Uint8Array;
  /** Null removes the entry. */
  readonly value: Uint8Array | null;
}

/** Which entries to read. */
export interface EntryRange {
  /** First key. */
  readonly start: Uint8Array;
  /** Key behind the last. */
  readonly end: Uint8Array;
  /** From the last to the first. */
  readonly reverse?: boolean;
  readonly limit?: number;
  /**
   * Ends with the entry with which the values read have so many bytes together: no more than one beyond it is ever read. At least one
   * entry is given, whatever its size. Of no account where no values are read.
   */
  readonly maxBytes?: number;
}

/** Things that are written together or not at all. */
export interface Change {
  readonly tiles?: readonly TileWrite[];
  /** Records by name; null removes one. Values are JSON. */
  readonly records?: readonly (readonly [name: string, value: unknown])[];
  /** Entries, in order: of two with the same key the later counts. */
  readonly entries?: readonly EntryWrite[];
  /** Nobody writes to the bytes of its tiles and entries before the commit has settled: they need not be copied. */
  readonly isLent?: boolean;
}

/** The store of one server. */
export interface Database {
  /**
   * The newest stored version of a tile that is not above `key.version`.
   *
   * @returns borrowed bytes of the whole frame, valid until the next call of any method; the caller may write over its
   *   first 64 bytes. Undefined where there is none.
   */
  tileBorrowed(key: TileKey): Uint8Array | undefined;
  /** The same, owned by the caller. */
  tile(key: TileKey): Uint8Array | undefined;
  /** Whether exactly this version is stored. */
  hasTile(key: TileKey): boolean;
  /** Number of stored tiles of a channel's level, all versions. Scans keys. */
  countTiles(channel: number, mip: number): number;
  /** A record's value, parsed. */
  record(name: string): unknown;
  /** Names and values of all records whose name begins with `prefix`, ascending. */
  records(prefix: string): readonly (readonly [name: string, value: unknown])[];
  /** An entry's value, owned by the caller. */
  entry(store: EntryStore, key: Uint8Array): Uint8Array | undefined;
  /** Entries of a range in order of their keys, read before the call returns; keys and values are owned by the caller. */
  entries(store: EntryStore, range: EntryRange): (readonly [key: Uint8Array, value: Uint8Array])[];
  /** Keys of a range, as `entries` but without a look at the values, however large they are; owned by the caller. */
  entryKeys(store: EntryStore, range: EntryRange): Uint8Array[];
  /** Number of entries in a range. Scans keys. */
  countEntries(store: EntryStore, range: EntryRange): number;
  /**
   * Removes all entries of a range that were committed before the call, in many small commits. What is written into the range meanwhile
   * may be removed or stay.
   */
  dropEntries(store: EntryStore, range: EntryRange): Promise<void>;
  /**
   * Writes a change atomically. Resolves when it is committed, visible and on the disk. Commits become visible, and resolve, in the order
   * of the calls. Nothing of a change that is refused for what is in it is written.
   *
   * Commits that wait for the disk at the same time may share a transaction. Where writing fails, all that share it fail, and nothing of
   * any of them is written; those behind them are tried by themselves and may succeed. So a commit that holds only after an earlier one
   * is called when that has resolved.
   *
   * @throws BflyError UNAVAILABLE where it could not be written: the database stays usable
   */
  commit(change: Change): Promise<void>;
  /** Resolves when everything committed so far would survive a power cut. */
  flushed(): Promise<void>;
  /** Removes all that is kept under a channel's number: tiles, log and rows. As `dropEntries`, and the methods that follow too. */
  dropChannel(channel: number): Promise<void>;
  /** Removes all tiles of a channel: they are made anew from its source and the log. */
  dropTiles(channel: number): Promise<void>;
  /** Removes the tiles of a channel whose version is above 0: they are made anew from the log. */
  dropEditedTiles(channel: number): Promise<void>;
  /**
   * Writes a consistent copy of the whole store, as it is at this moment, into a folder that is empty or missing, while reads and writes
   * go on. @throws BflyError CONFLICT where the folder is not empty, UNSUPPORTED for a store in memory.
   */
  backup(dir: string): Promise<void>;
  /** Flushes and closes. No other method may follow. */
  close(): Promise<void>;
}
