/**
 * The configuration file: Butterfly's YAML, as it was, with a few keys more. The only place that knows the YAML library and zod.
 *
 * ```yaml
 * bfly:
 *   port: 2001                # 0..65535
 *   host: 127.0.0.1           # ours
 *   transport: auto           # ours: auto, uws or ws
 *   max-cache-size: 1024      # MiB of decoded and encoded tiles in memory
 *   max-block-size: 1         # MiB: the largest block of an HDF5 file that has no chunks of its own
 *   allowed-paths: [/data]    # data outside these folders is refused, also behind symbolic links
 *   edit-path: /data/edits    # of old; edits are in the store now, and reading the file says how those in there are taken up
 *   log-path: bfly.log        # of old; the log goes to standard error, and reading the file says so
 *   data: .bfly               # ours: folder of the store
 *   log-level: info           # debug, info, warn, error or silent
 *   limits: {requests: 256}   # ours: any name of `protocol/limits.ts`
 *   experiments:
 *     - name: fly
 *       samples:
 *         - name: medulla
 *           datasets:
 *             - name: training
 *               path: /data/fly                     # folder of the tables of neurons and synapses
 *               synapse-connections: synapses.json  # file names in it
 *               neuron-soma: somata.json
 *               first-synapse: 0                    # id of the first synapse
 *               channels:
 *                 - name: em
 *                   path: /data/fly/em.h5           # or the address of a precomputed, Zarr or N5 volume
 *                   dpath: /data/fly/tables         # instead of the dataset's path
 *                   offset: [0, 0, 0]               # z, y, x, as Butterfly always had it
 *                   dataset: volumes/raw            # ours: name inside the file
 *                   type: image                     # ours: image or segmentation
 *                   voxel: [10, 10, 10]             # ours: nm, x, y, z
 *                   chunk: [64, 64, 64]             # ours: voxels, x, y, z
 *                   mesh: /data/fly/meshes          # ours: folder of the meshes of segments
 * ```
 * `offset`, `voxel` and `chunk` may also be maps such as `{x: 4, y: 4, z: 30}`. Every value is read as the text that stands
 * there, so channels may be called `off` or `2017`. Relative paths start at the file's folder, `~/` at the home folder.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { parseDocument, stringify } from 'yaml';
import { z } from 'zod';
import { BflyError } from '../../protocol/errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../../protocol/limits.ts';
import type { Vec3 } from '../../protocol/volume.ts';
import {
  type Catalogue,
  type ChannelConfig,
  type DatasetConfig,
  EMPTY_CATALOGUE,
  type ExperimentConfig,
  nameSiblings,
} from './catalogue.ts';
import type { LogLevel } from './log.ts';
import { isRemoteUrl, plainRemoteUrl } from './remote-url.ts';

export type * from './catalogue.ts';
export { catalogueChannels, EMPTY_CATALOGUE, mergeCatalogues } from './catalogue.ts';

/** What a file sets besides its experiments; absent = not set there. */
export interface Settings {
  readonly port?: number;
  readonly host?: string;
  readonly transport?: 'auto' | 'uws' | 'ws';
  readonly maxCacheMiB?: number;
  readonly maxBlockMiB?: number;
  /** Absolute paths. */
  readonly allowedPaths?: readonly string[];
  readonly logLevel?: LogLevel;
  /** Absolute path of the store. */
  readonly data?: string;
  readonly limits?: Partial<Limits>;
}

/** A configuration that was read. */
export interface Config {
  readonly catalogue: Catalogue;
  readonly settings: Settings;
  /** What was not understood and had no effect, and names that were changed: one sentence each. */
  readonly warnings: readonly string[];
}

const EMPTY_CONFIG: Config = { catalogue: EMPTY_CATALOGUE, settings: {}, warnings: [] };

const text = z.string({ error: 'must be a text' }).min(1, { error: 'must be a text' });
const numeric = (legal: string, isLegal: (value: number) => boolean) =>
  z
    .string({ error: `must be ${legal}` })
    .regex(/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/, { error: `must be ${legal}` })
    .transform(Number)
    .refine(isLegal, { error: `must be ${legal}` });
