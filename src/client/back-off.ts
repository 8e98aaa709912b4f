/** What a lost connection means: whether to come back, when, and which error tells the user. */
import { BflyError, type ErrorName } from '../../protocol/index.ts';

/** Bounds of the wait before a new connection, ms. */
export interface BackOff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The bounds unless `reconnect` says otherwise. */
export const DEFAULT_BACK_OFF: BackOff = { minMs: 500, maxMs: 30_000 };

/** A connection that lived this long starts the back-off anew. */
export const STABLE_MS = 10_000;

/** What to do after a loss: never come back, come back with a new token, or simply come back. */
export type Verdict = 'stop' | 'renew' | 'retry';

/** WebSocket codes that say that the two sides do not understand each other: coming back would not help. */
const HOPELESS = new Set([1002, 1003, 1007, 1008, 1009, 1010]);

/** Reads a close code: 40xx stop, 42xx renew, all else retry. */
export function closeVerdict(code: number): Verdict {
  if (code >= 4000 && code < 4100) return 'stop';
  if (code >= 4200 && code < 4300) return 'renew';
  return HOPELESS.has(code) ? 'stop' : 'retry';
}

/** The error that a close code means to those who wait for an answer. */
export function closeError(code: number, reason: string, retryMs?: number): BflyError {
  const why = reason === '' ? '' : `, ${reason}`;
  const text =
    code === 1006 ? `the connection to the server was lost${why}` : `the server closed the connection (${code}${why})`;
  return new BflyError(closeErrorName(code), text, {
    ...(retryMs === undefined ? {} : { retryMs }),
    details: { close: code },
  });
}

function closeErrorName(code: number): ErrorName {
  if (code === 4002 || code === 1010) return 'UNSUPPORTED';
  if (code === 4004) return 'LIMIT';
  if (code === 4005 || code === 1008) return 'FORBIDDEN';
  if (closeVerdict(code) === 'stop') return 'BAD_REQUEST';
  return closeVerdict(code) === 'renew' ? 'UNAUTHENTICATED' : 'UNAVAILABLE';
}

/** Reads an ERROR that answered HELLO in the same three ways. */
export function errorVerdict(error: BflyError): Verdict {
  switch (error.code) {
    case 'INTERNAL':
    case 'UNAVAILABLE':
    case 'RATE_LIMITED':
    case 'TIMEOUT':
    case 'REJECTED':
      return 'retry';
    case 'UNAUTHENTICATED':
      return 'renew';
    default:
      return 'stop';
  }
}

const LONGEST_WAIT_MS = 3_600_000;

/**
 * The wait before the next connection: uniform between `minMs` and a bound that doubles from 2 × `minMs` up to `maxMs`,
 * and never before the moment that the server named, around which clients are spread by `minMs`.
 *
 * @param attempt failures in a row before this one, from 0.
 * @param random uniform in [0, 1).
 */
export function backOffMs(attempt: number, bounds: BackOff, retryMs: number, random: number): number {
  const upper = Math.max(bounds.minMs, Math.min(bounds.maxMs, bounds.minMs * 2 ** (attempt + 1)));
  const own = bounds.minMs + random * (upper - bounds.minMs);
  const asked = retryMs > 0 ? retryMs + random * bounds.minMs : 0;
  return Math.min(LONGEST_WAIT_MS, Math.max(own, asked));
}
