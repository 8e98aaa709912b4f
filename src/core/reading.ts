/** When, and as what, a channel is read: at which seq, base ids or bodies. Rule [D1]. */
import { BflyError } from '../../protocol/errors.ts';
import type { SegmentMap } from '../../protocol/messages.ts';
import type { DType } from '../../protocol/volume.ts';
import type { Channel } from './channel.ts';
import type { ChannelEdits } from './edits/channel-edits.ts';
import { VoxelHistory } from './edits/voxel-history.ts';

/** What a question says of the state that it asks for. */
export interface ReadWish {
  /** Default: the head at the time of opening. */
  readonly at?: number;
  readonly map?: SegmentMap;
  /** Epoch that `at` belongs to. */
  readonly epoch?: Uint8Array;
  /** Seq to wait for. */
  readonly minSeq?: number;
}

/** One state of a channel, the same however long it is read. */
export interface Reading {
  readonly edits: ChannelEdits;
  /** Not above the head. */
  readonly at: number;
  /** Ids are given as the roots of their bodies, uint64. */
  readonly merged: boolean;
  /** The last edit up to `at` that changed a root. */
  readonly linksSeq: number;
}

/** How a channel is read. */
export interface OpenedReading {
  /** Unset where it is as ingested: nothing need be looked up then. */
  readonly reading: Reading | undefined;
  /** Seq at which the answer is true. */
  readonly at: number;
  /** Voxel type of the answer. */
  readonly dtype: DType;
}

/** How long a question waits for the seq that it names. */
const MIN_SEQ_MS = 1_000;

/** The log of a channel that has none. */
const NO_EDITS: ChannelEdits = {
  head: 0,
  voxels: new VoxelHistory([], []),
  delta: () => {
    throw new BflyError('INTERNAL', 'a channel without edits has no deltas');
  },
  linksSeqAt: () => 0,
  rootsAt: async () => (ids) => ids,
  whenApplied: async (seq) => seq === 0,
};

/**
 * Finds the state that a question asks for.
 *
 * @throws BflyError EPOCH_MISMATCH; UNAVAILABLE where `minSeq` is not reached in time; OUT_OF_BOUNDS for an `at` that is not yet;
 *   UNSUPPORTED for bodies of a channel that has no ids.
 */
export async function openReading(
  channel: Channel,
  log: ChannelEdits | undefined,
  wish: ReadWish,
): Promise<OpenedReading> {
  const edits = log ?? NO_EDITS;
  checkEpoch(wish, channel);
  const { minSeq } = wish;
  if (minSeq !== undefined && minSeq > edits.head && !(await edits.whenApplied(minSeq, MIN_SEQ_MS)))
    throw new BflyError('UNAVAILABLE', `the server has not reached seq ${minSeq} yet`);
  return readingOf(channel, edits, wish);
}

/**
 * As `openReading`, at once; `minSeq` is not waited for.
 *
 * @throws BflyError as `openReading`.
 */
export function readingOf(channel: Channel, log: ChannelEdits | undefined, wish: ReadWish): OpenedReading {
  const edits = log ?? NO_EDITS;
  checkEpoch(wish, channel);
  const at = wish.at ?? edits.head;
  if (at > edits.head) throw new BflyError('OUT_OF_BOUNDS', `at must be a seq up to the head, ${edits.head}`);
  if (wish.map !== 'merged') return { ...readingAt(edits, at), dtype: channel.dtype };
  if (channel.type !== 'segmentation' || channel.dtype === 'float32')
    throw new BflyError('UNSUPPORTED', `map "merged" needs a segmentation of integers; ${channel.path} is none`);
  return { reading: { edits, at, merged: true, linksSeq: edits.linksSeqAt(at) }, at, dtype: 'uint64' };
}

/** The newest durable state of a channel. */
export function presentReading(log: ChannelEdits | undefined): Reading | undefined {
  return log === undefined ? undefined : readingAt(log, log.head).reading;
}

function readingAt(edits: ChannelEdits, at: number): { readonly reading: Reading | undefined; readonly at: number } {
  return { reading: edits.voxels.isEditedAt(at) ? { edits, at, merged: false, linksSeq: 0 } : undefined, at };
}

/** @throws BflyError EPOCH_MISMATCH where a question names another epoch than the channel's. Rule [D1]. */
export function checkEpoch(question: { readonly epoch?: Uint8Array }, channel: Channel): void {
  if (question.epoch !== undefined && Buffer.compare(question.epoch, channel.epoch) !== 0)
    throw new BflyError('EPOCH_MISMATCH', "epoch is not the channel's present one: INFO tells it");
}
