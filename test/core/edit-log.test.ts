/** The edit log of one path, without sockets: what it keeps, what it tells, what becomes of a store that fails. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { WireMap } from '../../protocol/messages.ts';
import { assembleCore, NO_ROWS } from '../../src/core/assemble.ts';
import type { Channel } from '../../src/core/channel.ts';
import { checkpointSeqs, dropCheckpoints } from '../../src/core/edits/checkpoint.ts';
import type { EditLogs, OpenLog } from '../../src/core/edits/edit-logs.ts';
import type { CommittedBatch, EditRequest } from '../../src/core/edits/edit-request.ts';
import { ALL_RIGHTS, type Author } from '../../src/core/rights.ts';
import type { Change } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { openArraySource } from '../../src/image/array-source.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

const PATH = 'lab/fly/cube/seg';
const ADA: Author = { user: { id: 'ada', name: 'Ada' }, rights: ALL_RIGHTS };

/** A store that refuses the commits that it is told to. */
class FailingDatabase extends MemoryDatabase {
  failing = false;
  commits = 0;

  override async commit(change: Change): Promise<void> {
    this.commits++;
    if (!this.failing) return super.commit(change);
    // Later, as a disk that is full tells it.
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error('the disk is full');
  }
}

interface Opened {
  readonly logs: EditLogs;
  readonly open: OpenLog;
  readonly channel: Channel;
}

async function openLog(database: MemoryDatabase): Promise<Opened> {
  const data = new Uint8Array(8 ** 3 * 4).fill(1);
  const maker = new InlineTileMaker(async () => {
    const source = await openArraySource({ data, shape: [8, 8, 8], dtype: 'uint32', type: 'segmentation' });
    // The same data at each opening.
    return {
      info: { ...source.info, fingerprint: PATH },
      read: source.read.bind(source),
      close: source.close.bind(source),
    };
  });
  const { core, logs } = assembleCore({
    ...{ database, maker, cacheBytes: 2 ** 20, limits: DEFAULT_LIMITS, log: SILENT_LOG },
    channels: [{ path: PATH, spec: { path: PATH } }],
    rowsOf: async () => NO_ROWS,
  });
  const channel = await core.updateQuery({ path: PATH });
  const open = logs.logOf(channel);
  if (open === undefined) throw new Error('the channel has no log');
  return { logs, open, channel };
}

/** A writer that counts. */
function writer(): (...ops: WireMap[]) => EditRequest {
  const wid = new Uint8Array(randomBytes(16));
  let wseq = 0;
  return (...ops) => ({ wid, wseq: ++wseq, base: null, ops });
}
const merge = (...ids: number[]): WireMap => ({ op: 'merge', ids });

