/** A clock that stands still until a test moves it. */
import { onTestFinished, vi } from 'vitest';

/** Moves the clock. */
export interface ManualClock {
  advance(ms: number): void;
}

/** Stops time for the rest of the test: `Date`, `performance` and timeouts. Promises go on. */
export function useManualClock(): ManualClock {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
  // Spied on where it is: lru-cache took the object when it was loaded. It takes 0 for a time that was never set.
  let now = 1;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => now);
  onTestFinished(() => {
    spy.mockRestore();
    vi.useRealTimers();
  });
  return {
    advance(ms) {
      now += ms;
      vi.advanceTimersByTime(ms);
    },
  };
}
