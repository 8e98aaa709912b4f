/** EDIT and BULK of one session. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Bulk, Edit, WireMap } from '../../../protocol/messages.ts';
import { nameOf } from '../../core/edits/edit-feed.ts';
import type { OpenLog } from '../../core/edits/edit-logs.ts';
import type { EditOutcome } from '../../core/edits/edit-request.ts';
import type { OpenRequest, SessionContext } from '../session/session-context.ts';
import { TokenBucket } from '../session/token-bucket.ts';
import { BulkInbox } from './bulk-inbox.ts';

/** Unanswered EDITs of one writer. Rule [E3]. */
const UNANSWERED = 16;
/** What one edit may cost without further charge, and each such part of what it cost beyond (`editCost`). */
const COST_OF_TOKEN = 1_024;
/** Edits that one counts as, besides itself, which was refused for its size: it may have been tried, and taken back. */
const TOKENS_OF_REFUSAL = 50;
/** Writers that a session knows as its own. */
const MAX_WRITERS = 4_096;

/** An EDIT that was not answered yet. Sent edits cannot be taken back: CANCEL changes nothing. */
class WaitingEdit implements OpenRequest {
  readonly id: number;
  /** Its writer and path. */
  readonly writer: string;
  outcome: EditOutcome | undefined;
  fault: BflyError | undefined;

  constructor(id: number, writer: string) {
    this.id = id;
    this.writer = writer;
  }

  cancel(): void {}

  drop(): void {}
}

/** Whether an op may name a BULK. */
function isOfVoxels({ op }: WireMap): boolean {
  return op === 'write' || op === 'split';
}

/** Edits of one session. */
export class EditRequests {
  readonly #context: SessionContext;
  readonly #rate: TokenBucket;
  readonly #inbox: BulkInbox;
  /** By writer and path: a wid is another writer on another path. */
  readonly #unanswered = new Map<string, number>();
  /** The writer of the last edit: most sessions have one. */
  #lastWid = new Uint8Array(0);
  #lastName = '';
  /** The name by which its unanswered edits are counted. */
  #lastWriter = { name: '', path: '', key: '' };
  #answers: WaitingEdit[] = [];
  /** Writers that this session has used or asked for: their edits are its own. By name, see `nameOf`. */
  readonly #writers: Set<string>;

  /** @param writers of the session; added to. */
  constructor(context: SessionContext, writers: Set<string>) {
    this.#context = context;
    this.#writers = writers;
    const { limits, now } = context.home;
    this.#rate = new TokenBucket(limits.editsPerSecond, limits.editsBurst, now());
    this.#inbox = new BulkInbox(now);
  }

  /** Takes voxels for an EDIT. Borrowed. */
  bulk(message: Bulk): void {
    const fault = this.#inbox.take(message);
    if (fault !== undefined) this.#context.error(0, fault);
  }

  sweep(now: number): void {
    this.#inbox.sweep(now);
  }

  close(): void {
    this.#inbox.close();
  }

  /** Whether an EDIT was applied before, as far as that is known at once: it is answered whatever the rates. */
  isRepeated({ path, wid, wseq }: Edit): boolean {
    return this.#context.home.peekLog(path)?.log.knows(wid, wseq) === true;
  }

