/** `bfly edit`: one edit of a channel. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Seed, TABLES } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { EditOp } from '../client/edit-input.ts';
import type { ConflictError, EditResult } from '../client/edit-result.ts';
import { counted } from '../client/words.ts';
import { readBox, readSeq, withRemoteOptions } from './arguments.ts';
import { checkEdit } from './check-edit.ts';
import { type Context, type EditSession, say } from './context.ts';
import { EDIT_HELP } from './edit-help.ts';
import { jsonLine, plainValue } from './edit-json.ts';
import { type OpOptions, readOps } from './edit-ops.ts';
import { describeEdit } from './edit-text.ts';
import { Interrupted } from './fault.ts';
import { formatHistory } from './history.ts';
import { inPlainWords } from './plain-words.ts';
import { findUndos } from './redo.ts';
import { readPath, withEditing } from './remote.ts';

interface EditCommandOptions extends OpOptions {
  readonly token?: string;
  readonly logLevel?: unknown;
  readonly base?: number;
  readonly policy?: 'none' | 'scope' | 'strict';
  readonly note?: string;
  readonly json?: boolean;
}

/** A lost connection may stay lost for so long. */
const PATIENCE_MS = 30_000;

/** Adds the command. */
export function addEdit(program: Command, context: Context): void {
  const command = program
    .command('edit')
    .summary('change bodies, voxels or tables of a channel')
    .description('Makes one edit: it is applied whole, exactly once, and is durable when the command says so.')
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .argument('<edit>', 'what to do, see below')
    .argument('[words...]', 'its ids, keys or files')
    .option('--box <x0,y0,z0,x1,y1,z1>', 'box in voxels of the finest level', readBox)
    .option('--seeds <x,y,z,group;…>', 'voxels of the object, each in group 1 (stays) or 2 (goes)', readSeeds)
    .option('--mask <file>', '.npy array [z, y, x] of the size of the box: not 0 = these voxels')
    .option('--value <n>', 'value of all voxels, or new for a new id', readVoxelValue)
    .option('--voxels <file>', '.npy array [z, y, x] of the size of the box, of the channel’s type')
    .addOption(new Option('--table <name>', 'table of put (default: annotation)').choices([...TABLES]))
    .option('--create', 'put new rows only: refuse where a key is there')
    .option('--base <seq>', 'the edit that you have seen: who edited the same since then wins', readSeq)
    .addOption(
      new Option('--policy <name>', 'with --base: what conflicts, edits of the same or any').choices([
        'none',
        'scope',
        'strict',
      ]),
    )
    .option('--note <text>', 'a word for the history')
    .option('--json', 'as JSON, for programs; ids are texts')
    .action((url: string, path: string, name: string, words: string[], options: EditCommandOptions) =>
      edit({ url, path: readPath(path), name, words }, options, context),
    );
  withRemoteOptions(command).addHelpText('after', EDIT_HELP);
}

interface Asked {
  readonly url: string;
  readonly path: string;
  readonly name: string;
  readonly words: readonly string[];
}

async function edit(asked: Asked, options: EditCommandOptions, context: Context): Promise<void> {
  const { box, mask, seeds, value, voxels, table, create, token, base, policy, note, json } = options;
  const own = { box, mask, seeds, value, voxels, table, create };
  const given = Object.fromEntries(Object.entries(own).filter(([, set]) => set !== undefined)) as OpOptions; // the same fields
  const ops = await readOps(asked.name, asked.words, given);
  const patience = { patienceMs: PATIENCE_MS, ...(token === undefined ? {} : { token }) };
  await withEditing(context, asked.url, patience, async (session) => {
    const warnings = await checkEdit(session, asked.path, ops);
    const sent = asked.name === 'redo' ? await redoOps(session, asked.path, ops) : ops;
    const wishes = {
      ...(base === undefined ? {} : { base }),
      ...(policy === undefined ? {} : { policy }),
      ...(note === undefined ? {} : { note }),
    };
    const result = await untilInterrupted(context, (signal) =>
      session.edit(asked.path, sent, { ...wishes, signal }),
    ).catch((error: unknown) => explain(error, { ops: sent, base, json }, context));
    await context.terminal.out(json ? jsonLine(result) : formatResult(sent, result));
    for (const warning of warnings) say(context.terminal, `${warning}; undo ${result.seq} takes the edit back`);
  });
}

