/**
 * Makes a catalogue of a folder: what lies where becomes experiment, sample, dataset and channel.
 *
 * A folder or file that a format takes is not descended into. A volume becomes a channel called by its file name, in the
 * dataset of the folder it lies in; a file or folder with several volumes counts as a folder of them. Where the dataset
 * stands follows from the number of folders between the given folder R and it:
 *
 * | dataset | experiment | sample | dataset |
 * |---|---|---|---|
 * | R itself | root | root | R |
 * | R/a | root | R | a |
 * | R/a/b | root | R | b, or `a.b` where two would be called b |
 * | R/a/b/c | a | b | c |
 * | R/a/b/c/d/… | a | b | `c.d.…` |
 *
 * Where R is itself a volume: root, root, the folder that R lies in.
 */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { BflyError } from '../../protocol/errors.ts';
import type { FoundVolume } from '../image/source.ts';
import {
  type Catalogue,
  type ChannelConfig,
  type DatasetConfig,
  mergeCatalogues,
  nameSiblings,
} from '../utility/catalogue.ts';
import { isRemoteUrl, plainRemoteUrl, remoteName } from '../utility/remote-url.ts';
import { type UnservedFormat, unservedIn } from './unserved-format.ts';

/** Lists the volumes at a path; undefined, NOT_FOUND or UNSUPPORTED = no data; UNSUPPORTED with `details.kind` = broken data. */
export type FindVolumes = (path: string) => Promise<readonly FoundVolume[] | undefined>;

/** Something that looks like data and could not be read. */
export interface Skipped {
  /** Absolute path, for the person at this machine. */
  readonly path: string;
  readonly reason: string;
  /** It is whole, but of a format that is not served. */
  readonly format?: UnservedFormat;
  /** These parts of the file alone: others are served. */
  readonly datasets?: readonly string[];
}

/** What a folder holds. */
export interface Discovery extends Catalogue {
  readonly skipped: readonly Skipped[];
}

/** The reason of what is called like a volume and is none that can be read. */
export const NO_FORMAT = 'no format takes it';

const TOP = 'root';
/** Files and folders that are volumes and nothing else: where no format takes one of these, it is worth a word. */
const VOLUME_ENDINGS = /\.(h5|hdf5?|tiff?|nii(\.gz)?|zarr|n5)$/i;

/**
 * Walks a folder, sorted by name, without hidden entries. Symbolic links are followed; a folder that is reached twice counts once.
 *
 * @param root folder to walk, or a volume, also the address of one on another machine.
 * @returns the catalogue, sorted, and what is broken in the folder. One broken file spoils nothing else.
 * @throws BflyError NOT_FOUND where nothing is at `root`; UNSUPPORTED where `root` is a file that no format takes.
 */
export async function discover(root: string, find: FindVolumes): Promise<Discovery> {
  if (isRemoteUrl(root)) return discoverRemote(plainRemoteUrl(root), find);
  const top = path.resolve(root);
  const isFolder = await stat(top).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    const volumes = await find(top);
    if (volumes !== undefined) return { ...directly(top, volumes), skipped: refusedIn(top, volumes) };
    throw new BflyError('UNSUPPORTED', `"${path.basename(top)}" is no volume that can be read`);
  }
  const walk = new Walk(find);
  const asked = await walk.probe(top);
  if (typeof asked !== 'string') return { ...directly(top, asked), skipped: walk.skipped };
  // What is inside a volume is no volume.
  if (walk.skipped.every(({ format }) => format === undefined)) await walk.run(top);
  return { ...arrange(path.basename(top) || TOP, walk.groups), skipped: walk.skipped };
}

/** Nothing can be listed there: the address is that of a volume, or of a container of some. */
async function discoverRemote(url: string, find: FindVolumes): Promise<Discovery> {
  const volumes = (await find(url)) ?? [];
  const name = remoteName(url);
  const [only, ...others] = volumes;
  if (only === undefined) throw new BflyError('UNSUPPORTED', `"${name}" is no volume that can be read`);
  const { hostname } = new URL(url);
  if (others.length === 0)
    return { ...oneDataset(TOP, TOP, { name: hostname, channels: [channelOf(only, name)] }), skipped: [] };
  const channels = sortedByName(volumes.map((volume) => channelOf(volume, nameOfOneOfMany(volume))));
  return { ...oneDataset(TOP, hostname, { name, channels }), skipped: [] };
}

/** Volumes that become one dataset. */
interface Group {
  /** Names of the folders below R. */
  readonly trail: readonly string[];
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly channels: ChannelConfig[];
}

interface Place {
  readonly folder: string;
  readonly trail: readonly string[];
}

class Walk {
  readonly groups: Group[] = [];
  readonly skipped: Skipped[] = [];
  readonly #find: FindVolumes;
  /** Files that belong to volumes which name them, and the folders that these lie in. */
  readonly #parts = new Set<string>();
  readonly #foldersOfParts = new Set<string>();
  /** Real paths of folders that were looked at. */
  readonly #seen = new Set<string>();
  /** Linked folders wait, so that a folder is known by its own place rather than by a link to it. */
  readonly #linked: (Place & { readonly name: string })[] = [];

