/** The base tables of one dataset: brought in from its files where they have changed, else taken up from the store. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Row } from '../../protocol/edit-ops.ts';
import { BflyError } from '../../protocol/errors.ts';
import type { Logger } from '../utility/log.ts';
import { BaseTable, type BaseTableInfo } from './base-table.ts';
import { inKeyOrder, writesOfRow, writeTable } from './base-table-writer.ts';
import type { Database } from './database.ts';
import { neuronsOf } from './neurons-of.ts';
import {
  BASE_TABLES,
  type BaseTableName,
  NO_SYNAPSES,
  newColumns,
  type RowColumns,
  type SynapseColumns,
} from './table-columns.ts';
import { readSomaFile, readSynapseFile } from './table-files.ts';
import { baseRange } from './table-keys.ts';

/** Where a dataset's tables come from. */
export interface TableSource {
  /** Absolute path of a folder. */
  readonly folder: string;
  /** Names of the files in it. */
  readonly synapses: string;
  readonly somata: string;
  /** Key of the first row of the table of synapses. */
  readonly firstSynapse: number;
}

/** What tables need of the server around them. */
export interface TablesContext {
  readonly database: Database;
  readonly log: Logger;
  /**
   * Where a file really is, where it may be read.
   *
   * @throws BflyError FORBIDDEN, NOT_FOUND
   */
  readonly admit: (file: string) => Promise<string>;
  /** Breaks loading off. */
  readonly signal: AbortSignal;
}

/** What the store keeps of a dataset, as JSON under `tables:` and a digest of its source. */
interface DatasetRecord {
  readonly folder: string;
  /** Of the files that the tables were made from. */
  readonly stamp: string;
  /** What was wrong with them. */
  readonly faults: readonly string[];
  readonly tables: Readonly<Partial<Record<BaseTableName, BaseTableInfo>>>;
}

/** Changes when the same files would give other rows. */
const FORMAT = 2;
const NEXT_TABLE = 'next-table';
const DROP = 'drop-table:';
const NO_NEURONS = newColumns('neuron', 0);

/** Removes tables that were given up, those of an earlier life that was cut off included. */
export async function dropGivenUpTables(database: Database): Promise<void> {
  for (const [name, number] of database.records(DROP)) {
    if (typeof number === 'number') await database.dropEntries('rows', baseRange(number));
    await database.commit({ records: [[name, null]] });
  }
}

/** The tables of a dataset. Writes come one at a time: whoever calls sees to that. */
export class DatasetTables {
  readonly source: TableSource;
  /** The tables that there are; the same object for ever. */
  readonly tables: Partial<Record<BaseTableName, BaseTable>> = {};
  readonly #context: TablesContext;
  readonly #recordName: string;
  #record: DatasetRecord;