const isWhole = Number.isSafeInteger;
const positive = numeric('a number above 0', (n) => n > 0 && Number.isFinite(n));
const count = numeric('a whole number from 0 up', (n) => isWhole(n) && n >= 0);
const positiveCount = numeric('a whole number from 1 up', (n) => isWhole(n) && n >= 1);
const whole = numeric('a whole number', isWhole);

/** Three numbers: a list in the order of `axes`, or a map. Gives x, y, z. */
function vector(item: z.ZodType<number, string>, axes: 'x, y, z' | 'z, y, x', legal: string) {
  const map = z.object({ x: item, y: item, z: item }).transform(({ x, y, z }): Vec3 => [x, y, z]);
  const list = z.tuple([item, item, item]).transform(([a, b, c]): Vec3 => (axes === 'x, y, z' ? [a, b, c] : [c, b, a]));
  return z.union([list, map], { error: `must be three ${legal} in the order [${axes}], or a map {x: …, y: …, z: …}` });
}

const list = <T extends z.ZodType>(item: T) => z.array(item, { error: 'must be a list' });
const map = <T extends z.core.$ZodShape>(shape: T) => z.object(shape, { error: 'must be a map of keys and values' });

const channelSchema = map({
  name: text,
  path: text,
  dataset: text.exactOptional(),
  type: z.enum(['image', 'segmentation'], { error: 'must be image or segmentation' }).exactOptional(),
  voxel: vector(positive, 'x, y, z', 'sizes in nanometres above 0').exactOptional(),
  offset: vector(whole, 'z, y, x', 'whole numbers').exactOptional(),
  dpath: text.exactOptional(),
  chunk: vector(positiveCount, 'x, y, z', 'whole numbers from 1 up').exactOptional(),
  mesh: text.exactOptional(),
});

/** A dataset with its name; without one it only adds to the dataset before it. */
const datasetSchema = map({
  name: text.exactOptional(),
  path: text.exactOptional(),
  'synapse-connections': text.exactOptional(),
  'neuron-soma': text.exactOptional(),
  'first-synapse': count.exactOptional(),
  channels: list(channelSchema).exactOptional(),
});
const sampleSchema = map({ name: text, datasets: list(datasetSchema).exactOptional() });
const experimentSchema = map({ name: text, samples: list(sampleSchema).exactOptional() });

/** Names of levels in Butterfly's files, which were Python's. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  critical: 'error',
  silent: 'silent',
};
const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as [keyof Limits, ...(keyof Limits)[]]; // a literal's keys are its type's
const limits = z.partialRecord(z.enum(LIMIT_NAMES), positiveCount, {
  error: `must be a map with names of limits only: ${LIMIT_NAMES.join(', ')}`,
});

const sectionSchema = map({
  port: numeric('a whole number from 0 to 65535', (n) => isWhole(n) && n >= 0 && n <= 65_535).exactOptional(),
  host: text.exactOptional(),
  transport: z.enum(['auto', 'uws', 'ws'], { error: 'must be auto, uws or ws' }).exactOptional(),
  'max-cache-size': numeric('a number of MiB from 0 up', (n) => n >= 0 && Number.isFinite(n)).exactOptional(),
  'max-block-size': positive.exactOptional(),
  'allowed-paths': z
    .union([list(text), text.transform((one) => [one])], { error: 'must be a list of paths' })
    .exactOptional(),
  'edit-path': text.exactOptional(),
  'log-path': text.exactOptional(),
  'log-level': z
    .string({ error: 'must be debug, info, warn, error or silent' })
    .transform((level) => LEVELS[level.toLowerCase()])
    .refine((level) => level !== undefined, { error: 'must be debug, info, warn, error or silent' })
    .exactOptional(),
  data: text.exactOptional(),
  limits: limits.exactOptional(),
  experiments: list(experimentSchema).exactOptional(),
});
type Section = z.output<typeof sectionSchema>;
type DatasetItem = z.output<typeof datasetSchema>;

/** Keys of older versions of Butterfly; they stand in real files and are no mistake there. */
const WITHOUT_EFFECT = new Set(
  `developer-mode db-type db-path db-port db-update datasource assent-list always-subsample image-resize-method
   suppress-tornado-logging short-description data-type dimensions`.split(/\s+/),
);

