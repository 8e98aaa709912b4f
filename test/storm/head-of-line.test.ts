/** Edits on a line that a pull fills. BFLY_STORM=1: longer, and the delay is held to its bar. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerMessage } from '../../protocol/messages.ts';
import { BareSession } from '../support/bare-session.ts';
import { ChildServer } from '../support/child-server.ts';
import { EditLedger } from '../support/edit-ledger.ts';
import { Editor, stormOps } from '../support/editor.ts';
import { lineTransports, needsBuild } from '../support/line-server.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { isLongRun, readHistory } from '../support/storm.ts';
import { NOISE, SEGMENTATION } from '../support/storm-volume.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const BITS_PER_SECOND = 20_000_000;
const WINDOW = 256 * 1024;
const EDITS = isLongRun ? 1_000 : 60;
const PAUSE_MS = 20;

needsBuild();
let server: ChildServer | undefined;
let proxy: TcpProxy | undefined;
let puller: Puller | undefined;
afterEach(async () => {
  puller?.stop();
  await proxy?.close();
  await server?.dispose();
});

/** Pulls the image again and again with a window that never changes, and edits on the same connection; follows the path of the edits too. */
class Puller {
  readonly #session: BareSession;
  readonly #received = new Map<number, number>();
  readonly #sentAt = new Map<number, number>();
  #all = 0;
  #waiting: (() => void)[] = [];
  /** Delays, ms: from the EDIT to its reply, and from another's EDIT to its coming in EDITS. */
  readonly replies: number[] = [];
  readonly broadcasts: number[] = [];
  /** Bytes of tiles so far. */
  bytes = 0;
  readonly #others: ReadonlyMap<string, number>;

  private constructor(session: BareSession, others: ReadonlyMap<string, number>) {
    this.#session = session;
    this.#others = others;
  }

  static async start(url: string, frame: number, others: ReadonlyMap<string, number>): Promise<Puller> {
    let take = (_message: ServerMessage, _bytes: number): void => {};
    const onMessage = (message: ServerMessage, bytes: number): void => take(message, bytes);
    const session = await BareSession.open({ url, client: 'puller', win: WINDOW, frame, onMessage });
    const puller = new Puller(session, others);
    take = (message, bytes) => puller.#take(message, bytes);
    session.send({ kind: 'SUBSCRIBE', id: session.nextId(), path: SEGMENTATION, epoch: null, after: null });
    puller.#pull();
    return puller;
  }

  /** Sends one EDIT. */
  edit(wid: Uint8Array, wseq: number): void {
    const id = this.#session.nextId();
    this.#sentAt.set(id, performance.now());
    const ops = [{ op: 'merge', ids: [1 + (wseq % 60), 2 + (wseq % 60)] }];
    this.#session.send({ kind: 'EDIT', id, path: SEGMENTATION, wid, wseq, base: null, ops, note: `puller:${wseq}` });
  }

  async until(test: () => boolean): Promise<void> {
    while (!test()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  stop(): void {
    this.#session.close();
  }

  #pull(): void {
    const id = this.#session.nextId();
    this.#received.set(id, 0);
    this.#session.send({ kind: 'PULL', id, path: NOISE, mip: 0, box: [0, 0, 0, 256, 256, 128], enc: ['raw'] });
  }

  #take(message: ServerMessage, bytes: number): void {
    if (message.kind === 'TILE') this.#grant(message.id, bytes);
    if (message.kind === 'END') {
      this.#received.delete(message.id);
      this.#pull();
    }
    const sentAt = message.kind === 'EDIT_OK' ? this.#sentAt.get(message.id) : undefined;
    if (sentAt !== undefined) this.replies.push(performance.now() - sentAt);
    if (message.kind === 'EDITS')
      for (const { note } of message.edits) {
        const at = this.#others.get(String(note));
        if (at !== undefined) this.broadcasts.push(performance.now() - at);
      }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #grant(id: number, bytes: number): void {
    this.bytes += bytes;
    this.#all += bytes;
    const stream = (this.#received.get(id) ?? 0) + bytes;
    this.#received.set(id, stream);
    this.#session.send({
      kind: 'CREDIT',
      id: 0,
      grants: [
        [0, this.#all + WINDOW],
        [id, stream + WINDOW],
      ],
    });
  }
}

const percentile = (of: readonly number[], part: number): number =>
  of.toSorted((a, b) => a - b)[Math.floor(part * (of.length - 1))] ?? 0;

describe('edits on a line that a pull fills', { timeout: isLongRun ? 600_000 : 300_000 }, () => {
  const transport = lineTransports('head of line').at(-1) ?? 'ws';

  it.each([
    ['of the usual size', 256 * 1024],
    ['of 64 KiB', 64 * 1024],
  ])('[D18] go before tiles in frames %s', async (_, frame) => {
    const random = seededRandom(testSeed('head of line'));
    server = await ChildServer.start({ transport, noise: [256, 256, 128] });
    proxy = await TcpProxy.open(server.port, { bitsPerSecond: BITS_PER_SECOND });
    const sentAt = new Map<string, number>();
    const ledger = new EditLedger();
    const submit = ledger.submit.bind(ledger);
    ledger.submit = (writer, wseq, ops) => {
      sentAt.set(`${writer}:${wseq}`, performance.now());
      submit(writer, wseq, ops);
    };
    const one = await Puller.start(`ws://127.0.0.1:${proxy.port}/v1`, frame, sentAt);
    puller = one;
    await one.until(() => one.bytes > 4 * WINDOW);
    const { url } = server;
    const wid = Uint8Array.from({ length: 16 }, () => Math.floor(256 * random()));
    const nextOps = stormOps(60);
    const options = { path: SEGMENTATION, name: 'other', ledger, random, nextOps, edits: EDITS, window: 1 };
    const other = new Editor({ ...options, url: () => url, wid, pauseMs: 2 * PAUSE_MS });
    const began = { at: performance.now(), bytes: one.bytes };
    other.start();
    for (let wseq = 1; wseq <= EDITS; wseq++) {
      one.edit(
        wid.map((byte) => byte ^ 0xff),
        wseq,
      );
      await new Promise((resolve) => setTimeout(resolve, 2 * PAUSE_MS * random()));
    }
    await other.finish();
    await one.until(() => one.replies.length === EDITS && one.broadcasts.length === EDITS);
    const seconds = (performance.now() - began.at) / 1000;
    const pulled = (8 * (one.bytes - began.bytes)) / seconds;
    const log = await readHistory(url);
    expect(log.head).toBe(2 * EDITS);
    console.info(
      `at ${BITS_PER_SECOND / 1e6} Mbit/s, ${(pulled / 1e6).toFixed(1)} of them tiles in frames of ${frame / 1024} KiB: ` +
        `reply p50 ${percentile(one.replies, 0.5).toFixed(0)} ms, p99 ${percentile(one.replies, 0.99).toFixed(0)} ms; ` +
        `broadcast p50 ${percentile(one.broadcasts, 0.5).toFixed(0)} ms, p99 ${percentile(one.broadcasts, 0.99).toFixed(0)} ms`,
    );
    // The pull went on all the while.
    expect(pulled).toBeGreaterThan(BITS_PER_SECOND / 4);
    if (isLongRun) {
      expect(percentile(one.replies, 0.99)).toBeLessThanOrEqual(150);
      expect(percentile(one.broadcasts, 0.99)).toBeLessThanOrEqual(150);
    }
  });
});
