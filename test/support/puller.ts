/** A client that pulls without a pause and edits and follows edits on the same connection: it measures what edits wait behind tiles. */
import type { ServerMessage } from '../../protocol/messages.ts';
import { BareSession } from './bare-session.ts';
import { NOISE, SEGMENTATION } from './storm-volume.ts';
import { within } from './within.ts';

/** Its window on every level, bytes; it never changes. */
export const PULL_WINDOW = 256 * 1024;
/** Rule [E3]. */
const UNANSWERED = 16;
/** What has not come after so long does not come. */
const PATIENCE_MS = 60_000;

export interface PullerOptions {
  readonly url: string;
  /** Size of frames that it asks for, bytes; default: it asks for none. */
  readonly frame?: number;
  /** 16 bytes. */
  readonly wid: Uint8Array;
  /** When others' edits were sent, by their notes, as `performance.now()` says it. */
  readonly others: ReadonlyMap<string, number>;
}

/** The client. Any ERROR ends it: what waits for it then throws. */
export class Puller {
  readonly #options: PullerOptions;
  readonly #session: BareSession;
  /** Bytes by stream: pulls, and the subscription. */
  readonly #received = new Map<number, number>();
  /** When EDITs that are unanswered were due, by id. */
  readonly #dueAt = new Map<number, number>();
  /** Edits that are due and wait for answers to others: rule [E3]. */
  readonly #due: { readonly wseq: number; readonly at: number }[] = [];
  readonly #subscription: number;
  #all = 0;
  #waiting: ((error?: Error) => void)[] = [];
  #fault: Error | undefined;
  /** Delays, ms: from when an EDIT was due to its reply, and from another's EDIT to its coming in EDITS. */
  readonly replies: number[] = [];
  readonly broadcasts: number[] = [];
  /** Bytes of tiles so far. */
  bytes = 0;

  private constructor(session: BareSession, options: PullerOptions) {
    this.#session = session;
    this.#options = options;
    this.#subscription = session.nextId();
    session.send({ kind: 'SUBSCRIBE', id: this.#subscription, path: SEGMENTATION, epoch: null, after: null });
    this.#pull();
    session.closed.then(() => this.#fail('its connection ended'));
  }

  /** Connects, subscribes and begins to pull. */
  static async start(options: PullerOptions): Promise<Puller> {
    const { url, frame } = options;
    const early: [ServerMessage, number][] = [];
    let take = (message: ServerMessage, bytes: number): void => {
      early.push([message, bytes]);
    };
    const onMessage = (message: ServerMessage, bytes: number): void => take(message, bytes);
    const sizes = { win: PULL_WINDOW, ...(frame === undefined ? {} : { frame }) };
    const session = await BareSession.open({ url, client: 'puller', onMessage, ...sizes });
    const puller = new Puller(session, options);
    take = (message, bytes) => puller.#take(message, bytes);
    for (const [message, bytes] of early) take(message, bytes);
    return puller;
  }

  /** Size of frames that the server gave it, bytes. */
  get frame(): number {
    return this.#session.welcome.frame;
  }

  /** Sends an EDIT, or keeps it until one more may be unanswered: it is counted from now on all the same. */
  edit(wseq: number): void {
    this.#due.push({ wseq, at: performance.now() });
    this.#sendDue();
  }

  /** Resolves when `test` holds. @throws Error where an ERROR came, the connection ended or it took too long. */
  async until(what: string, test: () => boolean): Promise<void> {
    const state = (): string =>
      `${what}: ${this.replies.length} replies and ${this.broadcasts.length} broadcasts came, ${this.#due.length} edits are unsent`;
    // Tiles always come: that something comes is no sign of what is waited for.
    await within(PATIENCE_MS, state, this.#wait(test));
  }

  async #wait(test: () => boolean): Promise<void> {
    while (!test()) {
      if (this.#fault !== undefined) throw this.#fault;
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push((error) => (error === undefined ? resolve() : reject(error)));
      });
    }
  }

  stop(): void {
    this.#session.close();
  }

  #sendDue(): void {
    while (this.#dueAt.size < UNANSWERED) {
      const due = this.#due.shift();
      if (due === undefined) return;
      const { wseq, at } = due;
      const id = this.#session.nextId();
      this.#dueAt.set(id, at);
      const { wid } = this.#options;
      const ops = [{ op: 'merge', ids: [1 + (wseq % 60), 2 + (wseq % 60)] }];
      this.#session.send({ kind: 'EDIT', id, path: SEGMENTATION, wid, wseq, base: null, ops, note: `puller:${wseq}` });
    }
  }

  #pull(): void {
    const id = this.#session.nextId();
    this.#received.set(id, 0);
    this.#session.send({ kind: 'PULL', id, path: NOISE, mip: 0, box: [0, 0, 0, 256, 256, 128], enc: ['raw'] });
  }

  #take(message: ServerMessage, bytes: number): void {
    switch (message.kind) {
      case 'TILE':
        this.bytes += bytes;
        this.#all += bytes;
        this.#grant(message.id, bytes, [0, this.#all + PULL_WINDOW]);
        break;
      case 'END':
        this.#received.delete(message.id);
        this.#pull();
        break;
      case 'EDIT_OK':
        this.replies.push(performance.now() - (this.#dueAt.get(message.id) ?? 0));
        this.#dueAt.delete(message.id);
        this.#sendDue();
        break;
      case 'EDITS':
        for (const { note } of message.edits) this.#heard(String(note));
        this.#grant(message.id, bytes);
        break;
      case 'SNAP':
        this.#grant(message.id, bytes);
        break;
      case 'ERROR':
      case 'UNSUBSCRIBED':
        return this.#fail(`${message.code} ${message.kind === 'ERROR' ? message.message : message.reason}`);
      default:
    }
    this.#wake();
  }

  #heard(note: string): void {
    const at = this.#options.others.get(note);
    if (at !== undefined) this.broadcasts.push(performance.now() - at);
  }

  /** Rule [D11]: tiles count on their stream and on the connection, edits on their subscription. */
  #grant(id: number, bytes: number, ...more: [number, number][]): void {
    const received = (this.#received.get(id) ?? 0) + bytes;
    this.#received.set(id, received);
    this.#session.send({ kind: 'CREDIT', id: 0, grants: [...more, [id, received + PULL_WINDOW]] });
  }

  #fail(text: string): void {
    this.#fault ??= new Error(`the puller was told what it must not be told: ${text}`);
    this.#wake(this.#fault);
  }

  #wake(error?: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const end of waiting) end(error);
  }
}
