/** Reads the edits of one path from the store. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Database } from '../../database/database.ts';
import { LogKind, logDeltaKey, logRange, logRecordKey, logSeq, logTilesKey } from '../../database/keys.ts';
import { type ChangedTiles, decodeTiles } from './delta-entries.ts';
import { decodeRecord, publicPartOf } from './edit-record.ts';
import type { EditOutcome, LoggedRecord } from './edit-request.ts';

/** An edit's value in the log. */
export interface StoredEdit {
  readonly seq: number;
  /** Owned. */
  readonly value: Uint8Array;
}

/** Edits of one path. */
export class LogReader {
  readonly #database: Database;
  readonly #path: number;

  /** @param path the path's number in the log. */
  constructor(database: Database, path: number) {
    this.#database = database;
    this.#path = path;
  }

  /** Seq of the last edit in the store, 0 for none. */
  last(): number {
    const range = { ...logRange(this.#path, LogKind.RECORD), reverse: true, limit: 1 };
    const [found] = this.#database.entryKeys('log', range);
    return found === undefined ? 0 : logSeq(found);
  }

  /** An edit's value as it is stored; undefined where there is none. Owned. */
  value(seq: number): Uint8Array | undefined {
    return this.#database.entry('log', logRecordKey(this.#path, seq));
  }

  /** An edit. @throws INTERNAL where the log has none of this seq. */
  record(seq: number): LoggedRecord & { readonly status: EditOutcome['status'] } {
    const value = this.value(seq);
    if (value === undefined) throw new BflyError('INTERNAL', `edit ${seq} is missing in the log`);
    return decodeRecord(value);
  }

  /**
   * Edits behind `after`, ascending, at most `limit`, not above `upto`. Ends with the one with which they have `maxBytes`, so that large
   * edits come one by one: whether more follow, the next page tells.
   */
  page(
    after: number,
    limit: number,
    upto: number = Number.MAX_SAFE_INTEGER - 1,
    maxBytes: number = Number.POSITIVE_INFINITY,
  ): StoredEdit[] {
    if (after >= upto) return [];
    const bounds = { start: logRecordKey(this.#path, after + 1), end: logRecordKey(this.#path, upto + 1) };
    const found = this.#database.entries('log', { ...bounds, limit, maxBytes });
    return found.map(([key, value]) => ({ seq: logSeq(key), value }));
  }

  /** The first edit that has entries of a kind; infinite where there is none. */
  firstWith(kind: number): number {
    const [found] = this.#database.entryKeys('log', { ...logRange(this.#path, kind), limit: 1 });
    return found === undefined ? Number.POSITIVE_INFINITY : logSeq(found);
  }

  /** Edits up to a seq that changed voxels behind another one, ascending, at most `limit`, and which tiles, by part. */
  tiles(after: number, upto: number, limit: number): ChangedTiles[] {
    const range = { start: logTilesKey(this.#path, after + 1), end: logTilesKey(this.#path, upto + 1), limit };
    return this.#database.entries('log', range).map(([key, value]) => decodeTiles(value, logSeq(key)));
  }

  /** The stored delta of one edit on one tile. @throws INTERNAL where it is missing. */
  delta(seq: number, part: number): Uint8Array {
    const bytes = this.#database.entry('log', logDeltaKey(this.#path, seq, part));
    if (bytes === undefined) throw new BflyError('INTERNAL', `the voxels of edit ${seq} are missing in the log`);
    return bytes;
  }

  /** An edit's map as others get it; owned. */
  publicPart(seq: number): Uint8Array | undefined {
    const value = this.value(seq);
    return value === undefined ? undefined : publicPartOf(value);
  }
}
