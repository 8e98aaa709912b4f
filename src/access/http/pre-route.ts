/** Butterfly's own URLs of Neuroglancer's precomputed format, `/pre/<token>/<channel>/…`: boxes of any place and size. Source: parity.md 8. */
import type { Channel } from '../../core/channel.ts';
import type { Core } from '../../core/core.ts';
import { legacyDType, legacyScales } from '../../core/legacy-volumes.ts';
import type { DataQuery } from '../../query/query.ts';
import type { MeshFile, MeshFolders } from '../../utility/mesh-folders.ts';
import type { JsonValue } from '../../utility/pretty-json.ts';
import { dataAnswer, type LegacyApiOptions, opened } from './legacy-api.ts';
import { answered, valueAnswer } from './legacy-api-answer.ts';
import { datasetOf, fault, integer } from './legacy-api-params.ts';
import { LegacyWork } from './legacy-api-work.ts';
import type { Route, WebAnswer } from './route.ts';

/** What the route needs of its server. */
export interface PreOptions extends LegacyApiOptions {
  /** Folders that the configuration names; unset: none. */
  readonly meshes?: MeshFolders;
}

const BOX = /^(\d+)-(\d+)_(\d+)-(\d+)_(\d+)-(\d+)$/;

/** Makes the route. */
export function preRoute({ core, meshes, work = new LegacyWork() }: PreOptions): Route {
  return {
    prefix: '/pre',
    handle: (request) =>
      answered(async () => {
        const [token, name, first, ...rest] = request.segments;
        const dataset = datasetOf(token);
        const path = `${dataset}/${name?.normalize('NFC')}`;
        if (dataset === undefined || !core.hasChannel(path) || !request.mayRead(path)) return undefined;
        if (first === 'mesh') return mesh(core, meshes, path, rest);
        if (first === 'info' && rest.length === 0) {
          const channel = await opened(core, path);
          return valueAnswer(infoOf(channel, await hasMeshes(core, meshes, channel)), 'json');
        }
        const [box] = rest;
        if (first === undefined || first === 'info' || box === undefined || rest.length > 1) return undefined;
        return dataAnswer({ core, work }, queryOf(path, first, box));
      }),
  };
}

function queryOf(path: string, r: string, text: string): DataQuery {
  const resolution = integer('resolution', r);
  const numbers = BOX.exec(text)?.slice(1).map(Number);
  if (numbers === undefined) throw fault('The box must be X0-X1_Y0-Y1_Z0-Z1.');
  const [x0, x1, y0, y1, z0, z1] = numbers as [number, number, number, number, number, number];
  const size = [x1 - x0, y1 - y0, z1 - z0] as const;
  return { path, resolution, origin: [x0, y0, z0], size, format: 'raw', view: 'grayscale' };
}

/** What Neuroglancer reads first. Every scale says how large it really is. */
function infoOf(channel: Channel, mesh: boolean): JsonValue {
  return {
    '@type': 'neuroglancer_multiscale_volume',
    num_channels: 1,
    data_type: legacyDType(channel.dtype),
    scales: legacyScales(channel).map(({ resolution, size, chunk, voxel }) => ({
      key: String(resolution),
      size: [...size],
      resolution: [...voxel],
      voxel_offset: [0, 0, 0],
      chunk_sizes: [[...chunk]],
      encoding: 'raw',
    })),
    type: channel.type,
    ...(mesh ? { mesh: 'mesh' } : {}),
  };
}

async function hasMeshes(core: Core, meshes: MeshFolders | undefined, channel: Channel): Promise<boolean> {
  if (channel.type !== 'segmentation') return false;
  return meshes?.has(channel.path) === true || (await core.sourceFiles.folders(channel)).includes('mesh');
}

/** A file of the configured folder, else of the source itself. */
async function mesh(
  core: Core,
  meshes: MeshFolders | undefined,
  path: string,
  names: readonly string[],
): Promise<WebAnswer | undefined> {
  if (names.length === 0) return undefined;
  const file = meshes?.has(path) === true ? await meshes.file(path, names) : await ofSource(core, path, names);
  if (file === undefined) return undefined;
  const { byteLength, stamp } = file;
  const read = (from: number, to: number): Promise<Uint8Array> => file.read(from, to);
  const type = typeOf(names[names.length - 1] as string);
  return { type, etag: `mesh-${stamp}`, body: () => read(0, byteLength), file: { byteLength, read } };
}

async function ofSource(core: Core, path: string, names: readonly string[]): Promise<MeshFile | undefined> {
  const channel = await opened(core, path);
  const part = (from: number, to: number) => core.sourceFiles.file(channel, 'mesh', names, { from, to });
  const found = await part(0, 0);
  if (found === undefined) return undefined;
  const { byteLength, stamp } = found;
  return { byteLength, stamp, read: async (from, to) => (await part(from, to))?.bytes ?? new Uint8Array(0) };
}

/** Manifests, such as `7:0`, are JSON. */
function typeOf(name: string): string {
  return name === 'info' || /:\d+$|\.json$/.test(name) ? 'application/json' : 'application/octet-stream';
}
