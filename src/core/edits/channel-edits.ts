/** What reading needs to know of a channel's edit log. Types only: the log itself is above, and reads tiles in its turn. */
import type { Channel } from '../channel.ts';
import type { VoxelHistory } from './voxel-history.ts';

/** Finds the bodies of ids: the root of each, in order, owned. It holds for the seq that it was asked for, however long it is kept. */
export type RootLookup = (ids: BigUint64Array) => BigUint64Array;

/** The edit log of one channel, as those see it who read the channel. */
export interface ChannelEdits {
  /** Seq of the last durable edit: what is read unless another seq is named. Nothing behind it is ever read. */
  readonly head: number;
  /** Time of the edit `head`, milliseconds since 1970, UTC; unset: there is none, or it is not known. */
  readonly edited?: number | undefined;
  /** May know edits that are not durable yet. Another object after the log was read again. */
  readonly voxels: VoxelHistory;
  /** Rows of the tables, for INFO; another object whenever they have changed. Unset: none. */
  readonly tables?: Readonly<Record<string, number>>;
  /**
   * The bytes of a delta (`image/voxel-delta.ts`) of a durable edit. Shared.
   *
   * @throws BflyError INTERNAL where the log does not hold it.
   */
  delta(seq: number, part: number): Uint8Array;
  /** Seq of the last edit that is not above `at` and changed the root of any id; 0 where there is none. */
  linksSeqAt(at: number): number;
  /** @throws BflyError UNSUPPORTED where bodies are not known for a seq so long ago. */
  rootsAt(at: number): Promise<RootLookup>;
  /** Waits until `head` has reached a seq; false where it has not within `timeoutMs`. */
  whenApplied(seq: number, timeoutMs: number): Promise<boolean>;
}

/** The edit logs of a server. */
export interface EditsOfChannels {
  /** Opens a channel's log; resolves when `of` gives it. Called once for each opening of a channel, before anyone reads it. */
  open(channel: Channel): Promise<void>;
  /** Ends a channel's log, once what it has taken is kept: it takes no more, and whoever follows it is told. */
  closeLog(channel: Channel): Promise<void>;
  /** The log of a channel that is open; undefined where it is none that can be edited. */
  of(channel: Channel): ChannelEdits | undefined;
}
