/** Modules of Neuroglancer 2.41.2 that have no types of their own: what we touch of them. */

declare module 'neuroglancer/unstable/chunk_manager/frontend.js' {
  import type { RefCounted } from 'neuroglancer/unstable/util/disposable.js';
  import type { RPC } from 'neuroglancer/unstable/worker_rpc.js';

  export interface Chunk {
    state: number;
    freeGPUMemory(gl: unknown): void;
  }
  export class CapacitySpecification {
    constructor(options: { defaultItemLimit: number; defaultSizeLimit: number });
  }
  export class ChunkQueueManager extends RefCounted {
    constructor(rpc: RPC, gl: unknown, frameNumberCounter: unknown, capacities: Record<string, CapacitySpecification>);
    rpc: RPC;
    visibleChunksChanged: { add(listener: () => void): () => void };
  }
  export class ChunkManager extends RefCounted {
    constructor(chunkQueueManager: ChunkQueueManager);
  }
  export class ChunkSource {
    chunks: Map<string, Chunk>;
    gl: unknown;
    addChunk(key: string, chunk: Chunk): void;
  }
}

declare module 'neuroglancer/unstable/chunk_manager/backend.js' {
  export interface Chunk {
    key: string;
    state: number;
    priorityTier: number;
    priority: number;
    chunkGridPosition?: Float32Array;
    downloadAbortController: AbortController | undefined;
    freeSystemMemory(): void;
  }
  export interface ChunkSource {
    rpc: { invoke(name: string, message: unknown): void };
    rpcId: number;
    chunks: Map<string, Chunk>;
    removeChunk(chunk: Chunk): unknown;
    chunkStateChanged(chunk: Chunk, oldState: number): unknown;
    /** Sources of volumes alone have these. */
    kvStore?: { readonly store: unknown; readonly path: string };
    spec?: { readonly chunkDataSize: Uint32Array; readonly baseVoxelOffset: Float32Array };
  }
  export interface ChunkQueueManager {
    sources: Set<ChunkSource>;
    updateChunkState(chunk: Chunk, state: number): void;
    scheduleUpdate(): void;
  }
}

declare module 'neuroglancer/unstable/kvstore/backend.js' {
  import type { ChunkQueueManager } from 'neuroglancer/unstable/chunk_manager/backend.js';
  import type { BaseKvStoreProvider } from 'neuroglancer/unstable/kvstore/context.js';

  export const backendOnlyKvStoreProviderRegistry: {
    registerBaseKvStoreProvider(
      provider: (context: { chunkManager: { queueManager: ChunkQueueManager } }) => BaseKvStoreProvider,
    ): void;
  };
}

declare module 'neuroglancer/unstable/datasource/precomputed/backend.js' {
  import type { Chunk } from 'neuroglancer/unstable/chunk_manager/backend.js';

  export class PrecomputedVolumeChunkSource {
    download(chunk: Chunk, signal: AbortSignal): Promise<void>;
  }
}

declare module 'neuroglancer/unstable/segmentation_display_state/frontend.js' {
  /** Writes red, green and blue, 0 to 1. */
  export function getBaseObjectColor(displayState: object, root: bigint, color: Float32Array): Float32Array;
}

declare module 'neuroglancer/unstable/sliceview/chunk_format_handlers.js';
declare module 'neuroglancer/unstable/chunk_worker.bundle.js';
declare module '*.css';

declare module 'neuroglancer/unstable/layer/segmentation/index.js' {
  import type { UserLayer } from 'neuroglancer/unstable/layer/index.js';
  import type { VisibleSegmentsState } from 'neuroglancer/unstable/segmentation_display_state/base.js';

  export class SegmentationUserLayer extends UserLayer {
    displayState: {
      segmentationGroupState: {
        value: VisibleSegmentsState & { selectedSegments: IdSet; visibleSegments: IdSet; graph: { value: unknown } };
        changed: { add(listener: () => void): () => void };
      };
      segmentSelectionState: {
        hasSelectedSegment: boolean;
        baseValue: bigint | undefined;
        selectedSegment: bigint;
        changed: { add(listener: () => void): () => void };
      };
    };
  }

  interface IdSet extends Iterable<bigint> {
    add(id: bigint): void;
    delete(id: bigint): void;
    has(id: bigint): boolean;
    clear(): void;
    changed: { add(listener: () => void): () => void };
  }
}

declare module 'codemirror' {
  const CodeMirror: unknown;
  export default CodeMirror;
}
declare module 'codemirror/*';
