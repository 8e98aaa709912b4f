/** What the server's thread and a thread with sockets tell each other. */
import type { HttpResponse } from '../transport.ts';
import type { TransportTimings } from '../transport-timings.ts';

/** From the server's thread. `about` is a connection or request of that thread; what is not there any more is passed over. */
export const Order = {
  /** Send a binary message, a text, or a TILE frame that is addressed already: bytes. */
  send: 1,
  text: 2,
  tile: 3,
  /** Send a TILE frame in shared memory, as item `b` of stream `a`: frame. */
  sharedTile: 4,
  ping: 5,
  /** Close with code `a`: its reason. */
  close: 6,
  terminate: 7,
  /** What becomes of a handshake: `Verdict`. */
  verdict: 8,
  /** Read the body of a request, of at most `a` bytes. */
  readBody: 9,
  /** The answer to a request: `HttpResponse` without `onOver`. */
  answer: 10,
  /** Listen: `{ host, port }`. */
  listen: 11,
  /** Stop listening. */
  stopListening: 12,
  /** Cut everything, and end. */
  end: 13,
} as const;

/** From a thread with sockets. */
export const Report = {
  /** A binary message, a text: bytes. */
  message: 1,
  text: 2,
  /** So many bytes of what was posted for a connection have been sent, `a`, and so many of them wait in the socket, `b`. */
  flow: 3,
  /** A connection is over with code `a`: its reason. */
  closed: 4,
  /** A handshake: `RequestHead`. Its number is that of the connection from then on. */
  upgrade: 5,
  /** The handshake's connection is open: the peer's address. */
  opened: 6,
  /** The client of a handshake went away. */
  aborted: 7,
  /** A plain request: `RequestHead`. */
  request: 8,
  /** The body of a request: bytes; or why it cannot be had: `[code, message]`. */
  body: 9,
  bodyFailed: 10,
  /** The answer to a request has been taken whole, or nobody will take it; the client may have gone before it was made. */
  over: 11,
  /** It listens at port `a`; or why not: `[code, message]`. */
  listening: 12,
  notListening: 13,
  /** It does not listen any more. */
  stopped: 17,
  /** For the log: `[level, fields, message]`. */
  log: 14,
  /** Everything is closed. */
  ended: 15,
  /** A fault of ours that nobody caught: its stack. */
  fault: 16,
} as const;

/** A request or handshake. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What becomes of a handshake. */
export type Verdict = { readonly accept: true; readonly protocol: string | undefined } | HttpResponse;

/** What a thread with sockets begins with. */
export interface ThreadStart {
  readonly maxMessageBytes: number;
  readonly timings: TransportTimings;
  /** Bytes of messages that the server has dealt with: one Int32, which wraps. See `Inbound`. */
  readonly inbound: SharedArrayBuffer;
}
