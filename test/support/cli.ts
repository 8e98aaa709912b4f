/** The built `bfly` command as a child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { NO_CONFIG } from './line-server.ts';

/** The built command. */
export const CLI = path.resolve(import.meta.dirname, '../../dist/src/cli.js');

/** How a child process ended. */
export interface CliEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Where a command runs. */
export interface CliOptions {
  readonly cwd: string;
}

/** A running command. */
export class Cli {
  readonly child: ChildProcess;
  /** Resolves when the process is gone and its output was read. */
  readonly ended: Promise<CliEnd>;
  #out = '';
  #err = '';
  #over = false;
  #changed: (() => void)[] = [];

  constructor(args: readonly string[], options: CliOptions) {
    this.child = spawn(process.execPath, [CLI, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...NO_CONFIG, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
      this.#wake();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text;
      this.#wake();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        this.#over = true;
        this.#wake();
        resolve({ code, signal, out: this.#out, err: this.#err });
      });
    });
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }

  /** Waits for a piece of standard output; fails where the process ends before. @returns the match. */
  async outMatch(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#match(pattern, () => this.#out);
  }

  /** As `outMatch`, of standard error. */
  async errMatch(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#match(pattern, () => this.#err);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async #match(pattern: RegExp, text: () => string): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(text());
      if (match !== null) return match;
      if (this.#over) throw new Error(`the command ended without ${pattern}; it said: ${this.#out}${this.#err}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}

/** Commands of a test, all of which are gone after `dispose`. */
export class Commands {
  readonly #cwd: string;
  readonly #running = new Set<Cli>();

  /** @param cwd where they run. */
  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  /** Starts one that goes on. */
  start(...args: string[]): Cli {
    const cli = new Cli(args, { cwd: this.#cwd });
    this.#running.add(cli);
    const forget = (): void => void this.#running.delete(cli);
    cli.ended.then(forget, forget);
    return cli;
  }

  /** Runs one to its end. */
  run(...args: string[]): Promise<CliEnd> {
    return this.start(...args).ended;
  }

  /** Starts a server on a free port and waits until it listens. */
  async serve(...args: string[]): Promise<Cli & { readonly url: string }> {
    const cli = this.start('serve', '--port', '0', '--log-level', 'warn', ...args);
    const [, url = ''] = await cli.outMatch(/^bfly listening on (http:\S+) /m);
    return Object.assign(cli, { url });
  }

  /** Ends whatever still runs. */
  async dispose(): Promise<void> {
    const running = [...this.#running];
    for (const cli of running) cli.kill('SIGKILL');
    await Promise.all(running.map((cli) => cli.ended));
  }
}
