/**
 * Tiles that several threads send at the same time without a copy.
 *
 * A tile's header is rewritten for everyone who gets it. So each frame has a byte behind it that says that somebody is doing so, and
 * whoever comes meanwhile takes a copy.
 */

/** Where owned copies of frames are put. */
export interface FrameMemory {
  /** A frame in memory of its own, which may be sent from. @param frame borrowed. */
  copy(frame: Uint8Array): Uint8Array;
  /** The same for a frame that is owned already: it is handed over. */
  own(frame: Uint8Array): Uint8Array;
}

/** The memory of one thread. */
export const OWN_FRAMES: FrameMemory = {
  copy: (frame) => {
    const copy = new Uint8Array(frame.length);
    copy.set(frame);
    return copy;
  },
  own: (frame) => frame,
};

/** Memory that all threads see. */
export const SHARED_FRAMES: FrameMemory = { copy: shareFrame, own: shareFrame };

/** Copies a frame into memory that all threads see. */
function shareFrame(frame: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(frame.length + 1), 0, frame.length);
  shared.set(frame);
  return shared;
}

/** Whether a frame is in memory that all threads see, with the byte behind it. */
export function isSharedFrame({ buffer, byteOffset, length }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer && byteOffset === 0 && buffer.byteLength === length + 1;
}

/**
 * Runs `work` on a shared frame whose bytes may be written until it returns.
 *
 * @param spare used where another thread has the frame at the moment: at least as long.
 */
export function withSharedFrame(frame: Uint8Array, spare: Uint8Array, work: (frame: Uint8Array) => void): void {
  const all = new Uint8Array(frame.buffer);
  const lock = frame.length;
  if (Atomics.compareExchange(all, lock, 0, 1) !== 0) {
    const copy = spare.subarray(0, frame.length);
    copy.set(frame);
    return work(copy);
  }
  try {
    work(frame);
  } finally {
    Atomics.store(all, lock, 0);
  }
}
