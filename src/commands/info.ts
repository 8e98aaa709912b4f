/** `bfly info`: what a channel or a dataset is. */
import type { Command } from 'commander';
import { BYTES_PER_VOXEL, type ChannelInfo, type DatasetInfo, volumeOf } from '../../protocol/volume.ts';
import { withRemoteOptions } from './arguments.ts';
import type { Context } from './context.ts';
import { type RemoteOptions, readPath, withSession } from './remote.ts';
import { formatBytes, formatTable, formatVec } from './table.ts';

/** Adds the command. */
export function addInfo(program: Command, context: Context): void {
  const command = program
    .command('info')
    .summary('show what a channel is: type, sizes, levels')
    .description('Shows type, dtype, voxel size and resolution levels of a channel, or of every channel of a dataset.')
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel, or a dataset')
    .option('--json', 'as JSON, for programs')
    .action(async (url: string, path: string, options: RemoteOptions & { json?: boolean }) => {
      const info = await withSession(context, url, options, (session) => session.info(readPath(path)));
      await context.terminal.out(options.json ? formatInfoJson(info) : formatInfo(info));
    });
  withRemoteOptions(command).addHelpText(
    'after',
    `
Examples:
  $ bfly info http://127.0.0.1:2001 fly/medulla/training/em
  $ bfly info 127.0.0.1:2001 fly/medulla/training --json | jq '.channels[].dtype'`,
  );
}

/** For people. */
export function formatInfo(info: ChannelInfo | DatasetInfo): string {
  return info.kind === 'channel' ? formatChannel(info) : info.channels.map(formatChannel).join('\n');
}

function formatChannel(info: ChannelInfo): string {
  const [finest] = info.mips;
  const facts = [
    ['type', info.type],
    ['dtype', info.dtype],
    ...(finest === undefined
      ? []
      : [
          [
            'size',
            `${formatVec(finest.shape)} voxels, ${formatBytes(volumeOf(finest.shape) * BYTES_PER_VOXEL[info.dtype])}`,
          ],
          ['voxel', `${formatVec(finest.voxel)} nm`],
        ]),
    ...(info.maxId === undefined ? [] : [['largest id', String(info.maxId)]]),
    ['source', info.source],
    ['encodings', info.enc.join(', ')],
    ['edits', `${info.head}, ${info.editable ? 'may be edited' : 'read only'}`],
    ...Object.entries(info.tables).map(([table, rows]) => [`${table} rows`, String(rows)]),
  ];
  const mips = info.mips.map((mip, i) => [
    String(i),
    formatVec(mip.shape),
    formatVec(mip.chunk),
    formatVec(mip.voxel),
    mip.offset.join(', '),
  ]);
  const table = formatTable([['MIP', 'SIZE (VOXELS)', 'CHUNK', 'VOXEL (NM)', 'OFFSET'], ...mips], ['right']);
  return `${info.path}\n${indent(formatTable(facts))}\n${indent(table)}`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

/** For programs: ids as text, since JSON's numbers end at 2⁵³; the epoch as hex. */
function formatInfoJson(info: ChannelInfo | DatasetInfo): string {
  const plain = (_key: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString();
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
  };
  return `${JSON.stringify(info, plain, 2)}\n`;
}
