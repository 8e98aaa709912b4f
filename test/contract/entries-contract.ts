/** What every store does with the entries of its log and its rows; a part of `database-contract.ts`. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Database, EntryRange, EntryWrite } from '../../src/database/database.ts';
import { logRange, logRecordKey, MAX_KEY_BYTES } from '../../src/database/keys.ts';
import { ALL_ENTRIES, bytes, frameOf, keyOf, noiseOf, sameBytes } from '../support/stored-things.ts';

/** Key bytes of their text, which is numbers with dots between. */
const bufferOf = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

/** Defines the tests for the store that `current` gives. */
export function entriesContract(current: () => Database): void {
  describe('entries', () => {
    let database: Database;
    beforeEach(() => {
      database = current();
    });
    const write = async (...entries: EntryWrite[]): Promise<void> => await database.commit({ entries });
    const inLog = (key: Uint8Array, value: Uint8Array | null): EntryWrite => ({ store: 'log', key, value });
    const keysOf = (range: EntryRange): string[] => database.entries('log', range).map(([key]) => key.join('.'));

    it('are given back as they were written, at once after the commit', async () => {
      await write(inLog(bytes(1), bytes(5, 6)), inLog(bytes(2), bytes()));
      expect([...(database.entry('log', bytes(1)) ?? [])]).toEqual([5, 6]);
      expect(database.entry('log', bytes(2))).toHaveLength(0);
      expect(database.entry('log', bytes(3))).toBeUndefined();
      expect(database.entry('log', bytes(1, 0))).toBeUndefined();
      expect(database.entry('rows', bytes(1))).toBeUndefined();
    });

    it('of one store are not those of the other, nor tiles, nor records', async () => {
      await write(inLog(bytes(97), bytes(1)), { store: 'rows', key: bytes(97), value: bytes(2) });
      expect(database.entry('log', bytes(97))?.[0]).toBe(1);
      expect(database.entry('rows', bytes(97))?.[0]).toBe(2);
      expect(database.records('')).toEqual([]);
      expect(database.countTiles(1, 0)).toBe(0);
    });

    it('are replaced and removed, in the order in which a change names them', async () => {
      await write(inLog(bytes(1), bytes(1)), inLog(bytes(1), bytes(2)), inLog(bytes(2), bytes(1)));
      expect(database.entry('log', bytes(1))?.[0]).toBe(2);
      await write(inLog(bytes(1), null), inLog(bytes(1), bytes(3)), inLog(bytes(2), null), inLog(bytes(9), null));
      expect(database.entry('log', bytes(1))?.[0]).toBe(3);
      expect(database.entry('log', bytes(2))).toBeUndefined();
      await write(inLog(bytes(1), bytes(4)), inLog(bytes(1), null));
      expect(database.countEntries('log', ALL_ENTRIES)).toBe(0);
    });

    it('are taken when commit is called, so that the caller may overwrite them', async () => {
      const [key, value] = [bytes(1, 2), noiseOf(5, 3000)];
      const done = write(inLog(key, value));
      key.fill(0);
      value.fill(0);
      await done;
      expect(sameBytes(database.entry('log', bytes(1, 2)), noiseOf(5, 3000))).toBe(true);
      expect(database.entry('log', bytes(0, 0))).toBeUndefined();
    });

    it('that were lent, and tiles, stay as they were when the commit settled', async () => {
      const [key, value, frame] = [bytes(1, 2), noiseOf(5, 3000), frameOf(9)];
      const stored = new Uint8Array(frame);
      await database.commit({ entries: [inLog(key, value)], tiles: [{ key: keyOf(), frame }], isLent: true });
      for (const lent of [key, value, frame]) lent.fill(0);
      expect(sameBytes(database.entry('log', bytes(1, 2)), noiseOf(5, 3000))).toBe(true);
      expect(sameBytes(database.tile(keyOf()), stored)).toBe(true);
    });

    it('are owned by who reads them', async () => {
      await write(inLog(bytes(1), bytes(5, 6)), inLog(bytes(2), bytes(7)));
      const [one, list] = [database.entry('log', bytes(1)), database.entries('log', ALL_ENTRIES)];
      // A slice that shares memory, as Buffer's does, would be no copy.
      for (const owned of [one, ...list.flat()]) expect(owned?.constructor).toBe(Uint8Array);
      for (const owned of [one, ...list.flat()]) owned?.fill(99);
      expect(database.entries('log', ALL_ENTRIES).map(([key, value]) => [...key, ...value])).toEqual([
        [1, 5, 6],
        [2, 7],
      ]);
      database.entry('log', bytes(2));
      expect(one).toEqual(bytes(99, 99));
    });

    it('come in the order of their bytes, the shorter of two that begin alike first', async () => {
      const keys = [[255, 255], [0], [1], [1, 0], [1, 0, 0], [1, 255], [2], [127], [128], [255]];
      await write(...[...keys].reverse().map((key) => inLog(bytes(...key), bytes(1))));
      const sorted = keys.map((key) => key.join('.')).sort((a, b) => Buffer.compare(bufferOf(a), bufferOf(b)));
      expect(keysOf(ALL_ENTRIES)).toEqual(sorted);
      expect(keysOf({ ...ALL_ENTRIES, reverse: true })).toEqual([...sorted].reverse());
    });

    it('of a range are those from its start to before its end, whether those are there or not', async () => {
      await write(...[10, 20, 30, 40].map((n) => inLog(bytes(n), bytes(n))));
      for (const reverse of [false, true]) {
        const between = (start: number, end: number, limit?: number): number[] =>
          database
            .entries('log', {
              start: bytes(start),
              end: bytes(end),
              reverse,
              ...(limit === undefined ? {} : { limit }),
            })
            .map(([, value]) => Number(value[0]));
        const inOrder = (...list: number[]): number[] => (reverse ? list.reverse() : list);
        expect(between(20, 40)).toEqual(inOrder(20, 30));
        expect(between(15, 35)).toEqual(inOrder(20, 30));
        expect(between(20, 20)).toEqual([]);
        expect(between(40, 10)).toEqual([]);
        expect(between(0, 10)).toEqual([]);
        expect(between(41, 255)).toEqual([]);
        expect(between(0, 255, 2)).toEqual(reverse ? [40, 30] : [10, 20]);
        expect(between(0, 255, 0)).toEqual([]);
        expect(between(0, 255, 9)).toEqual(inOrder(10, 20, 30, 40));
      }
      expect(database.countEntries('log', { start: bytes(15), end: bytes(40) })).toBe(2);
      expect(database.countEntries('log', { start: bytes(15), end: bytes(40), limit: 1 })).toBe(1);
      expect(database.countEntries('log', { start: bytes(40), end: bytes(15) })).toBe(0);
      expect(database.countEntries('rows', ALL_ENTRIES)).toBe(0);
    });

    it('of a range may be read up to so many bytes of values, one at least, and the rest behind the last', async () => {
      await write(...[100, 200, 0, 300, 1].map((size, n) => inLog(bytes(n + 1), noiseOf(n, size))));
      const sizes = (maxBytes: number, more: Partial<EntryRange> = {}): number[] =>
        database.entries('log', { ...ALL_ENTRIES, maxBytes, ...more }).map(([, value]) => value.length);
      expect(sizes(0)).toEqual([100]);
      expect(sizes(100)).toEqual([100]);
      expect(sizes(101)).toEqual([100, 200]);
      expect(sizes(301)).toEqual([100, 200, 0, 300]);
      expect(sizes(600)).toEqual([100, 200, 0, 300]);
      expect(sizes(601)).toEqual([100, 200, 0, 300, 1]);
      expect(sizes(Number.POSITIVE_INFINITY)).toEqual([100, 200, 0, 300, 1]);
      expect(sizes(601, { limit: 2 })).toEqual([100, 200]);
      expect(sizes(2, { reverse: true })).toEqual([1, 300]);
      expect(sizes(100, { start: bytes(1, 0) })).toEqual([200]);
      for (const maxBytes of [-1, Number.NaN])
        expect(() => sizes(maxBytes)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    });

    it('may be asked for their keys alone, which are owned by who reads them', async () => {
      await write(...[10, 20, 30, 40].map((n) => inLog(bytes(n), noiseOf(n, 50_000))));
      const keys = (range: Partial<EntryRange> = {}): Uint8Array[] =>
        database.entryKeys('log', { ...ALL_ENTRIES, ...range });
      expect(keys().map(([n]) => n)).toEqual([10, 20, 30, 40]);
      expect(keys({ start: bytes(20), end: bytes(40) }).map(([n]) => n)).toEqual([20, 30]);
      expect(keys({ reverse: true, limit: 2 }).map(([n]) => n)).toEqual([40, 30]);
      expect(keys({ maxBytes: 1 })).toHaveLength(4);
      expect(keys({ start: bytes(40), end: bytes(10) })).toEqual([]);
      expect(database.entryKeys('rows', ALL_ENTRIES)).toEqual([]);
      for (const key of keys()) {
        expect(key.constructor).toBe(Uint8Array);
        key.fill(99);
      }
      expect(keys().map(([n]) => n)).toEqual([10, 20, 30, 40]);
    });

    it('may have keys of 1978 bytes and large values, also many in one range', async () => {
      const sizes = [100_000, 3, 40_000, 0, 1_000_000, 20_000, 70_000];
      const long = new Uint8Array(MAX_KEY_BYTES).fill(7);
      await write(...sizes.map((size, n) => inLog(bytes(1, n), noiseOf(n, size))), inLog(long, bytes(1)));
      const found = database.entries('log', { start: bytes(1), end: bytes(2) });
      expect(found.map(([, value]) => value.length)).toEqual(sizes);
      found.forEach(([, value], n) => {
        expect(sameBytes(value, noiseOf(n, sizes[n] ?? 0))).toBe(true);
      });
      expect(sameBytes(database.entry('log', bytes(1, 4)), noiseOf(4, 1_000_000))).toBe(true);
      expect(database.entry('log', long)).toEqual(bytes(1));
      expect(database.countEntries('log', { start: long, end: bytes(8) })).toBe(1);
    });

    it('cannot have keys of no bytes or of more than 1978', async () => {
      for (const key of [bytes(), new Uint8Array(MAX_KEY_BYTES + 1)]) {
        await expect(write(inLog(bytes(1), bytes(1)), inLog(key, bytes(1)))).rejects.toMatchObject({
          code: 'INTERNAL',
        });
        expect(() => database.entry('log', key)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
      }
      const end = new Uint8Array(MAX_KEY_BYTES + 1);
      for (const range of [
        { start: bytes(), end },
        { start: bytes(), end: bytes(9), limit: 0.5 },
      ]) {
        const refused = expect.objectContaining({ code: 'INTERNAL' });
        expect(() => database.entries('log', range)).toThrow(refused);
        expect(() => database.entryKeys('log', range)).toThrow(refused);
        expect(() => database.countEntries('log', range)).toThrow(refused);
        await expect(database.dropEntries('log', range)).rejects.toEqual(refused);
      }
      expect(database.countEntries('log', ALL_ENTRIES)).toBe(0);
    });

    it('are written together with tiles and records, or not at all', async () => {
      const entries = [inLog(bytes(1), bytes(1)), { store: 'rows', key: bytes(2), value: bytes(2) } as const];
      const tiles = [{ key: keyOf({ version: 3 }), frame: frameOf(1) }];
      await expect(database.commit({ entries, tiles, records: [['', 1]] })).rejects.toMatchObject({
        code: 'BAD_REQUEST',
      });
      await expect(
        database.commit({ entries: [...entries, inLog(bytes(), null)], tiles, records: [['a', 1]] }),
      ).rejects.toMatchObject({ code: 'INTERNAL' });
      await database.flushed();
      const counts = (): number[] => [
        database.countEntries('log', ALL_ENTRIES),
        database.countEntries('rows', ALL_ENTRIES),
        database.countTiles(1, 0),
        database.records('').length,
      ];
      expect(counts()).toEqual([0, 0, 0, 0]);
      await database.commit({ entries, tiles, records: [['a', 1]] });
      expect(counts()).toEqual([1, 1, 1, 1]);
    });

    it('of commits in one tick become visible and are promised in the order of the calls', async () => {
      const done: number[] = [];
      let visible = 0;
      await Promise.all(
        Array.from({ length: 300 }, async (_, seq) => {
          await write(inLog(logRecordKey(1, seq + 1), bytes(seq & 255)), inLog(bytes(9), bytes(seq & 255)));
          done.push(seq);
          const count = database.countEntries('log', logRange(1));
          // Those before it at least, and never one fewer than before.
          expect(count).toBeGreaterThan(seq);
          expect(count).toBeGreaterThanOrEqual(visible);
          visible = count;
        }),
      );
      expect(done).toEqual(Array.from({ length: 300 }, (_, seq) => seq));
      expect(database.entry('log', bytes(9))?.[0]).toBe(299 & 255);
    });

    it('of a range are removed, also those of commits that are under way, and no others', async () => {
      const entries = Array.from({ length: 3000 }, (_, seq) => inLog(logRecordKey(seq < 10 ? 1 : 2, seq), bytes(1)));
      const written = write(...entries, { store: 'rows', key: logRecordKey(2, 1), value: bytes(1) });
      await database.dropEntries('log', logRange(2));
      await written;
      expect(database.countEntries('log', ALL_ENTRIES)).toBe(10);
      expect(database.countEntries('rows', ALL_ENTRIES)).toBe(1);
      await database.dropEntries('log', { start: logRecordKey(1, 5), end: logRecordKey(1, 7) });
      expect(database.countEntries('log', ALL_ENTRIES)).toBe(8);
      await database.dropEntries('log', { start: bytes(5), end: bytes(3) });
      await database.dropEntries('rows', { start: bytes(5), end: bytes(6) });
      expect(database.countEntries('log', ALL_ENTRIES)).toBe(8);
    });
  });
}
