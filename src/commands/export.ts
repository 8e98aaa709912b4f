/** `bfly export`: what edits have made of a channel, as a file. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { TABLES } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { Box } from '../../protocol/volume.ts';
import { counted } from '../client/words.ts';
import { writeFileWhole } from '../utility/atomic-file.ts';
import { writeMergeNpy, writeSplitNpy } from '../utility/edit-npy.ts';
import { readBox, readMip, readSeq, type StateOptions, withRemoteOptions } from './arguments.ts';
import { type Context, type EditSession, say } from './context.ts';
import { plainValue } from './edit-json.ts';
import { Interrupted } from './fault.ts';
import { leftOutOfNpy } from './left-out.ts';
import { bodiesOf, legacyTables } from './legacy-export.ts';
import { readPath, withEditing } from './remote.ts';
import { foldHistory, readMetadata, readSnapshot, type StateAt } from './remote-log.ts';
import { EXPORT_FORMATS } from './volume-export/export-formats.ts';
import { exportVolume, type VolumeExportOptions } from './volume-export/export-volume.ts';

interface ExportOptions extends StateOptions {
  readonly token?: string;
  readonly out?: string;
  readonly npy?: string;
  readonly to?: string;
  readonly mip?: number;
  readonly box?: Box;
}

/** Items that are written at a time. */
const ITEMS_A_WRITE = 1_024;

/** Adds the command. */
export function addExport(program: Command, context: Context): void {
  const command = program
    .command('export')
    .summary('write voxels, or what edits have made, to files')
    .description(
      'With --to: writes the voxels of a channel into a folder, in a format that other programs read. Otherwise: writes what edits ' +
        'have made of a channel, that is bodies, regions, the rows of its tables and its metadata, as they are at one edit, as JSON ' +
        'or as the files of merges and splits that Butterfly kept.',
    )
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .argument('[folder]', 'where --to writes: an empty folder, or one in which the same export was cut')
    .option('--to <format>', `write voxels: ${Object.keys(EXPORT_FORMATS).join(', ')}`)
    .option('--merged', 'with --to: ids of bodies instead of the base ids that the voxels hold')
    .option('--box <x0,y0,z0,x1,y1,z1>', 'with --to: box in voxels of the finest level written (default: all)', readBox)
    .option('--mip <level>', 'with --to: only this level (default: all that the format holds, or the finest)', readMip)
    .option('-o, --out <file>', 'write the JSON there instead of printing it')
    .option('--npy <folder>', 'write CHANNEL.merge.npy and CHANNEL.split.npy into a folder instead')
    .option('--at <seq>', 'as it was after this edit; then without the rows of files', readSeq)
    .action((url: string, target: string, folder: string | undefined, options: ExportOptions) => {
      const volume = volumeExport(folder, options);
      if (volume !== undefined) return exportVolume(url, readPath(target), volume, context);
      return exportChannel(url, readPath(target), options, context);
    });
  withRemoteOptions(command).addHelpText(
    'after',
    `
Voxels:
${Object.entries(EXPORT_FORMATS)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n')}
An export that was cut goes on where it was with the same command.

The JSON holds path, epoch, seq, bodies [[ids]], regions [{id, region, box, alias}], rows {table: [rows]}
and meta.
Ids are texts. bfly edit URL PATH put FILE puts its rows into another channel.

Examples:
  $ bfly export localhost:2001 fly/medulla/training/em --to ome-zarr em.zarr
  $ bfly export localhost:2001 fly/medulla/training/bodies --to precomputed --merged --at 120 bodies/
  $ bfly export localhost:2001 fly/medulla/training/bodies -o bodies.json
  $ bfly export localhost:2001 fly/medulla/training/bodies --at 120 | jq '.bodies | length'
  $ bfly export localhost:2001 fly/medulla/training/bodies --npy old/`,
  );
}

/** What `--to` asks for; undefined without it. @throws BflyError BAD_REQUEST where options do not go together. */
function volumeExport(folder: string | undefined, options: ExportOptions): VolumeExportOptions | undefined {
  const { to, out, npy } = options;
  if (to === undefined) {
    const [other] = (['merged', 'box', 'mip'] as const).filter((name) => options[name] !== undefined);
    if (folder === undefined && other === undefined) return undefined;
    const what = other === undefined ? 'a folder goes' : `--${other} goes`;
    throw new BflyError('BAD_REQUEST', `${what} with --to, which writes voxels`);
  }
  if (out !== undefined || npy !== undefined)
    throw new BflyError('BAD_REQUEST', '--to writes voxels, --out and --npy what edits have made: give one of them');
  if (folder === undefined)
    throw new BflyError('BAD_REQUEST', 'name the folder that --to writes into, behind the path');
  return { ...options, to, folder };
}

