/** A naive model of a store, and random steps to take in both. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Change, Database, EntryStore, TileKey } from '../../src/database/database.ts';
import { logRange, rowsRange } from '../../src/database/keys.ts';
import { ALL_ENTRIES, frameOf, noiseOf } from './stored-things.ts';

/** Something done to a store. */
export type Step =
  | {
      readonly kind: 'commit';
      readonly tiles: readonly (readonly [TileKey, number])[];
      readonly records: [string, unknown][];
      /** Null removes an entry, a number is the length of its value. */
      readonly entries: readonly (readonly [store: EntryStore, key: readonly number[], size: number | null])[];
      /** Whether the next step waits for it. */
      readonly isAwaited: boolean;
    }
  | { readonly kind: 'drop' | 'drop tiles' | 'drop edited'; readonly channel: number }
  | { readonly kind: 'drop entries'; readonly store: EntryStore; readonly ends: readonly (readonly number[])[] }
  | { readonly kind: 'reopen' };

type CommitStep = Extract<Step, { kind: 'commit' }>;

const STORES = ['log', 'rows'] as const;
const CHANNELS = [1, 2, 256, 2 ** 32 - 1];
const VERSIONS = [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const INDICES = [0, 1, 127, 128, 2 ** 21 - 1];
const SIZES = [0, 1, 300, 3000, 40_000, 90_000];

const tileArbitrary = fc.record({
  channel: fc.constantFrom(...CHANNELS),
  mip: fc.constantFrom(0, 1, 255),
  x: fc.constantFrom(...INDICES),
  y: fc.constantFrom(0, 1),
  z: fc.constantFrom(0, 2 ** 21 - 1),
  version: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(...VERSIONS) }),
});
const storeArbitrary = fc.constantFrom(...STORES);
const byteArbitrary = fc.constantFrom(0, 1, 2, 127, 128, 254, 255);
/** Keys under the number of a channel, and others; few, so that they meet. */
const keyArbitrary = fc.oneof(
  fc.tuple(fc.constantFrom(...CHANNELS), fc.array(byteArbitrary, { maxLength: 2 })).map(([number, rest]) => {
    return [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255, ...rest];
  }),
  fc.array(byteArbitrary, { minLength: 1, maxLength: 3 }),
);
const channelArbitrary = fc.constantFrom(...CHANNELS);

/** Steps of all kinds. */
export const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      tiles: fc.array(fc.tuple(tileArbitrary, fc.nat(255)), { maxLength: 6 }),
      records: fc.array(fc.tuple(fc.constantFrom('a', 'ab', 'b', 'ä'), fc.option(fc.jsonValue({ maxDepth: 1 }))), {
        maxLength: 3,
      }),
      entries: fc.array(fc.tuple(storeArbitrary, keyArbitrary, fc.option(fc.constantFrom(...SIZES), { freq: 3 })), {
        maxLength: 12,
      }),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('drop' as const, 'drop tiles' as const, 'drop edited' as const),
      channel: channelArbitrary,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('drop entries' as const),
      store: storeArbitrary,
      ends: fc.tuple(keyArbitrary, keyArbitrary),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

/** Takes a step in a store; reopening is the caller's. */
export async function takeStep(database: Database, step: Step): Promise<void> {
  if (step.kind === 'commit') await database.commit(changeOf(step));
  else if (step.kind === 'drop') await database.dropChannel(step.channel);
  else if (step.kind === 'drop tiles') await database.dropTiles(step.channel);
  else if (step.kind === 'drop edited') await database.dropEditedTiles(step.channel);
  else if (step.kind === 'drop entries') await database.dropEntries(step.store, rangeOf(step.ends));
}

/** Removes everything that steps may have written. */
export async function clear(database: Database): Promise<void> {
  for (const channel of CHANNELS) await database.dropChannel(channel);
  for (const store of STORES) await database.dropEntries(store, ALL_ENTRIES);
  await database.commit({ records: database.records('').map(([record]) => [record, null]) });
}

function changeOf({ tiles, records, entries }: CommitStep): Change {
  return {
    tiles: tiles.map(([key, seed]) => ({ key, frame: frameOf(seed) })),
    records,
    entries: entries.map(([store, key, size]) => ({ store, key: Uint8Array.from(key), value: storedValue(key, size) })),
  };
}

function storedValue(key: readonly number[], size: number): Uint8Array;
function storedValue(key: readonly number[], size: number | null): Uint8Array | null;
function storedValue(key: readonly number[], size: number | null): Uint8Array | null {
  return size === null ? null : noiseOf(key.length * 1000 + Number(key.at(-1)) + size, size);
}

function rangeOf(ends: readonly (readonly number[])[]): { readonly start: Uint8Array; readonly end: Uint8Array } {
  return { start: Uint8Array.from(ends[0] ?? []), end: Uint8Array.from(ends[1] ?? []) };
}

/** The contract at its plainest: lists of all that was written. */
export class DatabaseModel {
  #tiles: { readonly key: TileKey; readonly seed: number }[] = [];
  readonly #records = new Map<string, unknown>();
  #entries: { readonly store: EntryStore; readonly key: readonly number[]; readonly size: number }[] = [];
  /** Ends of ranges that are looked at, besides those of channels. */
  readonly #ends: (readonly number[])[] = [[], [0], [255, 255, 255, 255, 255]];

