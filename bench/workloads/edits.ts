/** Durable edits: how many a second, and how long one takes to be acknowledged and to reach everybody. */
import { randomBytes } from 'node:crypto';
import { encodeClient } from '../../protocol/encode.ts';
import { type ClientMessage, FrameType } from '../../protocol/messages.ts';
import { withOwnShare } from '../support/duel.ts';
import { GAPS, runLoadClient, shareOf, templateOf } from '../support/load-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import type { Rate } from './pull.ts';

/** Unanswered edits of a writer: what the protocol allows. */
export const UNANSWERED = 16;
/** As for the clients in C: a server that starts cold compiles its JavaScript in it, and so does this client. */
const WARM_UP_S = 1;
/** Writers of a steady stream of edits. */
const WRITERS = 64;
const EDIT_OK = FrameType.EDIT + FrameType.REPLY;
const SUBSCRIBE_OK = FrameType.SUBSCRIBE + FrameType.REPLY;
const WELCOME = FrameType.HELLO + FrameType.REPLY;
/** What writers and subscribers begin with. */
export const HELLO: ClientMessage = { kind: 'HELLO', id: 1, v: [1], client: 'bench', feat: ['edit', 'subscribe'] };

/** Type and id of a message. */
function headOf(head: Uint8Array): { readonly type: number; readonly id: number } {
  let at = 1;
  const next = (): number => {
    const token = head[at++] as number;
    if (token < 0x80) return token;
    const bytes = token === 0xcc ? 1 : token === 0xcd ? 2 : 4;
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + (head[at++] as number);
    return value;
  };
  return { type: next(), id: next() };
}

/** A connection that writes. */
export class Writer {
  readonly #path: string;
  readonly #wid = new Uint8Array(randomBytes(16));
  readonly #note: string | undefined;
  readonly #onAnswer: (id: number) => void;
  #socket: RawSocket | undefined;
  #wseq = 0;
  #welcomed = (): void => {};

  /** @param note makes an edit larger. */
  constructor(path: string, onAnswer: (id: number) => void, note?: string) {
    this.#path = path;
    this.#onAnswer = onAnswer;
    this.#note = note;
  }

  async open(port: number): Promise<void> {
    const welcomed = new Promise<void>((resolve) => {
      this.#welcomed = resolve;
    });
    this.#socket = await RawSocket.open(port, '/v1', 'bfly.v1', (head) => {
      const { type, id } = headOf(head);
      if (type === EDIT_OK) this.#onAnswer(id);
      else if (type === WELCOME) this.#welcomed();
      else if (type === FrameType.ERROR) throw new Error(`the server answered ${Buffer.from(head).toString('latin1')}`);
    });
    this.#socket.send(encodeClient(HELLO));
    await welcomed;
  }

  /** Sends an edit. @returns its id. */
  send(): number {
    const wseq = ++this.#wseq;
    const id = 1 + wseq;
    const ids = [1 + Math.floor(Math.random() * 1e6), 1 + Math.floor(Math.random() * 1e6)];
    const note = this.#note === undefined ? {} : { note: this.#note };
    this.#socket?.send(
      encodeClient({
        ...{ kind: 'EDIT', id, path: this.#path, wid: this.#wid, wseq, base: null, ops: [{ op: 'merge', ids }] },
        ...note,
      }),
    );
    return id;
  }

  close(): void {
    this.#socket?.close();
  }
}

/** A merge of two ids, with gaps for what differs from edit to edit. `note` makes it larger. */
export function editOf(path: string, note?: string): ClientMessage {
  const { I: id, W: wid, Q: wseq, X, Y } = GAPS;
  const ops = [{ op: 'merge', ids: [X, Y] }];
  return { kind: 'EDIT', id, path, wid, wseq, base: null, ops, ...(note === undefined ? {} : { note }) };
}

/** Writers that keep as many edits under way as they may. @returns acknowledged edits a second. */
export async function measureEdits(port: number, path: string, writers: number, seconds: number): Promise<Rate> {
  const words = [templateOf(HELLO), templateOf(editOf(path)), UNANSWERED];
  const load = await runLoadClient('edits', port, writers, seconds, words);
  return load === undefined
    ? measureEditsByNode(port, path, writers, seconds)
    : { perSecond: load.frames / load.seconds, clientShare: shareOf(load) };
}

