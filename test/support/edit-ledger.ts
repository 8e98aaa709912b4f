/**
 * What everybody did and was told in a storm, and whether the log that is there in the end agrees: nothing acknowledged is lost, nothing
 * seen is undone, nothing happens twice. Each edit's `note` names its writer and wseq, for others are not told them.
 */
import { createHash } from 'node:crypto';
import type { ErrorName } from '../../protocol/errors.ts';
import type { WireMap } from '../../protocol/messages.ts';
import { type Claim, type Conflict, falseConflicts, missedConflicts } from './edit-claims.ts';
import { canonical, differences, digestOf, type EditView, foldLog } from './edit-oracle.ts';

/** The reply to an EDIT, as its writer got it. */
export interface Acknowledgement {
  readonly epoch: string;
  readonly seq: number;
  readonly status: string;
  readonly results: readonly unknown[];
}

/** What one subscriber has. */
export interface SeenLog {
  readonly name: string;
  readonly epoch: string;
  /** It came in behind this edit: 0, or the seq of its snapshot. */
  readonly start: number;
  /** Digests of the edits behind `start`, in the order in which they came. */
  readonly digests: readonly string[];
  /** What it made of them. */
  readonly views: readonly EditView[];
}

/** The log as HISTORY gives it in the end. */
export interface FinalLog {
  /** Hex. */
  readonly epoch: string;
  readonly head: number;
  readonly edits: readonly WireMap[];
}

/** The refusal of an EDIT. */
export interface Refusal {
  readonly error: ErrorName;
  readonly message: string;
  readonly details?: WireMap | undefined;
}

interface Submission {
  readonly ops: string;
  readonly claim?: Claim | undefined;
  ack?: Acknowledgement;
  refused?: ErrorName;
}

/** Faults that are told one by one; a storm that goes wrong goes wrong often. */
const MAX_FAULTS = 25;

/** So long without anything that any client did or heard is the end, ms. */
const PATIENCE_MS = 60_000;

/** Name of an edit in its `note`. */
export const editName = (writer: string, wseq: number): string => `${writer}:${wseq}`;

/** Collects what clients do and are told. */
export class EditLedger {
  readonly #writers = new Map<string, Uint8Array>();
  readonly #submitted = new Map<string, Submission>();
  readonly #faults: string[] = [];
  readonly #unsound = new Set<(error: Error) => void>();
  readonly #conflicts: Conflict[] = [];
  #acknowledged = 0;
  #newest = 0;
  /** When a client last did or heard anything. */
  #stirredAt = performance.now();
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  /** Edits that were acknowledged as applied before: their first reply was lost. */
  repeated = 0;
  /** How often edits were refused, by the reason: its numbers are left out. */
  readonly refusals = new Map<string, number>();

  /** Acknowledgements so far, each edit once. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get submitted(): number {
    return this.#submitted.size;
  }

  /** The greatest seq that any writer was told; 0 before. */
  get newest(): number {
    return this.#newest;
  }

  /** How often edits were refused with an error. */
  refusedWith(error: ErrorName): number {
    const ofIt = [...this.refusals].filter(([reason]) => reason.startsWith(`${error}:`));
    return ofIt.reduce((sum, [, times]) => sum + times, 0);
  }

  /** A client heard something: what is waited for may still come. */
  stir(): void {
    this.#stirredAt = performance.now();
  }

