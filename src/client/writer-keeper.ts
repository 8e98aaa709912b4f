/** Keeps one writer in the user's store. What fails there is told, and stops no edit: what is not kept is only missed after a reload. */
import { BflyError } from '../../protocol/index.ts';
import type { SavedWriter, WriterStore } from './writer-store.ts';

/** One path's entry in a store; without a store it keeps nothing. */
export class WriterKeeper {
  readonly #store: WriterStore | undefined;
  readonly #path: string;
  readonly #failed: (error: BflyError) => void;
  #saving = 0;

  constructor(store: WriterStore | undefined, path: string, failed: (error: BflyError) => void) {
    this.#store = store;
    this.#path = path;
    this.#failed = failed;
  }

  /** Whether something is being kept that has to be waited for. */
  get isBusy(): boolean {
    return this.#saving > 0;
  }

  async load(): Promise<SavedWriter | undefined> {
    try {
      return await this.#store?.load(this.#path);
    } catch (cause) {
      this.#tell(cause);
      return undefined;
    }
  }

  /** @returns undefined where nothing has to be waited for; never rejects. */
  save(writer: () => SavedWriter): Promise<void> | undefined {
    if (this.#store === undefined) return undefined;
    try {
      const saving = this.#store.save(this.#path, writer());
      if (saving === undefined) return undefined;
      this.#saving++;
      return saving
        .catch((cause: unknown) => this.#tell(cause))
        .then(() => {
          this.#saving--;
        });
    } catch (cause) {
      this.#tell(cause);
      return undefined;
    }
  }

  #tell(cause: unknown): void {
    this.#failed(new BflyError('UNAVAILABLE', 'the store of writers failed', { cause }));
  }
}
