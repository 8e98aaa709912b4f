import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pathFault, pathSegmentFault } from '../../protocol/volume.ts';
import { testRuns, testSeed } from '../support/seed.ts';

describe('[F17] a path', () => {
  it.each([
    'a',
    'a/b/c/d',
    'exp 1/sample.2/data-set/channel_0',
    'Gehirn/Mäuse/皮质/🧠',
    `${'p'.repeat(128)}/${'ä'.repeat(64)}`,
    'a"b*c?d<e>f|g/…',
    '%2e%2e',
    '~',
    '-',
  ])('may be %j', (path) => expect(pathFault(path)).toBeUndefined());

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    'a/b/c/d/e',
    '.',
    '..',
    'a/../b',
    '.hidden',
    'a.',
    ' a',
    'a ',
    'a/ /b',
    'a:b',
    'a\\b',
    'a\u0000b',
    'a\nb',
    'a\u007fb',
    'a\u0085b',
    'Zoe\u0308',
    '\u212b',
    'p'.repeat(129),
    `${'ä'.repeat(64)}b`,
    '🧠'.repeat(33),
    'p'.repeat(100_000),
  ])('may not be %j', (path) => expect(pathFault(path)).toMatch(/segment|control|NFC/));

  it('names no part of itself in its fault', () => {
    expect(pathFault('secret:thing')).not.toContain('secret');
  });

  it('is legal exactly when it has 1 to 4 segments that are', () => {
    const segment = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.constantFrom('a', 'b c', '.', '..', ''));
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const parts = segments.join('/').split('/');
        const legal = parts.length <= 4 && parts.every((part) => pathSegmentFault(part) === undefined);
        expect(pathFault(segments.join('/')) === undefined).toBe(legal);
      }),
      { seed: testSeed('paths'), numRuns: testRuns(500) },
    );
  });
});
