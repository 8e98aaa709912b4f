/** The Core's memory: one LRU of tiles and metadata, bounded by real bytes. The only place that knows lru-cache. */
import { LRUCache } from 'lru-cache';

/** What stands in the cache: bytes, or a value that says how large it is. */
export type CacheEntry = Uint8Array | { readonly byteSize: number; readonly value: unknown };

/** How full a cache is. */
export interface CacheUse {
  readonly entries: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

/**
 * Least recently used entries leave when a new one needs their room.
 *
 * Bytes are counted by the buffer that an entry keeps alive, not by the view: a small view of a large buffer costs the large buffer.
 * Nothing lives only here: whatever is evicted can be had again from the store or the source.
 */
export class Cache {
  readonly #entries: LRUCache<string, CacheEntry>;
  readonly #maxBytes: number;
  /** Looks that found something, and that did not. */
  hits = 0;
  misses = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#entries = new LRUCache<string, CacheEntry>({
      maxSize: Math.max(1, maxBytes),
      maxEntrySize: Math.max(1, maxBytes),
      sizeCalculation: entrySize,
      ttlAutopurge: false,
    });
  }

  /** The entry, marked most recent; undefined where absent or expired. */
  get(key: string): CacheEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) this.misses++;
    else this.hits++;
    return entry;
  }

  /** The entry's bytes, marked most recent; undefined where absent, expired or not bytes. */
  bytes(key: string): Uint8Array | undefined {
    const entry = this.get(key);
    return entry instanceof Uint8Array ? entry : undefined;
  }

  /**
   * Stores an entry and evicts what it takes; replacing one counts the difference.
   *
   * @param entry shared from now on: never written again, but for the header bytes of a tile.
   * @param ttlMs how long it holds; unset = until evicted.
   * @returns false where the entry alone is larger than the whole cache: then nothing changes but that the key is absent.
   */
  set(key: string, entry: CacheEntry, ttlMs?: number): boolean {
    if (entrySize(entry) > this.#maxBytes) {
      this.#entries.delete(key);
      return false;
    }
    this.#entries.set(key, entry, ttlMs === undefined ? {} : { ttl: ttlMs });
    return true;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Removes every entry whose key begins with `prefix`; walks all keys. */
  deletePrefix(prefix: string): void {
    for (const key of [...this.#entries.keys()]) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  /** What it may hold. */
  get maxBytes(): number {
    return this.#maxBytes;
  }

  get use(): CacheUse {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize, maxBytes: this.#maxBytes };
  }
}

function entrySize(entry: CacheEntry): number {
  const bytes = entry instanceof Uint8Array ? entry.buffer.byteLength : entry.byteSize;
  return Math.max(1, Math.ceil(bytes));
}
