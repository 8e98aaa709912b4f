/** What browsers give for keeping: a database of values, locks that end with a tab. */
import type { SavedWriter } from '../../client/index.ts';
import { type KeptValues, KeptWriters, type TabLocks } from './kept-writers.ts';

const STORE = 'writers';
const SLOT = 'bfly.slot';

/** The writers of this tab. @param folder the page's. */
export function keepWriters(folder: string): KeptWriters {
  const options = {
    folder: encodeURI(new URL(folder).pathname),
    slot: readSlot(),
    keepSlot: (slot: string) => {
      try {
        sessionStorage.setItem(SLOT, slot);
      } catch {
        // Then another tab has to find them.
      }
    },
  };
  return new KeptWriters({ values: new Database(), locks: new Locks() }, options);
}

function readSlot(): string | undefined {
  try {
    return sessionStorage.getItem(SLOT) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Values in IndexedDB. */
class Database implements KeptValues {
  #database: Promise<IDBDatabase> | undefined;

  get(key: string): Promise<SavedWriter | undefined> {
    return this.#do('readonly', (store) => store.get(key));
  }

  async put(key: string, value: SavedWriter): Promise<void> {
    await this.#do('readwrite', (store) => store.put(value, key));
  }

  async delete(key: string): Promise<void> {
    await this.#do('readwrite', (store) => store.delete(key));
  }

  keys(): Promise<readonly string[]> {
    return this.#do('readonly', (store) => store.getAllKeys() as IDBRequest<string[]>); // we put no others
  }

  async #do<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    this.#database ??= openDatabase();
    const database = await this.#database;
    return new Promise((resolve, reject) => {
      // The browser's word is enough: what a power cut takes is only missed by who has not seen it saved.
      const transaction = database.transaction(STORE, mode, { durability: 'relaxed' });
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('bfly', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Locks of the browser. Pages that came without encryption have none: then each tab keeps to its own. */
class Locks implements TabLocks {
  readonly #held = new Set<string>();

  hold(name: string, ms: number): Promise<boolean> {
    if (this.#held.has(name)) return Promise.resolve(true);
    if (navigator.locks === undefined) return Promise.resolve(ms > 0);
    return new Promise((resolve) => {
      const options = ms > 0 ? { signal: AbortSignal.timeout(ms) } : { ifAvailable: true };
      const held = navigator.locks.request(name, options, (lock) => {
        resolve(lock !== null);
        if (lock === null) return undefined;
        this.#held.add(name);
        return new Promise(() => {}); // until the tab is gone
      });
      held.catch(() => resolve(false));
    });
  }
}
