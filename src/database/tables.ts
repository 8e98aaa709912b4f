/**
 * The tables of all datasets: Butterfly's DatabaseLayer. Rows come from the JSON files of a dataset's folder (see `table-files.ts`) and
 * are kept in the store, where the next start finds them; edits lie over them, for each channel its own (`channel-tables.ts`).
 *
 * A *path* here is a channel's or a dataset's, as they stand on the wire, or the name of a table source that such a path was linked to.
 * Reads are synchronous and show what was loaded, without edits; writes resolve when they are on the disk, and come one after the other.
 */
import type { Row, TableName } from '../../protocol/edit-ops.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import { type Catalogue, type CatalogueChannel, catalogueChannels } from '../utility/catalogue.ts';
import type { Logger } from '../utility/log.ts';
import type { BaseTable } from './base-table.ts';
import { type BaseTables, ChannelTables } from './channel-tables.ts';
import type { Database } from './database.ts';
import { DatasetTables, dropGivenUpTables, type TableSource, type TablesContext } from './dataset-tables.ts';
import { ALL_SPACE, type SpaceBox } from './spatial-index.ts';
import { BASE_TABLES, type BaseTableName, type RowColumns, type SynapseColumns } from './table-columns.ts';
import {
  allNeurons,
  baseView,
  keypoint,
  neuronChildren,
  synapseIds,
  synapseParent,
  type TableView,
} from './table-view.ts';

/** What a DatabaseLayer is made of. */
export interface DatabaseLayerOptions {
  readonly database: Database;
  readonly log: Logger;
  /** Where a file really is, where it may be read: FORBIDDEN, NOT_FOUND. Default: any file may. */
  readonly admit?: (file: string) => Promise<string>;
}

const SYNAPSE_FILE = 'synapse-connections.json';
const SOMA_FILE = 'neuron-soma.json';
const NO_TABLES: BaseTables = {};

/** Tables, by path. */
export class DatabaseLayer {
  readonly #context: TablesContext;
  readonly #abort = new AbortController();
  /** Names of table sources by the paths that were linked to them. A map of its own: names cannot collide with paths. */
  readonly #links = new Map<string, string>();
  readonly #datasets = new Map<string, DatasetTables>();
  /** Loads under way, by name of the source. */
  readonly #loading = new Map<string, Promise<void>>();
  readonly #views = new Map<number, { readonly base: BaseTables; readonly view: TableView }>();
  #writes: Promise<unknown> = Promise.resolve();

  constructor(options: DatabaseLayerOptions) {
    const { database, log, admit = async (file: string) => file } = options;
    this.#context = { database, log, admit, signal: this.#abort.signal };
  }

  // --- loading

