import type { Logger } from '../../utility/log.ts';
import { cutReason, sendableCloseCode } from './close-reason.ts';
import { GuardedEvents } from './guarded-events.ts';
import { addressOfBytes } from './remote-address.ts';
import type { Connection, ConnectionEvents } from './transport.ts';
import { MAX_PENDING_PONGS } from './transport-timings.ts';
import type { UwsSocket } from './uws-module.ts';

/** One WebSocket of uWebSockets.js, whose events its transport hands on by the `on` methods. */
export class UwsConnection<UserData> implements Connection {
  readonly copiesOnSend = true;
  readonly remoteAddress: string;
  readonly #events: GuardedEvents;
  readonly #closeMs: number;
  /** Undefined when it is over: uWebSockets.js throws at every call then. */
  #socket: UwsSocket<UserData> | undefined;
  #closing: { readonly code: number; readonly reason: string } | undefined;
  #cutTimer: NodeJS.Timeout | undefined;
  #pings = 0;

  constructor(socket: UwsSocket<UserData>, log: Logger, closeMs: number) {
    this.#socket = socket;
    this.#closeMs = closeMs;
    this.remoteAddress = addressOfBytes(new Uint8Array(socket.getRemoteAddress()));
    this.#events = new GuardedEvents(this, log);
  }

  bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  send(message: Uint8Array): void {
    // "Compress" on a route without compression means "no fast path": messages of 16 KiB and more that take it from
    // inside `drain` stall the connection for ever, and may lose their payload when the kernel's buffer is full.
    if (this.#closing === undefined) this.#socket?.send(message, true, true);
  }

  sendText(text: Uint8Array): void {
    if (this.#closing === undefined) this.#socket?.send(text, false, true);
  }

  ping(): void {
    if (this.#closing === undefined) this.#socket?.ping();
  }

  sendTile(frame: Uint8Array): void {
    this.send(frame);
  }

  cork(work: () => void): void {
    this.#socket?.cork(work);
  }

  close(code: number, reason: string): void {
    if (this.#socket === undefined || this.#closing !== undefined) return;
    this.#closing = { code: sendableCloseCode(code), reason: cutReason(reason) };
    this.#events.mute();
    // uWebSockets.js has no time limit on a close frame that waits behind other bytes, and none on a client that reads
    // them one by one.
    this.#cutTimer = setTimeout(() => this.#socket?.close(), this.#closeMs);
    // Later: a close frame that leaves inside a cork is never followed by the end of the connection.
    queueMicrotask(() => this.#endWhenDrained());
  }

  terminate(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#events.mute();
    this.#closing ??= { code: 1006, reason: '' };
    // Nobody expects `closed` to be called before this call returns.
    queueMicrotask(() => this.#socket?.close());
  }

  /** Asks the server for its handlers. */
  onOpen(open: (connection: Connection) => ConnectionEvents): void {
    this.#events.open(open);
  }

  /** `bytes` is detached when this returns. */
  onMessage(bytes: ArrayBuffer, isBinary: boolean): void {
    if (isBinary) this.#events.message(new Uint8Array(bytes));
    else this.#events.text(new Uint8Array(bytes));
  }

  /** uWebSockets.js has put the pong behind what is buffered already. */
  onPing(): void {
    if (this.bufferedBytes() === 0) this.#pings = 0;
    else if (++this.#pings > MAX_PENDING_PONGS) this.terminate();
  }

  onDrain(): void {
    this.#pings = 0;
    if (this.#closing === undefined) this.#events.drained();
    else this.#endWhenDrained();
  }

  onClose(code: number, reason: ArrayBuffer): void {
    this.#socket = undefined;
    clearTimeout(this.#cutTimer);
    const { code: ours, reason: why } = this.#closing ?? { code, reason: Buffer.from(reason).toString() };
    this.#events.closed(ours, why);
  }

  #endWhenDrained(): void {
    if (this.#closing === undefined || this.bufferedBytes() > 0) return;
    this.#socket?.end(this.#closing.code, this.#closing.reason);
  }
}
