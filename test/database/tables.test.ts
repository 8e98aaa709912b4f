import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Row } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { Change, Database } from '../../src/database/database.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { holdsPoint, type SpaceBox } from '../../src/database/spatial-index.ts';
import { type BaseTableName, columnsOf, type SynapseColumns } from '../../src/database/table-columns.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import { SILENT_LOG } from '../../src/utility/log.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';
import {
  CHANNEL,
  catalogueOf,
  DATASET,
  DS_SOMATA,
  DS_SYNAPSES,
  KeptLog,
  loadFolder,
  TableFolders,
  writeTable,
} from '../support/table-files.ts';

const folders = new TableFolders();
const SYNAPSES = 'synapse-connections.json';
const SOMATA = 'neuron-soma.json';

function layerOn(database: Database): DatabaseLayer {
  return new DatabaseLayer({ database, log: SILENT_LOG });
}

function sorted(rows: Iterable<Row>): Row[] {
  return [...rows].sort((a, b) => (a.key < b.key ? -1 : 1));
}

describe('DatabaseLayer', () => {
  afterEach(() => folders.removeAll());

  it('finds the rows of tables of many pages by key, in order and in boxes, as a plain filter does', async () => {
    const random = seededRandom(testSeed('base tables'));
    for (let run = 0; run < testRuns(4); run++) {
      const layer = layerOn(new MemoryDatabase());
      const whole = (n: number): number => Math.floor(random() * n);
      const count = whole(6_000);
      const width = 10 ** (1 + whole(4));
      const rows = new Map<bigint, Row>();
      for (let i = 0; i < count; i++) {
        const key = BigInt(whole(100_000));
        // Many stand on the same spot where the volume is small.
        const point = [whole(width), whole(width) - width / 2, whole(10)];
        rows.set(key, { key, pre: BigInt(whole(9)), post: BigInt(whole(9)), point });
      }
      const given = [...rows.values()];
      await layer.addSynapses(CHANNEL, columnsOf('synapse', given) as SynapseColumns);
      // Some more, one by one, in the place of others or new, as pages are split and emptied.
      for (let i = 0; i < 60; i++) {
        const known = given[whole(given.length)]?.key ?? 1n;
        const key = random() < 0.5 ? known : BigInt(whole(200_000));
        const row: Row = { key, pre: 1n, post: 2n, point: [whole(width), 0, whole(3)] };
        rows.set(key, row);
        expect(await layer.addEntry('synapse', CHANNEL, row)).toEqual(row);
      }
      compare(layer, rows, random, width);
    }
  });

  function compare(layer: DatabaseLayer, rows: Map<bigint, Row>, random: () => number, width: number): void {
    const all = sorted(rows.values());
    const table = layer.getTable('synapse', CHANNEL) ?? expect.fail();
    expect(table.count).toBe(all.length);
    expect(table.lastKey).toBe(all.at(-1)?.key ?? -1n);
    expect([...layer.view(CHANNEL).rowsBehind('synapse', undefined)].flat()).toEqual(all);
    for (let i = 0; i < 300; i++) {
      const key = BigInt(Math.floor(random() * 100_000));
      expect(layer.getByKey('synapse', CHANNEL, key)).toEqual(rows.get(key));
    }
    for (let i = 0; i < 20; i++) {
      const after = BigInt(Math.floor(random() * 110_000));
      const behind = all.filter(({ key }) => key > after).slice(0, 7);
      expect(table.rows(after, 7)).toEqual(behind);
      const side = (): number => random() ** 2 * width * 1.2;
      const [x, y, z] = [random() * width, (random() - 0.5) * width, random() * 10];
      const box: SpaceBox = [x, y, z, x + side(), y + side(), z + side()];
      const inBox = all.filter(({ point }) => holdsPoint(box, ...(point as [number, number, number])));
      expect(sorted([...table.search(box)].flat())).toEqual(inBox);
    }
    for (const end of ['pre', 'post'] as const)
      for (let segment = 0n; segment < 11n; segment++)
        expect([...table.rowsOf(end, segment)].flat()).toEqual(all.filter((row) => row[end] === segment));
  }

  it('finds the synapses of a segment without a look at the others', async () => {
    const database = new MemoryDatabase();
    const layer = layerOn(database);
    const last = 2n ** 64n - 1n;
    const rows = Array.from({ length: 50_000 }, (_, i): Row => {
      const key = BigInt(i);
      return { key, pre: i % 10_000 === 7 ? last : key % 500n, post: key * 2n ** 40n, point: [i % 100, i % 90, 1] };
    });
    await layer.addSynapses(CHANNEL, columnsOf('synapse', rows) as SynapseColumns);
    const table = layer.getTable('synapse', CHANNEL) ?? expect.fail();
    let pages = 0;
    const entries = database.entries.bind(database);
    database.entries = (...asked) => {
      const found = entries(...asked);
      pages += found.length;
      return found;
    };
    const keysOf = (end: 'pre' | 'post', segment: bigint): bigint[] =>
      [...table.rowsOf(end, segment)].flat().map(({ key }) => key);
    expect(keysOf('pre', last)).toEqual([7n, 10_007n, 20_007n, 30_007n, 40_007n]);
    expect(keysOf('pre', 12n)).toHaveLength(100);
    expect(keysOf('post', 4_711n * 2n ** 40n)).toEqual([4_711n]);
    expect(keysOf('post', 4_711n * 2n ** 40n + 1n)).toEqual([]);
    expect(keysOf('pre', 500n)).toEqual([]);
    // Of 149 in each order.
    expect(pages).toBeLessThan(25);
  });

  it('addEntry updates the row of its key, or adds a row under a free one', async () => {
    const layer = layerOn(new MemoryDatabase());
    const row: Row = { key: 5n, point: [1, 2, 3] };
    expect(await layer.addEntry('neuron', CHANNEL, row)).toEqual(row);
    expect(await layer.addEntry('neuron', CHANNEL, { ...row, point: [4, 5, 6] }, 1)).toEqual({
      key: 5n,
      point: [4, 5, 6],
    });
    expect(layer.getTable('neuron', CHANNEL)?.count).toBe(1);
    expect(layer.getByKey('neuron', CHANNEL, 5n)).toEqual({ key: 5n, point: [4, 5, 6] });
    expect(await layer.addEntry('neuron', CHANNEL, row, 0)).toEqual({ key: 6n, point: [1, 2, 3] });
    expect(await layer.addEntry('neuron', CHANNEL, { ...row, key: 2n }, 0)).toEqual({ key: 2n, point: [1, 2, 3] });
    expect([...layer.allNeurons(CHANNEL)]).toEqual([2n, 5n, 6n]);
    expect([...layer.view(CHANNEL).search('neuron', [1, 2, 3, 2, 3, 4])].flat().length).toBe(2);
    for (const [bad, fault] of [
      [{ key: -1n, point: [1, 2, 3] }, /key must be an integer/],
      [{ key: 1n, point: [1, 2] }, /point must be three numbers/],
      [{ key: 1n, point: [1, 2, Number.NaN] }, /point must be a number/],
    ] as const)
      await expect(layer.addEntry('neuron', CHANNEL, bad)).rejects.toThrow(fault);
    await expect(layer.addEntry('synapse', CHANNEL, { key: 1n, point: [1, 2, 3] })).rejects.toThrow(
      /pre must be an integer/,
    );
  });

  it('addEntries puts rows in the place of all that there were, in order of keys, and refuses a key twice', async () => {
    const database = new MemoryDatabase();
    const layer = layerOn(database);
    const columns = (...given: number[]) =>
      columnsOf(
        'neuron',
        given.map((key) => ({ key: BigInt(key), point: [key, 0, 0] })),
      );
    expect([...(await layer.addNeurons(CHANNEL, columns(3, 1, 2))).key]).toEqual([1n, 2n, 3n]);
    await layer.addNeurons(CHANNEL, columns(9, 8));
    expect([...layer.allNeurons(CHANNEL)]).toEqual([8n, 9n]);
    await expect(layer.addNeurons(CHANNEL, columns(4, 5, 4))).rejects.toThrow(
      /two rows of the table neuron have the key 4/,
    );
    expect([...layer.allNeurons(CHANNEL)]).toEqual([8n, 9n]);
    // One page in each order; those of the rows before are gone.
    expect(database.countEntries('rows', { start: new Uint8Array([0]), end: new Uint8Array([255]) })).toBe(2);
  });

  it('links paths to where their rows are', async () => {
    const layer = layerOn(new MemoryDatabase());
    expect(layer.getPath('/other')).toBe('/other');
    layer.addPath('a/b/c/d', '/data');
    layer.addPath('a/b/c/e', 'a/b/c/d');
    expect(layer.getPath('a/b/c/e')).toBe('/data');
    expect(await layer.addTable('neuron', 'a/b/c/e')).toBe('neuron:///data');
    expect(await layer.addTables('/data')).toBe(layer);
    expect(layer.getTable('synapse', 'a/b/c/d')?.count).toBe(0);
    expect(layer.getTable('synapse', 'elsewhere')).toBeUndefined();
    expect([...layer.synapseIds('elsewhere')]).toEqual([]);
  });

  it('takes rows up from the disk where the files have not changed, and reads them again where they have', async () => {
    const folder = await folders.make({ [SYNAPSES]: DS_SYNAPSES, [SOMATA]: DS_SOMATA });
    const dir = await mkdtemp(path.join(tmpdir(), 'bfly-tables-store-'));
    const start = async <T>(look: (layer: DatabaseLayer, commits: number) => T): Promise<T> => {
      const database = await openLmdbDatabase(dir);
      let commits = 0;
      const counted = new Proxy(database, {
        get: (target, name) => {
          const value = Reflect.get(target, name);
          if (typeof value !== 'function') return value;
          return (...given: unknown[]) => {
            if (name === 'commit') commits++;
            return value.apply(target, given);
          };
        },
      });
      try {
        const { tables } = await loadFolder(folder, { database: counted });
        return look(tables, commits);
      } finally {
        await database.close();
      }
    };
    try {
      const state = (layer: DatabaseLayer): unknown => [
        [...layer.allNeurons(CHANNEL)],
        layer.neuronKeypoint(CHANNEL, 10n),
        [...layer.synapseIds(CHANNEL)],
      ];
      const first = await start((layer, commits) => [state(layer), commits > 0]);
      expect(first).toEqual([
        [
          [10n, 20n, 30n, 40n, 99n],
          [900, 90, 9],
          [0n, 1n, 2n, 3n],
        ],
        true,
      ]);
      expect(await start((layer, commits) => [state(layer), commits > 0])).toEqual([first[0], false]);
      await writeTable(path.join(folder, SOMATA), [{ ...DS_SOMATA[1], neuron_id: 77 }]);
      expect(await start(state)).toEqual([
        [10n, 20n, 30n, 40n, 77n],
        [200, 20, 1],
        [0n, 1n, 2n, 3n],
      ]);
      // The same size, another time.
      await writeTable(path.join(folder, SOMATA), [{ ...DS_SOMATA[1], neuron_id: 78 }]);
      await utimes(path.join(folder, SOMATA), 1, 1);
      expect(await start((layer) => layer.isNeuron(CHANNEL, 78n))).toBe(true);
      await rm(path.join(folder, SYNAPSES));
      expect(await start(state)).toEqual([[78n], undefined, []]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('tells what is wrong with a file at each start, and takes it when it is mended', async () => {
    const database = new MemoryDatabase();
    const folder = await folders.make({ [SYNAPSES]: '{"neuron_1": [', [SOMATA]: DS_SOMATA });
    for (let start = 0; start < 2; start++) {
      const { log, tables } = await loadFolder(folder, { database });
      expect(log.faults).toEqual([expect.stringContaining(`${SYNAPSES}: is not JSON`)]);
      expect([...tables.allNeurons(CHANNEL)]).toEqual([10n, 99n]);
    }
    await writeTable(path.join(folder, SYNAPSES), DS_SYNAPSES);
    const { log, tables } = await loadFolder(folder, { database });
    expect(log.faults).toEqual([]);
    expect([...tables.synapseIds(CHANNEL)]).toEqual([0n, 1n, 2n, 3n]);
  });

  it('reads no file that may not be read, and does without', async () => {
    const folder = await folders.make({ [SYNAPSES]: DS_SYNAPSES });
    const log = new KeptLog();
    // No word of the somata, of which there are none.
    const admit = async (): Promise<string> => {
      throw new BflyError('FORBIDDEN', 'outside the allowed-paths');
    };
    const layer = new DatabaseLayer({ database: new MemoryDatabase(), log, admit });
    await layer.loadConfig(catalogueOf(folder));
    expect(log.faults).toEqual([`${SYNAPSES}: outside the allowed-paths`]);
    expect(layer.getTable('synapse', CHANNEL)).toBeUndefined();
  });

  it('goes on without tables where the store fails', async () => {
    const folder = await folders.make({ [SYNAPSES]: DS_SYNAPSES });
    const database = new MemoryDatabase();
    database.commit = async () => {
      throw new BflyError('UNAVAILABLE', 'the disk is full');
    };
    const { tables, log } = await loadFolder(folder, { database });
    expect(log.faults).toEqual([expect.stringContaining('the disk is full')]);
    await tables.ready(CHANNEL);
    expect([...tables.synapseIds(CHANNEL)]).toEqual([]);
  });

  it('leaves nothing behind of a load that was cut off', async () => {
    const folder = await folders.make({ [SYNAPSES]: DS_SYNAPSES });
    /** Stops for ever at the commit that would make the table known. */
    class Cut extends MemoryDatabase {
      isCut = true;
      override async commit(change: Change): Promise<void> {
        if (this.isCut && change.records?.some(([name]) => name.startsWith('tables:')) === true)
          throw new Error('power cut');
        return super.commit(change);
      }
    }
    const database = new Cut();
    await loadFolder(folder, { database });
    const all = { start: new Uint8Array([0]), end: new Uint8Array([255]) };
    expect(database.countEntries('rows', all)).toBe(4);
    expect(database.records('drop-table:').length).toBe(1);
    database.isCut = false;
    const { tables } = await loadFolder(folder, { database });
    expect([...tables.synapseIds(CHANNEL)]).toEqual([0n, 1n, 2n, 3n]);
    // Two tables, one page in each order: neurons have two, synapses four.
    expect(database.countEntries('rows', all)).toBe(6);
    expect(database.records('drop-table:')).toEqual([]);
  });

  it('knows its paths at once and lets who asks wait; stopping breaks loading off', async () => {
    const folder = await folders.make({ [SYNAPSES]: DS_SYNAPSES });
    let admitted = (): void => {};
    const gate = new Promise<void>((resolve) => {
      admitted = resolve;
    });
    const admit = async (file: string): Promise<string> => {
      await gate;
      return file;
    };
    const log = new KeptLog();
    const layer = new DatabaseLayer({ database: new MemoryDatabase(), log, admit });
    const loading = layer.loadConfig(catalogueOf(folder));
    expect(layer.getPath(CHANNEL)).toBe(folder);
    expect(layer.getPath(DATASET)).toBe(folder);
    const order: string[] = [];
    const waiting = layer.ready(CHANNEL).then(() => order.push('ready'));
    await layer.ready('lab/other');
    order.push('open');
    admitted();
    await waiting;
    expect(order).toEqual(['open', 'ready']);
    expect([...layer.synapseIds(CHANNEL)]).toEqual([0n, 1n, 2n, 3n]);
    await loading;

    const stopped = new DatabaseLayer({ database: new MemoryDatabase(), log, admit });
    const broken = stopped.loadConfig(catalogueOf(folder));
    await stopped.stop();
    await broken;
    expect(stopped.getTable('synapse', CHANNEL)).toBeUndefined();
    expect(log.faults).toEqual([]);
  });

  it('reads a file of some megabytes, as pieces', async () => {
    const folder = await folders.make({});
    const n = 150_000;
    const numbers = (f: (i: number) => number): string => `[${Array.from({ length: n }, (_, i) => f(i)).join(', ')}]`;
    const centre = `{"z": ${numbers((i) => i % 50)}, "y": ${numbers((i) => i % 1000)}, "x": ${numbers((i) => i % 777)}}`;
    const text = `{"neuron_1": ${numbers((i) => i % 100)}, "neuron_2": ${numbers((i) => 1e12 + i)}, "synapse_center": ${centre}}`;
    await writeFile(path.join(folder, SYNAPSES), text);
    const { tables } = await loadFolder(folder);
    for (const table of ['neuron', 'synapse'] satisfies BaseTableName[])
      expect(tables.getTable(table, CHANNEL)?.count).toBe(table === 'neuron' ? n + 100 : n);
    expect(tables.getByKey('synapse', CHANNEL, 123_456n)).toEqual({
      ...{ key: 123_456n, pre: 56n, post: 1_000_000_123_456n, point: [123_456 % 777, 456, 6] },
    });
    let expected = 0;
    for (let i = 0; i < n; i++) if (i % 50 < 10 && i % 1000 >= 500 && i % 777 < 100) expected++;
    expect(tables.synapseIds(CHANNEL, [0, 500, 0, 100, 1000, 10]).length).toBe(expected);
  });
});