  /**
   * Loads the tables of everything in a catalogue. Its paths are known when the call returns; `ready` waits for their rows.
   *
   * @returns resolves when all is loaded that can be; what cannot is logged. Never rejects.
   */
  async loadConfig(catalogue: Catalogue): Promise<this> {
    const datasets = new Map<unknown, CatalogueChannel[]>();
    for (const channel of catalogueChannels(catalogue)) {
      const known = datasets.get(channel.dataset);
      if (known === undefined) datasets.set(channel.dataset, [channel]);
      else known.push(channel);
    }
    this.#exclusive(() => dropGivenUpTables(this.#context.database)).catch((error: unknown) => this.#failed(error));
    const loads = [...datasets.values()].map((channels) => this.loadAll(channels));
    await Promise.all(loads);
    await this.commit().catch((error: unknown) => this.#failed(error));
    return this;
  }

  /**
   * Links the channels of one dataset, and the dataset itself, to where their tables come from, and loads each source once.
   *
   * @param channels of one dataset.
   */
  async loadAll(channels: readonly CatalogueChannel[]): Promise<void> {
    const loads: Promise<void>[] = [];
    for (const { path, config, dataset } of channels) {
      const shared = dataset.path === undefined ? undefined : sourceOf(dataset.path, dataset);
      const own = config.dpath === undefined ? shared : sourceOf(config.dpath, dataset);
      const links = [
        [path, own],
        [path.split('/').slice(0, -1).join('/'), shared],
      ] as const;
      for (const [link, source] of links) {
        if (source === undefined) continue;
        this.addPath(link, nameOf(source));
        loads.push(this.#load(source));
      }
    }
    await Promise.all(loads);
  }

  /** Resolves when the tables of a path are loaded, or cannot be. */
  async ready(path: string): Promise<void> {
    await this.#loading.get(this.getPath(path));
  }

  /** Reads a path's file of synapses and keeps its rows. @returns the rows: none where there is no file, or a fault in it (logged). */
  loadSynapses(path: string): Promise<SynapseColumns> {
    return this.#exclusive(() => this.#dataset(path).loadSynapses());
  }

  /** Keeps the neurons of some synapses and of a path's file of somata. @returns their rows. */
  loadNeurons(path: string, synapses: SynapseColumns): Promise<RowColumns> {
    return this.#exclusive(() => this.#dataset(path).loadNeurons(synapses));
  }

  /** Links a path to a table source, or to a path that is linked already. */
  addPath(path: string, to: string): void {
    this.#links.set(path, this.getPath(to));
  }

  /** What a path is linked to; the path itself where it is not. */
  getPath(path: string): string {
    return this.#links.get(path) ?? path;
  }

  /** Waits for all writes so far. */
  async commit(): Promise<void> {
    await this.#writes;
    if (!this.#abort.signal.aborted) await this.#context.database.flushed();
  }

  /** Breaks loading off, for the database is about to be closed. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled([...this.#loading.values(), this.#writes]);
  }

  // --- writing

  /** Makes a table of a path, empty, where it is missing. @returns its full name. */
  async addTable(table: BaseTableName, path: string): Promise<string> {
    await this.#exclusive(() => this.#dataset(path).addTable(table));
    return `${table}://${this.getPath(path)}`;
  }

  /** Makes both tables of a path. */
  async addTables(path: string): Promise<this> {
    for (const table of BASE_TABLES) await this.addTable(table, path);
    return this;
  }

  /**
   * Puts rows in the place of all that a table has.
   *
   * @param rows in any order; borrowed until the promise resolves.
   * @returns the rows in order of their keys.
   * @throws BflyError BAD_REQUEST where a key stands twice.
   */
  addEntries(table: BaseTableName, path: string, rows: RowColumns): Promise<RowColumns> {
    return this.#exclusive(() => this.#dataset(path).addEntries(table, rows));
  }

  /** `addEntries` of neurons. */
  addNeurons(path: string, neurons: RowColumns): Promise<RowColumns> {
    return this.addEntries('neuron', path, neurons);
  }

  /** `addEntries` of synapses. */
  addSynapses(path: string, synapses: SynapseColumns): Promise<RowColumns> {
    return this.addEntries('synapse', path, synapses);
  }

  /**
   * Adds one row.
   *
   * @param update 1: in the place of the row of its key, where there is one; 0: as a new row, whose key is the next free one where its
   *   own is taken.
   * @returns the row as it is kept.
   * @throws BflyError BAD_REQUEST naming the field that is wrong.
   */
  addEntry(table: BaseTableName, path: string, row: Row, update: 0 | 1 = 1): Promise<Row> {
    return this.#exclusive(async () => {
      const dataset = this.#dataset(path);
      const known = dataset.tables[table];
      const isTaken = update === 0 && known?.has(row.key) === true;
      const added = isTaken ? { ...row, key: known.lastKey + 1n } : row;
      await dataset.addEntry(table, added);
      return added;
    });
  }

  // --- reading

  /** A table of a path; undefined where it has none. */
  getTable(table: BaseTableName, path: string): BaseTable | undefined {
    return this.#baseOf(path)[table];
  }

  /** A row of a path; undefined for an unknown key, negative ones too. */
  getByKey(table: BaseTableName, path: string, key: bigint): Row | undefined {
    return this.getTable(table, path)?.row(key);
  }

  /**
   * A path's rows: as files have them, or with a channel's edits.
   *
   * @param channel number of the channel in the store.
   */
  view(path: string, channel?: number): TableView {
    const base = this.#baseOf(path);
    if (channel === undefined) return baseView(base);
    const known = this.#views.get(channel);
    if (known?.base === base) return known.view;
    const view = this.channelTables(path, channel);
    this.#views.set(channel, { base, view });
    return view;
  }

  /**
   * The tables of a channel for its edit log, as they are in the store. Wait for `ready` first.
   *
   * @param number of the channel in the store.
   */
  channelTables(path: string, number: number): ChannelTables {
    return new ChannelTables(this.#context.database, number, this.#baseOf(path));
  }

  isSynapse(path: string, id: bigint): boolean {
    return this.view(path).has('synapse', id);
  }

  isNeuron(path: string, id: bigint): boolean {
    return this.view(path).has('neuron', id);
  }

  /** Where a synapse is, in voxels `scale` times as large along x, y, z, rounded down. */
  synapseKeypoint(path: string, id: bigint, scale?: Vec3): Vec3 | undefined {
    return this.#keypoint('synapse', path, id, scale);
  }

  /** As `synapseKeypoint`, of a neuron. */
  neuronKeypoint(path: string, id: bigint, scale?: Vec3): Vec3 | undefined {
    return this.#keypoint('neuron', path, id, scale);
  }

  /** The neurons that a synapse joins. */
  synapseParent(path: string, id: bigint): { readonly pre: bigint; readonly post: bigint } | undefined {
    return synapseParent(this.view(path), id);
  }

  /** Synapses of a neuron in a box of mip 0, ascending: 1 it is pre, 2 post, 3 both. */
  neuronChildren(path: string, id: bigint, box: SpaceBox = ALL_SPACE): Map<bigint, number> {
    return neuronChildren(this.view(path), id, box);
  }

  /** Synapses in a box of mip 0, ascending. */
  synapseIds(path: string, box: SpaceBox = ALL_SPACE): BigUint64Array {
    return synapseIds(this.view(path), box);
  }

  /** All neurons, ascending. */
  allNeurons(path: string): BigUint64Array {
    return allNeurons(this.view(path));
  }

  #keypoint(table: TableName, path: string, id: bigint, scale: Vec3 | undefined): Vec3 | undefined {
    return keypoint(this.view(path), table, id, scale);
  }

  // --- inside

  #baseOf(path: string): BaseTables {
    return this.#datasets.get(this.getPath(path))?.tables ?? NO_TABLES;
  }

