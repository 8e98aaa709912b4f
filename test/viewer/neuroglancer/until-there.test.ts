/** Chunks that could not be had for a while. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BflyError } from '../../../src/client/index.ts';
import { untilThere } from '../../../src/viewer/page/neuroglancer/until-there.ts';

describe('a chunk', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('that the server cannot give now is asked for again, when the server says', async () => {
    const work = vi
      .fn<() => Promise<string>>()
      .mockRejectedValueOnce(new BflyError('UNAVAILABLE', 'the server is shutting down', { retryMs: 300 }))
      .mockRejectedValueOnce(new BflyError('TIMEOUT', 'it took too long'))
      .mockResolvedValue('voxels');
    const there = untilThere(work, undefined);
    await vi.advanceTimersByTimeAsync(299);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(work).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await there).toBe('voxels');
  });

  it('that will never be there is asked for once', async () => {
    const work = vi.fn(() => Promise.reject(new BflyError('NOT_FOUND', 'no such channel')));
    await expect(untilThere(work, undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('that nobody looks at any more is not asked for again', async () => {
    const work = vi.fn(() => Promise.reject(new BflyError('UNAVAILABLE', 'later')));
    const abort = new AbortController();
    const there = untilThere(work, abort.signal);
    await vi.advanceTimersByTimeAsync(10);
    abort.abort(new Error('out of view'));
    await expect(there).rejects.toThrow('out of view');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(work).toHaveBeenCalledTimes(1);
  });
});
