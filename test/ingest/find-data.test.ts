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
      ]),
    );
  });

  it('are found inside a file by a path that goes on', async () => {
    const found = await discover(path.join(SHARED, 'hdf5/fib25-ts2-crop-cremi.h5/volumes/raw'), findData);
    expect(catalogueChannels(found).map((channel) => channel.path)).toEqual([
      'root/root/fib25-ts2-crop-cremi.h5/volumes.raw',
    ]);
  });
});
