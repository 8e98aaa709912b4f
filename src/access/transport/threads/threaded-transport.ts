/**
 * A transport whose sockets are held by several threads, while the server stays in one.
 *
 * What takes a server of volumes its time is the sending of bytes, not what it decides; so that is what is spread over the cores. There is
 * still one session, one cache, one log of edits: nothing has to be agreed upon. The threads listen at the same port, and the system gives
 * each new connection to one of them.
 */
import { Worker } from 'node:worker_threads';
import { BflyError, ERROR_CODES, type ErrorName } from '../../../../protocol/errors.ts';
import type { Logger } from '../../../utility/log.ts';
import { describeFault } from '../guarded-events.ts';
import { INTERNAL_ERROR } from '../http-head.ts';
import { checkListening, freePort, resolveHost } from '../listen-address.ts';
import type {
  HttpRequest,
  HttpResponse,
  Transport,
  TransportHandlers,
  TransportOptions,
  UpgradeVerdict,
} from '../transport.ts';
import { DEFAULT_TIMINGS, type TransportTimings } from '../transport-timings.ts';
import { InboundDone, makeInbound } from './inbound.ts';
import { Order, Report, type RequestHead, type ThreadStart } from './letters.ts';
import { Letters, type Mail, Outbox } from './mail.ts';
import { ThreadConnection } from './thread-connection.ts';

/** The worker is compiled code whether this file runs compiled or as TypeScript (as in tests, after a build). */
const ENTRY = new URL(
  import.meta.url.endsWith('.ts')
    ? '../../../../dist/src/access/transport/threads/socket-thread.js'
    : './socket-thread.js',
  import.meta.url,
);
/** How often a free port is looked for: somebody else may take it first. */
const PORT_ATTEMPTS = 5;

/** Makes a transport on so many threads. They begin when it listens. */
export function createThreadedTransport(
  threads: number,
  options: TransportOptions,
  timings: TransportTimings = DEFAULT_TIMINGS,
): Transport {
  return new ThreadedTransport(threads, options, timings);
}

class ThreadedTransport implements Transport {
  readonly kind = 'uws';
  readonly #threads: SocketThread[];

  constructor(threads: number, options: TransportOptions, timings: TransportTimings) {
    this.#threads = Array.from({ length: threads }, () => new SocketThread(options, timings));
  }

  get unfinished(): number {
    return this.#threads.reduce((sum, { unfinished }) => sum + unfinished, 0);
  }