/** Where a configuration comes from, and what relative paths in it mean. */
export interface ConfigPlace {
  /** Base name of the file, for messages. */
  readonly file: string;
  /** Folder of the file, absolute. */
  readonly folder: string;
  /** Home folder, for `~/`. */
  readonly home?: string;
}

/**
 * Reads the text of a configuration.
 *
 * @throws BflyError BAD_REQUEST naming the file, the key and what is legal there; also where it has neither `bfly` nor `experiments`.
 */
export function parseConfig(source: string, place: ConfigPlace): Config {
  const tree = withoutEmpty(readYaml(source, place));
  if (tree === undefined) return EMPTY_CONFIG;
  const found = findSection(tree);
  if (found === undefined) {
    throw new BflyError('BAD_REQUEST', `${place.file} must have the key bfly or the key experiments at its top`);
  }
  const read = sectionSchema.safeParse(found.section ?? {});
  if (!read.success) throw faultOf(read.error, found.keyPath, place);
  const warnings: string[] = [];
  for (const key of unknownKeys(found.section, read.data, found.keyPath)) {
    warnings.push(`${place.file}: ${key} is not a key of Butterfly and has no effect`);
  }
  if (read.data['edit-path'] !== undefined)
    warnings.push(
      `${place.file}: edits are kept in the store (data), not in edit-path; bfly import --npy takes those of Butterfly up`,
    );
  if (read.data['log-path'] !== undefined)
    warnings.push(
      `${place.file}: the log goes to standard error, not to log-path; bfly serve … 2>> FILE keeps it in a file`,
    );
  const reader = new SectionReader(read.data, place, found.keyPath, warnings);
  return { catalogue: { experiments: reader.experiments() }, settings: reader.settings(), warnings };
}

/** Says whether a text is a configuration, as against a JSON file of some image format. */
export function isConfigText(source: string): boolean {
  const document = parseDocument(source, { schema: 'failsafe' });
  return document.errors.length === 0 && findSection(document.toJS()) !== undefined;
}

/** Where to look for the file when none is named. */
export interface ConfigLookup {
  /** The file that was asked for; it must exist. */
  readonly file?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly home?: string;
}

/**
 * Reads the file that was named, else `$RH_CONFIG_FILENAME`, else `~/.rh-config.yaml`; no such file = an empty configuration.
 *
 * @throws BflyError NOT_FOUND when a file that was named is not there, BAD_REQUEST as `parseConfig`.
 */
