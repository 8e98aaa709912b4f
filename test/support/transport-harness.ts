/** A listening transport for tests, with what its handlers saw, awaitable. */
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import type { openTransport } from '../../src/access/transport/open-transport.ts';
import type {
  Connection,
  ConnectionEvents,
  HttpRequest,
  HttpResponse,
  Transport,
  TransportHandlers,
  UpgradeRequest,
  UpgradeVerdict,
} from '../../src/access/transport/transport.ts';
import { DEFAULT_TIMINGS, type TransportTimings } from '../../src/access/transport/transport-timings.ts';
import { createUwsTransport, loadUws } from '../../src/access/transport/uws-transport.ts';
import { createWsTransport } from '../../src/access/transport/ws-transport.ts';
import type { Logger } from '../../src/utility/log.ts';
import { RawWebSocket, type RawWebSocketOptions } from './raw-websocket.ts';

/** Values in the order in which they come, to be awaited one by one. */
export class Arrivals<T> {
  readonly all: T[] = [];
  #read = 0;
  readonly #waiting: ((value: T) => void)[] = [];

  push(value: T): void {
    this.all.push(value);
    const wake = this.#waiting.shift();
    if (wake === undefined) return;
    this.#read++;
    wake(value);
  }

  next(): Promise<T> {
    const value = this.all[this.#read];
    if (value === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#read++;
    return Promise.resolve(value);
  }
}

/** A promise and what settles it. */
export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let settle: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: settle };
}

/** One WebSocket as the server sees it. */
export class ServerSide implements ConnectionEvents {
  readonly connection: Connection;
  readonly messages = new Arrivals<Uint8Array>();
  readonly texts = new Arrivals<string>();
  readonly closes = new Arrivals<{ readonly code: number; readonly reason: string }>();
  /** Names of events in their order. */
  readonly order: string[] = [];
  onMessage: (bytes: Uint8Array) => void = () => {};
  onText: () => void = () => {};
  onDrained: () => void = () => {};
  onClosed: () => void = () => {};

  constructor(connection: Connection) {
    this.connection = connection;
  }

  message(bytes: Uint8Array): void {
    this.order.push('message');
    this.messages.push(new Uint8Array(bytes));
    this.onMessage(bytes);
  }

  text(bytes: Uint8Array): void {
    this.order.push('text');
    this.texts.push(Buffer.from(bytes).toString());
    this.onText();
  }

  drained(): void {
    this.order.push('drained');
    this.onDrained();
  }

  closed(code: number, reason: string): void {
    this.order.push('closed');
    this.closes.push({ code, reason });
    this.onClosed();
  }
}

/** A log that remembers. */
export class MemoryLog implements Logger {
  readonly lines: { level: string; fields: Readonly<Record<string, unknown>>; message: string }[] = [];
  debug = this.#at('debug');
  info = this.#at('info');
  warn = this.#at('warn');
  error = this.#at('error');

  #at(level: string) {
    return (fields: Readonly<Record<string, unknown>>, message: string): void => {
      this.lines.push({ level, fields, message });
    };
  }

  errors(): string[] {
    return this.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
  }
}

/** What a test wants of its server; the rest accepts every WebSocket and answers 404. */
export interface HarnessOptions {
  readonly upgrade?: (request: UpgradeRequest, accept: UpgradeVerdict) => UpgradeVerdict | Promise<UpgradeVerdict>;
  readonly http?: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  readonly onOpen?: (side: ServerSide) => void;
  readonly maxMessageBytes?: number;
  readonly port?: number;
  readonly timings?: Partial<TransportTimings>;
}

/** A listening transport and its clients' other ends. */
export class Harness {
  readonly transport: Transport;
  readonly log: MemoryLog;
  readonly sides: Arrivals<ServerSide>;
  port = 0;
  readonly #clients: RawWebSocket[] = [];

  constructor(kind: 'ws' | 'uws', options: HarnessOptions) {
    const sides = new Arrivals<ServerSide>();
    this.sides = sides;
    this.log = new MemoryLog();
    const handlers: TransportHandlers = {
      upgrade: (request) => {
        const accept: UpgradeVerdict = {
          accept: true,
          protocol: request.protocols[0],
          open: (connection) => {
            const side = new ServerSide(connection);
            options.onOpen?.(side);
            sides.push(side);
            return side;
          },
        };
        return options.upgrade?.(request, accept) ?? accept;
      },
      http: (request) => options.http?.(request) ?? { status: 404, headers: {}, body: 'nothing here' },
    };
    const transportOptions = { handlers, log: this.log, maxMessageBytes: options.maxMessageBytes ?? 8 * 1024 * 1024 };
    this.transport = makeTransport(kind, transportOptions, { ...DEFAULT_TIMINGS, ...options.timings });
  }

  static async start(kind: 'ws' | 'uws', options: HarnessOptions = {}): Promise<Harness> {
    const harness = new Harness(kind, options);
    harness.port = await harness.transport.listen('127.0.0.1', options.port ?? 0);
    return harness;
  }

  /** Opens a WebSocket that `stop` will cut. */
  async client(options: RawWebSocketOptions = {}): Promise<RawWebSocket> {
    const client = await RawWebSocket.open(this.port, options);
    this.#clients.push(client);
    return client;
  }

  /** Opens a WebSocket and waits for the server's end of it. */
  async pair(options: RawWebSocketOptions = {}): Promise<{ client: RawWebSocket; side: ServerSide }> {
    const client = await this.client(options);
    return { client, side: await this.sides.next() };
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.transport.close();
  }
}

function makeTransport(
  kind: 'ws' | 'uws',
  options: Parameters<typeof openTransport>[1],
  timings: TransportTimings,
): Transport {
  if (kind === 'ws') return createWsTransport(options, timings);
  const { module, missing } = loadUws();
  if (module === undefined) throw new Error(`uWebSockets.js: ${missing}`);
  return createUwsTransport(module, options, timings);
}

/** A whole HTTP response. */
export interface FetchedResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a request by Node's client, which shows everything that came. */
export function fetchRaw(
  port: number,
  path: string,
  options: RequestOptions = {},
  body?: string | Uint8Array,
): Promise<FetchedResponse> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Writes bytes to a new connection and gives all that came until it was closed. */
export function exchangeBytes(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes));
    let came = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      came += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(came));
  });
}