async function untilInterrupted<T>({ terminal }: Context, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const advice = 'interrupted; whether the edit was applied shows bfly history';
  const forget = terminal.onInterrupt(() => abort.abort(new Interrupted(advice)));
  try {
    return await work(abort.signal);
  } finally {
    forget();
  }
}

/** The undos that stand in the way of the edits that are to be done again. */
async function redoOps(session: EditSession, path: string, wanted: readonly EditOp[]): Promise<EditOp[]> {
  const undos: { readonly seq: number; readonly ops: readonly object[] }[] = [];
  for await (const edit of session.history(path, { kinds: ['undo'] })) undos.push(edit);
  return wanted.flatMap((op) => {
    const seq = op.op === 'undo' ? op.seq : 0;
    const found = findUndos(undos, seq);
    if (found.length > 0) return found.map((undo) => ({ op: 'undo', seq: undo }) as const);
    throw new BflyError('BAD_REQUEST', `edit ${seq} is not undone, so there is nothing to redo; see bfly history`);
  });
}

/** Says who was first. */
async function explain(
  error: unknown,
  { ops, base, json = false }: { ops: readonly EditOp[]; base: number | undefined; json: boolean | undefined },
  context: Context,
): Promise<never> {
  if (!isConflict(error)) throw inPlainWords(error, ops);
  const { head, edits, more } = error;
  if (json) {
    const winners =
      edits === null ? null : edits.map(({ seq, user, ops, results }) => plainValue({ seq, user, ops, results }));
    await context.terminal.out(jsonLine({ error: 'CONFLICT', message: error.message, head, edits: winners, more }));
  } else if (edits !== null) context.terminal.err.write(formatHistory(edits));
  const many =
    edits === null
      ? 'others were'
      : `${more ? 'more than ' : ''}${counted(edits.length, 'edit')} since ${base} ${edits.length === 1 ? 'was' : 'were'}`;
  throw new BflyError(
    'CONFLICT',
    `nothing was changed, ${many} first; look at ${edits?.length === 1 ? 'it' : 'them'}, then edit again with --base ${head}`,
    { cause: error },
  );
}

/** By what it has: its class is in a part that is loaded later. */
function isConflict(error: unknown): error is ConflictError {
  return error instanceof BflyError && error.code === 'CONFLICT' && 'edits' in error && 'head' in error;
}

function formatResult(ops: readonly EditOp[], { seq, status, dup, results }: EditResult): string {
  const notes = [...(status === 'noop' ? ['nothing changed'] : []), ...(dup ? ['it was there before'] : [])];
  const note = notes.length === 0 ? '' : `  (${notes.join(', ')})`;
  return `edit ${seq}  ${describeEdit(ops, results)}${note}\n`;
}

function readSeeds(text: string): Seed[] {
  const legal = 'It is x,y,z,group;x,y,z,group and so on, in whole voxels, the group 1 or 2: "3,4,5,1;40,9,5,2".';
  return text
    .split(';')
    .filter((seed) => seed.trim() !== '')
    .map((seed) => {
      const [x, y, z, group, ...rest] = seed.split(',').map((item) => (item.trim() === '' ? Number.NaN : Number(item)));
      const all = [x, y, z, group];
      if (rest.length > 0 || !all.every(Number.isSafeInteger) || (group !== 1 && group !== 2))
        throw new InvalidArgumentError(legal);
      return all as unknown as Seed; // four integers
    });
}

function readVoxelValue(text: string): number | bigint | 'new' {
  if (text === 'new') return text;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new InvalidArgumentError('It is a number, or new for a new id.');
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}
