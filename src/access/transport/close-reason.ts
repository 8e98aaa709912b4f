/** What may stand in a close frame: RFC 6455, 5.5.1 and 7.4. */
import { CLOSE_CODES } from '../../../protocol/errors.ts';

/** Bytes of UTF-8 that a close frame holds beside its code. */
export const MAX_CLOSE_REASON = 123;

/** Cuts a reason to 123 bytes of UTF-8 without cutting a character; lone surrogates become U+FFFD. */
export function cutReason(reason: string): string {
  const bytes = Buffer.from(reason, 'utf8');
  let end = Math.min(bytes.length, MAX_CLOSE_REASON);
  if (end < bytes.length) while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** The code itself where a close frame may hold it, else 4303: some codes (1005, 1006, ...) are never sent. */
export function sendableCloseCode(code: number): number {
  const registered = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
  const free = code >= 3000 && code <= 4999;
  return Number.isInteger(code) && (registered || free) ? code : CLOSE_CODES.INTERNAL;
}
