/** The store in memory, for tests: the same contract, nothing kept. */
import { BflyError } from '../../protocol/errors.ts';
import type { Change, Database, EntryRange, EntryStore, TileKey } from './database.ts';
import { EntryMap } from './entry-map.ts';
import { logRange, rowsRange, TILE_VERSION_OFFSET, tileKey, tileRange } from './keys.ts';
import { checkEntryKey, checkEntryRange, type PreparedChange, prepareChange, recordKey } from './prepare-change.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A database that ends with the process. */
export class MemoryDatabase implements Database {
  /** Frames by place (the key without its version, in hex), each by version. */
  readonly #tiles = new Map<string, Map<number, Uint8Array>>();
  /** JSON text by name. */
  readonly #records = new Map<string, string>();
  readonly #stores: Readonly<Record<EntryStore, EntryMap>> = { log: new EntryMap(), rows: new EntryMap() };
  #borrowed = new Uint8Array(0);
  #pending: Promise<void> = Promise.resolve();
  #closed = false;

  tileBorrowed(key: TileKey): Uint8Array | undefined {
    const frame = this.#newest(key);
    if (frame === undefined) return undefined;
    // One buffer for all, as in LMDB: what is kept without a copy is seen to be wrong in tests too.
    if (this.#borrowed.length < frame.length) this.#borrowed = new Uint8Array(frame.length);
    this.#borrowed.set(frame);
    return this.#borrowed.subarray(0, frame.length);
  }

  tile(key: TileKey): Uint8Array | undefined {
    return this.#newest(key)?.slice();
  }

  hasTile(key: TileKey): boolean {
    return this.#versions(key)?.has(key.version) === true;
  }

  countTiles(channel: number, mip: number): number {
    this.#check();
    const prefix = hex(tileRange(channel, mip).start);
    let count = 0;
    for (const [place, versions] of this.#tiles) if (place.startsWith(prefix)) count += versions.size;
    return count;
  }

  record(name: string): unknown {
    this.#check();
    recordKey(name);
    const text = this.#records.get(name);
    return text === undefined ? undefined : JSON.parse(text);
  }

  records(prefix: string): readonly (readonly [name: string, value: unknown])[] {
    this.#check();
    return [...this.#records]
      .filter(([name]) => name.startsWith(prefix))
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([name, text]) => [name, JSON.parse(text)]);
  }

  entry(store: EntryStore, key: Uint8Array): Uint8Array | undefined {
    this.#check();
    checkEntryKey(key);
    return this.#stores[store].get(key)?.slice();
  }

  entries(store: EntryStore, range: EntryRange): (readonly [key: Uint8Array, value: Uint8Array])[] {
    this.#check();
    if (!checkEntryRange(range)) return [];
    return this.#stores[store].range(range).map(([key, value]) => [key, value.slice()]);
  }

  entryKeys(store: EntryStore, range: EntryRange): Uint8Array[] {
    this.#check();
    if (!checkEntryRange(range)) return [];
    return this.#stores[store].range({ ...range, maxBytes: Number.POSITIVE_INFINITY }).map(([key]) => key);
  }

  countEntries(store: EntryStore, range: EntryRange): number {
    this.#check();
    return checkEntryRange(range) ? this.#stores[store].count(range) : 0;
  }

  async dropEntries(store: EntryStore, range: EntryRange): Promise<void> {
    this.#check();
    if (!checkEntryRange(range)) return;
    await this.#queue(() => {
      for (const [key] of this.#stores[store].range(range)) this.#stores[store].set(key, null);
    });
  }

  async commit(change: Change): Promise<void> {
    this.#check();
    const prepared = prepareChange(change);
    await this.#queue(() => this.#apply(prepared));
  }

  async flushed(): Promise<void> {
    this.#check();
    await this.#pending;
  }

  async dropChannel(channel: number): Promise<void> {
    this.#check();
    await this.#queue(() => {
      this.#dropTiles(channel);
      for (const [key] of this.#stores.log.range(logRange(channel))) this.#stores.log.set(key, null);
      for (const [key] of this.#stores.rows.range(rowsRange(channel))) this.#stores.rows.set(key, null);
    });
  }

  async dropTiles(channel: number): Promise<void> {
    this.#check();
    await this.#queue(() => this.#dropTiles(channel));
  }

  async dropEditedTiles(channel: number): Promise<void> {
    this.#check();
    const prefix = hex(tileRange(channel).start);
    await this.#queue(() => {
      for (const [place, versions] of this.#tiles) {
        if (!place.startsWith(prefix)) continue;
        for (const version of [...versions.keys()]) if (version > 0) versions.delete(version);
      }
    });
  }

  async backup(_dir: string): Promise<void> {
    this.#check();
    throw new BflyError('UNSUPPORTED', 'a database in memory has no copy: only one in a folder can be backed up');
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pending;
  }

  /** Does something after all that was asked for before: nobody may count on seeing a change before its promise resolves. */
  async #queue(change: () => void): Promise<void> {
    this.#pending = this.#pending.then(change);
    await this.#pending;
  }

  #dropTiles(channel: number): void {
    const prefix = hex(tileRange(channel).start);
    for (const place of [...this.#tiles.keys()]) if (place.startsWith(prefix)) this.#tiles.delete(place);
  }

  #apply({ tiles, records, entries }: PreparedChange): void {
    for (const { key, frame, version } of tiles) {
      const place = hex(key.subarray(0, TILE_VERSION_OFFSET));
      let versions = this.#tiles.get(place);
      if (versions === undefined) {
        versions = new Map();
        this.#tiles.set(place, versions);
      }
      versions.set(version, frame);
    }
    for (const { name, text } of records) {
      const key = Buffer.from(name).toString('utf8');
      if (text === undefined) this.#records.delete(key);
      else this.#records.set(key, text);
    }
    for (const { store, key, value } of entries) this.#stores[store].set(key, value);
  }

  #versions(key: TileKey): Map<number, Uint8Array> | undefined {
    this.#check();
    return this.#tiles.get(hex(tileKey(key).subarray(0, TILE_VERSION_OFFSET)));
  }

  #newest(key: TileKey): Uint8Array | undefined {
    const versions = this.#versions(key);
    let newest = -1;
    for (const version of versions?.keys() ?? []) if (version <= key.version && version > newest) newest = version;
    return versions?.get(newest);
  }

  #check(): void {
    if (this.#closed) throw new BflyError('UNAVAILABLE', 'the database is closed: open it again');
  }
}
