/** When JPEG is offered, and what a choice does. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FromWorker, ToWorker } from '../../../src/viewer/page/neuroglancer/messages.ts';
import { ImageQuality } from '../../../src/viewer/page/quality/image-quality.ts';

describe('the quality of images', () => {
  const kept = new Map<string, string>();
  let told: ToWorker[];
  let hear: (message: FromWorker) => void;
  const slow = { kind: 'slow', rate: 8e6 } as const;

  beforeEach(() => {
    kept.clear();
    told = [];
    vi.stubGlobal('location', { href: 'http://bfly.test/lab/#!{}' });
    vi.stubGlobal('localStorage', {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  const open = (): ImageQuality =>
    new ImageQuality({
      tell: (message) => told.push(message),
      on: (listener) => {
        hear = listener;
        return () => {};
      },
    });

  it('is exact, and nothing is asked, while the line is not slow', () => {
    const quality = open();
    hear({ kind: 'ready' });
    expect([quality.isLossy.value, quality.isOffered.value]).toEqual([false, false]);
  });

  it('is asked about when the line is slow, once', () => {
    const quality = open();
    hear(slow);
    expect(quality.isOffered.value).toBe(true);
    quality.choose(false);
    hear(slow);
    expect([quality.isLossy.value, quality.isOffered.value]).toEqual([false, false]);
    open();
    hear(slow);
    expect(told).toEqual([]);
  });

  it('is told to the worker when it changes, and kept for this server', () => {
    const quality = open();
    hear(slow);
    quality.choose(true);
    quality.choose(true);
    expect(told).toEqual([{ kind: 'lossy', isLossy: true }]);
    expect([...kept]).toEqual([['bfly.images /lab/', 'jpeg']]);
    const later = open();
    hear(slow);
    expect([later.isLossy.value, later.isOffered.value]).toEqual([true, false]);
    later.choose(false);
    expect(told.at(-1)).toEqual({ kind: 'lossy', isLossy: false });
    expect(open().isLossy.value).toBe(false);
  });

  it('can be chosen where the browser keeps nothing', () => {
    vi.stubGlobal('localStorage', undefined);
    const quality = open();
    quality.choose(true);
    expect(quality.isLossy.value).toBe(true);
  });
});
