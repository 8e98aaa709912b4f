/** `bfly watch`: edits as they come. */
import { type Command, InvalidArgumentError } from 'commander';
import { BflyError } from '../../protocol/errors.ts';
import type { EditEvent } from '../client/edit-event.ts';
import type { Peer } from '../client/presence.ts';
import type { Subscription } from '../client/subscription.ts';
import { cleanText, userName } from '../client/words.ts';
import { readCount, readSeq, withRemoteOptions } from './arguments.ts';
import { type Context, say, type Terminal } from './context.ts';
import { jsonLine, plainEdit, plainValue } from './edit-json.ts';
import { describeEdit, formatTime, noopRemark } from './edit-text.ts';
import { readPath, withEditing } from './remote.ts';
import { UndoWords } from './undo-words.ts';

interface WatchOptions {
  readonly token?: string;
  readonly since?: number;
  readonly count?: number;
  readonly presence: boolean;
  readonly as?: string;
  readonly json?: boolean;
}

/** What the others see one at who watches: no tool of theirs is called so. */
const WATCHING = 'bfly watch';
const MAX_NAME_BYTES = 64;
/** A pointer that moves is told so often. */
const MOVES_EVERY_MS = 1_000;

/** Adds the command. */
export function addWatch(program: Command, context: Context): void {
  const command = program
    .command('watch')
    .summary('show edits as they are made, and who is there')
    .description(
      'Shows the edits of a channel as they are made, and who is looking at it, until Ctrl-C. ' +
        'A lost connection is made again, and no edit is missed.',
    )
    .argument('<url>', 'server, such as http://127.0.0.1:2001')
    .argument('<path>', 'experiment/sample/dataset/channel')
    .option('--since <seq>', 'begin behind this edit; 0 = with the first (default: with the next)', readSeq)
    .option('--count <n>', 'end after so many edits', readCount)
    .option('--no-presence', 'edits alone')
    .option('--as <name>', 'let the others see you here under a name (default: nobody sees who watches)', readName)
    .option('--json', 'one JSON object a line; ids are texts')
    .action((url: string, path: string, options: WatchOptions) => watch(url, readPath(path), options, context));
  withRemoteOptions(command).addHelpText(
    'after',
    `
Watching is silent: the others do not see it unless --as NAME says so. Then they see somebody of that name,
who has no cursor and nothing selected. Where a token says who you are, they see the name of its user.

Examples:
  $ bfly watch localhost:2001 fly/medulla/training/bodies
  $ bfly watch localhost:2001 fly/medulla/training/bodies --since 120
  $ bfly watch localhost:2001 fly/medulla/training/bodies --as "Ada, writing"
  $ bfly watch localhost:2001 fly/medulla/training/bodies --since 0 --json > edits.jsonl`,
  );
}

async function watch(url: string, path: string, options: WatchOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const { token, since, presence, as: name, json = false } = options;
  if (name !== undefined && !presence)
    throw new BflyError('BAD_REQUEST', '--as shows you to the others and --no-presence nobody: give one of them');
  const identity = { ...(token === undefined ? {} : { token }), ...(name === undefined ? {} : { name }) };
  await withEditing(context, url, identity, async (session) => {
    const from = since === undefined ? { snapshot: false } : { from: since };
    const subscription = session.subscribe(path, { ...from, presence });
    const forget = terminal.onInterrupt(() => subscription.close());
    if (name !== undefined) subscription.presence.set({ tool: WATCHING });
    const watcher = new Watcher(subscription, new UndoWords(session, path), terminal, json);
    try {
      await watcher.run(options.count ?? Number.POSITIVE_INFINITY);
    } finally {
      forget();
      watcher.end();
      subscription.close();
    }
  });
}

