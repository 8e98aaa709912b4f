/**
 * One writer of a path: gives edits their numbers, keeps their order, and knows what a refusal means. Rules [E2], [E3], [E14]..[E16].
 *
 * An edit is in the queue until its fate is known. At most 16 of them are with the connection, which sends those without an answer
 * again on its next line, byte by byte the same. After a refusal nothing new is sent until everything under way is answered, so
 * what was refused keeps its place.
 */
import { BflyError } from '../../protocol/index.ts';
import { nextBatch } from './edit-batch.ts';
import { ConflictError, type EditResult } from './edit-result.ts';
import { blamesEdit, editVerdict } from './edit-verdict.ts';
import type { Epochs } from './epochs.ts';
import type { OperationHost } from './operation.ts';
import { type EditFields, type EditOwner, PendingEdit } from './pending-edit.ts';
import { WriterIdentity } from './writer-identity.ts';
import { WriterKeeper } from './writer-keeper.ts';
import { WriterPause } from './writer-pause.ts';
import type { SavedEdit, SavedWriter, WriterStore } from './writer-store.ts';

/** Refusals after which an edit that may be the cause of the server's fault is given up. */
const MAX_FAULTS = 8;

/** What a writer needs of its session. */
export interface WriterHost {
  readonly operations: OperationHost;
  readonly epochs: Epochs;
  readonly store: WriterStore | undefined;
  /** Id of the user of this moment. */
  userId(): string;
  /** Asks for the epoch of a path. */
  askEpoch(path: string): Promise<Uint8Array>;
  /** An edit of another life of the log, for the user to decide. */
  orphaned(path: string, fields: EditFields, error: BflyError): void;
  /** An edit of an earlier page was answered. */
  recovered(path: string, fields: EditFields, outcome: EditResult | BflyError): void;
  /** The store failed. */
  trouble(error: BflyError): void;
}

/** A writer of one path. */
export class Writer implements EditOwner {
  readonly #host: WriterHost;
  readonly #path: string;
  readonly #identity = new WriterIdentity();
  readonly #keeper: WriterKeeper;
  readonly #pause: WriterPause;
  #queue: PendingEdit[] = [];
  #submitted = 0;
  /** Whether there are edits that the store was not given yet. */
  #hasNew = false;
  #stage: 'new' | 'preparing' | 'ready' = 'new';

  constructor(host: WriterHost, path: string) {
    this.#host = host;
    this.#path = path;
    this.#pause = new WriterPause(host.operations.clock, () => this.#pump());
    this.#keeper = new WriterKeeper(host.store, path, (error) => host.trouble(error));
  }

  /** Edits whose fate is not known. */
  get unanswered(): number {
    return this.#queue.length;
  }

  /** Its newest names, 16 bytes each. */
  get wids(): readonly Uint8Array[] {
    return this.#identity.wids;
  }

  /** Whether it has ever gone by this name. */
  owns(wid: Uint8Array): boolean {
    return this.#identity.owns(wid);
  }

  /** Adds an edit at the end. `fields.epoch` of no bytes: the one that the path is in at this moment. */
  add(fields: EditFields, signal?: AbortSignal): PendingEdit {
    const epoch = this.#stage === 'ready' ? this.#host.epochs.get(this.#path) : undefined;
    const whole = fields.epoch.length === 0 && epoch !== undefined ? { ...fields, epoch } : fields;
    const edit = new PendingEdit(this, this.#path, whole, signal);
    if (signal?.aborted) {
      edit.reject(signal.reason);
      return edit;
    }
    this.#queue.push(edit);
    this.#hasNew = true;
    this.#pump();
    return edit;
  }

  /** Reads what an earlier page left, and sends it. */
  recover(): Promise<void> {
    return this.#prepare();
  }

  /** The log of the path has begun another life: what may not have reached it is for the user to decide. Rule [E16]. */
  newEpoch(epoch: Uint8Array): void {
    if (this.#stage !== 'ready') return;
    this.#renew();
    const error = new BflyError('EPOCH_MISMATCH', 'the log of the path was begun anew; look at the edit again', {
      details: { epoch },
    });
    for (const edit of [...this.#queue]) if (!edit.onLine) this.#orphan(edit, error);
    this.#pump();
  }

  answered(edit: PendingEdit, result: EditResult): void {
    this.#remove(edit);
    edit.resolve(result);
    this.#save();
    this.#pump();
  }

  refused(edit: PendingEdit, error: BflyError): void {
    this.#takeBack(edit);
    if (edit.wanted) this.#judge(edit, error);
    else this.#remove(edit);
    this.#save();
    this.#pump();
  }

  failed(edit: PendingEdit, error: unknown): void {
    this.#remove(edit);
    edit.reject(error);
    queueMicrotask(() => this.#pump()); // where the session is over, the next one fails too
  }

  abandoned(edit: PendingEdit): void {
    this.#remove(edit);
    edit.reject(undefined);
    this.#save();
    this.#pump();
  }

  /** The session is over. */
  shut(error: unknown): void {
    this.#pause.stop();
    for (const edit of this.#queue.splice(0)) {
      this.#host.operations.finish(edit);
      edit.reject(error);
    }
  }

  #judge(edit: PendingEdit, error: BflyError): void {
    if (blamesEdit(error.code) && ++edit.faults >= MAX_FAULTS) return this.#giveUp(edit, error);
    switch (editVerdict(error.code, edit.mayBeApplied)) {
      case 'resend':
        return this.#pause.beginAfter(edit, error);
      case 'renumber':
        edit.uncall();
        return this.#pause.beginAfter(edit, error);
      case 'rename':
        edit.uncall();
        if (this.#identity.isCalled(edit.wid)) this.#renew();
        this.#pause.begin();
        return;
      case 'orphan':
        return this.#mismatch(edit, error);
      case 'end':
        return this.#giveUp(edit, error.code === 'CONFLICT' ? new ConflictError(error) : error);
    }
  }

  #giveUp(edit: PendingEdit, error: BflyError): void {
    this.#remove(edit);
    edit.reject(error);
  }

  #mismatch(edit: PendingEdit, error: BflyError): void {
    this.#orphan(edit, error);
    const epoch = error.details?.['epoch'];
    if (epoch instanceof Uint8Array) this.#host.epochs.learn(this.#path, epoch);
    else
      void this.#host.askEpoch(this.#path).then(
        (asked) => this.#host.epochs.learn(this.#path, asked),
        () => {},
      );
  }

  #orphan(edit: PendingEdit, error: BflyError): void {
    this.#remove(edit);
    edit.reject(error);
    this.#host.orphaned(this.#path, edit.fields, error);
  }

  #renew(): void {
    this.#identity.renew(this.#host.userId());
  }

