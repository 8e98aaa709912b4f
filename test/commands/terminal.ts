/** A terminal and parts of Butterfly for tests of commands. */
import type { Context, Parts } from '../../src/commands/context.ts';
import { runCommand } from '../../src/commands/program.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

/** What a command left behind. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Options of `run`. */
export interface RunOptions {
  readonly parts?: Partial<Parts>;
  readonly env?: Readonly<Record<string, string>>;
  /** Is given the function that a first signal calls, as soon as a command listens for one. */
  onListen?(interrupt: () => void): void;
}

/** Runs a command line. A part that a test did not give throws when it is used. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  let out = '';
  let err = '';
  const missing = (): never => {
    throw new Error('the test did not give this part');
  };
  const parts: Parts = {
    startServer: missing,
    findVolumes: missing,
    ingestVolume: missing,
    connect: missing,
    connectEditor: missing,
    backupDatabase: missing,
    restoreDatabase: missing,
    verifyStore: missing,
    signToken: missing,
    openLog: async () => SILENT_LOG,
    ...options.parts,
  };
  const context: Context = {
    version: '1.2.3',
    parts,
    terminal: {
      out: async (text) => {
        out += text;
      },
      err: {
        write: (text) => {
          err += text;
        },
      },
      env: options.env ?? { RH_CONFIG_FILENAME: '/nonexistent/rh-config.yaml' },
      onInterrupt(stop) {
        options.onListen?.(stop);
        return () => {};
      },
    },
  };
  return { code: await runCommand(args, context), out, err };
}
