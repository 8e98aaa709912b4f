/** Servers under test, each in a process of its own that tells its port. */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** A server process. */
export interface ServerProcess {
  readonly port: number;
  /** Asks the server something over the process channel. */
  ask(question: string): Promise<unknown>;
  /** Ends it. @param signal default: SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Runs a compiled script of bench/ to its end. @returns the JSON that it printed. */
export async function runScript(script: string, args: readonly (string | number)[]): Promise<unknown> {
  const file = fileURLToPath(new URL(`../${script}`, import.meta.url));
  return JSON.parse((await promisify(execFile)(process.execPath, [file, ...args.map(String)])).stdout);
}

/** Starts a compiled script of bench/ with arguments. */
export async function startServerProcess(script: string, args: readonly string[]): Promise<ServerProcess> {
  const child = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), args, { stdio: 'inherit' });
  const port = Number(await nextMessage(child));
  return {
    port,
    ask: (question) => {
      const answer = nextMessage(child);
      child.send(question);
      return answer;
    },
    stop: (signal = 'SIGTERM') =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill(signal);
      }),
  };
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the server process ended with ${code}`)));
  });
}

/** In a server process: tells the port, and its memory when asked for `rss`, and ends on SIGTERM. */
export function reportPort(port: number, stop: () => Promise<void>): void {
  process.send?.(port);
  process.on('message', (question) => {
    if (question === 'rss') process.send?.(process.memoryUsage.rss());
  });
  process.once('SIGTERM', () => {
    stop().then(() => process.exit(0));
  });
}
