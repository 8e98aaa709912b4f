/**
 * The edit log of one path: takes edits in one order, folds them, keeps them, and only then answers and tells.
 *
 * Here: the order of each writer's edits, those that have to wait before they can be taken, and what becomes of the log where its memory
 * and its store part. What an edit has to pass: `admission.ts`; how it is kept: `commit-queue.ts`.
 */
import type { EditState } from '../../../protocol/edit-state.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { Author } from '../rights.ts';
import { Admission, type Admitted, EarlyRefusal } from './admission.ts';
import type { ChannelEdits } from './channel-edits.ts';
import { CheckpointKeeper } from './checkpoint.ts';
import { CommitQueue } from './commit-queue.ts';
import { CHK_BYTES, chkOf, scopeOf } from './edit-record.ts';
import type { CommittedBatch, EditOutcome, EditRequest } from './edit-request.ts';
import { Gate } from './gate.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import { type LogMemory, type OpenedMemory, openMemory } from './log-memory.ts';
import { LogReader } from './log-reader.ts';
import { cannotTell, LogRecovery } from './log-recovery.ts';
import { LogView } from './log-view.ts';
import type { Scope } from './scope.ts';
import { type PreparedVoxels, prepareVoxels } from './voxel-edits.ts';
import type { VoxelHistory } from './voxel-history.ts';
import { type Taken, WriterLines } from './writer-lines.ts';

/** How often an edit is made ready again where others change the same voxels, or take the id that it was to get. */
const ATTEMPTS = 8;
/** Lost races after which it goes before the others. */
const PATIENCE = 3;
/** Edits that wait while the log is read again, and for how long, ms. */
const MAX_WAITING = 1_024;
const WAIT_MS = 10_000;

/** Ops whose ids or voxels must be looked up before they can be applied. */
const PREPARED_OPS: ReadonlySet<unknown> = new Set(['split', 'write', 'region']);

/** The log of one path. */
export class EditLog {
  readonly path: string;
  readonly epoch: Uint8Array;
  readonly reader: LogReader;
  /** The log as those see it who read the channel. */
  readonly view: ChannelEdits;
  readonly #context: LogContext;
  readonly #checkpoints: CheckpointKeeper;
  readonly #queue: CommitQueue;
  readonly #admission: Admission;
  readonly #onClosed = new Set<() => void>();
  /** Edits that have to wait before they can be taken. */
  readonly #lines = new WriterLines();
  readonly #gate = new Gate();
  readonly #recovery: LogRecovery;
  #memory: LogMemory;
  #closing: Promise<void> | undefined;
  /** It was closed, and another log may have gone on. */
  #isOver = false;

