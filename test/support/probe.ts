/** A bare client for tests: sends what it is told, hands out what came, grants no credit by itself. */
import { WebSocket } from 'ws';
import { decodeServer } from '../../protocol/decode-server.ts';
import { encodeClient } from '../../protocol/encode.ts';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts';

/** How a probe's connection ended. */
export interface ProbeClose {
  readonly code: number;
  readonly reason: string;
}

type Kind = ServerMessage['kind'];
export type Of<K extends Kind> = Extract<ServerMessage, { kind: K }>;

/** One connection. */
export class Probe {
  readonly socket: WebSocket;
  /** Everything that came and was not taken, in order. */
  readonly inbox: ServerMessage[] = [];
  /** Bytes of messages received, by kind. */
  readonly bytes = new Map<string, number>();
  readonly closed: Promise<ProbeClose>;
  #waiting: (() => void)[] = [];
  #over = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      const message = decodeServer(data);
      this.bytes.set(message.kind, (this.bytes.get(message.kind) ?? 0) + data.length);
      this.inbox.push(message);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#over = true;
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  /** Opens a socket; no hello yet. */
  static async open(
    url: string,
    options: { origin?: string; protocols?: string[]; headers?: Record<string, string> } = {},
  ): Promise<Probe> {
    const socket = new WebSocket(url, options.protocols ?? ['bfly.v1'], {
      perMessageDeflate: false,
      ...(options.origin === undefined ? {} : { origin: options.origin }),
      ...(options.headers === undefined ? {} : { headers: options.headers }),
    });
    const probe = new Probe(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    socket.on('error', () => {});
    return probe;
  }

  /** Opens a socket and says hello. */
  static async hello(url: string, fields: Partial<Extract<ClientMessage, { kind: 'HELLO' }>> = {}): Promise<Probe> {
    const probe = await Probe.open(url);
    probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'probe', feat: ['pull', 'cutout', 'unique'], ...fields });
    await probe.next('WELCOME');
    return probe;
  }

  send(message: ClientMessage): void {
    this.socket.send(encodeClient(message).slice());
  }

  sendRaw(bytes: Uint8Array | string): void {
    this.socket.send(bytes);
  }

  /** Takes the first message of a kind (and id) out of the inbox, waiting for it. Fails when the connection ends before. */
  async next<K extends Kind>(kind: K, id?: number): Promise<Of<K>> {
    for (;;) {
      const at = this.inbox.findIndex((m) => m.kind === kind && (id === undefined || m.id === id));
      if (at >= 0) return this.inbox.splice(at, 1)[0] as Of<K>;
      if (this.#over) throw new Error(`the connection ended before a ${kind} came`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Takes the first message of an id, whatever it is, but TILE. */
  async answer(id: number): Promise<ServerMessage> {
    for (;;) {
      const at = this.inbox.findIndex((m) => m.id === id && m.kind !== 'TILE');
      if (at >= 0) return this.inbox.splice(at, 1)[0] as ServerMessage;
      if (this.#over) throw new Error(`the connection ended before an answer to ${id} came`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Messages of a kind in the inbox now. */
  peek<K extends Kind>(kind: K): Of<K>[] {
    return this.inbox.filter((m): m is Of<K> => m.kind === kind);
  }

  /** Resolves when everything that the server sent before now has come: a PING goes round. */
  async settle(): Promise<void> {
    const t = `settle ${Math.random()}`;
    this.send({ kind: 'PING', id: 0xffff_fff0, t });
    await this.next('PONG');
  }

  close(): void {
    this.socket.terminate();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
