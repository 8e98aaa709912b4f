/** `bfly unique`: the ids in a box. */
import type { Command } from 'commander';
import { type Box, mipBox } from '../../protocol/volume.ts';
import { readBox, readMip, type StateOptions, stateOf, withRemoteOptions, withStateOptions } from './arguments.ts';
import type { Context } from './context.ts';
import { channelAt, mipOf, type RemoteOptions, readPath, withSession } from './remote.ts';

interface UniqueOptions extends RemoteOptions, StateOptions {
  readonly mip: number;
  readonly box?: Box;
}

/** So many ids are written at a time. */
const IDS_A_WRITE = 4096;

/** Adds the command. */
export function addUnique(program: Command, context: Context): void {
  const command = program
    .command('unique')
    .summary('list the ids that are in a box')
    .description('Lists the different values of a box of a segmentation, ascending, one a line. 0 is the background.')
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .option('--mip <level>', 'resolution level, 0 = finest', readMip, 0)
    .option('--box <x0,y0,z0,x1,y1,z1>', 'box in voxels of the level (default: the whole level)', readBox)
    .action((url: string, path: string, options: UniqueOptions) => unique(url, path, options, context));
  withRemoteOptions(withStateOptions(command)).addHelpText(
    'after',
    `
Examples:
  $ bfly unique http://127.0.0.1:2001 fly/medulla/training/bodies --box 0,0,0,64,64,64
  $ bfly unique 127.0.0.1:2001 fly/medulla/training/bodies --mip 2 | wc -l
  $ bfly unique 127.0.0.1:2001 fly/medulla/training/bodies --merged               after all merges`,
  );
}

async function unique(url: string, pathText: string, options: UniqueOptions, context: Context): Promise<void> {
  const path = readPath(pathText);
  const ids = await withSession(context, url, options, async (session) => {
    const channel = await channelAt(session, path);
    const box = options.box ?? mipBox(mipOf(channel, options.mip));
    return session.unique(path, { mip: options.mip, box, ...stateOf(options) });
  });
  for (let start = 0; start < ids.length; start += IDS_A_WRITE) {
    await context.terminal.out(`${ids.subarray(start, start + IDS_A_WRITE).join('\n')}\n`);
  }
}
