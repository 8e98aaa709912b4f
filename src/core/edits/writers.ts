/** Writers of a path: who they are, and what became of their edits. Rules [E2], [E14], [E15]. */
import { BflyError } from '../../../protocol/errors.ts';
import { pack, unpack } from '../../../protocol/msgpack.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import { logResultKey, logResultRange, logWriterKey } from '../../database/keys.ts';

/** Results that are kept of each writer. */
const RESULTS = 256;
/** Writers that are held in memory; the others are read again from the log when they come back. */
const REMEMBERED = 1_024;

/** An edit of a writer that was applied. */
export interface WriterResult {
  readonly wseq: number;
  readonly seq: number;
  /** 8 bytes of the ops as they came. */
  readonly digest: Uint8Array;
}

/** A writer as the server knows it. */
export interface Writer {
  readonly wid: Uint8Array;
  /** Id of the user whose edits these are. */
  readonly user: string;
  /** The last wseq applied, 0 for none. */
  last: number;
  /** Milliseconds since 1970 of the last edit. */
  time: number;
  /** The last results, oldest first. */
  readonly results: WriterResult[];
  /** Applied edits that are not in the store yet. */
  pending: number;
}

/** What is to be done with an EDIT, by its wseq. */
export type Admission = { readonly kind: 'new' } | { readonly kind: 'repeated'; readonly result: WriterResult };

/** Knows the writers of one path. */
export class Writers {
  readonly #database: Database;
  readonly #path: number;
  readonly #known = new Map<string, Writer>();

  /** @param path the path's number in the log. */
  constructor(database: Database, path: number) {
    this.#database = database;
    this.#path = path;
  }

  /** A writer, if it ever wrote. */
  find(wid: Uint8Array): Writer | undefined {
    const name = nameOf(wid);
    const known = this.#known.get(name);
    if (known !== undefined) {
      this.#known.delete(name);
      this.#known.set(name, known);
      return known;
    }
    const loaded = this.#load(wid);
    if (loaded !== undefined) this.#remember(name, loaded);
    return loaded;
  }

  /**
   * Decides over an EDIT: rules [E13] (2, 3) and [E14].
   *
   * @throws FORBIDDEN for another user's writer; WSEQ_REUSED; REJECTED.
   */
  admit(wid: Uint8Array, user: string, wseq: number, digest: Uint8Array): Admission {
    const writer = this.find(wid);
    if (writer === undefined) return { kind: 'new' };
    if (writer.user !== user) throw new BflyError('FORBIDDEN', 'the wid belongs to another user: take a new one');
    if (wseq > writer.last) return { kind: 'new' };
    const result = writer.results.find((kept) => kept.wseq === wseq);
    if (result === undefined)
      throw new BflyError(
        'REJECTED',
        `wseq ${wseq} was never applied, and ${writer.last} was: send the ops under a new one`,
      );
    if (Buffer.compare(result.digest, digest) !== 0)
      throw new BflyError('WSEQ_REUSED', `wseq ${wseq} was given to other ops: take a new wid`);
    return { kind: 'repeated', result };
  }

  /**
   * Notes an applied edit.
   *
   * @returns the writer, for `entryOf`, and entries that the edit's commit has to hold besides.
   */
  applied(
    wid: Uint8Array,
    user: string,
    result: WriterResult,
    time: number,
  ): { readonly writer: Writer; readonly entries: readonly EntryWrite[] } {
    let writer = this.find(wid);
    if (writer === undefined) {
      writer = { wid, user, last: 0, time, results: [], pending: 0 };
      this.#remember(nameOf(wid), writer);
    }
    writer.pending++;
    writer.last = result.wseq;
    writer.time = time;
    writer.results.push(result);
    const entries: EntryWrite[] = [
      { store: 'log', key: logResultKey(this.#path, wid, result.wseq), value: encodeResult(result) },
    ];
    const oldest = writer.results.length > RESULTS ? writer.results.shift() : undefined;
    if (oldest !== undefined)
      entries.push({ store: 'log', key: logResultKey(this.#path, wid, oldest.wseq), value: null });
    return { writer, entries };
  }

  /** What the log keeps of a writer; written once a commit, after its last edit in it. */
  entryOf(writer: Writer): EntryWrite {
    const value = pack([writer.user, writer.last, writer.time]).slice();
    return { store: 'log', key: logWriterKey(this.#path, writer.wid), value };
  }

  #load(wid: Uint8Array): Writer | undefined {
    const value = this.#database.entry('log', logWriterKey(this.#path, wid));
    if (value === undefined) return undefined;
    const [user, last, time] = unpack(value) as [string, number, number]; // only `entryOf` writes these
    const results = this.#database
      .entries('log', logResultRange(this.#path, wid))
      .map(([key, bytes]) => decodeResult(key, bytes));
    return { wid: new Uint8Array(wid), user, last, time, results, pending: 0 };
  }

  #remember(name: string, writer: Writer): void {
    this.#known.set(name, writer);
    if (this.#known.size <= REMEMBERED) return;
    for (const [oldest, { pending }] of this.#known) {
      // What is not in the store yet is known here alone.
      if (pending > 0) continue;
      this.#known.delete(oldest);
      if (this.#known.size <= REMEMBERED) return;
    }
  }
}

const nameOf = (wid: Uint8Array): string => Buffer.from(wid.buffer, wid.byteOffset, wid.length).toString('latin1');

function encodeResult({ seq, digest }: WriterResult): Uint8Array {
  const bytes = new Uint8Array(8 + digest.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(seq));
  bytes.set(digest, 8);
  return bytes;
}

function decodeResult(key: Uint8Array, bytes: Uint8Array): WriterResult {
  const wseq = new DataView(key.buffer, key.byteOffset + key.length - 8).getBigUint64(0);
  const seq = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return { wseq: Number(wseq), seq: Number(seq), digest: bytes.subarray(8) };
}
