/** `bfly export --to`: voxels into a format that other programs read. Goes on where an earlier run was cut. */
import { BflyError } from '../../../protocol/errors.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type ChannelInfo, volumeOf } from '../../../protocol/volume.ts';
import { openProgress } from '../../utility/progress.ts';
import { type StateOptions, stateOf } from '../arguments.ts';
import { type Context, type RemoteSession, say } from '../context.ts';
import { Interrupted } from '../fault.ts';
import { pullSlabs } from '../pull-slabs.ts';
import { channelAt, mipOf, withSession } from '../remote.ts';
import { formatVec } from '../table.ts';
import { EXPORT_FORMATS } from './export-formats.ts';
import { ExportJournal } from './export-journal.ts';
import { chunkPieces, type ExportPiece, type ExportPlan, planExport, planePieces } from './export-plan.ts';
import type { ExportFormat, VolumeWriter } from './volume-writer.ts';

/** What is exported, and where to. */
export interface VolumeExportOptions extends StateOptions {
  readonly token?: string;
  /** A name of `EXPORT_FORMATS`. */
  readonly to: string;
  readonly folder: string;
  /** Only this level; default: all where the format holds them, else the finest. */
  readonly mip?: number;
  readonly box?: Box;
}

/** Exports voxels. @throws BflyError BAD_REQUEST, CONFLICT (the folder holds something else), what the server throws. */
export async function exportVolume(
  url: string,
  path: string,
  options: VolumeExportOptions,
  context: Context,
): Promise<void> {
  const format = EXPORT_FORMATS[options.to];
  if (format === undefined)
    throw new BflyError('BAD_REQUEST', `--to takes one of ${Object.keys(EXPORT_FORMATS).join(', ')}`);
  const remote = options.token === undefined ? {} : { token: options.token };
  await withSession(context, url, remote, async (session) => {
    const stored = await channelAt(session, path);
    // Ids of bodies are uint64, whatever the voxels are.
    const channel: ChannelInfo = options.merged === true ? { ...stored, dtype: 'uint64' } : stored;
    const earlier = await ExportJournal.earlier(options.folder);
    const at = options.at ?? earlier?.at ?? channel.head;
    const plan = planOf(channel, format, options);
    const fault = format.fault(plan);
    if (fault !== undefined) throw fault;
    const journal = await ExportJournal.open(options.folder, {
      ...{
        path,
        to: options.to,
        epoch: Buffer.from(channel.epoch).toString('hex'),
        at,
        merged: options.merged === true,
      },
      ...{ mips: plan.levels.map(({ mip }) => mip), box: plan.levels[0]?.box ?? [] },
    });
    if (journal.isComplete) return say(context.terminal, `${options.folder} holds this export already, complete`);
    const writer = format.open(options.folder, plan);
    try {
      await run(session, { plan, format, journal, writer, options: { ...options, at } }, context);
    } finally {
      await writer.close();
    }
    const levels = plan.levels.map(({ box }) => formatVec(boxShape(box))).join(', ');
    say(
      context.terminal,
      `${path} at edit ${at} written to ${options.folder} as ${options.to}: ${levels} voxels of ${plan.dtype}`,
    );
  });
}

function planOf(channel: ChannelInfo, { hasLevels }: ExportFormat, { mip, box }: VolumeExportOptions): ExportPlan {
  const first = mip ?? 0;
  const finest = mipOf(channel, first);
  const mips = mip === undefined && hasLevels ? channel.mips : [finest];
  return planExport(channel, mips, first, box);
}

interface Run {
  readonly plan: ExportPlan;
  readonly format: ExportFormat;
  readonly journal: ExportJournal;
  readonly writer: VolumeWriter;
  readonly options: VolumeExportOptions;
}

async function run(
  session: RemoteSession,
  { plan, format, journal, writer, options }: Run,
  { terminal }: Context,
): Promise<void> {
  const pieces = [...(format.pieces === 'chunks' ? chunkPieces(plan) : planePieces(plan))];
  const left = pieces.filter((piece) => !journal.has(piece));
  if (left.length < pieces.length)
    say(terminal, `going on: ${pieces.length - left.length} of ${pieces.length} parts were written before`);
  const sizeOf = ({ box }: ExportPiece): number => volumeOf(boxShape(box));
  const total = left.reduce((sum, piece) => sum + sizeOf(piece), 0);
  const progress = openProgress({ label: 'export', unit: 'voxels', stream: terminal.err });
  const abort = new AbortController();
  const forget = terminal.onInterrupt(() =>
    abort.abort(new Interrupted('interrupted; the same command goes on where this one ended')),
  );
  const startedMs = performance.now();
  let done = 0;
  const onVoxels = (voxels: number): void => {
    done += voxels;
    const bytes = done * BYTES_PER_VOXEL[plan.dtype];
    progress.update({ done, total, bytes, elapsedMs: performance.now() - startedMs });
  };
  try {
    await writer.begin({ done: pieces.length - left.length, left: left.length });
    for (const piece of left) {
      const { level, box } = piece;
      const request = { path: plan.path, mip: level.mip, info: level.info, dtype: plan.dtype, box };
      const slabs = pullSlabs(session, {
        ...{ ...request, state: stateOf(options), signal: abort.signal, onVoxels },
        // One slab: the piece was cut to fit.
        maxBytes: Number.POSITIVE_INFINITY,
      });
      for await (const voxels of slabs) await writer.write(piece, voxels);
      await journal.note(piece);
    }
    await writer.finish();
    await journal.complete();
  } finally {
    progress.end();
    forget();
  }
}
