/**
 * How many tasks may be with the workers at the same time: those that read from other machines in lanes of their own, so that a server
 * which keeps them waiting holds up neither what lies here nor, by itself, what lies on other servers.
 */

/** Widths of the lanes, tasks. */
export interface LaneWidths {
  /** Tasks that ask no other machine. */
  readonly local: number;
  /** Tasks that ask other machines, all together. */
  readonly remote: number;
  /** Tasks that ask for one volume on another machine. */
  readonly perRemote: number;
}

interface Waiting {
  readonly source: string;
  readonly start: () => void;
}

/** Lets tasks begin in the order in which they came, as far as their lane has room. */
export class WorkerLanes {
  readonly #widths: LaneWidths;
  readonly #localWaiting: (() => void)[] = [];
  readonly #remoteWaiting: Waiting[] = [];
  readonly #bySource = new Map<string, number>();
  #local = 0;
  #remote = 0;

  constructor(widths: LaneWidths) {
    this.#widths = widths;
  }

  /**
   * Runs `work` when there is room for it.
   *
   * @param source name of the volume on another machine that it asks for; undefined = none.
   * @throws what `work` throws.
   */
  async run<T>(source: string | undefined, work: () => Promise<T>): Promise<T> {
    if (source === undefined) return this.#runHere(work);
    if (this.#isFree(source)) this.#enter(source);
    else await new Promise<void>((start) => this.#remoteWaiting.push({ source, start }));
    try {
      return await work();
    } finally {
      this.#leave(source);
    }
  }

  async #runHere<T>(work: () => Promise<T>): Promise<T> {
    if (this.#local < this.#widths.local) this.#local++;
    else await new Promise<void>((start) => this.#localWaiting.push(start));
    try {
      return await work();
    } finally {
      const next = this.#localWaiting.shift();
      if (next === undefined) this.#local--;
      else next();
    }
  }

  #isFree(source: string): boolean {
    return this.#remote < this.#widths.remote && (this.#bySource.get(source) ?? 0) < this.#widths.perRemote;
  }

  #enter(source: string): void {
    this.#remote++;
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1);
  }

  #leave(source: string): void {
    this.#remote--;
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left > 0) this.#bySource.set(source, left);
    else this.#bySource.delete(source);
    const at = this.#remoteWaiting.findIndex((waiting) => this.#isFree(waiting.source));
    const [next] = at < 0 ? [] : this.#remoteWaiting.splice(at, 1);
    if (next === undefined) return;
    this.#enter(next.source);
    next.start();
  }
}
