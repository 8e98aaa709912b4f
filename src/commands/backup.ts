/** `bfly backup`: a copy of a store. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { withLogLevel } from './arguments.ts';
import { type Context, say } from './context.ts';
import { inStore } from './store-folder.ts';
import { formatBytes } from './table.ts';

/** Adds the command. */
export function addBackup(program: Command, context: Context): void {
  const command = program
    .command('backup')
    .summary('copy a store, also while its server runs')
    .description(
      'Copies the store of a server on this machine, edits, tables and ingested volumes, as it is at one moment. ' +
        'The server goes on meanwhile. Sources that are read where they lie are not in it.',
    )
    .argument('<folder>', 'where to: empty or missing')
    .option('--data <folder>', 'folder of the store', '.bfly')
    .action(async (folder: string, { data }: { data: string }) => {
      await inStore(data, () => context.parts.backupDatabase(path.resolve(data), path.resolve(folder)));
      const size = formatBytes(await folderBytes(folder));
      say(context.terminal, `${size} written to ${folder}; bfly restore ${folder} --data FOLDER makes a store of it`);
    });
  withLogLevel(command, 'debug = with the stack of an error').addHelpText(
    'after',
    `
Examples:
  $ bfly backup /backup/2026-03-01                       of .bfly in this folder
  $ bfly backup /backup/2026-03-01 --data /srv/bfly
  $ bfly verify /backup/2026-03-01                       prove that its logs are whole`,
  );
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(path.join(folder, name))).size;
  return bytes;
}
