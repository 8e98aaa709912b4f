/** Finding channels by their paths. Pure. */
import type { ListEntry } from '../../../client/index.ts';

/** The words of a search, in lower case. */
export function searchWords(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Whether every word is somewhere in a path. */
export function matchesWords(path: string, words: readonly string[]): boolean {
  const lower = path.toLowerCase();
  return words.every((word) => lower.includes(word));
}

/** What a search found. */
export interface Found {
  /** The first so many. */
  readonly channels: readonly ListEntry[];
  /** How many there are in all. */
  readonly total: number;
}

/** Channels whose paths have all words, in the order given. */
export function findChannels(channels: readonly ListEntry[], words: readonly string[], limit: number): Found {
  const found = channels.filter(({ path }) => matchesWords(path, words));
  return { channels: found.slice(0, limit), total: found.length };
}

/** A piece of a name. */
export interface Piece {
  readonly text: string;
  /** Whether it is what was searched for. */
  readonly isHit: boolean;
}

/** Cuts a name where words of a search begin and end. */
export function markWords(name: string, words: readonly string[]): Piece[] {
  const lower = name.toLowerCase();
  // Letters whose lower case is longer would move what stands behind them.
  if (lower.length !== name.length) return [{ text: name, isHit: false }];
  const hits = new Uint8Array(name.length);
  for (const word of words.flatMap((whole) => whole.split('/')).filter(Boolean))
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + 1)) hits.fill(1, at, at + word.length);
  const pieces: Piece[] = [];
  for (let from = 0, to = 0; from < name.length; from = to) {
    while (to < name.length && hits[to] === hits[from]) to++;
    pieces.push({ text: name.slice(from, to), isHit: hits[from] === 1 });
  }
  return pieces;
}
