/** A database in memory whose commits a test can hold back. */
import type { Change } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';

/** A database whose next commit waits. */
export class HeldDatabase extends MemoryDatabase {
  #held: ((release: () => void) => void) | undefined;

  /** Resolves when the next commit is under way, with what lets it go on. */
  hold(): Promise<() => void> {
    return new Promise((resolve) => {
      this.#held = resolve;
    });
  }

  override async commit(change: Change): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await new Promise<void>((resolve) => held(resolve));
    return super.commit(change);
  }
}