/** At most 64 bytes of a name are told. */
function readName(text: string): string {
  const name = cleanText(text);
  if (name !== '' && Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  throw new InvalidArgumentError(`It is a name of 1 to ${MAX_NAME_BYTES} bytes.`);
}

/** Writes what a subscription tells. */
class Watcher {
  readonly #subscription: Subscription;
  readonly #words: UndoWords;
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #shown = new Map<string, { readonly peer: Peer; readonly text: string; readonly atMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  #hasBeenLive = false;

  constructor(subscription: Subscription, words: UndoWords, terminal: Terminal, json: boolean) {
    this.#subscription = subscription;
    this.#words = words;
    this.#terminal = terminal;
    this.#json = json;
  }

  /** Until so many edits have come, or the subscription ends. */
  async run(count: number): Promise<void> {
    const subscription = this.#subscription;
    const edits = subscription[Symbol.asyncIterator]();
    subscription.on('live', ({ seq }) => {
      say(this.#terminal, `live${this.#hasBeenLive ? ' again' : ''} at edit ${seq}`);
      this.#hasBeenLive = true;
    });
    subscription.on('reset', ({ head, newEpoch }) => {
      if (newEpoch) this.#words.forget();
      const why = newEpoch ? 'the log was begun anew' : 'the edits from there on cannot be had';
      say(this.#terminal, `${why}; going on with what comes behind edit ${head}`);
    });
    subscription.on('peers', (peers) => this.#showPeers(peers));
    for (let left = count; left > 0; left--) {
      const { done, value: edit } = await edits.next();
      if (done === true) return;
      await this.#terminal.out(this.#json ? jsonLine({ kind: 'edit', ...plainEdit(edit) }) : await this.#lineOf(edit));
    }
  }

  async #lineOf(edit: EditEvent): Promise<string> {
    const { seq, time, user, ops, results, note } = edit;
    const hasLearnt = await this.#words.learn([edit]).then(
      () => true,
      // The line goes on all the same when the connection is lost meanwhile.
      () => false,
    );
    const what = `${describeEdit(ops, results, hasLearnt ? this.#words.word : undefined)}${noopRemark(edit)}`;
    const said = note === undefined ? '' : `  # ${cleanText(note)}`;
    return `${formatTime(time)}  ${userName(user)}  ${seq}  ${what}${said}\n`;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  /** Who came, went, or does something else; pointers on the move now and then. */
  #showPeers(peers: ReadonlyMap<string, Peer>): void {
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, peer] of peers) {
      const text = describePeer(peer);
      const before = this.#shown.get(id);
      if (before?.text === text) continue;
      const waitMs = before === undefined || this.#json ? 0 : before.atMs + MOVES_EVERY_MS - nowMs;
      if (waitMs > 0) {
        nextMs = Math.min(nextMs, waitMs);
        continue;
      }
      this.#shown.set(id, { peer, text, atMs: nowMs });
      this.#write(peer, text, peer.state);
    }
    for (const [id, { peer }] of this.#shown) {
      if (peers.has(id)) continue;
      this.#shown.delete(id);
      this.#write(peer, 'left', null);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#showPeers(peers), nextMs);
  }

  #write({ peer, user, name }: Peer, text: string, state: unknown): void {
    const time = Date.now();
    const line = `${formatTime(time)}  ${userName({ id: user.id, name })}  ${text}\n`;
    // Presence is small and rare: nobody waits for it to be written.
    void this.#terminal.out(
      this.#json ? jsonLine({ kind: 'presence', time, peer, user, state: plainValue(state) }) : line,
    );
  }
}

function describePeer({ state }: Peer): string {
  const { cursor, tool, select } = state;
  const parts = [
    Array.isArray(cursor) ? `at ${cursor.map((value) => Math.round(Number(value))).join(', ')}` : 'here',
    ...(typeof tool === 'string' ? [`with ${cleanText(tool)}`] : []),
    ...(Array.isArray(select) && select.length > 0
      ? [`has selected ${select.slice(0, 6).map(String).join(', ')}`]
      : []),
  ];
  return `is ${parts.join(', ')}`;
}