  constructor(find: FindVolumes) {
    this.#find = find;
  }

  async run(top: string): Promise<void> {
    this.#seen.add(await realpath(top));
    await this.#folder({ folder: top, trail: [] });
    for (let link = this.#linked.shift(); link !== undefined; link = this.#linked.shift()) {
      await this.#subfolder(link, link.name);
    }
    await this.#leaveOutParts();
  }

  /** A volume may name its files after they were taken for volumes themselves, or their folder for a stack. */
  async #leaveOutParts(): Promise<void> {
    if (this.#parts.size === 0) return;
    const isPart = (item: { readonly path: string }): boolean =>
      this.#parts.has(item.path) || this.#foldersOfParts.has(item.path);
    const inside: Place[] = [];
    for (const [i, group] of this.groups.entries()) {
      for (const { name, path: folder } of group.channels.filter((channel) => this.#foldersOfParts.has(channel.path)))
        inside.push({ folder, trail: [...group.trail, name] });
      this.groups[i] = { ...group, channels: group.channels.filter((channel) => !isPart(channel)) };
    }
    this.skipped.splice(0, this.skipped.length, ...this.skipped.filter((item) => !isPart(item)));
    for (const place of inside) await this.#folder(place);
  }

  /** Asks the formats; never throws. @returns the volumes; 'broken' where it was data and is now in `skipped`. */
  async probe(file: string): Promise<readonly FoundVolume[] | 'broken' | 'no data'> {
    let fault: unknown;
    try {
      const volumes = await this.#find(file);
      if (volumes !== undefined && volumes.length > 0) return volumes;
      fault = new BflyError('UNSUPPORTED', NO_FORMAT);
    } catch (error) {
      fault = error;
    }
    if (!isBroken(fault) && !VOLUME_ENDINGS.test(file)) return 'no data';
    this.#skip(file, fault);
    return 'broken';
  }

  async #folder(place: Place): Promise<void> {
    const group: Group = { ...place, channels: [] };
    this.groups.push(group);
    for (const entry of await this.#entries(place.folder)) {
      const kind = await this.#kind(entry, place.folder);
      if (kind === 'file') await this.#file(group, entry.name);
      else if (kind === 'folder' && entry.isSymbolicLink()) this.#linked.push({ ...place, name: entry.name });
      else if (kind === 'folder') await this.#subfolder(place, entry.name, group);
    }
  }

  async #file(group: Group, name: string): Promise<void> {
    const file = path.join(group.folder, name);
    if (this.#parts.has(file)) return;
    const asked = await this.probe(file);
    if (typeof asked !== 'string') this.#take(group, name, asked);
  }

  async #subfolder(place: Place, name: string, group?: Group): Promise<void> {
    const folder = path.join(place.folder, name);
    const real = await realpath(folder).catch((error: unknown) => this.#skip(folder, error));
    if (real === undefined || this.#seen.has(real)) return;
    this.#seen.add(real);
    // Where tiles of a grid lie there is no stack, but there may be volumes beside them.
    if (this.#foldersOfParts.has(folder)) return this.#folder({ folder, trail: [...place.trail, name] });
    const asked = await this.probe(folder);
    // A broken volume is not descended into: its chunks are no volumes.
    if (asked === 'broken') return;
    if (asked === 'no data') return this.#folder({ folder, trail: [...place.trail, name] });
    const owner = group ?? this.groups.find((known) => known.folder === place.folder);
    if (owner !== undefined) this.#take(owner, name, asked);
  }

  #take(group: Group, name: string, volumes: readonly FoundVolume[]): void {
    const [first, ...others] = volumes;
    if (first === undefined) return;
    for (const file of volumes.flatMap(({ parts }) => [...(parts?.() ?? [])])) {
      this.#parts.add(file);
      this.#foldersOfParts.add(path.dirname(file));
    }
    this.skipped.push(...refusedIn(path.join(group.folder, name), volumes));
    if (others.length === 0) group.channels.push(channelOf(first, name));
    else {
      const channels = volumes.map((volume) => channelOf(volume, nameOfOneOfMany(volume)));
      this.groups.push({ trail: [...group.trail, name], folder: group.folder, channels });
    }
  }

  async #entries(folder: string): Promise<Dirent[]> {
    try {
      const entries = await readdir(folder, { withFileTypes: true });
      return entries.filter((entry) => !entry.name.startsWith('.')).sort((a, b) => compare(a.name, b.name));
    } catch (error) {
      this.#skip(folder, error);
      return [];
    }
  }

  async #kind(entry: Dirent, folder: string): Promise<'file' | 'folder' | 'other'> {
    if (entry.isDirectory()) return 'folder';
    if (entry.isFile()) return 'file';
    if (!entry.isSymbolicLink()) return 'other';
    const file = path.join(folder, entry.name);
    const target = await stat(file).catch((error: unknown) => this.#skip(file, error));
    if (target?.isDirectory()) return 'folder';
    return target?.isFile() ? 'file' : 'other';
  }

  #skip(file: string, error: unknown): void {
    const reason = error instanceof BflyError ? error.message : reasonOf(error);
    const format = unservedIn(error);
    this.skipped.push({ path: file, reason, ...(format === undefined ? {} : { format }) });
  }
}

