/** What a person is told when a command fails: one line that says what to do. */
import { CommanderError } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import { plainWords } from './plain-words.ts';

/** Exit codes: 1 = it could not be done, 2 = the command line is wrong, 130 = interrupted. */
export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2, INTERRUPTED: 130 } as const;

/** The work was stopped by a signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** One line for an error, without `bfly:` in front. */
export function faultLine(error: unknown): string {
  if (error instanceof CommanderError) return error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  if (error instanceof Interrupted) return error.message;
  // Only UNAVAILABLE says less than the error of the system behind it.
  if (error instanceof BflyError && error.code !== 'UNAVAILABLE') return plainWords(oneLine(error.message));
  const advice = adviceFor(error);
  if (advice !== undefined) return advice;
  if (error instanceof BflyError) return plainWords(oneLine(error.message));
  const message = error instanceof Error ? error.message : String(error);
  return `an error inside Butterfly: ${oneLine(message)} (--log-level debug shows where)`;
}

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
  return error instanceof Interrupted ? EXIT.INTERRUPTED : EXIT.FAILED;
}

/** What to do about errors of the operating system, wherever in the chain of causes they are. */
function adviceFor(error: unknown): string | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    const { code, port, path, hostname } = cause as NodeJS.ErrnoException & { port?: number; hostname?: string };
    switch (typeof code === 'string' && !(cause instanceof BflyError) ? code : '') {
      case 'EADDRINUSE':
        return `port ${port ?? 'asked for'} is in use; choose another with --port, or --port 0 for any`;
      case 'EADDRNOTAVAIL':
        return 'this machine does not have the address of --host; 127.0.0.1 is this machine alone, 0.0.0.0 all networks';
      case 'ECONNREFUSED':
        return 'no server listens there; check host and port, or start one with: bfly serve';
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return `there is no host ${hostname ?? 'of that name'}; check the URL`;
      case 'EACCES':
      case 'EPERM':
        return path === undefined
          ? `no permission${port === undefined ? '' : ` to listen on port ${port}; choose one from 1024 up with --port`}`
          : `no permission for ${path}`;
      case 'ENOENT':
        if (path !== undefined) return `there is no ${path}`;
        break;
      case 'ENOSPC':
        return 'the disk is full';
      case 'EISDIR':
        return `${path ?? 'the output'} is a folder; name a file`;
    }
  }
  return undefined;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}
