/** `bfly ls`: what a server shows. */
import type { Command } from 'commander';
import type { EntryKind } from '../../protocol/messages.ts';
import type { ChannelInfo } from '../../protocol/volume.ts';
import { withRemoteOptions } from './arguments.ts';
import type { Context, RemoteEntry, RemoteSession } from './context.ts';
import { type RemoteOptions, readPath, withSession } from './remote.ts';
import { formatTable, formatVec } from './table.ts';

interface LsOptions extends RemoteOptions {
  readonly recursive?: boolean;
  readonly json?: boolean;
}

/** One line of the list; channels have their `info`. */
export interface LsRow {
  readonly path: string;
  readonly kind: EntryKind;
  readonly info?: ChannelInfo;
}

/** Adds the command. */
export function addLs(program: Command, context: Context): void {
  const command = program
    .command('ls')
    .summary('list what a server shows')
    .description('Lists the experiments of a server, or what is below a path of them.')
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('[path]', 'experiment, experiment/sample or experiment/sample/dataset')
    .option('-r, --recursive', 'every channel below the path')
    .option('--json', 'as JSON, for programs')
    .action((url: string, path: string | undefined, options: LsOptions) => ls(url, path ?? '', options, context));
  withRemoteOptions(command).addHelpText(
    'after',
    `
Examples:
  $ bfly ls http://127.0.0.1:2001             the experiments
  $ bfly ls http://127.0.0.1:2001 -r          every channel, with dtype and size
  $ bfly ls 127.0.0.1:2001 fly/medulla        the datasets of a sample`,
  );
}

async function ls(url: string, pathText: string, options: LsOptions, context: Context): Promise<void> {
  const path = readPath(pathText);
  const rows = await withSession(context, url, options, async (session) => {
    const entries = options.recursive ? await channelsBelow(session, path) : await session.list(path);
    return withInfo(session, entries);
  });
  await context.terminal.out(options.json ? formatLsJson(rows) : formatLs(rows));
}

async function channelsBelow(session: RemoteSession, path: string): Promise<RemoteEntry[]> {
  const channels: RemoteEntry[] = [];
  for (const entry of await session.list(path)) {
    if (entry.kind === 'channel') channels.push(entry);
    else channels.push(...(await channelsBelow(session, entry.path)));
  }
  return channels;
}

/** Asks for one channel after the other: a channel whose data is broken is listed without its info. */
async function withInfo(session: RemoteSession, entries: readonly RemoteEntry[]): Promise<LsRow[]> {
  const rows: LsRow[] = [];
  for (const { path, kind } of entries) {
    const info = kind === 'channel' ? await session.info(path).catch(() => undefined) : undefined;
    rows.push(info?.kind === 'channel' ? { path, kind, info } : { path, kind });
  }
  return rows;
}

/** The list as columns. */
export function formatLs(rows: readonly LsRow[]): string {
  if (rows.length === 0) return 'nothing here\n';
  const hasChannels = rows.some(({ kind }) => kind === 'channel');
  if (!hasChannels) return formatTable([['PATH', 'KIND'], ...rows.map(({ path, kind }) => [path, kind])]);
  const lines = rows.map(({ path, kind, info }) => {
    const [finest] = info?.mips ?? [];
    if (info === undefined || finest === undefined) return [path, kind === 'channel' ? 'unreadable' : kind, '', '', ''];
    return [path, info.type, info.dtype, formatVec(finest.shape), formatVec(finest.voxel)];
  });
  return formatTable([['PATH', 'TYPE', 'DTYPE', 'SIZE (VOXELS)', 'VOXEL (NM)'], ...lines]);
}

function formatLsJson(rows: readonly LsRow[]): string {
  const plain = rows.map(({ path, kind, info }) => {
    const [finest] = info?.mips ?? [];
    if (info === undefined || finest === undefined) return { path, kind };
    const { type, dtype, mips } = info;
    return { path, kind, type, dtype, shape: finest.shape, voxel: finest.voxel, mips: mips.length };
  });
  return `${JSON.stringify(plain, null, 2)}\n`;
}
