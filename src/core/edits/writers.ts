/** Writers of a path: who they are, and what became of their edits. Rules [E2], [E14], [E15]. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import { LogKind, logRange, logWriterKey } from '../../database/keys.ts';
import { shortHash } from './edit-record.ts';
import { type WriterResult, WriterRing } from './writer-ring.ts';

/** Writers that are held in memory; the others are read again from the log when they come back. */
const REMEMBERED = 4_096;
/** A writer that was idle for so long is forgotten, ms: 30 days. */
const IDLE_MS = 30 * 24 * 3_600_000;
/** Writers that are read at once. */
const PAGE = 256;

/** A writer as the server knows it. */
export interface Writer {
  /** 16 bytes. */
  readonly wid: Uint8Array;
  /** What others see of the wid: 4 bytes. */
  readonly w: Uint8Array;
  /** Id of the user whose edits these are. */
  readonly user: string;
  /** The last wseq applied, 0 for none. */
  last: number;
  /** Milliseconds since 1970 of the last edit. */
  time: number;
  readonly results: WriterRing;
  /** Applied edits that are not in the store yet. */
  pending: number;
}

/** Knows the writers of one path. */
export class Writers {
  readonly #database: Database;
  readonly #path: number;
  readonly #known = new Map<string, Writer>();
  readonly #limit: number;
  /** Writers of each user. */
  readonly #counts = new Map<string, number>();

  private constructor(database: Database, path: number, limit: number) {
    this.#database = database;
    this.#path = path;
    this.#limit = limit;
  }

  /**
   * The writers of a path. Those that were idle for 30 days are forgotten.
   *
   * @param path the path's number in the log.
   * @param limit writers that a user may have.
   * @param now milliseconds since 1970.
   */
  static async open(database: Database, path: number, limit: number, now: number): Promise<Writers> {
    const writers = new Writers(database, path, limit);
    const { start, end } = logRange(path, LogKind.WRITER);
    for (let from = start; ; ) {
      const page = database.entries('log', { start: from, end, limit: PAGE });
      const idle: Uint8Array[] = [];
      for (const [key, value] of page) {
        const { user, time } = headOf(Buffer.from(value.buffer, value.byteOffset, value.length));
        if (now - time > IDLE_MS) idle.push(key);
        else writers.#counts.set(user, (writers.#counts.get(user) ?? 0) + 1);
      }
      if (idle.length > 0) await database.commit({ entries: idle.map((key) => ({ store: 'log', key, value: null })) });
      const last = page[page.length - 1];
      if (page.length < PAGE || last === undefined) return writers;
      from = Uint8Array.of(...last[0], 0);
    }
  }

  /** A writer, if it ever wrote. */
  find(wid: Uint8Array): Writer | undefined {
    const name = nameOf(wid);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const loaded = this.#load(wid);
    if (loaded !== undefined) this.#remember(name, loaded);
    return loaded;
  }

  /**
   * Decides over an EDIT: rules [E13] (2, 3) and [E14].
   *
   * @returns the result of the same edit, where it was applied before; undefined for a new one.
   * @throws FORBIDDEN for another user's writer; WSEQ_REUSED; REJECTED.
   */
  admit(wid: Uint8Array, user: string, wseq: number, digest: string): WriterResult | undefined {
    const writer = this.find(wid);
    if (writer === undefined) return undefined;
    if (writer.user !== user) throw new BflyError('FORBIDDEN', 'the wid belongs to another user: take a new one');
    if (wseq > writer.last) return undefined;
    const result = writer.results.find(wseq);
    if (result === undefined)
      throw new BflyError(
        'REJECTED',
        `wseq ${wseq} was not applied, and ${writer.last} was: send the ops under a new one`,
      );
    if (result.digest !== digest)
      throw new BflyError('WSEQ_REUSED', `wseq ${wseq} was given to other ops: take a new wid`);
    return result;
  }

  /** @throws LIMIT where a user's writer would be one too many. */
  checkRoom(wid: Uint8Array, user: string): void {
    if ((this.#counts.get(user) ?? 0) < this.#limit || this.find(wid) !== undefined) return;
    throw new BflyError(
      'LIMIT',
      `a user may have ${this.#limit} writers on a path: go on with the wid of an earlier one`,
    );
  }

  /** A user's writer, made where it never wrote. It is bound to the user with its first edit. */
  of(wid: Uint8Array, user: string): Writer {
    const found = this.find(wid);
    if (found !== undefined) return found;
    this.#counts.set(user, (this.#counts.get(user) ?? 0) + 1);
    const writer = { wid, w: shortHash(wid, 4), user, last: 0, time: 0, results: new WriterRing(), pending: 0 };
    this.#remember(nameOf(wid), writer);
    return writer;
  }

  /** Notes an applied edit. */
  applied(writer: Writer, result: WriterResult, time: number): void {
    writer.pending++;
    writer.last = result.wseq;
    writer.time = time;
    writer.results.add(result);
  }

  /** What the log keeps of a writer; written once a commit, after its last edit in it. */
  entryOf({ wid, user, last, time, results }: Writer): EntryWrite {
    const userBytes = Buffer.byteLength(user);
    const value = Buffer.allocUnsafe(HEAD_BYTES + userBytes + results.byteLength);
    value.writeDoubleBE(last, 0);
    value.writeDoubleBE(time, 8);
    value.writeUInt16BE(userBytes, 16);
    value.write(user, HEAD_BYTES);
    results.write(value, HEAD_BYTES + userBytes);
    return { store: 'log', key: logWriterKey(this.#path, wid), value };
  }

  #load(wid: Uint8Array): Writer | undefined {
    const value = this.#database.entry('log', logWriterKey(this.#path, wid));
    if (value === undefined) return undefined;
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
    const { end, ...head } = headOf(bytes);
    const results = WriterRing.read(bytes.subarray(end));
    return { ...head, wid: new Uint8Array(wid), w: shortHash(wid, 4), results, pending: 0 };
  }

  #remember(name: string, writer: Writer): void {
    this.#known.set(name, writer);
    if (this.#known.size <= REMEMBERED) return;
    for (const [oldest, { pending }] of this.#known) {
      // What is not in the store yet is known here alone.
      if (pending > 0 || oldest === name) continue;
      this.#known.delete(oldest);
      if (this.#known.size <= REMEMBERED) return;
    }
  }
}

/** Last wseq and time (float64, big-endian), bytes of the user's id; then the id in UTF-8, then the results. */
const HEAD_BYTES = 18;

function headOf(bytes: Buffer): {
  readonly last: number;
  readonly time: number;
  readonly user: string;
  readonly end: number;
} {
  const end = HEAD_BYTES + bytes.readUInt16BE(16);
  return {
    ...{ last: bytes.readDoubleBE(0), time: bytes.readDoubleBE(8) },
    ...{ user: bytes.toString('utf8', HEAD_BYTES, end), end },
  };
}

const nameOf = (wid: Uint8Array): string => Buffer.from(wid.buffer, wid.byteOffset, wid.length).toString('latin1');