  /** Does in the model what a step does. */
  apply(step: Step): void {
    if (step.kind === 'commit') this.#write(step);
    if (step.kind === 'drop entries') this.#drop(step.store, rangeOf(step.ends));
    if (step.kind === 'drop') for (const store of STORES) this.#drop(store, ownRange(store, step.channel));
    if (step.kind === 'drop' || step.kind === 'drop tiles' || step.kind === 'drop edited') {
      const leastDropped = step.kind === 'drop edited' ? 1 : 0;
      this.#tiles = this.#tiles.filter(({ key }) => key.channel !== step.channel || key.version < leastDropped);
    }
  }

  /** Compares the model with a store that has taken the same steps. */
  check(database: Database): void {
    this.#checkTiles(database);
    for (const prefix of ['', 'a', 'ä']) {
      const expected = [...this.#records]
        .filter(([name]) => name.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1));
      // As JSON: -0 and 0 are one.
      expect(JSON.stringify(database.records(prefix))).toBe(JSON.stringify(expected));
    }
    for (const store of STORES) this.#checkEntries(database, store);
  }

  #write({ tiles, records, entries }: CommitStep): void {
    for (const [key, seed] of tiles) this.#tiles.push({ key, seed });
    for (const [name, value] of records) {
      if (value === null) this.#records.delete(name);
      else this.#records.set(name, value);
    }
    for (const [store, key, size] of entries) {
      const isOther = (entry: { readonly store: EntryStore; readonly key: readonly number[] }): boolean =>
        entry.store !== store || entry.key.join() !== key.join();
      this.#entries = this.#entries.filter(isOther);
      if (size !== null) this.#entries.push({ store, key, size });
      if (this.#ends.length < 8) this.#ends.push(key);
    }
  }

  #drop(store: EntryStore, { start, end }: { readonly start: Uint8Array; readonly end: Uint8Array }): void {
    const isDropped = (key: readonly number[]): boolean => isIn(key, start, end);
    this.#entries = this.#entries.filter((entry) => entry.store !== store || !isDropped(entry.key));
  }

  #checkEntries(database: Database, store: EntryStore): void {
    const all = this.#entries
      .filter((entry) => entry.store === store)
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
      .map(({ key, size }) => ({ key, text: textOf(Uint8Array.from(key), storedValue(key, size)) }));
    for (const end of this.#ends.filter(({ length }) => length > 0)) {
      const key = Uint8Array.from(end);
      const value = database.entry(store, key);
      const expected = all.find((entry) => Buffer.compare(Buffer.from(entry.key), key) === 0)?.text;
      expect(value === undefined ? undefined : textOf(key, value)).toBe(expected);
    }
    for (const first of this.#ends) {
      for (const last of this.#ends) {
        const range = rangeOf([first, last]);
        const texts = all.filter(({ key }) => isIn(key, range.start, range.end)).map(({ text }) => text);
        expect(database.countEntries(store, range)).toBe(texts.length);
        for (const reverse of [false, true]) {
          const inOrder = reverse ? [...texts].reverse() : texts;
          for (const limit of [undefined, 2]) {
            const bounds = { ...range, reverse, ...(limit === undefined ? {} : { limit }) };
            expect(database.entryKeys(store, bounds).map(([...key]) => key)).toEqual(
              database.entries(store, bounds).map(([[...key]]) => key),
            );
            expect(database.entries(store, bounds).map(([key, value]) => textOf(key, value))).toEqual(
              inOrder.slice(0, limit),
            );
          }
        }
      }
    }
  }

  #checkTiles(database: Database): void {
    const places = new Map(this.#tiles.map(({ key }) => [placeOf(key), key]));
    for (const place of places.values()) {
      for (const version of [...VERSIONS, 77]) {
        const key = { ...place, version };
        const seed = this.#newest(key);
        const expected = seed === undefined ? undefined : Buffer.from(frameOf(seed)).toString('hex');
        for (const frame of [database.tileBorrowed(key), database.tile(key)])
          expect(frame === undefined ? undefined : Buffer.from(frame).toString('hex')).toBe(expected);
        expect(database.hasTile(key)).toBe(this.#tiles.some((tile) => sameKey(tile.key, key)));
      }
    }
    for (const channel of CHANNELS)
      for (const mip of [0, 1, 255]) expect(database.countTiles(channel, mip)).toBe(this.#count(channel, mip));
  }

  #newest(key: TileKey): number | undefined {
    let found: { readonly key: TileKey; readonly seed: number } | undefined;
    for (const tile of this.#tiles)
      if (placeOf(tile.key) === placeOf(key) && tile.key.version <= key.version)
        if (found === undefined || tile.key.version >= found.key.version) found = tile;
    return found?.seed;
  }

  #count(channel: number, mip: number): number {
    const level = this.#tiles.filter(({ key }) => key.channel === channel && key.mip === mip);
    return new Set(level.map(({ key }) => `${placeOf(key)} ${key.version}`)).size;
  }
}

function ownRange(store: EntryStore, channel: number): { readonly start: Uint8Array; readonly end: Uint8Array } {
  return store === 'log' ? logRange(channel) : rowsRange(channel);
}

function isIn(key: readonly number[], start: Uint8Array, end: Uint8Array): boolean {
  const bytes = Buffer.from(key);
  return Buffer.compare(bytes, start) >= 0 && Buffer.compare(bytes, end) < 0;
}

/** An entry as text; of a long value its length and its last bytes. */
function textOf(key: Uint8Array, value: Uint8Array): string {
  return `${key.join('.')} ${value.length} ${Buffer.from(value.subarray(-300)).toString('hex')}`;
}

function placeOf({ channel, mip, x, y, z }: TileKey): string {
  return [channel, mip, x, y, z].join(' ');
}

function sameKey(a: TileKey, b: TileKey): boolean {
  return placeOf(a) === placeOf(b) && a.version === b.version;
}
