/** Boxes of pixels over Butterfly's REST API: cases 1 to 7 of the parity list, by number. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lineTransports } from '../support/line-server.ts';
import { dataUrl, ParityFolder, ParityServer } from '../support/parity-server.ts';
import { readNpy, readPicture, unzip } from '../support/read-pictures.ts';

let folder: ParityFolder;
beforeAll(async () => {
  folder = await ParityFolder.make();
});
afterAll(() => folder.remove());

describe.each(lineTransports('boxes of pixels'))('boxes of pixels over %s', (kind) => {
  let server: ParityServer;
  beforeAll(async () => {
    server = await ParityServer.start(kind, folder.path);
  });
  afterAll(() => server.stop());

  it('[parity 1] are those of the volume', async () => {
    expect(await server.rows('im', 'x=1&y=2&z=1&width=3&height=2')).toEqual([
      [65, 66, 67],
      [73, 74, 75],
    ]);
  });

  it('[parity 2] of several slices are one tall png, slices stacked downwards, and an npz of four axes', async () => {
    const box = 'x=0&y=0&z=0&width=4&height=3&depth=2';
    const values = [0, 8, 16, 48, 56, 64].flatMap((first) => [first, first + 1, first + 2, first + 3]);
    const { headers, body } = await server.get(dataUrl('im', box));
    expect(headers['content-type']).toBe('image/png');
    expect(await readPicture(body)).toMatchObject({ width: 4, height: 6, channels: 1, values });
    const npz = readNpy(unzip(await server.data('im', `${box}&format=npz`)));
    expect([npz.shape, [...npz.bytes]]).toEqual([[1, 2, 3, 4], values]);
  });

  it('[parity 3] of a resolution are the first of every second voxel along x and y', async () => {
    expect(await server.rows('im', 'x=0&y=0&z=1&width=4&height=3&resolution=1')).toEqual([
      [48, 50, 52, 54],
      [64, 66, 68, 70],
      [80, 82, 84, 86],
    ]);
    expect(await server.rows('im', 'x=1&y=1&z=1&width=2&height=2&resolution=1')).toEqual([
      [66, 68],
      [82, 84],
    ]);
  });

  it('[parity 3] of a channel with an offset begin there, and never before the volume', async () => {
    const square = 'z=0&width=2&height=2';
    expect(await server.rows('moved', `x=0&y=0&${square}`)).toEqual([
      [67, 68],
      [75, 76],
    ]);
    expect(await server.rows('moved', `x=0&y=0&${square}&resolution=1`)).toEqual([
      [66, 68],
      [82, 84],
    ]);
    expect(await server.rows('moved-back', `x=0&y=0&${square}`)).toEqual([
      [0, 1],
      [8, 9],
    ]);
    expect(await server.rows('moved-back', `x=3&y=3&${square}`)).toEqual([
      [9, 10],
      [17, 18],
    ]);
  });

  it('[parity 4] are zeros past the end of the volume', async () => {
    const corner = [
      [182, 183, 0, 0],
      [190, 191, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ];
    expect(await server.rows('im', 'x=6&y=4&z=3&width=4&height=4')).toEqual(corner);
    const zeros = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
    expect(await server.rows('im', 'x=6&y=4&z=3&width=4&height=4&depth=2')).toEqual([...corner, ...zeros]);
  });

  it('[parity 5] are zeros wholly outside it, also behind the last tile', async () => {
    expect(await server.rows('im', 'x=0&y=0&z=4&width=2&height=1')).toEqual([[0, 0]]);
    expect(await server.rows('im', 'x=100&y=0&z=0&width=2&height=1')).toEqual([[0, 0]]);
    expect(await server.rows('big', 'x=0&y=0&z=100&width=2&height=1')).toEqual([[0, 0]]);
    expect(await server.rows('big', 'x=0&y=0&z=130&width=2&height=1')).toEqual([[0, 0]]);
  });

  it('[parity 6] are put together from all tiles that they meet', async () => {
    const query = 'x=40&y=60&z=60&width=20&height=50&depth=10';
    const rows = await server.rows('big', query);
    expect([rows.length, rows[0]?.[0], rows.at(-1)?.at(-1)]).toEqual([500, 2_412_040, 2_781_859]);
    const { core } = server;
    const asked = {
      ...core.makeDataQuery({ path: 'e/s/d/big' }),
      ...({ origin: [40, 60, 60], size: [20, 50, 10] } as const),
    };
    const touched: string[] = [];
    for (let z = 0; z < 3; z++)
      for (let y = 0; y < 4; y++)
        for (let x = 0; x < 4; x++) {
          const [x0, y0, z0, x1, y1, z1] = (await core.makeTileQuery(asked, [x, y, z])).crop;
          if (x1 > x0 && y1 > y0 && z1 > z0) touched.push(`${z} ${y} ${x}`);
        }
    expect(touched).toEqual(['0 1 0', '0 1 1', '0 2 0', '0 2 1', '1 1 0', '1 1 1', '1 2 0', '1 2 1']);
    // z, y, x: [0, 10, 0] to [6, 50, 10].
    expect((await core.makeTileQuery(asked, [1, 1, 1])).crop).toEqual([0, 10, 0, 10, 50, 6]);
  });

  it.each<[query: string, status: number, text: string]>([
    ['x=0&y=0&z=0&width=0&height=1', 400, 'The width 0 is not positive.'],
    ['x=0&y=0&z=0&width=-1&height=1', 400, 'The width -1 is not positive.'],
    ['x=1.5&y=0&z=0&width=1&height=1', 400, 'The x 1.5 is not an integer.'],
    ['x=a&y=0&z=0&width=1&height=1', 400, 'The x a is not an integer.'],
    ['x=&y=0&z=0&width=1&height=1', 400, 'The x  is not an integer.'],
    ['x=1e3&y=0&z=0&width=1&height=1', 400, 'The x 1e3 is not an integer.'],
    ['x=0&y=0&z=0&width=1', 400, 'The height None is not an integer.'],
    ['', 400, 'The z None is not an integer.'],
    ['x=0&y=0&z=0&width=1&height=1&resolution=-1', 400, 'The resolution -1 is not in 0..30.'],
    ['x=0&y=0&z=0&width=1&height=1&resolution=r', 400, 'The resolution r is not an integer.'],
    ['x=0&y=0&z=0&width=4294967295&height=1', 413, 'The box holds more than 1073741824 voxels.'],
    ['x=0&y=0&z=0&width=20000&height=20000', 413, 'The box holds more than 268435456 bytes.'],
    ['x=0&y=0&z=0&width=99999999999999999999&height=1', 400, 'The width 99999999999999999999 is too large.'],
  ])('[parity 7] that nobody can mean are refused: %s', async (query, status, text) => {
    const before = process.memoryUsage().arrayBuffers;
    const { headers, body, status: got } = await server.get(dataUrl('im', query));
    expect([got, body.toString(), headers['content-type']]).toEqual([status, text, 'text/plain; charset=utf-8']);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    expect(await server.rows('im', 'x=1&y=0&z=0&width=1&height=1')).toEqual([[1]]);
  });

  it('[parity 7] that begin before the volume begin at 0, as they always did', async () => {
    expect(await server.rows('im', 'x=-3&y=-1&z=-1&width=2&height=1')).toEqual([[0, 1]]);
    expect(await server.rows('im', 'x=%2B1&y=0&z=0&width=2&height=1')).toEqual([[1, 2]]);
  });
});
