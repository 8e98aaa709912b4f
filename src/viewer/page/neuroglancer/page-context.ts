/** Neuroglancer's data context with our own worker in the place of its own: the same otherwise. */

import { ChunkState } from 'neuroglancer/unstable/chunk_manager/base.js';
import {
  CapacitySpecification,
  ChunkManager,
  ChunkQueueManager,
  ChunkSource,
} from 'neuroglancer/unstable/chunk_manager/frontend.js';
import type { DataManagementContext } from 'neuroglancer/unstable/data_management_context.js';
import type { DisplayContext } from 'neuroglancer/unstable/display_context.js';
import { RefCounted } from 'neuroglancer/unstable/util/disposable.js';
import { RPC } from 'neuroglancer/unstable/worker_rpc.js';
import type { ChunkLine } from './chunk-line.ts';

/** Chunks asked for at once. A connection may have 32 pulls open. */
const DOWNLOADS = 30;

class PageContext extends RefCounted {
  readonly worker: Worker;
  readonly chunkQueueManager: ChunkQueueManager;
  readonly chunkManager: ChunkManager;
  readonly gl: unknown;

  constructor(display: DisplayContext, { worker, isUp }: ChunkLine) {
    super();
    this.gl = display.gl;
    this.worker = worker;
    const limit = (items: number, bytes: number): CapacitySpecification =>
      new CapacitySpecification({ defaultItemLimit: items, defaultSizeLimit: bytes });
    this.chunkQueueManager = this.registerDisposer(
      new ChunkQueueManager(new RPC(worker, !isUp), display.gl, display, {
        gpuMemory: limit(1e6, 1e9),
        systemMemory: limit(1e7, 2e9),
        download: limit(DOWNLOADS, Number.POSITIVE_INFINITY),
        compute: limit(128, 5e8),
      }),
    );
    this.chunkManager = this.registerDisposer(new ChunkManager(this.chunkQueueManager));
  }

  get rpc(): RPC {
    return this.chunkQueueManager.rpc;
  }
}

/** The context for a Viewer with this worker. */
export function makeContext(display: DisplayContext, line: ChunkLine): DataManagementContext {
  freeReplaced();
  return new PageContext(display, line) as unknown as DataManagementContext; // the same shape but for private parts
}

let isMended = false;

/** A chunk that comes again takes the place of the one that is shown: its texture has to go, or it never does. */
function freeReplaced(): void {
  if (isMended) return;
  isMended = true;
  const add = ChunkSource.prototype.addChunk;
  ChunkSource.prototype.addChunk = function (this: ChunkSource, key, chunk): void {
    const old = this.chunks.get(key);
    if (old !== undefined && old !== chunk && old.state === ChunkState.GPU_MEMORY) old.freeGPUMemory(this.gl);
    add.call(this, key, chunk);
  };
}
