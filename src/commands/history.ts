/** `bfly history`: the edits that were made. */
import { type Command, InvalidArgumentError } from 'commander';
import { OP_NAMES } from '../../protocol/edit-ops.ts';
import type { EditEvent } from '../client/edit-event.ts';
import { cleanText, userName } from '../client/words.ts';
import { readCount, readSeq, withRemoteOptions } from './arguments.ts';
import type { Context } from './context.ts';
import { jsonLine, plainEdit } from './edit-json.ts';
import { describeEdit, formatTime, noopRemark } from './edit-text.ts';
import { Interrupted } from './fault.ts';
import { pagesOfUser } from './history-user.ts';
import { readPath, withEditing } from './remote.ts';
import { formatTable } from './table.ts';
import { type UndoWord, UndoWords } from './undo-words.ts';

interface HistoryCommandOptions {
  readonly token?: string;
  readonly after?: number;
  readonly limit?: number;
  readonly last?: number;
  readonly user?: string;
  readonly kind?: readonly string[];
  readonly json?: boolean;
}

/** Adds the command. */
export function addHistory(program: Command, context: Context): void {
  const command = program
    .command('history')
    .summary('list the edits of a channel')
    .description('Lists the edits of a channel, oldest first: who did what, and when.')
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .option('--after <seq>', 'only later edits than this one', readSeq)
    .option('--last <n>', 'only the last so many of the log', readCount)
    .option('--limit <n>', 'at most so many', readCount)
    .option('--user <id|name>', 'only those of one user; a name shows all users of that name')
    .option('--kind <name...>', `only those with one of these: ${OP_NAMES.join(', ')}`, readKind)
    .option('--json', 'one JSON object a line, with what each edit changed; ids are texts')
    .action((url: string, path: string, options: HistoryCommandOptions) =>
      history(url, readPath(path), options, context),
    );
  withRemoteOptions(command).addHelpText(
    'after',
    `
Examples:
  $ bfly history localhost:2001 fly/medulla/training/bodies --last 20
  $ bfly history localhost:2001 fly/medulla/training/bodies --kind merge cleave --user ada
  $ bfly history localhost:2001 fly/medulla/training/bodies --json > edits.jsonl`,
  );
}

async function history(url: string, path: string, options: HistoryCommandOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const { token, limit, user, kind: kinds, json = false } = options;
  const abort = new AbortController();
  const forget = terminal.onInterrupt(() => abort.abort(new Interrupted('interrupted')));
  try {
    await withEditing(context, url, token === undefined ? {} : { token }, async (session) => {
      const info = options.last === undefined ? undefined : await session.info(path);
      const first = info?.kind === 'channel' ? Math.max(0, info.head - (options.last ?? 0)) : 0;
      const wishes = {
        after: Math.max(options.after ?? 0, first),
        ...(limit === undefined ? {} : { limit }),
        ...(kinds === undefined ? {} : { kinds }),
        signal: abort.signal,
      };
      const words = new UndoWords(session, path, abort.signal);
      let rows = 0;
      const pages =
        user === undefined ? session.history(path, wishes).pages() : pagesOfUser(session, path, user, wishes, context);
      for await (const { edits } of pages) {
        if (edits.length === 0) continue;
        if (!json) await words.learn(edits);
        const text = json
          ? edits.map((edit) => jsonLine(plainEdit(edit))).join('')
          : formatHistory(edits, { hasTitles: rows === 0, isWhole: true, undoWord: words.word });
        await terminal.out(text);
        rows += edits.length;
      }
      if (rows === 0 && !json) await terminal.out('no edits\n');
    });
  } finally {
    forget();
  }
}

/** How edits are shown as columns. */
export interface HistoryLook {
  /** Default true. */
  readonly hasTitles?: boolean;
  /** The edits came with what they changed. */
  readonly isWhole?: boolean;
  /** See `describeEdit`. */
  readonly undoWord?: UndoWord;
}

/** Edits as columns. */
export function formatHistory(edits: readonly EditEvent[], look: HistoryLook = {}): string {
  const { hasTitles = true, isWhole = false, undoWord } = look;
  const rows = edits.map((edit) => {
    const { seq, time, user, ops, results, note, cut } = edit;
    const remarks = `${isWhole ? noopRemark(edit) : ''}${cut === true ? ' (too large to show)' : ''}`;
    const said = note === undefined ? '' : `  # ${cleanText(note)}`;
    const when = time > 0 ? formatTime(time) : '';
    return [String(seq), when, userName(user), `${describeEdit(ops, results, undoWord)}${remarks}${said}`];
  });
  const columns = edits.some(({ time }) => time > 0) ? [0, 1, 2, 3] : [0, 2, 3];
  const table = [...(hasTitles ? [['SEQ', 'TIME', 'USER', 'EDIT']] : []), ...rows];
  return formatTable(
    table.map((row) => columns.map((column) => row[column] ?? '')),
    ['right'],
  );
}

function readKind(text: string, before: readonly string[] = []): string[] {
  const kinds = text.split(',');
  if (!kinds.every((kind) => OP_NAMES.some((name) => name === kind)))
    throw new InvalidArgumentError(`It is one or more of ${OP_NAMES.join(', ')}.`);
  return [...before, ...kinds];
}
