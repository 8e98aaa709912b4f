/** Work that is done at most once a frame, and a little later where no frames are drawn. */

/** Asks for the work, or takes the wish back. */
export interface FrameWork {
  ask(): void;
  cancel(): void;
}

/** In a window that is not seen no frame is drawn, but what others do is to be there when one looks, ms. */
const UNSEEN_MS = 250;

/** About as long as a frame takes, ms. */
const FRAME_MS = 16;

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

/**
 * As `onNextFrame`, but the first time after a pause at the end of the task that asks: what comes alone need not wait for a frame.
 *
 * @param work is called at most once a frame, however often it is asked for.
 */
export function onceAFrame(work: () => void): FrameWork {
  let ranAt = Number.NEGATIVE_INFINITY;
  let isSoon = false;
  const run = (): void => {
    isSoon = false;
    ranAt = performance.now();
    work();
  };
  const frame = onNextFrame(run);
  return {
    ask() {
      if (isSoon) return;
      if (performance.now() - ranAt < FRAME_MS) return frame.ask();
      isSoon = true;
      queueMicrotask(() => {
        if (isSoon) run();
      });
    },
    cancel() {
      isSoon = false;
      frame.cancel();
    },
  };
}

/** How long what stands beside the view waits for what is in it, ms. */
const BESIDE_MS = 150;

/**
 * As `onNextFrame`, but some time later: for what stands beside the view. A browser that has to draw a panel anew draws the volume later, and
 * that is what one looks at when somebody edits.
 *
 * @param work is called once, however often it is asked for meanwhile.
 */
export function afterTheView(work: () => void): FrameWork {
  const frame = onNextFrame(work);
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    ask() {
      timer ??= setTimeout(() => {
        timer = undefined;
        frame.ask();
      }, BESIDE_MS);
    },
    cancel() {
      clearTimeout(timer);
      timer = undefined;
      frame.cancel();
    },
  };
}
