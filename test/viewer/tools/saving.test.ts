import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EditResult, LiveChannel } from '../../../src/client/index.ts';
import type { FromWorker } from '../../../src/viewer/page/neuroglancer/messages.ts';
import { Saving } from '../../../src/viewer/page/tools/saving.ts';
import type { VolumeView } from '../../../src/viewer/page/volume/volume-view.ts';

/** A view that hears of chunks and frames when the test says so. */
function stage() {
  const workers = new Set<(message: FromWorker) => void>();
  const frames = new Set<() => void>();
  const view = {
    onWorker: (listener: (message: FromWorker) => void) => {
      workers.add(listener);
      return () => workers.delete(listener);
    },
    stage: {
      on: (_name: string, listener: () => void) => {
        frames.add(listener);
        return () => frames.delete(listener);
      },
    },
  };
  const channel = { path: 'a', subscription: { until: async () => {} } };
  return {
    saving: new Saving(view as unknown as VolumeView), // as much of it as is used
    channel: channel as unknown as LiveChannel,
    remove: vi.fn<() => void>(),
    fresh: (path: string, seq: number): void => {
      for (const listener of workers) listener({ kind: 'fresh', path, seq });
    },
    draw: (): void => {
      for (const listener of frames) listener();
    },
  };
}

function applied(seq: number, status: EditResult['status'] = 'applied'): Promise<EditResult> {
  return Promise.resolve({ status, seq, dup: false, results: [null] });
}

describe('ink of an edit that is being saved', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('stays until the voxels of its edit have come and were drawn', async () => {
    const { saving, channel, remove, fresh, draw } = stage();
    await saving.until(channel, applied(7), remove);
    fresh('a', 6);
    fresh('b', 9);
    vi.advanceTimersByTime(300);
    draw();
    expect(remove).not.toHaveBeenCalled();
    fresh('a', 8);
    draw(); // too soon: the page may not have the chunks yet
    expect(remove).not.toHaveBeenCalled();
    vi.advanceTimersByTime(60);
    draw();
    expect(remove).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(60_000);
    expect(remove).toHaveBeenCalledOnce();
  });

  it('goes without a frame too, and where the voxels came before the answer', async () => {
    const { saving, channel, remove, fresh } = stage();
    fresh('a', 7);
    await saving.until(channel, applied(7), remove);
    expect(remove).not.toHaveBeenCalled();
    vi.advanceTimersByTime(300);
    expect(remove).toHaveBeenCalledOnce();
  });

  it('goes at once when the edit is refused, and the refusal is passed on', async () => {
    const { saving, channel, remove } = stage();
    await expect(saving.until(channel, Promise.reject(new Error('no')), remove)).rejects.toThrow('no');
    expect(remove).toHaveBeenCalledOnce();
  });

  it('goes after a while where nobody looks at those voxels, and where nothing changed', async () => {
    const { saving, channel, remove } = stage();
    await saving.until(channel, applied(7), remove);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(remove).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_500);
    expect(remove).toHaveBeenCalledOnce();
    const other = vi.fn<() => void>();
    await saving.until(channel, applied(8, 'noop'), other);
    vi.advanceTimersByTime(300);
    expect(other).toHaveBeenCalledOnce();
  });
});
