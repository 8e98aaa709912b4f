import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Row, TABLES, type TableName } from '../../protocol/edit-ops.ts';
import type { ChannelTables } from '../../src/database/channel-tables.ts';
import type { Database } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { ALL_SPACE, extentOf, meets, type SpaceBox } from '../../src/database/spatial-index.ts';
import { columnsOf, type SynapseColumns } from '../../src/database/table-columns.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

const PATH = 'lab/fly/ds/seg';
const synapse = (key: number, x: number, more: object = {}): Row => ({
  ...{ key: BigInt(key), pre: BigInt(key) + 100n, post: 7n, point: [x, 10, 1] },
  ...more,
});

/** Tables with synapses 0 to 9 at x = 0, 10, … 90. */
async function withBase(database: Database = new MemoryDatabase()): Promise<DatabaseLayer> {
  const layer = new DatabaseLayer({ database, log: SILENT_LOG });
  const rows = Array.from({ length: 10 }, (_, i) => synapse(i, 10 * i));
  await layer.addSynapses(PATH, columnsOf('synapse', rows) as SynapseColumns);
  return layer;
}

const found = (tables: ChannelTables, table: TableName, box: SpaceBox = ALL_SPACE): bigint[] =>
  [...tables.search(table, box)]
    .flat()
    .map(({ key }) => key)
    .sort((a, b) => (a < b ? -1 : 1));
const keys = (tables: ChannelTables, table: TableName, after?: bigint): bigint[] =>
  [...tables.rowsBehind(table, after)].flat().map(({ key }) => key);

