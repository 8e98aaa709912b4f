/** Work that is done at most once a frame, and a little later where no frames are drawn. */

/** Asks for the work, or takes the wish back. */
export interface FrameWork {
  ask(): void;
  cancel(): void;
}

/** In a window that is not seen no frame is drawn, but what others do is to be there when one looks, ms. */
const UNSEEN_MS = 250;

/** @param work is called once before the next frame, however often it is asked for. */
export function onNextFrame(work: () => void): FrameWork {
  let frame: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const cancel = (): void => {
    if (frame !== undefined) cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = undefined;
    timer = undefined;
  };
  const run = (): void => {
    cancel();
    work();
  };
  return {
    ask() {
      if (frame !== undefined) return;
      frame = requestAnimationFrame(run);
      timer = setTimeout(run, UNSEEN_MS);
    },
    cancel,
  };
}
