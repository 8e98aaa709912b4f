/** Where the memory of a log and its store part: the log is read again, and whoever wants to write waits for it. */
import { BflyError } from '../../../protocol/errors.ts';
import type { Logger } from '../../utility/log.ts';

/** Time between two attempts to read a log again, ms. */
const FIRST_MS = 100;
const LAST_MS = 5_000;

/** Reads one log again where that is needed. */
export class LogRecovery {
  readonly #path: string;
  readonly #log: Logger;
  readonly #read: () => Promise<void>;
  #underWay: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #isClosing = false;
  #hasFailed = false;

  /** @param read reads the log's memory anew; where it throws it is called again. */
  constructor(path: string, log: Logger, read: () => Promise<void>) {
    this.#path = path;
    this.#log = log;
    this.#read = read;
  }

  /** Resolves when the log was read again; undefined: memory and store agree. */
  get underWay(): Promise<void> | undefined {
    return this.#underWay;
  }

  /** Whether the log was closed before it could be read: nothing is known of its last edits. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Begins to read the log again, unless that is under way. */
  begin(): void {
    this.#underWay ??= this.#run().finally(() => {
      this.#underWay = undefined;
    });
  }

  async #run(): Promise<void> {
    // Whoever began it is to finish what it does first.
    await undefined;
    for (let delayMs = FIRST_MS; ; delayMs = Math.min(LAST_MS, 2 * delayMs))
      try {
        return await this.#read();
      } catch (error) {
        this.#log.error({ err: error, path: this.#path }, 'the edits of a path cannot be read');
        this.#hasFailed = this.#isClosing;
        if (this.#isClosing) return;
        await this.#rest(delayMs);
      }
  }

  async #rest(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  /** Tries once more where it is under way, and then gives up. */
  close(): void {
    this.#isClosing = true;
    this.#wake?.();
  }

  /** Waits while the log is read again. @param deadline milliseconds since 1970. @throws TIMEOUT, as `cannotTell`. */
  async over(deadline: number): Promise<void> {
    while (this.#underWay !== undefined) {
      const restMs = deadline - Date.now();
      if (restMs <= 0) throw cannotTell();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, restMs);
      });
      await Promise.race([this.#underWay, late]);
      clearTimeout(timer);
    }
    if (this.#hasFailed) throw cannotTell();
  }
}

/** The answer to an edit of which nobody can tell whether it was applied. */
export function cannotTell(): BflyError {
  const message = 'the log of this path cannot be read now; the edit may have been applied: send the same again';
  return new BflyError('TIMEOUT', message, { retryMs: 1_000 });
}
