/** One edit on its way to an answer. Its order among others, and what a refusal means, is the writer's business. */
import type { BflyError, Edit, ServerMessage } from '../../protocol/index.ts';
import { bulkFrames } from './bulk.ts';
import { type EditResult, readOutcomes } from './edit-result.ts';
import { frameError, type Handler, type Line, unexpected } from './line.ts';
import { type Operation, onAbort } from './operation.ts';
import type { SavedEdit } from './writer-store.ts';

/** Who is told what became of an edit. */
export interface EditOwner {
  answered(edit: PendingEdit, result: EditResult): void;
  /** By the server. */
  refused(edit: PendingEdit, error: BflyError): void;
  /** It cannot be sent, or the session is over. */
  failed(edit: PendingEdit, error: unknown): void;
  /** Nobody waits for it any more. */
  abandoned(edit: PendingEdit): void;
}

/** Where an edit is: in the writer's line, given to the connection, or over. */
type Stage = 'waiting' | 'submitted' | 'over';

/** The fields of an edit that its writer does not decide. */
export type EditFields = Omit<SavedEdit, 'wid' | 'wseq'>;

/** An edit and the promise of its result. */
export class PendingEdit implements Operation, Handler {
  readonly isPull = false;
  readonly isEdit = true;
  readonly urgency = 0;
  readonly path: string;
  fields: EditFields;
  readonly result: Promise<EditResult>;
  stage: Stage = 'waiting';
  /** Refusals in a row: how long to wait before the next try. */
  refusals = 0;
  /** Those of them that may be its own fault. */
  faults = 0;
  readonly #owner: EditOwner;
  readonly #forgetAbort: () => void;
  #wid: Uint8Array = new Uint8Array(0);
  #wseq = 0;
  #mayBeApplied = false;
  #settle: { resolve: (result: EditResult) => void; reject: (error: unknown) => void } | undefined;
  #line: Line | undefined;

  constructor(owner: EditOwner, path: string, fields: EditFields, signal: AbortSignal | undefined) {
    this.#owner = owner;
    this.path = path;
    this.fields = fields;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.result.catch(() => {}); // whoever waits for it hears of it there
    this.#forgetAbort = onAbort(signal, (reason) => this.#abandon(reason));
  }

  /** 16 bytes; empty as long as it has never had a number. */
  get wid(): Uint8Array {
    return this.#wid;
  }

  /** 0: it has no number, or may not be sent again under the one that it had. */
  get wseq(): number {
    return this.#wseq;
  }

  /** Whether a copy with its number went out of which nobody knows what became: only the same number finds out. Rule [E15]. */
  get mayBeApplied(): boolean {
    return this.#mayBeApplied;
  }

  /** Gives it a number. @param mayBeApplied whether the number may have been sent already. */
  call(wid: Uint8Array, wseq: number, mayBeApplied = false): void {
    this.#wid = wid;
    this.#wseq = wseq;
    this.#mayBeApplied = mayBeApplied;
  }

  /** Takes its number away: it was not applied under it. */
  uncall(): void {
    this.#wseq = 0;
    this.#mayBeApplied = false;
  }

  /** Whether an answer may still come on the line of this moment. */
  get onLine(): boolean {
    return this.#line !== undefined;
  }

  /** Whether somebody waits for the result. */
  get wanted(): boolean {
    return this.#settle !== undefined;
  }

  start(line: Line): void {
    const { ops, bulks, base, epoch, policy, note } = this.fields;
    const message: Edit = {
      kind: 'EDIT',
      id: line.claim(this),
      path: this.path,
      wid: this.wid,
      wseq: this.wseq,
      base,
      ops,
      epoch,
      ...(policy === undefined ? {} : { policy }),
      ...(note === undefined ? {} : { note }),
    };
    this.#line = line;
    line.send(message);
    // After the EDIT that names them: voxels that nobody has named yet are kept for a short time, and few of them.
    for (const bulk of bulks) for (const frame of bulkFrames(bulk, this.wseq, line.limits.bulk)) line.send(frame);
  }

  receive(message: ServerMessage): boolean {
    if (message.kind === 'IGNORED') return false;
    this.#line = undefined;
    if (this.stage === 'over') return true;
    if (message.kind === 'ERROR') {
      const error = frameError(message);
      if (error.code === 'TIMEOUT' || error.code === 'INTERNAL') this.#mayBeApplied = true;
      this.#owner.refused(this, error);
    } else if (message.kind === 'EDIT_OK') {
      const { status, seq, dup, results } = message;
      this.#owner.answered(this, { status, seq, dup: dup === true, results: readOutcomes(results) });
    } else throw unexpected(message, 'EDIT');
    return true;
  }

  lost(_error: BflyError): void {
    this.#line = undefined;
    this.#mayBeApplied = true;
    // Those who wait no more do not send it again.
    if (!this.wanted) this.#owner.abandoned(this);
  }

  /** The connection cannot send it, or is over. */
  fail(error: unknown): void {
    if (this.stage !== 'over') this.#owner.failed(this, error);
  }

  resolve(result: EditResult): void {
    this.#over()?.resolve(result);
  }

  reject(error: unknown): void {
    this.#over()?.reject(error);
  }

  #abandon(reason: unknown): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.reject(reason);
    if (this.#line === undefined) this.#owner.abandoned(this);
  }

  #over(): { resolve: (result: EditResult) => void; reject: (error: unknown) => void } | undefined {
    this.#forgetAbort();
    this.stage = 'over';
    const settle = this.#settle;
    this.#settle = undefined;
    return settle;
  }
}
