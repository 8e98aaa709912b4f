/** Takes edits in: the checks of rule [E13] in their order, then the fold, then the queue of what is to be kept. */
import { hash } from 'node:crypto';
import type { Changes } from '../../../protocol/edit-changes.ts';
import type { Op } from '../../../protocol/edit-ops.ts';
import { BflyError } from '../../../protocol/errors.ts';
import type { Applied } from '../../../protocol/fold-context.ts';
import { MessageWriter } from '../../../protocol/message-writer.ts';
import type { WireMap } from '../../../protocol/messages.ts';
import { parseOps } from '../../../protocol/parse-ops.ts';
import type { EntryWrite } from '../../database/database.ts';
import { logRecordKey } from '../../database/keys.ts';
import type { Author } from '../rights.ts';
import { checkRights } from './authorise.ts';
import type { CommitQueue } from './commit-queue.ts';
import { conflictError } from './conflict.ts';
import { deltaEntries } from './delta-entries.ts';
import { editCost } from './edit-cost.ts';
import { encodeRecord } from './edit-record.ts';
import type { EditOutcome, EditRequest, LoggedRecord } from './edit-request.ts';
import type { LogContext } from './log-context.ts';
import type { LogMemory } from './log-memory.ts';
import type { LogReader } from './log-reader.ts';
import type { ScopeScan } from './recent-scopes.ts';
import { type Scope, scopeOfOps, withGivenKeys } from './scope.ts';
import type { PreparedVoxels } from './voxel-edits.ts';
import { DIGEST_BYTES } from './writer-ring.ts';
import type { Writer } from './writers.ts';

/** An edit that is new, well formed, and allowed. */
export interface Admitted {
  readonly ops: readonly Op[];
  /** As everybody gets them, but for seeds. */
  readonly wire: readonly WireMap[];
  readonly packedOps: Uint8Array;
  readonly digest: string;
  /** Undefined: it writes for the first time. */
  readonly writer: Writer | undefined;
}

/** A refusal that came of edits which are not durable yet: nobody may hear of it before they are. */
export class EarlyRefusal extends Error {
  readonly refusal: unknown;
  /** The edits that it came of. */
  readonly upto: number;

  constructor(refusal: unknown, upto: number) {
    super('refused because of edits that are not durable');
    this.refusal = refusal;
    this.upto = upto;
  }
}

/** What an admission asks of its log. */
export interface AdmissionHost {
  /** What is in force now. */
  memory(): LogMemory;
  /** The memory holds an edit that cannot be kept. */
  broke(error: unknown): void;
}

/** Edits that a CONFLICT may name, and one more. */
const WINNERS = 17;
const NO_ENTRIES: readonly EntryWrite[] = [];

/** The way into one log. */
export class Admission {
  readonly #context: LogContext;
  readonly #reader: LogReader;
  readonly #queue: CommitQueue;
  readonly #host: AdmissionHost;

  constructor(context: LogContext, reader: LogReader, queue: CommitQueue, host: AdmissionHost) {
    this.#context = context;
    this.#reader = reader;
    this.#queue = queue;
    this.#host = host;
  }

  /** An edit, durable or not. */
  find(seq: number): LoggedRecord | undefined {
    if (seq < 1 || seq > this.#host.memory().state.seq) return undefined;
    return seq <= this.#queue.head ? this.#reader.record(seq) : this.#queue.pending(seq)?.record;
  }

  /** Steps 2 and 3 of rule [E13]: the reply to an edit that was applied before. @throws BflyError as `Writers.admit`. */
  repeated(request: EditRequest, author: Author): Promise<EditOutcome> | undefined {
    const known = this.#dedupe(request, author);
    return 'outcome' in known ? known.outcome : undefined;
  }

  #dedupe(
    { ops, wid, wseq }: EditRequest,
    author: Author,
  ): Omit<Admitted, 'ops' | 'wire'> | { readonly outcome: Promise<EditOutcome> } {
    const { writers } = this.#host.memory();
    const packedOps = packed(ops);
    const digest = hash('sha256', packedOps, 'binary').slice(0, DIGEST_BYTES);
    const writer = writers.find(wid);
    const result = writers.admit(writer, author.user.id, wseq, digest);
    return result === undefined ? { packedOps, digest, writer } : { outcome: this.#repeat(result.seq) };
  }

  /** The reply to an edit that was applied before; durable before it is given. */
  async #repeat(seq: number): Promise<EditOutcome> {
    await this.#queue.reached(seq);
    const { status, results } = this.#reader.record(seq);
    return { status, seq, dup: true, results };
  }

