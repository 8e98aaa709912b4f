/** A server in a process of its own, over LMDB in a temporary folder: killed and started again as often as a storm wants. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Limits } from '../../protocol/limits.ts';
import type { Vec3 } from '../../protocol/volume.ts';

const SCRIPT = fileURLToPath(new URL('./storm-child.mjs', import.meta.url));

/** Limits that no storm reaches. */
export const STORM_LIMITS: Partial<Limits> = {
  framesPerSecond: 1_000_000,
  framesBurst: 1_000_000,
  controlPerSecond: 1_000_000,
  editsPerSecond: 1_000_000,
  editsBurst: 1_000_000,
  connectionsPerAddress: 100_000,
  unwelcomed: 10_000,
  writersPerUser: 1_000_000,
};

export interface ChildServerOptions {
  readonly transport?: 'ws' | 'uws';
  readonly limits?: Partial<Limits>;
  /** Size of an image of random bytes that is served too. */
  readonly noise?: Vec3;
}

/** What a process says of its memory, in bytes, and of the processor time that it took so far, in microseconds. */
export interface ProcessUse extends NodeJS.MemoryUsage {
  readonly cpu: NodeJS.CpuUsage;
  /** Resident memory without pages of files. */
  readonly anonymous: number;
}

/** The server. */
export class ChildServer {
  readonly #folder: string;
  readonly #options: ChildServerOptions;
  #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #lines: AsyncIterator<string>;
  #said = '';
  #port = 0;

  private constructor(folder: string, options: ChildServerOptions) {
    this.#folder = folder;
    this.#options = options;
    [this.#process, this.#lines] = this.#spawn();
  }

  /** Ingests the volumes and starts the server. */
  static async start(options: ChildServerOptions = {}): Promise<ChildServer> {
    const server = new ChildServer(await mkdtemp(path.join(tmpdir(), 'bfly-storm-')), options);
    try {
      await server.#listening();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/v1`;
  }

  /** Folder of the store. */
  get dataDir(): string {
    return path.join(this.#folder, 'data');
  }

  /** Ends the process as a power cut of its own would: nothing is said, nothing is finished. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  /** Starts the server again on the same store and port, after `kill`. */
  async restart(): Promise<void> {
    [this.#process, this.#lines] = this.#spawn();
    await this.#listening();
  }

  /** What the process has and took, after a garbage collection. */
  async use(): Promise<ProcessUse> {
    this.#process.stdin.write('memory\n');
    return JSON.parse(await this.#line());
  }

  /** Kills the server and removes its folder. */
  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #spawn(): [ChildProcessByStdio<Writable, Readable, Readable>, AsyncIterator<string>] {
    const { transport = 'uws', limits = STORM_LIMITS, noise } = this.#options;
    const request = { dataDir: this.dataDir, port: this.#port, transport, limits, noise, logLevel: 'warn' };
    const child = spawn(process.execPath, ['--expose-gc', SCRIPT, JSON.stringify(request)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stderr.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-4_000);
    });
    return [child, createInterface({ input: child.stdout })[Symbol.asyncIterator]()];
  }

  async #listening(): Promise<void> {
    const { port } = JSON.parse(await this.#line()) as { readonly port: number };
    this.#port = port;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the server ended: ${this.#said}`);
    return value;
  }

  /** The end of what it wrote to its log: warnings and errors. */
  get said(): string {
    return this.#said;
  }
}
