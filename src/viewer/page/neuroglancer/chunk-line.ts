/** The chunk worker, and what the page and it tell each other. It is begun before there is a view: it loads and connects meanwhile. */
import type { FromWorker, ToWorker, WorkerName } from './messages.ts';

/** A chunk worker. */
export class ChunkLine {
  readonly folder: string;
  readonly worker: Worker;
  /** Whether the worker has said anything: Neuroglancer need not wait for its first word then, and would for ever. */
  isUp = false;
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Set<(message: FromWorker) => void>();

  constructor(name: Omit<WorkerName, 'channel'>) {
    this.folder = name.folder;
    this.#channel = new BroadcastChannel(`bfly-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`);
    this.#channel.onmessage = ({ data }: MessageEvent<FromWorker>): void => {
      for (const listener of this.#listeners) listener(data);
    };
    this.worker = new Worker(new URL('./chunk-worker.js', import.meta.url), {
      type: 'module',
      name: JSON.stringify({ ...name, channel: this.#channel.name }),
    });
    const up = (): void => {
      this.isUp = true;
    };
    this.worker.addEventListener('message', up, { once: true });
  }

  /** Before it has said `ready`, it may not hear. */
  readonly tell = (message: ToWorker): void => this.#channel.postMessage(message);

  /** @returns a function that ends it. */
  readonly on = (listener: (message: FromWorker) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  close(): void {
    this.#channel.close();
    this.worker.terminate();
  }
}
