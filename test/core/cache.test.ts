import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cache } from '../../src/core/cache.ts';
import { useManualClock } from '../support/manual-clock.ts';
import { testRuns, testSeed } from '../support/seed.ts';

const bytes = (length: number): Uint8Array => new Uint8Array(length);
const held = (cache: Cache, ...keys: string[]): string[] => keys.filter((key) => cache.get(key) !== undefined);

/** The cache after the first steps of the tests of parity: a and c of 400 bytes each. */
function usedCache(): Cache {
  const cache = new Cache(1_000);
  cache.set('a', bytes(400));
  cache.set('b', bytes(400));
  cache.get('a');
  cache.set('c', bytes(400));
  return cache;
}

describe('the cache', () => {
  it('[parity 10] throws out what was not used for longest', () => {
    const cache = usedCache();
    expect(cache.use).toEqual({ entries: 2, bytes: 800, maxBytes: 1_000 });
    expect(held(cache, 'a', 'b', 'c')).toEqual(['a', 'c']);
  });

  it('[parity 11] counts the difference when an entry is replaced', () => {
    const cache = usedCache();
    cache.set('c', bytes(400));
    cache.set('c', bytes(400));
    expect(cache.use.bytes).toBe(800);
    cache.set('d', bytes(100));
    expect(cache.use.bytes).toBe(900);
    expect(held(cache, 'a', 'b', 'c', 'd')).toEqual(['a', 'c', 'd']);
  });

  it('[parity 11] evicts when a replaced entry grows', () => {
    const cache = usedCache();
    cache.set('c', bytes(700));
    expect(cache.use).toEqual({ entries: 1, bytes: 700, maxBytes: 1_000 });
    expect(held(cache, 'a', 'c')).toEqual(['c']);
  });

  it('[parity 12] refuses what is larger than all of it, and takes what fills it exactly', () => {
    const cache = new Cache(1_000);
    expect(cache.set('a', bytes(1_001))).toBe(false);
    expect(cache.use).toMatchObject({ entries: 0, bytes: 0 });
    expect(cache.set('a', bytes(1_000))).toBe(true);
    expect(cache.use).toMatchObject({ entries: 1, bytes: 1_000 });
    expect(cache.set('b', bytes(1))).toBe(true);
    expect(held(cache, 'a', 'b')).toEqual(['b']);
  });

  it('[parity 12] keeps the others when it refuses one, and does not keep the old value of the refused', () => {
    const cache = usedCache();
    expect(cache.set('c', bytes(1_001))).toBe(false);
    expect(held(cache, 'a', 'c')).toEqual(['a']);
    expect(cache.use.bytes).toBe(400);
  });

  it('[parity 13] counts the buffer that a view keeps alive', () => {
    const cache = new Cache(1_000_000);
    for (let i = 0; i < 10; i++) cache.set(`tile ${i}`, bytes(810_000).subarray(i, i + 100));
    expect(cache.use).toEqual({ entries: 1, bytes: 810_000, maxBytes: 1_000_000 });
  });

  it('[parity 14] answers a missing key with undefined', () => {
    const cache = new Cache(1_000);
    expect(cache.get('nothing')).toBeUndefined();
    expect(cache.bytes('nothing')).toBeUndefined();
    expect(() => cache.delete('nothing')).not.toThrow();
  });

  it('gives bytes as bytes, and values by their own word for their size', () => {
    const cache = new Cache(1_000);
    const value = { byteSize: 600, value: 'metadata' };
    cache.set('value', value);
    cache.set('bytes', Uint8Array.of(1, 2, 3));
    expect(cache.get('value')).toBe(value);
    expect(cache.bytes('value')).toBeUndefined();
    expect(cache.bytes('bytes')).toEqual(Uint8Array.of(1, 2, 3));
    expect(cache.use.bytes).toBe(603);
    expect(cache.set('large', { byteSize: 1_001, value: 0 })).toBe(false);
  });

  it('of no bytes holds nothing and does not mind', () => {
    const cache = new Cache(0);
    expect(cache.set('a', bytes(1))).toBe(false);
    expect(cache.set('b', bytes(0))).toBe(false);
    expect(cache.use).toEqual({ entries: 0, bytes: 0, maxBytes: 0 });
  });

  it('forgets an entry when its time is up, and not before', () => {
    const clock = useManualClock();
    const cache = new Cache(1_000);
    cache.set('brief', bytes(10), 2_000);
    cache.set('lasting', bytes(10));
    clock.advance(1_900);
    expect(held(cache, 'brief', 'lasting')).toEqual(['brief', 'lasting']);
    clock.advance(200);
    expect(held(cache, 'brief', 'lasting')).toEqual(['lasting']);
    expect(cache.use.bytes).toBe(10);
  });

  it('forgets the time of an entry that is replaced by a lasting one', () => {
    const clock = useManualClock();
    const cache = new Cache(1_000);
    cache.set('a', bytes(10), 2_000);
    cache.set('a', bytes(10));
    clock.advance(10_000);
    expect(held(cache, 'a')).toEqual(['a']);
  });

  it('deletes one key, or all that begin alike', () => {
    const cache = new Cache(1_000);
    for (const key of ['1/0', '1/1', '11/0', '2/0']) cache.set(key, bytes(10));
    cache.delete('1/1');
    cache.deletePrefix('1/');
    expect(held(cache, '1/0', '1/1', '11/0', '2/0')).toEqual(['11/0', '2/0']);
    expect(cache.use.bytes).toBe(20);
  });

  it('never holds more than it may, and holds the same as the simplest cache that does it right', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      size: fc.option(fc.integer({ min: 0, max: 120 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new Cache(100);
        // Least recent first; an entry counts at least one byte.
        let model: { key: string; size: number }[] = [];
        const total = (): number => model.reduce((sum, { size }) => sum + Math.max(1, size), 0);
        for (const { key, size } of steps) {
          const known = model.find((entry) => entry.key === key);
          model = model.filter((entry) => entry !== known);
          if (size === null) {
            expect(cache.bytes(key)?.length).toBe(known?.size);
            if (known !== undefined) model.push(known);
          } else {
            expect(cache.set(key, bytes(size))).toBe(size <= 100);
            if (size <= 100) model.push({ key, size });
            while (total() > 100) model.shift();
          }
          expect(cache.use).toEqual({ entries: model.length, bytes: total(), maxBytes: 100 });
        }
      }),
      { seed: testSeed('cache'), numRuns: testRuns(500) },
    );
  });
});
