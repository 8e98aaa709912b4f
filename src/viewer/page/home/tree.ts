/** The tree of what a server holds, made from the lists that have come so far. Pure. */
import type { ListEntry } from '../../../client/index.ts';

/** What is known of the things under a path. */
export type Listing =
  | { readonly kind: 'loading' }
  | { readonly kind: 'failed'; readonly fault: string }
  | { readonly kind: 'loaded'; readonly entries: readonly ListEntry[] };

/** Lists by path; '' is the root. */
export type Listings = ReadonlyMap<string, Listing>;

/** An experiment, sample or dataset as it is shown. Where each holds nothing but the next, several of them are one line. */
export interface Group {
  /** Path of the first of the line: what is opened and closed. */
  readonly path: string;
  /** Outermost first, at least one. */
  readonly chain: readonly [ListEntry, ...ListEntry[]];
  readonly isOpen: boolean;
  /** Of the last of the line; undefined where nobody asked yet. */
  readonly listing: Listing | undefined;
  /** Empty where the group is closed. */
  readonly inside: Level;
}

/** What stands beside each other. */
export interface Level {
  readonly groups: readonly Group[];
  readonly channels: readonly ListEntry[];
}

const NOTHING: Level = { groups: [], channels: [] };

/** What is shown under a path, with everything in it that is open. */
export function levelOf(listings: Listings, isOpen: (path: string) => boolean, path = ''): Level {
  const listing = listings.get(path);
  if (listing?.kind !== 'loaded') return NOTHING;
  const groups = listing.entries.filter(({ kind }) => kind !== 'channel');
  return {
    groups: groups.map((entry) => groupOf(listings, isOpen, entry)),
    channels: listing.entries.filter(({ kind }) => kind === 'channel'),
  };
}

function groupOf(listings: Listings, isOpen: (path: string) => boolean, entry: ListEntry): Group {
  const chain = chainOf(listings, entry);
  const last = chain.at(-1) ?? entry;
  const open = isOpen(entry.path);
  return {
    path: entry.path,
    chain,
    isOpen: open,
    listing: listings.get(last.path),
    inside: open ? levelOf(listings, isOpen, last.path) : NOTHING,
  };
}

/** An entry and what it holds, as long as each holds one thing alone that is no channel. */
export function chainOf(listings: Listings, entry: ListEntry): [ListEntry, ...ListEntry[]] {
  const chain: [ListEntry, ...ListEntry[]] = [entry];
  for (let next = onlyGroupIn(listings, entry); next !== undefined; next = onlyGroupIn(listings, next))
    chain.push(next);
  return chain;
}

function onlyGroupIn(listings: Listings, { path }: ListEntry): ListEntry | undefined {
  const listing = listings.get(path);
  if (listing?.kind !== 'loaded' || listing.entries.length !== 1) return undefined;
  const only = listing.entries[0];
  // A server that lists a thing in itself must not hold us up.
  return only?.kind === 'channel' || only?.path === path ? undefined : only;
}

/** Every channel that is known, in the order of the tree. */
export function channelsOf(listings: Listings, path = ''): ListEntry[] {
  const listing = listings.get(path);
  if (listing?.kind !== 'loaded') return [];
  return listing.entries.flatMap((entry) => {
    if (entry.kind === 'channel') return [entry];
    return entry.path === path ? [] : channelsOf(listings, entry.path);
  });
}

/** Lists with nothing in them but some channels and what leads to them. */
export function narrowListings(listings: Listings, channels: readonly ListEntry[]): Listings {
  const wanted = new Set(channels.map(({ path }) => path));
  const narrow = new Map<string, Listing>();
  const keep = (path: string): boolean => {
    const listing = listings.get(path);
    if (listing?.kind !== 'loaded') return false;
    const entries = listing.entries.filter((entry) =>
      entry.kind === 'channel' ? wanted.has(entry.path) : entry.path !== path && keep(entry.path),
    );
    if (entries.length > 0) narrow.set(path, { kind: 'loaded', entries });
    return entries.length > 0;
  };
  keep('');
  return narrow;
}
