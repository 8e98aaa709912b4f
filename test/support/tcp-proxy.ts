/** A small TCP proxy between clients and a server: it cuts, stalls, slows, delays and half-closes what goes through it. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What the line is like, in each direction of each connection. */
export interface LineWeather {
  /** Unset: as fast as it goes. */
  readonly bitsPerSecond?: number;
  /** How long each byte is under way, each way. */
  readonly latencyMs?: number;
  /** Bytes that the proxy holds in each direction before it reads no more. */
  readonly bufferBytes?: number;
}

/** Which way bytes go: `up` to the server, `down` to the client. */
export type Direction = 'up' | 'down';

const BUFFER_BYTES = 16 * 1024;
/** Pieces of a slowed line, in time: as short as timers are. */
const PIECE_MS = 2;
/** The largest debt of time that a late timer may be forgiven. */
const CATCH_UP_MS = 20;

/** The proxy. What is set on it holds for the connections that are open and for later ones. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  #target: number;
  #weather: LineWeather;
  #stalled = false;

  private constructor(server: Server, target: number, weather: LineWeather) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.#target = target;
    this.#weather = weather;
    server.on('connection', (client) => this.#accept(client));
  }

  /** Listens on a free loopback port. @param target loopback port of the server. */
  static async open(target: number, weather: LineWeather = {}): Promise<TcpProxy> {
    // The other direction goes on when one has ended.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, target, weather);
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Where later connections go. */
  set target(port: number) {
    this.#target = port;
  }

  set weather(weather: LineWeather) {
    this.#weather = weather;
    for (const connection of this.#connections) connection.pump();
  }

  /** Nothing goes through until `resume`; connections stay open. */
  stall(): void {
    this.#stalled = true;
  }

  resume(): void {
    this.#stalled = false;
    for (const connection of this.#connections) connection.pump();
  }

  /** Cuts every connection after as many more bytes as `bytes` says, counted in one direction; the middle of a frame as likely as any place. */
  cutAfter(bytes: () => number, direction: Direction = 'down'): void {
    for (const connection of this.#connections) connection.cutAfter(direction, bytes());
  }

  /** Cuts every connection now. */
  cut(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  /** Ends one direction of every connection; the other goes on. */
  halfClose(direction: Direction): void {
    for (const connection of this.#connections) connection.halfClose(direction);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const connection = new ProxiedConnection(client, server, {
      weather: () => this.#weather,
      stalled: () => this.#stalled,
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

interface ProxyHost {
  weather(): LineWeather;
  stalled(): boolean;
  closed(): void;
}

class ProxiedConnection {
  readonly #up: Pipe;
  readonly #down: Pipe;
  readonly #sockets: readonly Socket[];

  constructor(client: Socket, server: Socket, host: ProxyHost) {
    const destroy = (): void => this.destroy();
    this.#sockets = [client, server];
    this.#up = new Pipe(client, server, host, destroy);
    this.#down = new Pipe(server, client, host, destroy);
    let open = 2;
    for (const socket of this.#sockets) {
      socket.on('error', destroy);
      socket.on('close', () => {
        if (--open === 0) host.closed();
        // What has come from one end is still brought to the other, as a line would; a cut ends both.
        if (socket.errored !== null) destroy();
      });
    }
  }

  pump(): void {
    this.#up.pump();
    this.#down.pump();
  }

  cutAfter(direction: Direction, bytes: number): void {
    (direction === 'up' ? this.#up : this.#down).cutAfter(bytes);
  }

  halfClose(direction: Direction): void {
    (direction === 'up' ? this.#up : this.#down).halfClose();
  }

  destroy(): void {
    this.#up.close();
    this.#down.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** One direction of one connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #host: ProxyHost;
  readonly #cut: () => void;
  readonly #queue: { bytes: Buffer; due: number }[] = [];
  #queued = 0;
  #left = Number.POSITIVE_INFINITY;
  /** When the line is free for the next piece. */
  #free = 0;
  #timer: NodeJS.Timeout | undefined;
  #full = false;
  #ended = false;
  #closed = false;

  constructor(from: Socket, to: Socket, host: ProxyHost, cut: () => void) {
    this.#from = from;
    this.#to = to;
    this.#host = host;
    this.#cut = cut;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => {
      this.#ended = true;
      this.pump();
    });
    to.on('drain', () => {
      this.#full = false;
      this.pump();
    });
  }

  cutAfter(bytes: number): void {
    this.#left = Math.max(0, bytes);
    if (this.#left === 0) this.#cut();
  }

  halfClose(): void {
    this.#ended = true;
    this.#queue.length = 0;
    this.#queued = 0;
    this.#closed = true;
    // What still comes is swallowed: the other end does not know.
    this.#from.resume();
    this.#to.end();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (!this.#closed && !this.#full && !this.#host.stalled()) {
      const first = this.#queue[0];
      if (first === undefined) {
        if (this.#ended) this.#finish();
        return;
      }
      const now = performance.now();
      const start = Math.max(first.due, this.#free);
      if (start > now + 0.5) {
        this.#timer = setTimeout(() => this.pump(), start - now);
        return;
      }
      this.#deliver(first, now);
    }
  }

  #take(chunk: Buffer): void {
    if (this.#closed) return;
    const { latencyMs = 0, bufferBytes = BUFFER_BYTES } = this.#host.weather();
    this.#queue.push({ bytes: chunk, due: performance.now() + latencyMs });
    this.#queued += chunk.length;
    if (this.#queued >= bufferBytes) this.#from.pause();
    this.pump();
  }

  #deliver(first: { bytes: Buffer; due: number }, now: number): void {
    const { bitsPerSecond, bufferBytes = BUFFER_BYTES } = this.#host.weather();
    const bytesPerMs = (bitsPerSecond ?? Number.POSITIVE_INFINITY) / 8_000;
    const size = Math.min(first.bytes.length, Math.max(1, Math.ceil(bytesPerMs * PIECE_MS)), this.#left);
    const piece = first.bytes.subarray(0, size);
    if (size === first.bytes.length) this.#queue.shift();
    else first.bytes = first.bytes.subarray(size);
    this.#queued -= size;
    this.#free = Math.max(this.#free, now - CATCH_UP_MS) + size / bytesPerMs;
    if (this.#to.writable) this.#full = !this.#to.write(piece) && this.#to.writableLength > bufferBytes;
    this.#left -= size;
    if (this.#left === 0) this.#cut();
    else if (this.#queued < bufferBytes && this.#from.isPaused()) this.#from.resume();
  }

  #finish(): void {
    this.#closed = true;
    this.#to.end();
  }
}
