/** `bfly verify`: proves that logs hold what they say. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { TABLES } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import { counted } from '../client/words.ts';
import { withRemoteOptions } from './arguments.ts';
import { compareViews, type TouchedKeys } from './compare-views.ts';
import { type Context, type EditSession, say } from './context.ts';
import { jsonLine } from './edit-json.ts';
import { Interrupted } from './fault.ts';
import { readPath, withEditing } from './remote.ts';
import { foldHistory, readSnapshot } from './remote-log.ts';
import { inStore } from './store-folder.ts';
import { formatTable } from './table.ts';

interface VerifyOptions {
  readonly token?: string;
  readonly dropSnapshots?: boolean;
  readonly json?: boolean;
}

/** What was found of one channel. */
interface Verdict {
  readonly path: string;
  readonly edits: number;
  /** Ids that are not their own root. */
  readonly links: number;
  readonly faults: readonly string[];
}

/** Adds the command. */
export function addVerify(program: Command, context: Context): void {
  const command = program
    .command('verify')
    .summary('prove that the log of edits is whole')
    .description(
      'Replays the log of edits from its first one and compares what it gives with what is served and stored. ' +
        'Says where they differ, and ends with 1 if they do.',
    )
    .argument('<server>', 'server, such as http://127.0.0.1:2001, or the folder of a store')
    .argument('[path]', 'experiment/sample/dataset/channel (default: every channel with edits)')
    .option('--drop-snapshots', 'of a folder no server uses: remove the snapshots of whole logs')
    .option('--json', 'as JSON, for programs')
    .action((server: string, target: string | undefined, options: VerifyOptions) =>
      verify(server, target === undefined ? undefined : readPath(target), options, context),
    );
  withRemoteOptions(command).addHelpText(
    'after',
    `
Of a server, all edits are read and folded, and compared with a fresh snapshot. Of a folder (a store,
or a copy that bfly backup made), the chain of digests, the stored voxels, snapshots and rows as well.
Snapshots only save time: without them the next opening of a log replays it.

Examples:
  $ bfly verify localhost:2001 fly/medulla/training/bodies
  $ bfly verify .bfly                         every log of a store, also while its server runs`,
  );
}

async function verify(
  server: string,
  target: string | undefined,
  options: VerifyOptions,
  context: Context,
): Promise<void> {
  const { terminal } = context;
  const { json = false, dropSnapshots = false } = options;
  const isDir = await isFolder(server);
  if (dropSnapshots && !isDir)
    throw new BflyError('BAD_REQUEST', '--drop-snapshots needs the folder of a store that no server uses');
  const verdicts = isDir
    ? await verifyFolder(server, target, dropSnapshots, context)
    : await verifyServer(server, target, options, context);
  await terminal.out(json ? verdicts.map(jsonLine).join('') : formatVerdicts(verdicts));
  const broken = verdicts.filter(({ faults }) => faults.length > 0).map((verdict) => verdict.path);
  if (broken.length > 0) throw differs(broken, isDir);
  if (dropSnapshots) say(terminal, `the snapshots of ${counted(verdicts.length, 'log')} were removed`);
}

function differs(paths: readonly string[], isDir: boolean): BflyError {
  const which = paths.length === 1 ? paths[0] : counted(paths.length, 'channel');
  return new BflyError(
    'INTERNAL',
    isDir
      ? `the log of ${which} is not what it should be, see above; keep the folder as it is, and restore a backup`
      : `the edits of ${which} and what newcomers are told differ, see above; on its machine, bfly verify FOLDER tells whether the store is whole`,
  );
}

async function verifyFolder(
  folder: string,
  target: string | undefined,
  dropSnapshots: boolean,
  { parts }: Context,
): Promise<readonly Verdict[]> {
  const asked = { dataDir: path.resolve(folder), dropSnapshots, ...(target === undefined ? {} : { path: target }) };
  return inStore(folder, () => parts.verifyStore(asked));
}

async function verifyServer(
  url: string,
  target: string | undefined,
  { token }: VerifyOptions,
  context: Context,
): Promise<readonly Verdict[]> {
  const abort = new AbortController();
  const forget = context.terminal.onInterrupt(() =>
    abort.abort(new Interrupted('interrupted; nothing was found until then')),
  );
  try {
    return await withEditing(context, url, token === undefined ? {} : { token }, async (session) => {
      const verdicts: Verdict[] = [];
      for (const channel of target === undefined ? await editedChannels(session, '') : [target])
        verdicts.push(await verifyChannel(session, channel, abort.signal));
      return verdicts;
    });
  } finally {
    forget();
  }
}

async function editedChannels(session: EditSession, below: string): Promise<string[]> {
  const found: string[] = [];
  for (const { kind, path: name } of await session.list(below)) {
    if (kind !== 'channel') found.push(...(await editedChannels(session, name)));
    else {
      // A channel whose data is broken has no edits that could be read.
      const info = await session.info(name).catch(() => undefined);
      if (info?.kind === 'channel' && info.head > 0) found.push(name);
    }
  }
  return found;
}

async function verifyChannel(session: EditSession, channel: string, signal: AbortSignal): Promise<Verdict> {
  const snapshot = await readSnapshot(session, channel, signal);
  const touched = { neuron: new Set<bigint>(), synapse: new Set<bigint>(), annotation: new Set<bigint>() };
  const log = await foldHistory(session, channel, snapshot.seq, signal, ({ changes }) => {
    for (const table of TABLES) {
      for (const { key } of changes.rows?.[table] ?? []) touched[table].add(key);
      for (const key of changes.gone?.[table] ?? []) touched[table].add(key);
    }
  });
  const known: TouchedKeys = touched;
  let links = 0;
  for (const _ of log.view.links()) links++;
  const faults = [...log.faults, ...compareViews(log.view, snapshot.view, known)];
  return { path: channel, edits: log.edits, links, faults };
}

function formatVerdicts(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return 'no edits, so nothing to verify\n';
  const rows = verdicts.map(({ path: name, edits, links, faults }) => [
    name,
    String(edits),
    String(links),
    faults.length === 0 ? 'ok' : counted(faults.length, 'fault'),
  ]);
  const table = formatTable([['PATH', 'EDITS', 'MERGED IDS', 'RESULT'], ...rows], ['left', 'right', 'right']);
  const faults = verdicts.flatMap(({ path: name, faults: found }) => found.map((fault) => `${name}: ${fault}\n`));
  return table + faults.join('');
}

async function isFolder(text: string): Promise<boolean> {
  return stat(text).then(
    (found) => found.isDirectory(),
    () => {
      // What looks like a file's name is hardly a host.
      if (/^[./~]/.test(text) || text.includes('\\')) throw new BflyError('NOT_FOUND', `there is no folder ${text}`);
      return false;
    },
  );
}