/** More datasets than these are only counted. */
const REFUSED_NAMED = 3;

/** What else a file holds beside its volumes; nothing where one of its datasets was asked for. */
function refusedIn(file: string, volumes: readonly FoundVolume[]): Skipped[] {
  return volumes.flatMap(({ spec, refused = [] }) => {
    if (refused.length === 0 || spec.path !== file) return [];
    const faults = refused.slice(0, REFUSED_NAMED).map(({ dataset, fault }) => `"${dataset}" has ${fault}`);
    const more = refused.length - faults.length;
    const reason = [...faults, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
    return [{ path: file, reason, datasets: refused.map(({ dataset }) => dataset) }];
  });
}

/** Whether a format's answer says more than that a path is not of its kind. */
function isBroken(error: unknown): boolean {
  if (!(error instanceof BflyError)) return true;
  if (error.code !== 'UNSUPPORTED' && error.code !== 'NOT_FOUND') return true;
  return error.details?.['kind'] !== undefined;
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'a link to something that does not exist';
  if (code === 'ELOOP') return 'a link that leads to itself';
  if (code === 'EACCES' || code === 'EPERM') return 'no permission to read it';
  return error instanceof Error ? error.message : String(error);
}

function channelOf(volume: FoundVolume, name: string): ChannelConfig {
  const { path: file, dataset } = volume.spec;
  return dataset === undefined ? { name, path: file } : { name, path: file, dataset };
}

/** `volumes/raw` is called `volumes.raw`; volumes that are files of their own go by their short name. */
function nameOfOneOfMany(volume: FoundVolume): string {
  const { dataset } = volume.spec;
  return dataset === undefined ? volume.name : dataset.split('/').filter(Boolean).join('.');
}

function directly(top: string, volumes: readonly FoundVolume[]): Catalogue {
  // `crop.h5/volumes/raw` is a place inside a file: then the file stands for the folder.
  const inside = volumes.find(({ spec }) => isBelow(spec.path, top));
  const folder = inside?.spec.path ?? path.dirname(top);
  const isOne = volumes.length === 1 && inside === undefined;
  const channels = volumes.map((volume) => channelOf(volume, isOne ? path.basename(top) : nameOfOneOfMany(volume)));
  const dataset = { path: inside === undefined ? folder : path.dirname(folder), channels: sortedByName(channels) };
  return oneDataset(TOP, TOP, { name: path.basename(folder) || TOP, ...dataset });
}

function isBelow(folder: string, file: string): boolean {
  return file.startsWith(`${folder}${path.sep}`);
}

function arrange(top: string, groups: readonly Group[]): Catalogue {
  const filled = groups.filter((group) => group.channels.length > 0);
  const shallow = filled
    .filter(({ trail }) => trail.length === 1 || trail.length === 2)
    .map(({ trail }) => trail.at(-1));
  const isAmbiguous = (name: string): boolean => shallow.indexOf(name) !== shallow.lastIndexOf(name);
  const placed = filled.map(({ trail, folder, channels }): Catalogue => {
    const dataset = (name: string) => ({ name, path: folder, channels: sortedByName(channels) });
    const [a, b, ...rest] = trail;
    if (a === undefined) return oneDataset(TOP, TOP, dataset(top));
    if (b === undefined) return oneDataset(TOP, top, dataset(a));
    if (rest.length === 0) return oneDataset(TOP, top, dataset(isAmbiguous(b) ? `${a}.${b}` : b));
    return oneDataset(a, b, dataset(rest.join('.')));
  });
  return sorted(mergeCatalogues(placed));
}

/** A catalogue with legal names. */
function oneDataset(experiment: string, sample: string, dataset: DatasetConfig): Catalogue {
  const datasets = nameSiblings([{ ...dataset, channels: nameSiblings(dataset.channels) }]);
  return { experiments: nameSiblings([{ name: experiment, samples: nameSiblings([{ name: sample, datasets }]) }]) };
}

function sorted(catalogue: Catalogue): Catalogue {
  const experiments = catalogue.experiments.map((experiment) => ({
    ...experiment,
    samples: sortedByName(experiment.samples.map((sample) => ({ ...sample, datasets: sortedByName(sample.datasets) }))),
  }));
  return { experiments: sortedByName(experiments) };
}

function sortedByName<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => compare(a.name, b.name));
}

/** By code unit: the same on every machine, whatever its language. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
