/**
 * Zarr over HTTP, never both versions in one folder, for readers take that for an error:
 *
 * - `/zarr/<address>/…`: v3 with OME-Zarr 0.5; `/zarr2/<address>/…`: v2 with OME-Zarr 0.4; addresses: see `volume-address.ts`;
 * - `/zarr/<experiment>/<sample>/<dataset>/…`: the dataset as a group of its channels.
 *
 * Every chunk of a grid is there, those of the end filled up to whole size.
 */
import type { MipInfo, Vec3 } from '../../../protocol/volume.ts';
import type { Core } from '../../core/core.ts';
import { gridShape } from '../../query/tile-grid.ts';
import { chunkAnswer, jsonAnswer } from './chunk-answer.ts';
import type { Route, WebAnswer, WebRequest } from './route.ts';
import { type AddressedVolume, readAddress, type VolumeAddress, withVolume } from './volume-address.ts';
import { type Json, zarrChunk, zarrEncoding } from './zarr-metadata.ts';
import { channelTree, datasetTree, liesOn, type ZarrTree, zarr2Json, zarrJson } from './zarr-tree.ts';

type Answer = WebAnswer | undefined | Promise<WebAnswer | undefined>;

const DATASET_DEPTH = 3;
const INDEX = /^(?:0|[1-9]\d{0,8})$/;
const METADATA_FILES: Readonly<Record<2 | 3, readonly string[]>> = {
  2: ['.zgroup', '.zattrs', '.zarray', '.zmetadata'],
  3: ['zarr.json'],
};

/** The pages of Zarr volumes, in both versions. */
export function zarrRoutes(core: Core): readonly Route[] {
  return [
    { prefix: '/zarr', handle: (request) => answer(core, 3, request) },
    { prefix: '/zarr2', handle: (request) => answer(core, 2, request) },
  ];
}

function answer(core: Core, version: 2 | 3, request: WebRequest): Answer {
  const { segments, isFolder } = request;
  const file = segments.at(-1);
  if (isFolder || file === undefined) return undefined;
  const isMetadata = METADATA_FILES[version].includes(file);
  if (isMetadata && segments.length === DATASET_DEPTH + 1) return datasetPage(core, version, request, file);
  const address = readAddress(request, core);
  if (address === undefined || address.encoding !== undefined) return undefined;
  if (isMetadata) {
    const folder = address.rest.slice(0, -1).join('/');
    return withVolume(core, address, (volume) => metadataPage(core, version, request, volume, folder, file));
  }
  const array = address.rest[0] === 'labels' ? labelAddress(core, request, address) : address;
  const index = array === undefined ? undefined : chunkIndex(version, array.rest);
  // Those who look for formats ask for much that is never there: nothing is opened for them.
  if (array === undefined || index === undefined) return undefined;
  return withVolume(core, array, (volume) => chunkPage(core, version, request, volume, index));
}

/** Level and indices along z, y, x of a chunk: `0/c/2/1/0` in v3, `0/2/1/0` in v2. */
function chunkIndex(version: 2 | 3, names: readonly string[]): readonly number[] | undefined {
  const keys = version === 2 ? names : names[1] === 'c' ? names.toSpliced(1, 1) : [];
  return keys.length === 4 && keys.every((key) => INDEX.test(key)) ? keys.map(Number) : undefined;
}

/** The channel that an image's `labels/NAME` is. */
function labelAddress(core: Core, request: WebRequest, image: VolumeAddress): VolumeAddress | undefined {
  const [, name, ...rest] = image.rest;
  const path = [...image.path.split('/').slice(0, -1), name].join('/');
  return core.hasChannel(path) && request.mayRead(path) && isOfNow(image) ? { path, merged: false, rest } : undefined;
}

/** A seq is of one channel: labels stand only beside an image of now. */
function isOfNow({ at, merged }: VolumeAddress): boolean {
  return at === undefined && !merged;
}

function chunkPage(
  core: Core,
  version: 2 | 3,
  request: WebRequest,
  volume: AddressedVolume,
  [mip = 0, k = 0, j = 0, i = 0]: readonly number[],
): Answer {
  const level = volume.channel.mips[mip];
  const tile: Vec3 = [i, j, k];
  if (level === undefined || !isInside(level, tile)) return undefined;
  const encoding = zarrEncoding(volume, version);
  return chunkAnswer(core, request, volume, { mip, tile, encoding, padTo: zarrChunk(volume.channel, mip) }, false);
}

function isInside(level: MipInfo, tile: Vec3): boolean {
  const grid = gridShape(level);
  return tile[0] < grid[0] && tile[1] < grid[1] && tile[2] < grid[2];
}

async function metadataPage(
  core: Core,
  version: 2 | 3,
  request: WebRequest,
  volume: AddressedVolume,
  folder: string,
  file: string,
): Promise<WebAnswer | undefined> {
  const tree = await treeOf(core, version, request, volume);
  const json = fileOf(version, tree, folder, file);
  return json === undefined ? undefined : jsonAnswer(volume, json);
}

function fileOf(version: 2 | 3, tree: ZarrTree, path: string, file: string): Json | undefined {
  return version === 3 ? zarrJson(tree, path) : zarr2Json(tree, path, file);
}

async function treeOf(core: Core, version: 2 | 3, request: WebRequest, volume: AddressedVolume): Promise<ZarrTree> {
  const { channel, address } = volume;
  if (channel.type !== 'image' || !isOfNow(address)) return channelTree(version, volume, new Map());
  const dataset = channel.path.split('/').slice(0, DATASET_DEPTH).join('/');
  const labels = (await channelsOf(core, dataset, request)).filter((other) => liesOn(other, channel));
  return channelTree(version, volume, new Map(labels.map((label) => [nameOf(label.path), volumeOf(label)])));
}

async function datasetPage(
  core: Core,
  version: 2 | 3,
  request: WebRequest,
  file: string,
): Promise<WebAnswer | undefined> {
  const dataset = request.segments.slice(0, DATASET_DEPTH).join('/');
  const channels = await channelsOf(core, dataset, request);
  if (channels.length === 0) return undefined;
  const trees = channels.map(
    (channel) => [nameOf(channel.path), channelTree(version, volumeOf(channel), new Map())] as const,
  );
  const json = fileOf(version, datasetTree(new Map(trees)), '', file);
  return json === undefined ? undefined : { type: 'application/json', body: JSON.stringify(json) };
}

type OpenChannel = AddressedVolume['channel'];

/** The channels of a dataset that are there for the one who asks; those that cannot be opened are left out. */
async function channelsOf(core: Core, dataset: string, request: WebRequest): Promise<readonly OpenChannel[]> {
  const { channels } = await core
    .getDataset({ path: dataset }, (path) => request.mayRead(path))
    .catch(() => ({ channels: [] }));
  const open = await Promise.allSettled(channels.map(({ path }) => core.updateQuery({ path })));
  return open.flatMap((opened) => (opened.status === 'fulfilled' ? [opened.value] : []));
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const volumeOf = (channel: OpenChannel) => ({ channel, dtype: channel.dtype });
