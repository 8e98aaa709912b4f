/** The smallest server of edits that keeps the rules, and can be told to break one: so that storms are known to notice. In memory, slow. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { decodeClient } from '../../protocol/decode.ts';
import { encodeServer } from '../../protocol/encode.ts';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { ClientMessage, Edit, ServerMessage, Subscribe, WireMap } from '../../protocol/messages.ts';
import { canonical, foldLog } from './edit-oracle.ts';

/** A rule that it breaks. */
export type ModelFault =
  | 'forgets the last edits when it is killed'
  | 'applies resent edits again'
  | 'acknowledges and forgets'
  | 'leaves an edit out for one subscriber'
  | 'tells an edit twice'
  | 'tells wrong changes'
  | 'begins a new epoch when it is killed';

interface Subscriber {
  readonly socket: WebSocket;
  readonly id: number;
  position: number;
}

const CHANNEL = { kind: 'channel', type: 'segmentation', dtype: 'uint64', enc: ['raw'], source: 'array' } as const;

/** The server. */
export class ModelServer {
  readonly #fault: ModelFault | undefined;
  #listening: WebSocketServer | undefined;
  #port = 0;
  #epoch = Buffer.from('0102030405060708', 'hex');
  #log: WireMap[] = [];
  #writers = new Map<string, Map<number, Extract<ServerMessage, { kind: 'EDIT_OK' }>>>();
  #subscribers: Subscriber[] = [];

  constructor(fault?: ModelFault) {
    this.#fault = fault;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/v1`;
  }

