/** Work that is done at most once a frame. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { onceAFrame, onNextFrame } from '../../src/viewer/page/next-frame.ts';

describe('work of a frame', () => {
  let frames: (() => void)[] = [];
  beforeEach(() => {
    frames = [];
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    vi.stubGlobal('requestAnimationFrame', (work: () => void) => frames.push(work));
    vi.stubGlobal('cancelAnimationFrame', (id: number) => {
      frames[id - 1] = () => {};
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const draw = (): void => {
    for (const frame of frames.splice(0)) frame();
  };

  it('is done once before the next frame, however often it is asked for', () => {
    const work = vi.fn();
    const frame = onNextFrame(work);
    frame.ask();
    frame.ask();
    expect(work).toHaveBeenCalledTimes(0);
    draw();
    expect(work).toHaveBeenCalledTimes(1);
    draw();
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('is done a little later where no frame is drawn', () => {
    const work = vi.fn();
    onNextFrame(work).ask();
    vi.advanceTimersByTime(300);
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('is not done once it was taken back', async () => {
    const work = vi.fn();
    for (const kind of [onNextFrame, onceAFrame]) {
      const frame = kind(work);
      frame.ask();
      frame.cancel();
      await Promise.resolve();
      draw();
      vi.advanceTimersByTime(300);
    }
    expect(work).toHaveBeenCalledTimes(0);
  });

  it('is done at the end of the task after a pause, and then once a frame', async () => {
    const work = vi.fn();
    const frame = onceAFrame(work);
    frame.ask();
    frame.ask();
    expect(work).toHaveBeenCalledTimes(0);
    await Promise.resolve();
    expect(work).toHaveBeenCalledTimes(1);
    frame.ask();
    await Promise.resolve();
    expect(work).toHaveBeenCalledTimes(1);
    draw();
    expect(work).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(20);
    frame.ask();
    await Promise.resolve();
    expect(work).toHaveBeenCalledTimes(3);
  });
});
