/** Proves that a path's log holds what it says: nothing is missing, and what was derived from it is what it gives anew. Rule [E20]. */
import { TABLES } from '../../../protocol/edit-ops.ts';
import type { EditState } from '../../../protocol/edit-state.ts';
import { EditView } from '../../../protocol/edit-view.ts';
import { pack } from '../../../protocol/msgpack.ts';
import { LogKind, logRange, logSeq } from '../../database/keys.ts';
import { CHK_BYTES, chkOf, decodeRecord, isChained, publicPartOf } from './edit-record.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import { LogReader } from './log-reader.ts';
import { openState } from './open-state.ts';

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
const PAGE = 512;

/** Verifies a path's log against itself: reads all of it, changes nothing. */
export async function verifyLog(context: LogContext): Promise<VerifyReport> {
  const faults: string[] = [];
  const tell = (fault: string): void => {
    if (faults.length < MAX_FAULTS) faults.push(fault);
  };
  const view = await walkRecords(context, tell);
  const deltas = await countDeltas(context, tell);
  const replayed = await openState(context, { fromScratch: true });
  const opened = await openState(context);
  compareStates(replayed.state, opened.state, tell);
  compareView(replayed.state, view, tell);
  compareRows(replayed.state, opened.rows, tell);
  const { state } = replayed;
  return {
    ...{ path: context.channel.path, edits: state.seq, links: state.linkCount, deltas },
    ...{ snapshot: opened.checkpointSeq, faults },
  };
}

/** The records one by one: gapless, chained, readable. @returns what a client that was told all of them believes. */
async function walkRecords({ channel, database }: LogContext, tell: (fault: string) => void): Promise<EditView> {
  const reader = new LogReader(database, channel.number);
  const view = new EditView();
  let chk: Uint8Array = new Uint8Array(CHK_BYTES);
  for (let at = 0; ; ) {
    const page = reader.page(at, PAGE);
    if (page.length === 0) return view;
    for (const { seq, value } of page) {
      if (seq !== at + 1) tell(`edits ${at + 1} to ${seq - 1} are missing`);
      at = seq;
      const publicPart = publicPartOf(value);
      if (!isChained(publicPart, chk)) tell(`the digest of edit ${seq} does not follow on the edit before`);
      chk = chkOf(publicPart).slice();
      const record = decodeRecord(value);
      if (record.seq !== seq) tell(`edit ${seq} says that it is edit ${record.seq}`);
      view.apply(seq, record.changes);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function countDeltas({ channel, database }: LogContext, tell: (fault: string) => void): Promise<number> {
  const { end, start } = logRange(channel.number, LogKind.DELTA);
  let count = 0;
  let from = start;
  let before = { seq: 0, part: -1 };
  for (;;) {
    const page = database.entries('log', { start: from, end, limit: PAGE });
    for (const [key] of page) {
      const seq = logSeq(key);
      const part = new DataView(key.buffer, key.byteOffset).getUint32(13);
      if (part !== (seq === before.seq ? before.part + 1 : 0)) tell(`a part of the voxels of edit ${seq} is missing`);
      before = { seq, part };
      count++;
    }
    const last = page[page.length - 1];
    if (page.length < PAGE || last === undefined) return count;
    from = Uint8Array.of(...last[0], 0);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function compareStates(replayed: EditState, opened: EditState, tell: (fault: string) => void): void {
  if (replayed.seq !== opened.seq)
    tell(`the replay ends at ${replayed.seq}, the snapshot and its tail at ${opened.seq}`);
  for (const [id, root] of linksOf(replayed))
    if (opened.rootOf(id) !== root) tell(`id ${id}: the replay has root ${root}, the snapshot ${opened.rootOf(id)}`);
  if (replayed.linkCount !== opened.linkCount)
    tell(`the replay has ${replayed.linkCount} links, the snapshot ${opened.linkCount}`);
  if (!isSame([...replayed.regions()], [...opened.regions()]))
    tell('the regions of the replay and the snapshot differ');
  if (!isSame([...replayed.meta], [...opened.meta])) tell('the metadata of the replay and the snapshot differ');
  if (!isSame([...replayed.outOfForce()].sort(), [...opened.outOfForce()].sort()))
    tell('the replay and the snapshot differ in which edits are in force');
  for (const table of TABLES)
    for (const [key, row] of replayed.editedRows(table))
      if (!isSame(row, opened.row(table, key)))
        tell(`row ${key} of ${table} differs between the replay and the snapshot`);
}

function compareView(state: EditState, view: EditView, tell: (fault: string) => void): void {
  for (const [id, root] of linksOf(state))
    if (view.rootOf(id) !== root)
      tell(`id ${id} has root ${root}; who was told all changes believes ${view.rootOf(id)}`);
}

function compareRows(state: EditState, rows: ChannelRows, tell: (fault: string) => void): void {
  for (const table of TABLES)
    for (const [key, row] of state.editedRows(table))
      if (!isSame(row, rows.row(table, key))) tell(`row ${key} of ${table} is not in the tables as the edits made it`);
}

function* linksOf(state: EditState): Generator<readonly [id: bigint, root: bigint]> {
  const links = state.freezeLinks();
  for (let from = 0; from < links.rows; from += 4_096) {
    const page = links.page(from, 4_096);
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    for (let at = 0; at < page.length; at += 16) yield [view.getBigUint64(at, true), view.getBigUint64(at + 8, true)];
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return Buffer.compare(pack(a ?? null).slice(), pack(b ?? null)) === 0;
}
