import { describe, expect, it } from 'vitest';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';
import { openLogOn } from '../../support/opened-log.ts';

describe('an edit log, to those who read its channel', () => {
  it('[I1] knows when its newest edit was made, also after it was opened again', async () => {
    const database = new MemoryDatabase();
    const first = await openLogOn(database);
    expect([first.log.view.head, first.log.view.edited]).toEqual([0, undefined]);
    const before = Date.now();
    for (const id of [2n, 3n, 4n]) await first.submit({ op: 'merge', ids: [1n, id] });
    const { head, edited } = first.log.view;
    expect([head, edited]).toEqual([3, first.log.reader.record(3).time]);
    expect(edited).toBeGreaterThanOrEqual(before);
    await first.logs.close();
    const second = await openLogOn(database);
    expect([second.log.view.head, second.log.view.edited]).toEqual([3, edited]);
    await second.logs.close();
  });
});
