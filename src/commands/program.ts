/** The `bfly` command: its subcommands, and what their errors become. */
import { Command, CommanderError } from 'commander';
import { addBackup } from './backup.ts';
import { type Context, say } from './context.ts';
import { addDiscover } from './discover.ts';
import { addEdit } from './edit.ts';
import { addExport } from './export.ts';
import { exitCodeOf, faultLine } from './fault.ts';
import { addHistory } from './history.ts';
import { addImport } from './import.ts';
import { addInfo } from './info.ts';
import { addIngest } from './ingest.ts';
import { addLs } from './ls.ts';
import { addPull } from './pull.ts';
import { addRestore } from './restore.ts';
import { addServe } from './serve.ts';
import { addToken } from './token.ts';
import { addUnique } from './unique.ts';
import { addVerify } from './verify.ts';
import { addWatch } from './watch.ts';

/** In the order in which `--help` lists them. */
const COMMANDS = [
  ...[addServe, addDiscover, addIngest],
  ...[addLs, addInfo, addPull, addUnique],
  ...[addEdit, addWatch, addHistory, addExport, addImport],
  ...[addBackup, addRestore, addVerify, addToken],
];

/**
 * Runs one command line.
 *
 * @param args what stands behind `bfly`.
 * @returns the exit code: 0 done, 1 failed, 2 wrong command line, 130 interrupted. Never throws.
 */
export async function runCommand(args: readonly string[], context: Context): Promise<number> {
  const printed: Promise<void>[] = [];
  const state: RunState = {};
  const program = buildProgram(context, (text) => void printed.push(context.terminal.out(text)), state);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    const code = exitCodeOf(error);
    if (code === 0) return 0;
    const name = program.commands.find((command) => command.name() === args[0])?.name();
    const advice = error instanceof CommanderError ? `; see bfly ${name === undefined ? '' : `${name} `}--help` : '';
    say(context.terminal, `${faultLine(error).replace(/[.]$/, '')}${advice}`);
    if (state.level === 'debug') context.terminal.err.write(`${stackOf(error)}\n`);
    return code;
  } finally {
    await Promise.all(printed);
  }
}

interface RunState {
  /** `--log-level` of the command that runs. */
  level?: unknown;
}

function buildProgram(context: Context, print: (text: string) => void, state: RunState): Command {
  const program = new Command('bfly');
  // Subcommands take over what is set before they are made.
  program
    .exitOverride()
    .configureOutput({ writeOut: print, outputError: () => {}, writeErr: (text) => context.terminal.err.write(text) })
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .description('Butterfly: volumetric images over one WebSocket, with live editing.')
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help; also: bfly help COMMAND')
    .addHelpText(
      'after',
      `
Without a command, bfly serves: bfly 2017 and bfly -e ~/data -o fly.yaml work as they always have.

Examples:
  $ bfly serve --demo                                             start with something to try
  $ bfly serve ~/data                                             serve whatever volumes are there
  $ bfly ls 127.0.0.1:2001 -r                                     see every channel
  $ bfly pull 127.0.0.1:2001 root/data/fly/em.h5 -o em.npy        get voxels
  $ bfly ingest em.h5 fly/medulla/training/em                     make the levels, serve from the store
  $ bfly edit 127.0.0.1:2001 fly/medulla/training/bodies merge 17 23
  $ bfly watch 127.0.0.1:2001 fly/medulla/training/bodies         see edits as they are made`,
    );
  for (const add of COMMANDS) add(program, context);
  for (const command of program.commands) {
    command.hook('preAction', (_program, action) => {
      state.level = action.opts()['logLevel'];
    });
  }
  return program;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
