/** Proves that a path's log holds what it says: nothing is missing, and what was derived from it is what it gives anew. Rule [E20]. */

import { EditView } from '../../../protocol/edit-view.ts';
import { BflyError } from '../../../protocol/errors.ts';
import { LogKind, logRange } from '../../database/keys.ts';
import { checkpoints } from './checkpoint.ts';
import { compareStates, compareTables, compareView, type Tell } from './compare-states.ts';
import { CHK_BYTES, chkOf, decodeRecord, isChained, privatePartOf, publicPartOf, shortHash } from './edit-record.ts';
import type { LogContext } from './log-context.ts';
import { LogReader, type StoredEdit } from './log-reader.ts';
import { type OpenedState, type OpenOptions, openState } from './open-state.ts';
import { verifyDeltas } from './verify-deltas.ts';
import { lastSeqIn } from './writers.ts';

/** What a verification found. */
export interface VerifyReport {
  readonly path: string;
  readonly edits: number;
  /** Ids that are not their own root. */
  readonly links: number;
  /** Stored parts of the voxels that edits changed. */
  readonly deltas: number;
  /** Seq of the snapshot that was compared with the replay, 0 where there is none. */
  readonly snapshot: number;
  /** What is wrong, one sentence each; none where all is well. */
  readonly faults: readonly string[];
}

/** Faults that are told. */
const MAX_FAULTS = 20;
/** Edits that are read at once, and their bytes. */
const PAGE = 512;
const PAGE_BYTES = 1024 * 1024;

/** Verifies a path's log against itself: reads all of it, changes nothing. */
export async function verifyLog(context: LogContext): Promise<VerifyReport> {
  const { channel, database } = context;
  const faults: string[] = [];
  const tell: Tell = (fault) => {
    if (faults.length < MAX_FAULTS && !faults.includes(fault)) faults.push(fault);
  };
  const { view, edits, withVoxels } = await walkRecords(context, tell);
  const deltas = await verifyDeltas(context, withVoxels, tell);
  for (const { seq, fault } of checkpoints(database, channel.number))
    if (fault !== undefined) tell(fault);
    else if (seq > edits) tell(`the edits end at ${edits}, and there is a snapshot of edit ${seq}`);
  await verifyWriters(context, edits, tell);
  const replayed = await opened(context, { fromScratch: true }, tell);
  const fromSnapshot = await opened(context, {}, tell);
  if (replayed !== undefined && fromSnapshot !== undefined) {
    compareStates(replayed.state, fromSnapshot.state, tell);
    compareView(replayed.state, view, tell);
    compareTables(replayed.state, view, fromSnapshot.rows, tell);
  }
  return {
    ...{ path: channel.path, edits, links: replayed?.state.linkCount ?? 0, deltas },
    ...{ snapshot: fromSnapshot?.checkpointSeq ?? 0, faults },
  };
}

async function opened(context: LogContext, options: OpenOptions, tell: Tell): Promise<OpenedState | undefined> {
  try {
    return await openState(context, options);
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    tell(error.message);
    return undefined;
  }
}

interface Walked {
  /** What a client that was told all of the edits believes. */
  readonly view: EditView;
  /** Seq of the last edit. */
  readonly edits: number;
  /** Edits that say that they changed voxels. */
  readonly withVoxels: ReadonlySet<number>;
}

/** The records one by one: gapless, chained, readable. */
async function walkRecords({ channel, database }: LogContext, tell: Tell): Promise<Walked> {
  const reader = new LogReader(database, channel.number);
  const view = new EditView();
  const withVoxels = new Set<number>();
  let chk: Uint8Array = new Uint8Array(CHK_BYTES);
  for (let at = 0; ; ) {
    const page = reader.page(at, PAGE, undefined, PAGE_BYTES);
    if (page.length === 0) return { view, edits: at, withVoxels };
    for (const edit of page) {
      const { seq } = edit;
      if (seq !== at + 1)
        tell(at + 2 === seq ? `edit ${at + 1} is missing` : `edits ${at + 1} to ${seq - 1} are missing`);
      at = seq;
      try {
        chk = verifyRecord(edit, chk, view, withVoxels, tell);
      } catch {
        // Whatever decoding damaged bytes ends with.
        tell(`edit ${seq} in the log is damaged`);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** @returns its link of the digest chain, owned. */
function verifyRecord(
  { seq, value }: StoredEdit,
  previous: Uint8Array,
  view: EditView,
  withVoxels: Set<number>,
  tell: Tell,
): Uint8Array {
  const publicPart = publicPartOf(value);
  if (!isChained(publicPart, previous)) tell(`the digest of edit ${seq} does not follow on the edit before`);
  const record = decodeRecord(value);
  if (record.seq !== seq) tell(`edit ${seq} says that it is edit ${record.seq}`);
  // `w` is in the map, and only the server's own readers have no use for it.
  const { w } = record as { readonly w?: Uint8Array };
  if (w === undefined || Buffer.compare(w, shortHash(privatePartOf(value).wid, w.length)) !== 0)
    tell(`the writer of edit ${seq} is another than it tells`);
  if ((record.status === 'noop') !== (Object.keys(record.changes).length === 0))
    tell(`edit ${seq} says that it was ${record.status}, which its changes deny`);
  if (record.results.some((result) => Number((result as { readonly voxels?: unknown } | null)?.voxels ?? 0) > 0))
    withVoxels.add(seq);
  view.apply(seq, record.changes);
  return chkOf(publicPart).slice();
}

/** A writer's entry is written with its last edit. */
async function verifyWriters({ channel, database }: LogContext, edits: number, tell: Tell): Promise<void> {
  const { start, end } = logRange(channel.number, LogKind.WRITER);
  for (let from = start; ; ) {
    const page = database.entries('log', { start: from, end, limit: PAGE });
    for (const [, value] of page) {
      const last = lastSeqIn(value);
      if (last > edits) tell(`the edits end at ${edits}, and a writer was answered that edit ${last} was kept`);
    }
    const last = page[page.length - 1];
    if (page.length < PAGE || last === undefined) return;
    from = Uint8Array.of(...last[0], 0);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
