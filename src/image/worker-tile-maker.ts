/** Work on pixels in a pool of worker threads, so that reading and coding never hold up the event loop. The pool is piscina's. */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { BflyError } from '../../protocol/errors.ts';
import type { DType, EncodingName } from '../../protocol/volume.ts';
import { isRemoteUrl } from '../utility/remote-url.ts';
import type { ByteRange, SourceFile, SourceInfo } from './source.ts';
import type {
  CoarserTile,
  MadeBlock,
  MadeTile,
  RenderRequest,
  SourceBlock,
  SourceTile,
  TileMaker,
  UniquePart,
  VolumeSpec,
} from './tile-maker.ts';
import type { Outcome } from './tile-worker.ts';
import type { VoxelWork } from './voxel-work.ts';
import { WorkerLanes } from './worker-lanes.ts';

/** The worker is compiled code whether this file runs compiled or as TypeScript (as in tests, after a build). */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/src/image/tile-worker.js' : './tile-worker.js',
  import.meta.url,
).href;

/** Tasks of one thread at a time. One that waits for a disk or for sharp leaves time for another; for other machines they wait longer. */
const LOCAL_TASKS = 2;
const REMOTE_TASKS = 6;

type LoadBalancer = NonNullable<Piscina['options']['loadBalancer']>;

/** Settings of a pool. */
export interface WorkerOptions {
  /** Worker threads; default one a core, at most 8. */
  readonly threads?: number;
  /** Called before a source is opened: gives what may be opened, or throws. */
  readonly admit?: (spec: VolumeSpec) => Promise<VolumeSpec>;
}

/** A `TileMaker` on worker threads. */
export class WorkerTileMaker implements TileMaker {
  readonly #pool: Piscina;
  readonly #lanes: WorkerLanes;
  #closing = false;
  readonly #admit: (spec: VolumeSpec) => Promise<VolumeSpec>;

  constructor(options: WorkerOptions = {}) {
    this.#admit = options.admit ?? (async (spec) => spec);
    const threads = options.threads ?? Math.min(8, availableParallelism());
    this.#lanes = new WorkerLanes({
      local: LOCAL_TASKS * threads,
      remote: REMOTE_TASKS * threads,
      perRemote: LOCAL_TASKS * threads,
    });
    this.#pool = new Piscina({
      filename: WORKER,
      minThreads: 1,
      maxThreads: threads,
      concurrentTasksPerWorker: LOCAL_TASKS + REMOTE_TASKS,
      loadBalancer: (_task, workers) => leastBusy(workers, threads),
      idleTimeout: 60_000,
      execArgv: [],
    });
    // A worker that answers a task which has ended meanwhile, or fails between two tasks. Nobody waits for that; unheard, it would end the program.
    this.#pool.on('error', () => {});
  }

  async open(spec: VolumeSpec): Promise<SourceInfo> {
    return this.#run('open', await this.#admit(spec), spec);
  }

  async fromSource(tile: SourceTile): Promise<MadeTile> {
    return this.#run('fromSource', { ...tile, spec: await this.#admit(tile.spec) }, tile.spec);
  }

  async fromSourceBlock(block: SourceBlock): Promise<MadeBlock> {
    const request = { ...block, spec: await this.#admit(block.spec) };
    return this.#run('fromSourceBlock', request, block.spec, block.memory);
  }

  async file(spec: VolumeSpec, key: string, range?: ByteRange): Promise<SourceFile | undefined> {
    return this.#run('file', { spec: await this.#admit(spec), key, range }, spec);
  }

  fromFiner(tile: CoarserTile): Promise<MadeTile> {
    return this.#run('fromFiner', tile);
  }

  transcode(frame: Uint8Array, dtype: DType, to: EncodingName): Promise<Uint8Array> {
    return this.#run('transcode', { frame, dtype, to });
  }

  unique(parts: readonly UniquePart[], dtype: DType): Promise<BigUint64Array> {
    return this.#run('unique', { parts, dtype });
  }

  maxId(frames: readonly Uint8Array[], dtype: DType): Promise<bigint> {
    return this.#run('maxId', { frames, dtype });
  }

  work<K extends keyof VoxelWork>(name: K, request: VoxelWork[K]['request']): Promise<VoxelWork[K]['result']> {
    return this.#run('work', { name, request });
  }

  render(request: RenderRequest): Promise<{ readonly bytes: Uint8Array; readonly mime: string }> {
    return this.#run('render', request);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#pool.destroy();
  }

  /**
   * @param spec of the source that the task reads; undefined = none.
   * @param given buffers in the request that go to the worker.
   */
  async #run<T>(name: string, request: unknown, spec?: VolumeSpec, given: readonly ArrayBuffer[] = []): Promise<T> {
    const outcome: Outcome<T> = await this.#lanes.run(remoteOf(spec), async () =>
      this.#pool.run(request, { name, transferList: [...given] }).catch((error: unknown) => {
        // Ended with its worker: no fault of the data's.
        throw this.#closing ? new BflyError('UNAVAILABLE', 'the server is shutting down', { retryMs: 1_000 }) : error;
      }),
    );
    if ('value' in outcome) return outcome.value;
    throw new BflyError(outcome.code, outcome.message, outcome.details && { details: outcome.details });
  }
}

/**
 * The thread for a task; null where it is to wait for one that is not there yet. Piscina's own rule fills a thread to the brim before it
 * begins another: all would be done by one.
 */
function leastBusy(workers: Parameters<LoadBalancer>[1], threads: number): ReturnType<LoadBalancer> {
  const [first, ...others] = workers;
  if (first === undefined) return null;
  const least = others.reduce((a, b) => (b.currentUsage < a.currentUsage ? b : a), first);
  const room = workers.length < threads ? LOCAL_TASKS : LOCAL_TASKS + REMOTE_TASKS;
  return least.currentUsage < room ? least : null;
}

/** The volume on another machine that a spec names. */
function remoteOf(spec: VolumeSpec | undefined): string | undefined {
  return spec !== undefined && 'path' in spec && isRemoteUrl(spec.path) ? spec.path : undefined;
}
