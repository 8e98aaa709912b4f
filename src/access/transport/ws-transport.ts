/** The transport on `ws` and Node's HTTP server: runs wherever Node does. The only file that imports ws. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { TILE_HEADER_BYTES } from '../../../protocol/tile-frame.ts';
import { cutReason, sendableCloseCode } from './close-reason.ts';
import { describeFault, GuardedEvents } from './guarded-events.ts';
import { INTERNAL_ERROR, readHandshake, refuseRequest } from './http-head.ts';
import { errorCode, listenError, resolveHost } from './listen-address.ts';
import { answerRequest, hasBody, readHead, responseOnSocket, UNREADABLE_BODY, writeResponse } from './node-http.ts';
import { plainAddress } from './remote-address.ts';
import type { Connection, HttpResponse, Transport, TransportOptions, UpgradeVerdict } from './transport.ts';
import { DEFAULT_TIMINGS, MAX_PENDING_PONGS, type TransportTimings } from './transport-timings.ts';

/** Chunks of TCP that one unfinished message may be held in: 8 MiB in segments of 536 bytes fit. */
const MAX_BUFFERED_CHUNKS = 16_384;
/** Fragments of one message; browsers send long messages in fragments. */
const MAX_FRAGMENTS = 16_384;
/** How often Node looks for requests that take too long, ms. */
const CHECK_MS = 2_000;

/** Makes a transport on `ws`. */
export function createWsTransport(options: TransportOptions, timings: TransportTimings = DEFAULT_TIMINGS): Transport {
  return new WsTransport(options, timings);
}

class WsTransport implements Transport {
  readonly kind = 'ws';
  readonly #options: TransportOptions;
  readonly #timings: TransportTimings;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #sockets = new Set<Socket>();
  /** The subprotocol to echo in the handshake that `ws` is just writing. */
  readonly #choice = new WeakMap<IncomingMessage, string>();
  #unfinished = 0;
  readonly #over = (): void => {
    this.#unfinished--;
  };

  constructor(options: TransportOptions, timings: TransportTimings) {
    this.#options = options;
    this.#timings = timings;
    this.#server = createServer({
      headersTimeout: timings.headMs,
      requestTimeout: timings.requestMs,
      keepAliveTimeout: timings.keepAliveMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, timings.headMs),
    });
    const settings = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: options.maxMessageBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_BUFFERED_CHUNKS,
      closeTimeout: timings.closeMs,
      handleProtocols: (_offered: Set<string>, request: IncomingMessage) => this.#choice.get(request) ?? false,
    } as const;
    this.#webSockets = new WebSocketServer(settings);
    this.#server.on('connection', (socket) => this.#track(socket));
    this.#server.on('request', (request, response) => this.#answer(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async listen(host: string, port: number): Promise<number> {
    const address = await resolveHost(host, port);
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(listenError(errorCode(error), host, port, error));
      this.#server.once('error', failed);
      this.#server.listen({ host: address, port, exclusive: true }, () => {
        this.#server.off('error', failed);
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  stopListening(): void {
    if (this.#server.listening) this.#server.close();
  }

  async close(): Promise<void> {
    const free = this.#server.listening ? new Promise((resolve) => this.#server.once('close', resolve)) : undefined;
    const cut = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    this.stopListening();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([free, ...cut]);
  }

  get unfinished(): number {
    return this.#unfinished;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #httpContext() {
    return { handlers: this.#options.handlers, log: this.#options.log, stalledMs: this.#timings.stalledMs };
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    // Without a listener a reset connection would end the process.
    socket.on('error', () => socket.destroy());
    const { header } = readHead(request);
    const handshake = readHandshake(request.method ?? '', header);
    const refusal = refuseRequest(request.method ?? '', request.url ?? '');
    if (refusal !== undefined) this.#refuse(request, socket, refusal);
    else if (handshake.kind === 'refused') this.#refuse(request, socket, handshake.response);
    else if (handshake.kind === 'offer') void this.#judge(request, socket, head, handshake.protocols);
    // Somebody asks for another protocol (h2c, say): such a wish may be ignored, so this is plain HTTP.
    else if (hasBody(request)) this.#refuse(request, socket, UNREADABLE_BODY);
    else this.#answer(request, responseOnSocket(request, socket));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#unfinished++;
    response.once('close', this.#over);
    answerRequest(request, response, this.#httpContext());
  }

  #refuse(request: IncomingMessage, socket: Socket, response: HttpResponse): void {
    writeResponse(request, responseOnSocket(request, socket), response, this.#timings.stalledMs);
  }

  async #judge(request: IncomingMessage, socket: Socket, head: Buffer, protocols: readonly string[]): Promise<void> {
    const { handlers, log } = this.#options;
    let verdict: UpgradeVerdict;
    try {
      verdict = await handlers.upgrade({ ...readHead(request), protocols });
    } catch (fault) {
      log.error({ fault: describeFault(fault) }, 'the upgrade handler threw');
      verdict = { accept: false, response: INTERNAL_ERROR };
    }
    if (!verdict.accept) this.#refuse(request, socket, verdict.response);
    else if (!this.#accept(request, socket, head, protocols, verdict)) {
      socket.destroy();
      try {
        verdict.aborted?.();
      } catch (fault) {
        log.error({ fault: describeFault(fault) }, 'the handler of an aborted upgrade threw');
      }
    }
  }

  /** Opens the WebSocket; false where the client has gone. */
  #accept(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    protocols: readonly string[],
    verdict: UpgradeVerdict & { accept: true },
  ): boolean {
    if (verdict.protocol !== undefined && protocols.includes(verdict.protocol)) {
      this.#choice.set(request, verdict.protocol);
    }
    // `ws` looks whether the client is still there.
    let opened = false;
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      opened = true;
      new WsConnection(webSocket, socket, this.#options).open(verdict.open);
    });
    return opened;
  }
}

