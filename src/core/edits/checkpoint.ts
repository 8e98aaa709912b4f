/**
 * Snapshots of the folded state in the log, so that opening a path need not replay all of it. A snapshot is never the truth.
 *
 * Under SNAPSHOT and its seq stand part 0, the header (JSON `{"parts": n}`), written last, and parts 1..n. Older ones are removed.
 */
import type { EditState } from '../../../protocol/edit-state.ts';
import type { Database, EntryWrite } from '../../database/database.ts';
import { LogKind, logRange, logSeq, logSnapshotKey } from '../../database/keys.ts';
import type { Logger } from '../../utility/log.ts';

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

/** Seqs of the complete snapshots of a path, newest first. */
export function checkpointSeqs(database: Database, path: number): number[] {
  return database
    .entries('log', logRange(path, LogKind.SNAPSHOT))
    .filter(([key]) => isHeader(key))
    .map(([key]) => logSeq(key))
    .reverse();
}

/** The newest complete snapshot of a path that is not above `upto`. */
export function newestCheckpoint(database: Database, path: number, upto: number): Checkpoint | undefined {
  const seq = checkpointSeqs(database, path).find((at) => at <= upto);
  const header = seq === undefined ? undefined : database.entry('log', logSnapshotKey(path, seq, 0));
  if (seq === undefined || header === undefined) return undefined;
  const { parts: count } = JSON.parse(Buffer.from(header).toString()) as { readonly parts: number };
  const parts: Uint8Array[] = [];
  for (let part = 1; part <= count; part++) {
    const bytes = database.entry('log', logSnapshotKey(path, seq, part));
    if (bytes === undefined) return undefined;
    parts.push(bytes);
  }
  return { seq, parts };
}

/** Removes all snapshots of a path: its state is then replayed. */
export async function dropCheckpoints(database: Database, path: number): Promise<void> {
  await database.dropEntries('log', logRange(path, LogKind.SNAPSHOT));
}

/** Decides when a snapshot is due, and writes it. */
export class CheckpointKeeper {
  readonly #database: Database;
  readonly #path: number;
  #last: number;
  #writing: Promise<void> | undefined;

  /** @param last seq of the newest snapshot, 0 for none. */
  constructor(database: Database, path: number, last: number) {
    this.#database = database;
    this.#path = path;
    this.#last = last;
  }

  /** Writes a snapshot where one is due. The state is copied at once where it is durable, else this is put off. */
  consider(state: EditState, head: number, log: Logger): void {
    const due = Math.max(LEAST_EDITS, state.linkCount * SHARE_OF_LINKS);
    if (this.#writing !== undefined || state.seq !== head || head - this.#last < due) return;
    this.#writing = this.#write(state)
      .catch((error: unknown) => log.warn({ err: error }, 'a snapshot could not be written; the log is whole'))
      .finally(() => {
        this.#writing = undefined;
      });
  }

  /** At the end: waits for a snapshot under way, and writes a last one where it pays. */
  async finish(state: EditState, head: number): Promise<void> {
    await this.#writing;
    if (state.seq === head && head - this.#last >= EDITS_AT_CLOSE) await this.#write(state);
  }

  async #write(state: EditState): Promise<void> {
    const { seq } = state;
    const parts = state.checkpoint();
    const older = this.#database.entries('log', logRange(this.#path, LogKind.SNAPSHOT)).map(([key]) => key);
    for (let from = 0; from < parts.length; from += PARTS_AT_ONCE)
      await this.#database.commit({
        entries: parts.slice(from, from + PARTS_AT_ONCE).map((value, i) => this.#entry(seq, from + i + 1, value)),
      });
    const header = Buffer.from(JSON.stringify({ parts: parts.length }));
    await this.#database.commit({ entries: [this.#entry(seq, 0, header)] });
    this.#last = seq;
    await this.#database.commit({ entries: older.map((key) => ({ store: 'log', key, value: null })) });
  }

  #entry(seq: number, part: number, value: Uint8Array): EntryWrite {
    return { store: 'log', key: logSnapshotKey(this.#path, seq, part), value };
  }
}

function isHeader(key: Uint8Array): boolean {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(13) === 0;
}
