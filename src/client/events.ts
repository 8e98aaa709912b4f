/** A list of listeners by event name. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Calls `listener` at every event of that name. @returns a function that ends it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const own = (value: Events[Name]): void => listener(value);
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(own);
    this.#listeners.set(name, listeners);
    return () => void listeners.delete(own);
  }

  /** Tells all listeners. What a listener throws is reported as uncaught and stops nobody else. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value as never); // only listeners of this name are in this set
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