  /** The dataset of a path; one without a source is taken for a folder with files of the usual names. */
  #dataset(path: string): DatasetTables {
    const name = this.getPath(path);
    const known = this.#datasets.get(name);
    return known ?? this.#addDataset(sourceOf(name, {}), name);
  }

  #addDataset(source: TableSource, name: string): DatasetTables {
    const dataset = new DatasetTables(this.#context, source);
    this.#datasets.set(name, dataset);
    return dataset;
  }

  #load(source: TableSource): Promise<void> {
    const name = nameOf(source);
    const known = this.#loading.get(name);
    if (known !== undefined) return known;
    const loading = this.#exclusive(async () => {
      const dataset = this.#datasets.get(name) ?? this.#addDataset(source, name);
      await dataset.load();
    }).catch((error: unknown) => this.#failed(error));
    this.#loading.set(name, loading);
    return loading;
  }

  #failed(error: unknown): void {
    if (!this.#abort.signal.aborted) this.#context.log.error({ err: error }, 'tables cannot be kept');
  }

  /** One write after the other; one that fails does not hold up the others. */
  #exclusive<T>(write: () => Promise<T>): Promise<T> {
    const writing = this.#writes.then(() => {
      this.#abort.signal.throwIfAborted();
      return write();
    });
    this.#writes = writing.catch(() => {});
    return writing;
  }
}

interface FileNames {
  readonly synapseConnections?: string;
  readonly neuronSoma?: string;
  readonly firstSynapse?: number;
}

function sourceOf(folder: string, names: FileNames): TableSource {
  const { synapseConnections = SYNAPSE_FILE, neuronSoma = SOMA_FILE, firstSynapse = 0 } = names;
  return { folder, synapses: synapseConnections, somata: neuronSoma, firstSynapse };
}

/** A folder alone where its files have the usual names. */
function nameOf({ folder, synapses, somata, firstSynapse }: TableSource): string {
  const isUsual = synapses === SYNAPSE_FILE && somata === SOMA_FILE && firstSynapse === 0;
  return isUsual ? folder : JSON.stringify([folder, synapses, somata, firstSynapse]);
}