export async function readConfig(lookup: ConfigLookup = {}): Promise<Config> {
  const home = lookup.home ?? homedir();
  const fromEnv = (lookup.env ?? process.env)['RH_CONFIG_FILENAME'];
  const isNamed = lookup.file !== undefined;
  const file = path.resolve(expandHome(lookup.file ?? (fromEnv || path.join(home, '.rh-config.yaml')), home));
  const place = { file: path.basename(file), folder: path.dirname(file), home };
  const source = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && !isNamed) return undefined;
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`;
    throw new BflyError('NOT_FOUND', `the configuration ${place.file} ${why}`, { cause: error });
  });
  if (source === undefined) return EMPTY_CONFIG;
  // A file that is shared with other programs may have nothing for us.
  if (!isNamed && findSection(readYaml(source, place)) === undefined) return EMPTY_CONFIG;
  return parseConfig(source, place);
}

/** Writes a catalogue as a configuration that reads back equal. */
export function writeCatalogueYaml(catalogue: Catalogue): string {
  const experiments = catalogue.experiments.map((experiment) => ({
    name: experiment.name,
    samples: experiment.samples.map((sample) => ({ name: sample.name, datasets: sample.datasets.map(writeDataset) })),
  }));
  // Version 1.1 puts quotes around `off`, `yes` and their like, so that other readers see text too.
  return stringify({ bfly: { experiments } }, { version: '1.1', lineWidth: 0 });
}

function writeDataset(dataset: DatasetConfig): Record<string, unknown> {
  return {
    name: dataset.name,
    path: dataset.path,
    'synapse-connections': dataset.synapseConnections,
    'neuron-soma': dataset.neuronSoma,
    'first-synapse': dataset.firstSynapse,
    channels: dataset.channels.map(({ voxel, offset, chunk, ...rest }) => ({
      ...rest,
      voxel: writeVector(voxel),
      offset: writeVector(offset),
      chunk: writeVector(chunk),
    })),
  };
}

/** As a map, which cannot be read in the wrong order. */
function writeVector(vector: Vec3 | undefined): Record<string, number> | undefined {
  return vector && { x: vector[0], y: vector[1], z: vector[2] };
}

function readYaml(source: string, place: ConfigPlace): unknown {
  const document = parseDocument(source, { schema: 'failsafe', merge: true });
  const [error] = document.errors;
  if (error !== undefined) {
    const [what] = error.message.split(/:?\n/);
    throw new BflyError('BAD_REQUEST', `${place.file} is not legal YAML: ${what}; check the indentation there`);
  }
  return document.toJS();
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function findSection(tree: unknown): { section: unknown; keyPath: string } | undefined {
  if (!isMap(tree)) return undefined;
  if ('bfly' in tree) return { section: tree['bfly'], keyPath: 'bfly' };
  return 'experiments' in tree ? { section: tree, keyPath: '' } : undefined;
}

/** Takes out keys without a value: `experiments:` with nothing behind it is as good as absent. */
function withoutEmpty(value: unknown): unknown {
  if (value === '' || value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, withoutEmpty(item)] as const);
  return Object.fromEntries(entries.filter(([key, item]) => item !== undefined || key === 'bfly'));
}

function faultOf(error: z.ZodError, keyPath: string, place: ConfigPlace): BflyError {
  const [issue] = error.issues;
  if (issue === undefined) return new BflyError('BAD_REQUEST', `${place.file} cannot be read`);
  const at = joinKeys(keyPath, issue.path);
  const more = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more faults)` : '';
  return new BflyError('BAD_REQUEST', `${place.file}: ${at} ${issue.message}${more}`);
}

function joinKeys(keyPath: string, keys: readonly PropertyKey[]): string {
  let joined = keyPath;
  for (const key of keys) {
    if (typeof key === 'number') joined += `[${key}]`;
    else joined += joined === '' ? String(key) : `.${String(key)}`;
  }
  return joined === '' ? 'the top' : joined;
}

/** Paths of keys that the schema did not take over. */
function unknownKeys(raw: unknown, read: unknown, at: string): string[] {
  if (Array.isArray(raw) && Array.isArray(read)) {
    return raw.flatMap((item, i) => unknownKeys(item, read[i], `${at}[${i}]`));
  }
  if (!isMap(raw) || !isMap(read)) return [];
  return Object.entries(raw).flatMap(([key, item]) => {
    const here = joinKeys(at, [key]);
    if (key in read) return unknownKeys(item, read[key], here);
    return WITHOUT_EFFECT.has(key) ? [] : [here];
  });
}

function expandHome(written: string, home: string): string {
  return written === '~' || written.startsWith('~/') ? path.join(home, written.slice(1)) : written;
}

/** Turns a section that the schema took into the model. */
class SectionReader {
  readonly #section: Section;
  readonly #place: ConfigPlace;
  readonly #keyPath: string;
  readonly #warnings: string[];

  constructor(section: Section, place: ConfigPlace, keyPath: string, warnings: string[]) {
    this.#section = section;
    this.#place = place;
    this.#keyPath = keyPath;
    this.#warnings = warnings;
  }