  /** The connection has nothing more to do with it; it stays in its place. */
  #takeBack(edit: PendingEdit): void {
    if (edit.stage !== 'submitted') return;
    edit.stage = 'waiting';
    this.#submitted--;
    this.#host.operations.finish(edit);
  }

  #remove(edit: PendingEdit): void {
    this.#takeBack(edit);
    this.#queue = this.#queue.filter((other) => other !== edit);
  }

  #pump(): void {
    if (this.#queue.length === 0) return;
    if (this.#stage !== 'ready') {
      void this.#prepare();
      return;
    }
    if (this.#keeper.isBusy) return;
    // What was refused goes before what is new, so first everything under way is answered.
    if (this.#pause.isOn && (this.#submitted > 0 || this.#pause.lasts())) return;
    const batch = nextBatch(this.#queue);
    if (batch.length === 0) return this.#keepNew();
    const fresh = this.#number(batch);
    this.#save(() => {
      if (!this.#pause.isOn) this.#submit(batch);
      else for (const edit of fresh) edit.uncall(); // never sent, and what was refused meanwhile goes first
    });
  }

  /** What has to wait for others to be answered is kept meanwhile. */
  #keepNew(): void {
    if (this.#hasNew) this.#save();
  }

  /** @returns those that had no number. */
  #number(batch: readonly PendingEdit[]): PendingEdit[] {
    if (this.#identity.user !== this.#host.userId()) this.#renew();
    const fresh = batch.filter((edit) => edit.wseq === 0);
    for (const edit of fresh) edit.call(this.#identity.wid, this.#identity.next());
    return fresh;
  }

  #submit(batch: readonly PendingEdit[]): void {
    for (const edit of batch) {
      if (edit.stage !== 'waiting' || !this.#queue.includes(edit)) continue;
      edit.stage = 'submitted';
      this.#submitted++;
      this.#host.operations.submit(edit);
    }
  }

  /** Keeps the state of this moment, then calls `done`: at once, where the store is as fast. */
  #save(done: () => void = () => {}): void {
    const { wid, wseq, user } = this.#identity;
    if (this.#stage === 'ready') this.#hasNew = false;
    const pending = (): SavedEdit[] => this.#queue.map((edit) => ({ ...edit.fields, wid: edit.wid, wseq: edit.wseq }));
    const saved =
      this.#stage === 'ready' ? this.#keeper.save(() => ({ wid, wseq, user, pending: pending() })) : undefined;
    if (saved === undefined) return done();
    void saved.then(() => {
      done();
      this.#pump();
    });
  }

  async #prepare(): Promise<void> {
    if (this.#stage !== 'new') return;
    this.#stage = 'preparing';
    try {
      const saved = await this.#keeper.load();
      const epoch = this.#host.epochs.get(this.#path) ?? (await this.#host.askEpoch(this.#path));
      this.#host.epochs.learn(this.#path, epoch);
      this.#begin(saved, epoch);
    } catch (error) {
      this.#stage = 'new';
      for (const edit of this.#queue.splice(0)) edit.reject(error);
    }
  }

  #begin(saved: SavedWriter | undefined, epoch: Uint8Array): void {
    this.#renew();
    const early = this.#queue;
    for (const edit of early) if (edit.fields.epoch.length === 0) edit.fields = { ...edit.fields, epoch };
    if (saved !== undefined) this.#takeOver(saved, early);
    this.#stage = 'ready';
    this.#pump();
  }

  #takeOver(saved: SavedWriter, early: readonly PendingEdit[]): void {
    if (saved.user !== this.#identity.user) {
      const error = new BflyError('FORBIDDEN', 'the edit was made by another user before the page was loaded');
      for (const { wid: _wid, wseq: _wseq, ...fields } of saved.pending) this.#host.orphaned(this.#path, fields, error);
      return;
    }
    this.#queue = [...saved.pending.map((edit) => this.#revive(edit)), ...early];
    this.#identity.takeOver(saved);
  }

  #revive({ wid, wseq, ...fields }: SavedEdit): PendingEdit {
    const edit = new PendingEdit(this, this.#path, fields, undefined);
    edit.call(wid, wseq, wseq > 0); // the page may have gone before or after it was sent
    edit.result.then(
      (result) => this.#host.recovered(this.#path, fields, result),
      (error) => {
        if (error instanceof BflyError) this.#host.recovered(this.#path, fields, error);
      },
    );
    return edit;
  }
}
