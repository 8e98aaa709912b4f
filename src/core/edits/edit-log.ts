/**
 * The edit log of one path: takes edits in one order, folds them, keeps them, and only then answers and tells.
 *
 * Edits are applied to the state in memory at once and collected; one commit is under way at a time, and what came meanwhile is the
 * next one. `head` is the last durable edit: nobody is shown more. Where a commit fails, everything behind `head` is forgotten, its
 * senders are told, and the state is read again from the store.
 */
import { hash } from 'node:crypto';
import type { Changes } from '../../../protocol/edit-changes.ts';
import type { Op } from '../../../protocol/edit-ops.ts';
import type { EditState } from '../../../protocol/edit-state.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { pack } from '../../../protocol/msgpack.ts';
import { parseOps } from '../../../protocol/parse-ops.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import { logRecordKey } from '../../database/keys.ts';
import type { Logger } from '../../utility/log.ts';
import type { Author } from '../rights.ts';
import { checkRights } from './authorise.ts';
import type { ChannelEdits } from './channel-edits.ts';
import { CheckpointKeeper } from './checkpoint.ts';
import { conflictError } from './conflict.ts';
import { deltaEntries } from './delta-entries.ts';
import { CHK_BYTES, chkOf, encodeRecord, scopeOf } from './edit-record.ts';
import type { CommittedBatch, EditOutcome, EditRequest, LoggedRecord } from './edit-request.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import { LogReader } from './log-reader.ts';
import { LogView } from './log-view.ts';
import { type OpenedState, openState } from './open-state.ts';
import { RecentScopes, type Scope, scopeOfOps } from './scope.ts';
import { type PreparedVoxels, prepareVoxels } from './voxel-edits.ts';
import type { VoxelHistory } from './voxel-history.ts';
import { DIGEST_BYTES } from './writer-ring.ts';
import { type Writer, Writers } from './writers.ts';

interface Pending {
  readonly record: LoggedRecord;
  readonly publicPart: Uint8Array;
  readonly outcome: EditOutcome;
  readonly resolve: (outcome: EditOutcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly entries: EntryWrite[];
  readonly edits: Pending[];
  readonly writers: Set<Writer>;
}

/** How often voxels are read again where others change the same tiles. */
const PREPARE_ATTEMPTS = 8;

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
  readonly #database: Database;
  readonly #log: Logger;
  readonly #number: number;
  readonly #checkpoints: CheckpointKeeper;
  readonly #listeners = new Set<(batch: CommittedBatch) => void>();
  readonly #onClosed = new Set<() => void>();
  readonly #waiters: { readonly seq: number; readonly resolve: () => void; readonly reject: (e: unknown) => void }[] =
    [];
  /** The last task of writers whose edits have to be prepared. */
  readonly #chains = new Map<string, Promise<unknown>>();
  #state: EditState;
  #voxels: VoxelHistory;
  #rows: ChannelRows;
  #writers: Writers;
  #scopes: RecentScopes;
  #head: number;
  #chk: Uint8Array;
  /** chk of the last edit that was applied, durable or not. */
  #tipChk: Uint8Array;
  #batch: Batch = newBatch();
  /** Edits of the commit that is under way. */
  #underWay: readonly Pending[] = [];
  #committing: Promise<void> | undefined;
  #scheduled = false;
  #reloading: Promise<void> | undefined;
  #closed = false;

  private constructor(context: LogContext, opened: OpenedState, writers: Writers) {
    const { channel, database } = context;
    this.#context = context;
    this.path = channel.path;
    this.epoch = channel.epoch;
    this.#database = database;
    this.#log = context.log;
    this.#number = channel.number;
    this.reader = new LogReader(database, channel.number);
    this.#checkpoints = new CheckpointKeeper(database, channel.number, opened.checkpointSeq, context.log);
    this.#state = opened.state;
    this.#voxels = opened.voxels;
    this.#rows = opened.rows;
    this.#head = opened.state.seq;
    this.#chk = opened.chk;
    this.#tipChk = opened.chk;
    this.#writers = writers;
    this.#scopes = this.#newScopes();
    this.view = new LogView(this, context);
  }

