/** Butterfly's own REST API at `/api`: lists, metadata, features, voxels. Source: parity.md 6. */

import { BflyError } from '../../../protocol/errors.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { MipInfo } from '../../../protocol/volume.ts';
import type { Channel } from '../../core/channel.ts';
import type { Core } from '../../core/core.ts';
import { legacyBytes, legacyData, legacyDType } from '../../core/legacy-volumes.ts';
import { checkDataQuery, type DataQuery } from '../../query/query.ts';
import type { JsonValue } from '../../utility/pretty-json.ts';
import { answered, bytesAnswer, textFormat, valueAnswer } from './legacy-api-answer.ts';
import { answerFeature } from './legacy-api-features.ts';
import { boxOf, chosen, idOf } from './legacy-api-params.ts';
import { LegacyWork } from './legacy-api-work.ts';
import type { Route, WebAnswer, WebRequest } from './route.ts';

/** What Butterfly's own APIs need of their server. */
export interface LegacyApiOptions {
  readonly core: Core;
  readonly limits: Pick<Limits, 'uniqueVoxels'>;
  /** Shared by all of them; default: one of its own. */
  readonly work?: LegacyWork;
}

/** Methods of the API, in the order in which Butterfly names them. */
const METHODS = [
  'experiments',
  'samples',
  'datasets',
  'channels',
  'channel_metadata',
  'entity_feature',
  'data',
  'mask',
] as const;
type Method = (typeof METHODS)[number];
/** Names that lead to a channel, from the top. */
const LEVELS = ['experiment', 'sample', 'dataset', 'channel'] as const;

interface ApiHome {
  readonly core: Core;
  readonly uniqueVoxels: number;
  readonly work: LegacyWork;
}

/** Makes the route. */
export function legacyApiRoute({ core, limits, work = new LegacyWork() }: LegacyApiOptions): Route {
  const home: ApiHome = { core, uniqueVoxels: limits.uniqueVoxels, work };
  return { prefix: '/api', handle: (request) => answered(() => answerApi(home, request)) };
}

async function answerApi(home: ApiHome, request: WebRequest): Promise<WebAnswer> {
  const { params, segments } = request;
  const method = chosen('method', segments.length === 0 ? undefined : segments.join('/'), METHODS);
  if (method === 'data' || method === 'mask') return data(home, request, method);
  const format = textFormat(params);
  return valueAnswer(await valueFor(home, request, method), format);
}

async function valueFor(
  home: ApiHome,
  request: WebRequest,
  method: Exclude<Method, 'data' | 'mask'>,
): Promise<JsonValue> {
  const { core } = home;
  switch (method) {
    case 'channel_metadata':
      return metadata(core, request, pathOf(core, request));
    case 'entity_feature':
      return answerFeature(home, pathOf(core, request), request.params);
    default:
      // Each of the lists is one level below the one before.
      return core.namesIn(pathOf(core, request, METHODS.indexOf(method)), readableBy(request));
  }
}

/**
 * The path that a request names by its parents.
 *
 * @param depth how many of them it must name.
 * @throws BflyError BAD_REQUEST where one of them is not there, or not for the one who asks.
 */
function pathOf(core: Core, request: WebRequest, depth: number = LEVELS.length): string {
  let path = '';
  for (const level of LEVELS.slice(0, depth)) {
    const name = request.params.get(level)?.normalize('NFC');
    const names = core.namesIn(path, readableBy(request));
    path += `${path === '' ? '' : '/'}${chosen(level, name, names)}`;
  }
  return path;
}

/** Which channels are there for the one who asks. */
export function readableBy({ author }: WebRequest): (channel: string) => boolean {
  return (channel) => author.rights.allows('read', channel);
}

async function metadata(core: Core, request: WebRequest, path: string): Promise<JsonValue> {
  const channel = await opened(core, path);
  const [x, y, z] = (channel.mips[0] as MipInfo).shape;
  return {
    // Files that follow each other were no kind of their own.
    'source-type': channel.sourceKind === 'hdf5-json' ? 'hdf5' : channel.sourceKind,
    path: request.author.rights.allows('admin', path) ? fileOf(channel) : path,
    'data-type': legacyDType(channel.dtype),
    dimensions: { z, y, x },
    name: path.slice(path.lastIndexOf('/') + 1),
  };
}

/** Where the data are: for those who run the server, which is everybody where everybody may everything. */
function fileOf({ spec, path }: Channel): string {
  return spec !== undefined && 'path' in spec ? spec.path : path;
}

/** A channel. @throws BflyError as the Core, saying in Butterfly's words that its data are not there. */
export async function opened(core: Core, path: string): Promise<Channel> {
  return core.updateQuery({ path }).catch((error: unknown) => {
    if (!(error instanceof BflyError) || error.code !== 'NOT_FOUND') throw error;
    throw new BflyError('NOT_FOUND', `The path of the channel ${path} does not exist on the server.`);
  });
}

/** Voxels, or with `id` of `mask` where they are those of one id. */
async function data(home: ApiHome, request: WebRequest, method: 'data' | 'mask'): Promise<WebAnswer> {
  const { params } = request;
  const path = pathOf(home.core, request);
  const id = method === 'mask' && params.has('id') ? idOf(params.get('id')) : undefined;
  const query = {
    path,
    ...boxOf(params),
    format: params.get('format') ?? 'png',
    view: params.get('view') ?? 'grayscale',
  };
  return dataAnswer(home, query, id);
}

/** The answer to a query for voxels. @throws BflyError as `legacyData`, and as the channel. */
export async function dataAnswer(
  { core, work }: Pick<ApiHome, 'core' | 'work'>,
  query: DataQuery,
  id?: bigint,
): Promise<WebAnswer> {
  checkDataQuery(query);
  const channel = await opened(core, query.path);
  return work.run(legacyBytes(query, channel), async () => {
    const { bytes, mime } = await legacyData(core, query, id);
    return bytesAnswer(bytes, mime, query.format === 'raw' && channel.type === 'segmentation');
  });
}
