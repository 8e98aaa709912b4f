/** A WebSocket that another thread holds, as the session sees it. */
import { readdressTile } from '../../../../protocol/tile-frame.ts';
import type { Logger } from '../../../utility/log.ts';
import { isSharedFrame } from '../../../utility/shared-frames.ts';
import { cutReason, sendableCloseCode } from '../close-reason.ts';
import { GuardedEvents } from '../guarded-events.ts';
import type { Connection, ConnectionEvents } from '../transport.ts';
import { Order } from './letters.ts';
import type { Outbox } from './mail.ts';

/** Bytes that may be on their way to the thread before they count as buffered: with less it would wait for us between two tiles. */
const AHEAD_BYTES = 512 * 1024;
/** A shorter frame is copied, which takes less than to share it. */
const SHARED_BYTES = 4 * 1024;

/** One WebSocket of a thread, whose reports its transport hands on by the `on` methods. */
export class ThreadConnection implements Connection {
  readonly copiesOnSend = true;
  readonly remoteAddress: string;
  readonly #id: number;
  readonly #outbox: Outbox;
  readonly #events: GuardedEvents;
  /** Bytes that were posted, and those of them that the thread has sent; only ever more. */
  #posted = 0;
  #sent = 0;
  /** Bytes that waited in the socket when the thread last told. */
  #waiting = 0;
  /** Nothing is sent any more. */
  #isOver = false;
  #isClosed = false;

  constructor(id: number, remoteAddress: string, outbox: Outbox, log: Logger) {
    this.#id = id;
    this.remoteAddress = remoteAddress;
    this.#outbox = outbox;
    this.#events = new GuardedEvents(this, log);
  }

  bufferedBytes(): number {
    if (this.#isClosed) return 0;
    return Math.max(0, this.#posted - this.#sent - AHEAD_BYTES) + this.#waiting;
  }

  send(message: Uint8Array): void {
    this.#write(Order.send, message);
  }

  sendText(text: Uint8Array): void {
    this.#write(Order.text, text);
  }

  sendTile(frame: Uint8Array, id: number, item: number): void {
    if (this.#isOver) return;
    if (frame.length >= SHARED_BYTES && isSharedFrame(frame)) {
      this.#posted += frame.length;
      this.#outbox.writeFrame(Order.sharedTile, this.#id, frame, id, item);
      return;
    }
    // Where it is shared another thread may be about to address it.
    if (isSharedFrame(frame)) this.#write(Order.tile, addressed(frame, id, item));
    else {
      readdressTile(frame, id, item);
      this.#write(Order.tile, frame);
    }
  }

  #write(kind: number, bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#posted += bytes.length;
    this.#outbox.writeBytes(kind, this.#id, bytes);
  }

  ping(): void {
    if (!this.#isOver) this.#outbox.write(Order.ping, this.#id);
  }

  /** The thread corks what comes for one connection in a row. */
  cork(work: () => void): void {
    if (!this.#isOver) work();
  }

  close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.mute();
    this.#outbox.writeValue(Order.close, this.#id, cutReason(reason), sendableCloseCode(code));
  }

  terminate(): void {
    if (this.#isClosed) return;
    this.#events.mute();
    this.#isOver = true;
    this.#outbox.write(Order.terminate, this.#id);
  }

  /** Asks the server for its handlers. */
  onOpen(open: (connection: Connection) => ConnectionEvents): void {
    this.#events.open(open);
  }

  onMessage(bytes: Uint8Array): void {
    this.#events.message(bytes);
  }

  onText(bytes: Uint8Array): void {
    this.#events.text(bytes);
  }

  /** @param sent of what was posted, since the beginning. @param waiting in the socket. */
  onFlow(sent: number, waiting: number): void {
    this.#sent = sent;
    this.#waiting = waiting;
    this.#events.drained();
  }

  onClosed(code: number, reason: string): void {
    this.#isOver = true;
    this.#isClosed = true;
    this.#events.closed(code, reason);
  }
}

function addressed(frame: Uint8Array, id: number, item: number): Uint8Array {
  const copy = new Uint8Array(frame);
  readdressTile(copy, id, item);
  return copy;
}
