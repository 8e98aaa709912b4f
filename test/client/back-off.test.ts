import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/index.ts';
import { backOffMs, closeError, closeVerdict, DEFAULT_BACK_OFF, errorVerdict } from '../../src/client/back-off.ts';
import { seededRandom } from '../support/fake-server.ts';

describe('close codes', () => {
  it.each([
    [4001, 'stop'],
    [4003, 'stop'],
    [4005, 'stop'],
    [4099, 'stop'],
    [4201, 'renew'],
    [4202, 'renew'],
    [4301, 'retry'],
    [4308, 'retry'],
    [4309, 'retry'],
    [4399, 'retry'],
    [1006, 'retry'],
    [1001, 'retry'],
    [1000, 'retry'],
    [1009, 'stop'],
  ] as const)('[C3] %i means %s', (code, verdict) => {
    expect(closeVerdict(code)).toBe(verdict);
  });

  it('become errors of the table', () => {
    expect(closeError(4005, 'no').code).toBe('FORBIDDEN');
    expect(closeError(4002, '').code).toBe('UNSUPPORTED');
    expect(closeError(4004, '').code).toBe('LIMIT');
    expect(closeError(4201, '').code).toBe('UNAUTHENTICATED');
    expect(closeError(4301, 'down', 2_000)).toMatchObject({ code: 'UNAVAILABLE', retryMs: 2_000 });
    expect(closeError(1006, '').message).toBe('the connection to the server was lost');
    expect(closeError(4301, 'down').message).toBe('the server closed the connection (4301, down)');
  });

  it('are read alike where an ERROR answers HELLO', () => {
    expect(errorVerdict(new BflyError('RATE_LIMITED', ''))).toBe('retry');
    expect(errorVerdict(new BflyError('UNAUTHENTICATED', ''))).toBe('renew');
    expect(errorVerdict(new BflyError('FORBIDDEN', ''))).toBe('stop');
  });
});

describe('[C3] the back-off', () => {
  const seed = 20_240;
  it(`is jittered between 0.5 s and a bound that doubles up to 30 s (seed ${seed})`, () => {
    const random = seededRandom(seed);
    for (let attempt = 0; attempt < 40; attempt++) {
      const upper = Math.min(30_000, 500 * 2 ** (attempt + 1));
      const waits = Array.from({ length: 300 }, () => backOffMs(attempt, DEFAULT_BACK_OFF, 0, random()));
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(500);
      expect(Math.max(...waits)).toBeLessThanOrEqual(upper);
      expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan((upper - 500) * 0.9);
    }
  });

  it('never comes before the moment that the server named, and spreads the clients around it', () => {
    expect(backOffMs(0, DEFAULT_BACK_OFF, 5_000, 0)).toBe(5_000);
    expect(backOffMs(0, DEFAULT_BACK_OFF, 5_000, 0.999)).toBeGreaterThan(5_400);
    expect(backOffMs(20, DEFAULT_BACK_OFF, 5_000, 0.999)).toBeGreaterThan(29_000);
  });

  it('takes bounds of the user', () => {
    expect(backOffMs(9, { minMs: 10, maxMs: 20 }, 0, 1)).toBe(20);
    expect(backOffMs(0, { minMs: 10, maxMs: 5 }, 0, 1)).toBe(10);
  });
});
