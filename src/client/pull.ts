/** What one can do with a pull. How it works: `pull-operation.ts`. */
import type { Box, DType, EncodingName, PullOrder, SegmentMap, Vec3 } from '../../protocol/index.ts';
import type { Tile } from './tile.ts';

/** Options of a pull. */
export interface PullOptions {
  /** Level; 0 (default) is the finest. */
  readonly mip?: number;
  /** Half-open, in voxels of `mip`; default: the whole level. */
  readonly box?: Box;
  /** Encodings in order of preference; default: what the server has cheapest among those that we can decode. */
  readonly enc?: readonly EncodingName[];
  /** `near` (default): outward from `focus`, `scan`: z, y, x. */
  readonly order?: PullOrder;
  /** A voxel of `mip`; default: the box's centre. */
  readonly focus?: Vec3;
  /** 0 (first) to 7 (last), default 3. */
  readonly urgency?: number;
  /** Ends an older pull of the session with the same key. */
  readonly replace?: string;
  /** Reads the volume as it was at this seq. */
  readonly at?: number;
  /** The life of the edit log that `at` counts in. */
  readonly epoch?: Uint8Array;
  /** Waits up to a second until the server has applied this seq. */
  readonly minSeq?: number;
  /** `merged`: ids after merges, as uint64. */
  readonly map?: SegmentMap;
  /** Ends the pull; the iteration throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Fixed credit window of this pull in bytes, 64 KiB..4 MiB; default: the session's. */
  readonly window?: number;
  /** Largest TILE payload in bytes, 32 KiB..4 MiB; default: the session's, or else a quarter of the window as the pull begins. */
  readonly frame?: number;
}

/** What the server says before the first tile. */
export interface PullReady {
  /** Number of tiles that will come, error tiles included. */
  readonly tiles: number;
  readonly dtype: DType;
  /** Seq that the server answers from. */
  readonly at: number;
}

/** How far a pull is. `replaced`: a newer pull took its key. */
export type PullStatus = 'waiting' | 'open' | 'done' | 'cancelled' | 'replaced' | 'failed';

/** Tiles on their way. One consumer: two iterations share the tiles between them. Leaving a `for await` early cancels. */
export interface Pull extends AsyncIterableIterator<Tile, undefined, undefined> {
  readonly status: PullStatus;
  /** The server's first answer. Rejects where there is none; that need not be handled. */
  readonly ready: Promise<PullReady>;
  /** Changes the urgency, and the order where `focus` is given, of what is not sent yet. */
  prioritise(urgency: number, focus?: Vec3): void;
  /** Ends the pull; tiles that came and were not taken are dropped. */
  cancel(): void;
}