describe('ChannelTables', () => {
  it('shows base rows until edits change them, and keeps the base as it is', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    expect(tables.counts()).toEqual({ synapse: 10 });
    const moved = synapse(3, 1000);
    const entries = tables.overlayWrites({ synapse: [moved, synapse(50, 500)] }, { synapse: [4n] });
    // Nobody sees what is not committed.
    expect(tables.row('synapse', 3n)).toEqual(synapse(3, 30));
    expect(tables.newestRow('synapse', 3n)).toEqual(moved);
    expect(tables.newestRow('synapse', 4n)).toBeUndefined();
    await database.commit({ entries });
    expect(tables.row('synapse', 3n)).toEqual(moved);
    expect(tables.row('synapse', 4n)).toBeUndefined();
    expect(tables.has('synapse', 4n)).toBe(false);
    expect(tables.row('synapse', 50n)).toEqual(synapse(50, 500));
    expect(tables.baseRow('synapse', 3n)).toEqual(synapse(3, 30));
    expect(tables.baseRow('synapse', 4n)).toEqual(synapse(4, 40));
    expect(tables.lastBaseKey('synapse')).toBe(9n);
    expect(tables.lastBaseKey('annotation')).toBe(-1n);
    expect(tables.baseRows('synapse', 7n, 5).map(({ key }) => key)).toEqual([8n, 9n]);
    expect(tables.baseRows('synapse', undefined, 2).map(({ key }) => key)).toEqual([0n, 1n]);
    expect(tables.counts()).toEqual({ synapse: 10 });
    expect(keys(tables, 'synapse')).toEqual([0n, 1n, 2n, 3n, 5n, 6n, 7n, 8n, 9n, 50n]);
    expect(found(tables, 'synapse', [20, 0, 0, 60, 99, 9])).toEqual([2n, 5n]);
    expect(found(tables, 'synapse', [400, 0, 0, 1001, 99, 9])).toEqual([3n, 50n]);
  });

  it('finds synapses by their segments as edits left them', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    const joined = (end: 'pre' | 'post', segment: bigint): bigint[] =>
      [...tables.mayJoin(end, segment)]
        .flat()
        .filter((row) => row[end] === segment)
        .map(({ key }) => key)
        .sort((a, b) => (a < b ? -1 : 1));
    expect([joined('pre', 103n), joined('post', 7n).length]).toEqual([[3n], 10]);
    const rows = [synapse(3, 30, { pre: 5n }), synapse(6, 60, { post: 8n }), synapse(50, 500, { pre: 103n })];
    await database.commit({ entries: tables.overlayWrites({ synapse: rows }, { synapse: [4n] }) });
    expect([joined('pre', 103n), joined('pre', 5n), joined('pre', 104n)]).toEqual([[50n], [3n], []]);
    expect([joined('post', 7n), joined('post', 8n)]).toEqual([[0n, 1n, 2n, 3n, 5n, 7n, 8n, 9n, 50n], [6n]]);
  });

  it('gives each channel of a dataset its own changes', async () => {
    const database = new MemoryDatabase();
    const layer = await withBase(database);
    const [one, two] = [layer.channelTables(PATH, 1), layer.channelTables(PATH, 2)];
    await database.commit({ entries: one.overlayWrites(undefined, { synapse: [0n] }) });
    expect(one.counts()).toEqual({ synapse: 9 });
    expect(two.counts()).toEqual({ synapse: 10 });
    expect(keys(layer.channelTables(PATH, 2), 'synapse').length).toBe(10);
  });

  it('leaves nothing of a row that edits made and took back', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    const row: Row = {
      key: 2n ** 64n - 1n,
      kind: 'polyline',
      points: [0, 0, 0, 900, 5, 5, 3, 3, 70_000],
      author: 'ada',
      time: 1,
    };
    await database.commit({ entries: tables.overlayWrites({ annotation: [row] }, undefined) });
    expect(tables.row('annotation', row.key)).toEqual(row);
    expect(found(tables, 'annotation', [0, 0, 69_999, 1, 1, 70_001])).toEqual([row.key]);
    await database.commit({ entries: tables.overlayWrites(undefined, { annotation: [row.key] }) });
    // The counters alone are left.
    expect(database.countEntries('rows', tables.clearOverlay()[0] ?? expect.fail())).toBe(1);
    expect(tables.counts()).toEqual({ synapse: 10 });
    expect(found(tables, 'annotation')).toEqual([]);
  });

  it('writes edits that follow each other before the first is committed', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    const batch = [
      tables.overlayWrites({ synapse: [synapse(3, 300)] }, undefined),
      tables.overlayWrites({ synapse: [synapse(3, 3000), synapse(20, 20)] }, undefined),
      tables.overlayWrites({ synapse: [synapse(3, 30_000)] }, { synapse: [20n] }),
    ];
    const first = database.commit({ entries: batch.flat() });
    const more = tables.overlayWrites({ synapse: [synapse(3, 5)] }, { synapse: [1n] });
    await first;
    expect(found(tables, 'synapse', [299, 0, 0, 40_000, 99, 9])).toEqual([3n]);
    await database.commit({ entries: more });
    expect(found(tables, 'synapse', [99, 0, 0, 40_000, 99, 9])).toEqual([]);
    expect(found(tables, 'synapse', [0, 0, 0, 11, 99, 9])).toEqual([0n, 3n]);
    expect(tables.counts()).toEqual({ synapse: 9 });
  });

  it('forgets what could not be committed when it is told to reload', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    tables.overlayWrites({ synapse: [synapse(77, 7)] }, { synapse: [1n] });
    tables.reload();
    expect(tables.newestRow('synapse', 77n)).toBeUndefined();
    await database.commit({ entries: tables.overlayWrites({ synapse: [synapse(77, 8)] }, undefined) });
    expect(tables.counts()).toEqual({ synapse: 11 });
  });

  it('is empty after its ranges are dropped, ready to be built anew', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    const rows = [synapse(3, 300), synapse(20, 20)];
    const build = (): ReturnType<ChannelTables['overlayWrites']> =>
      tables.overlayWrites({ synapse: rows }, { synapse: [1n] });
    await database.commit({ entries: build() });
    const state = (): unknown => [tables.counts(), [...tables.rowsBehind('synapse', undefined)].flat()];
    const before = state();
    for (const range of tables.clearOverlay()) await database.dropEntries('rows', range);
    tables.reload();
    expect(tables.counts()).toEqual({ synapse: 10 });
    expect(found(tables, 'synapse').length).toBe(10);
    await database.commit({ entries: build() });
    expect(state()).toEqual(before);
  });

  it('counts anew where the files have other rows than when the edits were made', async () => {
    const database = new MemoryDatabase();
    const layer = await withBase(database);
    const tables = layer.channelTables(PATH, 1);
    const changes = tables.overlayWrites({ synapse: [synapse(20, 20), synapse(2, 0)] }, { synapse: [5n, 6n] });
    await database.commit({ entries: changes });
    expect(tables.counts()).toEqual({ synapse: 9 });
    // Of the base rows 0 to 9 there are 0, 5 and, new, 20.
    const rows = [0, 5, 20].map((key) => synapse(key, key));
    await layer.addSynapses(PATH, columnsOf('synapse', rows) as SynapseColumns);
    const anew = layer.channelTables(PATH, 1);
    expect(keys(anew, 'synapse')).toEqual([0n, 2n, 20n]);
    expect(anew.counts()).toEqual({ synapse: 3 });
    expect(found(anew, 'synapse')).toEqual([0n, 2n, 20n]);
  });

  it('keeps every kind of field of a row', async () => {
    const database = new MemoryDatabase();
    const tables = (await withBase(database)).channelTables(PATH, 1);
    const ids = [1n, 2n ** 64n - 1n];
    const row: Row = {
      ...{
        key: 2n ** 60n,
        kind: 'point',
        points: [0.25, -7, 1e6],
        text: 'Grüße 🧠',
        ids,
        author: 'ada',
        time: 1_700_000_000_000,
      },
      props: { a: [1, { b: null }], bytes: new Uint8Array([1, 2]), big: 2n ** 60n },
    };
    await database.commit({ entries: tables.overlayWrites({ annotation: [row] }, undefined) });
    expect(tables.row('annotation', row.key)).toEqual(row);
    const neuron: Row = { key: 5n, point: [1, 2, 3], name: 'Ada' };
    await database.commit({ entries: tables.overlayWrites({ neuron: [neuron] }, undefined) });
    expect(tables.row('neuron', 5n)).toEqual(neuron);
    expect(tables.counts()).toEqual({ neuron: 1, synapse: 10, annotation: 1 });
  });

  it('survives a restart on disk', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'bfly-rows-'));
    try {
      let database = await openLmdbDatabase(dir);
      const tables = (await withBase(database)).channelTables(PATH, 1);
      await database.commit({ entries: tables.overlayWrites({ synapse: [synapse(3, 300)] }, { synapse: [4n] }) });
      await database.close();
      database = await openLmdbDatabase(dir);
      // Nothing is loaded again: the rows stand in the store.
      const layer = new DatabaseLayer({ database, log: SILENT_LOG });
      await layer.addTables(PATH);
      const again = layer.channelTables(PATH, 1);
      expect(again.counts()).toEqual({ neuron: 0, synapse: 9 });
      expect(again.row('synapse', 3n)).toEqual(synapse(3, 300));
      expect(keys(again, 'synapse', 2n)).toEqual([3n, 5n, 6n, 7n, 8n, 9n]);
      await database.close();
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('is what a map of rows is, whatever is put, deleted and committed when', async () => {
    const seed = testSeed('channel tables');
    const random = seededRandom(seed);
    for (let run = 0; run < testRuns(12); run++) await compareWithMap(random);
  });
});

