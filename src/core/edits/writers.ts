/** Writers of a path: who they are, and what became of their edits. Rules [E2], [E14], [E15]. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import { LogKind, logRange, logWriterKey } from '../../database/keys.ts';
import { shortHash } from './edit-record.ts';
import { ROW_BYTES, type WriterResult, WriterRing } from './writer-ring.ts';

/** Writers that are held in memory; the others are read again from the log when they come back. */
const REMEMBERED = 4_096;
/** A writer that was idle for so long does not count towards its user's any more, ms: 30 days. */
const IDLE_MS = 30 * 24 * 3_600_000;
/** Results that are kept of an idle writer: more edits than these are never unanswered, rule [E3]. */
const IDLE_RESULTS = 16;
/** Writers that are read at once. */
const PAGE = 256;

/** When a writer was last active; counts towards those of its user. */
interface Seat {
  /** Milliseconds since 1970. */
  time: number;
}

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
  /** The last wseq applied and durable, 0 for none. */
  durable: number;
  readonly seat: Seat;
  readonly results: WriterRing;
  /** Applied edits that are not in the store yet. */
  pending: number;
  /** Whether it came again since memory was last short. */
  used: boolean;
}

/** Where the writers of a path are kept. */
export interface WritersOptions {
  readonly database: Database;
  /** The path's number in the log. */
  readonly path: number;
  /** Writers that a user may have; those that were idle for 30 days do not count. */
  readonly limit: number;
  /** Milliseconds since 1970. Default: the system's. */
  readonly now?: () => number;
}

/** Knows the writers of one path. */
export class Writers {
  readonly #database: Database;
  readonly #path: number;
  readonly #limit: number;
  readonly #now: () => number;
  readonly #known = new Map<string, Writer>();
  /** The one that was asked for last: each edit asks several times. */
  #last: Writer | undefined;
  /** Active writers of each user, by name; some may have become idle. */
  readonly #seats = new Map<string, Map<string, Seat>>();

  private constructor({ database, path, limit, now = Date.now }: WritersOptions) {
    this.#database = database;
    this.#path = path;
    this.#limit = limit;
    this.#now = now;
  }