  /** Opens a channel's log: the newest snapshot of its state, then the edits behind it. */
  static async open(context: LogContext): Promise<EditLog> {
    const opened = await openState(context);
    return new EditLog(context, opened, await openWriters(context));
  }

  /** Seq of the last durable edit, 0 for none. */
  get head(): number {
    return this.#head;
  }

  /** The link of the digest chain at `head`; 8 zeros for an empty log. Shared. */
  get chk(): Uint8Array {
    return this.#chk;
  }

  /** The fold of all edits, those that are not durable yet included: its `seq` may be above `head`. */
  get state(): EditState {
    return this.#state;
  }

  /** Which edit changed which tile. */
  get voxels(): VoxelHistory {
    return this.#voxels;
  }

  /** The channel's tables. */
  get rows(): ChannelRows {
    return this.#rows;
  }

  /** The link of the digest chain at a seq up to `head`. */
  chkAt(seq: number): Uint8Array {
    if (seq === this.#head) return this.#chk;
    const edit = seq === 0 ? undefined : this.reader.publicPart(seq);
    return edit === undefined ? new Uint8Array(CHK_BYTES) : chkOf(edit);
  }

  /** The last wseq applied and durable of a user's writer, 0 for none; undefined where it is another user's. */
  lastOf(wid: Uint8Array, user: string): number | undefined {
    const writer = this.#writers.find(wid);
    if (writer === undefined) return 0;
    if (writer.user !== user) return undefined;
    if (writer.pending === 0) return writer.last;
    return writer.results.lastUpTo(this.#head)?.wseq ?? 0;
  }

  /** Whether a writer's number was passed already: such an edit changes nothing any more. */
  knows(wid: Uint8Array, wseq: number): boolean {
    return wseq <= (this.#writers.find(wid)?.last ?? 0);
  }

  /** Calls `listener` with each batch that became durable. @returns a function that ends it. */
  onCommit(listener: (batch: CommittedBatch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` once the log takes no more edits and will tell of none. @returns a function that ends it. */
  onClose(listener: () => void): () => void {
    this.#onClosed.add(listener);
    return () => this.#onClosed.delete(listener);
  }

  /** Resolves when `seq` is durable. Rejects with UNAVAILABLE after `timeoutMs`, or where it will never be. */
  async reached(seq: number, timeoutMs?: number): Promise<void> {
    if (seq <= this.#head) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiters.push({ seq, resolve, reject });
        if (timeoutMs === undefined) return;
        const late = (): void => reject(new BflyError('UNAVAILABLE', `${this.path} has not reached seq ${seq} yet`));
        timer = setTimeout(late, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Takes an edit. Resolves when it is durable; edits of one writer are taken in the order of the calls.
   *
   * @throws BflyError of SPEC 6: FORBIDDEN, WSEQ_REUSED, REJECTED, EPOCH_MISMATCH, CONFLICT, BAD_REQUEST, OUT_OF_BOUNDS, LIMIT …: nothing
   *   of the edit was applied; INTERNAL where it could not be kept: it may be sent again as it is.
   */
  submit(request: EditRequest, author: Author): Promise<EditOutcome> {
    const writer = this.#chains.size === 0 ? '' : nameOf(request.wid);
    const before = this.#chains.get(writer);
    if (before === undefined && !request.ops.some(({ op }) => PREPARED_OPS.has(op))) {
      try {
        return this.#enter(request, author);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return this.#line(nameOf(request.wid), before, request, author);
  }

  /** An edit that has to be prepared, or waits for one of the same writer that has. */
  #line(
    writer: string,
    before: Promise<unknown> | undefined,
    request: EditRequest,
    author: Author,
  ): Promise<EditOutcome> {
    const entered = (before ?? Promise.resolve()).then(() => this.#prepareAndEnter(request, author));
    const settled = entered.then(
      () => {},
      () => {},
    );
    this.#chains.set(writer, settled);
    void settled.then(() => {
      if (this.#chains.get(writer) === settled) this.#chains.delete(writer);
    });
    // Wrapped, since a promise for a promise would wait for the commit, and the writer's next edit with it.
    return entered.then(({ outcome }) => outcome);
  }

  /** Waits for what was taken, and takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#chains.values()]);
    while (this.#committing !== undefined || this.#batch.edits.length > 0) {
      this.#flush();
      await this.#committing;
    }
    await this.#reloading;
    await this.#checkpoints.finish(this.#state, this.#head);
    for (const listener of [...this.#onClosed]) listener();
  }

  // --- taking edits

  async #prepareAndEnter(request: EditRequest, author: Author): Promise<{ outcome: Promise<EditOutcome> }> {
    for (let attempt = 0; attempt < PREPARE_ATTEMPTS; attempt++) {
      await this.#reloading;
      const admitted = this.#admit(request, author);
      if ('outcome' in admitted) return admitted;
      // What is read must be durable: tiles are kept under the seq that made them.
      await this.reached(this.#state.seq);
      const deps = this.#context.voxelDeps(() => this.#state, this.view, request.bulk);
      // An alias is a new id: it begins above all that were ingested.
      if (admitted.ops.some(({ op }) => op === 'region')) await deps.maxId();
      const prepared = await prepareVoxels(admitted.ops, deps);
      if (prepared.isCurrent()) return { outcome: this.#enter(request, author, prepared) };
    }
    throw new BflyError('UNAVAILABLE', 'others keep changing the same voxels; try again', { retryMs: 200 });
  }

  /** Steps 2 to 5 of rule [E13]. */
  #admit(
    request: EditRequest,
    author: Author,
  ):
    | { readonly outcome: Promise<EditOutcome> }
    | { readonly ops: readonly Op[]; readonly digest: string; readonly packedOps: Uint8Array } {
    if (this.#closed) throw new BflyError('UNAVAILABLE', 'the server is shutting down', { retryMs: 500 });
    if (this.#reloading !== undefined)
      throw new BflyError('UNAVAILABLE', 'the edits of this path are being read again', { retryMs: 200 });
    const packedOps = pack(request.ops).slice();
    const digest = hash('sha256', packedOps, 'hex').slice(0, 2 * DIGEST_BYTES);
    const repeated = this.#writers.admit(request.wid, author.user.id, request.wseq, digest);
    if (repeated !== undefined) return { outcome: this.#repeat(repeated.seq) };
    this.#writers.checkRoom(request.wid, author.user.id);
    const ops = parseOps(request.ops);
    checkRights(ops, this.path, author, (seq) => this.#find(seq));
    this.#checkEpoch(request, ops);
    return { ops, digest, packedOps };
  }

  #checkEpoch({ epoch, base }: EditRequest, ops: readonly Op[]): void {
    const details = { epoch: this.epoch, head: this.#head };
    if (epoch === undefined) {
      if (base === null && !ops.some(({ op }) => op === 'undo')) return;
      throw new BflyError('BAD_REQUEST', 'epoch is required with base or an undo', { details });
    }
    if (Buffer.compare(epoch, this.epoch) !== 0)
      throw new BflyError('EPOCH_MISMATCH', 'the log of this path has another epoch', { details });
  }

  /** The reply to an edit that was applied before; durable before it is given. */
  async #repeat(seq: number): Promise<EditOutcome> {
    await this.reached(seq);
    const { status, results } = this.reader.record(seq);
    return { status, seq, dup: true, results };
  }

  /** Steps 2 to 8 of rule [E13], but for the flush. */
  #enter(request: EditRequest, author: Author, prepared?: PreparedVoxels): Promise<EditOutcome> {
    const admitted = this.#admit(request, author);
    if ('outcome' in admitted) return admitted.outcome;
    const ops = prepared?.ops ?? admitted.ops;
    const scope = scopeOfOps(ops, {
      rootOf: (id) => this.#state.rootOf(id),
      tilesOf: (op) => prepared?.scopeTiles(op) ?? [],
      scopeOf: (seq) => this.#scopes.at(seq),
    });
    this.#checkBase(request, scope);
    const { status, results, changes } = this.#state.apply(ops, prepared?.outcomes);
    const seq = this.#state.seq;
    const time = Date.now();
    const writer = this.#writers.of(request.wid, author.user.id);
    const { wid, w } = writer;
    const { wseq, note } = request;
    const logged = loggedOps(request.ops, ops);
    const packedOps = logged === request.ops ? admitted.packedOps : pack(logged).slice();
    const record = {
      ...{ seq, time, user: author.user, wid, w, wseq, ops: logged, packedOps, results, changes, status, scope },
      ...(note === undefined ? {} : { note }),
    };
    const { value, publicPart, chk } = encodeRecord(record, this.#tipChk);
    this.#tipChk = chk;
    this.#scopes.add(seq, scope);
    this.#noteVoxels(seq, changes, prepared);
    this.#writers.applied(writer, { wseq, seq, digest: admitted.digest }, time);
    this.#batch.writers.add(writer);
    return this.#append(value, { ...record, chk }, publicPart, prepared);
  }

  #noteVoxels(seq: number, { undone = [], redone = [] }: Changes, prepared: PreparedVoxels | undefined): void {
    if (prepared !== undefined && prepared.deltas.length > 0)
      this.#voxels.add(
        seq,
        prepared.deltas.map(({ tile }) => tile),
      );
    if (undone.length + redone.length > 0) this.#voxels.force(seq, [...undone, ...redone]);
  }

  #append(
    value: Uint8Array,
    record: LoggedRecord & { readonly status: EditOutcome['status'] },
    publicPart: Uint8Array,
    prepared: PreparedVoxels | undefined,
  ): Promise<EditOutcome> {
    const { seq, changes, status, results } = record;
    const batch = this.#batch;
    batch.entries.push({ store: 'log', key: logRecordKey(this.#number, seq), value });
    batch.entries.push(...deltaEntries(this.#number, seq, prepared?.deltas ?? []));
    if (changes.rows !== undefined || changes.gone !== undefined)
      batch.entries.push(...this.#rows.overlayWrites(changes.rows, changes.gone));
    return new Promise((resolve, reject) => {
      batch.edits.push({ record, publicPart, outcome: { status, seq, results }, resolve, reject });
      this.#schedule();
    });
  }

  #checkBase({ base, policy, epoch: _epoch }: EditRequest, scope: Scope): void {
    const rule = policy ?? (base === null ? 'none' : 'scope');
    if (rule === 'none') return;
    if (base === null) throw new BflyError('BAD_REQUEST', `base is required with policy "${rule}"`);
    const tip = this.#state.seq;
    if (base > tip) throw new BflyError('BAD_REQUEST', `base must be a seq up to the head, ${tip}`);
    const winners = this.#scopes.winners(base, scope, 17);
    if (rule === 'strict' ? base === tip : winners?.length === 0) return;
    const seqs = rule === 'strict' && winners !== undefined ? range(base, Math.min(tip, base + 17)) : winners;
    throw conflictError(this.#head, seqs, (seq) => this.#find(seq));
  }

  /** An edit, durable or not. */
  #find(seq: number): LoggedRecord | undefined {
    if (seq < 1 || seq > this.#state.seq) return undefined;
    if (seq <= this.#head) return this.reader.record(seq);
    for (const edits of [this.#underWay, this.#batch.edits]) {
      const found = edits.find(({ record }) => record.seq === seq);
      if (found !== undefined) return found.record;
    }
    return undefined;
  }

  #newScopes(): RecentScopes {
    return new RecentScopes(this.#head, (seq) => {
      const value = this.reader.value(seq);
      return value === undefined ? undefined : scopeOf(value);
    });
  }

  // --- keeping them

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
    for (const writer of batch.writers) batch.entries.push(this.#writers.entryOf(writer));
    this.#committing = this.#database.commit({ entries: batch.entries }).then(
      () => this.#committed(batch),
      (error: unknown) => this.#failed(batch, error),
    );
  }

  #committed(batch: Batch): void {
    const last = batch.edits[batch.edits.length - 1] as Pending;
    const from = this.#head;
    this.#head = last.record.seq;
    this.#chk = last.record.chk;
    this.#endCommit(batch);
    const { edits } = batch;
    for (const { resolve, outcome } of edits) resolve(outcome);
    this.#tellWaiters();
    const records = edits.map(({ record }) => record);
    const publicParts = edits.map(({ publicPart }) => publicPart);
    for (const listener of [...this.#listeners])
      try {
        listener({ from, upto: this.#head, records, publicParts });
      } catch (error) {
        this.#log.error({ err: error, path: this.path }, 'a listener to edits failed');
      }
    if (this.#batch.edits.length > 0) this.#schedule();
    this.#checkpoints.consider(this.#state, (seq) => this.reached(seq));
  }

  #endCommit(batch: Batch): void {
    for (const { record } of batch.edits) {
      const writer = this.#writers.find(record.wid);
      if (writer !== undefined) writer.pending--;
    }
    this.#underWay = [];
    this.#committing = undefined;
  }

  #tellWaiters(): void {
    for (let i = this.#waiters.length - 1; i >= 0; i--) {
      const waiter = this.#waiters[i];
      if (waiter === undefined || waiter.seq > this.#head) continue;
      this.#waiters.splice(i, 1);
      waiter.resolve();
    }
  }

  /** Nothing behind the head was kept: it is forgotten, and told. */
  #failed(batch: Batch, error: unknown): void {
    this.#log.error({ err: error, path: this.path, edits: batch.edits.length }, 'edits could not be kept');
    const lost = [...batch.edits, ...this.#batch.edits];
    this.#batch = newBatch();
    this.#underWay = [];
    this.#committing = undefined;
    const reason = error instanceof BflyError ? error.message : 'the store refused it';
    const fault = new BflyError('INTERNAL', `the edit could not be kept (${reason}); send it again`, { retryMs: 500 });
    this.#reloading = this.#reload().finally(() => {
      this.#reloading = undefined;
    });
    for (const { reject } of lost) reject(fault);
    for (const { reject } of this.#waiters.splice(0)) reject(fault);
  }

  async #reload(): Promise<void> {
    for (let delayMs = 100; ; delayMs = Math.min(5_000, delayMs * 2))
      try {
        const opened = await openState(this.#context);
        const writers = await openWriters(this.#context);
        this.#state = opened.state;
        this.#voxels = opened.voxels;
        this.#rows = opened.rows;
        // The failure may have been one of telling, not of keeping.
        this.#head = opened.state.seq;
        this.#chk = opened.chk;
        this.#tipChk = opened.chk;
        this.#writers = writers;
        this.#scopes = this.#newScopes();
        return;
      } catch (error) {
        this.#log.error({ err: error, path: this.path }, 'the edits of a path cannot be read');
        if (this.#closed) return;
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
  }
}

const nameOf = (wid: Uint8Array): string => Buffer.from(wid.buffer, wid.byteOffset, wid.length).toString('latin1');

function openWriters({ channel, database, writersPerUser }: LogContext): Promise<Writers> {
  return Writers.open(database, channel.number, writersPerUser, Date.now());
}

function newBatch(): Batch {
  return { entries: [], edits: [], writers: new Set() };
}

/** The ops as everybody gets them: as they came, but that the mask stands where seeds were. */
function loggedOps(wire: readonly WireMap[], ops: readonly Op[]): readonly WireMap[] {
  if (!wire.some((map) => map['seeds'] !== undefined)) return wire;
  return wire.map((map, index) => {
    const op = ops[index];
    if (op?.op !== 'split' || op.mask === undefined || map['seeds'] === undefined) return map;
    const { seeds: _seeds, ...rest } = map;
    return { ...rest, mask: op.mask };
  });
}

function range(from: number, upto: number): number[] {
  return Array.from({ length: upto - from }, (_, i) => from + 1 + i);
}
