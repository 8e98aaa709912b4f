import { describe, expect, it } from 'vitest';
import { GzipShelf } from '../../../src/access/http/gzip-shelf.ts';

const BODY = new Uint8Array(2_000);

describe('the shelf of compressed bodies', () => {
  it('counts what bodies are found by, which clients make as long as they like', async () => {
    const shelf = new GzipShelf(100_000);
    for (let i = 0; i < 100; i++) await shelf.compress(BODY, `/page?${i}${'x'.repeat(8_000)}`);
    const kept = Array.from({ length: 100 }, (_, i) => shelf.get(`/page?${i}${'x'.repeat(8_000)}`));
    expect(kept.filter((body) => body !== undefined).length).toBe(12);
    expect(shelf.bytes).toBeLessThanOrEqual(100_000);
  });

  it('counts a body that is kept again once', async () => {
    const shelf = new GzipShelf(100_000);
    await shelf.compress(BODY, 'a');
    const { bytes } = shelf;
    await shelf.compress(BODY, 'a');
    expect(shelf.bytes).toBe(bytes);
    expect(shelf.get('a')).toBeDefined();
  });
});