  async listen(host: string, port: number): Promise<number> {
    const address = await resolveHost(host, port);
    for (let attempt = 1; ; attempt++) {
      const chosen = port === 0 ? await freePort(address).catch(() => 0) : port;
      try {
        // The threads share the port: that nobody else has it must be seen before.
        await checkListening(host, chosen);
        for (const thread of this.#threads) await thread.listen(address, chosen);
        return chosen;
      } catch (error) {
        await this.stopListening();
        if (port !== 0 || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  async stopListening(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stopListening()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

/** A request that the thread waits for the answer of, or whose answer is being taken. */
interface Asked {
  isAnswered?: boolean;
  onOver?: (() => void) | undefined;
  onGone?: () => void;
  body?: Settleable<Uint8Array>;
}

type Accepted = UpgradeVerdict & { readonly accept: true };

/** One thread, as the server sees it. */
class SocketThread {
  readonly #worker: Worker;
  readonly #outbox: Outbox;
  readonly #inbound: InboundDone;
  readonly #handlers: TransportHandlers;
  readonly #log: Logger;
  /** Handshakes that were accepted and are not open yet. */
  readonly #accepted = new Map<number, Accepted>();
  readonly #connections = new Map<number, ThreadConnection>();
  readonly #asked = new Map<number, Asked>();
  #listening: Settleable<number> | undefined;
  readonly #stopping: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #ended: (() => void) | undefined;

  constructor({ handlers, log, maxMessageBytes }: TransportOptions, timings: TransportTimings) {
    const inbound = makeInbound();
    const workerData: ThreadStart = { maxMessageBytes, timings, inbound };
    this.#handlers = handlers;
    this.#log = log;
    this.#inbound = new InboundDone(inbound);
    this.#worker = new Worker(ENTRY, { workerData, execArgv: [], name: 'bfly sockets' });
    this.#outbox = new Outbox(this.#worker);
    this.#worker.on('message', (mail: Mail) => this.#take(mail));
    // Unheard it would end the program all the same, but without a word of where it came from.
    this.#worker.on('error', (fault) => rethrow(describeFault(fault)));
    this.#worker.on('exit', () => {
      if (this.#ended === undefined) rethrow('it ended by itself');
    });
  }

  get unfinished(): number {
    return this.#asked.size;
  }

  listen(host: string, port: number): Promise<number> {
    this.#outbox.writeValue(Order.listen, 0, { host, port });
    this.#listening = settleable();
    return this.#listening.promise;
  }

  stopListening(): Promise<void> {
    if (this.#closing !== undefined) return Promise.resolve();
    this.#outbox.write(Order.stopListening, 0);
    return new Promise((resolve) => this.#stopping.push(resolve));
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    this.#outbox.write(Order.end, 0);
    await ended;
    await this.#worker.terminate();
  }

  #take(mail: Mail): void {
    const letters = new Letters(mail);
    while (letters.next()) this.#hear(letters);
    this.#inbound.tell();
    // What was answered at once leaves at once.
    this.#outbox.flush();
  }

  #hear(letters: Letters): void {
    const { kind, about, a, b } = letters;
    switch (kind) {
      case Report.message:
      case Report.text: {
        const bytes = letters.bytes();
        const connection = this.#connections.get(about);
        if (kind === Report.message) connection?.onMessage(bytes);
        else connection?.onText(bytes);
        this.#inbound.add(bytes.length);
        break;
      }
      case Report.flow:
        this.#connections.get(about)?.onFlow(a, b);
        break;
      case Report.closed: {
        const connection = this.#connections.get(about);
        this.#connections.delete(about);
        const reason = letters.value() as string;
        connection?.onClosed(a, reason);
        break;
      }
      case Report.upgrade:
        void this.#judge(about, letters.value() as RequestHead);
        break;
      case Report.opened:
        this.#open(about, letters.value() as string);
        break;
      case Report.aborted:
        this.#abort(about);
        break;
      case Report.request:
        this.#answer(about, letters.value() as RequestHead);
        break;
      case Report.body: {
        const bytes = letters.bytes();
        this.#asked.get(about)?.body?.resolve(bytes);
        this.#inbound.add(bytes.length);
        break;
      }
      case Report.bodyFailed:
        this.#asked.get(about)?.body?.reject(faultOf(letters.value()));
        break;
      case Report.over:
        this.#over(about);
        break;
      default:
        this.#hearOfThread(letters);
    }
  }

  #hearOfThread(letters: Letters): void {
    switch (letters.kind) {
      case Report.listening:
        this.#listening?.resolve(letters.a);
        break;
      case Report.notListening:
        this.#listening?.reject(faultOf(letters.value()));
        break;
      case Report.stopped:
        this.#stopping.shift()?.();
        break;
      case Report.log: {
        const [level, fields, message] = letters.value() as [keyof Logger, Record<string, unknown>, string];
        this.#log[level](fields, message);
        break;
      }
      case Report.ended:
        this.#ended?.();
        break;
      case Report.fault:
        rethrow(letters.value() as string);
    }
  }

  async #judge(id: number, { path, query, protocols, remoteAddress, headers }: RequestHead): Promise<void> {
    const request = { path, query, protocols, remoteAddress, header: headerOf(headers), headers: () => headers };
    let verdict: UpgradeVerdict;
    try {
      // Not awaited where it is there: what is said at once leaves at once.
      const decided = this.#handlers.upgrade(request);
      verdict = decided instanceof Promise ? await decided : decided;
    } catch (fault) {
      this.#log.error({ fault: describeFault(fault) }, 'the upgrade handler threw');
      verdict = { accept: false, response: INTERNAL_ERROR };
    }
    if (verdict.accept) this.#accepted.set(id, verdict);
    const { accept } = verdict;
    this.#outbox.writeValue(
      Order.verdict,
      id,
      accept ? { accept, protocol: verdict.protocol } : sendable(verdict.response),
    );
  }

  #open(id: number, remoteAddress: string): void {
    const accepted = this.#accepted.get(id);
    this.#accepted.delete(id);
    if (accepted === undefined) return;
    const connection = new ThreadConnection(id, remoteAddress, this.#outbox, this.#log);
    this.#connections.set(id, connection);
    connection.onOpen(accepted.open);
  }

  #abort(id: number): void {
    const accepted = this.#accepted.get(id);
    this.#accepted.delete(id);
    try {
      accepted?.aborted?.();
    } catch (fault) {
      this.#log.error({ fault: describeFault(fault) }, 'the handler of an aborted upgrade threw');
    }
  }

  #answer(id: number, { method, path, query, remoteAddress, headers }: RequestHead): void {
    const asked: Asked = {};
    this.#asked.set(id, asked);
    const request: HttpRequest = {
      ...{ method, path, query, remoteAddress },
      header: headerOf(headers),
      headers: () => headers,
      body: (maxBytes) => this.#body(id, asked, maxBytes),
      onGone: (listener) => {
        if (this.#asked.has(id)) asked.onGone = listener;
        else if (asked.isAnswered !== true) listener();
      },
    };
    const finish = (response: HttpResponse): void => {
      if (!this.#asked.has(id)) return response.onOver?.();
      asked.isAnswered = true;
      asked.onOver = response.onOver;
      this.#outbox.writeValue(Order.answer, id, sendable(response));
    };
    const failed = (fault: unknown): void => {
      this.#log.error({ method, fault: describeFault(fault) }, 'a request handler threw');
      finish(INTERNAL_ERROR);
    };
    try {
      const answer = this.#handlers.http(request);
      if (answer instanceof Promise) answer.then(finish, failed);
      else finish(answer);
    } catch (fault) {
      failed(fault);
    }
  }

  #body(id: number, asked: Asked, maxBytes: number): Promise<Uint8Array> {
    if (asked.body !== undefined) return asked.body.promise;
    this.#outbox.write(Order.readBody, id, maxBytes);
    asked.body = settleable();
    // A handler that answers without waiting for it shall not end the process when the client goes away.
    asked.body.promise.catch(() => {});
    return asked.body.promise;
  }

  #over(id: number): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked === undefined) return;
    asked.body?.reject(new BflyError('CANCELLED', 'the client went away before its request was complete'));
    asked.onOver?.();
    if (asked.isAnswered !== true) asked.onGone?.();
  }
}

/** A response as it can be cloned: of a view the whole memory behind it would be. */
function sendable({ onOver: _, ...response }: HttpResponse): HttpResponse {
  const { body } = response;
  if (!(body instanceof Uint8Array) || body.buffer instanceof SharedArrayBuffer) return response;
  return body.length === body.buffer.byteLength ? response : { ...response, body: new Uint8Array(body) };
}

function headerOf(headers: Readonly<Record<string, string>>): (name: string) => string | undefined {
  return (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined);
}

function faultOf(value: unknown): BflyError {
  const [code, message] = value as readonly [string, string];
  return new BflyError(code in ERROR_CODES ? (code as ErrorName) : 'INTERNAL', message);
}

interface Settleable<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (fault: BflyError) => void;
}

function settleable<T>(): Settleable<T> {
  let settle: Pick<Settleable<T>, 'resolve' | 'reject'> = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

/** As if it had not been caught in this thread. */
function rethrow(fault: string): void {
  setImmediate(() => {
    throw new Error(`a thread with sockets failed: ${fault}`);
  });
}
