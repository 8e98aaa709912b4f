/**
 * How many bytes may be on their way to us. Credits are the only tool against full buffers between server and client:
 * with too much in flight an edit waits behind tiles, with too little the link stands idle.
 *
 * The controller watches the round trip: while it is about the idle one under load, more is allowed; when bytes begin to
 * queue (the round trip grows), less. It has no clock and no timer; who measures is `line.ts`.
 */
import { FRAME, WINDOW } from '../../protocol/index.ts';

/** One measured round trip. */
export interface RoundTrip {
  readonly ms: number;
  /** Bytes of tiles that came between PING and PONG. */
  readonly bytes: number;
}

/** Fewer bytes than this during a round trip: it was an idle one. */
const IDLE_BYTES = 16 * 1024;
/** Queueing below this (or half the idle round trip) leaves room for more, ms. */
const LOW_DELAY_MS = 20;
/** Queueing above this (or the idle round trip) is too much, ms. */
const HIGH_DELAY_MS = 60;
const SHRINK = 0.75;
const GROW_FAST = 2;
const GROW_SLOW = 1.25;

/** A window that was asked for, within what the protocol allows, bytes. */
export function clampWindow(bytes: number): number {
  return Math.min(WINDOW.max, Math.max(WINDOW.min, Math.floor(bytes)));
}

/** A tile that fits this is never cut by us, bytes. */
const LEAST_FRAME = 64 * 1024;

/**
 * The largest TILE payload for a window, bytes: on a slow line little stands between an edit and its reader, on a fast one tiles come whole.
 */
export function frameOf(window: number): number {
  return Math.min(FRAME.max, Math.max(LEAST_FRAME, Math.floor(window / FRAME.share)));
}

/** The credit window of one connection, tuned from its round trips. */
export class WindowController {
  #bytes: number;
  #idleMs = Number.POSITIVE_INFINITY;
  /** Doubles until bytes have queued once, after that it feels its way. */
  #grow = GROW_FAST;

  /** @param firstBytes the window to begin with. */
  constructor(firstBytes: number) {
    this.#bytes = clampWindow(firstBytes);
  }

  /** The window, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The round trip without load as far as it is known, ms; Infinity before the first. */
  get idleMs(): number {
    return this.#idleMs;
  }

  /** Learns from one round trip. */
  sample(trip: RoundTrip): void {
    if (trip.ms < this.#idleMs) this.#idleMs = trip.ms;
    if (trip.bytes < IDLE_BYTES) {
      // Only trips without load may raise the idle one, or a full queue would come to look normal.
      this.#idleMs += (trip.ms - this.#idleMs) / 4;
      return;
    }
    const delayMs = trip.ms - this.#idleMs;
    if (delayMs > Math.max(HIGH_DELAY_MS, this.#idleMs)) {
      this.#grow = GROW_SLOW;
      this.#bytes = clampWindow(this.#bytes * SHRINK);
    } else if (delayMs < Math.max(LOW_DELAY_MS, this.#idleMs / 2) && trip.bytes * 4 >= this.#bytes) {
      // Where much less than the window came in a round trip, something else is the bottleneck.
      this.#bytes = clampWindow(this.#bytes * this.#grow);
    }
  }
}
