/** The writers of a path: what is known of them, and for how long. */
import { describe, expect, it } from 'vitest';
import { Writers } from '../../../src/core/edits/writers.ts';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';

const DAY = 24 * 3_600_000;
const digest = '\u0001#Eg\u0089«Íï';

/** A wid of 16 bytes. */
function widOf(n: number): Uint8Array {
  const wid = new Uint8Array(16);
  new DataView(wid.buffer).setUint32(0, n);
  return wid;
}

describe('writers', () => {
  const database = (): MemoryDatabase => new MemoryDatabase();
  const open = (store: MemoryDatabase, limit: number, now: () => number): Promise<Writers> =>
    Writers.open({ database: store, path: 1, limit, now });
  /** Applies edits of a writer, and keeps them. */
  const write = async (
    { writers, store, now }: { writers: Writers; store: MemoryDatabase; now: number },
    n: number,
    wseqs: readonly number[],
  ): Promise<void> => {
    const writer = writers.find(widOf(n)) ?? writers.add(widOf(n), 'ada');
    for (const wseq of wseqs) writers.applied(writer, { wseq, seq: 1_000 * n + wseq, digest }, now);
    await store.commit({ entries: [writers.entryOf(writer)] });
    writer.pending = 0;
  };

  it('[E15] never forget who wrote and how far, however long ago; of an idle writer the last 16 results are kept', async () => {
    const store = database();
    const first = await open(store, 10, () => 0);
    await write(
      { writers: first, store, now: 0 },
      1,
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    for (const days of [31, 3_650]) {
      const writers = await open(store, 10, () => days * DAY);
      const writer = writers.find(widOf(1));
      expect(writer).toMatchObject({ user: 'ada', last: 100, durable: 100 });
      expect(writers.admit(writer, 'ada', 85, digest)).toMatchObject({ seq: 1_085 });
      expect(() => writers.admit(writer, 'ada', 84, digest)).toThrow(/not applied/);
      expect(() => writers.admit(writer, 'ben', 101, digest)).toThrow(/another user/);
      expect(writers.admit(writer, 'ada', 101, digest)).toBeUndefined();
    }
  });

  it('count towards their user while they are active, also without a restart', async () => {
    const store = database();
    let now = 0;
    const writers = await open(store, 2, () => now);
    await write({ writers, store, now }, 1, [1]);
    await write({ writers, store, now }, 2, [1]);
    const admitNew = (some: Writers) => () => some.admit(some.find(widOf(3)), 'ada', 1, digest);
    expect(admitNew(writers)).toThrow(/may have 2 writers/);
    expect(admitNew(await open(store, 2, () => now))).toThrow(/may have 2 writers/);
    now = 29 * DAY;
    await write({ writers, store, now }, 2, [2]);
    expect(admitNew(writers)).toThrow(/may have 2 writers/);
    now = 31 * DAY;
    expect(admitNew(await open(store, 2, () => now))()).toBeUndefined();
    expect(admitNew(writers)()).toBeUndefined();
    // The idle one goes on, and counts again.
    await write({ writers, store, now }, 1, [2]);
    expect(admitNew(writers)).toThrow(/may have 2 writers/);
  });

  it('stay in memory while they write, however many others come', async () => {
    const store = database();
    const writers = await open(store, 1e6, () => 0);
    await write({ writers, store, now: 0 }, 0, [1]);
    const busy = writers.find(widOf(0));
    for (let n = 1; n < 10_000; n++) {
      writers.add(widOf(n), 'ben');
      expect(writers.find(widOf(0))).toBe(busy);
    }
    // One that wrote nothing that was kept, and was not asked for since.
    expect(writers.find(widOf(1))).toBeUndefined();
  });

  it('are read a page in each turn of the event loop', async () => {
    const store = database();
    const writers = await open(store, 1e6, () => 0);
    for (let n = 0; n < 600; n++) await write({ writers, store, now: 0 }, n, [1]);
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await open(store, 1e6, () => 0);
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