/** Bytes before the payload of an unmasked frame. */
function frameHeadBytes(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

/** First byte of a final frame, by kind. Source: RFC 6455, 5.2. */
const FINAL = { text: 0x81, binary: 0x82 } as const;

/** Begins a final frame of `length` bytes. */
function writeFrameHead(target: Buffer, kind: keyof typeof FINAL, length: number): void {
  target[0] = FINAL[kind];
  if (length < 126) target[1] = length;
  else if (length < 65_536) {
    target[1] = 126;
    target.writeUInt16BE(length, 2);
  } else {
    target[1] = 127;
    target.writeUInt16BE(0, 2);
    target.writeUIntBE(length, 4, 6);
  }
}

/**
 * `ws` keeps the handshake, the receiving half, pings and the closing handshake. Messages are framed here and go
 * straight to the socket in one write: nothing is compressed and nothing fragmented, so that `ws` has no state that
 * they could upset, and a tile's payload is neither copied nor sent as a second fragment that clients must join.
 */
class WsConnection implements Connection {
  readonly copiesOnSend = false;
  readonly remoteAddress: string;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #events: GuardedEvents;
  #corks = 0;
  /** Bytes that were buffered when last looked at: `drained` is told when there are fewer. */
  #backlog = 0;
  /** `bufferedBytes` was more than 0 inside a cork. */
  #toldCorked = false;
  #pongs = 0;
  #over = false;
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(webSocket: WebSocket, socket: Socket, { log }: TransportOptions) {
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#events = new GuardedEvents(this, log);
  }

  open(open: (connection: Connection) => ReturnType<Extract<UpgradeVerdict, { accept: true }>['open']>): void {
    const webSocket = this.#webSocket;
    webSocket.on('message', (data, isBinary) => {
      if (!Buffer.isBuffer(data)) return;
      // Not a Buffer: its `slice` would not copy.
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
      if (isBinary) this.#events.message(bytes);
      else this.#events.text(bytes);
    });
    webSocket.on('ping', (data) => this.#ping(data));
    webSocket.on('error', (error) => {
      this.#events.mute();
      this.#closing ??= { code: 1006, reason: error.message };
      // `ws` sends a close frame and the end of the connection now.
      this.#socket.once('finish', () => this.#finish(1006, error.message));
    });
    webSocket.on('close', (code, reason) => this.#finish(code, reason.toString()));
    this.#events.open(open);
  }

  bufferedBytes(): number {
    if (this.#over) return 0;
    const bytes = this.#socket.writableLength;
    if (this.#corks > 0 && bytes > 0) this.#toldCorked = true;
    return bytes;
  }

  send(message: Uint8Array): void {
    this.#sendCopy('binary', message);
  }

  sendText(text: Uint8Array): void {
    this.#sendCopy('text', text);
  }

  ping(): void {
    if (!this.#canSend()) return;
    this.#webSocket.ping('', false, this.#flushed);
    this.#look();
  }

  #sendCopy(kind: keyof typeof FINAL, message: Uint8Array): void {
    if (!this.#canSend()) return;
    const headBytes = frameHeadBytes(message.length);
    const frame = Buffer.allocUnsafe(headBytes + message.length);
    writeFrameHead(frame, kind, message.length);
    frame.set(message, headBytes);
    this.#socket.write(frame, this.#flushed);
    this.#look();
  }

  sendTile(frame: Uint8Array): void {
    if (!this.#canSend()) return;
    const headBytes = frameHeadBytes(frame.length);
    const head = Buffer.allocUnsafe(headBytes + TILE_HEADER_BYTES);
    writeFrameHead(head, 'binary', frame.length);
    head.set(frame.subarray(0, TILE_HEADER_BYTES), headBytes);
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(frame.subarray(TILE_HEADER_BYTES), this.#flushed);
    this.#socket.uncork();
    this.#look();
  }

  cork(work: () => void): void {
    if (this.#over) return;
    this.#corks++;
    this.#socket.cork();
    try {
      work();
    } finally {
      this.#socket.uncork();
      this.#corks--;
      this.#look();
      if (this.#corks === 0) this.#afterCork();
    }
  }

  close(code: number, reason: string): void {
    if (!this.#canSend()) return;
    this.#closing = { code: sendableCloseCode(code), reason: cutReason(reason) };
    this.#events.mute();
    this.#webSocket.close(this.#closing.code, this.#closing.reason);
    // Like uWebSockets.js: it is over when the close frame has left, whether or not the client answers it. `ws` cuts
    // the rest off in time.
    this.#socket.once('finish', () => this.#finish(1006, ''));
    this.#socket.end();
  }

  terminate(): void {
    if (this.#over) return;
    this.#events.mute();
    this.#closing ??= { code: 1006, reason: '' };
    this.#webSocket.terminate();
  }

  /** Tells the end once; what this side began counts for more than what came of it. */
  #finish(code: number, reason: string): void {
    this.#over = true;
    const end = this.#closing ?? { code, reason };
    this.#events.closed(end.code, end.reason);
  }

  #canSend(): boolean {
    return !this.#over && this.#closing === undefined && this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  /** Corked bytes are not looked at: they mostly leave with the cork, and `drained` after each send would never end. */
  #look(): void {
    if (this.#corks === 0) this.#backlog = this.#socket.writableLength;
  }

  /** Whoever saw corked bytes may wait for them to leave, which they may have done before any wait began. */
  #afterCork(): void {
    if (this.#toldCorked && this.#backlog === 0) setImmediate(() => this.#events.drained());
    this.#toldCorked = false;
  }

  #ping(data: Buffer): void {
    if (!this.#canSend()) return;
    if (++this.#pongs > MAX_PENDING_PONGS) {
      this.terminate();
      return;
    }
    this.#webSocket.pong(data, false, () => {
      this.#pongs--;
      this.#flushed();
    });
    this.#look();
  }

  readonly #flushed = (): void => {
    if (this.#over) return;
    const before = this.#backlog;
    this.#backlog = this.#socket.writableLength;
    if (this.#backlog < before) this.#events.drained();
  };
}
