/** Text in columns. */

/** How a column stands: text to the left, numbers to the right. */
export type Align = 'left' | 'right';

/**
 * Aligns rows in columns with two spaces between; the last column has no spaces behind it.
 *
 * @returns lines, each with its line end.
 */
export function formatTable(rows: readonly (readonly string[])[], align: readonly Align[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, [...cell].length);
  }
  const pad = (cell: string, i: number): string => {
    const gap = ' '.repeat(Math.max(0, (widths[i] ?? 0) - [...cell].length));
    return align[i] === 'right' ? gap + cell : cell + gap;
  };
  return rows.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
}

/** Three numbers as `250 × 250 × 250`. */
export function formatVec(vec: readonly number[]): string {
  return vec.map((n) => String(Number(n.toPrecision(12)))).join(' × ');
}

/** Bytes with a binary prefix: `14.9 MiB`. */
export function formatBytes(bytes: number): string {
  const prefixes = [bytes === 1 ? 'byte' : 'bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let scale = 0;
  let rest = bytes;
  while (rest >= 1023.95 && scale < prefixes.length - 1) {
    rest /= 1024;
    scale++;
  }
  return `${scale === 0 ? rest : rest.toFixed(1)} ${prefixes[scale] ?? ''}`;
}