  /** The writers of a path. Of those that were idle for 30 days only the last few results are kept. */
  static async open(options: WritersOptions): Promise<Writers> {
    const writers = new Writers(options);
    const { database, path } = options;
    const { start, end } = logRange(path, LogKind.WRITER);
    for (let from = start; ; ) {
      const page = database.entries('log', { start: from, end, limit: PAGE });
      const entries = page.flatMap(([key, value]) => writers.#take(key, value));
      if (entries.length > 0) await database.commit({ entries });
      const last = page[page.length - 1];
      if (page.length < PAGE || last === undefined) return writers;
      from = Uint8Array.of(...last[0], 0);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Counts a stored writer. @returns what is to be written in its place. */
  #take(key: Uint8Array, value: Uint8Array): EntryWrite[] {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
    const { user, time, end } = headOf(bytes);
    if (this.#now() - time <= IDLE_MS) {
      this.#seatOf(user, nameOf(key.subarray(-WID_BYTES)), time);
      return [];
    }
    const rows = IDLE_RESULTS * ROW_BYTES;
    if (value.length - end <= rows) return [];
    return [{ store: 'log', key, value: Buffer.concat([bytes.subarray(0, end), bytes.subarray(-rows)]) }];
  }

  /** A writer, if it ever wrote. */
  find(wid: Uint8Array): Writer | undefined {
    if (this.#last === undefined || !isSameWid(this.#last.wid, wid)) this.#last = this.#find(wid);
    if (this.#last !== undefined) this.#last.used = true;
    return this.#last;
  }

  #find(wid: Uint8Array): Writer | undefined {
    const name = nameOf(wid);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const writer = this.#load(wid, name);
    if (writer !== undefined) this.#remember(name, writer);
    return writer;
  }

  /**
   * Decides over an EDIT: rules [E13] (2, 3) and [E14].
   *
   * @param writer who sends it, as `find` gave it.
   * @returns the result of the same edit, where it was applied before; undefined for a new one.
   * @throws FORBIDDEN for another user's writer; WSEQ_REUSED; REJECTED; LIMIT where the writer would be one too many.
   */
  admit(writer: Writer | undefined, user: string, wseq: number, digest: string): WriterResult | undefined {
    if (writer === undefined) {
      this.#checkRoom(user);
      return undefined;
    }
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

  #checkRoom(user: string): void {
    const seats = this.#seats.get(user);
    if (seats === undefined || seats.size < this.#limit) return;
    const now = this.#now();
    for (const [name, { time }] of seats) if (now - time > IDLE_MS) seats.delete(name);
    if (seats.size < this.#limit) return;
    throw new BflyError(
      'LIMIT',
      `a user may have ${this.#limit} writers on a path: go on with the wid of an earlier one`,
    );
  }

  /** Makes a writer that never wrote. It is bound to the user with its first edit. */
  add(wid: Uint8Array, user: string): Writer {
    const name = nameOf(wid);
    const seat = this.#seatOf(user, name, this.#now());
    const writer = {
      ...{ wid, w: shortHash(wid, 4), user, last: 0, durable: 0, seat },
      ...{ results: new WriterRing(), pending: 0, used: false },
    };
    this.#remember(name, writer);
    return writer;
  }

  /** Notes an applied edit. */
  applied(writer: Writer, result: WriterResult, time: number): void {
    // One that was idle counts again.
    if (time - writer.seat.time > IDLE_MS) this.#seatsOf(writer.user).set(nameOf(writer.wid), writer.seat);
    writer.pending++;
    writer.last = result.wseq;
    writer.seat.time = time;
    writer.results.add(result);
  }

  /** What the log keeps of a writer; written once a commit, after its last edit in it. */
  entryOf({ wid, user, last, seat, results }: Writer): EntryWrite {
    const userBytes = Buffer.byteLength(user);
    const value = Buffer.allocUnsafe(HEAD_BYTES + userBytes + results.byteLength);
    value.writeDoubleBE(last, 0);
    value.writeDoubleBE(seat.time, 8);
    value.writeUInt16BE(userBytes, 16);
    value.write(user, HEAD_BYTES);
    results.write(value, HEAD_BYTES + userBytes);
    return { store: 'log', key: logWriterKey(this.#path, wid), value };
  }

  #load(wid: Uint8Array, name: string): Writer | undefined {
    const value = this.#database.entry('log', logWriterKey(this.#path, wid));
    if (value === undefined) return undefined;
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
    const { end, user, last, time } = headOf(bytes);
    const isIdle = this.#now() - time > IDLE_MS;
    return {
      ...{ wid: new Uint8Array(wid), w: shortHash(wid, 4), user, last, durable: last },
      seat: isIdle ? { time } : this.#seatOf(user, name, time),
      ...{ results: WriterRing.read(bytes.subarray(end)), pending: 0, used: false },
    };
  }

  /** The one seat of a writer that counts. */
  #seatOf(user: string, name: string, time: number): Seat {
    const seats = this.#seatsOf(user);
    let seat = seats.get(name);
    if (seat === undefined) {
      seat = { time };
      seats.set(name, seat);
    }
    return seat;
  }

  #seatsOf(user: string): Map<string, Seat> {
    let seats = this.#seats.get(user);
    if (seats === undefined) {
      seats = new Map();
      this.#seats.set(user, seats);
    }
    return seats;
  }

  /** Of more than are held, that one goes which was not asked for since it was last passed over. */
  #remember(name: string, writer: Writer): void {
    this.#known.set(name, writer);
    // The other one may be the next to go.
    this.#last = writer;
    let tries = 2 * REMEMBERED;
    for (const [oldest, passed] of this.#known) {
      if (this.#known.size <= REMEMBERED || tries-- === 0) return;
      if (oldest === name) continue;
      this.#known.delete(oldest);
      // What is not in the store yet is known here alone.
      if (!passed.used && passed.pending === 0) continue;
      passed.used = false;
      this.#known.set(oldest, passed);
    }
  }
}

/** Seq of the last edit in a writer's entry, 0 for none. */
export function lastSeqIn(value: Uint8Array): number {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  return WriterRing.read(bytes.subarray(headOf(bytes).end)).newest?.seq ?? 0;
}

/** Bytes of a wid, the end of a writer's key. */
const WID_BYTES = 16;
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

function isSameWid(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < WID_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}

const nameOf = (wid: Uint8Array): string => Buffer.from(wid.buffer, wid.byteOffset, wid.length).toString('latin1');
