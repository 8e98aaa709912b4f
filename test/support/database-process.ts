/** Another process with a database, for tests: a handle on `database-child.mjs`. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./database-child.mjs', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist/src/database/lmdb-database.js', import.meta.url));

/** Whether the package is built; tests that need it say so loudly where it is not. */
export const isBuilt = existsSync(BUILT);

/** One line of the child's output. */
export type ChildAnswer = Readonly<Record<string, unknown>>;

/** A child process and its answers, in order. */
export class DatabaseProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  /** @param limit a shell command that sets limits on the process first */
  constructor(limit?: string) {
    const command = limit === undefined ? [process.execPath, SCRIPT] : shellWith(limit);
    this.#child = spawn(command[0] ?? '', command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    // Read and dropped, so that the pipe never fills: lmdb prints each failed commit.
    this.#child.stderr.resume();
    this.#exited = once(this.#child, 'exit');
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends a request and does not wait for what it answers. */
  send(request: ChildAnswer): void {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** The next line of output; undefined after the last. */
  async next(): Promise<ChildAnswer | undefined> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : JSON.parse(value);
  }

  /** Sends a request and waits for one answer. */
  async ask(request: ChildAnswer): Promise<ChildAnswer | undefined> {
    this.send(request);
    return await this.next();
  }

  /** Ends the process as a power cut would end it, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Lets the process end by itself. @returns its exit code */
  async end(): Promise<number | null> {
    this.#child.stdin.end();
    await this.#exited;
    return this.#child.exitCode;
  }
}

function shellWith(limit: string): string[] {
  return ['sh', '-c', `${limit}; exec "$0" "$@"`, process.execPath, SCRIPT];
}