  async start(): Promise<void> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: this.#port, handleProtocols: () => 'bfly.v1' });
    await once(server, 'listening');
    this.#listening = server;
    this.#port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#subscribers = this.#subscribers.filter((subscriber) => subscriber.socket !== socket);
      });
      socket.on('message', (data: Buffer) => this.#take(socket, decodeClient(data)));
    });
  }

  /** Cuts everybody off; what it keeps is what a disk would keep. */
  async kill(): Promise<void> {
    const server = this.#listening;
    if (server === undefined) return;
    this.#listening = undefined;
    for (const socket of server.clients) socket.terminate();
    server.close();
    await once(server, 'close');
    if (this.#fault === 'forgets the last edits when it is killed') this.#log = this.#log.slice(0, -2);
    if (this.#fault === 'begins a new epoch when it is killed')
      this.#epoch = Buffer.from(this.#epoch.map((b) => b + 1));
  }

  #take(socket: WebSocket, message: ClientMessage): void {
    const send = (answer: ServerMessage): void => socket.send(encodeServer(answer).slice());
    const head = this.#log.length;
    const place = { epoch: this.#epoch, first: 1, head };
    const { id } = message;
    if (message.kind === 'HELLO') send(welcome(id));
    if (message.kind === 'INFO')
      send({
        kind: 'INFO_OK',
        id,
        info: { path: message.path, ...CHANNEL, mips: [], editable: true, ...place, tables: {} },
      });
    if (message.kind === 'HISTORY') {
      const edits = this.#log.slice(message.after, message.after + message.limit);
      send({ kind: 'HISTORY_OK', id, ...place, edits, more: message.after + edits.length < head });
    }
    if (message.kind === 'SUBSCRIBE') this.#subscribe(socket, message, send);
    if (message.kind === 'EDIT') this.#edit(socket, message, send);
  }

  #subscribe(socket: WebSocket, { id, epoch, after }: Subscribe, send: (answer: ServerMessage) => void): void {
    const head = this.#log.length;
    const isTail = after !== null && after <= head && epoch !== null && Buffer.compare(epoch, this.#epoch) === 0;
    const mode = isTail ? 'tail' : after === null ? 'snapshot' : 'reset';
    send({ kind: 'SUBSCRIBE_OK', id, epoch: this.#epoch, first: 1, head, mode, writers: [] });
    if (mode === 'reset') send({ kind: 'RESET', id, code: 302, epoch: this.#epoch, head });
    if (mode !== 'tail') this.#sendSnapshot(id, send);
    const subscriber = { socket, id, position: mode === 'tail' ? (after ?? 0) : head };
    this.#subscribers.push(subscriber);
    this.#tell(subscriber);
    send({ kind: 'LIVE', id, seq: head });
  }

  #sendSnapshot(id: number, send: (answer: ServerMessage) => void): void {
    const { ids, root, rows } = foldLog(this.#log);
    const pairs = [...ids()].flatMap((one) => [one, root(one)]).map(BigInt);
    const page = { kind: 'SNAP', id, seq: this.#log.length, row: 0, more: false } as const;
    send({ ...page, section: 'links', rows: binOf(pairs) });
    send({ ...page, section: 'rows:annotation', rows: keyed(rows) });
    send({ ...page, section: 'end', rows: null });
  }

  #edit(socket: WebSocket, { id, wid, wseq, ops, note }: Edit, send: (answer: ServerMessage) => void): void {
    const name = Buffer.from(wid).toString('hex');
    const known = this.#writers.get(name) ?? new Map();
    this.#writers.set(name, known);
    const before = known.get(wseq);
    if (before !== undefined && this.#fault !== 'applies resent edits again') return send({ ...before, id, dup: true });
    const seq = this.#log.length + 1;
    const then = foldLog(this.#log);
    const results = ops.map((op) => (op['op'] === 'put' ? { keys: keysOf(op, seq) } : null));
    const w = createHash('sha256').update(wid).digest().subarray(0, 4);
    const edit = { seq, time: 1, user: { id: 'u', name: '' }, w, ops: copyOf(ops), results, note };
    const reply = { kind: 'EDIT_OK', id, status: 'applied', seq, results } as const;
    if (this.#fault === 'acknowledges and forgets' && seq === 20 && known.size > 0) {
      known.set(wseq, reply);
      return send(reply);
    }
    this.#log.push({ ...edit, changes: changesOf(then, foldLog([...this.#log, edit]), this.#fault) });
    known.set(wseq, reply);
    // A reply is lost now and then, and its connection with it: the edit comes again.
    if (seq % 20 === 10) socket.terminate();
    else send(reply);
    for (const subscriber of this.#subscribers) this.#tell(subscriber);
  }

  #tell(subscriber: Subscriber): void {
    const { id, position } = subscriber;
    const head = this.#log.length;
    if (position >= head) return;
    let edits = this.#log.slice(position);
    if (this.#fault === 'leaves an edit out for one subscriber' && head === 15 && subscriber === this.#subscribers[0])
      edits = [];
    if (this.#fault === 'tells an edit twice' && head === 15) edits = [...edits, ...edits.slice(-1)];
    subscriber.socket.send(encodeServer({ kind: 'EDITS', id, from: position, upto: head, flags: 0, edits }).slice());
    subscriber.position = head;
  }
}

function welcome(id: number): ServerMessage {
  const sizes = { ping: 25_000, win: 262_144, frame: 262_144, limits: DEFAULT_LIMITS };
  return {
    kind: 'WELCOME',
    id,
    v: 1,
    server: 'model',
    session: 's',
    user: { id: 'u', name: '' },
    now: 1,
    feat: [],
    ...sizes,
    resume: [],
  };
}

/** Ops whose bytes are their own. */
const copyOf = (ops: readonly WireMap[]): readonly WireMap[] => structuredClone(ops);

const binOf = (ids: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(ids).buffer);

/** Keys that no edit names: those of the edits themselves. */
function keysOf(op: WireMap, seq: number): unknown[] {
  return (op['rows'] as readonly WireMap[]).map((row, i) => row['key'] ?? 1_000 + 10 * seq + i);
}

function keyed(rows: ReadonlyMap<string, WireMap>): WireMap[] {
  return [...rows].map(([name, row]) => ({ ...row, key: BigInt(name.slice(name.indexOf('/') + 1)) }));
}

/** What is different, without any thought: every body of an id whose root is another now. */
function changesOf(before: ReturnType<typeof foldLog>, after: ReturnType<typeof foldLog>, fault?: ModelFault): WireMap {
  const ids = [...new Set([...before.ids(), ...after.ids()])];
  const moved = new Set(ids.filter((id) => before.root(id) !== after.root(id)).map((id) => after.root(id)));
  if (fault === 'tells wrong changes') moved.delete([...moved][0] ?? '');
  const parted = [...moved].map((root) => [
    BigInt(root),
    binOf(ids.filter((id) => after.root(id) === root).map(BigInt)),
  ]);
  const changed = [...after.rows].filter(([key, row]) => canonical(before.rows.get(key)) !== canonical(row));
  const gone = [...before.rows.keys()]
    .filter((key) => !after.rows.has(key))
    .map((key) => Number(key.slice(key.indexOf('/') + 1)));
  return { parted, rows: { annotation: keyed(new Map(changed)) }, gone: { annotation: gone } };
}
