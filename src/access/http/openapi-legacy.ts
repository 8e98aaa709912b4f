/** Pages of Butterfly's own APIs, described. */
import type { PageDoc } from './openapi-page.ts';

const TEXTS = ['application/json', 'text/plain'];
const PICTURES = [
  ...['image/png', 'image/jpeg', 'image/x-ms-bmp', 'image/bmp', 'image/tiff'],
  ...['image/npz', 'image/raw', 'application/zip', 'application/octet-stream'],
];
const NAMES = { type: 'array', items: { type: 'string' } };
const PARENTS = ['experimentQuery', 'sampleQuery', 'datasetQuery', 'channelQuery'];
const BOX = ['x', 'y', 'z', 'width', 'height', 'depth', 'resolutionQuery'];

const api = (
  method: string,
  summary: string,
  query: readonly string[],
  types: readonly string[],
  schema?: object,
): PageDoc => ({
  ...{ path: `/api/${method}`, tag: 'Butterfly', summary, types, query },
  ...(schema === undefined ? {} : { schema }),
});
const nd = (path: string, summary: string, types: readonly string[]): PageDoc => ({
  ...{ path: `/nd/${path}`, tag: 'NDStore', summary, types },
});
const pre = (rest: string, summary: string, types: readonly string[], more: Partial<PageDoc> = {}): PageDoc => ({
  ...{ path: `/pre/{token}/{name}/${rest}`, tag: 'Butterfly precomputed', summary, types, ...more },
});

/** Pages of `legacy-api.ts`, `nd-route.ts` and `pre-route.ts`. */
export const LEGACY_PAGES: readonly PageDoc[] = [
  api('experiments', 'Names of experiments.', ['format'], TEXTS, NAMES),
  api('samples', 'Names of samples.', [...PARENTS.slice(0, 1), 'format'], TEXTS, NAMES),
  api('datasets', 'Names of datasets.', [...PARENTS.slice(0, 2), 'format'], TEXTS, NAMES),
  api('channels', 'Names of channels.', [...PARENTS.slice(0, 3), 'format'], TEXTS, NAMES),
  api('channel_metadata', 'What a channel is.', [...PARENTS, 'format'], TEXTS, { type: 'object' }),
  api(
    'entity_feature',
    'Questions to tables, and to ids in voxels.',
    [...PARENTS, 'feature', 'idQuery', 'format'],
    TEXTS,
  ),
  api('data', 'Voxels of a box.', [...PARENTS, ...BOX, 'pictureFormat', 'view'], PICTURES),
  api(
    'mask',
    'Voxels of a box, or with an id where they have it.',
    [...PARENTS, ...BOX, 'idQuery', 'pictureFormat', 'view'],
    PICTURES,
  ),
  nd('public_tokens', 'Datasets that there are.', ['application/json']),
  nd('sd/{token}/info', 'What a dataset is, to Neuroglancer’s ndstore layers.', ['application/json']),
  nd('sd/{token}/{name}/{ndFormat}/{resolution}/{xs}/{ys}/{zs}', 'Voxels of a box.', PICTURES),
  pre('info', 'Type, levels and sizes of a volume.', ['application/json']),
  pre('{resolution}/{box}', 'Voxels of any box, raw.', PICTURES),
  pre(
    'mesh/{file}',
    'A file of meshes, of the configured folder or the source.',
    ['application/json', 'application/octet-stream'],
    {
      examples: { name: 'segmentation' },
    },
  ),
];
