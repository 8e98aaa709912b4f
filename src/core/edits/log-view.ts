/** An edit log as those see it who read the channel. */
import type { ChannelEdits, RootLookup } from './channel-edits.ts';
import type { CommittedBatch } from './edit-request.ts';
import { type LinkedLog, LinksHistory } from './links-history.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import type { LogReader } from './log-reader.ts';
import { openState } from './open-state.ts';
import type { VoxelHistory } from './voxel-history.ts';

/** What a view needs of its log. */
export interface ViewedLog extends LinkedLog {
  readonly head: number;
  readonly voxels: VoxelHistory;
  readonly rows: ChannelRows;
  readonly reader: LogReader;
  reached(seq: number, timeoutMs?: number): Promise<void>;
  onCommit(listener: (batch: CommittedBatch) => void): () => void;
}

/** A log as those see it who read the channel. */
export class LogView implements ChannelEdits {
  readonly #log: ViewedLog;
  readonly #links: LinksHistory;
  #tables: Readonly<Record<string, number>>;
  /** The newest edit whose time was looked up. */
  #newest = { seq: 0, time: 0 };

  constructor(log: ViewedLog, context: LogContext) {
    this.#log = log;
    this.#links = new LinksHistory(log, async (seq) => (await openState(context, { upto: seq })).state.freezeLinks());
    this.#tables = log.rows.counts();
    log.onCommit((batch) => this.#take(batch));
  }

  #take(batch: CommittedBatch): void {
    const { records } = batch;
    this.#links.take(batch);
    const newest = records[records.length - 1];
    if (newest !== undefined) this.#newest = { seq: newest.seq, time: newest.time };
    // An empty batch: the log was read again.
    if (records.length === 0 || records.some(({ changes: { rows, gone } }) => rows !== undefined || gone !== undefined))
      this.#tables = this.#log.rows.counts();
  }

  get head(): number {
    return this.#log.head;
  }

  get edited(): number | undefined {
    const { head, reader } = this.#log;
    if (head === 0) return undefined;
    // After an opening it stands only in the log.
    if (this.#newest.seq !== head) this.#newest = { seq: head, time: reader.record(head).time };
    return this.#newest.time;
  }

  get voxels(): VoxelHistory {
    return this.#log.voxels;
  }

  get tables(): Readonly<Record<string, number>> {
    return this.#tables;
  }

  delta(seq: number, part: number): Uint8Array {
    return this.#log.reader.delta(seq, part);
  }

  linksSeqAt(at: number): number {
    return this.#links.seqAt(at);
  }

  rootsAt(at: number): Promise<RootLookup> {
    return this.#links.rootsAt(at);
  }

  async whenApplied(seq: number, timeoutMs: number): Promise<boolean> {
    try {
      await this.#log.reached(seq, timeoutMs);
      return true;
    } catch {
      return false;
    }
  }
}
