/** Pages of volumes in formats of others, described. */
import type { PageDoc } from './openapi-page.ts';

const JSON_TYPE = ['application/json'];
const BYTES = ['application/octet-stream'];
const FILE = [...JSON_TYPE, ...BYTES];
const OBJECT = { type: 'object' };
/** Examples that only a segmentation has. */
const IDS = { channel: 'segmentation' };
const DATASET = '{experiment}/{sample}/{dataset}';
const CHANNEL = `${DATASET}/{channel}`;

const precomputed = (
  rest: string,
  summary: string,
  types: readonly string[],
  more: Partial<PageDoc> = {},
): PageDoc => ({
  ...{ path: `/precomputed/${CHANNEL}/${rest}`, tag: 'Neuroglancer precomputed', summary, types, query: ['map'] },
  ...(types === JSON_TYPE ? { schema: OBJECT } : {}),
  ...more,
});

const zarr = (path: string, summary: string, types: readonly string[], more: Partial<PageDoc> = {}): PageDoc => ({
  ...{ path: `/zarr/${path}`, tag: 'Zarr v3, OME-Zarr 0.5', summary, types },
  ...(types === JSON_TYPE ? { schema: OBJECT } : {}),
  ...more,
});

const zarr2 = (path: string, summary: string, types: readonly string[]): PageDoc => ({
  ...{ path: `/zarr2/${path}`, tag: 'Zarr v2, OME-Zarr 0.4', summary, types },
  ...(types === JSON_TYPE ? { schema: OBJECT } : {}),
});

/** Pages of `precomputed-route.ts` and `zarr-routes.ts`. */
export const VOLUME_PAGES: readonly PageDoc[] = [
  precomputed('info', 'Type, levels, sizes and encodings of a volume.', JSON_TYPE),
  precomputed('{scale}/{chunk}', 'A chunk; those of the upper ends are cut off there.', BYTES),
  precomputed(
    'segment_properties/info',
    'Names and numbers of segments, from the table of neurons or the source.',
    JSON_TYPE,
    {
      examples: IDS,
    },
  ),
  precomputed('mesh/{file}', 'A file of meshes, as a precomputed source has them.', FILE, { examples: IDS }),
  precomputed('skeletons/{file}', 'A file of skeletons, as a precomputed source has them.', FILE, { examples: IDS }),
  precomputed('annotations/{kind}/info', 'What a table’s annotations are.', JSON_TYPE, { examples: IDS }),
  precomputed('annotations/{kind}/by_id/{id}', 'One annotation.', BYTES, { examples: IDS }),
  precomputed('annotations/{kind}/rel_{relationship}/{segment}', 'Annotations of a segment.', BYTES, { examples: IDS }),
  precomputed('annotations/{kind}/spatial{spatial}/{cell}', 'Annotations of a place.', BYTES, { examples: IDS }),
  zarr(`${DATASET}/zarr.json`, 'A dataset as a group of its channels.', JSON_TYPE),
  zarr(`${CHANNEL}/zarr.json`, 'A volume as a multiscale image.', JSON_TYPE),
  zarr(`${CHANNEL}/{level}/zarr.json`, 'A level as an array.', JSON_TYPE),
  zarr(`${CHANNEL}/{level}/c/{k}/{j}/{i}`, 'A chunk; those of the upper ends are filled up.', BYTES),
  zarr(`${CHANNEL}/labels/zarr.json`, 'Segmentations of the dataset that lie on an image.', JSON_TYPE),
  zarr(`${CHANNEL}/labels/{label}/zarr.json`, 'Such a segmentation.', JSON_TYPE),
  zarr(`${CHANNEL}/labels/{label}/{level}/zarr.json`, 'A level of it.', JSON_TYPE),
  zarr(`${CHANNEL}/labels/{label}/{level}/c/{k}/{j}/{i}`, 'A chunk of it.', BYTES),
  zarr2(`${DATASET}/.zgroup`, 'A dataset as a group of its channels.', JSON_TYPE),
  zarr2(`${CHANNEL}/.zgroup`, 'A volume as a group.', JSON_TYPE),
  zarr2(`${CHANNEL}/.zattrs`, 'Levels of a volume.', JSON_TYPE),
  zarr2(`${CHANNEL}/.zmetadata`, 'All metadata of a volume at once.', JSON_TYPE),
  zarr2(`${CHANNEL}/{level}/.zarray`, 'A level as an array.', JSON_TYPE),
  zarr2(`${CHANNEL}/{level}/{k}/{j}/{i}`, 'A chunk; those of the upper ends are filled up.', BYTES),
];