async function exportChannel(url: string, target: string, options: ExportOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const { token, out, npy, at } = options;
  if (out !== undefined && npy !== undefined)
    throw new BflyError('BAD_REQUEST', 'give --out for JSON or --npy for the files of Butterfly, not both');
  const abort = new AbortController();
  const forget = terminal.onInterrupt(() => abort.abort(new Interrupted('interrupted; nothing was written')));
  const { signal } = abort;
  const { state, leftOut } = await withEditing(context, url, token === undefined ? {} : { token }, async (session) => {
    const state = await (at === undefined ? readNow(session, target, signal) : readPast(session, target, at, signal));
    return { state, leftOut: npy === undefined ? undefined : await leftOutOfNpy(session, target, state.seq, signal) };
  }).finally(forget);
  if (npy !== undefined) {
    await writeNpy(npy, target, state, context);
    if (leftOut !== undefined) say(terminal, leftOut);
    return;
  }
  if (out === undefined) {
    for (const text of jsonOf(target, state)) await terminal.out(text);
    return;
  }
  await writeFileWhole(out, bytesOf(jsonOf(target, state)));
  say(terminal, `the state at edit ${state.seq} written to ${out}`);
}

/** The state as it is now. */
async function readNow(session: EditSession, target: string, signal: AbortSignal): Promise<StateAt> {
  const state = await readSnapshot(session, target, signal);
  state.view.loadMeta(Object.fromEntries(await readMetadata(session, target, state.seq, signal)));
  return state;
}

/** The state as it was after an edit, from the log alone. */
async function readPast(session: EditSession, target: string, at: number, signal: AbortSignal): Promise<StateAt> {
  const info = await session.info(target);
  if (info.kind !== 'channel')
    throw new BflyError('BAD_REQUEST', `"${target}" is a dataset; add one of its channels, see bfly ls`);
  if (at > info.head)
    throw new BflyError('OUT_OF_BOUNDS', `${target} has ${counted(info.head, 'edit')}; --at is at most ${info.head}`);
  const { view, faults } = await foldHistory(session, target, at, signal);
  if (faults[0] !== undefined) throw new BflyError('INTERNAL', `${faults[0]}; see bfly verify`);
  return { epoch: info.epoch, seq: at, view };
}

async function writeNpy(folder: string, target: string, { seq, view }: StateAt, { terminal }: Context): Promise<void> {
  const { merge, split } = legacyTables(view);
  const name = path.join(folder, target.split('/').at(-1) ?? target);
  await mkdir(folder, { recursive: true });
  await writeFileWhole(`${name}.merge.npy`, [writeMergeNpy(merge)]);
  await writeFileWhole(`${name}.split.npy`, [writeSplitNpy(split)]);
  const what = `${counted(merge.length, 'body', 'bodies')} and ${counted(split.length, 'split')} at edit ${seq}`;
  say(terminal, `${what} written to ${name}.merge.npy and ${path.basename(name)}.split.npy`);
}

/** The JSON piece by piece: rows and bodies may be many. */
function* jsonOf(target: string, { epoch, seq, view }: StateAt): Generator<string> {
  yield `{"path":${JSON.stringify(target)},"epoch":"${Buffer.from(epoch).toString('hex')}","seq":${seq},\n"bodies":[`;
  yield* listOf(bodiesOf(view));
  yield '],\n"regions":[';
  yield* listOf(view.regions());
  yield '],\n"rows":{';
  for (const [i, table] of TABLES.entries()) {
    yield `${i === 0 ? '' : '],'}\n"${table}":[`;
    yield* listOf(view.rows(table).values());
  }
  yield `]},\n"meta":${JSON.stringify(plainValue(Object.fromEntries(view.meta), 'meta'))}}\n`;
}

/** Items, each on a line. */
function* listOf(items: Iterable<unknown>): Generator<string> {
  let lines: string[] = [];
  let isFirst = true;
  for (const item of items) {
    lines.push(`${isFirst ? '' : ','}\n${JSON.stringify(plainValue(item))}`);
    isFirst = false;
    if (lines.length < ITEMS_A_WRITE) continue;
    yield lines.join('');
    lines = [];
  }
  yield lines.join('');
}

function* bytesOf(texts: Iterable<string>): Generator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
