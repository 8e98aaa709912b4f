/** `bfly restore`: a store out of a copy. */
import path from 'node:path';
import type { Command } from 'commander';
import { withLogLevel } from './arguments.ts';
import { type Context, say } from './context.ts';
import { inStore } from './store-folder.ts';

/** Adds the command. */
export function addRestore(program: Command, context: Context): void {
  const command = program
    .command('restore')
    .summary('make a store of a backup')
    .description(
      'Makes a store of what bfly backup wrote. Clients notice that the log was begun anew, and look at edits again ' +
        'that were made after the backup. The backup is only read.',
    )
    .argument('<folder>', 'the backup')
    .option('--data <folder>', 'folder of the new store: empty or missing', '.bfly')
    .action(async (folder: string, { data }: { data: string }) => {
      await inStore(folder, () => context.parts.restoreDatabase(path.resolve(folder), path.resolve(data)));
      say(context.terminal, `${folder} restored to ${data}; serve it with: bfly serve --data ${data}`);
    });
  withLogLevel(command, 'debug = with the stack of an error').addHelpText(
    'after',
    `
Examples:
  $ bfly restore /backup/2026-03-01                      to .bfly in this folder
  $ bfly restore /backup/2026-03-01 --data /srv/bfly
  $ bfly serve ~/data --data /srv/bfly                   then, with the same volumes as before`,
  );
}
