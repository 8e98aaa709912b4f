/** The one table of error and close codes. SPEC rules [X1]..[X4] and [C1]..[C3]. */

/** Error codes of ERROR frames. 1xx: retry with back-off; 2xx: do not; 3xx: a protocol action. */
export const ERROR_CODES = {
  INTERNAL: 100,
  UNAVAILABLE: 101,
  RATE_LIMITED: 102,
  TIMEOUT: 103,
  REJECTED: 104,
  BAD_REQUEST: 200,
  UNAUTHENTICATED: 201,
  FORBIDDEN: 202,
  NOT_FOUND: 203,
  OUT_OF_BOUNDS: 204,
  TOO_LARGE: 205,
  LIMIT: 206,
  CANCELLED: 207,
  UNSUPPORTED: 208,
  CONFLICT: 300,
  WSEQ_REUSED: 301,
  EPOCH_MISMATCH: 302,
  UNRECOVERABLE: 303,
  READ_ONLY: 304,
} as const;

/** Name of an error. */
export type ErrorName = keyof typeof ERROR_CODES;

const NAMES = new Map<number, ErrorName>(Object.entries(ERROR_CODES).map(([name, code]) => [code, name as ErrorName]));

/** Name of a code, or the name of its hundred's plainest error for codes of a later version. */
export function errorName(code: number): ErrorName {
  const name = NAMES.get(code);
  if (name !== undefined) return name;
  if (code < 200) return 'UNAVAILABLE';
  return code < 300 ? 'BAD_REQUEST' : 'UNRECOVERABLE';
}

/** Close codes. 40xx: do not reconnect; 42xx: reconnect with a new token; 43xx and 1006: reconnect with back-off. */
export const CLOSE_CODES = {
  NO_HELLO: 4001,
  VERSION: 4002,
  MALFORMED: 4003,
  ABUSE: 4004,
  FORBIDDEN: 4005,
  TOKEN_EXPIRED: 4201,
  TOKEN_REVOKED: 4202,
  SHUTTING_DOWN: 4301,
  INTERNAL: 4303,
  DEAD: 4308,
  RATE: 4309,
  HELLO_TOO_LATE: 4310,
} as const;

/** Options of a `BflyError`. */
export interface BflyErrorOptions {
  /** When to try again, ms. */
  readonly retryMs?: number;
  /** Machine-readable facts, sent as the ERROR's last field. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The only error that is thrown on purpose. Its message is shown to clients: it names the field and the legal values, never a server path. */
export class BflyError extends Error {
  override readonly name = 'BflyError';
  readonly code: ErrorName;
  readonly retryMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorName, message: string, options: BflyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryMs = options.retryMs;
    this.details = options.details;
  }
}

/** A frame so wrong that the connection ends: no id could be read from it. */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}
