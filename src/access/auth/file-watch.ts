/** Tells when files have become others: by their bytes, whatever way they were replaced. */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** Times of a watch; tests shorten them. */
export interface WatchTimings {
  /** How often the files are read where nothing tells of changes. */
  readonly pollMs: number;
  /** How long new bytes must stay the same: whoever writes them may not have finished. */
  readonly settleMs: number;
}

/** Times unless a test shortens them. */
export const WATCH_TIMINGS: WatchTimings = { pollMs: 2_000, settleMs: 100 };

/** One digest for the names and bytes of some files; one that cannot be read has no bytes, which is not the same as 0 bytes. */
export function digestOf(contents: ReadonlyMap<string, Uint8Array | undefined>): string {
  const digest = createHash('sha256');
  for (const [name, bytes] of contents)
    digest.update(JSON.stringify([name, bytes?.length ?? null])).update(bytes ?? '');
  return digest.digest('hex');
}

/**
 * Watches a few small files. They are read again after every event in the first one's folder, which is how a file is replaced by
 * renaming and how mounted folders of secrets are exchanged; and every `pollMs`, as events may fail and do not pass symbolic links.
 */
export class FileWatch {
  readonly #files: () => readonly string[];
  readonly #changed: (digest: string) => Promise<void>;
  readonly #timings: WatchTimings;
  readonly #poll: ReturnType<typeof setInterval>;
  #watcher: FSWatcher | undefined;
  #seen: string;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  /**
   * @param files asked for whenever they are read.
   * @param seen digest of the files as they are known.
   * @param changed told the digest of files that are others and have come to rest; not called again before it has ended.
   */
  constructor(
    files: () => readonly string[],
    seen: string,
    changed: (digest: string) => Promise<void>,
    timings: WatchTimings,
  ) {
    this.#files = files;
    this.#seen = seen;
    this.#changed = changed;
    this.#timings = timings;
    this.#poll = setInterval(() => this.look(), timings.pollMs);
    this.#poll.unref();
    this.#listen();
  }

  /** Reads the files now, or once more where they are just read. */
  look(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Ends the watch; resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    this.#watcher?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      const digest = await this.#digest();
      if (digest === this.#seen) continue;
      await new Promise((resolve) => setTimeout(resolve, this.#timings.settleMs));
      if (this.#closed) return;
      if ((await this.#digest()) === digest) {
        this.#seen = digest;
        await this.#changed(digest);
      } else this.#again = true;
    }
  }

  async #digest(): Promise<string> {
    const read = async (file: string) => [file, await readFile(file).catch(() => undefined)] as const;
    return digestOf(new Map(await Promise.all(this.#files().map(read))));
  }

  #listen(): void {
    const [file] = this.#files();
    if (file === undefined) return;
    const name = path.basename(file);
    try {
      this.#watcher = watch(path.dirname(file), { persistent: false }, (_event, changed) => {
        // Mounted secrets are exchanged by renaming `..data`.
        if (changed === null || changed === name || changed.startsWith('..')) this.look();
      });
      // Then the polling goes on alone.
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {}
  }
}
