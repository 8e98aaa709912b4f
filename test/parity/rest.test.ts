/** Lists, metadata, formats and views of Butterfly's REST API: cases 56 to 66 of the parity list, by number. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DType, viewVoxels } from '../../protocol/volume.ts';
import { renderVoxels } from '../../src/image/render.ts';
import { voxelsOf } from '../support/array-core.ts';
import { lineTransports } from '../support/line-server.ts';
import { channelUrl, dataUrl, ParityFolder, ParityServer, tiffRows } from '../support/parity-server.ts';
import { readBmp, readNpy, readPicture, readTiff, unzip } from '../support/read-pictures.ts';

let folder: ParityFolder;
beforeAll(async () => {
  folder = await ParityFolder.make();
});
afterAll(() => folder.remove());

const triples = (values: Iterable<number>): number[][] => {
  const all = [...values];
  return Array.from({ length: all.length / 3 }, (_, i) => all.slice(3 * i, 3 * i + 3));
};
const repeated = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
const u32 = (bytes: Uint8Array): number[] => [...viewVoxels('uint32', Uint8Array.from(bytes))].map(Number);

describe.each(lineTransports('the REST API'))('the REST API over %s', (kind) => {
  let server: ParityServer;
  beforeAll(async () => {
    server = await ParityServer.start(kind, folder.path);
  });
  afterAll(() => server.stop());

  const channels =
    'im seg seg64 i16 minus flt flt64 big stack moved moved-back off 2017 gone outside multi nested boss boss2'.split(
      ' ',
    );

  it('[parity 56] lists experiments, samples, datasets and channels, in the order of the configuration', async () => {
    expect(await server.json('/api/experiments')).toEqual(['e']);
    expect(await server.json('/api/samples?experiment=e')).toEqual(['s']);
    expect(await server.json('/api/datasets?experiment=e&sample=s')).toEqual(['d', 'ds', 'mojo', 'small']);
    expect(await server.json('/api/channels?experiment=e&sample=s&dataset=d')).toEqual(channels);
    expect(await server.json('/api/experiments/')).toEqual(['e']);
  });

  it('[parity 56] writes JSON in steps of four, and YAML in blocks as plain text', async () => {
    const json = await server.get('/api/datasets?experiment=e&sample=s');
    expect(json.headers['content-type']).toBe('application/json');
    expect(json.body.toString()).toBe('[\n    "d",\n    "ds",\n    "mojo",\n    "small"\n]');
    const yaml = await server.get('/api/channels?experiment=e&sample=s&dataset=d&format=yaml');
    expect(yaml.headers['content-type']).toMatch(/^text\/plain/);
    const lines = yaml.body.toString().split('\n');
    expect(lines.slice(0, 2)).toEqual(['- im', '- seg']);
    expect(lines).toContain('- "off"');
    expect(await server.text('/api/experiments?format=png')).toEqual([
      400,
      "The format png is not in ['json', 'yaml'].",
    ]);
  });

  it('[parity 57] names what there is where a name is wrong or missing', async () => {
    expect(await server.text('/api/samples?experiment=zz')).toEqual([400, "The experiment zz is not in ['e']."]);
    expect(await server.text('/api/samples')).toEqual([400, "The experiment None is not in ['e']."]);
    expect(await server.text('/api/datasets?experiment=e&sample=x')).toEqual([400, "The sample x is not in ['s']."]);
    expect(await server.text('/api/channels?experiment=e&sample=s&dataset=x')).toEqual([
      400,
      "The dataset x is not in ['d', 'ds', 'mojo', 'small'].",
    ]);
    expect(await server.text(channelUrl('channel_metadata', 'ds/im'))).toEqual([
      400,
      "The channel im is not in ['seg'].",
    ]);
    const { headers } = await server.get('/api/samples?experiment=zz');
    expect(headers['content-type']).toMatch(/^text\/plain/);
    const legal =
      "['experiments', 'samples', 'datasets', 'channels', 'channel_metadata', 'entity_feature', 'data', 'mask']";
    for (const method of ['nope', 'websocket', 'precompute_info', 'dataset', 'toString'])
      expect(await server.text(`/api/${method}?experiment=e`)).toEqual([
        400,
        `The method ${method} is not in ${legal}.`,
      ]);
    expect(await server.text('/api')).toEqual([400, `The method None is not in ${legal}.`]);
  });

  it('[parity 58] tells the metadata of a channel', async () => {
    expect(await server.json(channelUrl('channel_metadata', 'im'))).toEqual({
      'source-type': 'hdf5',
      path: folder.at('im.h5'),
      'data-type': 'uint8',
      dimensions: { z: 4, y: 6, x: 8 },
      name: 'im',
    });
    const of = (channel: string) => server.json(channelUrl('channel_metadata', channel));
    expect(await of('i16')).toMatchObject({ 'data-type': 'uint16' });
    expect(await of('seg')).toMatchObject({ 'data-type': 'uint32' });
    expect(await of('flt')).toMatchObject({ 'data-type': 'float32' });
    expect(await of('stack')).toMatchObject({
      'source-type': 'stack',
      'data-type': 'uint16',
      dimensions: { z: 3, y: 6, x: 8 },
    });
    const { body } = await server.get(channelUrl('channel_metadata', 'im', 'format=yaml'));
    expect(body.toString()).toContain('dimensions:\n  z: 4\n  "y": 6\n  x: 8\nname: im\n');
  });

  it('[parity 58] answers 404 for data that are not there, and 403 for data outside the allowed paths, without telling where', async () => {
    expect(await server.text(channelUrl('channel_metadata', 'gone'))).toEqual([
      404,
      'The path of the channel e/s/d/gone does not exist on the server.',
    ]);
    const [status, text] = await server.text(dataUrl('outside', 'x=0&y=0&z=0&width=1&height=1'));
    expect([status, text]).toEqual([403, 'the data of this channel lies outside the allowed-paths of this server']);
  });

  it('[parity 59] gives ids as they are in tif, and as colours in png', async () => {
    const row = 'x=0&y=0&z=1&width=8&height=1';
    const ids = [...repeated(4, 12_000), ...repeated(4, 13_000)];
    const tif = await server.get(dataUrl('seg', `${row}&format=tif`));
    expect(tif.headers['content-type']).toBe('image/tiff');
    expect(readTiff(tif.body)).toMatchObject({ bits: 32, channels: 1, sampleFormat: 1 });
    expect(tiffRows(tif.body)).toEqual([ids]);
    expect(tiffRows(await server.data('seg', `${row}&format=tiff&view=grayscale`))).toEqual([ids]);
    const colours = [...repeated(4, [112, 88, 200]), ...repeated(4, [158, 200, 100])];
    for (const view of ['', '&view=grayscale', '&view=colormap'])
      expect(triples((await readPicture(await server.data('seg', row + view))).values)).toEqual(colours);
    expect(triples(readBmp(await server.data('seg', `${row}&format=bmp`)).values)).toEqual(colours);
    const planes = [...repeated(4, [200, 88, 112]), ...repeated(4, [100, 200, 158])];
    expect(triples(readTiff(await server.data('seg', `${row}&format=tif&view=colormap`)).strip)).toEqual(planes);
  });

  it('[parity 59] gives ids in zip and npz, and the colours of npz on a fifth axis', async () => {
    const box = 'x=0&y=0&z=1&width=8&height=2';
    const zip = await server.get(dataUrl('seg', `${box}&format=zip`));
    expect(zip.headers['content-type']).toBe('application/zip');
    expect(u32(unzip(zip.body))).toEqual([12, 13, 14, 15].flatMap((id) => repeated(4, id * 1000)));
    const npz = await server.get(dataUrl('seg', 'x=0&y=0&z=1&width=8&height=1&format=npz&view=colormap'));
    expect(npz.headers['content-type']).toBe('image/npz');
    const { shape, bytes } = readNpy(unzip(npz.body));
    expect([shape, triples(bytes)[0]]).toEqual([
      [1, 1, 1, 8, 3],
      [200, 88, 112],
    ]);
  });

  it('[parity 59] view=rgb shows the three lowest bytes of an id, as viewers decode them', async () => {
    const picture = await readPicture(await server.data('seg', 'x=0&y=0&z=1&width=8&height=1&view=rgb'));
    expect(triples(picture.values).map(([r = 0, g = 0, b = 0]) => r + 256 * g + 65_536 * b)).toEqual([
      ...repeated(4, 12_000),
      ...repeated(4, 13_000),
    ]);
    expect(await server.text(dataUrl('seg', 'x=0&y=0&z=0&width=1&height=1&view=foo'))).toEqual([
      400,
      "The view foo is not in ['grayscale', 'colormap', 'rgb'].",
    ]);
  });

  it('[parity 60] view=colormap of im in png', async () => {
    const picture = await readPicture(await server.data('im', 'x=0&y=0&z=1&width=3&height=1&view=colormap'));
    expect(triples(picture.values)).toEqual([
      [128, 132, 16],
      [72, 129, 123],
      [16, 250, 230],
    ]);
  });

  it('[parity 62] gives ids above 2⁵³ exactly', async () => {
    const { dtype, bytes } = readNpy(unzip(await server.data('seg64', 'x=0&y=0&z=0&width=1&height=1&format=npz')));
    expect([dtype, ...viewVoxels('uint64', bytes)]).toEqual(['uint64', 1_099_511_627_776n]);
  });

  it('[parity 63] gives raw voxels too', async () => {
    const { headers, body } = await server.get(dataUrl('im', 'x=1&y=2&z=1&width=3&height=2&format=raw'));
    expect([headers['content-type'], [...body]]).toEqual(['image/raw', [65, 66, 67, 73, 74, 75]]);
    expect(await server.text(dataUrl('im', 'x=0&y=0&z=0&width=1&height=1&format=gif'))).toEqual([
      400,
      "The format gif is not in ['png', 'jpg', 'jpeg', 'bmp', 'npz', 'tif', 'tiff', 'zip', 'npy', 'raw'].",
    ]);
  });

  it('[parity 64] reaches channels whose names YAML would take for something else', async () => {
    for (const channel of ['off', '2017'])
      expect(await server.rows(channel, 'x=0&y=0&z=0&width=2&height=1')).toEqual([[0, 1]]);
    expect(await server.json(channelUrl('channel_metadata', '2017'))).toMatchObject({ name: '2017' });
  });

  it('[parity 65] mask is data, or with an id what has it', async () => {
    const box = 'x=0&y=0&z=1&width=8&height=1';
    const data = await server.get(dataUrl('seg', `${box}&format=tif`));
    const mask = await server.get(dataUrl('seg', `${box}&format=tif`, 'mask'));
    expect([mask.status, Buffer.compare(mask.body, data.body)]).toEqual([200, 0]);
    const masked = await server.get(dataUrl('seg', `${box}&id=13000`, 'mask'));
    expect(masked.headers['content-type']).toBe('image/png');
    expect(await readPicture(masked.body)).toMatchObject({
      channels: 1,
      values: [...repeated(4, 0), ...repeated(4, 255)],
    });
    const wide = await server.get(dataUrl('seg64', 'x=0&y=0&z=0&width=8&height=1&id=1099511627777&format=raw', 'mask'));
    expect([...wide.body]).toEqual([...repeated(4, 0), ...repeated(4, 255)]);
    expect(await server.text(dataUrl('seg', `${box}&id=x`, 'mask'))).toEqual([400, 'The id x is not an integer.']);
    expect((await server.get(dataUrl('flt', `${box}&id=1`, 'mask'))).status).toBe(415);
  });

  it('[parity 66] every answer has a tag and is not sent twice', async () => {
    for (const target of [
      '/api/experiments',
      channelUrl('channel_metadata', 'im'),
      dataUrl('im', 'x=0&y=0&z=0&width=8&height=6'),
    ]) {
      const { headers } = await server.get(target);
      expect(headers).toMatchObject({ 'access-control-allow-origin': '*', etag: expect.stringMatching(/^"/) });
      const again = await server.get(target, { headers: { 'if-none-match': headers.etag as string } });
      expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
      const other = await server.get(target, { headers: { 'if-none-match': '"another"' } });
      expect(other.status).toBe(200);
    }
    const tags = ['x=0', 'x=1'].map((x) => server.get(dataUrl('im', `${x}&y=0&z=0&width=1&height=1`)));
    const [one, two] = await Promise.all(tags);
    expect(one?.headers.etag).not.toBe(two?.headers.etag);
  });

  it('[parity 66] only GET is answered, and only below known paths', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const { status, headers } = await server.get('/api/experiments', { method });
      expect([status, headers.allow]).toEqual([405, expect.stringContaining('GET')]);
    }
    expect((await server.get('/apis/experiments')).status).toBe(404);
    expect((await server.get('/nothing')).status).toBe(404);
  });
});

/** Colours that the original gave, as planes 0, 1, 2. */
const GOLDEN: readonly (readonly [DType, number | bigint, readonly [number, number, number]])[] = [
  ['uint8', 0, [0, 0, 0]],
  ['uint8', 1, [107, 253, 200]],
  ['uint8', 48, [16, 132, 128]],
  ['uint8', 255, [149, 103, 56]],
  ['uint16', 255, [173, 103, 239]],
  ['uint16', 1000, [164, 236, 28]],
  ['uint16', 65_535, [73, 227, 68]],
  ['uint32', 7, [49, 95, 111]],
  ['uint32', 1000, [88, 244, 55]],
  ['uint32', 12_000, [200, 88, 112]],
  ['uint32', 65_535, [89, 103, 52]],
  ['uint32', 16_777_216, [212, 236, 45]],
  ['uint32', 4_294_967_295, [33, 31, 140]],
  ['uint64', 2n ** 40n + 12n, [104, 136, 161]],
  ['uint64', 2n ** 63n, [8, 8, 0]],
  ['uint64', 2n ** 64n - 1n, [97, 151, 148]],
];

describe('the view colormap', () => {
  it.each(GOLDEN)(
    '[parity 61] gives %s %s the colour %s: in that order in tif, and the other way round in png',
    async (dtype, value, colour) => {
      const raw = voxelsOf([1, 1, 1], dtype, () => value);
      const request = { raw, shape: [1, 1, 1], dtype, type: 'segmentation', view: 'colormap' } as const;
      const tif = await renderVoxels({ ...request, format: 'tif' });
      expect([...readTiff(tif.bytes).strip]).toEqual(colour);
      const png = await renderVoxels({ ...request, format: 'png' });
      expect((await readPicture(png.bytes)).values).toEqual([...colour].reverse());
    },
  );
});