  /** Steps 2 to 5 of rule [E13]. */
  admit(request: EditRequest, author: Author): Admitted | { readonly outcome: Promise<EditOutcome> } {
    const known = this.#dedupe(request, author);
    if ('outcome' in known) return known;
    const wire = signed(request.ops, author, Date.now());
    const ops = parseOps(wire);
    checkRights(ops, this.#context.channel.path, author, (seq) => this.find(seq));
    this.#checkEpoch(request, ops);
    const { packedOps, digest, writer } = known;
    return { ops, wire, packedOps, digest, writer };
  }

  #checkEpoch({ epoch, base }: EditRequest, ops: readonly Op[]): void {
    const { channel } = this.#context;
    const details = { epoch: channel.epoch, head: this.#queue.head };
    if (epoch === undefined) {
      if (base === null && !ops.some(({ op }) => op === 'undo')) return;
      throw new BflyError('BAD_REQUEST', 'epoch is required with base or an undo', { details });
    }
    if (Buffer.compare(epoch, channel.epoch) !== 0)
      throw new BflyError('EPOCH_MISMATCH', 'the log of this path has another epoch', { details });
  }

  /** Whether an edit can only be judged after a `scan`: its base is far back. */
  needsScan({ base }: EditRequest): boolean {
    return base !== null && this.#host.memory().scopes.needsScan(base);
  }

  /** Looks for edits after the base that are not in memory; undefined: all are. */
  async scan(
    request: EditRequest,
    { ops }: Admitted,
    prepared: PreparedVoxels | undefined,
  ): Promise<ScopeScan | undefined> {
    const { base } = request;
    if (base === null || !this.needsScan(request)) return undefined;
    return this.#host.memory().scopes.scan(base, this.#scopeOf(prepared?.ops ?? ops, prepared));
  }

  /**
   * Steps 6 to 8 of rule [E13], but for the commit.
   *
   * @returns its outcome, once it is durable; undefined where the scan has to be made, or made anew.
   * @throws EarlyRefusal, or BflyError: nothing of the edit was applied.
   */
  enter(
    request: EditRequest,
    author: Author,
    admitted: Admitted,
    prepared?: PreparedVoxels,
    scan?: ScopeScan,
  ): Promise<EditOutcome> | undefined {
    const { state } = this.#host.memory();
    const tip = state.seq;
    try {
      const ops = prepared?.ops ?? admitted.ops;
      const scope = this.#scopeOf(ops, prepared);
      if (!this.#checkBase(request, scope, scan)) return undefined;
      const applied = state.apply(ops, prepared?.outcomes);
      const whole = withGivenKeys(scope, ops, applied.results);
      return this.#keep(request, author, admitted, ops, whole, applied, prepared);
    } catch (error) {
      if (error instanceof BflyError && state.seq === tip)
        throw tip > this.#queue.head ? new EarlyRefusal(error, tip) : error;
      this.#host.broke(error);
      throw new BflyError('INTERNAL', 'the edit could not be kept; send it again', { retryMs: 500, cause: error });
    }
  }

  #scopeOf(ops: readonly Op[], prepared: PreparedVoxels | undefined): Scope {
    const { state, scopes } = this.#host.memory();
    return scopeOfOps(ops, {
      rootOf: (id) => state.rootOf(id),
      tilesOf: (op) => prepared?.scopeTiles(op) ?? [],
      scopeOf: (seq) => scopes.at(seq),
    });
  }

  /** @returns false where a scan is missing. @throws CONFLICT */
  #checkBase({ base, policy }: EditRequest, scope: Scope, scan: ScopeScan | undefined): boolean {
    const rule = policy ?? (base === null ? 'none' : 'scope');
    if (rule === 'none') return true;
    if (base === null) throw new BflyError('BAD_REQUEST', `base is required with policy "${rule}"`);
    const { state, scopes } = this.#host.memory();
    const tip = state.seq;
    if (base > tip) throw new BflyError('BAD_REQUEST', `base must be a seq up to the head, ${tip}`);
    if (rule === 'strict' && base === tip) return true;
    const winners = scopes.winners(base, scope, WINNERS, scan);
    if (winners === 'unknown') return false;
    if (rule === 'scope' && winners.length === 0) return true;
    const told = rule === 'strict' ? range(base, Math.min(tip, base + WINNERS)) : winners;
    throw conflictError(tip, winners === 'old' ? undefined : (told as readonly number[]), (seq) => this.find(seq));
  }

