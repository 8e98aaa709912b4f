/**
 * Keeps applied edits in the store, then tells of them.
 *
 * One commit is under way at a time, and what came meanwhile is the next one. `head` is the last durable edit.
 */
import { BflyError } from '../../../protocol/errors.ts';
import type { EntryWrite } from '../../database/database.ts';
import { decodeRecord, publicPartOf } from './edit-record.ts';
import type { CommittedBatch, EditOutcome, LoggedRecord } from './edit-request.ts';
import type { LogContext } from './log-context.ts';
import type { LogReader } from './log-reader.ts';
import { SeqWaiters } from './seq-waiters.ts';
import type { Writer } from './writers.ts';

/** An applied edit that is to be kept. */
export interface AppliedEdit {
  readonly record: LoggedRecord;
  /** Its value in the log. */
  readonly value: Uint8Array;
  /** Borrowed from the value. */
  readonly publicPart: Uint8Array;
  readonly status: EditOutcome['status'];
  readonly writer: Writer;
}

interface Pending extends AppliedEdit {
  readonly resolve: (outcome: EditOutcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly entries: EntryWrite[];
  readonly edits: Pending[];
  readonly writers: Set<Writer>;
}

/** What a queue asks of its log. */
export interface CommitHost {
  /** The entry of a writer, after its last edit of a commit. */
  entryOf(writer: Writer): EntryWrite;
  /** A commit was kept, and everybody told. */
  committed(): void;
  /** Everything behind the head is given up, and will be told so. */
  lost(): void;
}

/** Edits that are told at once of those that were found to be kept. */
const PAGE = 256;

/** The edits of one path on their way into the store. */
export class CommitQueue {
  readonly #context: LogContext;
  readonly #reader: LogReader;
  readonly #host: CommitHost;
  readonly #listeners = new Set<(batch: CommittedBatch) => void>();
  readonly #waiters: SeqWaiters;
  #head: number;
  #chk: Uint8Array;
  #tipChk: Uint8Array;
  #batch: Batch = newBatch();
  /** Edits of the commit that is under way. */
  #underWay: readonly Pending[] = [];
  #committing: Promise<void> | undefined;
  #scheduled = false;

  /**
   * @param head the last edit in the store.
   * @param chk its link of the digest chain.
   */
  constructor(context: LogContext, reader: LogReader, head: number, chk: Uint8Array, host: CommitHost) {
    this.#context = context;
    this.#reader = reader;
    this.#waiters = new SeqWaiters(context.channel.path);
    this.#host = host;
    this.#head = head;
    this.#chk = chk;
    this.#tipChk = chk;
  }

  /** Seq of the last durable edit, 0 for none. */
  get head(): number {
    return this.#head;
  }

  /** The link of the digest chain at `head`. Shared. */
  get chk(): Uint8Array {
    return this.#chk;
  }

  /** The link at the last edit that was added. */
  get tipChk(): Uint8Array {
    return this.#tipChk;
  }

