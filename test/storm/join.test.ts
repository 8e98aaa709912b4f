/** Subscribers that come in, or fall behind, at awkward moments, and are not helped by anything that comes later. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerMessage, WireMap } from '../../protocol/messages.ts';
import { BareSession } from '../support/bare-session.ts';
import { ChildServer } from '../support/child-server.ts';
import { lineTransports, needsBuild } from '../support/line-server.ts';
import { SEGMENTATION } from '../support/storm-volume.ts';
import { within } from '../support/within.ts';

/** So long for the next message is too long. */
const PATIENCE_MS = 10_000;

needsBuild();
let server: ChildServer | undefined;
const sessions: BareSession[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) session.close();
  await server?.dispose();
});

/** What has come on a session, and a wait for more of it. */
class Inbox {
  readonly messages: ServerMessage[] = [];
  #wake: (() => void)[] = [];

  take(message: ServerMessage): void {
    this.messages.push(message);
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }

  async until(test: (messages: readonly ServerMessage[]) => boolean): Promise<void> {
    const what = (): string => `a message behind ${this.messages.slice(-5).map(({ kind }) => kind)}`;
    while (!test(this.messages))
      await within(PATIENCE_MS, what, new Promise<void>((resolve) => this.#wake.push(resolve)));
  }

  /** Seq up to which edits or a snapshot have come. */
  get position(): number {
    const seqs = this.messages.map((m) =>
      m.kind === 'EDITS' ? m.upto : m.kind === 'SNAP' && m.section === 'end' ? m.seq : 0,
    );
    return Math.max(0, ...seqs);
  }
}

async function open(url: string): Promise<{ session: BareSession; inbox: Inbox }> {
  const inbox = new Inbox();
  const session = await BareSession.open({ url, client: 'join', onMessage: (message) => inbox.take(message) });
  sessions.push(session);
  return { session, inbox };
}

const WID = Uint8Array.from({ length: 16 }, (_, i) => i);
const edit = (session: BareSession, wseq: number, ops: readonly WireMap[]): void =>
  session.send({ kind: 'EDIT', id: session.nextId(), path: SEGMENTATION, wid: WID, wseq, base: null, ops });
const merge = (n: number): WireMap => ({ op: 'merge', ids: [1 + (n % 60), 2 + (n % 60)] });
const repliesOf = (messages: readonly ServerMessage[]): number =>
  messages.filter(({ kind }) => kind === 'EDIT_OK').length;

describe.each(lineTransports('joining'))('a subscriber over %s', (transport) => {
  it('[S10] gets the snapshot that it came in with while edits became durable, though nothing follows', async () => {
    server = await ChildServer.start({ transport });
    const { url } = server;
    for (let round = 0; round < 30; round++) {
      const editor = await open(url);
      const reader = await open(url);
      // Both arrive in one turn of the server, or nearly: the state is ahead of what is durable.
      for (let n = 1; n <= 4; n++) edit(editor.session, 4 * round + n, [merge(n)]);
      reader.session.send({ kind: 'SUBSCRIBE', id: 9, path: SEGMENTATION, epoch: null, after: null });
      await reader.inbox.until((messages) => messages.some(({ kind }) => kind === 'LIVE'));
      for (const session of sessions.splice(0)) session.close();
    }
  });

  it('[S9] gets the whole of a burst that is larger than goes before tiles at once, though nothing follows', async () => {
    server = await ChildServer.start({ transport });
    const { url } = server;
    const editor = await open(url);
    const reader = await open(url);
    reader.session.send({ kind: 'SUBSCRIBE', id: 9, path: SEGMENTATION, epoch: null, after: null });
    await reader.inbox.until((messages) => messages.some(({ kind }) => kind === 'LIVE'));
    const text = 'x'.repeat(30_000);
    // 120 KB: less than half a window, so the reader has no reason to say anything.
    for (let wseq = 1; wseq <= 4; wseq++)
      edit(editor.session, wseq, [
        { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3], text }] },
      ]);
    await editor.inbox.until((messages) => repliesOf(messages) === 4);
    await reader.inbox.until(() => reader.inbox.position === 4);
    expect(reader.inbox.messages.at(-1)?.kind).toBe('EDITS');
  });
});
