/** A connection of the session fuzz. */
import { WebSocket } from 'ws';
import { decodeServer } from '../../protocol/decode-server.ts';
import type { ServerMessage } from '../../protocol/messages.ts';
import { SessionLedger } from './session-ledger.ts';

/** A connection, and the ledger that is kept beside it. */
export class FuzzClient {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  ledger: SessionLedger | undefined;
  readonly faults: string[] = [];
  over = false;
  #waiting: (() => void)[] = [];

  readonly #hasRates: boolean;

  private constructor(socket: WebSocket, hasRates: boolean) {
    this.socket = socket;
    this.#hasRates = hasRates;
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => this.#receive(data));
    this.closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        this.over = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  static async open(url: string, hasRates: boolean): Promise<FuzzClient> {
    const client = new FuzzClient(new WebSocket(url, ['bfly.v1'], { perMessageDeflate: false }), hasRates);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', resolve);
      client.socket.once('error', reject);
    });
    return client;
  }

  #receive(data: Buffer): void {
    let message: ServerMessage;
    try {
      message = decodeServer(data);
    } catch (error) {
      this.faults.push(`a message that is not legal: ${error}: ${data.subarray(0, 4096).toString('hex')}`);
      return;
    }
    if (this.ledger !== undefined) this.ledger.received(message, data.length);
    else if (message.kind === 'WELCOME') this.ledger = new SessionLedger(message.win, this.#hasRates);
    else if (message.kind !== 'ERROR') this.faults.push(`${message.kind} came before WELCOME`);
    this.#wake();
  }

  send(frame: Uint8Array): void {
    if (this.over) return;
    this.ledger?.sent(frame);
    this.socket.send(frame);
  }

  /** Waits until something holds or the connection is over; false where that takes too long. */
  async until(holds: () => boolean, atMostMs = 10_000): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, atMostMs);
    while (!holds() && !this.over && !late) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    clearTimeout(timer);
    return !late;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
