/** Ink that stays until the server's own voxels are on the screen. */
import type { EditResult, LiveChannel } from '../../../client/index.ts';
import type { VolumeView } from '../volume/volume-view.ts';

/** Chunks that nobody looks at any more may never come: then the ink goes all the same, ms. */
const LONGEST_MS = 5_000;
/** From when a chunk is on the page until it is drawn, ms. */
const DRAWN_MS = { least: 40, most: 250 } as const;

/** Ink that waits for the voxels of an edit. */
interface Waiting {
  readonly path: string;
  readonly seq: number;
  readonly remove: () => void;
}

/** Watches which voxels have come. */
export class Saving {
  readonly #view: VolumeView;
  readonly #waiting = new Set<Waiting>();
  /** The newest seq of which all has come, by path. */
  readonly #fresh = new Map<string, number>();
  readonly #forget: () => void;

  constructor(view: VolumeView) {
    this.#view = view;
    this.#forget = view.onWorker((message) => {
      if (message.kind === 'fresh') this.#took(message.path, message.seq);
    });
  }

  /** Takes ink away once what the edit wrote is to be seen, or when it is refused. @returns what became of it. */
  async until(channel: LiveChannel, result: Promise<EditResult>, remove: () => void): Promise<EditResult> {
    try {
      const done = await result;
      if (done.status === 'noop' || (this.#fresh.get(channel.path) ?? 0) >= done.seq) this.#afterDrawn(remove);
      else this.#wait(channel, done.seq, remove);
      return done;
    } catch (error) {
      remove();
      throw error;
    }
  }

  end(): void {
    this.#forget();
    for (const { remove } of this.#waiting) remove();
    this.#waiting.clear();
  }

  #wait({ path, subscription }: LiveChannel, seq: number, remove: () => void): void {
    const waiting = { path, seq, remove };
    this.#waiting.add(waiting);
    const giveUp = (): void => {
      setTimeout(() => {
        if (this.#waiting.delete(waiting)) remove();
      }, LONGEST_MS);
    };
    subscription.until(seq).then(giveUp, giveUp);
  }

  #took(path: string, seq: number): void {
    this.#fresh.set(path, Math.max(seq, this.#fresh.get(path) ?? 0));
    for (const waiting of this.#waiting) {
      if (waiting.path !== path || waiting.seq > seq) continue;
      this.#waiting.delete(waiting);
      this.#afterDrawn(waiting.remove);
    }
  }

  /** The page has still to take the chunks and to draw them. */
  #afterDrawn(remove: () => void): void {
    const began = performance.now();
    const done = (): void => {
      forget();
      clearTimeout(timer);
      remove();
    };
    const timer = setTimeout(done, DRAWN_MS.most);
    const forget = this.#view.stage.on('drawn', () => {
      if (performance.now() - began >= DRAWN_MS.least) done();
    });
  }
}
