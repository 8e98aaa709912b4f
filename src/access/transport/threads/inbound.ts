/**
 * How far a thread with sockets may be ahead of the server.
 *
 * In one thread a server that has much to do reads less, and TCP holds the senders back. A thread that only hands on would read on and on,
 * and what it read would fill the memory; so it stands still until the server has dealt with some of it.
 */

/** Bytes that may be on their way to the server. */
const MOST_BYTES = 32 * 1024 * 1024;
/** What a message takes besides its bytes. */
const EACH_BYTES = 64;
/** How long it stands still at a time: the server may be about to end it, ms. */
const WAIT_MS = 1_000;

/** Memory that both sides count in. */
export function makeInbound(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** The server's side: it has dealt with a message. */
export class InboundDone {
  readonly #done: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#done = new Int32Array(memory);
  }

  add(bytes: number): void {
    Atomics.add(this.#done, 0, bytes + EACH_BYTES);
  }

  /** Wakes the thread, where it stands still. */
  tell(): void {
    Atomics.notify(this.#done, 0);
  }
}

/** The thread's side: it hands a message on. */
export class Inbound {
  readonly #done: Int32Array;
  #handedOn = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#done = new Int32Array(memory);
  }

  /** @param flush called before it stands still: what was handed on must be on its way. */
  add(bytes: number, flush: () => void): void {
    // Wraps, like the other side's count: only the difference matters.
    this.#handedOn = (this.#handedOn + bytes + EACH_BYTES) | 0;
    if (this.#ahead() <= MOST_BYTES) return;
    flush();
    while (this.#ahead() > MOST_BYTES / 2) Atomics.wait(this.#done, 0, Atomics.load(this.#done, 0), WAIT_MS);
  }

  #ahead(): number {
    return (this.#handedOn - Atomics.load(this.#done, 0)) | 0;
  }
}
