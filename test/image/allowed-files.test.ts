/** Links and names in volumes of many files that lead out of the folders that a server may read. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { openSource } from '../../src/image/open-source.ts';
import { errorOf, temporaryFolder } from './source-fixtures.ts';

const root = temporaryFolder();
const SECRET = 'what nobody must read of this!!!';
const bytes = SECRET.length;
let folders = 0;

/** A folder for volumes, and a file beside it. */
function places(): { readonly data: string; readonly secret: string } {
  const place = join(root, `place-${folders++}`);
  mkdirSync(join(place, 'data/volume/a'), { recursive: true });
  mkdirSync(join(place, 'out'));
  const secret = join(place, 'out/0-1_0-1_0-32');
  writeFileSync(secret, SECRET);
  return { data: join(place, 'data'), secret };
}

const zarr = {
  ...{ zarr_format: 2, shape: [bytes, 1, 1], chunks: [bytes, 1, 1], dtype: '|u1', compressor: null, fill_value: 0 },
  ...{ order: 'C', filters: null },
};
const n5 = {
  n5: '2.0.0',
  dimensions: [1, 1, bytes],
  blockSize: [1, 1, bytes],
  dataType: 'uint8',
  compression: { type: 'raw' },
};
const precomputed = (key: string): object => ({
  ...{ '@type': 'neuroglancer_multiscale_volume', type: 'image', data_type: 'uint8', num_channels: 1 },
  scales: [
    ...[
      {
        key,
        size: [1, 1, bytes],
        voxel_offset: [0, 0, 0],
        resolution: [1, 1, 1],
        chunk_sizes: [[1, 1, bytes]],
        encoding: 'raw',
      },
    ],
  ],
});

describe('a server that may read certain folders alone', () => {
  it.each<[string, string, object, string | undefined]>([
    ['a chunk of Zarr that is a link', '.zarray', zarr, '0.0.0'],
    ['a block of N5 that is a link', 'attributes.json', n5, '0/0/0'],
    ['a precomputed chunk that is a link', 'info', precomputed('a'), 'a/0-1_0-1_0-32'],
    ['a precomputed scale that lies elsewhere', 'info', precomputed('../../out'), undefined],
  ])('does not read %s, and where it may read all it does', async (_, file, metadata, chunk) => {
    const { data, secret } = places();
    const path = join(data, 'volume');
    writeFileSync(join(path, file), JSON.stringify(metadata));
    if (chunk !== undefined) {
      mkdirSync(join(path, chunk, '..'), { recursive: true });
      symlinkSync(secret, join(path, chunk));
    }
    const source = await openSource({ path, within: [data] });
    const error = await errorOf(source.read(0, [0, 0, 0, 1, 1, bytes]));
    expect([error.code, error.message]).toEqual(['FORBIDDEN', expect.stringContaining('outside the allowed-paths')]);
    expect(error.message).not.toContain(root);
    await source.close();
    if (file === 'attributes.json') return;
    const free = await openSource({ path });
    expect(Buffer.from(await free.read(0, [0, 0, 0, 1, 1, bytes])).toString()).toBe(SECRET);
    await free.close();
    const both = await openSource({ path, within: [data, secret] });
    expect(Buffer.from(await both.read(0, [0, 0, 0, 1, 1, bytes])).toString()).toBe(SECRET);
    await both.close();
  });

  it.each([
    ['the first slice', ['0.png'], 'opening'],
    ['another slice', ['1.png'], 'reading'],
  ])('does not read %s of a stack that is a link', async (_, links, when) => {
    const { data, secret } = places();
    const path = join(data, 'volume/a');
    const png = await sharp(new Uint8Array(6), { raw: { width: 3, height: 2, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    writeFileSync(secret, png);
    for (const name of ['0.png', '1.png'])
      if (links.includes(name)) symlinkSync(secret, join(path, name));
      else writeFileSync(join(path, name), png);
    const box = [0, 0, 0, 3, 2, 2] as const;
    const open = () => openSource({ path, within: [data] });
    const error = await errorOf(when === 'opening' ? open() : open().then((source) => source.read(0, box)));
    expect([error.code, error.message]).toEqual(['FORBIDDEN', expect.stringContaining('outside the allowed-paths')]);
    expect(await (await openSource({ path })).read(0, box)).toHaveLength(12);
  });

  it('does not read a tile of Mojo that is a link', async () => {
    const { data, secret } = places();
    const path = join(data, 'volume');
    const tiles = join(path, 'images/tiles/w=00000000/z=00000000');
    mkdirSync(tiles, { recursive: true });
    const settings = {
      ...{ numTilesX: 1, numTilesY: 1, numTilesZ: 1, numTilesW: 1, numVoxelsPerTileX: 4, numVoxelsPerTileY: 4 },
      ...{ numVoxelsPerTileZ: 1, numVoxelsX: 4, numVoxelsY: 4, numVoxelsZ: 1, dxgiFormat: 'R8_UNorm' },
      ...{ fileExtension: 'png', numBytesPerVoxel: 1, isSigned: false },
    };
    const attributes = Object.entries(settings).map(([name, value]) => `${name}="${value}"`);
    writeFileSync(
      join(path, 'images/tiledVolumeDescription.xml'),
      `<tiledVolumeDescription ${attributes.join(' ')} />`,
    );
    writeFileSync(
      secret,
      await sharp(new Uint8Array(16), { raw: { width: 4, height: 4, channels: 1 } })
        .toColourspace('b-w')
        .png()
        .toBuffer(),
    );
    symlinkSync(secret, join(tiles, 'y=00000000,x=00000000.png'));
    const source = await openSource({ path: join(path, 'images'), within: [data] });
    expect((await errorOf(source.read(0, [0, 0, 0, 4, 4, 1]))).code).toBe('FORBIDDEN');
  });

  it('takes a chunk that is not there for zeros', async () => {
    const { data } = places();
    const path = join(data, 'volume');
    writeFileSync(join(path, 'info'), JSON.stringify(precomputed('a')));
    const source = await openSource({ path, within: [data] });
    expect(await source.read(0, [0, 0, 0, 1, 1, bytes])).toEqual(new Uint8Array(bytes));
    await source.close();
  });
});
