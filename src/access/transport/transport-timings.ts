/** How patient a transport is with a peer. */
export interface TransportTimings {
  /** From `close` until the connection is cut, ms: the time to send what is buffered and to get the answer. */
  readonly closeMs: number;
  /** For a request's whole head, ms. uWebSockets.js has 10 s of its own. */
  readonly headMs: number;
  /** For a whole request with its body, ms. uWebSockets.js demands 16 KiB/s in 10 s instead. */
  readonly requestMs: number;
  /** A client that reads nothing of its response for so long is cut off, ms. uWebSockets.js has 10 s of its own. */
  readonly stalledMs: number;
  /** An idle HTTP connection is kept for so long, ms. uWebSockets.js has 10 s of its own. */
  readonly keepAliveMs: number;
}

/** Timings of a server. */
export const DEFAULT_TIMINGS: TransportTimings = {
  closeMs: 15_000,
  headMs: 10_000,
  requestMs: 120_000,
  stalledMs: 10_000,
  keepAliveMs: 10_000,
};

/** A client that is owed more pongs than this reads nothing but pings on: it is cut off. */
export const MAX_PENDING_PONGS = 60;
