/** Asks again for a chunk that could not be had for a while: Neuroglancer asks once, and shows a hole from then on. */
import { BflyError, type ErrorName } from '../../../client/index.ts';

/** What passes: the server is on its way down or up, or has too much to do. */
const PASSING: ReadonlySet<ErrorName> = new Set(['UNAVAILABLE', 'RATE_LIMITED', 'TIMEOUT', 'LIMIT']);
/** Where the server does not say how long to wait, ms. */
const PAUSE_MS = 1_000;

/**
 * Does `work` until it has succeeded, or failed for good.
 *
 * @param signal ends it between two tries. @throws what `work` throws that will not pass; the signal's reason.
 */
export async function untilThere<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof BflyError) || !PASSING.has(error.code)) throw error;
      await pause(error.retryMs ?? PAUSE_MS, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end);
      resolve();
    }, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}