  /** Resolves when so many edits in all are acknowledged. */
  async untilAcknowledged(count: number): Promise<void> {
    if (this.#acknowledged >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }

  writer(name: string, wid: Uint8Array): void {
    this.#writers.set(name, wid);
  }

  /** An EDIT is about to be sent for the first time. */
  submit(writer: string, wseq: number, ops: readonly WireMap[], claim?: Claim): void {
    const name = editName(writer, wseq);
    if (this.#submitted.has(name)) this.fault(`${name} was given to other ops`);
    this.#submitted.set(name, { ops: canonical(ops), claim });
  }

  acknowledge(writer: string, wseq: number, ack: Acknowledgement): void {
    const name = editName(writer, wseq);
    const submission = this.#submitted.get(name);
    if (submission === undefined) return this.fault(`${name} was acknowledged and never sent`);
    if (submission.refused !== undefined) this.fault(`${name} was refused with ${submission.refused} and acknowledged`);
    if (submission.ack !== undefined && canonical(submission.ack) !== canonical(ack))
      this.fault(`${name} was acknowledged as ${canonical(submission.ack)} and as ${canonical(ack)}`);
    if (submission.ack === undefined) this.#acknowledged++;
    submission.ack = ack;
    this.#newest = Math.max(this.#newest, ack.seq);
    this.stir();
    const due = this.#waiting.filter(({ count }) => count <= this.#acknowledged);
    this.#waiting = this.#waiting.filter(({ count }) => count > this.#acknowledged);
    for (const { resolve } of due) resolve();
  }

  /** An EDIT was refused so that it will never be applied under this number. */
  refuse(writer: string, wseq: number, { error, message, details }: Refusal): void {
    const name = editName(writer, wseq);
    const submission = this.#submitted.get(name);
    if (submission === undefined) return this.fault(`${name} was refused and never sent`);
    if (submission.ack !== undefined) this.fault(`${name} was acknowledged and refused with ${error}`);
    submission.refused = error;
    const reason = `${error}: ${message.replaceAll(/\d+/g, 'N')}`;
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    if (error === 'CONFLICT') this.#conflicts.push({ name, claim: submission.claim, details: details ?? {} });
    this.stir();
  }

  /** Something that a client saw and must never see. */
  fault(text: string): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push(text);
    for (const reject of this.#unsound) reject(new Error(`a client saw what it must not see: ${text}`));
    this.#unsound.clear();
  }

  /**
   * What `work` comes to, or an error as soon as a client saw something that it must never see, or when for a long time nobody was told
   * anything: what then is waited for may never come.
   */
  async whileSound<T>(work: Promise<T>): Promise<T> {
    const [first] = this.#faults;
    if (first !== undefined) throw new Error(`a client saw what it must not see: ${first}`);
    let reject = (_error: Error): void => {};
    const fault = new Promise<never>((_, no) => {
      reject = no;
      this.#unsound.add(no);
    });
    this.stir();
    const watch = setInterval(() => {
      if (performance.now() - this.#stirredAt < PATIENCE_MS) return;
      reject(new Error(`nobody was told anything for ${PATIENCE_MS / 1000} s; ${this.#unanswered()}`));
    }, 1_000);
    try {
      return await Promise.race([work, fault]);
    } finally {
      clearInterval(watch);
      this.#unsound.delete(reject);
    }
  }

  /** What is not answered yet, in words. */
  #unanswered(): string {
    const open = [...this.#submitted].filter(([, { ack, refused }]) => ack === undefined && refused === undefined);
    return `${open.length} edits are unanswered, such as ${open.slice(0, 4).map(([name]) => name)}`;
  }

  /** Everything that is wrong, as sentences; none where all is well. */
  check(log: FinalLog, seen: readonly SeenLog[]): string[] {
    const faults = [...this.#faults, ...gapsIn(log), ...this.#strangersIn(log), ...this.#lostFrom(log)];
    faults.push(...falseConflicts(this.#conflicts, log), ...missedConflicts(this.#submitted, log));
    const digests = log.edits.map(digestOf);
    const fold = foldLog(log.edits);
    for (const one of seen) faults.push(...strayingOf(one, log, digests), ...strayedView(one, log, fold));
    return faults.slice(0, MAX_FAULTS);
  }

  /** Edits of the log that nobody sent, that were refused, that are another's, or that stand there twice. */
  #strangersIn(log: FinalLog): string[] {
    const faults: string[] = [];
    const met = new Map<string, unknown>();
    for (const edit of log.edits) {
      const name = String(edit['note']);
      const submission = this.#submitted.get(name);
      const at = `edit ${edit['seq']} (${name})`;
      if (met.has(name)) faults.push(`${at} is edit ${met.get(name)} once more`);
      met.set(name, edit['seq']);
      if (submission === undefined) faults.push(`${at} was never sent`);
      else if (submission.ops !== canonical(edit['ops'])) faults.push(`${at} holds other ops than were sent`);
      if (submission?.refused !== undefined) faults.push(`${at} was refused with ${submission.refused}`);
      const wid = this.#writers.get(name.slice(0, name.lastIndexOf(':')));
      if (wid !== undefined && canonical(edit['w']) !== canonical(shortWid(wid)))
        faults.push(`${at} is said to be another's`);
    }
    return faults;
  }

  /** Acknowledged edits that do not stand in the log where and as they were acknowledged. */
  #lostFrom(log: FinalLog): string[] {
    const faults: string[] = [];
    for (const [name, { ack }] of this.#submitted) {
      if (ack === undefined) continue;
      const edit = log.edits[ack.seq - 1];
      if (ack.epoch !== log.epoch)
        faults.push(`${name} was acknowledged in epoch ${ack.epoch}, the log has ${log.epoch}`);
      if (edit?.['note'] !== name)
        faults.push(`${name} was acknowledged as edit ${ack.seq}, which is ${edit?.['note']}`);
      else if (canonical(edit['results']) !== canonical(ack.results))
        faults.push(
          `${name} was acknowledged with ${canonical(ack.results)}, the log has ${canonical(edit['results'])}`,
        );
    }
    return faults;
  }
}

function shortWid(wid: Uint8Array): Uint8Array {
  return createHash('sha256').update(wid).digest().subarray(0, 4);
}

function gapsIn(log: FinalLog): string[] {
  const wrong = log.edits.findIndex((edit, at) => Number(edit['seq']) !== at + 1);
  const faults = wrong < 0 ? [] : [`edit ${log.edits[wrong]?.['seq']} stands in the log's place ${wrong + 1}`];
  if (log.edits.length !== log.head) faults.push(`the log has ${log.edits.length} edits and head ${log.head}`);
  return faults;
}

function strayingOf(seen: SeenLog, log: FinalLog, digests: readonly string[]): string[] {
  if (seen.epoch !== log.epoch) return [`${seen.name} saw epoch ${seen.epoch}, the log has ${log.epoch}`];
  const wrong = seen.digests.findIndex((digest, at) => digest !== digests[seen.start + at]);
  if (wrong < 0) return [];
  const at = seen.start + wrong;
  return [`${seen.name} saw another edit ${at + 1} than the log has (${log.edits[at]?.['note'] ?? 'none'})`];
}

function strayedView(seen: SeenLog, log: FinalLog, fold: EditView): string[] {
  const position = seen.start + seen.digests.length;
  const wanted = position === log.edits.length ? fold : foldLog(log.edits.slice(0, position));
  return seen.views.flatMap((view) => differences(view, wanted)).map((text) => `${seen.name} at ${position}: ${text}`);
}
