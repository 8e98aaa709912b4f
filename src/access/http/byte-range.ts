/** What part of a body a request wants. Source: RFC 9110, 14. */

/** A part, half-open; `whole`: there is no range that this server knows; `outside`: one that holds no byte. */
export type WantedRange = { readonly start: number; readonly end: number } | 'whole' | 'outside';

const ONE_RANGE = /^ *bytes *= *(\d*) *- *(\d*) *$/i;

/**
 * Reads a Range header: one range of bytes. Several at once, and what is no range of bytes, are as if they were not asked for.
 *
 * @param total bytes of the whole.
 */
export function wantedRange(header: string, total: number): WantedRange {
  const [, first = '', last = ''] = ONE_RANGE.exec(header) ?? [];
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), total);
    return length === 0 ? 'outside' : { start: total - length, end: total };
  }
  const start = Number(first);
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last) + 1;
  if (end <= start) return 'whole';
  return start >= total ? 'outside' : { start, end: Math.min(end, total) };
}
