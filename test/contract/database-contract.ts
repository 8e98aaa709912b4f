/** What every store does. Run by `test/database/*.test.ts`. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { TILE_HEADER_BYTES } from '../../protocol/tile-frame.ts';
import type { Change, Database, TileKey } from '../../src/database/database.ts';
import { logRange, logRecordKey, MAX_KEY_BYTES, rowsRange } from '../../src/database/keys.ts';
import { clear, DatabaseModel, stepArbitrary, takeStep } from '../support/database-model.ts';
import { ALL_ENTRIES, bytes, frameOf, keyOf, noiseOf } from '../support/stored-things.ts';
import { entriesContract } from './entries-contract.ts';

/** A store under test; `reopen` closes it and opens what it has kept. */
export interface OpenedDatabase {
  readonly database: Database;
  readonly reopen?: () => Promise<Database>;
}

const SEED = Number(process.env['BFLY_SEED'] ?? 20_261_123);

/** Defines the suite for one implementation. */
export function databaseContract(name: string, open: () => Promise<OpenedDatabase>): void {
  describe(`${name} keeps the contract of a database`, () => {
    let opened: OpenedDatabase;
    let database: Database;
    beforeEach(async () => {
      opened = await open();
      database = opened.database;
    });
    afterEach(async () => {
      await database.close();
    });

    const put = async (key: TileKey, seed: number): Promise<void> =>
      await database.commit({ tiles: [{ key, frame: frameOf(seed) }] });
    const bytesOf = (frame: Uint8Array | undefined): number[] | undefined => (frame === undefined ? frame : [...frame]);

    describe('tiles', () => {
      it('gives back the frame as it was written, at once after the commit', async () => {
        await put(keyOf({ x: 3 }), 7);
        expect(bytesOf(database.tile(keyOf({ x: 3 })))).toEqual([...frameOf(7)]);
        expect(bytesOf(database.tileBorrowed(keyOf({ x: 3 })))).toEqual([...frameOf(7)]);
      });

      it('knows nothing of tiles that were not written', async () => {
        await put(keyOf({ x: 3, y: 1 }), 7);
        for (const other of [{ x: 2, y: 1 }, { x: 4, y: 1 }, { x: 3 }, { mip: 1 }, { channel: 2 }, { z: 1 }]) {
          const key = keyOf({ x: 3, y: 1, ...other, ...(other.x === 3 ? { y: 0 } : {}) });
          expect(database.tile(key)).toBeUndefined();
          expect(database.tileBorrowed(key)).toBeUndefined();
          expect(database.hasTile(key)).toBe(false);
        }
      });

      it('replaces a tile of the same key', async () => {
        await put(keyOf(), 1);
        await put(keyOf(), 2);
        expect(bytesOf(database.tile(keyOf()))).toEqual([...frameOf(2)]);
        expect(database.countTiles(1, 0)).toBe(1);
      });

      it('takes the bytes when commit is called, so that the caller may overwrite them', async () => {
        const frame = frameOf(5);
        const done = database.commit({ tiles: [{ key: keyOf(), frame }] });
        frame.fill(0);
        await done;
        expect(bytesOf(database.tile(keyOf()))).toEqual([...frameOf(5)]);
      });

      it('lends bytes whose header may be overwritten without a change to the store', async () => {
        await put(keyOf(), 5);
        await put(keyOf({ x: 1 }), 6);
        const owned = database.tile(keyOf());
        database.tileBorrowed(keyOf())?.fill(0, 0, TILE_HEADER_BYTES);
        expect(bytesOf(owned)).toEqual([...frameOf(5)]);
        database.tileBorrowed(keyOf({ x: 1 }));
        expect(bytesOf(owned)).toEqual([...frameOf(5)]);
        expect(bytesOf(database.tile(keyOf()))).toEqual([...frameOf(5)]);
      });

      it('lends views of exactly the frame, of whatever size', async () => {
        const sizes = [64, 65, 200_000, 1000, 40_000, 64, 1_000_000];
        const tiles = sizes.map((size, x) => ({ key: keyOf({ x }), frame: frameOf(x, size) }));
        await database.commit({ tiles });
        for (const { key, frame } of tiles) {
          const lent = database.tileBorrowed(key);
          expect(lent?.byteLength).toBe(frame.length);
          expect(lent === undefined ? -1 : Buffer.compare(new Uint8Array(lent), frame)).toBe(0);
          expect(lent === undefined ? -1 : lent.subarray().length).toBe(frame.length);
        }
      });

      it('keeps bytes that do not compress, that are all one, and that begin with 255', async () => {
        const frames = [
          noiseOf(SEED, 70_000),
          new Uint8Array(70_000).fill(255),
          new Uint8Array(64).fill(254),
          new Uint8Array(70_000),
        ];
        await database.commit({ tiles: frames.map((frame, x) => ({ key: keyOf({ x }), frame })) });
        frames.forEach((frame, x) => {
          expect(Buffer.compare(database.tile(keyOf({ x })) ?? new Uint8Array(), frame)).toBe(0);
        });
      });

      it('gives the newest version that is not above the one asked for', async () => {
        for (const version of [0, 5, 9]) await put(keyOf({ x: 2, version }), version);
        await put(keyOf({ x: 1, version: 7 }), 100);
        await put(keyOf({ x: 3 }), 101);
        const at = (version: number): number[] | undefined => bytesOf(database.tileBorrowed(keyOf({ x: 2, version })));
        for (const [asked, found] of [
          [0, 0],
          [4, 0],
          [5, 5],
          [8, 5],
          [9, 9],
          [Number.MAX_SAFE_INTEGER, 9],
        ] as const)
          expect(at(asked), `at ${asked}`).toEqual([...frameOf(found)]);
        expect(database.tile(keyOf({ x: 1, version: 6 }))).toBeUndefined();
        expect(bytesOf(database.tile(keyOf({ x: 3, version: 8 })))).toEqual([...frameOf(101)]);
      });

      it('finds version 0 when a newer one is asked for in a channel that was never edited', async () => {
        await put(keyOf({ x: 2 }), 1);
        expect(bytesOf(database.tileBorrowed(keyOf({ x: 2, version: 77 })))).toEqual([...frameOf(1)]);
        expect(database.tileBorrowed(keyOf({ x: 1, version: 77 }))).toBeUndefined();
      });

      it('says of exactly one version whether it is stored', async () => {
        await put(keyOf({ version: 5 }), 1);
        expect([0, 4, 5, 6].map((version) => database.hasTile(keyOf({ version })))).toEqual([
          false,
          false,
          true,
          false,
        ]);
      });

      it('counts the tiles of one level, all versions', async () => {
        const keys = [{}, { x: 1 }, { x: 1, version: 4 }, { x: 2 ** 21 - 1, y: 2 ** 21 - 1, z: 2 ** 21 - 1 }];
        const others = [{ mip: 1 }, { channel: 2 }];
        await database.commit({ tiles: [...keys, ...others].map((key) => ({ key: keyOf(key), frame: frameOf(1) })) });
        expect([database.countTiles(1, 0), database.countTiles(1, 1), database.countTiles(2, 0)]).toEqual([4, 1, 1]);
        expect([database.countTiles(1, 255), database.countTiles(3, 0)]).toEqual([0, 0]);
      });

      it('keeps keys at the ends of their ranges apart', async () => {
        const last = 2 ** 21 - 1;
        const keys = [
          { channel: 2 ** 32 - 1, mip: 255, x: last, y: last, z: last, version: Number.MAX_SAFE_INTEGER },
          { channel: 2 ** 32 - 1, mip: 255, x: last, y: last, z: last - 1 },
          { channel: 255, mip: 255, x: last },
          { channel: 256, y: last },
        ].map(keyOf);
        await database.commit({ tiles: keys.map((key, i) => ({ key, frame: frameOf(i) })) });
        keys.forEach((key, i) => {
          expect(bytesOf(database.tile(key))).toEqual([...frameOf(i)]);
        });
        expect(database.countTiles(2 ** 32 - 1, 255)).toBe(2);
        await database.dropChannel(255);
        expect(keys.map((key) => database.hasTile(key))).toEqual([true, true, false, true]);
      });
    });

    describe('records', () => {
      it('gives back JSON values', async () => {
        const values = [{ a: [1, 'ä', null] }, [], 'text', 0, false, 1e300, { deep: { er: [{}] } }];
        await database.commit({ records: values.map((value, i) => [`r/${i}`, value]) });
        expect(values.map((_, i) => database.record(`r/${i}`))).toEqual(values);
        expect(database.record('r/none')).toBeUndefined();
      });

      it('removes a record that is set to null', async () => {
        await database.commit({ records: [['a', 1]] });
        await database.commit({ records: [['a', null]] });
        await database.commit({ records: [['never', null]] });
        expect(database.record('a')).toBeUndefined();
        expect(database.records('')).toEqual([]);
      });

      it('lists those with a prefix in the order of their bytes', async () => {
        const names = [
          'b',
          'channel/10',
          'channel/2',
          'channel/ä',
          'channel/\u{1f98b}',
          'channel/\uffee',
          'channel',
          'd',
        ];
        await database.commit({ records: names.map((text) => [text, text]) });
        const sorted = names
          .filter((text) => text.startsWith('channel/'))
          .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(database.records('channel/')).toEqual(sorted.map((text) => [text, text]));
        expect(database.records('')).toHaveLength(names.length);
        expect(database.records('x')).toEqual([]);
      });

      it('lets the last of two values in one change win', async () => {
        await database.commit({
          records: [
            ['a', 1],
            ['a', 2],
            ['b', 1],
            ['b', null],
          ],
        });
        expect(database.records('')).toEqual([['a', 2]]);
      });

      it('takes names up to 512 bytes and values up to 1 MiB', async () => {
        const nameOf = (length: number): string => 'ä'.repeat(length / 2);
        const textOf = (length: number): string => 'x'.repeat(length - 2);
        await database.commit({ records: [[nameOf(512), textOf(2 ** 20)]] });
        expect(database.record(nameOf(512))).toBe(textOf(2 ** 20));
        expect(database.records('ä')).toHaveLength(1);
        await expect(database.commit({ records: [[nameOf(514), 1]] })).rejects.toMatchObject({ code: 'TOO_LARGE' });
        await expect(database.commit({ records: [['a', textOf(2 ** 20 + 1)]] })).rejects.toMatchObject({
          code: 'TOO_LARGE',
        });
      });
    });

    describe('dropTiles and dropEditedTiles', () => {
      it('remove all tiles of a channel, or those of a version above 0, and nothing else', async () => {
        const tiles = [1, 2].flatMap((channel) =>
          [0, 1, 2 ** 32, 2 ** 53 - 1].flatMap((version) =>
            Array.from({ length: 400 }, (_, x) => ({
              key: keyOf({ channel, x, version, mip: x % 2 }),
              frame: frameOf(x),
            })),
          ),
        );
        await database.commit({ tiles, entries: [{ store: 'log', key: logRecordKey(2, 1), value: bytes(1) }] });
        const counts = (): number[] =>
          [1, 2].flatMap((channel) => [0, 1].map((mip) => database.countTiles(channel, mip)));
        expect(counts()).toEqual([800, 800, 800, 800]);
        await database.dropEditedTiles(2);
        expect(counts()).toEqual([800, 800, 200, 200]);
        expect(bytesOf(database.tile(keyOf({ channel: 2, x: 4, version: 7 })))).toEqual([...frameOf(4)]);
        await database.dropTiles(2);
        expect(counts()).toEqual([800, 800, 0, 0]);
        expect(database.countEntries('log', logRange(2))).toBe(1);
        await put(keyOf({ channel: 2, version: 5 }), 9);
        expect(bytesOf(database.tile(keyOf({ channel: 2, version: 7 })))).toEqual([...frameOf(9)]);
      });
    });

    describe('commit', () => {
      const good: Change = { tiles: [{ key: keyOf({ x: 1 }), frame: frameOf(1) }], records: [['good', 1]] };
      const bad: readonly (readonly [what: string, code: string, change: Change])[] = [
        ['a frame without a whole header', 'INTERNAL', { tiles: [{ key: keyOf(), frame: new Uint8Array(63) }] }],
        ['x out of range', 'INTERNAL', { tiles: [{ key: keyOf({ x: 2 ** 21 }), frame: frameOf(1) }] }],
        ['z below 0', 'INTERNAL', { tiles: [{ key: keyOf({ z: -1 }), frame: frameOf(1) }] }],
        ['y not an integer', 'INTERNAL', { tiles: [{ key: keyOf({ y: 0.5 }), frame: frameOf(1) }] }],
        ['mip 256', 'INTERNAL', { tiles: [{ key: keyOf({ mip: 256 }), frame: frameOf(1) }] }],
        ['channel 0', 'INTERNAL', { tiles: [{ key: keyOf({ channel: 0 }), frame: frameOf(1) }] }],
        ['a version of 2⁵³', 'INTERNAL', { tiles: [{ key: keyOf({ version: 2 ** 53 }), frame: frameOf(1) }] }],
        ['an empty name', 'BAD_REQUEST', { records: [['', 1]] }],
        ['a name with half a character', 'BAD_REQUEST', { records: [['a\ud800', 1]] }],
        ['a bigint', 'BAD_REQUEST', { records: [['a', 5n]] }],
        ['a value that is not JSON', 'BAD_REQUEST', { records: [['a', undefined]] }],
      ];
      it.each(bad)('refuses %s (%s) and writes nothing of that change', async (_what, code, change) => {
        const mixed: Change = {
          tiles: [...(good.tiles ?? []), ...(change.tiles ?? [])],
          records: [...(good.records ?? []), ...(change.records ?? [])],
        };
        const failed = await database.commit(mixed).catch((error: unknown) => error);
        expect(failed).toBeInstanceOf(BflyError);
        expect(failed).toMatchObject({ code });
        await database.commit({ records: [['after', 1]] });
        expect(database.countTiles(1, 0)).toBe(0);
        expect(database.records('')).toEqual([['after', 1]]);
      });

      it('takes many changes in one tick, in their order', async () => {
        const commits = Array.from({ length: 200 }, (_, i) =>
          database.commit({ tiles: [{ key: keyOf({ x: i % 10 }), frame: frameOf(i) }], records: [['last', i]] }),
        );
        await Promise.all(commits);
        expect(database.record('last')).toBe(199);
        for (let x = 0; x < 10; x++) expect(bytesOf(database.tile(keyOf({ x })))).toEqual([...frameOf(190 + x)]);
      });

      it('takes an empty change', async () => {
        await database.commit({});
        await database.commit({ tiles: [], records: [] });
        await database.flushed();
      });
    });

    describe('dropChannel', () => {
      it('removes the log and the rows of that number too, and of no other', async () => {
        const last = 2 ** 32 - 1;
        const numbers = [1, 2, 255, 256, last];
        const entries = numbers.flatMap((number) =>
          (['log', 'rows'] as const).flatMap((store) =>
            [1, 2 ** 53 - 1].map((seq) => ({ store, key: logRecordKey(number, seq), value: bytes(1) })),
          ),
        );
        // As long as a key of a table may be.
        const long = new Uint8Array(MAX_KEY_BYTES).fill(255);
        long.set([0, 0, 0, 2]);
        await database.commit({ entries: [...entries, { store: 'rows', key: long, value: bytes(1) }] });
        const counts = (): number[] =>
          numbers.map(
            (number) =>
              database.countEntries('log', logRange(number)) + database.countEntries('rows', rowsRange(number)),
          );
        expect(counts()).toEqual([4, 5, 4, 4, 4]);
        await database.dropChannel(2);
        expect(counts()).toEqual([4, 0, 4, 4, 4]);
        await database.dropChannel(last);
        expect(counts()).toEqual([4, 0, 4, 4, 0]);
        await database.dropChannel(255);
        expect(counts()).toEqual([4, 0, 0, 4, 0]);
      });

      it('removes all tiles of the channel, all levels and versions, and nothing else', async () => {
        const mine = [{}, { mip: 3, x: 9 }, { version: 4 }, { x: 2 ** 21 - 1, version: 2 ** 40 }];
        const others = [{ channel: 1 }, { channel: 3, version: 1 }];
        const keys = [...mine.map((key) => keyOf({ ...key, channel: 2 })), ...others.map(keyOf)];
        await database.commit({ tiles: keys.map((key, i) => ({ key, frame: frameOf(i) })), records: [['2', 1]] });
        await database.dropChannel(2);
        expect(keys.map((key) => database.hasTile(key))).toEqual([false, false, false, false, true, true]);
        expect(database.tile(keyOf({ channel: 2, version: 2 ** 50 }))).toBeUndefined();
        expect(database.record('2')).toBe(1);
        await database.dropChannel(2);
        await put(keyOf({ channel: 2 }), 50);
        expect(bytesOf(database.tile(keyOf({ channel: 2, version: 3 })))).toEqual([...frameOf(50)]);
      });

      it('removes thousands of tiles while other channels are read', async () => {
        for (let y = 0; y < 30; y++)
          await database.commit({
            tiles: Array.from({ length: 100 }, (_, x) => ({ key: keyOf({ channel: 2, x, y }), frame: frameOf(1) })),
          });
        await put(keyOf(), 3);
        let done = false;
        const dropped = database.dropChannel(2).then(() => {
          done = true;
        });
        do {
          expect(bytesOf(database.tileBorrowed(keyOf()))).toEqual([...frameOf(3)]);
          await new Promise((resolve) => setImmediate(resolve));
        } while (!done);
        await dropped;
        expect(database.countTiles(2, 0)).toBe(0);
      });
    });

    it('refuses every method after close, and may be closed twice', async () => {
      await put(keyOf(), 1);
      const ended = database.commit({ records: [['a', 1]] });
      await database.close();
      await ended;
      await database.close();
      const closed = { code: 'UNAVAILABLE', message: expect.stringContaining('closed') };
      for (const read of [
        () => database.tile(keyOf()),
        () => database.tileBorrowed(keyOf()),
        () => database.hasTile(keyOf()),
        () => database.countTiles(1, 0),
        () => database.record('a'),
        () => database.records(''),
        () => database.entry('log', bytes(1)),
        () => database.entries('log', ALL_ENTRIES),
        () => database.entryKeys('log', ALL_ENTRIES),
        () => database.countEntries('log', ALL_ENTRIES),
      ])
        expect(read).toThrow(expect.objectContaining(closed));
      await expect(database.commit({})).rejects.toMatchObject(closed);
      await expect(database.dropChannel(1)).rejects.toMatchObject(closed);
      await expect(database.dropTiles(1)).rejects.toMatchObject(closed);
      await expect(database.dropEditedTiles(1)).rejects.toMatchObject(closed);
      await expect(database.dropEntries('log', ALL_ENTRIES)).rejects.toMatchObject(closed);
      await expect(database.backup('nowhere')).rejects.toMatchObject(closed);
      await expect(database.flushed()).rejects.toMatchObject(closed);
    });

    entriesContract(() => database);

    it(`agrees with a naive model over any commits, drops, reads and reopenings (seed ${SEED})`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 25 }), async (steps) => {
          await clear(database);
          const model = new DatabaseModel();
          const open: Promise<void>[] = [];
          for (const step of steps) {
            if (step.kind === 'reopen') database = (await opened.reopen?.()) ?? database;
            else open.push(takeStep(database, step));
            model.apply(step);
            if (step.kind === 'commit' && !step.isAwaited) continue;
            await Promise.all(open.splice(0));
            model.check(database);
          }
          await Promise.all(open);
          model.check(database);
        }),
        { seed: SEED, numRuns: 40 },
      );
    }, 120_000);
  });
}
