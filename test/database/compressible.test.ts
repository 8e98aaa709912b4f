import { describe, expect, it } from 'vitest';
import { isCompressible } from '../../src/database/compressible.ts';
import { seededRandom, testSeed } from '../support/seed.ts';

const random = seededRandom(testSeed('compressible'));
const BYTES = 256 * 1024;

describe('what is worth compressing', () => {
  it('is one value all over, a pattern, and labels', () => {
    expect(isCompressible(new Uint8Array(BYTES))).toBe(true);
    expect(isCompressible(Uint8Array.from({ length: BYTES }, (_, i) => (i * 7) % 61))).toBe(true);
    expect(isCompressible(Uint8Array.from({ length: BYTES }, (_, i) => Math.floor((i % 64) / 12)))).toBe(true);
  });

  it('is not noise, nor a smooth field under noise', () => {
    expect(isCompressible(Uint8Array.from({ length: BYTES }, () => 256 * random()))).toBe(false);
    const wave = (i: number): number => 100 + 60 * Math.sin(i / 10);
    expect(isCompressible(Uint8Array.from({ length: BYTES }, (_, i) => wave(i % 64) + 32 * random()))).toBe(false);
  });

  it('is anything short, which costs next to nothing', () => {
    expect(isCompressible(Uint8Array.from({ length: 5_000 }, () => 256 * random()))).toBe(true);
  });
});
