/** `bfly discover`: what data a folder holds, as a configuration. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import { type Discovery, discover, NO_FORMAT } from '../ingest/discover.ts';
import { writeFileWhole } from '../utility/atomic-file.ts';
import { catalogueChannels, writeCatalogueYaml } from '../utility/config.ts';
import { withLogLevel } from './arguments.ts';
import { type Context, say, type Terminal } from './context.ts';

/** Adds the command. */
export function addDiscover(program: Command, context: Context): void {
  const command = program
    .command('discover')
    .summary('find the data in a folder and write it as a configuration')
    .description(
      'Finds the volumes in a folder and prints them as a configuration, to be changed by hand and served. ' +
        'Files that look like data but cannot be read are named on standard error.',
    )
    .argument('<folder>', 'folder to look in, or one volume')
    .option('-o, --out <file>', 'write the configuration there instead of printing it')
    .option('--force', 'write over a file that is there')
    .action(async (folder: string, options: { out?: string; force?: boolean }) => {
      if (options.out !== undefined && options.force !== true && existsSync(options.out))
        throw new BflyError('CONFLICT', `${options.out} exists, and may have been edited; --force writes over it`);
      const found = await discover(folder, context.parts.findVolumes);
      reportSkipped(found, context.terminal);
      const yaml = writeCatalogueYaml(found);
      if (options.out === undefined) return context.terminal.out(yaml);
      await writeFileWhole(options.out, [Buffer.from(yaml)]);
      say(context.terminal, `${catalogueChannels(found).length} channels written to ${options.out}`);
    });
  withLogLevel(command, 'debug = with the stack of an error').addHelpText(
    'after',
    `
A volume becomes a channel; the folder it lies in becomes its dataset.

Examples:
  $ bfly discover ~/data                      look at what would be served
  $ bfly discover ~/data -o fly.yaml          keep it, change names, voxel sizes or types in it
  $ bfly serve fly.yaml                       serve it`,
  );
}

/** More than these are only counted. */
const SKIPPED_SHOWN = 20;

/** Names broken files on standard error. */
function reportSkipped(found: Discovery, terminal: Terminal): void {
  for (const line of describeSkipped(found)) say(terminal, line);
}

/** Says what is broken, one line each as far as a person will read; what no format takes is one line, however many there are. */
export function describeSkipped({ skipped }: Discovery): string[] {
  const unknown = skipped.filter(({ reason }) => reason === NO_FORMAT);
  const broken = unknown.length > 1 ? skipped.filter((one) => !unknown.includes(one)) : skipped;
  const lines = broken.slice(0, SKIPPED_SHOWN).map(({ path, reason }) => `skipped ${path}: ${reason}`);
  const more = broken.length - lines.length;
  if (more > 0) lines.push(`skipped ${more} more`);
  return unknown.length > 1 ? [...lines, describeUnknown(unknown.map(({ path }) => path))] : lines;
}

/** `skipped 12 files and folders that no format takes: 10 .nii.gz, 2 .zarr`. */
function describeUnknown(paths: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const ending = /\.(nii\.gz|[^./\\]+)$/i.exec(path)?.[0].toLowerCase() ?? 'others';
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  const kinds = [...counts].sort(([, a], [, b]) => b - a).map(([ending, count]) => `${count} ${ending}`);
  return `skipped ${paths.length} files and folders that no format takes: ${kinds.join(', ')}`;
}
