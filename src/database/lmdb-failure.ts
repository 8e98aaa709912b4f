/** What failures of LMDB and of the system mean. */
import { BflyError } from '../../protocol/errors.ts';
import type { Logger } from '../utility/log.ts';

/**
 * Codes of a write that did not fit: EIO, EFBIG, ENOSPC, EDQUOT (Linux and macOS), MDB_MAP_FULL. LMDB reports a write that was cut in
 * the middle, which is how a disk fills up, as EIO.
 */
const FULL_CODES: ReadonlySet<unknown> = new Set([5, 27, 28, 122, 69, -30792]);

/** What the system says of the same; a copy of LMDB's fails without a code. */
const FULL_TEXTS = /No space left|File too large|quota exceeded/i;

/** Whether a write failed for want of room. */
export function isFull(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return FULL_CODES.has(code) || code === 'ENOSPC' || code === 'EDQUOT' || FULL_TEXTS.test(String(message));
}

/** The error of a commit that lmdb rejected. Nothing of the transaction was written; the database stays usable. */
export async function writeFailure(error: unknown, log: Logger | undefined): Promise<BflyError> {
  // lmdb rejects at once and tells the reason by a second promise.
  const { commitError } = error as { commitError?: Promise<unknown> };
  const cause = await Promise.resolve(commitError).then(
    () => error,
    (reason: unknown) => reason,
  );
  log?.error({ reason: reasonOf(cause) }, 'a commit failed');
  if (isFull(cause)) {
    const message = 'disk full or failing: nothing of the change was written, free space for --data and try again';
    return new BflyError('UNAVAILABLE', message, { retryMs: 5000, cause });
  }
  return new BflyError('UNAVAILABLE', `nothing of the change was written (${reasonOf(cause)})`, { cause });
}

/** Code of a system error, or what LMDB says: neither holds a path. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? code : String(message).replaceAll(/\s*\/\S*/g, '');
}