  private constructor(context: LogContext, reader: LogReader, { memory, chk, checkpointSeq }: OpenedMemory) {
    const { channel, database } = context;
    this.#context = context;
    this.path = channel.path;
    this.epoch = channel.epoch;
    this.reader = reader;
    this.#memory = memory;
    this.#checkpoints = new CheckpointKeeper(database, channel.number, checkpointSeq, context.log);
    this.#recovery = new LogRecovery(this.path, context.log, () => this.#readAgain());
    this.#queue = new CommitQueue(context, reader, memory.state.seq, chk, {
      entryOf: (writer) => this.#memory.writers.entryOf(writer),
      committed: () => this.#considerCheckpoint(),
      lost: () => this.#recovery.begin(),
    });
    this.#admission = new Admission(context, reader, this.#queue, {
      memory: () => this.#memory,
      broke: (error) => this.#broke(error),
    });
    this.view = new LogView(this, context);
  }

  #considerCheckpoint(): void {
    if (this.#recovery.underWay === undefined) this.#checkpoints.consider(this.tip, (seq) => this.reached(seq));
  }

  /** Opens a channel's log: the newest snapshot of its state, then the edits behind it. */
  static async open(context: LogContext): Promise<EditLog> {
    const reader = new LogReader(context.database, context.channel.number);
    // Nothing is pending before there is a log.
    let pending = (_seq: number): Uint8Array | undefined => undefined;
    const opened = await openMemory(context, (seq) => scopeAt(seq, reader, pending));
    const log = new EditLog(context, reader, opened);
    pending = (seq) => log.#queue.pending(seq)?.value;
    return log;
  }

  /** Seq of the last durable edit, 0 for none. */
  get head(): number {
    return this.#queue.head;
  }

  /** The link of the digest chain at `head`; 8 zeros for an empty log. Shared. */
  get chk(): Uint8Array {
    return this.#queue.chk;
  }

  /** The fold of all edits, those that are not durable yet included: its `seq` may be above `head`. Another object after edits were lost. */
  get tip(): EditState {
    return this.#memory.state;
  }

  /** Which edit changed which tile. */
  get voxels(): VoxelHistory {
    return this.#memory.voxels;
  }

  /** The channel's tables. */
  get rows(): ChannelRows {
    return this.#memory.rows;
  }

  /** The link of the digest chain at a seq up to `head`. */
  chkAt(seq: number): Uint8Array {
    if (seq === this.head) return this.chk;
    const edit = seq === 0 ? undefined : this.reader.publicPart(seq);
    return edit === undefined ? new Uint8Array(CHK_BYTES) : chkOf(edit);
  }

  /** The last wseq applied and durable of a user's writer, 0 for none; undefined where it is another user's. */
  lastOf(wid: Uint8Array, user: string): number | undefined {
    const writer = this.#memory.writers.find(wid);
    if (writer === undefined) return 0;
    return writer.user === user ? writer.durable : undefined;
  }

  /** Whether a writer's number was passed already: such an edit changes nothing any more. */
  knows(wid: Uint8Array, wseq: number): boolean {
    return wseq <= (this.#memory.writers.find(wid)?.last ?? 0);
  }

  /**
   * Calls `listener` with each batch that became durable; with an empty one where edits were lost. @returns a function that ends it.
   */
  onCommit(listener: (batch: CommittedBatch) => void): () => void {
    return this.#queue.onCommit(listener);
  }

  /** Calls `listener` once the log takes no more edits and will tell of none. @returns a function that ends it. */
  onClose(listener: () => void): () => void {
    this.#onClosed.add(listener);
    return () => this.#onClosed.delete(listener);
  }

  /** Resolves when `seq` is durable. Rejects with UNAVAILABLE after `timeoutMs`, or with INTERNAL where it will never be. */
  reached(seq: number, timeoutMs?: number): Promise<void> {
    return this.#queue.reached(seq, timeoutMs);
  }

  /**
   * Takes an edit. Resolves when it is durable; edits of one writer are taken in the order of the calls.
   *
   * @throws BflyError of SPEC 6: FORBIDDEN, WSEQ_REUSED, REJECTED, EPOCH_MISMATCH, CONFLICT, BAD_REQUEST, OUT_OF_BOUNDS, LIMIT,
   *   UNAVAILABLE …: nothing of the edit was applied; INTERNAL where it could not be kept, TIMEOUT where that is not known: it may be sent
   *   again as it is.
   */
  submit(request: EditRequest, author: Author): Promise<EditOutcome> {
    if (this.#closing !== undefined) return this.#answerClosed(request, author);
    const { wid } = request;
    if (this.#recovery.underWay !== undefined && this.#lines.size >= MAX_WAITING) return Promise.reject(cannotTell());
    if (this.#lines.has(wid) || this.#mustWait(request)) return this.#wait(request, author);
    try {
      const admitted = this.#admission.admit(request, author);
      if ('outcome' in admitted) return admitted.outcome;
      return this.#admission.enter(request, author, admitted) ?? this.#wait(request, author);
    } catch (error) {
      return error instanceof EarlyRefusal ? this.#lines.enter(wid, () => this.#refuse(error)) : Promise.reject(error);
    }
  }

  #wait(request: EditRequest, author: Author): Promise<EditOutcome> {
    const deadline = Date.now() + WAIT_MS;
    return this.#lines.enter(request.wid, () => this.#takeSlowly(request, author, deadline));
  }

  #mustWait(request: EditRequest): boolean {
    return this.#recovery.underWay !== undefined || needsVoxels(request) || this.#admission.needsScan(request);
  }

  /** Takes an edit that has to wait for something: the log, voxels, the scopes of others. */
  async #takeSlowly(request: EditRequest, author: Author, deadline: number): Promise<Taken> {
    let leaveGate: (() => void) | undefined;
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt === PATIENCE) leaveGate = await this.#gate.hold();
        await this.#recovery.over(deadline);
        if (this.#closing !== undefined) return { outcome: this.#answerClosed(request, author) };
        const memory = this.#memory;
        const admitted = this.#admission.admit(request, author);
        if ('outcome' in admitted) return admitted;
        const prepared = needsVoxels(request) ? await this.#prepare(admitted, request) : undefined;
        const scan = await this.#admission.scan(request, admitted, prepared);
        // Those who lost too often go first.
        if (leaveGate === undefined && prepared !== undefined) await this.#gate.shut;
        if (this.#memory !== memory || this.#recovery.underWay !== undefined || prepared?.isCurrent() === false)
          continue;
        const outcome = this.#admission.enter(request, author, admitted, prepared, scan);
        if (outcome !== undefined) return { outcome };
      }
    } catch (error) {
      if (error instanceof EarlyRefusal) return await this.#refuse(error);
      throw error;
    } finally {
      leaveGate?.();
    }
    throw new BflyError('UNAVAILABLE', 'others keep changing the same things; try again', { retryMs: 200 });
  }

  async #prepare({ ops }: Admitted, { bulk }: EditRequest): Promise<PreparedVoxels> {
    // What is read must be durable: tiles are kept under the seq that made them.
    await this.reached(this.tip.seq);
    const deps = this.#context.voxelDeps(() => this.tip, this.view, bulk);
    // An alias is a new id: it begins above all that were ingested.
    if (ops.some(({ op }) => op === 'region')) await deps.maxId();
    return prepareVoxels(ops, deps);
  }

  /** Refuses an edit once nothing can undo the reason. */
  async #refuse({ upto, refusal }: EarlyRefusal): Promise<never> {
    await this.reached(upto);
    throw refusal;
  }

  // --- the end

  /** Waits for what was taken, and takes no more. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Not before `close` has returned: from then on nothing is taken.
    await undefined;
    this.#recovery.close();
    await this.#lines.settled();
    await this.#queue.drain();
    await this.#recovery.underWay;
    if (!this.#recovery.hasFailed) await this.#checkpoints.finish(this.tip, this.head);
    this.#isOver = true;
    for (const listener of [...this.#onClosed]) listener();
  }

  /** What was applied before is told to the end; what was not is not taken. */
  async #answerClosed(request: EditRequest, author: Author): Promise<EditOutcome> {
    if (!this.#isOver && !this.#recovery.hasFailed && this.#recovery.underWay === undefined) {
      const repeated = this.#admission.repeated(request, author);
      if (repeated !== undefined) return repeated;
      throw new BflyError('UNAVAILABLE', 'the log of this path is being closed; try again', { retryMs: 500 });
    }
    throw cannotTell();
  }

  // --- where memory and store part

  /** An edit is in memory, and cannot be kept. */
  #broke(error: unknown): void {
    this.#context.log.error({ err: error, path: this.path }, 'an edit was applied and cannot be kept');
    this.#recovery.begin();
  }

  /** Nothing is taken meanwhile. */
  async #readAgain(): Promise<void> {
    // What was applied before the fault is kept.
    await this.#queue.drain();
    const { memory, chk } = await openMemory(this.#context, (seq) => this.#scopeAt(seq));
    this.#memory = memory;
    await this.#queue.goOn(memory.state.seq, chk);
  }

  #scopeAt(seq: number): Scope | undefined {
    return scopeAt(seq, this.reader, (at) => this.#queue.pending(at)?.value);
  }
}

function scopeAt(seq: number, reader: LogReader, pending: (seq: number) => Uint8Array | undefined): Scope | undefined {
  const value = pending(seq) ?? reader.value(seq);
  return value === undefined ? undefined : scopeOf(value);
}

function needsVoxels({ ops }: EditRequest): boolean {
  for (const { op } of ops) if (PREPARED_OPS.has(op)) return true;
  return false;
}
