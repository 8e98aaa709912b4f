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
  /** Borrowed until `commit` returns its promise. */
  readonly frame: Uint8Array;
}

/** Things that are written together or not at all. */
export interface Change {
  readonly tiles?: readonly TileWrite[];
  /** Records by name; null removes one. Values are JSON. */
  readonly records?: readonly (readonly [name: string, value: unknown])[];
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
  /** Writes a change atomically. Resolves when it is committed and visible. */
  commit(change: Change): Promise<void>;
  /** Resolves when everything committed so far would survive a power cut. */
  flushed(): Promise<void>;
  /** Removes all tiles of a channel. */
  dropChannel(channel: number): Promise<void>;
  /** Flushes and closes. No other method may follow. */
  close(): Promise<void>;
}
