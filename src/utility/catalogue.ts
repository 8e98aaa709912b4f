/** What a server shows: experiments, their samples, datasets and channels, with where each channel's data is. Pure. */
import { pathSegmentFault, type Vec3, type VolumeType } from '../../protocol/volume.ts';

/** One volume of voxels, and how to read it. */
export interface ChannelConfig {
  readonly name: string;
  /** Absolute path of the file or folder on the server. */
  readonly path: string;
  /** Name inside a file that holds several volumes, such as `volumes/raw`; absent = the format's default. */
  readonly dataset?: string;
  /** Overrules the guess from the format and dtype. */
  readonly type?: VolumeType;
  /** Size of a voxel of the finest level in nanometres, x, y, z; overrules the source. */
  readonly voxel?: Vec3;
  /** What requests are moved by, x, y, z in voxels of the finest level: a request for p reads voxel p + offset of the data. */
  readonly offset?: Vec3;
  /** Absolute path of the folder with this channel's tables of neurons and synapses; overrules the dataset's `path`. */
  readonly dpath?: string;
  /** Size of the chunks that are served, voxels, x, y, z. */
  readonly chunk?: Vec3;
  /** Absolute path of the folder with the meshes of segments. */
  readonly mesh?: string;
}

/** Channels of one specimen that belong together. */
export interface DatasetConfig {
  readonly name: string;
  /** Absolute path of the folder with the tables of neurons and synapses. */
  readonly path?: string;
  /** Name of the table of synapses in that folder, where it is not `synapse-connections.json`. */
  readonly synapseConnections?: string;
  /** Name of the table of somata in that folder, where it is not `neuron-soma.json`. */
  readonly neuronSoma?: string;
  /** Id of the first row of the table of synapses; absent = 0. */
  readonly firstSynapse?: number;
  readonly channels: readonly ChannelConfig[];
}

export interface SampleConfig {
  readonly name: string;
  readonly datasets: readonly DatasetConfig[];
}

export interface ExperimentConfig {
  readonly name: string;
  readonly samples: readonly SampleConfig[];
}

/** Everything a server shows. Every name is a legal segment of a path and unique among its siblings. */
export interface Catalogue {
  readonly experiments: readonly ExperimentConfig[];
}

/** A channel with its path on the wire. */
export interface CatalogueChannel {
  /** `experiment/sample/dataset/channel`. */
  readonly path: string;
  readonly config: ChannelConfig;
  /** The dataset it stands in. */
  readonly dataset: DatasetConfig;
}

export const EMPTY_CATALOGUE: Catalogue = { experiments: [] };

/** Lists all channels in the catalogue's order. */
export function catalogueChannels(catalogue: Catalogue): CatalogueChannel[] {
  return catalogue.experiments.flatMap((experiment) =>
    experiment.samples.flatMap((sample) =>
      sample.datasets.flatMap((dataset) =>
        dataset.channels.map((config) => ({
          path: `${experiment.name}/${sample.name}/${dataset.name}/${config.name}`,
          config,
          dataset,
        })),
      ),
    ),
  );
}

const SEGMENT_MAX_BYTES = 128;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it takes out
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** The nearest name that is a legal segment of a path: `/`, `\`, `:` and `::` become a dot, ends are trimmed, at most 128 bytes. */
export function legalName(name: string): string {
  if (pathSegmentFault(name) === undefined) return name;
  const cleaned = name
    .normalize('NFC')
    .replace(CONTROL, '')
    .replace(/::|[/\\:]/g, '.');
  const legal = cutToBytes(cleaned.replace(/^[ .]+/, ''), SEGMENT_MAX_BYTES).replace(/[ .]+$/, '');
  return legal === '' ? 'unnamed' : legal;
}

/** The name itself, or with `-2`, `-3`, … behind it where it is taken. The answer is added to `taken`. */
export function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let n = 2; taken.has(unique); n++) {
    const suffix = `-${n}`;
    unique = cutToBytes(name, SEGMENT_MAX_BYTES - suffix.length) + suffix;
  }
  taken.add(unique);
  return unique;
}

/** Cuts a text to so many bytes of UTF-8, between code points. */
function cutToBytes(text: string, maxBytes: number): string {
  let bytes = 0;
  let cut = '';
  for (const point of text) {
    bytes += Buffer.byteLength(point);
    if (bytes > maxBytes) break;
    cut += point;
  }
  return cut;
}

/** Gives siblings legal, unique names, and tells `warn` of each that had to change. */
export function nameSiblings<T extends { readonly name: string }>(
  items: readonly T[],
  warn: (message: string) => void = () => {},
): T[] {
  const taken = new Set<string>();
  return items.map((item) => {
    const legal = legalName(item.name);
    const name = uniqueName(legal, taken);
    if (legal !== item.name) {
      warn(`the name ${JSON.stringify(item.name)} has ${pathSegmentFault(item.name)}; it is shown as "${name}"`);
    } else if (name !== legal) {
      warn(`the name "${legal}" stands here twice; the later one is shown as "${name}"`);
    }
    return name === item.name ? item : { ...item, name };
  });
}

/**
 * Joins catalogues into one: experiments and samples of one name become one, so do datasets of one name and folder.
 * What is in two of them is kept once; different things of one name get `-2`, `-3`, … behind it.
 */
export function mergeCatalogues(catalogues: readonly Catalogue[]): Catalogue {
  const experiments = groupByName(catalogues.flatMap((catalogue) => catalogue.experiments));
  return {
    experiments: experiments.map((group) => ({
      name: group[0].name,
      samples: groupByName(group.flatMap((experiment) => experiment.samples)).map((samples) => ({
        name: samples[0].name,
        datasets: mergeDatasets(samples.flatMap((sample) => sample.datasets)),
      })),
    })),
  };
}

type Group<T> = [T, ...T[]];

function groupByName<T extends { readonly name: string }>(items: readonly T[]): Group<T>[] {
  const groups = new Map<string, Group<T>>();
  for (const item of items) {
    const group = groups.get(item.name);
    if (group === undefined) groups.set(item.name, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

function mergeDatasets(datasets: readonly DatasetConfig[]): DatasetConfig[] {
  const merged: DatasetConfig[] = [];
  for (const dataset of datasets) {
    const at = merged.findIndex((known) => isSame({ ...known, channels: [] }, { ...dataset, channels: [] }));
    const known = merged[at];
    if (known === undefined) merged.push(dataset);
    else merged[at] = { ...known, channels: mergeChannels([...known.channels, ...dataset.channels]) };
  }
  return nameSiblings(merged);
}

function mergeChannels(channels: readonly ChannelConfig[]): ChannelConfig[] {
  const different = channels.filter((channel, i) => channels.findIndex((other) => isSame(channel, other)) === i);
  return nameSiblings(different);
}

/** Compares plain data, whatever the order of its keys. */
function isSame(a: object, b: object): boolean {
  const sorted = (value: object): string => JSON.stringify(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)));
  return sorted(a) === sorted(b);
}