  /** Takes an EDIT; the reply follows once it is durable. Its bytes are owned. */
  edit(message: Edit): void {
    const { home, error, requests } = this.#context;
    const writer = this.#writerOf(message);
    const open = this.#unanswered.get(writer) ?? 0;
    if (open >= UNANSWERED)
      return error(message.id, new BflyError('LIMIT', `at most ${UNANSWERED} EDITs of a writer may be unanswered`));
    const retryMs = this.isRepeated(message) ? 0 : this.#rate.take(home.now());
    if (retryMs > 0)
      return error(message.id, new BflyError('RATE_LIMITED', 'too many edits; wait a moment', { retryMs }));
    this.#unanswered.set(writer, open + 1);
    const waiting = new WaitingEdit(message.id, writer);
    requests.set(message.id, waiting);
    this.#submit(message).then(
      (outcome) => {
        waiting.outcome = outcome;
        this.#answer(waiting);
      },
      (fault: unknown) => {
        waiting.fault = this.#fault(fault);
        this.#answer(waiting);
      },
    );
  }

  #submit(message: Edit): Promise<EditOutcome> {
    const open = this.#openLog(message.path);
    return open instanceof Promise ? open.then((log) => this.#enter(log, message)) : this.#enter(open, message);
  }

  #enter({ log }: OpenLog, message: Edit): Promise<EditOutcome> {
    // Before the edit is told to anyone, its author included; somebody else's writer is none of this session's.
    const identity = this.#context.identity();
    if (log.lastOf(message.wid, identity.user.id) !== undefined) this.#own(this.#nameOf(message.wid));
    const { wid, wseq, base, ops, epoch, policy, note } = message;
    const bulk = ops.some(isOfVoxels) ? this.#bulkOf(wseq) : undefined;
    return log.submit({ wid, wseq, base, ops, epoch, policy, note, bulk, applied: this.#applied }, identity);
  }

  /** An edit may ask more than once: for several ops, or because others changed the same voxels meanwhile. */
  #bulkOf(wseq: number): (id: number) => Promise<Bulk> {
    const claims = new Map<number, Promise<Bulk>>();
    return (id) => {
      const claim = claims.get(id) ?? this.#inbox.claim(wseq, id);
      claims.set(id, claim);
      return claim;
    };
  }

  /** Names a writer on a path. */
  #writerOf({ wid, path }: Edit): string {
    const name = this.#nameOf(wid);
    const last = this.#lastWriter;
    if (last.name === name && last.path === path) return last.key;
    this.#lastWriter = { name, path, key: `${name}${path}` };
    return this.#lastWriter.key;
  }

  /** See `nameOf`. */
  #nameOf(wid: Uint8Array): string {
    if (Buffer.compare(wid, this.#lastWid) !== 0) {
      this.#lastWid = wid.slice();
      this.#lastName = nameOf(wid);
    }
    return this.#lastName;
  }

  readonly #applied = (cost: number): void => {
    if (cost >= COST_OF_TOKEN) this.#charge(Math.floor(cost / COST_OF_TOKEN));
  };

  /** So that a few bytes, sent again and again, cannot keep the server from all others. */
  #charge(tokens: number): void {
    this.#rate.charge(this.#context.home.now(), tokens);
  }

  #own(writer: string): void {
    if (this.#writers.has(writer)) return;
    this.#writers.add(writer);
    if (this.#writers.size <= MAX_WRITERS) return;
    for (const oldest of this.#writers) {
      this.#writers.delete(oldest);
      return;
    }
  }

  /** At once where the path is open: the order of arrival is then the order of work. */
  #openLog(path: string): OpenLog | Promise<OpenLog> {
    const { home, checkRead } = this.#context;
    try {
      checkRead(path);
    } catch (error) {
      return Promise.reject(error);
    }
    return home.peekLog(path) ?? home.openLog(path);
  }

  #answer(waiting: WaitingEdit): void {
    const { requests } = this.#context;
    const { id, writer } = waiting;
    const open = (this.#unanswered.get(writer) ?? 1) - 1;
    if (open > 0) this.#unanswered.set(writer, open);
    else this.#unanswered.delete(writer);
    if (requests.get(id) !== waiting) return;
    requests.delete(id);
    this.#answers.push(waiting);
    // Answers of one commit leave together: behind those that are settled at this very moment.
    if (this.#answers.length === 1) queueMicrotask(this.#sendAnswers);
  }

  readonly #sendAnswers = (): void => {
    const answers = this.#answers;
    this.#answers = [];
    const { connection } = this.#context;
    if (answers.length === 1) return this.#send(answers[0] as WaitingEdit);
    connection.cork(() => {
      for (const waiting of answers) this.#send(waiting);
    });
  };

  #send({ id, outcome, fault }: WaitingEdit): void {
    if (outcome === undefined) {
      if (fault !== undefined) this.#context.error(id, fault);
      return;
    }
    const { status, seq, dup, results } = outcome;
    const reply = { kind: 'EDIT_OK', id, status, seq, results } as const;
    this.#context.send(dup === undefined ? reply : { ...reply, dup });
  }

  #fault(error: unknown): BflyError {
    if (error instanceof BflyError) {
      if (error.code === 'LIMIT') this.#charge(TOKENS_OF_REFUSAL);
      return error;
    }
    this.#context.home.log.error({ err: error }, 'an edit failed');
    return new BflyError('INTERNAL', 'the edit failed inside the server');
  }
}
