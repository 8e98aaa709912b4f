/** Loads of one connection: so many at once, the others in line. */
export class LoadLine {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  /**
   * Starts a load when there is a place, at once where there is one.
   *
   * @returns leaves the line; a load that has started keeps its place until it is over, whoever still wants it.
   */
  enter(load: () => Promise<unknown>): () => void {
    const start = (): void => {
      const leave = (): void => this.#leave();
      load().then(leave, leave);
    };
    if (this.#free > 0) {
      this.#free--;
      start();
    } else this.#waiting.push(start);
    return () => {
      const at = this.#waiting.indexOf(start);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
