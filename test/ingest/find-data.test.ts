import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { discover } from '../../src/ingest/discover.ts';
import { findData } from '../../src/ingest/find-data.ts';
import { writeFileWhole } from '../../src/utility/atomic-file.ts';
import { catalogueChannels } from '../../src/utility/config.ts';
import { tiffChunks } from '../../src/utility/tiff.ts';

let top = '';
const at = (file: string): string => path.join(top, file);

async function makePng(file: string): Promise<void> {
  await mkdir(path.dirname(at(file)), { recursive: true });
  await sharp(Buffer.alloc(12), { raw: { width: 4, height: 3, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(at(file));
}

async function makeTiff(file: string, pages: number): Promise<void> {
  async function* planes(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(12 * pages);
  }
  await mkdir(path.dirname(at(file)), { recursive: true });
  await writeFileWhole(at(file), tiffChunks({ dtype: 'uint8', shape: [4, 3, pages], voxel: [1, 1, 1] }, planes()));
}

beforeAll(async () => {
  top = await mkdtemp(path.join(tmpdir(), 'bfly-find-'));
});
afterAll(() => rm(top, { recursive: true }));

describe('the data at a path', () => {
  it('is a stack where a folder has slices', async () => {
    await makePng('pngs/1.png');
    await makeTiff('tiffs/1.tif', 1);
    expect((await findData(at('pngs')))?.map(({ kind }) => kind)).toEqual(['stack']);
    expect((await findData(at('tiffs')))?.map(({ kind }) => kind)).toEqual(['stack']);
  });

  it('is no stack where the images are volumes, or pictures of a volume beside them', async () => {
    await makeTiff('volumes/a.tif', 3);
    await makeTiff('volumes/b.tif', 2);
    await makePng('pictures/preview.png');
    await writeFile(at('pictures/em.h5'), '');
    expect(await findData(at('volumes'))).toBeUndefined();
    expect(await findData(at('pictures'))).toBeUndefined();
    expect(catalogueChannels(await discover(at('volumes'), findData)).map((channel) => channel.path)).toEqual([
      'root/root/volumes/a.tif',
      'root/root/volumes/b.tif',
    ]);
  });

  it('is broken where a format knows it and cannot read it, and nothing where none does', async () => {
    await mkdir(at('annotations'));
    await writeFile(at('annotations/info'), '{"@type": "neuroglancer_annotations_v1"}');
    await writeFile(at('note.txt'), 'hello');
    await expect(findData(at('annotations'))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      details: { kind: 'precomputed' },
    });
    expect(await findData(at('note.txt'))).toBeUndefined();
    await expect(findData(at('none'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('volumes of many files', () => {
  const channelsBelow = async (folder: string) =>
    catalogueChannels(await discover(at(folder), findData)).map(({ path: channel }) => channel);
  const job = { tile_size: { x: 4, y: 3, z: 1 }, extent: { x: [0, 8], y: [0, 3], z: [0, 2] } };
  const indexOf = (locations: readonly string[]): string =>
    JSON.stringify({
      ingest_job: job,
      tiles: locations.map((location, i) => ({ location, z: Math.floor(i / 2), row: 0, column: i % 2 })),
    });

  it('of Mojo are one channel each, and a set of them is a dataset', async () => {
    const text =
      '<tiledVolumeDescription fileExtension="png" numTilesW="1" numVoxelsPerTileX="4" numVoxelsPerTileY="3" ' +
      'numVoxelsPerTileZ="1" numVoxelsX="4" numVoxelsY="3" numVoxelsZ="2" numBytesPerVoxel="1"/>';
    for (const volume of ['mojos/alone', 'mojos/set/images', 'mojos/set/ids']) {
      for (const z of [0, 1]) await makePng(`${volume}/tiles/w=00000000/z=0000000${z}/y=00000000,x=00000000.png`);
      await writeFile(at(`${volume}/tiledVolumeDescription.xml`), text);
    }
    await writeFile(at('mojos/set/ids/segmentInfo.db'), '');
    expect(await channelsBelow('mojos')).toEqual([
      'root/mojos/set/ids',
      'root/mojos/set/images',
      'root/root/mojos/alone',
    ]);
    expect(await channelsBelow('mojos/set')).toEqual(['root/root/mojos/ids', 'root/root/mojos/images']);
  });

  it('of a Boss grid are one channel: its tiles are no stacks and no volumes, wherever they lie', async () => {
    for (const tile of ['a0.tif', 'a1.tif', 'z0.tif', 'z1.tif']) await makeTiff(`bosses/apart/before/${tile}`, 1);
    await makeTiff('bosses/apart/before/other.tif', 2);
    await mkdir(at('bosses/apart/em'));
    await writeFile(
      at('bosses/apart/em/index.json'),
      indexOf(['../before/a0.tif', '../before/a1.tif', '../before/z0.tif', '../before/z1.tif']),
    );
    for (const tile of ['a0.tif', 'z1.tif']) await makeTiff(`bosses/together/${tile}`, 1);
    await writeFile(at('bosses/together/index.json'), indexOf(['a0.tif', 'gone.tif', 'other.tif', 'z1.tif']));
    expect(await channelsBelow('bosses')).toEqual([
      'root/bosses/before/other.tif',
      'root/bosses/em/index.json',
      'root/bosses/together/index.json',
    ]);
  });

  it('of HDF5 in a list are a channel beside those of the files', async () => {
    await mkdir(at('lists'));
    await writeFile(at('lists/multi.json'), JSON.stringify([{ filename: 'a.h5', 'z-offset': 0 }]));
    await writeFile(at('lists/notes.json'), JSON.stringify({ filename: 'a.h5' }));
    expect(await channelsBelow('lists')).toEqual(['root/root/lists/multi.json']);
  });

  it('that are broken are told with their reason, and not descended into', async () => {
    await makePng('torn/mojo/tiles/w=00000000/z=00000000/y=00000000,x=00000000.png');
    await writeFile(at('torn/mojo/tiledVolumeDescription.xml'), '<tiledVolumeDescription numBytesPerVoxel="9"/>');
    await writeFile(at('torn/index.json'), '{"ingest_job": {}, "tiles": []}');
    const { skipped, ...found } = await discover(at('torn'), findData);
    expect(catalogueChannels(found)).toEqual([]);
    expect(skipped.map(({ path: file, reason }) => [path.basename(file), reason])).toEqual([
      ['index.json', 'ingest_job.tile_size.x of an index of tiles must be a whole number above 0; it is missing'],
      ['mojo', expect.stringContaining('must have 1, 2, 4 or 8 as numBytesPerVoxel; it is "9"')],
    ]);
  });
});

describe('formats that are not served', () => {
  const kindsBelow = async (top: string) =>
    (await discover(at(top), findData)).skipped.map(({ path: file, format }) => [path.basename(file), format?.name]);

  it('are known by sight', async () => {
    await mkdir(at('unserved'), { recursive: true });
    await writeFile(at('unserved/labels.h5.gz'), '');
    await writeFile(at('unserved/notes.txt.gz'), '');
    const found = await discover(at('unserved'), findData);
    expect(catalogueChannels(found)).toEqual([]);
    expect(await kindsBelow('unserved')).toEqual([['labels.h5.gz', '.gz']]);
    await expect(findData(at('unserved/labels.h5.gz'))).rejects.toThrow(
      '"labels.h5.gz" is .gz: not served yet; gunzip makes a file that is',
    );
  });

  it('are not seen in folders that only have a file of such a name', async () => {
    await makePng('plain/1.png');
    await writeFile(at('plain/attributes.json'), '{"author": "ada"}');
    await mkdir(at('other/sub'), { recursive: true });
    await writeFile(at('other/attributes.json'), 'no JSON');
    expect((await findData(at('plain')))?.map(({ kind }) => kind)).toEqual(['stack']);
    expect(await findData(at('other'))).toBeUndefined();
  });

  it('and broken volumes of those that are, are told and not looked into', async () => {
    await makePng('broken/a.n5/0/0/slice.png');
    await writeFile(at('broken/a.n5/attributes.json'), 'no JSON');
    await makePng('broken/b/0/0/slice.png');
    const attributes = {
      dimensions: [1, 2, 3],
      blockSize: [1, 2, 3],
      dataType: 'uint128',
      compression: { type: 'raw' },
    };
    await writeFile(at('broken/b/attributes.json'), JSON.stringify(attributes));
    const found = await discover(at('broken'), findData);
    expect(catalogueChannels(found)).toEqual([]);
    expect(found.skipped.map(({ path: file, reason }) => [path.basename(file), reason])).toEqual([
      ['a.n5', expect.stringContaining('is not JSON')],
      ['b', expect.stringContaining('uint128')],
    ]);
  });
});

const SHARED = path.resolve('../shared/data');
const isThere = existsSync(SHARED);
if (!isThere) console.warn('discovery of real volumes did NOT run: ../shared/data is missing');

describe.skipIf(!isThere)('real volumes', () => {
  it('are found wherever they lie', async () => {
    const paths = catalogueChannels(await discover(SHARED, findData)).map((channel) => channel.path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'root/data/fib25-training2/grayscale_maps',
        'root/data/fib25-training2-precomputed/em_jpeg',
        'root/data/gala-snemi-mini/train-labels.tif',
        'root/data/gala/test-image.h5',
        'root/data/fib25-ts2-crop-cremi.h5/volumes.raw',
        'root/data/fib25-ts2-crop-cremi.h5/volumes.labels.neuron_ids',
        'root/root/data/pinky40-precomputed',
        'mojo/fib25-ts2/mojo/ids',
        'mojo/fib25-ts2/mojo/images',
      ]),
    );
    expect(paths.filter((found) => found.startsWith('mojo/'))).toHaveLength(2);
  });

  it('are found inside a file by a path that goes on', async () => {
    const found = await discover(path.join(SHARED, 'hdf5/fib25-ts2-crop-cremi.h5/volumes/raw'), findData);
    expect(catalogueChannels(found).map((channel) => channel.path)).toEqual([
      'root/root/fib25-ts2-crop-cremi.h5/volumes.raw',
    ]);
  });
});
