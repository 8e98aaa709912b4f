/** The edit log of one path where something goes wrong: a store that fails or lies, a fault in the middle of an edit, edits that wait. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../protocol/limits.ts';
import type { WireMap } from '../../protocol/messages.ts';
import { maskOfBox } from '../../protocol/voxel-mask.ts';
import { assembleCore, NO_ROWS } from '../../src/core/assemble.ts';
import type { EditLogs, OpenLog } from '../../src/core/edits/edit-logs.ts';
import type { EditOutcome, EditRequest } from '../../src/core/edits/edit-request.ts';
import type { ChannelRows } from '../../src/core/edits/log-context.ts';
import { ALL_RIGHTS, type Author } from '../../src/core/rights.ts';
import type { Change } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { openArraySource } from '../../src/image/array-source.ts';
import { InlineTileMaker } from '../../src/image/inline-tile-maker.ts';
import type { VoxelWork } from '../../src/image/voxel-work.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';

const PATH = 'lab/fly/cube/seg';
const ADA: Author = { user: { id: 'ada', name: 'Ada' }, rights: ALL_RIGHTS };
const PUT: WireMap = { op: 'put', table: 'annotation', rows: [{ kind: 'point', points: [1, 2, 3] }] };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A store whose commits wait, fail, or fail though they were kept. */
class MoodyDatabase extends MemoryDatabase {
  mood: 'well' | 'failing' | 'lying' = 'well';
  isReadable = true;
  #held: Promise<void> | undefined;
  scans = 0;

  /** Holds all commits. @returns a function that lets them go. */
  hold(): () => void {
    let open = (): void => {};
    this.#held = new Promise((resolve) => {
      open = resolve;
    });
    return () => {
      this.#held = undefined;
      open();
    };
  }

  override async commit(change: Change): Promise<void> {
    await this.#held;
    if (this.mood !== 'failing') await super.commit(change);
    await turn();
    if (this.mood !== 'well') throw new Error('the disk is full');
  }

  override entries(...args: Parameters<MemoryDatabase['entries']>): ReturnType<MemoryDatabase['entries']> {
    if (!this.isReadable) throw new Error('the disk is gone');
    this.scans++;
    return super.entries(...args);
  }
}

/** Work off the event loop that takes many turns where it is told to. */
class SlowMaker extends InlineTileMaker {
  turns = 0;

  override async work<K extends keyof VoxelWork>(
    name: K,
    request: VoxelWork[K]['request'],
  ): Promise<VoxelWork[K]['result']> {
    if (name === 'cutSplit') for (let i = 0; i < this.turns; i++) await turn();
    return super.work(name, request);
  }
}

function writer(): (...ops: WireMap[]) => EditRequest {
  const wid = new Uint8Array(randomBytes(16));
  let wseq = 0;
  return (...ops) => ({ wid, wseq: ++wseq, base: null, ops });
}
const merge = (...ids: number[]): WireMap => ({ op: 'merge', ids });
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'taken',
    (error: { code?: string }) => error.code ?? error,
  );

