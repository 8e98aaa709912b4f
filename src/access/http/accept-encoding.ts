/** Which content coding a client takes. Source: RFC 9110, 12.5.3. */

/** Content codings of this server's answers. */
export type Coding = 'br' | 'gzip';

/** How much a client wants each coding, and none; 0 = not at all. */
type Weights = Readonly<Record<Coding | 'identity', number>>;

/** Headers that were read: clients send the same few again and again. */
const MAX_KNOWN = 100;
const known = new Map<string, Weights>();

/**
 * The coding that an Accept-Encoding header asks for most, and at least as much as for none. No header: none.
 *
 * @param offered of equals the first is taken.
 */
export function wantedCoding(header: string | undefined, offered: readonly Coding[]): Coding | undefined {
  if (header === undefined || offered.length === 0) return undefined;
  const weights = weightsOf(header);
  let best: Coding | undefined;
  for (const coding of offered) {
    if (weights[coding] === 0 || weights[coding] < weights.identity) continue;
    if (best === undefined || weights[coding] > weights[best]) best = coding;
  }
  return best;
}

function weightsOf(header: string): Weights {
  const before = known.get(header);
  if (before !== undefined) return before;
  const weights = readAcceptEncoding(header);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(header, weights);
  return weights;
}

function readAcceptEncoding(header: string): Weights {
  const named = new Map<string, number>();
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    named.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  const others = named.get('*') ?? 0;
  return {
    br: named.get('br') ?? others,
    gzip: named.get('gzip') ?? named.get('x-gzip') ?? others,
    // Not named, no coding is what a client takes last.
    identity: named.get('identity') ?? 0,
  };
}
