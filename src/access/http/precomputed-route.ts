/**
 * Neuroglancer precomputed: `/precomputed/<address>/…`, see `volume-address.ts`.
 *
 * - `info`, and chunks `<key>/<x0>-<x1>_<y0>-<y1>_<z0>-<z1>`, every chunk of the grid and no other;
 * - `mesh/…` of the folder that the configuration names, or as a precomputed source has it; `skeletons/…` as that has them; `segment_properties/info` from the table of neurons, else as the source has it;
 * - `annotations/<kind>/…`, a directory of its own for each kind, see `precomputed-annotations.ts`.
 *
 * Tables and files are those of now: of a state of the past there are none.
 */
import type { MipInfo } from '../../../protocol/volume.ts';
import type { Core } from '../../core/core.ts';
import { SOURCE_FOLDERS } from '../../core/source-files.ts';
import type { MeshFolders } from '../../utility/mesh-folders.ts';
import { chunkAnswer, jsonAnswer } from './chunk-answer.ts';
import { annotationPage } from './precomputed-annotations.ts';
import { BesideFiles } from './precomputed-files.ts';
import {
  chunkOfName,
  isChunkName,
  type PrecomputedVolume,
  precomputedInfo,
  precomputedVolume,
} from './precomputed-info.ts';
import { SegmentProperties } from './precomputed-properties.ts';
import type { Route, WebAnswer, WebRequest } from './route.ts';
import { ADDRESS_ENCODINGS, type AddressedVolume, readAddress, withVolume } from './volume-address.ts';

const FOLDERS: readonly string[] = [...SOURCE_FOLDERS, 'annotations'];

type Answer = WebAnswer | undefined | Promise<WebAnswer | undefined>;

/** What the pages are made of. */
interface Pages {
  readonly core: Core;
  readonly properties: SegmentProperties;
  readonly beside: BesideFiles;
}

/** The pages of precomputed volumes. @param meshes folders that the configuration names. */
export function precomputedRoute(core: Core, meshes?: MeshFolders): Route {
  const properties = new SegmentProperties(core);
  const pages: Pages = { core, properties, beside: new BesideFiles(core, properties, meshes) };
  return {
    prefix: '/precomputed',
    handle(request) {
      const address = readAddress(request, core);
      // Those who look for formats ask for much that is never there: nothing is opened for them.
      if (address === undefined || request.isFolder || !isPage(address.rest)) return undefined;
      return withVolume(core, address, (volume) => answer(pages, request, volume));
    },
  };
}

/** Whether there may be such a page, whatever the volume. */
function isPage([first = '', second, ...more]: readonly string[]): boolean {
  if (second === undefined) return first === 'info';
  return FOLDERS.includes(first) || (more.length === 0 && isChunkName(second));
}

function answer(pages: Pages, request: WebRequest, volume: AddressedVolume): Answer {
  const [first = '', second, ...more] = volume.address.rest;
  const offered = offerOf(volume);
  if (offered === undefined) return undefined;
  if (first === 'info' && second === undefined) return infoPage(pages, volume, offered);
  const mip = offered.keys.indexOf(first);
  if (mip >= 0) return more.length === 0 ? chunkPage(pages.core, request, volume, offered, mip, second) : undefined;
  if (second === undefined || volume.address.at !== undefined) return undefined;
  switch (first) {
    case 'annotations':
      return annotationPage(pages.core, volume, [second, ...more]);
    case 'mesh':
    case 'skeletons':
      return pages.beside.answer(volume, first, [second, ...more]);
    case 'segment_properties':
      return second === 'info' && more.length === 0 ? propertiesPage(pages, volume) : undefined;
    default:
      return undefined;
  }
}

/** How a volume is offered, found out once: it hangs on the channel and its address alone. */
function offerOf(volume: AddressedVolume): PrecomputedVolume | undefined {
  const { merged, encoding } = volume.address;
  const known = offers.get(volume.channel) ?? new Map<string, PrecomputedVolume | undefined>();
  offers.set(volume.channel, known);
  const key = `${merged} ${encoding}`;
  if (!known.has(key)) known.set(key, precomputedVolume(volume));
  return known.get(key);
}
const offers = new WeakMap<object, Map<string, PrecomputedVolume | undefined>>();

function chunkPage(
  core: Core,
  request: WebRequest,
  volume: AddressedVolume,
  { encoding, type }: PrecomputedVolume,
  mip: number,
  name: string | undefined,
): Answer {
  const tile = name === undefined ? undefined : chunkOfName(volume.channel.mips[mip] as MipInfo, name);
  if (tile === undefined) return undefined;
  // Grey values hardly shrink, pictures not at all.
  const compressible = type === 'segmentation' && encoding !== 'png';
  return chunkAnswer(core, request, volume, { mip, tile, encoding: ADDRESS_ENCODINGS[encoding] }, compressible);
}

async function infoPage({ beside }: Pages, volume: AddressedVolume, offered: PrecomputedVolume): Promise<WebAnswer> {
  const folders = Object.fromEntries((await beside.offered(volume)).map((folder) => [folder, folder]));
  return jsonAnswer(volume, { ...precomputedInfo(volume, offered), ...folders });
}

async function propertiesPage({ properties, beside }: Pages, volume: AddressedVolume): Promise<WebAnswer | undefined> {
  const info = await properties.info(volume.channel);
  if (info !== undefined) return { type: 'application/json', body: info };
  return beside.answer(volume, 'segment_properties', ['info']);
}
