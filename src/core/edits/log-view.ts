/** An edit log as those see it who read the channel. */
import type { EditState } from '../../../protocol/edit-state.ts';
import type { ChannelEdits, RootLookup } from './channel-edits.ts';
import type { CommittedBatch } from './edit-request.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import type { LogReader } from './log-reader.ts';
import { openState } from './open-state.ts';
import type { VoxelHistory } from './voxel-history.ts';

/** What a view needs of its log. */
export interface ViewedLog {
  readonly head: number;
  readonly state: EditState;
  readonly voxels: VoxelHistory;
  readonly rows: ChannelRows;
  readonly reader: LogReader;
  reached(seq: number, timeoutMs?: number): Promise<void>;
  onCommit(listener: (batch: CommittedBatch) => void): () => void;
}

/** States of the links that are kept, for `map: "merged"`. */
const KEPT_LOOKUPS = 3;

/** A log as those see it who read the channel. */
export class LogView implements ChannelEdits {
  readonly #log: ViewedLog;
  readonly #context: LogContext;
  /** By the seq since which the links are so, the least recently used first. */
  readonly #lookups = new Map<number, Promise<RootLookup>>();
  #tables: Readonly<Record<string, number>>;

  constructor(log: ViewedLog, context: LogContext) {
    this.#log = log;
    this.#context = context;
    this.#tables = log.rows.counts();
    log.onCommit(({ records }) => {
      if (records.some(({ changes }) => changes.rows !== undefined || changes.gone !== undefined))
        this.#tables = log.rows.counts();
    });
  }

  get head(): number {
    return this.#log.head;
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
    return Math.min(at, this.#log.state.linksSeq);
  }

  async rootsAt(at: number): Promise<RootLookup> {
    const key = this.linksSeqAt(at);
    let lookup = this.#lookups.get(key) ?? this.#lookup(at, key);
    this.#lookups.delete(key);
    this.#lookups.set(key, lookup);
    lookup = lookup.catch((error: unknown) => {
      this.#lookups.delete(key);
      throw error;
    });
    for (const oldest of this.#lookups.keys()) {
      if (this.#lookups.size <= KEPT_LOOKUPS) break;
      this.#lookups.delete(oldest);
    }
    return lookup;
  }

  /** The links as they are now are copied, so that they hold while merges go on; those of the past are folded from the log. */
  async #lookup(at: number, key: number): Promise<RootLookup> {
    const { state } = this.#log;
    if (key === state.linksSeq) {
      const links = state.freezeLinks();
      return (ids) => ids.map((id) => links.rootOf(id));
    }
    const then = await openState(this.#context, { upto: at });
    return (ids) => ids.map((id) => then.state.rootOf(id));
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