  constructor(context: TablesContext, source: TableSource) {
    this.#context = context;
    this.source = source;
    const { folder, synapses, somata, firstSynapse } = source;
    const digest = createHash('sha256').update(JSON.stringify([folder, synapses, somata, firstSynapse]));
    this.#recordName = `tables:${digest.digest('hex')}`;
    // Only this class writes records of this name.
    const kept = context.database.record(this.#recordName) as DatasetRecord | undefined;
    this.#record = kept ?? { folder, stamp: '', faults: [], tables: {} };
    for (const table of BASE_TABLES) this.#takeUp(table);
  }

  /** Makes the tables those of the files. Never fails for what is in the files: what is wrong is logged, and the other table loaded. */
  async load(): Promise<void> {
    const stamp = await this.#stamp();
    if (stamp !== this.#record.stamp) {
      const startedAt = performance.now();
      this.#record = { ...this.#record, faults: [] };
      const synapses = await this.loadSynapses();
      await this.loadNeurons(synapses);
      await this.#keep({ stamp });
      const counts = { neurons: this.tables.neuron?.count ?? 0, synapses: this.tables.synapse?.count ?? 0 };
      const ms = Math.round(performance.now() - startedAt);
      if (counts.neurons > 0) this.#context.log.info({ folder: this.source.folder, ...counts, ms }, 'loaded tables');
    }
    for (const fault of this.#record.faults)
      this.#context.log.error({ folder: this.source.folder, fault }, 'a table cannot be loaded');
  }

  /** Reads and keeps the table of synapses. @returns its rows: none where there is no file, or a fault in it. */
  async loadSynapses(): Promise<SynapseColumns> {
    const { synapses, firstSynapse } = this.source;
    const { signal } = this.#context;
    const columns = await this.#read(synapses, (file) => readSynapseFile(file, firstSynapse, signal));
    if (columns === undefined) await this.#give(undefined, 'synapse');
    else await this.addEntries('synapse', columns);
    return columns ?? NO_SYNAPSES;
  }

  /** Keeps the neurons of some synapses and of the file of somata. @returns their rows. */
  async loadNeurons(synapses: SynapseColumns): Promise<RowColumns> {
    const { signal } = this.#context;
    const somata = await this.#read(this.source.somata, (file) => readSomaFile(file, signal));
    const hasNone = somata === undefined && this.tables.synapse === undefined && synapses.key.length === 0;
    const neurons = await neuronsOf(synapses, somata ?? NO_NEURONS);
    if (hasNone) await this.#give(undefined, 'neuron');
    else await this.addEntries('neuron', neurons);
    return neurons;
  }

  /**
   * Puts rows in the place of a table's.
   *
   * @param columns in any order; borrowed until the promise resolves.
   * @returns the rows in order of their keys.
   * @throws BflyError BAD_REQUEST where a key stands twice.
   */
  async addEntries(table: BaseTableName, columns: RowColumns): Promise<RowColumns> {
    const { database, signal } = this.#context;
    const sorted = await inKeyOrder(table, columns);
    const number = await this.#newNumber();
    await this.#give(await writeTable(database, number, sorted, signal), table);
    return sorted;
  }

  /** Puts one row into a table, which is made where it is missing. */
  async addEntry(table: BaseTableName, row: Row): Promise<void> {
    const into = this.tables[table] ?? (await this.addTable(table));
    const { entries, info } = writesOfRow(this.#context.database, into, row);
    const record = { ...this.#record, tables: { ...this.#record.tables, [table]: info } };
    await this.#context.database.commit({ entries, records: [[this.#recordName, record]] });
    this.#record = record;
    into.changed(info);
  }

  /** A table, made empty where it is missing. */
  async addTable(table: BaseTableName): Promise<BaseTable> {
    const known = this.tables[table];
    if (known !== undefined) return known;
    await this.#give({ number: await this.#newNumber(), rows: 0, last: null }, table);
    // It has just been taken up.
    return this.tables[table] as BaseTable;
  }

  /** A number for a new table. Until the table is kept, the number stands among those to be dropped. */
  async #newNumber(): Promise<number> {
    const { database } = this.#context;
    const next = database.record(NEXT_TABLE);
    const number = typeof next === 'number' ? next : 1;
    const records = [
      [NEXT_TABLE, number + 1],
      [`${DROP}${number}`, number],
    ] as const;
    await database.commit({ records });
    return number;
  }

  /** Keeps a table under a new number, or none, and drops the one before. */
  async #give(info: BaseTableInfo | undefined, table: BaseTableName): Promise<void> {
    const { database } = this.#context;
    const { [table]: before, ...others } = this.#record.tables;
    const record = { ...this.#record, tables: info === undefined ? others : { ...others, [table]: info } };
    if (info === undefined && before === undefined) return;
    await database.commit({
      records: [
        [this.#recordName, record],
        ...(info === undefined ? [] : [[`${DROP}${info.number}`, null] as const]),
        ...(before === undefined ? [] : [[`${DROP}${before.number}`, before.number] as const]),
      ],
    });
    this.#record = record;
    this.#takeUp(table);
    if (before !== undefined) await dropGivenUpTables(database);
  }

  #takeUp(table: BaseTableName): void {
    const info = this.#record.tables[table];
    if (info === undefined) delete this.tables[table];
    else this.tables[table] = new BaseTable(this.#context.database, table, info);
  }

  async #keep(change: Partial<DatasetRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    const { database } = this.#context;
    const isNew = database.record(this.#recordName) === undefined;
    // Most datasets have no tables.
    const isEmpty = Object.keys(this.#record.tables).length === 0 && this.#record.faults.length === 0;
    if (!isNew || !isEmpty) await database.commit({ records: [[this.#recordName, this.#record]] });
  }

  /** Reads a file with `read`; undefined where it is missing, or something is wrong, which is then among the faults. */
  async #read<T>(name: string, read: (file: string) => Promise<T>): Promise<T | undefined> {
    const file = path.join(this.source.folder, name);
    // A volume on its own is often served from a folder that may not be read: nothing is wrong where no table is there.
    if ((await stampOf(file)) === NO_FILE) return undefined;
    try {
      return await read(await this.#context.admit(file));
    } catch (error) {
      if (!(error instanceof BflyError)) throw error;
      if (error.code !== 'NOT_FOUND')
        this.#record = { ...this.#record, faults: [...this.#record.faults, `${name}: ${error.message}`] };
      return undefined;
    }
  }

  async #stamp(): Promise<string> {
    const { folder, synapses, somata } = this.source;
    const stamps = await Promise.all([synapses, somata].map((name) => stampOf(path.join(folder, name))));
    return JSON.stringify([FORMAT, ...stamps]);
  }
}

const NO_FILE = '-';

/** Size and time of the last change of a file; `NO_FILE` where there is none. */
async function stampOf(file: string): Promise<string> {
  try {
    const { size, mtimeNs, ino } = await stat(file, { bigint: true });
    return `${size} ${mtimeNs} ${ino}`;
  } catch {
    return NO_FILE;
  }
}
