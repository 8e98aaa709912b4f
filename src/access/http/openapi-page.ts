/** What the description of a page is made of, and the parameters that pages share. */

/** One page, or many that differ by parameters alone. */
export interface PageDoc {
  /** With parameters in braces. Their descriptions and examples: `PARAMETERS`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** Content types that it may have. */
  readonly types: readonly string[];
  /** JSON Schema of what comes, where it is JSON. */
  readonly schema?: object;
  /** Names of parameters of the query. */
  readonly query?: readonly string[];
  /** Examples in the place of those of `PARAMETERS`. */
  readonly examples?: Readonly<Record<string, string>>;
  /** It needs no token. */
  readonly isPublic?: boolean;
  /** Statuses of its own, with what they mean. */
  readonly also?: Readonly<Record<string, string>>;
}

/** A parameter; its example is of the demonstration volume. */
export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly description: string;
  readonly schema: object;
  readonly example?: string;
}

const STRING = { type: 'string' };
const INTEGER = { type: 'integer' };

const inPath = (name: string, description: string, example: string, schema: object = STRING): Parameter => ({
  ...{ name, in: 'path', required: true, description, schema, example },
});
const wanted = (name: string, description: string, example: string, schema: object = STRING): Parameter => ({
  ...{ name, in: 'query', required: true, description, schema, example },
});
const optional = (name: string, description: string, schema: object = STRING): Parameter => ({
  ...{ name, in: 'query', required: false, description, schema },
});

const RANGE = { type: 'string', pattern: '^\\d+,\\d+$' };

/** All parameters. A name in the query that is one in a path too has `Query` behind it here. */
export const PARAMETERS: Readonly<Record<string, Parameter>> = {
  experiment: inPath('experiment', 'First name of the path.', 'demo'),
  sample: inPath('sample', 'Second name of the path.', 'cortex'),
  dataset: inPath('dataset', 'Third name of the path.', 'cube'),
  channel: inPath('channel', 'Fourth name of the path, with @SEQ, @merged and others behind it.', 'em'),
  label: inPath('label', 'A segmentation of the dataset that lies on the image.', 'segmentation'),
  scale: inPath('scale', 'Key of a level, as info names it.', '8_8_8'),
  chunk: inPath('chunk', 'A box of the level’s grid: x0-x1_y0-y1_z0-z1.', '0-64_0-64_0-64', {
    type: 'string',
    pattern: '^-?\\d+--?\\d+_-?\\d+--?\\d+_-?\\d+--?\\d+$',
  }),
  file: inPath('file', 'Name of a file as the source has it.', 'info'),
  kind: inPath('kind', 'What is shown.', 'synapse', {
    type: 'string',
    enum: ['neuron', 'synapse', 'annotation-point', 'annotation-line', 'annotation-box', 'annotation-ellipsoid'],
  }),
  id: inPath('id', 'Key of a row.', '1', { type: 'string', pattern: '^\\d+$' }),
  relationship: inPath('relationship', 'segment, segments, pre or post, as info names it.', 'pre'),
  segment: inPath('segment', 'Id of a segment.', '10', { type: 'string', pattern: '^\\d+$' }),
  spatial: inPath('spatial', 'Number of a level of the spatial index, as info names it.', '0', INTEGER),
  cell: inPath('cell', 'Index of a cell along x, y and z.', '0_0_0', { type: 'string', pattern: '^\\d+_\\d+_\\d+$' }),
  level: inPath('level', 'Number of a level, 0 the finest.', '0', INTEGER),
  k: inPath('k', 'Index of a chunk along z.', '0', INTEGER),
  j: inPath('j', 'Index of a chunk along y.', '0', INTEGER),
  i: inPath('i', 'Index of a chunk along x.', '0', INTEGER),
  token: inPath('token', 'experiment::sample::dataset', 'demo::cortex::cube'),
  name: inPath('name', 'Name of the channel.', 'em'),
  resolution: inPath('resolution', 'Halvings of x and y.', '0', INTEGER),
  box: inPath('box', 'Any box of the resolution: x0-x1_y0-y1_z0-z1.', '3-20_5-9_0-2', {
    type: 'string',
    pattern: '^\\d+-\\d+_\\d+-\\d+_\\d+-\\d+$',
  }),
  ndFormat: inPath('ndFormat', 'Format of the answer, or xy for one slice as TIFF.', 'png'),
  xs: inPath('xs', 'Half-open range along x.', '0,32', RANGE),
  ys: inPath('ys', 'Half-open range along y.', '0,16', RANGE),
  zs: inPath('zs', 'Half-open range along z; of xy a single z.', '0,2'),
  map: optional('map', 'base: ids of segments; merged: ids of bodies.', { type: 'string', enum: ['base', 'merged'] }),
  experimentQuery: wanted('experiment', 'First name of the path.', 'demo'),
  sampleQuery: wanted('sample', 'Second name of the path.', 'cortex'),
  datasetQuery: wanted('dataset', 'Third name of the path.', 'cube'),
  channelQuery: wanted('channel', 'Fourth name of the path.', 'em'),
  feature: wanted('feature', 'What is asked of the tables, or of ids in voxels.', 'all_neurons', {
    type: 'string',
    enum: [
      ...['synapse_ids', 'is_synapse', 'synapse_keypoint', 'synapse_parent', 'all_neurons', 'is_neuron'],
      ...['neuron_keypoint', 'neuron_children', 'neuron_ids', 'voxel_list'],
    ],
  }),
  idQuery: optional('id', 'An id, where the feature is of one, or a mask of one.', {
    type: 'string',
    pattern: '^\\d+$',
  }),
  x: wanted('x', 'First voxel along x.', '0', INTEGER),
  y: wanted('y', 'First voxel along y.', '0', INTEGER),
  z: wanted('z', 'First voxel along z.', '0', INTEGER),
  width: wanted('width', 'Voxels along x.', '32', INTEGER),
  height: wanted('height', 'Voxels along y.', '16', INTEGER),
  depth: optional('depth', 'Voxels along z; default 1.', INTEGER),
  resolutionQuery: optional('resolution', 'Halvings of x and y; default 0.', INTEGER),
  format: optional('format', 'json or yaml.', { type: 'string', enum: ['json', 'yaml'] }),
  pictureFormat: optional('format', 'Format of the voxels; default png.', {
    type: 'string',
    enum: ['png', 'jpg', 'jpeg', 'bmp', 'npz', 'tif', 'tiff', 'zip', 'raw'],
  }),
  view: optional('view', 'How values are shown; default grayscale.', {
    type: 'string',
    enum: ['grayscale', 'colormap', 'rgb'],
  }),
};
