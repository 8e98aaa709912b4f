/** How urgent a chunk is to Neuroglancer, known by the signal that can end its download. */

import type { Chunk } from 'neuroglancer/unstable/chunk_manager/backend.js';
import { ChunkPriorityTier } from 'neuroglancer/unstable/chunk_manager/base.js';
import { PrecomputedVolumeChunkSource } from 'neuroglancer/unstable/datasource/precomputed/backend.js';

const chunks = new WeakMap<AbortSignal, Chunk>();

/** Begins to watch which chunk is downloaded under which signal. */
export function followPriorities(): void {
  const { download } = PrecomputedVolumeChunkSource.prototype;
  PrecomputedVolumeChunkSource.prototype.download = function (chunk, signal) {
    chunks.set(signal, chunk);
    return download.call(this, chunk, signal);
  };
}

/** Urgency of the chunk that is downloaded under a signal, 0 (first) to 7, as PULL has it. */
export function urgencyOf(signal: AbortSignal | undefined): number {
  const chunk = signal === undefined ? undefined : chunks.get(signal);
  if (chunk === undefined) return 3;
  if (chunk.priorityTier === ChunkPriorityTier.VISIBLE) return chunk.priority >= 0 ? 1 : 2;
  return chunk.priorityTier === ChunkPriorityTier.PREFETCH ? 5 : 6;
}
