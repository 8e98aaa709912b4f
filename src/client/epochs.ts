/** Which life of its log each path is in, as far as this session knows. Rule [S1]. */

/** Whether two names of a log's life are the same. */
export function sameBytes(a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean {
  if (a === null || a === undefined || b === null || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The newest epoch by path. */
export class Epochs {
  readonly #known = new Map<string, Uint8Array>();
  readonly #changed: (path: string, epoch: Uint8Array) => void;

  /** @param changed told when a path has begun another life. */
  constructor(changed: (path: string, epoch: Uint8Array) => void) {
    this.#changed = changed;
  }

  get(path: string): Uint8Array | undefined {
    return this.#known.get(path);
  }

  /** @param epoch 8 bytes, copied. */
  learn(path: string, epoch: Uint8Array): void {
    const before = this.#known.get(path);
    if (before !== undefined && sameBytes(before, epoch)) return;
    const kept = epoch.slice();
    this.#known.set(path, kept);
    if (before !== undefined) this.#changed(path, kept);
  }
}