describe('edit log, where things go wrong', () => {
  const opened: EditLogs[] = [];
  const start = async (
    database: MemoryDatabase,
    rows: ChannelRows = NO_ROWS,
  ): Promise<OpenLog & { readonly logs: EditLogs; readonly maker: SlowMaker; closeLog(): Promise<void> }> => {
    const data = new Uint8Array(new Uint32Array(8 ** 3).fill(1).buffer);
    const maker = new SlowMaker(async () => {
      const source = await openArraySource({ data, shape: [8, 8, 8], dtype: 'uint32', type: 'segmentation' });
      return {
        info: { ...source.info, fingerprint: PATH },
        read: source.read.bind(source),
        close: source.close.bind(source),
      };
    });
    const { core, logs } = assembleCore({
      ...{ database, maker, cacheBytes: 2 ** 20, limits: DEFAULT_LIMITS, log: SILENT_LOG },
      channels: [{ path: PATH, spec: { path: PATH } }],
      rowsOf: async () => rows,
    });
    opened.push(logs);
    const channel = await core.updateQuery({ path: PATH });
    return { ...(logs.logOf(channel) as OpenLog), logs, maker, closeLog: () => logs.closeLog(channel) };
  };
  afterEach(async () => {
    for (const logs of opened.splice(0)) await logs.close();
  });

  it('[E15] knows an edit that was kept though its commit failed: the same bytes get "dup", and everybody hears of it', async () => {
    const database = new MoodyDatabase();
    const { log, feed } = await start(database);
    const edit = writer();
    const heard: [number, number, number[]][] = [];
    log.onCommit(({ from, upto, records }) => heard.push([from, upto, records.map(({ seq }) => seq)]));
    database.mood = 'lying';
    const request = edit(PUT);
    expect(await codeOf(log.submit(request, ADA))).toBe('INTERNAL');
    database.mood = 'well';
    // At once: while the log is read again.
    expect(await log.submit(request, ADA)).toMatchObject({ dup: true, seq: 1 });
    expect(log.head).toBe(1);
    expect(heard).toEqual([[0, 1, [1]]]);
    expect(feed.next(0)).toMatchObject({ from: 0, upto: 1 });
    expect(log.lastOf(request.wid, 'ada')).toBe(1);
  });

  it('[E3] keeps the order of a writer whose edits wait while the log is read again', async () => {
    const database = new MoodyDatabase();
    const { log } = await start(database);
    const edit = writer();
    database.mood = 'failing';
    const lost = edit(merge(1, 2));
    expect(await codeOf(log.submit(lost, ADA))).toBe('INTERNAL');
    database.mood = 'well';
    const outcomes = await Promise.all([lost, edit(merge(3, 4)), edit(merge(5, 6))].map((one) => log.submit(one, ADA)));
    expect(outcomes.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('tells those who listen that edits were lost, with an empty batch', async () => {
    const database = new MoodyDatabase();
    const { log } = await start(database);
    await log.submit(writer()(merge(1, 2)), ADA);
    const { tip } = log;
    const batches = new Promise((resolve) => log.onCommit(resolve));
    database.mood = 'failing';
    expect(await codeOf(log.submit(writer()(merge(3, 4)), ADA))).toBe('INTERNAL');
    expect(await batches).toEqual({ from: 1, upto: 1, records: [], publicParts: [] });
    expect(log.tip).not.toBe(tip);
    database.mood = 'well';
  });

  it('[E15] answers TIMEOUT to too many that wait, and to those who wait as it is closed: they may have been applied', async () => {
    const database = new MoodyDatabase();
    const { log, closeLog } = await start(database);
    database.mood = 'failing';
    database.isReadable = false;
    const request = writer()(merge(1, 2));
    expect(await codeOf(log.submit(request, ADA))).toBe('INTERNAL');
    const waiting = Array.from({ length: 1_024 }, (_, i) => codeOf(log.submit(writer()(merge(1, i + 2)), ADA)));
    expect(await codeOf(log.submit(request, ADA))).toBe('TIMEOUT');
    const closing = closeLog();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['TIMEOUT']));
    await closing;
    expect(await codeOf(log.submit(request, ADA))).toBe('TIMEOUT');
    database.isReadable = true;
  });

  it('[E14] knows what it took while it is being closed', async () => {
    const database = new MoodyDatabase();
    const { log, closeLog } = await start(database);
    const edit = writer();
    const request = edit(merge(1, 2));
    await log.submit(request, ADA);
    const closing = closeLog();
    const again = log.submit(request, ADA);
    const next = codeOf(log.submit(edit(merge(3, 4)), ADA));
    expect(await again).toMatchObject({ dup: true, seq: 1 });
    expect(await next).toBe('UNAVAILABLE');
    await closing;
  });

  it('leaves no hole where the rows of an edit cannot be made: it is forgotten, and those before it are kept', async () => {
    const database = new MoodyDatabase();
    let isBad = true;
    const overlayWrites = (): [] => {
      if (isBad) throw new Error('the base table cannot be read');
      return [];
    };
    const { log, feed } = await start(database, { ...NO_ROWS, overlayWrites });
    // Somebody follows: pieces are made of each batch as it comes.
    expect(feed.next(0)).toBeUndefined();
    const edit = writer();
    const kept = log.submit(edit(merge(1, 2)), ADA);
    const request = edit(PUT);
    expect(await codeOf(log.submit(request, ADA))).toBe('INTERNAL');
    expect(await kept).toMatchObject({ seq: 1 });
    isBad = false;
    expect(await log.submit(request, ADA)).toEqual(expect.not.objectContaining({ dup: true }));
    expect(log.reader.page(0, 10).map(({ seq }) => seq)).toEqual([1, 2]);
    expect(feed.next(0)).toMatchObject({ upto: 1 });
    expect(feed.next(1)).toMatchObject({ upto: 2 });
  });

  it('keeps a key that is no proper text', async () => {
    const database = new MoodyDatabase();
    const first = await start(database);
    expect(await first.log.submit(writer()({ op: 'meta', key: '\ud800', value: 1 }), ADA)).toMatchObject({ seq: 1 });
    expect(await first.log.submit(writer()(merge(1, 2)), ADA)).toMatchObject({ seq: 2 });
    await first.logs.close();
    const { log } = await start(database);
    expect(log.head).toBe(2);
    const late = { ...writer()({ op: 'meta', key: '\ud800', value: 2 }), base: 0, epoch: log.epoch };
    expect(await codeOf(log.submit(late, ADA))).toBe('CONFLICT');
  });

  it('[E4] [E19] tells of a conflict once the winner is durable, with the edits up to `head`, and lets no later edit of that writer pass', async () => {
    const database = new MoodyDatabase();
    const { log } = await start(database);
    const edit = writer();
    const release = database.hold();
    const winner = log.submit(writer()(merge(1, 2)), ADA);
    let isRefused = false;
    const loser = log.submit({ ...edit({ op: 'cleave', ids: [2] }), base: 0, epoch: log.epoch }, ADA);
    const refused = loser.catch((error: unknown) => {
      isRefused = true;
      return error;
    });
    const next = log.submit(edit(merge(7, 8)), ADA);
    const other = log.submit(writer()(merge(5, 6)), ADA);
    for (let i = 0; i < 5; i++) await turn();
    expect(isRefused).toBe(false);
    release();
    expect(await refused).toMatchObject({ code: 'CONFLICT', details: { head: 1, edits: [{ seq: 1 }], more: false } });
    expect([await winner, await other, await next].map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it('[E4] answers INTERNAL where the winner of a conflict is lost', async () => {
    const database = new MoodyDatabase();
    const { log } = await start(database);
    const release = database.hold();
    const winner = codeOf(log.submit(writer()(merge(1, 2)), ADA));
    const request = { ...writer()({ op: 'cleave', ids: [2] }), base: 0, epoch: log.epoch };
    const loser = codeOf(log.submit(request, ADA));
    database.mood = 'failing';
    release();
    expect([await winner, await loser]).toEqual(['INTERNAL', 'INTERNAL']);
    database.mood = 'well';
    expect(await log.submit(request, ADA)).toMatchObject({ seq: 1 });
  });

  it('[E15] tells the last durable number of a writer, however many edits of it wait', async () => {
    const database = new MoodyDatabase();
    const { log } = await start(database);
    const edit = writer();
    const first = edit(merge(1, 2));
    await log.submit(first, ADA);
    const release = database.hold();
    const taken = Array.from({ length: 300 }, (_, i) => log.submit(edit(merge(1, i + 3)), ADA));
    expect(log.lastOf(first.wid, 'ada')).toBe(1);
    release();
    await Promise.all(taken);
    expect(log.lastOf(first.wid, 'ada')).toBe(301);
  });

  it('[E18] finds conflicts after a restart, far back and with many names, without a limit but the window', async () => {
    const database = new MoodyDatabase();
    const first = await start(database);
    const edit = writer();
    await first.log.submit(edit(merge(...Array.from({ length: 400 }, (_, i) => 5_000 + i))), ADA);
    await Promise.all(Array.from({ length: 500 }, (_, i) => first.log.submit(edit(merge(1, 2 + i)), ADA)));
    await first.logs.close();
    const { log } = await start(database);
    const { epoch } = log;
    const based = (...ops: WireMap[]): EditRequest => ({ ...writer()(...ops), base: 0, epoch });
    const loser = log.submit(based({ op: 'cleave', ids: [5_399] }), ADA).catch((error: unknown) => error);
    expect(await loser).toMatchObject({ code: 'CONFLICT', details: { edits: [{ seq: 1 }], more: false } });
    expect(await log.submit(based({ op: 'cleave', ids: [9_999] }), ADA)).toMatchObject({ seq: 502 });
    const busy = log.submit(based({ op: 'cleave', ids: [1] }), ADA).catch((error: unknown) => error);
    expect(await busy).toMatchObject({ code: 'CONFLICT', details: { head: 502, more: true } });
  });

  it('gives the bodies of the head while merges are under way, exactly, and seldom reads the log for them', async () => {
    const database = new MoodyDatabase();
    const { log } = await start(database);
    const edit = writer();
    const ids = BigUint64Array.from({ length: 20 }, (_, i) => BigInt(i + 1));
    let scans = 0;
    for (let i = 0; i < 200; i++) {
      await log.submit(
        i % 5 === 4 ? edit({ op: 'cleave', ids: [1 + (i % 19)] }) : edit(merge(1 + (i % 20), 1 + ((7 * i) % 20))),
        ADA,
      );
      const roots = [...ids].map((id) => log.tip.rootOf(id));
      const release = database.hold();
      const pending = log.submit(edit(merge(...[...ids].map(Number))), ADA);
      const before = database.scans;
      expect([...(await log.view.rootsAt(log.head))(ids)]).toEqual(roots);
      if (database.scans > before) scans++;
      release();
      await pending;
      await log.submit({ ...edit({ op: 'undo', seq: log.head }), epoch: log.epoch }, ADA);
    }
    expect(scans).toBeLessThan(3);
  });

  it('knows since when the bodies are as they are, at any seq since it was opened', async () => {
    const { log } = await start(new MoodyDatabase());
    const edit = writer();
    for (const op of [merge(1, 2), PUT, PUT, merge(3, 4), merge(3, 4), PUT]) await log.submit(edit(op), ADA);
    expect([0, 1, 2, 3, 4, 5, 6].map((at) => log.view.linksSeqAt(at))).toEqual([0, 1, 1, 1, 4, 4, 4]);
    const lookups = [1, 3, 6].map(async (at) => [...(await log.view.rootsAt(at))(BigUint64Array.of(2n, 4n))]);
    expect(await Promise.all(lookups)).toEqual([
      [1n, 4n],
      [1n, 4n],
      [1n, 3n],
    ]);
  });

  it('[E24] lets a slow split through while others split all the time', async () => {
    const { log, maker } = await start(new MoodyDatabase());
    const small = writer();
    const seeds = [
      [0, 0, 7, 1],
      [7, 7, 7, 2],
    ];
    // Of seeds: the cut is made off the event loop, and takes longer than several splits by a mask.
    maker.turns = 60;
    let outcome: EditOutcome | undefined;
    const slow = log.submit(writer()({ op: 'split', id: 1, box: [0, 0, 7, 8, 8, 8], seeds }), ADA).then((done) => {
      outcome = done;
    });
    let fast = 0;
    for (; fast < 400 && outcome === undefined; fast++) {
      const [x, y, z] = [fast % 8, (fast >> 3) % 8, fast >> 6];
      const mask = maskOfBox([x, y, z, x + 1, y + 1, z + 1], [x, y, z, x + 1, y + 1, z + 1]);
      await log.submit(small({ op: 'split', id: 1, box: [x, y, z, x + 1, y + 1, z + 1], mask }), ADA);
    }
    await slow;
    expect(fast).toBeGreaterThan(3);
    expect(outcome).toMatchObject({ status: 'applied' });
  });
});
