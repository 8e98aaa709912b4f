/** Opening a log, and reading it on behalf of subscribers: how much of it is read at once. */
import { describe, expect, it } from 'vitest';
import { openState } from '../../../src/core/edits/open-state.ts';
import type { EntryRange, EntryStore } from '../../../src/database/database.ts';
import { LogKind, logRange } from '../../../src/database/keys.ts';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';
import { openLogOn } from '../../support/opened-log.ts';

/** Counts what is read of the log's values. */
class CountingDatabase extends MemoryDatabase {
  /** Bytes of the largest read of entries. */
  largest = 0;
  deltas = 0;

  override entry(store: EntryStore, key: Uint8Array): Uint8Array | undefined {
    if (store === 'log' && key[4] === LogKind.DELTA) this.deltas++;
    return super.entry(store, key);
  }

  override entries(store: EntryStore, range: EntryRange): (readonly [Uint8Array, Uint8Array])[] {
    const found = super.entries(store, range);
    this.deltas += found.filter(([key]) => store === 'log' && key[4] === LogKind.DELTA).length;
    this.largest = Math.max(
      this.largest,
      found.reduce((sum, [, value]) => sum + value.length, 0),
    );
    return found;
  }
}

const MIB = 1024 * 1024;
/** An edit of a megabyte and a bit; its record has the value twice, in the op and in the change. */
const large = (n: number) => ({ op: 'meta', key: `k${n}`, value: 'x'.repeat(MIB) });

describe('reading a log', () => {
  it('takes large edits one by one: to open it, and for subscribers', async () => {
    const database = new CountingDatabase();
    const { submit, logs, context } = await openLogOn(database);
    for (let n = 0; n < 8; n++) await submit(large(n));
    for (let n = 0; n < 20; n++) await submit({ op: 'merge', ids: [n + 1, n + 2] });
    database.largest = 0;
    expect((await openState(context, { fromScratch: true })).state.seq).toBe(28);
    expect(database.largest).toBeLessThan(2.5 * MIB);
    // Those that were sent just now are remembered; a restart remembers none.
    const again = await openLogOn(database);
    database.largest = 0;
    for (let after = 0; after < 28; ) {
      const [first, ...others] = again.feed.records(after, 28);
      expect(first?.seq).toBe(after + 1);
      after += 1 + others.length;
    }
    expect(database.largest).toBeLessThan(2.5 * MIB);
    expect(database.largest).toBeGreaterThan(MIB);
    database.largest = 0;
    let pieces = 0;
    for (let after = 0; after < 28; pieces++) after = again.feed.next(after)?.upto ?? Number.NaN;
    expect(pieces).toBe(9);
    expect(database.largest).toBeLessThan(2.5 * MIB);
    await again.logs.close();
    await logs.close();
  });

  it('knows after a restart which tiles edits changed, without a look at their voxels', async () => {
    const database = new CountingDatabase();
    const { submit, log, logs, context } = await openLogOn(database);
    await submit({ op: 'write', box: [0, 0, 0, 8, 8, 4], value: 1 });
    await submit({ op: 'merge', ids: [1, 2] });
    await submit({ op: 'write', box: [4, 4, 4, 8, 8, 8], value: 'new' });
    await submit({ op: 'undo', seq: 1 });
    await submit({ op: 'write', box: [0, 0, 0, 2, 2, 2], value: 1 });
    database.deltas = 0;
    const { voxels } = await openState(context, { fromScratch: true });
    expect(database.deltas).toBe(0);
    expect(database.countEntries('log', logRange(context.channel.number, LogKind.DELTA))).toBe(6);
    for (const seq of [1, 2, 3, 5]) expect(voxels.touchedBy(seq)).toEqual(log.voxels.touchedBy(seq));
    expect(voxels.touchedBy(1)).toHaveLength(4);
    for (const tile of [
      [0, 0, 0],
      [1, 1, 1],
      [0, 0, 1],
    ] as const)
      for (const at of [0, 1, 2, 3, 4, 5])
        expect(voxels.versionAt(0, tile, at)).toBe(log.voxels.versionAt(0, tile, at));
    await database.dropEntries('log', logRange(context.channel.number, LogKind.TILES));
    await expect(openState(context)).rejects.toThrow('the list of tiles of edit 1 is missing');
    await logs.close();
  });
});
