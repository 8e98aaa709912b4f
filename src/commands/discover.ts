/** `bfly discover`: what data a folder holds, as a configuration. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import { counted } from '../client/words.ts';
import { type Discovery, discover, NO_FORMAT, type Skipped } from '../ingest/discover.ts';
import type { UnservedFormat } from '../ingest/unserved-format.ts';
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
      say(context.terminal, `${counted(catalogueChannels(found).length, 'channel')} written to ${options.out}`);
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

/**
 * Says what is broken, one line each as far as a person will read. What is of a format that is not served is one line for each format,
 * and what no format takes is one line, however many there are.
 */
export function describeSkipped({ skipped }: Discovery): string[] {
  const unserved = skipped.filter(({ format }) => format !== undefined);
  const unknown = skipped.filter(({ reason }) => reason === NO_FORMAT);
  const isGrouped = (one: Skipped): boolean => unserved.includes(one) || (unknown.length > 1 && unknown.includes(one));
  const broken = skipped.filter((one) => !isGrouped(one));
  const lines = broken.slice(0, SKIPPED_SHOWN).map(describeOne);
  const more = broken.length - lines.length;
  if (more > 0) lines.push(`skipped ${more} more`);
  lines.push(...describeUnserved(unserved));
  return unknown.length > 1 ? [...lines, describeUnknown(unknown.map(({ path }) => path))] : lines;
}

function describeOne({ path, reason, datasets }: Skipped): string {
  return `skipped ${datasets === undefined ? '' : `${counted(datasets.length, 'dataset')} of `}${path}: ${reason}`;
}

/** `12 folders of N5 skipped: not served yet`; what is alone is named. */
function describeUnserved(skipped: readonly Skipped[]): string[] {
  const groups = new Map<string, { readonly format: UnservedFormat; readonly paths: string[] }>();
  for (const { format, path } of skipped) {
    if (format === undefined) continue;
    const group = groups.get(format.name) ?? { format, paths: [] };
    groups.set(format.name, group);
    group.paths.push(path);
  }
  return [...groups.values()].map(({ format: { name, thing, advice }, paths }) => {
    const which = paths.length === 1 ? ` (${paths[0]})` : '';
    return `${counted(paths.length, thing)} of ${name} skipped: ${advice}${which}`;
  });
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