/** Random changes of a few keys beside a plain map; commits late, now and then. */
async function compareWithMap(random: () => number): Promise<void> {
  const database = new MemoryDatabase();
  const layer = new DatabaseLayer({ database, log: SILENT_LOG });
  const whole = (n: number): number => Math.floor(random() * n);
  const anyRow = (table: TableName, key: bigint): Row => {
    const spot = (): number[] => Array.from({ length: 3 }, () => whole(400) - 200 + (random() < 0.2 ? 0.5 : 0));
    if (table === 'neuron') return { key, point: spot() };
    if (table === 'synapse') return { key, pre: BigInt(whole(5)), post: BigInt(whole(5)), point: spot() };
    const wide = spot().map((value) => value + 10 ** whole(5));
    return { key, kind: 'line', points: [...spot(), ...wide] };
  };
  const model = new Map(TABLES.map((table) => [table, new Map<bigint, Row>()]));
  const rowsOf = (table: TableName): Map<bigint, Row> => model.get(table) ?? expect.fail();
  for (const table of ['neuron', 'synapse'] as const) {
    const rows = Array.from({ length: whole(1000) }, (_, i) => anyRow(table, BigInt(3 * i)));
    for (const row of rows) rowsOf(table).set(row.key, row);
    await layer.addEntries(table, PATH, columnsOf(table, rows));
  }
  const tables = layer.channelTables(PATH, 1);
  let waiting: ReturnType<ChannelTables['overlayWrites']> = [];
  const commits: Promise<void>[] = [];
  for (let step = 0; step < 60; step++) {
    const table = TABLES[whole(3)] ?? 'neuron';
    const some = (): bigint[] => [
      ...new Set(Array.from({ length: whole(12) }, () => BigInt(whole(table === 'annotation' ? 30 : 60)))),
    ];
    const gone = some();
    const rows = some()
      .filter((key) => !gone.includes(key))
      .map((key) => anyRow(table, key));
    waiting.push(...tables.overlayWrites({ [table]: rows }, { [table]: gone }));
    for (const key of gone) rowsOf(table).delete(key);
    for (const row of rows) rowsOf(table).set(row.key, row);
    for (const key of some()) expect(tables.newestRow(table, key)).toEqual(rowsOf(table).get(key));
    if (random() < 0.6) {
      commits.push(database.commit({ entries: waiting }));
      waiting = [];
    }
    if (random() < 0.3) await Promise.all(commits);
  }
  await Promise.all([...commits, database.commit({ entries: waiting })]);
  for (const table of TABLES) compareTable(tables, table, rowsOf(table), random);
}

function compareTable(tables: ChannelTables, table: TableName, rows: Map<bigint, Row>, random: () => number): void {
  const sorted = [...rows.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  expect(tables.counts()[table] ?? 0).toBe(sorted.length);
  expect([...tables.rowsBehind(table, undefined)].flat()).toEqual(sorted);
  const after = BigInt(Math.floor(random() * 100));
  expect(keys(tables, table, after)).toEqual(sorted.map(({ key }) => key).filter((key) => key > after));
  for (let k = 0; k < 12; k++) {
    const [x, y, z] = [0, 0, 0].map(() => random() * 400 - 200);
    const side = 10 ** (random() * 4);
    const box = [x, y, z, Number(x) + side, Number(y) + side, Number(z) + side] as unknown as SpaceBox;
    const inBox = sorted.filter((row) => meets(box, extentOf(row) ?? expect.fail()));
    expect(found(tables, table, box)).toEqual(inBox.map(({ key }) => key));
  }
}
