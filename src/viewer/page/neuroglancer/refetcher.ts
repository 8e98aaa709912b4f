/** Fetches again what an edit changed, and only that. The page goes on showing the old chunk until the new one is there: no flicker. */

import type { Chunk, ChunkQueueManager, ChunkSource } from 'neuroglancer/unstable/chunk_manager/backend.js';
import { ChunkPriorityTier, ChunkState } from 'neuroglancer/unstable/chunk_manager/base.js';
import type { Box } from '../../../client/index.ts';
import { ChunkStore } from './chunk-store.ts';

/** Chunks whose old copy is still on the page while the worker counts them as queued, by source. */
const stale = new WeakMap<ChunkSource, Set<string>>();

/** Chunks that somebody waits for. */
interface Wait {
  readonly left: Map<ChunkSource, Set<string>>;
  /** Whether it is known whom it waits for. */
  isReady: boolean;
  readonly fresh: () => void;
}

const waits = new Set<Wait>();

function awaitChunk(wait: Wait, source: ChunkSource, key: string): void {
  waits.add(wait);
  guarded(source);
  const keys = wait.left.get(source);
  if (keys === undefined) wait.left.set(source, new Set([key]));
  else keys.add(key);
}

/** A chunk has come, or never will. */
function settled(source: ChunkSource, key: string): void {
  for (const wait of waits) {
    const keys = wait.left.get(source);
    if (keys?.delete(key) !== true || keys.size > 0) continue;
    wait.left.delete(source);
    if (wait.left.size > 0 || !wait.isReady) continue;
    waits.delete(wait);
    wait.fresh();
  }
}

/** Puts chunks that are out of date back into the queue. */
export class Refetcher {
  readonly #managers = new Set<ChunkQueueManager>();

  /** The chunks of this manager are looked at from now on. */
  watch(manager: ChunkQueueManager): void {
    this.#managers.add(manager);
  }

  /**
   * Boxes of mip 0 of a path changed: so did those voxels of coarser levels that hold some of them.
   *
   * @param fresh is called once all that is to be seen of it has come.
   */
  dirty(path: string, boxes: readonly Box[], fresh: () => void = () => {}): void {
    const scales = new Map<ChunkSource, readonly number[]>();
    const scaleOf = (source: ChunkSource): readonly number[] => {
      const known = scales.get(source) ?? this.#scaleOf(path, source);
      scales.set(source, known);
      return known;
    };
    const isThis = (source: ChunkSource): boolean => isOf(source, path);
    this.#requeue(isThis, (source, chunk) => boxes.some((box) => meets(source, chunk, box, scaleOf(source))), fresh);
  }

  /** All chunks of a path are out of date. */
  all(path: string): void {
    this.#requeue(
      (source) => isOf(source, path),
      () => true,
    );
  }

  /** Images of some addresses are to come in another form. @param isUnderWay whether only those that are being fetched now. */
  images(isImage: (address: string) => boolean, isUnderWay: boolean): void {
    this.#requeue(
      ({ kvStore }) => kvStore?.store instanceof ChunkStore && isImage(kvStore.store.address),
      (_, { state }) => !isUnderWay || state === ChunkState.DOWNLOADING,
    );
  }

  /** How many voxels of mip 0 lie along an edge of the source's voxels: by the level's key, which names their size in nm. */
  #scaleOf(path: string, source: ChunkSource): readonly number[] {
    const finest = this.#sourcesOf(path).map(sizeOf).reduce(smallest, sizeOf(source));
    return sizeOf(source).map((size, axis) => size / (finest[axis] ?? size));
  }

  #sourcesOf(path: string): ChunkSource[] {
    return [...this.#managers].flatMap(({ sources }) => [...sources].filter((source) => isOf(source, path)));
  }

  #requeue(
    isThis: (source: ChunkSource) => boolean,
    isOut: (source: ChunkSource, chunk: Chunk) => boolean,
    fresh: () => void = () => {},
  ): void {
    const wait: Wait = { left: new Map(), isReady: false, fresh };
    for (const manager of this.#managers) {
      for (const source of manager.sources) {
        if (!isThis(source)) continue;
        for (const chunk of [...source.chunks.values()]) {
          if (!isOut(source, chunk)) continue;
          if (chunk.priorityTier === ChunkPriorityTier.VISIBLE) awaitChunk(wait, source, chunk.key);
          requeue(manager, source, chunk);
        }
      }
      manager.scheduleUpdate();
    }
    wait.isReady = true;
    if (wait.left.size > 0) return;
    waits.delete(wait);
    fresh();
  }
}

/** Whether a source shows the present of a path. */
function isOf({ kvStore, spec }: ChunkSource, path: string): boolean {
  const store = kvStore?.store;
  return (
    store instanceof ChunkStore && spec !== undefined && store.volume.path === path && store.volume.at === undefined
  );
}

function sizeOf({ kvStore }: ChunkSource): readonly number[] {
  const key = kvStore?.path.replace(/\/$/, '') ?? '';
  return key
    .replace(/_mip\d+$/, '')
    .split('_')
    .map(Number);
}

function smallest(a: readonly number[], b: readonly number[]): readonly number[] {
  return a.map((size, axis) => Math.min(size, b[axis] ?? size));
}

function meets({ spec }: ChunkSource, { chunkGridPosition }: Chunk, box: Box, scale: readonly number[]): boolean {
  if (chunkGridPosition === undefined || spec === undefined) return false;
  for (let axis = 0; axis < 3; axis++) {
    const size = spec.chunkDataSize[axis] ?? 1;
    const factor = scale[axis] ?? 1;
    const from = ((spec.baseVoxelOffset[axis] ?? 0) + (chunkGridPosition[axis] ?? 0) * size) * factor;
    // A voxel more on each side: levels are rounded.
    if (from - factor >= (box[axis + 3] ?? 0) || from + (size + 1) * factor <= (box[axis] ?? 0)) return false;
  }
  return true;
}

function requeue(manager: ChunkQueueManager, source: ChunkSource, chunk: Chunk): void {
  if (chunk.state === ChunkState.GPU_MEMORY || chunk.state === ChunkState.SYSTEM_MEMORY) guarded(source).add(chunk.key);
  if (chunk.state === ChunkState.DOWNLOADING) {
    const download = chunk.downloadAbortController;
    chunk.downloadAbortController = undefined;
    download?.abort(new DOMException('the chunk has changed', 'AbortError'));
  } else if (chunk.state === ChunkState.SYSTEM_MEMORY_WORKER) chunk.freeSystemMemory();
  manager.updateChunkState(chunk, ChunkState.QUEUED);
}

/** A chunk that went out of view before it came again: the page is told to drop its old copy. */
function guarded(source: ChunkSource): Set<string> {
  const known = stale.get(source);
  if (known !== undefined) return known;
  const keys = new Set<string>();
  stale.set(source, keys);
  const { removeChunk, chunkStateChanged } = source;
  source.removeChunk = (chunk) => {
    settled(source, chunk.key);
    if (keys.delete(chunk.key))
      source.rpc.invoke('Chunk.update', { id: chunk.key, state: ChunkState.EXPIRED, source: source.rpcId });
    return removeChunk.call(source, chunk);
  };
  source.chunkStateChanged = (chunk, before) => {
    const isThere = chunk.state === ChunkState.GPU_MEMORY || chunk.state === ChunkState.SYSTEM_MEMORY;
    if (isThere) keys.delete(chunk.key);
    if (isThere || chunk.state === ChunkState.FAILED) settled(source, chunk.key);
    return chunkStateChanged.call(source, chunk, before);
  };
  return keys;
}