async function measureEditsByNode(port: number, path: string, writers: number, seconds: number): Promise<Rate> {
  let answered = 0;
  const all = Array.from({ length: writers }, () => {
    const writer: Writer = new Writer(path, () => {
      answered++;
      writer.send();
    });
    return writer;
  });
  await Promise.all(all.map((writer) => writer.open(port)));
  for (const writer of all) for (let n = 0; n < UNANSWERED; n++) writer.send();
  await sleep(500);
  const rate = await withOwnShare(async () => {
    const from = answered;
    const start = performance.now();
    await sleep(seconds * 1_000);
    return { perSecond: (answered - from) / ((performance.now() - start) / 1_000) };
  });
  for (const writer of all) writer.close();
  return rate;
}

/** Opens subscribers that take all there is. `onEdits` hears how many edits came to which of them. */
export async function openSubscribers(
  port: number,
  path: string,
  count: number,
  onEdits: (subscriber: number, edits: number, bytes: number) => void,
): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  for (let n = 0; n < count; n++) {
    await new Promise<void>((resolve, reject) => {
      let granted = 0;
      let received = 0;
      const grant = (self: RawSocket): void => {
        granted = received + 4 * 2 ** 20;
        self.send(encodeClient({ kind: 'CREDIT', id: 0, grants: [[2, granted]] }));
      };
      RawSocket.open(port, '/v1', 'bfly.v1', (head, bytes, self) => {
        if (head[1] === FrameType.EDITS) {
          const view = new DataView(head.buffer, head.byteOffset);
          received += bytes;
          if (granted - received < 2 * 2 ** 20) grant(self);
          onEdits(n, Number(view.getBigUint64(17) - view.getBigUint64(8)), bytes);
          return;
        }
        const { type } = headOf(head);
        if (type === WELCOME) {
          const win = 4 * 2 ** 20;
          self.send(encodeClient({ kind: 'SUBSCRIBE', id: 2, path, epoch: null, after: null, win }));
        } else if (type === SUBSCRIBE_OK) resolve();
        else if (type === FrameType.SNAP) {
          received += bytes;
          if (granted - received < 2 * 2 ** 20) grant(self);
        } else if (type === FrameType.ERROR) reject(new Error(Buffer.from(head).toString('latin1')));
      }).then((socket) => {
        sockets.push(socket);
        socket.send(encodeClient(HELLO));
      }, reject);
    });
  }
  return sockets;
}

/** How long edits took, ms. */
export interface Latencies {
  /** From sending to the acknowledgement. */
  readonly ack: { readonly p50: number; readonly p99: number };
  /** From sending until it was acknowledged and the last subscriber had it. */
  readonly whole: { readonly p50: number; readonly p99: number };
}

/** Edits at a steady rate, with subscribers. */
export async function measureLatency(
  port: number,
  path: string,
  perSecond: number,
  subscribers: number,
  seconds: number,
): Promise<Latencies> {
  const sentAt: number[] = [];
  const ackedAt: number[] = [];
  const lastAt: number[] = [];
  const have = new Array<number>(subscribers).fill(0);
  const countOf: number[] = [];
  const sockets = await openSubscribers(port, path, subscribers, (subscriber, edits) => {
    const now = performance.now();
    for (let n = 0; n < edits; n++) {
      const edit = have[subscriber] as number;
      have[subscriber] = edit + 1;
      countOf[edit] = (countOf[edit] ?? 0) + 1;
      if (countOf[edit] === subscribers) lastAt[edit] = now;
    }
  });
  // One edit after the other from many writers, so that none has more than 16 under way when something halts for a while.
  const writers = Array.from(
    { length: WRITERS },
    (_, w) =>
      new Writer(path, (id) => {
        ackedAt[(id - 2) * WRITERS + w] = performance.now();
      }),
  );
  for (const writer of writers) await writer.open(port);
  await sleep(300);
  const start = performance.now();
  const total = Math.floor(perSecond * (WARM_UP_S + seconds));
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1_000) * perSecond));
    for (; sent < due; sent++) {
      sentAt[sent] = performance.now();
      writers[sent % WRITERS]?.send();
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await sleep(500);
  for (const writer of writers) writer.close();
  for (const socket of sockets) socket.close();
  const from = Math.floor(perSecond * WARM_UP_S);
  const ack = ackedAt.slice(from).map((at, i) => at - (sentAt[from + i] as number));
  const whole = ack.map((ms, i) => Math.max(ms, (lastAt[from + i] ?? 0) - (sentAt[from + i] as number)));
  return { ack: percentiles(ack), whole: percentiles(whole) };
}

function percentiles(values: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = [...values].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
