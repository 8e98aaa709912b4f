/** Lets those who kept losing races go first. */

/** A gate that at most one holds; those who want it get it in the order of their asking. */
export class Gate {
  #last: Promise<void> | undefined;

  /** Resolves when those who hold the gate or wait for it now are through; undefined: nobody does. */
  get shut(): Promise<void> | undefined {
    return this.#last;
  }

  /** Waits for the gate and holds it. @returns a function that lets the next one in. */
  async hold(): Promise<() => void> {
    const before = this.#last;
    let open = (): void => {};
    const mine = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#last = mine;
    await before;
    return () => {
      if (this.#last === mine) this.#last = undefined;
      open();
    };
  }
}
