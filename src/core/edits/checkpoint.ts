/**
 * Snapshots of the folded state in the log, so that opening a path need not replay all of it. A snapshot is never the truth.
 *
 * Under SNAPSHOT and its seq stand part 0, the header, written last, and parts 1..n. The header is JSON: `parts`, their number, and
 * `sums`, the crc32 of each. Older ones are removed.
 */
import { crc32 } from 'node:zlib';
import type { EditState } from '../../../protocol/edit-state.ts';
import { atOnce, type Sliced } from '../../../protocol/slices.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import { LogKind, logPart, logRange, logSeq, logSnapshotKey } from '../../database/keys.ts';
import { inSlices } from '../../utility/in-slices.ts';
import { type Logger, SILENT_LOG } from '../../utility/log.ts';

/** Edits behind the last snapshot that are worth a new one, at least, and as a share of the ids that it holds. */
const LEAST_EDITS = 20_000;
const SHARE_OF_LINKS = 0.1;
/** Edits that make a snapshot at the end of a server's life worth while. */
const EDITS_AT_CLOSE = 1_000;
/** Parts of one commit. */
const PARTS_AT_ONCE = 4;

/** A stored snapshot. */
export interface Checkpoint {
  readonly seq: number;
  /** Owned. */
  readonly parts: readonly Uint8Array[];
}

/** One that was read, with what is wrong with it. */
export type FoundCheckpoint = Checkpoint & { readonly fault: string | undefined };

interface Header {
  readonly parts: number;
  readonly sums: readonly number[];
}

/** Seqs of the snapshots of a path that have a header, newest first. */
export function checkpointSeqs(database: Database, path: number): number[] {
  return database
    .entryKeys('log', { ...logRange(path, LogKind.SNAPSHOT), reverse: true })
    .filter((key) => logPart(key) === 0)
    .map(logSeq);
}

/** The newest snapshot of a path that is whole and not above `upto`. */
export function newestCheckpoint(database: Database, path: number, upto: number): Checkpoint | undefined {
  for (const found of checkpoints(database, path, upto)) if (found.fault === undefined) return found;
  return undefined;
}

/** The snapshots of a path that are not above `upto`, newest first, each with what is wrong with it. Read as they are asked for. */
export function* checkpoints(
  database: Database,
  path: number,
  upto: number = Number.MAX_SAFE_INTEGER,
): Generator<FoundCheckpoint> {
  for (const seq of checkpointSeqs(database, path)) if (seq <= upto) yield atOnce(readCheckpoint(database, path, seq));
}

/** Reads the snapshot of a seq that has a header. */
export function* readCheckpoint(database: Database, path: number, seq: number): Sliced<FoundCheckpoint> {
  const header = headerOf(database.entry('log', logSnapshotKey(path, seq, 0)));
  const parts: Uint8Array[] = [];
  if (header === undefined) return { seq, parts, fault: `the header of the snapshot of edit ${seq} is damaged` };
  for (let part = 1; part <= header.parts; part++) {
    const bytes = database.entry('log', logSnapshotKey(path, seq, part));
    if (bytes === undefined) return { seq, parts, fault: `part ${part} of the snapshot of edit ${seq} is missing` };
    if (crc32(bytes) !== header.sums[part - 1])
      return { seq, parts, fault: `part ${part} of the snapshot of edit ${seq} was changed` };
    parts.push(bytes);
    yield;
  }
  return { seq, parts, fault: undefined };
}

function headerOf(bytes: Uint8Array | undefined): Header | undefined {
  try {
    const { parts, sums } = JSON.parse(Buffer.from(bytes ?? []).toString()) as Partial<Header>;
    return Number.isSafeInteger(parts) && Array.isArray(sums) ? { parts: parts as number, sums } : undefined;
  } catch {
    return undefined;
  }
}

/** Removes all snapshots of a path: its state is then replayed. */
export async function dropCheckpoints(database: Database, path: number): Promise<void> {
  await database.dropEntries('log', logRange(path, LogKind.SNAPSHOT));
}

/** Decides when a snapshot is due, and writes it. */
export class CheckpointKeeper {
  readonly #database: Database;
  readonly #path: number;
  readonly #log: Logger;
  #last: number;
  #writing: Promise<void> | undefined;

  /** @param last seq of the newest snapshot, 0 for none. */
  constructor(database: Database, path: number, last: number, log: Logger = SILENT_LOG) {
    this.#database = database;
    this.#path = path;
    this.#last = last;
    this.#log = log;
  }

  /**
   * Writes a snapshot where one is due: of the state as it is now, edits that are not durable yet included.
   *
   * @param reached resolves when a seq is durable; rejects where the state was given up instead, and read again: what was copied is then
   *   thrown away.
   */
  consider(state: EditState, reached: (seq: number) => Promise<void>): void {
    const { seq } = state;
    const due = Math.max(LEAST_EDITS, state.linkCount * SHARE_OF_LINKS);
    if (this.#writing !== undefined || seq - this.#last < due) return;
    const durable = reached(seq);
    const parts = state.writeCheckpoint();
    const write = async (): Promise<void> => {
      try {
        await durable;
      } catch {
        return;
      }
      await this.#write(seq, parts);
    };
    this.#writing = write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** At the end: waits for a snapshot under way, and writes a last one where it pays. Never fails. */
  async finish(state: EditState, head: number): Promise<void> {
    await this.#writing;
    if (state.seq === head && head - this.#last >= EDITS_AT_CLOSE) await this.#write(head, state.writeCheckpoint());
  }

  /** Never fails: the log is whole without it. */
  async #write(seq: number, parts: Sliced<readonly Uint8Array[]>): Promise<void> {
    try {
      await this.#commitParts(seq, await inSlices(parts));
      this.#last = seq;
      await this.#dropOthers(seq);
    } catch (error) {
      this.#log.warn({ err: error, seq }, 'a snapshot could not be written; the log is whole');
    }
  }

  async #commitParts(seq: number, parts: readonly Uint8Array[]): Promise<void> {
    // Of one that was cut off here parts may be left, which are written over, and no header may speak for a mixture of both.
    await this.#database.commit({ entries: [this.#entry(seq, 0, null)] });
    const sums: number[] = [];
    for (let from = 0; from < parts.length; from += PARTS_AT_ONCE) {
      const some = parts.slice(from, from + PARTS_AT_ONCE);
      await this.#database.commit({ entries: some.map((value, i) => this.#entry(seq, from + i + 1, value)) });
      for (const part of some) sums.push(crc32(part));
    }
    const header: Header = { parts: parts.length, sums };
    await this.#database.commit({ entries: [this.#entry(seq, 0, Buffer.from(JSON.stringify(header)))] });
  }

  /** Removes the snapshots of other seqs: parts that were cut off among them. */
  async #dropOthers(seq: number): Promise<void> {
    const keys = this.#database.entryKeys('log', logRange(this.#path, LogKind.SNAPSHOT));
    const others = keys.filter((key) => logSeq(key) !== seq);
    await this.#database.commit({ entries: others.map((key) => ({ store: 'log', key, value: null })) });
  }

  #entry(seq: number, part: number, value: Uint8Array | null): EntryWrite {
    return { store: 'log', key: logSnapshotKey(this.#path, seq, part), value };
  }
}
