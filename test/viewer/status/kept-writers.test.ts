import { describe, expect, it } from 'vitest';
import type { SavedWriter } from '../../../src/client/index.ts';
import { type KeptValues, KeptWriters, type TabLocks } from '../../../src/viewer/page/kept-writers.ts';

/** A browser: values that stay, and locks that end with their tab. */
class Browser {
  readonly values = new Map<string, SavedWriter>();
  readonly #locks = new Map<string, Tab>();

  readonly database: KeptValues = {
    get: async (key) => structuredClone(this.values.get(key)),
    put: async (key, value) => void this.values.set(key, structuredClone(value)),
    delete: async (key) => void this.values.delete(key),
    keys: async () => [...this.values.keys()],
  };

  /** Opens a tab. @param slot what its sessionStorage has, such as after a reload. */
  open(slot?: string, folder = '/'): Tab {
    return new Tab(this, slot, folder);
  }

  locksOf(tab: Tab): TabLocks {
    return {
      hold: async (name) => {
        const owner = this.#locks.get(name) ?? tab;
        this.#locks.set(name, owner);
        return owner === tab;
      },
    };
  }

  end(tab: Tab): void {
    for (const [name, owner] of this.#locks) if (owner === tab) this.#locks.delete(name);
  }
}

class Tab {
  slot: string | undefined;
  readonly writers: KeptWriters;
  readonly #browser: Browser;

  constructor(browser: Browser, slot: string | undefined, folder: string) {
    this.#browser = browser;
    const things = { values: browser.database, locks: browser.locksOf(this) };
    const keepSlot = (kept: string): void => {
      this.slot = kept;
    };
    this.writers = new KeptWriters(things, { folder, slot, keepSlot });
  }

  close(): void {
    this.#browser.end(this);
  }
}

const writer = (edits: number): SavedWriter => ({
  wid: new Uint8Array(16),
  wseq: edits,
  user: 'u1',
  pending: Array.from({ length: edits }, (_, i) => ({
    ...{ wid: new Uint8Array(16), wseq: i + 1, base: null, epoch: new Uint8Array(8), ops: [], bulks: [] },
  })),
});

describe('kept writers', () => {
  it('are found after a reload, and how many edits there are', async () => {
    const browser = new Browser();
    const tab = browser.open();
    await tab.writers.save('e/labels', writer(3));
    tab.close();
    const again = browser.open(tab.slot).writers;
    expect(await again.paths()).toEqual(['e/labels']);
    expect((await again.load('e/labels'))?.pending).toHaveLength(3);
    expect(again.found.value).toBe(3);
    for (let i = 0; i < 4; i++) again.answered();
    expect(again.found.value).toBe(0);
  });

  it('are gone when all is answered', async () => {
    const browser = new Browser();
    const { writers } = browser.open();
    await writers.save('e/labels', writer(1));
    await writers.save('e/labels', writer(0));
    expect(await writers.paths()).toEqual([]);
    expect(await writers.load('e/labels')).toBeUndefined();
  });

  it('of a tab that was closed are taken up by another, once', async () => {
    const browser = new Browser();
    const tab = browser.open();
    await tab.writers.save('e/labels', writer(2));
    const other = browser.open().writers;
    expect(await other.paths()).toEqual([]);
    expect(await other.load('e/labels')).toBeUndefined();
    tab.close();
    const [a, b] = [browser.open().writers, browser.open().writers];
    const found = [await a.load('e/labels'), await b.load('e/labels')];
    expect(found.map((one) => one?.pending.length)).toEqual([2, undefined]);
    expect(browser.values.size).toBe(1);
  });

  it('of a tab that was copied are its own', async () => {
    const browser = new Browser();
    const tab = browser.open();
    await tab.writers.save('e/labels', writer(1));
    const copy = browser.open(tab.slot);
    expect(await copy.writers.load('e/labels')).toBeUndefined();
    expect(copy.slot).not.toBe(tab.slot);
    expect((await tab.writers.load('e/labels'))?.pending).toHaveLength(1);
  });

  it('of another folder of the server are not touched', async () => {
    const browser = new Browser();
    const tab = browser.open(undefined, '/a/');
    await tab.writers.save('e/labels', writer(1));
    tab.close();
    const other = browser.open(tab.slot, '/b/').writers;
    expect(await other.paths()).toEqual([]);
    expect(await other.load('e/labels')).toBeUndefined();
  });

  it('keep paths with spaces apart', async () => {
    const browser = new Browser();
    const { writers } = browser.open();
    await writers.save('e/a b', writer(1));
    expect(await writers.paths()).toEqual(['e/a b']);
    expect(await writers.load('e/a')).toBeUndefined();
  });
});