  settings(): Settings {
    const { port, host, transport, data, limits, ...rest } = this.#section;
    const settings = {
      port,
      host,
      transport,
      limits,
      maxCacheMiB: rest['max-cache-size'],
      maxBlockMiB: rest['max-block-size'],
      allowedPaths: rest['allowed-paths']?.map((written) => this.#absolute(written)),
      logLevel: rest['log-level'],
      data: this.#absoluteOrNone(data),
    };
    return withoutUndefined(settings);
  }

  experiments(): ExperimentConfig[] {
    const at = joinKeys(this.#keyPath, ['experiments']);
    const experiments = (this.#section.experiments ?? []).map((experiment, e) => ({
      name: experiment.name,
      samples: this.#named(
        (experiment.samples ?? []).map((sample, s) => ({
          name: sample.name,
          datasets: this.#datasets(sample.datasets ?? [], `${at}[${e}].samples[${s}].datasets`),
        })),
        `${at}[${e}].samples`,
      ),
    }));
    return this.#named(experiments, at);
  }

  #datasets(items: readonly DatasetItem[], at: string): DatasetConfig[] {
    const joined = joinSplitDatasets(items, (index) => {
      throw new BflyError('BAD_REQUEST', `${this.#place.file}: ${at}[${index}].name must be a text`);
    });
    const datasets = joined.map((item): DatasetConfig => {
      const channels = (item.channels ?? []).map((channel) => this.#channel(channel));
      return withoutUndefined({
        name: item.name,
        path: this.#absoluteOrNone(item.path),
        synapseConnections: item['synapse-connections'],
        neuronSoma: item['neuron-soma'],
        firstSynapse: item['first-synapse'],
        channels: this.#named(channels, `${at} "${item.name}" channels`),
      });
    });
    return this.#named(datasets, at);
  }

  #channel(item: z.output<typeof channelSchema>): ChannelConfig {
    return withoutUndefined({
      ...item,
      path: isRemoteUrl(item.path) ? plainRemoteUrl(item.path) : this.#absolute(item.path),
      dpath: this.#absoluteOrNone(item.dpath),
      mesh: this.#absoluteOrNone(item.mesh),
    });
  }

  #named<T extends { readonly name: string }>(items: readonly T[], at: string): T[] {
    return nameSiblings(items, (message) => this.#warnings.push(`${this.#place.file}: ${at}: ${message}`));
  }

  #absolute(written: string): string {
    return path.resolve(this.#place.folder, expandHome(written, this.#place.home ?? homedir()));
  }

  #absoluteOrNone(written: string | undefined): string | undefined {
    return written === undefined ? undefined : this.#absolute(written);
  }
}

type NamedDatasetItem = DatasetItem & { readonly name: string };

/**
 * Joins what Butterfly's own example splits: an item without a name adds its keys to the item before it,
 * and of two items of one name, where one has only channels and the other none, one dataset is made.
 */
function joinSplitDatasets(items: readonly DatasetItem[], nameless: (index: number) => never): NamedDatasetItem[] {
  const joined: NamedDatasetItem[] = [];
  for (const [index, item] of items.entries()) {
    const { name } = item;
    const at = name === undefined ? joined.length - 1 : joined.findIndex((known) => isOtherHalf(known, item));
    const known = joined[at];
    if (known !== undefined) joined[at] = { ...known, ...item, name: known.name };
    else if (name === undefined) nameless(index);
    else joined.push({ ...item, name });
  }
  return joined;
}

function isOtherHalf(known: DatasetItem, item: DatasetItem): boolean {
  const isBoth = known.channels !== undefined && item.channels !== undefined;
  const isSplit = (known.path === undefined) !== (item.path === undefined);
  return known.name === item.name && !isBoth && isSplit;
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same object without the keys whose value is undefined. */
function withoutUndefined<T extends object>(value: T): Defined<T> {
  // Object.entries loses the types of the keys.
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<T>;
}
