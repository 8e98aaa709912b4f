/** The socket that the client stands on: a browser's WebSocket, the one of `ws`, or anything that behaves alike. */
import { BflyError } from '../../protocol/index.ts';

/** The subprotocol that is offered and expected. */
export const SUBPROTOCOL = 'bfly.v1';

/** What an event of a socket may carry. */
export interface SocketEvent {
  readonly type?: string;
  /** Of `message`: an ArrayBuffer or a view of one. */
  readonly data?: unknown;
  /** Of `close`. */
  readonly code?: number;
  readonly reason?: string;
}

/** The part of the WebSocket interface that is used. */
export interface WebSocketLike {
  binaryType: string;
  /** Sends one binary message. `data` belongs to the socket from here on. */
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Cuts the connection without a closing handshake, where the socket can. */
  terminate?(): void;
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: SocketEvent) => void): void;
}

/** Opens a socket: `transport` of `ConnectOptions`. */
export type SocketFactory = (url: string, protocols: readonly string[]) => WebSocketLike;

const SCHEMES: Readonly<Record<string, string>> = { 'ws:': 'ws:', 'wss:': 'wss:', 'http:': 'ws:', 'https:': 'wss:' };

/**
 * The WebSocket address behind what a user gives: http becomes ws, and an empty path becomes `/v1`.
 *
 * @throws BflyError BAD_REQUEST.
 */
export function endpointOf(address: string): string {
  if (!URL.canParse(address)) throw badUrl();
  const url = new URL(address);
  const scheme = SCHEMES[url.protocol];
  if (scheme === undefined || url.host === '') throw badUrl();
  const path = url.pathname === '/' || url.pathname === '' ? '/v1' : url.pathname;
  return `${scheme}//${url.host}${path}${url.search}`;
}

function badUrl(): BflyError {
  return new BflyError('BAD_REQUEST', 'url must be ws://host:port, wss://, http:// or https://');
}

/** Bytes of a binary message; `undefined` for text and anything else. */
export function messageBytes(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return undefined;
}
