/** Who a writer is: its name, the numbers that it has used up, and every name that it went by. Rule [E2]. */
import type { SavedWriter } from './writer-store.ts';

const WID_BYTES = 16;
/** Names that a subscription asks about. */
const MAX_WIDS = 8;

/** A name and its last number; takes another name when the old one is of no more use. */
export class WriterIdentity {
  readonly #names = new Map<string, Uint8Array>();
  #wid: Uint8Array = new Uint8Array(0);
  #wseq = 0;
  #user = '';

  /** 16 bytes; none before the first `renew`. */
  get wid(): Uint8Array {
    return this.#wid;
  }

  /** The last number that was given out. */
  get wseq(): number {
    return this.#wseq;
  }

  /** Id of the user whose name it is: a writer is bound to one. */
  get user(): string {
    return this.#user;
  }

  /** Its newest names. */
  get wids(): readonly Uint8Array[] {
    return [...this.#names.values()].slice(-MAX_WIDS);
  }

  /** Whether it has ever gone by this name. */
  owns(wid: Uint8Array): boolean {
    return this.#names.has(hex(wid));
  }

  isCalled(wid: Uint8Array): boolean {
    return hex(wid) === hex(this.#wid);
  }

  /** Takes a new name. */
  renew(user: string): void {
    this.#become(crypto.getRandomValues(new Uint8Array(WID_BYTES)), 0);
    this.#user = user;
  }

  /** Goes on as an earlier page was called. */
  takeOver(saved: SavedWriter): void {
    for (const { wid } of saved.pending) if (wid.length === WID_BYTES) this.#names.set(hex(wid), wid);
    if (saved.wid.length === WID_BYTES) this.#become(saved.wid, saved.wseq);
  }

  /** A number that was never given out under this name. */
  next(): number {
    return ++this.#wseq;
  }

  #become(wid: Uint8Array, wseq: number): void {
    this.#wid = wid;
    this.#wseq = wseq;
    this.#names.set(hex(wid), wid);
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
