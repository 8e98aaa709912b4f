/** Whether a client takes gzip. Source: RFC 9110, 12.5.3. */

/** Headers that were read: clients send the same few again and again. */
const MAX_KNOWN = 100;
const known = new Map<string, boolean>();

/** Whether an Accept-Encoding header asks for gzip at least as much as for no coding. No header: it does not. */
export function wantsGzip(header: string | undefined): boolean {
  if (header === undefined) return false;
  const before = known.get(header);
  if (before !== undefined) return before;
  const wants = readAcceptEncoding(header);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(header, wants);
  return wants;
}

function readAcceptEncoding(header: string): boolean {
  const weights = new Map<string, number>();
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0;
  // Not named, no coding is what a client takes last.
  return gzip > 0 && gzip >= (weights.get('identity') ?? 0);
}
