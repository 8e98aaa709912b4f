/** A connection that says hello, hands out what comes and answers pings; it mends nothing. For storms, which mend for themselves. */
import { WebSocket } from 'ws';
import { decodeServer } from '../../protocol/decode-server.ts';
import { encodeClient } from '../../protocol/encode.ts';
import { withoutUndefined } from '../../protocol/fields.ts';
import type { ClientMessage, ServerMessage, Welcome } from '../../protocol/messages.ts';

/** What a bare session is opened with. */
export interface BareSessionOptions {
  readonly url: string;
  /** Name in HELLO's `client`. */
  readonly client: string;
  readonly frame?: number;
  readonly win?: number;
  /** The session secret of an earlier connection: who has it is the same anonymous user. Rule [H9]. */
  readonly token?: string | undefined;
  /** Called for every message after WELCOME, with its bytes on the wire. */
  onMessage(message: ServerMessage, bytes: number): void;
}

const FEATURES = ['pull', 'edit', 'subscribe', 'history', 'presence'];
/** How long a connection may take to be welcomed; a stalled line is given up. */
const WELCOME_MS = 5_000;

/** A connection that was welcomed. */
export class BareSession {
  readonly welcome: Welcome;
  /** Resolves when it is gone, however. */
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;
  #id = 1;

  private constructor(socket: WebSocket, welcome: Welcome, closed: Promise<void>) {
    this.#socket = socket;
    this.welcome = welcome;
    this.closed = closed;
  }

  /** Opens a connection. @throws Error where it ends before WELCOME, or takes too long. */
  static async open(options: BareSessionOptions): Promise<BareSession> {
    const socket = new WebSocket(options.url, ['bfly.v1'], { perMessageDeflate: false });
    socket.on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const tooLate = setTimeout(() => socket.terminate(), WELCOME_MS);
    try {
      const welcome = await new Promise<Welcome>((resolve, reject) => {
        let welcomed = false;
        socket.once('open', () => socket.send(encodeClient(helloOf(options)).slice()));
        socket.on('message', (data: Buffer) => {
          const message = decodeServer(data);
          if (welcomed) return take(socket, message, data.length, options);
          welcomed = message.kind === 'WELCOME';
          if (message.kind === 'WELCOME') resolve(message);
          else reject(new Error(`${message.kind} came before WELCOME`));
        });
        socket.once('close', () => reject(new Error('the connection ended before WELCOME')));
      });
      return new BareSession(socket, welcome, closed);
    } finally {
      clearTimeout(tooLate);
    }
  }

  /** An id that no request of this session had. */
  nextId(): number {
    return ++this.#id;
  }

  /** Sends where that is still possible. */
  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encodeClient(message).slice());
  }

  /** Takes no more bytes from the kernel until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.terminate();
  }
}

function helloOf({ client, frame, win, token }: BareSessionOptions): ClientMessage {
  return { kind: 'HELLO', id: 1, v: [1], client, feat: FEATURES, ...withoutUndefined({ frame, win, token }) };
}

function take(socket: WebSocket, message: ServerMessage, bytes: number, options: BareSessionOptions): void {
  if (message.kind === 'PING') socket.send(encodeClient({ kind: 'PONG', id: message.id, t: message.t }).slice());
  else options.onMessage(message, bytes);
}

/** Runs connections one after the other until it is stopped: each as soon as a short random pause after the end of the last. */
export class Persistent {
  readonly #open: () => Promise<BareSession>;
  readonly #use: (session: BareSession) => void;
  readonly #random: () => number;
  #session: BareSession | undefined;
  #stopped = false;
  #running: Promise<void> | undefined;

  /** @param use called with each new connection; what it throws ends the connection. */
  constructor(open: () => Promise<BareSession>, use: (session: BareSession) => void, random: () => number) {
    this.#open = open;
    this.#use = use;
    this.#random = random;
  }

  /** The connection that is open, if one is. */
  get session(): BareSession | undefined {
    return this.#session;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#session?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const session = await this.#open().catch(() => undefined);
      if (session !== undefined) {
        this.#session = session;
        if (this.#stopped) session.close();
        else this.#use(session);
        await session.closed;
        this.#session = undefined;
      }
      if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, 10 + 60 * this.#random()));
    }
  }
}
