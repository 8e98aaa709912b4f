/** `bfly import`: Butterfly's files of merges and splits. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import type { EditResult } from '../client/edit-result.ts';
import { counted } from '../client/words.ts';
import type { SavedWriter, WriterStore } from '../client/writer-store.ts';
import { readMergeNpy, readSplitNpy } from '../utility/edit-npy.ts';
import type { KnownRegions } from '../utility/legacy-ops.ts';
import { DEMO_SPLIT, type LegacyNode, type LegacySplit, readNode, readSplit } from '../utility/legacy-text.ts';
import { withRemoteOptions } from './arguments.ts';
import { type Context, type EditSession, say } from './context.ts';
import { Interrupted } from './fault.ts';
import { digestOf, mergeEdits, regionEdits } from './import-plan.ts';
import { readPath, withEditing } from './remote.ts';
import { readMetadata } from './remote-log.ts';

interface ImportOptions {
  readonly token?: string;
  readonly npy: readonly string[];
  readonly dropDemoSplit?: boolean;
  readonly note?: string;
}

/** What the files hold. */
interface Tables {
  readonly files: readonly string[];
  readonly sets: readonly (readonly LegacyNode[])[];
  readonly splits: readonly LegacySplit[];
}

/** Work of one import. */
interface Import extends Tables {
  readonly url: string;
  readonly target: string;
  readonly note: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

/** A lost connection may stay lost for so long. */
const PATIENCE_MS = 60_000;
const MERGE_END = '.merge.npy';
const SPLIT_END = '.split.npy';

/** Adds the command. */
export function addImport(program: Command, context: Context): void {
  const command = program
    .command('import')
    .summary('bring in merges and splits that Butterfly kept in files')
    .description(
      'Brings in the merges and splits of NAME.merge.npy and NAME.split.npy as edits, which can be undone. ' +
        'Cut off or run twice, it changes nothing twice.',
    )
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .requiredOption('--npy <file...>', 'the files, or the folder that they are in')
    .option('--drop-demo-split', `leave out the split ${DEMO_SPLIT} that Butterfly’s viewer saved by itself`)
    .option('--note <text>', 'a word for the history (default: the names of the files)')
    .action((url: string, target: string, options: ImportOptions) =>
      importTables(url, readPath(target), options, context),
    );
  withRemoteOptions(command).addHelpText(
    'after',
    `
Examples:
  $ bfly import localhost:2001 fly/medulla/training/bodies --npy old/bodies.merge.npy old/bodies.split.npy
  $ bfly import localhost:2001 fly/medulla/training/bodies --npy old/ --drop-demo-split`,
  );
}

async function importTables(url: string, target: string, options: ImportOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const tables = await readTables(options, context);
  if (tables.sets.length + tables.splits.length === 0) {
    say(terminal, `there is nothing in ${tables.files.join(' and ')}, so nothing was changed`);
    return;
  }
  const abort = new AbortController();
  const forget = terminal.onInterrupt(() =>
    abort.abort(new Interrupted('interrupted; the same command goes on where it was')),
  );
  const note = options.note ?? `import of ${tables.files.join(' and ')}`.slice(0, 500);
  const work: Import = { ...tables, url, target, note, token: options.token, signal: abort.signal };
  try {
    const regions = await declareRegions(work, context);
    const merges = await merge(work, regions.known, regions.epoch, context);
    await report(work, regions.seqs, merges, context);
  } finally {
    forget();
  }
}

/** What is there before merges are sent. */
interface Declared {
  readonly seqs: readonly number[];
  readonly epoch: Uint8Array;
  readonly known: Known;
}

/** A state as merges need it. */
interface Known extends KnownRegions {
  rootOf(id: bigint): bigint;
}

/** Declares what merges will name: only then all of them have the ids that merges use. */
async function declareRegions(work: Import, context: Context): Promise<Declared> {
  const { target, sets, splits, note, signal } = work;
  return withEditing(context, work.url, patience(work.token), async (session) => {
    const subscription = session.subscribe(target, { signal });
    await subscription.ready;
    const { state, seq: base, epoch } = subscription;
    if (epoch === undefined) throw new BflyError('UNAVAILABLE', 'the server did not say which log it is');
    // Splits with empty boxes are kept as metadata.
    const meta = splits.length === 0 ? state.meta : await readMetadata(session, target, base, signal);
    const known: Known = {
      regionOf: (id, region) => state.region(id, region),
      metaOf: (key) => meta.get(key),
      rootOf: (id) => state.rootOf(id),
    };
    const seqs: number[] = [];
    for (const ops of regionEdits(sets, splits, known)) {
      // Whoever declares one of them at the same time is not overruled.
      const { seq } = await session.edit(target, ops, { base, policy: 'scope', note, signal });
      await subscription.until(seq);
      seqs.push(seq);
    }
    // The state stays as it is from here on.
    subscription.close();
    return { seqs, epoch, known };
  });
}

/**
 * Merges as a writer whose name follows from what it writes: sent again, an edit is known by the server and gets its old answer.
 *
 * @returns undefined where everything was there already.
 */
async function merge(
  work: Import,
  known: Known,
  epoch: Uint8Array,
  context: Context,
): Promise<readonly EditResult[] | undefined> {
  const { target, sets, note, signal } = work;
  const edits = mergeEdits(sets, known);
  const isDone = edits.every((ops) =>
    ops.every(([first = 0n, ...rest]) => rest.every((id) => known.rootOf(id) === known.rootOf(first))),
  );
  if (isDone) return undefined;
  const digest = digestOf(target, epoch, edits);
  let session: EditSession | undefined;
  const writers: WriterStore = {
    load: () => firstWriter(digest, session?.user.id ?? ''),
    save: () => {},
  };
  // Where nobody has to say who they are, this is who we are in every run. Rule [H9].
  const token = work.token ?? digest.toString('hex').slice(0, 32);
  return withEditing(context, work.url, { ...patience(token), writers }, async (opened) => {
    session = opened;
    return Promise.all(
      edits.map((ops) =>
        opened.edit(
          target,
          ops.map((ids) => ({ op: 'merge', ids }) as const),
          { note, signal },
        ),
      ),
    );
  });
}

/** A writer that has not written yet, of a name that is another for each plan and user. */
function firstWriter(digest: Uint8Array, user: string): SavedWriter {
  const wid = new Uint8Array(createHash('sha256').update(digest).update(user).digest().subarray(0, 16));
  return { wid, wseq: 0, user, pending: [] };
}

async function report(
  { sets, splits, target, url }: Import,
  regionSeqs: readonly number[],
  merges: readonly EditResult[] | undefined,
  { terminal }: Context,
): Promise<void> {
  const fresh = (merges ?? []).filter(({ dup, status }) => !dup && status === 'applied');
  const seqs = [...regionSeqs, ...fresh.map(({ seq }) => seq)];
  if (seqs.length === 0) {
    const before = (merges ?? []).filter(({ dup }) => dup).map(({ seq }) => seq);
    const when = before.length === 0 ? '' : `, as ${listOf(before)}`;
    say(terminal, `all of it was imported before${when}; nothing was changed`);
    return;
  }
  await terminal.out(
    `${listOf(seqs)}  ${counted(sets.length, 'set')} of ids and ${counted(splits.length, 'split')} imported\n`,
  );
  say(terminal, `bfly edit ${url} ${target} undo ${seqs.join(' ')} takes it back`);
}

function listOf(seqs: readonly number[]): string {
  const [first = 0] = seqs;
  return seqs.length === 1 ? `edit ${first}` : `edits ${first} to ${seqs.at(-1)}`;
}

function patience(token: string | undefined): { readonly patienceMs: number; readonly token?: string } {
  return { patienceMs: PATIENCE_MS, ...(token === undefined ? {} : { token }) };
}

async function readTables({ npy, dropDemoSplit = false }: ImportOptions, context: Context): Promise<Tables> {
  const files = (await Promise.all(npy.map(tableFiles))).flat();
  const sets: LegacyNode[][] = [];
  const splits: LegacySplit[] = [];
  for (const file of files) {
    const bytes = await readFile(file);
    const read = <T>(reader: () => T): T => inFile(file, reader);
    if (file.endsWith(MERGE_END)) {
      for (const set of read(() => readMergeNpy(bytes))) sets.push(set.map((node) => readNode(node, 'a node')));
      continue;
    }
    const rows = read(() => readSplitNpy(bytes));
    if (rows.includes(DEMO_SPLIT) && !dropDemoSplit)
      say(
        context.terminal,
        `${path.basename(file)} holds the split ${DEMO_SPLIT}, which Butterfly’s viewer saved by itself; --drop-demo-split leaves it out`,
      );
    const wanted = dropDemoSplit ? rows.filter((row) => row !== DEMO_SPLIT) : rows;
    splits.push(...wanted.map((row) => readSplit(row, 'a split')));
  }
  return { files: files.map((file) => path.basename(file)), sets, splits };
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BflyError)) throw error;
    throw new BflyError(error.code, `${path.basename(file)}: ${error.message}`, { cause: error });
  }
}

/** The files that a word means: itself, or those in a folder, which must be of one channel. */
async function tableFiles(word: string): Promise<string[]> {
  const isTable = (name: string): boolean => name.endsWith(MERGE_END) || name.endsWith(SPLIT_END);
  if (!(await stat(word)).isDirectory()) {
    if (isTable(word)) return [word];
    throw new BflyError('BAD_REQUEST', `${path.basename(word)} must be a file NAME${MERGE_END} or NAME${SPLIT_END}`);
  }
  const names = (await readdir(word)).filter(isTable).sort();
  const channels = new Set(names.map((name) => name.slice(0, -MERGE_END.length)));
  if (channels.size === 0)
    throw new BflyError('NOT_FOUND', `there is no NAME${MERGE_END} and no NAME${SPLIT_END} in ${word}`);
  if (channels.size > 1)
    throw new BflyError(
      'BAD_REQUEST',
      `${word} holds files of several channels (${[...channels].slice(0, 5).join(', ')}); name those of one`,
    );
  return names.map((name) => path.join(word, name));
}
