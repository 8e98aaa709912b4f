/** Errors as answers of plain text. */
import { BflyError, type ErrorName } from '../../../protocol/errors.ts';
import type { Logger } from '../../utility/log.ts';
import type { WebAnswer } from './route.ts';

const STATUS: Readonly<Partial<Record<ErrorName, number>>> = {
  NOT_FOUND: 404,
  BAD_REQUEST: 400,
  OUT_OF_BOUNDS: 400,
  CANCELLED: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  READ_ONLY: 403,
  TOO_LARGE: 413,
  UNSUPPORTED: 415,
  RATE_LIMITED: 429,
  LIMIT: 429,
  UNAVAILABLE: 503,
  TIMEOUT: 503,
};
/** After which a client may try again where the error does not say, ms. */
const RETRY_MS = 1_000;

/** The answer for everything that is not there, or not for the one who asks: which of them, nobody shall see. */
export const NOTHING_HERE: WebAnswer = textAnswer(404, 'there is nothing at this path');

/** A short answer that nobody keeps. */
export function textAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): WebAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n`, cache: 'no-store', headers };
}

/** The answer to what a handler threw; what was not thrown on purpose is logged and tells the client nothing. */
export function errorAnswer(error: unknown, log: Logger): WebAnswer {
  if (!(error instanceof BflyError)) {
    log.error({ err: error }, 'a request handler threw');
    return textAnswer(500, 'internal error');
  }
  if (error.code === 'NOT_FOUND') return NOTHING_HERE;
  const status = STATUS[error.code] ?? 500;
  return textAnswer(status, error.message, headersOf(status, error));
}

function headersOf(status: number, error: BflyError): Readonly<Record<string, string>> {
  if (status === 401) return { 'www-authenticate': 'Bearer realm="butterfly"' };
  if (status !== 429 && status !== 503) return {};
  return { 'retry-after': String(Math.max(1, Math.ceil((error.retryMs ?? RETRY_MS) / 1_000))) };
}
