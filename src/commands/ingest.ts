/** `bfly ingest`: takes a volume into the store. */
import path from 'node:path';
import { type Command, Option } from 'commander';
import type { Vec3, VolumeType } from '../../protocol/volume.ts';
import { counted } from '../client/words.ts';
import type { IngestProgress } from '../ingest/ingest.ts';
import type { LogLevel } from '../utility/log.ts';
import { openProgress } from '../utility/progress.ts';
import { isRemoteUrl } from '../utility/remote-url.ts';
import { readVoxel, withLogLevel } from './arguments.ts';
import { type Context, say } from './context.ts';
import { Interrupted } from './fault.ts';
import { readPath } from './remote.ts';

interface IngestCommandOptions {
  readonly data: string;
  readonly type?: VolumeType;
  readonly voxel?: Vec3;
  readonly replace?: boolean;
  readonly logLevel?: LogLevel;
}

/** Adds the command. */
export function addIngest(program: Command, context: Context): void {
  const command = program
    .command('ingest')
    .summary('copy a volume into the store, with all its levels')
    .description(
      'Copies a volume into the store of a server and makes its coarser levels, so that it is served from there. ' +
        'The source is only read. Interrupted, it goes on where it was when the same command runs again.',
    )
    .argument('<source>', 'file or folder: HDF5, TIFF, a folder of images, precomputed')
    .argument('<path>', 'where it is shown: experiment/sample/dataset/channel')
    .option('--data <folder>', 'folder of the store', '.bfly')
    .addOption(new Option('--type <type>', 'what it shows (default: from the data)').choices(['image', 'segmentation']))
    .option('--voxel <x,y,z>', 'size of a voxel in nanometres (default: from the data)', readVoxel)
    .option('--replace', 'take the place of another volume at the path')
    .action((source: string, target: string, options: IngestCommandOptions) =>
      ingest(source, target, options, context),
    );
  withLogLevel(command, 'debug, info, warn, error or silent (default: warn)').addHelpText(
    'after',
    `
Examples:
  $ bfly ingest em.h5 fly/medulla/training/em
  $ bfly ingest labels.tif fly/medulla/training/bodies --type segmentation --voxel 10,10,10
  $ bfly serve                                then serves what the store holds`,
  );
}

async function ingest(source: string, target: string, options: IngestCommandOptions, context: Context): Promise<void> {
  const { terminal, parts } = context;
  const progress = openProgress({ label: 'ingest', unit: 'voxels', stream: terminal.err });
  const abort = new AbortController();
  const forget = terminal.onInterrupt(() => abort.abort());
  let last: IngestProgress | undefined;
  try {
    await parts.ingestVolume({
      dataDir: path.resolve(options.data),
      source: isRemoteUrl(source) ? source : path.resolve(source),
      path: readPath(target),
      ...(options.type === undefined ? {} : { type: options.type }),
      ...(options.voxel === undefined ? {} : { voxel: options.voxel }),
      ...(options.replace === undefined ? {} : { replace: options.replace }),
      onProgress(state) {
        last = state;
        progress.update({
          done: state.voxelsDone,
          total: state.voxelsTotal,
          bytes: state.bytesDone,
          elapsedMs: state.elapsedMs,
          stage: `level ${state.level + 1} of ${state.levels}`,
        });
      },
      signal: abort.signal,
      log: await parts.openLog(options.logLevel ?? 'warn'),
    });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    throw new Interrupted('interrupted; the same command goes on where it was');
  } finally {
    progress.end();
    forget();
  }
  if (last !== undefined) return say(terminal, `${counted(last.voxelsTotal, 'voxel')} ingested as ${readPath(target)}`);
  // Nothing was to be done, so nobody told how far it is.
  say(terminal, `${readPath(target)} is already complete in ${options.data}; there was nothing to do`);
  if (options.voxel !== undefined)
    say(terminal, 'its voxel size stays as it was; another one can stand in the file that bfly discover writes');
}