describe('edit log', () => {
  const opened: Opened[] = [];
  const start = async (database: MemoryDatabase): Promise<Opened> => {
    const one = await openLog(database);
    opened.push(one);
    return one;
  };
  afterEach(async () => {
    for (const { logs } of opened.splice(0)) await logs.close();
  });

  it('[E4] commits the edits of one turn together, and tells of them once they are kept', async () => {
    const database = new FailingDatabase();
    const { open } = await start(database);
    const edit = writer();
    const before = database.commits;
    const batches: CommittedBatch[] = [];
    open.log.onCommit((batch) => {
      batches.push(batch);
      expect(
        database.entries('log', { start: new Uint8Array(), end: new Uint8Array(40).fill(255) }).length,
      ).toBeGreaterThan(0);
    });
    const outcomes = await Promise.all([2, 3, 4].map((id) => open.log.submit(edit(merge(1, id)), ADA)));
    expect(outcomes.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(database.commits - before).toBe(1);
    expect(batches.map(({ from, upto }) => [from, upto])).toEqual([[0, 3]]);
  });

  it('[E15] forgets edits that could not be kept, tells their senders, and takes them when they come again', async () => {
    const database = new FailingDatabase();
    const { open } = await start(database);
    const edit = writer();
    await open.log.submit(edit(merge(1, 2)), ADA);
    const seen: number[] = [];
    open.log.onCommit(({ records }) => seen.push(...records.map(({ seq }) => seq)));
    database.failing = true;
    const lost = [edit(merge(3, 4)), edit(merge(5, 6))];
    const results = await Promise.allSettled(lost.map((request) => open.log.submit(request, ADA)));
    expect(results).toMatchObject([
      { status: 'rejected', reason: { code: 'INTERNAL' } },
      { status: 'rejected', reason: { code: 'INTERNAL' } },
    ]);
    expect(open.log.head).toBe(1);
    expect(seen).toEqual([]);
    database.failing = false;
    for (const request of lost) {
      // While the log is read again it says so.
      for (;;)
        try {
          expect(await open.log.submit(request, ADA)).not.toHaveProperty('dup');
          break;
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNAVAILABLE' });
          await new Promise((resolve) => setImmediate(resolve));
        }
    }
    expect(seen).toEqual([2, 3]);
    expect(open.log.tip.rootOf(4n)).toBe(3n);
    expect(open.log.tip.rootOf(6n)).toBe(5n);
  });

  it('knows after a restart what it knew, its writers included, with a snapshot and without', async () => {
    const database = new MemoryDatabase();
    const first = await start(database);
    const edit = writer();
    const requests = Array.from({ length: 1_200 }, (_, i) => edit(merge(1 + (i % 40), 2 + ((i * 7) % 40))));
    await Promise.all(requests.map((request) => first.open.log.submit(request, ADA)));
    await first.open.log.submit({ ...edit({ op: 'undo', seq: 5 }), epoch: first.open.log.epoch }, ADA);
    const chk = first.open.log.chk;
    const roots = Array.from({ length: 45 }, (_, id) => first.open.log.tip.rootOf(BigInt(id)));
    await first.logs.close();
    const number = 1;
    expect(checkpointSeqs(database, number)).toEqual([1_201]);
    for (const drop of [false, true]) {
      if (drop) await dropCheckpoints(database, number);
      const { open, logs } = await start(database);
      expect(open.log.head).toBe(1_201);
      expect(open.log.chk).toEqual(chk);
      expect(open.log.tip.isInForce(5)).toBe(false);
      expect(Array.from({ length: 45 }, (_, id) => open.log.tip.rootOf(BigInt(id)))).toEqual(roots);
      const again = requests[1_199] as EditRequest;
      expect(await open.log.submit(again, ADA)).toMatchObject({ dup: true, seq: 1_200 });
      // Of older ones no result is kept, but it is known that they are old.
      await expect(open.log.submit(requests[0] as EditRequest, ADA)).rejects.toMatchObject({ code: 'REJECTED' });
      await logs.close();
    }
  });

  it('takes nothing once its channel is to be opened anew, tells who follows it, and goes on in the next life', async () => {
    const database = new MemoryDatabase();
    const { open, logs, channel } = await start(database);
    const edit = writer();
    let told = 0;
    open.log.onClose(() => told++);
    const taken = open.log.submit(edit(merge(1, 2)), ADA);
    const closing = logs.closeLog(channel);
    await expect(open.log.submit(edit(merge(3, 4)), ADA)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await taken).toMatchObject({ seq: 1 });
    await closing;
    expect(told).toBe(1);
    expect(logs.logOf(channel)).toBeUndefined();
    await logs.open(channel);
    const next = logs.logOf(channel) as OpenLog;
    expect(next).not.toBe(open);
    expect(await next.log.submit(edit(merge(5, 6)), ADA)).toMatchObject({ seq: 2 });
    expect(next.log.tip.rootOf(2n)).toBe(1n);
  });

  it('[E30] lets only those undo what they may do', async () => {
    const { open } = await start(new MemoryDatabase());
    const { epoch } = open.log;
    await open.log.submit(writer()(merge(1, 2)), ADA);
    const may = (...rights: string[]): Author => ({
      user: { id: 'ben', name: 'Ben' },
      rights: { allows: (right) => rights.includes(right) },
    });
    const undo = (author: Author) => open.log.submit({ ...writer()({ op: 'undo', seq: 1 }), epoch }, author);
    await expect(undo(may('read', 'annotate', 'edit-others'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(undo(may('read', 'edit'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await undo(may('read', 'edit', 'edit-others'))).toMatchObject({ status: 'applied', seq: 2 });
    const meta = writer()({ op: 'meta', key: 'title', value: 'x' });
    await expect(open.log.submit(meta, may('edit', 'annotate'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
