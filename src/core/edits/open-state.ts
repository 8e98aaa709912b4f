/** Opens what a path's log holds: the newest snapshot of the state, then the edits behind it, and which tiles they changed. */
import type { FoldContext } from '../../../protocol/edit-state.ts';
import { EditState } from '../../../protocol/edit-state.ts';
import { BflyError } from '../../../protocol/errors.ts';
import { parseOps } from '../../../protocol/parse-ops.ts';
import type { Sliced } from '../../../protocol/slices.ts';
import type { DType } from '../../../protocol/volume.ts';
import { LogKind } from '../../database/keys.ts';
import { inSlices } from '../../utility/in-slices.ts';
import { checkpointSeqs, readCheckpoint } from './checkpoint.ts';
import { CHK_BYTES, chkOf, decodeRecord, publicPartOf } from './edit-record.ts';
import type { ChannelRows, LogContext } from './log-context.ts';
import { LogReader } from './log-reader.ts';
import { footprintFactors, VoxelHistory } from './voxel-history.ts';

/** A path's log as it was found. */
export interface OpenedState {
  readonly state: EditState;
  readonly voxels: VoxelHistory;
  readonly rows: ChannelRows;
  /** chk of the last edit, 8 zeros where there is none. */
  readonly chk: Uint8Array;
  /** Seq of the snapshot that it began with, 0 for none. */
  readonly checkpointSeq: number;
}

/** Edits that are replayed between two turns of the event loop, and bytes of their records. */
const PAGE = 512;
const PAGE_BYTES = 1024 * 1024;

/** How to open a log. */
export interface OpenOptions {
  /** Replays every edit, whatever snapshots there are. */
  readonly fromScratch?: boolean;
  /** Replays only up to this seq. */
  readonly upto?: number;
}

/**
 * Opens a path's log.
 *
 * @throws BflyError INTERNAL where edits are missing or damaged.
 */
export async function openState(context: LogContext, options: OpenOptions = {}): Promise<OpenedState> {
  const { channel, database } = context;
  const reader = new LogReader(database, channel.number);
  const head = Math.min(reader.last(), options.upto ?? Number.MAX_SAFE_INTEGER);
  const rows = await context.openRows();
  const { state, checkpointSeq } = await startState(context, rows, options.fromScratch === true ? 0 : head);
  while (state.seq < head) {
    for (const { seq, value } of reader.page(state.seq, PAGE, head, PAGE_BYTES)) {
      if (seq !== state.seq + 1) throw gap(state.seq + 1);
      replay(state, seq, value);
    }
    if (state.seq < head) await new Promise((resolve) => setImmediate(resolve));
  }
  const last = head === 0 ? undefined : reader.value(head);
  const chk = last === undefined ? new Uint8Array(CHK_BYTES) : chkOf(publicPartOf(last)).slice();
  return { state, voxels: await inSlices(openVoxels(context, reader, state)), rows, chk, checkpointSeq };
}

async function startState(
  context: LogContext,
  rows: ChannelRows,
  upto: number,
): Promise<{ readonly state: EditState; readonly checkpointSeq: number }> {
  const { channel, database, log } = context;
  const fold = foldContext(context, rows);
  const seqs = upto === 0 ? [] : checkpointSeqs(database, channel.number).filter((seq) => seq <= upto);
  for (const seq of seqs)
    try {
      const { parts, fault } = await inSlices(readCheckpoint(database, channel.number, seq));
      if (fault !== undefined) throw new BflyError('INTERNAL', fault);
      const state = await inSlices(EditState.readCheckpoint(fold, parts));
      if (state.seq === seq) return { state, checkpointSeq: seq };
    } catch (error) {
      log.warn({ err: error, path: channel.path, seq }, 'a snapshot cannot be used; replaying the log from before it');
    }
  return { state: new EditState(fold), checkpointSeq: 0 };
}

/** The facts of a channel that the fold needs. */
export function foldContext({ channel, maxId }: LogContext, rows: ChannelRows): FoldContext {
  return {
    maxId,
    maxLegalId: greatestOf(channel.dtype),
    baseRow: (table, key) => rows.baseRow(table, key),
    lastBaseKey: (table) => rows.lastBaseKey(table),
  };
}

/** The greatest id that voxels of a type hold. */
function greatestOf(dtype: DType): bigint {
  switch (dtype) {
    case 'uint8':
      return 0xffn;
    case 'int8':
      return 0x7fn;
    case 'uint16':
      return 0xffffn;
    case 'int16':
      return 0x7fffn;
    case 'uint32':
      return 0xffff_ffffn;
    case 'int32':
      return 0x7fff_ffffn;
    case 'uint64':
      return 0xffff_ffff_ffff_ffffn;
    case 'int64':
      return 0x7fff_ffff_ffff_ffffn;
    case 'float32':
      // Whole numbers up to here are exact.
      return 2n ** 24n;
  }
}

/** Which edits changed which tiles stands in the log; when they went out of force the state knows. Reads no voxels. */
function* openVoxels({ channel }: LogContext, reader: LogReader, state: EditState): Sliced<VoxelHistory> {
  const voxels = new VoxelHistory(channel.mips, footprintFactors(channel.mips, channel.factors));
  const firstDelta = reader.firstWith(LogKind.DELTA);
  // Better no channel than one that shows voxels without the edits of them. All other lists are looked at by a verification.
  if (firstDelta < reader.firstWith(LogKind.TILES))
    throw new BflyError(
      'INTERNAL',
      `the list of tiles of edit ${firstDelta} is missing: restore the store from a backup`,
    );
  const turns = state.forceChanges()[Symbol.iterator]();
  let turn = turns.next();
  const turnUpTo = function* (seq: number): Sliced<void> {
    for (; turn.done !== true && turn.value[0] <= seq; turn = turns.next()) {
      voxels.force(turn.value[0], turn.value[1]);
      yield;
    }
  };
  for (let after = 0, isLast = false; !isLast; ) {
    const page = reader.tiles(after, state.seq, PAGE);
    for (const { seq, tiles } of page) {
      yield* turnUpTo(seq - 1);
      voxels.add(seq, tiles);
      yield* turnUpTo(seq);
      after = seq;
    }
    isLast = page.length < PAGE;
    yield;
  }
  // Of a log without voxels nobody asks what was undone when.
  if (!voxels.isEmpty) yield* turnUpTo(state.seq);
  return voxels;
}

function replay(state: EditState, seq: number, value: Uint8Array): void {
  try {
    const { ops, results, changes } = decodeRecord(value);
    state.replay({ seq, ops: parseOps(ops), results, touched: changes.touched ?? [] });
  } catch (cause) {
    // What decoding damaged bytes ends with may be any error.
    throw new BflyError('INTERNAL', `edit ${seq} in the log is damaged: restore the store from a backup`, { cause });
  }
}

function gap(seq: number): BflyError {
  return new BflyError('INTERNAL', `edit ${seq} is missing in the log: restore the store from a backup`);
}
