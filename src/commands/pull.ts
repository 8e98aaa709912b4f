/** `bfly pull`: voxels from a server into a file. */
import { type Command, InvalidArgumentError } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import {
  type Box,
  BYTES_PER_VOXEL,
  boxShape,
  type ChannelInfo,
  type MipInfo,
  mipBox,
  volumeOf,
} from '../../protocol/volume.ts';
import { intersect } from '../query/box.ts';
import { writeFileWhole } from '../utility/atomic-file.ts';
import { openProgress } from '../utility/progress.ts';
import { readBox, readMip, type StateOptions, stateOf, withRemoteOptions, withStateOptions } from './arguments.ts';
import { type Context, type RemoteSession, say } from './context.ts';
import { Interrupted } from './fault.ts';
import { pullSlabs } from './pull-slabs.ts';
import { channelAt, mipOf, type RemoteOptions, readPath, withSession } from './remote.ts';
import { formatFacts, openSummary } from './summary.ts';
import { formatBytes, formatVec } from './table.ts';
import { isVolumeFile, type Planes, VOLUME_ENDINGS, volumeFileChunks } from './volume-file.ts';

interface PullOptions extends RemoteOptions, StateOptions {
  readonly mip: number;
  readonly box?: Box;
  readonly out?: string;
  readonly force?: boolean;
  readonly colour?: boolean;
}

/** More than this is pulled only with --force. */
const LARGE_BYTES = 4 * 1024 ** 3;

/** Adds the command. */
export function addPull(program: Command, context: Context): void {
  const command = program
    .command('pull')
    .summary('copy voxels from a server into a file')
    .description(
      'Pulls a box of voxels and writes it as a file, or without --out says what the values are like. ' +
        'The file appears when it is whole. Parts of the box outside the volume are zeros.',
    )
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .option('--mip <level>', 'resolution level, 0 = finest', readMip, 0)
    .option('--box <x0,y0,z0,x1,y1,z1>', 'box in voxels of the level (default: the whole level)', readBox)
    .option('-o, --out <file>', `file to write: ${VOLUME_ENDINGS}`, readOut)
    .option('--colour', 'with --out FILE.png: ids of a segmentation in the colours of Butterfly')
    .option('--force', `pull more than ${formatBytes(LARGE_BYTES)}`)
    .action((url: string, path: string, options: PullOptions) => pull(url, path, options, context));
  withRemoteOptions(withStateOptions(command)).addHelpText(
    'after',
    `
Files:
  .npy         numpy array [z, y, x], any dtype
  .raw         the bare voxels, x fastest, little-endian
  .tif, .tiff  one page for each z, uncompressed, up to 32 bits a voxel
  .png         grey, uint8 and uint16; with --colour, ids of any size, which cannot be read back from it;
               slices stand one below the other

Examples:
  $ bfly pull http://127.0.0.1:2001 fly/medulla/training/em                       min, max, mean
  $ bfly pull 127.0.0.1:2001 fly/medulla/training/em --box 0,0,9,250,250,10 -o slice.png
  $ bfly pull 127.0.0.1:2001 fly/medulla/training/bodies --mip 1 -o bodies.npy
  $ bfly pull 127.0.0.1:2001 fly/medulla/training/bodies --box 0,0,9,250,250,10 --colour -o slice.png
  $ bfly pull 127.0.0.1:2001 fly/medulla/training/bodies --merged --at 12 -o then.npy`,
  );
}

function readOut(file: string): string {
  if (!isVolumeFile(file)) throw new InvalidArgumentError(`It ends in one of ${VOLUME_ENDINGS}.`);
  return file;
}

