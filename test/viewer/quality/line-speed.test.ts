/** When images come so slowly that JPEG pays. */
import { describe, expect, it } from 'vitest';
import { LineSpeed, SLOW_RATE } from '../../../src/viewer/page/quality/line-speed.ts';

const CHUNK = 64 ** 3;

/** Chunks that come one after the other, `depth` of them asked for at a time. @returns the rates that were told. */
function fetchChunks(speed: LineSpeed, { count = 100, depth = 30, ms = 100, from = 0 } = {}): number[] {
  const asked: object[] = [];
  const rates: number[] = [];
  const ask = (now: number): void => {
    const what = {};
    asked.push(what);
    speed.ask(what, now);
  };
  for (let i = 0; i < Math.min(depth, count); i++) ask(from);
  for (let i = 1; i <= count; i++) {
    const rate = speed.come(asked.shift() ?? {}, from + i * ms, CHUNK);
    if (rate !== undefined) rates.push(rate);
    if (i + depth <= count) ask(from + i * ms);
  }
  return rates;
}

describe('the speed of a line', () => {
  it('is that of the bytes that come while something is waited for', () => {
    const rates = fetchChunks(new LineSpeed(), { ms: 100 });
    expect(rates.length).toBe(3);
    for (const rate of rates) expect(rate).toBeCloseTo((8 * CHUNK) / 0.1, 0);
  });

  it('is slow at 10 Mbit/s, and is not at 50', () => {
    const [slow = Number.NaN] = fetchChunks(new LineSpeed(), { ms: (8_000 * CHUNK) / 10e6 });
    const [fast = Number.NaN] = fetchChunks(new LineSpeed(), { ms: (8_000 * CHUNK) / 50e6 });
    expect(slow).toBeLessThan(SLOW_RATE);
    expect(fast).toBeGreaterThan(SLOW_RATE);
  });

  it('does not know before some seconds of waiting', () => {
    expect(fetchChunks(new LineSpeed(), { count: 29 })).toEqual([]);
  });

  it('does not know before some bytes, however long those take', () => {
    const speed = new LineSpeed();
    expect(fetchChunks(speed, { count: 1, ms: 60_000 })).toEqual([]);
  });

  it('does not count the time in which nothing is waited for', () => {
    const speed = new LineSpeed();
    fetchChunks(speed, { count: 20 });
    const [rate = Number.NaN] = fetchChunks(speed, { count: 20, from: 1e6 });
    expect(rate).toBeCloseTo((8 * CHUNK) / 0.1, 0);
  });

  it('begins anew where something is waited for no more: what came of it is not known', () => {
    const speed = new LineSpeed();
    const what = {};
    speed.ask(what, 0);
    speed.leave(what, 60_000);
    expect(fetchChunks(speed, { count: 29, from: 60_000 })).toEqual([]);
  });

  it('takes no notice of what was never asked for, or has come', () => {
    const speed = new LineSpeed();
    const what = {};
    speed.ask(what, 0);
    speed.come(what, 2_000, CHUNK);
    speed.leave(what, 2_000);
    speed.leave({}, 2_000);
    speed.ask(what, 2_000);
    expect(speed.come(what, 3_000, CHUNK)).toBeCloseTo((8 * 2 * CHUNK) / 3, 0);
  });
});
