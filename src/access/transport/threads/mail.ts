/**
 * What the server's thread and a thread with sockets write to each other: many short letters in one message.
 *
 * A message costs a thread its time mostly by being one: all letters of a turn go together, and their bytes in one buffer, which is handed
 * over. Frames in shared memory are not copied at all.
 */

/** Letters as they travel. */
export interface Mail {
  /** Four a letter: its kind, whom it is about, and two that the kind gives a meaning. */
  readonly numbers: readonly number[];
  /** What letters carry, in their order. */
  readonly bytes: Uint8Array;
  readonly frames: readonly Uint8Array[];
  readonly values: readonly unknown[];
}

/** Where mail is posted: a worker, or a worker's way back. */
export interface Post {
  postMessage(mail: Mail, transfer: ArrayBuffer[]): void;
}

const NUMBERS = 4;
const FIRST_BYTES = 4 * 1024;
/** Mail that holds so many bytes is sent before its turn ends: the other side can begin. */
const FULL_BYTES = 1024 * 1024;

/** Writes letters, and posts them when the turn ends. */
export class Outbox {
  readonly #post: Post;
  #numbers: number[] = [];
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;
  #frames: Uint8Array[] = [];
  #values: unknown[] = [];
  #isScheduled = false;

  constructor(post: Post) {
    this.#post = post;
  }

  /** A letter of numbers alone. */
  write(kind: number, about: number, a = 0, b = 0): void {
    this.#numbers.push(kind, about, a, b);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.flush());
  }

  /** A letter with bytes, whose number `a` is how many. @param bytes borrowed. */
  writeBytes(kind: number, about: number, bytes: Uint8Array): void {
    this.#reserve(bytes.length).set(bytes);
    this.write(kind, about, bytes.length);
    if (this.#length >= FULL_BYTES) this.flush();
  }

  /** A letter with a frame in shared memory. @param frame shared. */
  writeFrame(kind: number, about: number, frame: Uint8Array, a: number, b: number): void {
    this.#frames.push(frame);
    this.write(kind, about, a, b);
  }

  /** A letter with anything that can be cloned. @param value not changed until the turn ends. */
  writeValue(kind: number, about: number, value: unknown, a = 0): void {
    this.#values.push(value);
    this.write(kind, about, a);
  }

  /** Posts what was written. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#numbers.length === 0) return;
    const bytes = this.#bytes.subarray(0, this.#length);
    const mail = { numbers: this.#numbers, bytes, frames: this.#frames, values: this.#values };
    this.#post.postMessage(mail, [bytes.buffer]);
    this.#numbers = [];
    this.#bytes = new Uint8Array(FIRST_BYTES);
    this.#length = 0;
    this.#frames = [];
    this.#values = [];
  }

  #reserve(length: number): Uint8Array {
    const needed = this.#length + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    const place = this.#bytes.subarray(this.#length, needed);
    this.#length = needed;
    return place;
  }
}

/** Reads the letters of a mail one by one. */
export class Letters {
  kind = 0;
  about = 0;
  a = 0;
  b = 0;
  readonly #mail: Mail;
  #number = 0;
  #byte = 0;
  #frame = 0;
  #value = 0;

  constructor(mail: Mail) {
    this.#mail = mail;
  }

  /** Goes to the next letter; false where there is none. */
  next(): boolean {
    const { numbers } = this.#mail;
    const at = this.#number;
    if (at >= numbers.length) return false;
    [this.kind, this.about, this.a, this.b] = [numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]] as [
      number,
      number,
      number,
      number,
    ];
    this.#number += NUMBERS;
    return true;
  }

  /** The bytes of this letter, once. Owned, but others stand around them. */
  bytes(): Uint8Array {
    const from = this.#byte;
    this.#byte += this.a;
    return this.#mail.bytes.subarray(from, this.#byte);
  }

  /** The frame of this letter, once. */
  frame(): Uint8Array {
    return this.#mail.frames[this.#frame++] as Uint8Array;
  }

  /** The value of this letter, once. */
  value(): unknown {
    return this.#mail.values[this.#value++];
  }
}
