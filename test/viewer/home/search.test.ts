import { describe, expect, it } from 'vitest';
import type { ListEntry } from '../../../src/client/index.ts';
import { findChannels, markWords, matchesWords, searchWords } from '../../../src/viewer/page/home/search.ts';

const channel = (path: string): ListEntry => ({ name: path.split('/').at(-1) ?? '', kind: 'channel', path });

describe('search', () => {
  it('finds paths that have every word, in any order and any case', () => {
    expect(matchesWords('fly/Medulla/training/em', searchWords('  EM medu '))).toBe(true);
    expect(matchesWords('fly/Medulla/training/em', searchWords('medulla bodies'))).toBe(false);
  });

  it('takes slashes as part of a path', () => {
    expect(matchesWords('fly/medulla/training/em', searchWords('medulla/train'))).toBe(true);
    expect(matchesWords('fly/training/medulla/em', searchWords('medulla/train'))).toBe(false);
  });

  it('gives the first of many, and counts them all', () => {
    const channels = Array.from({ length: 500 }, (_, n) => channel(`fly/s/d/${n % 2 === 0 ? 'em' : 'ids'}${n}`));
    const { channels: shown, total } = findChannels(channels, ['em'], 3);
    expect(total).toBe(250);
    expect(shown.map(({ name }) => name)).toEqual(['em0', 'em2', 'em4']);
  });

  const marked = (name: string, words: string[]): string =>
    markWords(name, words)
      .map(({ text, isHit }) => (isHit ? `[${text}]` : text))
      .join('');

  it('marks every place of a name where a word is', () => {
    expect(marked('Medulla-em-em2', ['em'])).toBe('Medulla-[em]-[em]2');
    expect(marked('aaa', ['aa'])).toBe('[aaa]');
    expect(marked('training', ['tr', 'rain'])).toBe('[train]ing');
    expect(marked('em', ['x'])).toBe('em');
  });

  it('marks the parts of a word with slashes, each in its own name', () => {
    expect(marked('medulla', ['dulla/train'])).toBe('me[dulla]');
  });

  it('marks nothing where lower case has more letters than the name', () => {
    expect(marked('İstanbul em', ['em'])).toBe('İstanbul em');
  });
});
