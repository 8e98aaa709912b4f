/** How much Butterfly's own APIs may hold in memory at a time: boxes of any size are whole answers there. */
import { BflyError } from '../../../protocol/errors.ts';

/** Bounds of the work. */
export interface WorkBounds {
  /** Bytes of the voxels of one answer. */
  readonly answerBytes: number;
  /** Bytes of all that are worked on. */
  readonly bytes: number;
  /** Requests that wait for their turn. */
  readonly waiting: number;
}

const MiB = 2 ** 20;

/** Bounds unless told otherwise: an answer may be a plane of 16,384² bytes. */
export const WORK_BOUNDS: WorkBounds = { answerBytes: 256 * MiB, bytes: 512 * MiB, waiting: 256 };

/** What a look through many voxels counts for. */
export const SCAN_BYTES = 128 * MiB;

interface Waiting {
  readonly bytes: number;
  start(): void;
}

/** Lets so much be worked on, and the rest wait in the order in which it came. */
export class LegacyWork {
  readonly #bounds: WorkBounds;
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(bounds: WorkBounds = WORK_BOUNDS) {
    this.#bounds = bounds;
  }

  /**
   * Runs `work` when there is room for it.
   *
   * @throws BflyError TOO_LARGE for more than one answer may be; UNAVAILABLE where too many wait; what `work` throws.
   */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const { answerBytes, waiting } = this.#bounds;
    if (bytes > answerBytes) throw new BflyError('TOO_LARGE', `The box holds more than ${answerBytes} bytes.`);
    if (this.#waiting.length >= waiting)
      throw new BflyError('UNAVAILABLE', 'the server has too much to do; try again in a moment', { retryMs: 1_000 });
    if (this.#waiting.length > 0 || !this.#fits(bytes))
      await new Promise<void>((resolve) => this.#waiting.push({ bytes, start: resolve }));
    else this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#bytes -= bytes;
      this.#startNext();
    }
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bounds.bytes;
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#bytes += next.bytes;
      next.start();
    }
  }
}
