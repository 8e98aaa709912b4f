/** What a session may be told at its beginning. */
import type { BackOff } from './back-off.ts';
import type { Clock } from './clock.ts';
import type { SocketFactory } from './socket.ts';
import type { WriterStore } from './writer-store.ts';

/** Why a token is asked for: for a connection, because the one that holds ends soon, or because the server did not take the last one. */
export type TokenWish = 'connect' | 'ends' | 'refused';

/** Options of `connect`. */
export interface ConnectOptions {
  /**
   * Secret that says who we are, or a function that is asked for a fresh one at every connection and when it runs out. What it promises
   * is waited for, for as long as it takes; '' = none.
   */
  readonly token?: string | ((wish: TokenWish) => string | Promise<string>);
  /** Opens the socket; default: the browser's WebSocket, and `ws` in Node. */
  readonly transport?: SocketFactory;
  /** Name and version of the program, for the server's log. */
  readonly client?: string;
  /** Name shown to other users, at most 64 bytes. */
  readonly name?: string;
  /** Colour shown to other users, such as `#3fa9f5`. */
  readonly color?: string;
  /** Fixed credit window in bytes, 64 KiB..4 MiB; default: tuned from the round trip. */
  readonly window?: number;
  /** Largest TILE payload in bytes, 32 KiB..4 MiB; default: a quarter of the window. */
  readonly frame?: number;
  /** Bounds of the wait before a lost connection is made again, or `false` for never. Default 0.5 s to 30 s. */
  readonly reconnect?: false | Partial<BackOff>;
  /** Ends the session, connected or not. */
  readonly signal?: AbortSignal;
  /** Check the crc32 of every tile frame that has one; a damaged tile comes as an error tile. */
  readonly verify?: boolean;
  /** Keeps edits that have no answer yet over a reload of the page. */
  readonly writers?: WriterStore;
  /** From opening the socket to WELCOME; default 10 s. */
  readonly connectTimeoutMs?: number;
}

/** What the surroundings give where the options do not: the socket, and the clock that tests replace. */
export interface Environment {
  readonly openSocket: SocketFactory;
  readonly clock: Clock;
}
