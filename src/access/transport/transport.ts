/**
 * The contract that both transports keep: a WebSocket endpoint and plain HTTP on one port.
 *
 * What differs between them is named here and nowhere else: who owns which bytes, and for how long (see `Connection`).
 */
import type { Logger } from '../../utility/log.ts';

/** One open WebSocket, as the session sees it. After its `closed` event every method is a no-op. */
export interface Connection {
  /** Address of the peer, without port. */
  readonly remoteAddress: string;
  /**
   * Who owns a tile's payload after `sendTile`: true (uws) = it was copied, the caller may write over it at once;
   * false (ws) = the transport holds it until it is flushed, so it must be *shared*: never written again.
   */
  readonly copiesOnSend: boolean;
  /** Bytes that the transport holds and the kernel has not taken yet; inside `cork` up to 16 KiB may not be counted yet. */
  bufferedBytes(): number;
  /** Sends one binary message. `message` is borrowed: the transport has copied it when the call returns. */
  send(message: Uint8Array): void;
  /** Sends one text message of these bytes of UTF-8. `text` is borrowed, like `send`'s. */
  sendText(text: Uint8Array): void;
  /** Sends a ping, which peers answer by themselves: it keeps what stands between awake. */
  ping(): void;
  /**
   * Sends a TILE frame as one binary message. The first 64 bytes are borrowed (copied before the call returns);
   * the payload behind them is borrowed or shared, see `copiesOnSend`.
   */
  sendTile(frame: Uint8Array): void;
  /** Runs `work`, whose sends leave in as few writes as the transport manages. */
  cork(work: () => void): void;
  /** Sends a close frame behind everything that was sent, then closes. `reason` is cut to 123 bytes of UTF-8. */
  close(code: number, reason: string): void;
  /** Cuts the connection without a close frame; what is buffered is lost. */
  terminate(): void;
}

/** What happens on an open WebSocket. Handlers never throw: a fault of theirs is a bug that the transport logs, and closes with 4303. */
export interface ConnectionEvents {
  /** A binary message; `bytes` is borrowed until the call returns. */
  message(bytes: Uint8Array): void;
  /** A text message came, of valid UTF-8: `bfly.v1` has none. `bytes` is borrowed until the call returns. */
  text(bytes: Uint8Array): void;
  /** Buffered bytes have left, or may have: `bufferedBytes` tells how many are left, not always 0. */
  drained(): void;
  /** The connection is over; nothing is called after this. Called exactly once. */
  closed(code: number, reason: string): void;
}

/** A request to open a WebSocket. Owned by the receiver. */
export interface UpgradeRequest {
  /** Percent-encoded path, without query. */
  readonly path: string;
  /** Query without the question mark, '' if none. */
  readonly query: string;
  /** Subprotocols that the client offered, in its order. */
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  /** Value of a header by its lower-case name. */
  header(name: string): string | undefined;
}

/** The answer to an `UpgradeRequest`. */
export type UpgradeVerdict =
  | {
      readonly accept: true;
      /** The subprotocol to echo; undefined = none. */
      readonly protocol: string | undefined;
      /** Called once when the socket is open. */
      readonly open: (connection: Connection) => ConnectionEvents;
      /** Called instead of `open` where the client went away before the answer. */
      readonly aborted?: () => void;
    }
  | { readonly accept: false; readonly response: HttpResponse };

/** A plain HTTP request. Owned by the receiver. */
export interface HttpRequest {
  readonly method: string;
  /** Percent-encoded path, without query. */
  readonly path: string;
  /** Query without the question mark, '' if none. */
  readonly query: string;
  readonly remoteAddress: string;
  header(name: string): string | undefined;
  /** The whole body; rejects with TOO_LARGE over `maxBytes`, with CANCELLED where the client went away. */
  body(maxBytes: number): Promise<Uint8Array>;
}

/** A plain HTTP response. The transport sets Content-Length; a HEAD request gets it without the body. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes are shared: not written again after they were returned. */
  readonly body?: Uint8Array | string;
  /** Content-Length of the answer to a HEAD whose body was not made. */
  readonly length?: number;
  /** Called once when the answer has been taken whole, or nobody will take it. */
  readonly onOver?: () => void;
}

/** What a server gives its transport to call. */
export interface TransportHandlers {
  /** Decides over a WebSocket handshake. A throw answers 500. */
  upgrade(request: UpgradeRequest): UpgradeVerdict | Promise<UpgradeVerdict>;
  /** Answers a plain request: at once where it can, for that is sent in the same turn. A throw answers 500. */
  http(request: HttpRequest): HttpResponse | Promise<HttpResponse>;
}

/** Settings of a transport. */
export interface TransportOptions {
  readonly handlers: TransportHandlers;
  readonly log: Logger;
  /** Largest message taken from a client, bytes; a longer one ends the connection. */
  readonly maxMessageBytes: number;
}

/** A listening server. */
export interface Transport {
  readonly kind: 'ws' | 'uws';
  /** Plain requests whose answers have not been taken whole. */
  readonly unfinished: number;
  /**
   * Begins to listen, exclusively.
   *
   * @param port 0 = a free one.
   * @returns the port.
   * @throws BflyError UNAVAILABLE with a sentence for people where the port or host cannot be had.
   */
  listen(host: string, port: number): Promise<number>;
  /** Takes no new connections; open ones go on. */
  stopListening(): void;
  /** Stops listening and cuts every connection that is still open. Resolves when the port is free. */
  close(): Promise<void>;
}
