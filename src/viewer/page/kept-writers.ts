/** Keeps edits that nobody has answered yet over a reload of the page, and over its end: another tab of the browser takes them up. */
import { type Signal, signal } from '@preact/signals';
import type { SavedWriter, WriterStore } from '../../client/index.ts';

/** Values by key, such as in a database of the browser. */
export interface KeptValues {
  get(key: string): Promise<SavedWriter | undefined>;
  /** Resolves when it is kept. */
  put(key: string, value: SavedWriter): Promise<void>;
  delete(key: string): Promise<void>;
  keys(): Promise<readonly string[]>;
}

/** What a tab holds for as long as it lives. */
export interface TabLocks {
  /** @param ms how long it may take until another lets it go. @returns whether it is ours now. */
  hold(name: string, ms: number): Promise<boolean>;
}

/** A page that is loaded again may come before the old one has gone, ms. */
const RELOAD_MS = 2_000;

/** Writers of one tab. Keys are `FOLDER SLOT PATH`. */
export class KeptWriters implements WriterStore {
  /** Edits of earlier pages that were found and have no answer yet. */
  readonly found: Signal<number> = signal(0);
  readonly #values: KeptValues;
  readonly #locks: TabLocks;
  readonly #folder: string;
  readonly #slot: Promise<string>;

  /** @param slot the tab's of before a reload. @param keepSlot keeps it for the next reload. */
  constructor(
    { values, locks }: { readonly values: KeptValues; readonly locks: TabLocks },
    { folder, slot, keepSlot }: { folder: string; slot: string | undefined; keepSlot: (slot: string) => void },
  ) {
    this.#values = values;
    this.#locks = locks;
    this.#folder = folder;
    this.#slot = this.#claim(slot).then((claimed) => {
      keepSlot(claimed);
      return claimed;
    });
  }

  async load(path: string): Promise<SavedWriter | undefined> {
    const slot = await this.#slot;
    const found = (await this.#values.get(this.#key(slot, path))) ?? (await this.#adopt(slot, path));
    this.found.value += found?.pending.length ?? 0;
    return found;
  }

  async save(path: string, writer: SavedWriter): Promise<void> {
    const key = this.#key(await this.#slot, path);
    if (writer.pending.length > 0) return this.#values.put(key, writer);
    // Nobody has to wait for it: were it found again, it would be answered again and applied once all the same.
    void this.#values.delete(key).catch(() => {});
  }

  /** Paths with edits that this tab may send: its own, and those of tabs that are gone. */
  async paths(): Promise<string[]> {
    const slot = await this.#slot;
    const paths = new Set<string>();
    for (const { slot: other, path } of await this.#entries())
      if (other === slot || (await this.#locks.hold(this.#lock(other), 0))) paths.add(path);
    return [...paths];
  }

  /** An edit that was found was answered. */
  answered(): void {
    this.found.value = Math.max(0, this.found.value - 1);
  }

  /** A slot that no living tab has: a tab that was copied gets another than its original. */
  async #claim(slot: string | undefined): Promise<string> {
    if (slot !== undefined && (await this.#locks.hold(this.#lock(slot), RELOAD_MS))) return slot;
    const fresh = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(36)).join('');
    await this.#locks.hold(this.#lock(fresh), 0);
    return fresh;
  }

  /** What a tab left that is gone. */
  async #adopt(slot: string, path: string): Promise<SavedWriter | undefined> {
    for (const entry of await this.#entries()) {
      if (entry.path !== path || entry.slot === slot) continue;
      if (!(await this.#locks.hold(this.#lock(entry.slot), 0))) continue;
      const writer = await this.#values.get(entry.key);
      if (writer === undefined) continue;
      await this.#values.put(this.#key(slot, path), writer);
      await this.#values.delete(entry.key);
      return writer;
    }
    return undefined;
  }

  async #entries(): Promise<{ key: string; slot: string; path: string }[]> {
    return (await this.#values.keys()).flatMap((key) => {
      const [folder, slot = '', ...path] = key.split(' ');
      return folder === this.#folder ? [{ key, slot, path: path.join(' ') }] : [];
    });
  }

  #key(slot: string, path: string): string {
    return `${this.#folder} ${slot} ${path}`;
  }

  #lock(slot: string): string {
    return `bfly.writers ${this.#folder} ${slot}`;
  }
}