  /** Calls `listener` with each batch that became durable. @returns a function that ends it. */
  onCommit(listener: (batch: CommittedBatch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when `seq` is durable. Rejects with UNAVAILABLE after `timeoutMs`; with INTERNAL where it is given up. */
  async reached(seq: number, timeoutMs?: number): Promise<void> {
    if (seq > this.#head) await this.#waiters.wait(seq, timeoutMs);
  }

  /** An edit that is not durable yet. */
  pending(seq: number): AppliedEdit | undefined {
    return pendingIn(this.#underWay, seq) ?? pendingIn(this.#batch.edits, seq);
  }

  /**
   * Takes an edit, the next one after the last.
   *
   * @param more entries that are kept with it.
   * @returns its outcome, once it is durable. Rejects with INTERNAL where it could not be kept.
   */
  add(edit: AppliedEdit, entry: EntryWrite, more: readonly EntryWrite[]): Promise<EditOutcome> {
    const { record, value, publicPart, status, writer } = edit;
    const batch = this.#batch;
    batch.entries.push(entry);
    for (const other of more) batch.entries.push(other);
    batch.writers.add(writer);
    this.#tipChk = record.chk;
    this.#schedule();
    return new Promise((resolve, reject) => {
      batch.edits.push({ record, value, publicPart, status, writer, resolve, reject });
    });
  }

  /** Waits until all that was added is durable, or given up. */
  async drain(): Promise<void> {
    while (this.#committing !== undefined || this.#batch.edits.length > 0) {
      this.#flush();
      await this.#committing;
    }
  }

  /**
   * Goes on after what was given up, from what the store holds: some of it may have been kept all the same. It is told of as any other;
   * where there is none, an empty batch is told of. The queue is empty, and nothing is added meanwhile.
   */
  async goOn(head: number, chk: Uint8Array): Promise<void> {
    this.#tipChk = chk;
    if (head === this.#head) this.#tell({ from: head, upto: head, records: [], publicParts: [] });
    while (this.#head < head) {
      const page = this.#reader.page(this.#head, PAGE, head);
      const records = page.map(({ value }) => decodeRecord(value));
      const last = records[records.length - 1];
      if (last === undefined) throw new BflyError('INTERNAL', `edit ${this.#head + 1} is missing in the log`);
      this.#advance(
        last,
        records,
        page.map(({ value }) => publicPartOf(value)),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#waiters.refuse(new BflyError('INTERNAL', 'edits could not be kept; send yours again', { retryMs: 500 }));
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing !== undefined) return;
    this.#scheduled = true;
    // At the end of the turn: the edits of one turn share a commit.
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#committing !== undefined || this.#batch.edits.length === 0) return;
    const batch = this.#batch;
    this.#batch = newBatch();
    this.#underWay = batch.edits;
    const began = performance.now();
    this.#committing = this.#keep(batch).then(
      () => {
        this.#context.onCommit?.(batch.edits.length, performance.now() - began);
        this.#committed(batch.edits);
      },
      (error: unknown) => this.#failed(batch.edits, error),
    );
  }

  async #keep({ entries, writers }: Batch): Promise<void> {
    for (const writer of writers) entries.push(this.#host.entryOf(writer));
    await this.#context.database.commit({ entries, isLent: true });
  }

  #committed(edits: readonly Pending[]): void {
    const last = edits[edits.length - 1] as Pending; // a batch is never empty
    for (const { writer, record } of edits) {
      writer.pending--;
      writer.durable = record.wseq;
    }
    this.#underWay = [];
    this.#committing = undefined;
    for (const { resolve, record, status } of edits) resolve({ status, seq: record.seq, results: record.results });
    this.#advance(
      last.record,
      edits.map(({ record }) => record),
      edits.map(({ publicPart }) => publicPart),
    );
    if (this.#batch.edits.length > 0) this.#schedule();
    this.#host.committed();
  }

  /** Edits are durable: those who wait are told, then those who listen. */
  #advance(last: LoggedRecord, records: readonly LoggedRecord[], publicParts: readonly Uint8Array[]): void {
    const from = this.#head;
    this.#head = last.seq;
    this.#chk = last.chk;
    this.#waiters.reached(last.seq);
    this.#tell({ from, upto: last.seq, records, publicParts });
  }

  #tell(batch: CommittedBatch): void {
    const { channel, log } = this.#context;
    for (const listener of [...this.#listeners])
      try {
        listener(batch);
      } catch (error) {
        log.error({ err: error, path: channel.path }, 'a listener to edits failed');
      }
  }

  /** Nothing behind the head is kept, as far as is known: it is given up, and told. */
  #failed(edits: readonly Pending[], error: unknown): void {
    const { channel, log } = this.#context;
    log.error({ err: error, path: channel.path, edits: edits.length }, 'edits could not be kept');
    const lost = [...edits, ...this.#batch.edits];
    this.#batch = newBatch();
    this.#underWay = [];
    this.#committing = undefined;
    const reason = error instanceof BflyError ? error.message : 'the store refused it';
    const fault = new BflyError('INTERNAL', `the edit could not be kept (${reason}); send it again`, { retryMs: 500 });
    // First of all, so that nobody who hears of it finds the log as it was.
    this.#host.lost();
    for (const { reject } of lost) reject(fault);
    this.#waiters.refuse(fault);
  }
}

function pendingIn(edits: readonly Pending[], seq: number): Pending | undefined {
  const [first] = edits;
  return first === undefined ? undefined : edits[seq - first.record.seq];
}

function newBatch(): Batch {
  return { entries: [], edits: [], writers: new Set() };
}