  /** Everything that can fail comes before the first change of what others see; what fails all the same ends the memory. */
  #keep(
    request: EditRequest,
    author: Author,
    { wire, packedOps, digest, writer: known }: Admitted,
    ops: readonly Op[],
    scope: Scope,
    { status, results, changes }: Applied,
    prepared: PreparedVoxels | undefined,
  ): Promise<EditOutcome> {
    const { state, writers, scopes } = this.#host.memory();
    const { seq } = state;
    request.applied?.(editCost(ops, changes));
    const time = Date.now();
    const { wseq, note } = request;
    const writer = known ?? writers.add(request.wid, author.user.id);
    const { wid, w } = writer;
    const logged = loggedOps(wire, ops);
    const { user } = author;
    // Whole literals, here and below: spread out, they would cost a tenth of all that is done for an edit.
    const { value, publicPart, chk } = encodeRecord(
      {
        seq,
        time,
        user,
        wid,
        w,
        wseq,
        ops: logged,
        packedOps: logged === request.ops ? packedOps : packed(logged),
        results,
        changes,
        note,
        status,
        scope,
      },
      this.#queue.tipChk,
    );
    const record = { seq, time, user, wid, wseq, ops: logged, results, changes, note, chk };
    const entry = { store: 'log', key: logRecordKey(this.#context.channel.number, seq), value } as const;
    const more = this.#entriesOf(seq, changes, prepared);
    scopes.add(seq, scope);
    this.#noteVoxels(seq, changes, prepared);
    writers.applied(writer, { wseq, seq, digest }, time);
    return this.#queue.add({ record, value, publicPart, status, writer }, entry, more);
  }

  /** Deltas and rows. */
  #entriesOf(seq: number, { rows, gone }: Changes, prepared: PreparedVoxels | undefined): readonly EntryWrite[] {
    const deltas = prepared?.deltas ?? [];
    if (deltas.length === 0 && rows === undefined && gone === undefined) return NO_ENTRIES;
    const entries = deltaEntries(this.#context.channel.number, seq, deltas);
    if (rows !== undefined || gone !== undefined)
      for (const entry of this.#host.memory().rows.overlayWrites(rows, gone)) entries.push(entry);
    return entries;
  }

  #noteVoxels(seq: number, { undone = [], redone = [] }: Changes, prepared: PreparedVoxels | undefined): void {
    const { voxels } = this.#host.memory();
    if (prepared !== undefined && prepared.deltas.length > 0)
      voxels.add(
        seq,
        prepared.deltas.map(({ tile }) => tile),
      );
    if (undone.length + redone.length > 0) voxels.force(seq, [...undone, ...redone]);
  }
}

/** What ops are packed into; each until it is in its record. */
const out = new MessageWriter(64 * 1024);

/** Ops as MessagePack. Never written over; for as long as an edit is being taken in. */
function packed(ops: readonly WireMap[]): Uint8Array {
  const start = out.begin();
  out.value(ops);
  return out.part(start);
}

/** The ops with author and time in annotations that have none: the fold knows neither users nor clocks. Rule [E7]. */
function signed(ops: readonly WireMap[], { user }: Author, time: number): readonly WireMap[] {
  if (!ops.some(isAnnotation)) return ops;
  return ops.map((op) => {
    const { rows } = op;
    if (!isAnnotation(op) || !Array.isArray(rows)) return op;
    const sign = (row: unknown): unknown =>
      typeof row === 'object' && row !== null && !Array.isArray(row) ? { author: user.id, time, ...row } : row;
    return { ...op, rows: rows.map(sign) };
  });
}

function isAnnotation(op: WireMap): boolean {
  return op['op'] === 'put' && op['table'] === 'annotation';
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
