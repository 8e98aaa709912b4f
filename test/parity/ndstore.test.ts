/** NDStore's API: cases 75 to 79 of the parity list, by number. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lineTransports } from '../support/line-server.ts';
import { ParityFolder, ParityServer, tiffRows } from '../support/parity-server.ts';
import { readNpy, readPicture, unzip } from '../support/read-pictures.ts';

let folder: ParityFolder;
beforeAll(async () => {
  folder = await ParityFolder.make();
});
afterAll(() => folder.remove());

const D = '/nd/sd/e::s::d';

describe.each(lineTransports('NDStore'))('NDStore over %s', (kind) => {
  let server: ParityServer;
  beforeAll(async () => {
    server = await ParityServer.start(kind, folder.path);
  });
  afterAll(() => server.stop());

  it('[parity 75] describes a dataset of two levels', async () => {
    const zero = { 0: [0, 0, 0], 1: [0, 0, 0] };
    const size = { 0: [8, 8, 2], 1: [4, 4, 2] };
    const voxel = { 0: [4, 4, 30], 1: [8, 8, 30] };
    expect(await server.json('/nd/sd/e::s::mojo/info/')).toEqual({
      channels: {
        mojo: {
          datatype: 'uint32',
          channel_type: 'annotation',
          description: 'mojo',
          exceptions: 0,
          propagate: 2,
          readonly: 1,
          resolution: 0,
          windowrange: [0, 0],
        },
      },
      dataset: {
        scaling: 'zslices',
        description: 'mojo',
        scalinglevels: 2,
        resolutions: [0, 1],
        offset: zero,
        neariso_scaledown: { 0: 1, 1: 1 },
        cube_dimension: { 0: [4, 4, 1], 1: [4, 4, 1] },
        imagesize: size,
        voxelres: voxel,
        neariso_voxelres: voxel,
        neariso_offset: zero,
        neariso_imagesize: size,
        timerange: [0, 0],
      },
      metadata: {},
      project: { description: 'mojo', name: 'mojo', version: '0.0' },
    });
  });

  it('[parity 75] leaves out channels that do not open, and tells the grid of those that have another', async () => {
    const info = (await server.json(`${D}/info`)) as {
      readonly channels: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
      readonly dataset: Readonly<Record<string, unknown>>;
    };
    expect(info.dataset).toMatchObject({ scalinglevels: 1, imagesize: { 0: [8, 6, 4] }, voxelres: { 0: [4, 4, 30] } });
    expect(info.channels).not.toHaveProperty('gone');
    expect(info.channels).not.toHaveProperty('outside');
    expect(info.channels['im']).toMatchObject({ datatype: 'uint8', channel_type: 'image' });
    expect(info.channels['im']).not.toHaveProperty('imagesize');
    expect(info.channels['flt']).toMatchObject({ datatype: 'float32', channel_type: 'image' });
    expect(info.channels['seg']).toMatchObject({ datatype: 'uint32', channel_type: 'annotation' });
    expect(info.channels['i16']).toMatchObject({ datatype: 'uint16' });
    expect(info.channels['big']).toMatchObject({
      scalinglevels: 3,
      imagesize: { 0: [200, 200, 100], 1: [100, 100, 100], 2: [50, 50, 100] },
      cube_dimension: { 0: [50, 50, 64] },
    });
  });

  it('[parity 76] gives slices along x and y as tif', async () => {
    const { headers, body } = await server.get(`${D}/im/xy/0/0,3/0,2/1/`);
    expect([headers['content-type'], tiffRows(body)]).toEqual([
      'image/tiff',
      [
        [48, 49, 50],
        [56, 57, 58],
      ],
    ]);
    expect(tiffRows((await server.get(`${D}/im/XY/0/0,3/0,2/1/0/`)).body)[1]).toEqual([56, 57, 58]);
    expect(tiffRows((await server.get(`${D}/seg/xy/1/0,3/0,2/1/`)).body)).toEqual([
      [12_000, 12_000, 13_000],
      [16_000, 16_000, 17_000],
    ]);
    for (const slice of ['xz', 'yz'])
      expect(await server.text(`${D}/im/${slice}/0/0,3/0,2/1/`)).toEqual([400, `The slice ${slice} is not in ['xy'].`]);
  });

  it('[parity 77] gives volumes, and 512, 512, 1 of them where ranges are left out', async () => {
    const npz = await server.get(`${D}/im/npz/0/0,3/0,2/1,3/neariso/`);
    const { shape, bytes } = readNpy(unzip(npz.body));
    expect([npz.headers['content-type'], shape, [...bytes]]).toEqual([
      'image/npz',
      [1, 2, 2, 3],
      [48, 49, 50, 56, 57, 58, 96, 97, 98, 104, 105, 106],
    ]);
    expect(readNpy(unzip((await server.get(`${D}/im/npz/0/`)).body)).shape).toEqual([1, 1, 512, 512]);
    expect(readNpy(unzip((await server.get(`${D}/im/npz/0/0,3`)).body)).shape).toEqual([1, 1, 512, 3]);
    expect(readNpy(unzip((await server.get(`${D}/im/npz/0/0,3/0,2/`)).body)).shape).toEqual([1, 1, 2, 3]);
    const jpeg = await readPicture((await server.get(`${D}/im/jpeg/0/0,8/0,6/0,4/neariso/`)).body);
    expect(jpeg).toMatchObject({ format: 'jpeg', width: 8, height: 24, channels: 1 });
  });

  it('[parity 78] gives raw voxels, and names its formats for others', async () => {
    const { headers, body } = await server.get(`${D}/im/raw/0/0,3/0,2/1,3/`);
    expect([headers['content-type'], body.length, body[0]]).toEqual(['image/raw', 12, 48]);
    expect(await server.text(`${D}/im/blosc/0/0,3/0,2/1,3/`)).toEqual([
      400,
      expect.stringContaining("The format blosc is not in ['png', 'jpg'"),
    ]);
  });

  it('[parity 79] refuses ranges that end before they begin, and what is no range', async () => {
    expect(await server.text(`${D}/im/npz/0/3,0/0,2/1,3/`)).toEqual([400, 'The x1 0 is not above the x0 3.']);
    expect(await server.text(`${D}/im/npz/0/0,3/2,2/1,3/`)).toEqual([400, 'The y1 2 is not above the y0 2.']);
    expect(await server.text(`${D}/im/npz/0/0,3/0,2/3,1/`)).toEqual([400, 'The z1 1 is not above the z0 3.']);
    expect(await server.text(`${D}/im/npz/0/0/0,2/1,3/`)).toEqual([400, 'The x1 None is not an integer.']);
    expect((await server.text(`${D}/im/npz/0/-3,3/0,2/1,3/`))[0]).toBe(400);
    expect(await server.text(`${D}/im/npz/r/0,3/0,2/1,3/`)).toEqual([400, 'The resolution r is not an integer.']);
    expect((await server.text(`${D}/im/npz/`))[0]).toBe(400);
    expect((await server.text(`${D}/im/`))[0]).toBe(400);
    expect((await server.text('/nd/sd/e::s::d/nope/npz/0/'))[0]).toBe(404);
    for (const token of ['e::s::x', 'e::s', 'e/s/d']) expect((await server.text(`/nd/sd/${token}/info/`))[0]).toBe(404);
    expect(await server.text('/nd/ca/e::s::d/info/')).toEqual([400, "The target ca is not in ['sd']."]);
  });

  it('[parity 79] lists the tokens, and takes them percent-encoded', async () => {
    const tokens = ['e::s::d', 'e::s::ds', 'e::s::mojo', 'e::s::small'];
    expect(await server.json('/nd/sd/public_tokens/')).toEqual(tokens);
    expect(await server.json('/nd/public_tokens/')).toEqual(tokens);
    expect((await server.get('/nd/sd/e%3A%3As%3A%3Ad/im/npz/0/0,3/0,2/1,3/')).status).toBe(200);
  });
});