async function pull(url: string, pathText: string, options: PullOptions, context: Context): Promise<void> {
  const path = readPath(pathText);
  const facts = await withSession(context, url, options, async (session) => {
    const stored = await channelAt(session, path);
    checkColour(stored, options);
    // Ids of bodies are uint64, whatever the voxels are.
    const channel: ChannelInfo = options.merged === true ? { ...stored, dtype: 'uint64' } : stored;
    const level = mipOf(channel, options.mip);
    const box = options.box ?? mipBox(level);
    checkSize(channel, level, box, options);
    return pullInto(session, { channel, level, box, options }, context);
  });
  if (options.out === undefined) await context.terminal.out(formatFacts(facts));
}

/** @throws BflyError BAD_REQUEST where there is nothing to colour. */
function checkColour({ path, type, dtype }: ChannelInfo, { colour = false, out }: PullOptions): void {
  if (!colour) return;
  if (out === undefined) throw new BflyError('BAD_REQUEST', '--colour makes a picture: add --out FILE.png');
  if (type === 'segmentation' && dtype !== 'float32') return;
  const found = type === 'image' ? 'an image' : `of ${dtype}`;
  throw new BflyError('BAD_REQUEST', `--colour shows ids, and ${path} is ${found}: leave it out`);
}

function checkSize(channel: ChannelInfo, level: MipInfo, box: Box, options: PullOptions): void {
  if (intersect(box, mipBox(level)) === undefined) {
    const whole = mipBox(level).join(',');
    throw new BflyError('OUT_OF_BOUNDS', `the box is outside the volume; level ${options.mip} is --box ${whole}`);
  }
  const bytes = volumeOf(boxShape(box)) * BYTES_PER_VOXEL[channel.dtype];
  if (bytes <= LARGE_BYTES || options.force) return;
  const advice = channel.mips.length > options.mip + 1 ? 'a coarser --mip, a --box' : 'a --box';
  throw new BflyError('TOO_LARGE', `that is ${formatBytes(bytes)}; ask for ${advice}, or add --force`);
}

interface Wanted {
  readonly channel: ChannelInfo;
  readonly level: MipInfo;
  readonly box: Box;
  readonly options: PullOptions;
}

/** Pulls into the file, or into a summary. @returns what is known afterwards. */
async function pullInto(
  session: RemoteSession,
  { channel, level, box, options }: Wanted,
  { terminal }: Context,
): Promise<readonly (readonly [string, string])[]> {
  const { dtype, path } = channel;
  const shape = boxShape(box);
  const progress = openProgress({ label: 'pull', unit: 'voxels', stream: terminal.err });
  const abort = new AbortController();
  const forget = terminal.onInterrupt(() => abort.abort(new Interrupted('interrupted; nothing was written')));
  const total = volumeOf(boxShape(intersect(box, mipBox(level)) ?? box));
  const startedMs = performance.now();
  let done = 0;
  const onVoxels = (voxels: number): void => {
    done += voxels;
    const bytes = done * BYTES_PER_VOXEL[dtype];
    progress.update({ done, total, bytes, elapsedMs: performance.now() - startedMs });
  };
  const state = stateOf(options);
  const request = { path, mip: options.mip, info: level, dtype, box, state, signal: abort.signal, onVoxels };
  const slabs = pullSlabs(session, request);
  try {
    if (options.out === undefined) return await summarise(slabs, channel, box);
    await writeFileWhole(
      options.out,
      volumeFileChunks(options.out, { dtype, shape, voxel: level.voxel, colour: options.colour === true }, slabs),
    );
  } finally {
    progress.end();
    forget();
  }
  say(terminal, `${formatVec(shape)} voxels of ${dtype} written to ${options.out}`);
  return [];
}

async function summarise(
  planes: Planes,
  { path, type, dtype }: ChannelInfo,
  box: Box,
): Promise<readonly (readonly [string, string])[]> {
  const summary = openSummary(type, dtype);
  for await (const voxels of planes) summary.add(voxels);
  return [
    ['path', path],
    ['box', `${box.join(',')} (${formatVec(boxShape(box))} voxels of ${dtype})`],
    ...summary.facts(),
  ];
}
