/** Files of tables, and tables read from them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Database } from '../../src/database/database.ts';
import { MemoryDatabase } from '../../src/database/memory-database.ts';
import { DatabaseLayer } from '../../src/database/tables.ts';
import type { Catalogue, DatasetConfig } from '../../src/utility/catalogue.ts';
import type { Logger } from '../../src/utility/log.ts';

/** The synapses of parity.md 14, `ds`. */
export const DS_SYNAPSES = {
  neuron_1: [10, 20, 10, 30],
  neuron_2: [20, 10, 10, 40],
  synapse_center: { z: [0, 1, 2, 3], y: [10, 20, 30, 40], x: [100, 200, 300, 400] },
};
/** Its somata. */
export const DS_SOMATA = [
  { neuron_id: 10, z: 9, y: 90, x: 900 },
  { neuron_id: 99, z: 7, y: 70, x: 700 },
];

/** The dataset that the files are of, and its one channel. */
export const DATASET = 'lab/fly/ds';
export const CHANNEL = `${DATASET}/seg`;

/** A log that keeps what it is told. */
export class KeptLog implements Logger {
  readonly lines: {
    readonly level: string;
    readonly fields: Readonly<Record<string, unknown>>;
    readonly message: string;
  }[] = [];
  debug = (fields: Readonly<Record<string, unknown>>, message: string): void => this.#keep('debug', fields, message);
  info = (fields: Readonly<Record<string, unknown>>, message: string): void => this.#keep('info', fields, message);
  warn = (fields: Readonly<Record<string, unknown>>, message: string): void => this.#keep('warn', fields, message);
  error = (fields: Readonly<Record<string, unknown>>, message: string): void => this.#keep('error', fields, message);

  /** What was wrong with files. */
  get faults(): string[] {
    return this.lines
      .filter(({ level }) => level === 'error')
      .map(({ fields }) => String(fields['fault'] ?? fields['err']));
  }

  #keep(level: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level, fields, message });
  }
}

/** Folders of one test. */
export class TableFolders {
  readonly #folders: string[] = [];

  /** A folder with files: text as it is, other values as JSON. */
  async make(files: Readonly<Record<string, unknown>>): Promise<string> {
    const folder = await mkdtemp(path.join(tmpdir(), 'bfly-tables-'));
    this.#folders.push(folder);
    for (const [name, content] of Object.entries(files)) await writeTable(path.join(folder, name), content);
    return folder;
  }

  async removeAll(): Promise<void> {
    await Promise.all(this.#folders.splice(0).map((folder) => rm(folder, { recursive: true })));
  }
}

/** Writes a file: text as it is, other values as JSON. */
export async function writeTable(file: string, content: unknown): Promise<void> {
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
}

/** A catalogue of one dataset with one channel. */
export function catalogueOf(folder: string | undefined, more: Partial<DatasetConfig> = {}): Catalogue {
  const channels = [{ name: 'seg', path: '/nowhere/seg' }];
  const dataset = { name: 'ds', channels, ...(folder === undefined ? {} : { path: folder }), ...more };
  return { experiments: [{ name: 'lab', samples: [{ name: 'fly', datasets: [dataset] }] }] };
}

/** Tables of a folder, loaded. */
export async function loadFolder(
  folder: string,
  {
    database = new MemoryDatabase(),
    more = {},
  }: { readonly database?: Database; readonly more?: Partial<DatasetConfig> } = {},
): Promise<{ readonly tables: DatabaseLayer; readonly database: Database; readonly log: KeptLog }> {
  const log = new KeptLog();
  const tables = new DatabaseLayer({ database, log });
  await tables.loadConfig(catalogueOf(folder, more));
  return { tables, database, log };
}
