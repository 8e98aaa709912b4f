/** What Butterfly could read, over its REST API: cases 83 to 88 of the parity list, by number. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Vec3 } from '../../protocol/volume.ts';
import { discover } from '../../src/ingest/discover.ts';
import { findData } from '../../src/ingest/find-data.ts';
import { butterflyBlock } from '../../src/query/query.ts';
import { catalogueChannels, parseConfig, writeCatalogueYaml } from '../../src/utility/config.ts';
import { lineTransports } from '../support/line-server.ts';
import { channelUrl, dataUrl, ParityFolder, ParityServer } from '../support/parity-server.ts';
import { writeHdf5 } from '../support/parity-volumes.ts';

let folder: ParityFolder;
beforeAll(async () => {
  folder = await ParityFolder.make();
});
afterAll(() => folder.remove());

const MiB = 2 ** 20;
const repeated = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
/** Four rows of two by two blocks. */
const quarters = (a: number, b: number, c: number, d: number): number[][] => [
  ...repeated(2, [a, a, b, b]),
  ...repeated(2, [c, c, d, d]),
];

describe.each(lineTransports('sources'))('sources over %s', (kind) => {
  let server: ParityServer;
  beforeAll(async () => {
    server = await ParityServer.start(kind, folder.path);
  });
  afterAll(() => server.stop());

  it('[parity 83] a volume of several HDF5 files is whole across their borders', async () => {
    expect(await server.json(channelUrl('channel_metadata', 'multi'))).toMatchObject({
      'data-type': 'uint8',
      dimensions: { z: 150, y: 8, x: 8 },
    });
    const column = await server.rows('multi', 'x=0&y=0&z=0&width=1&height=1&depth=151');
    expect(column.flat()).toEqual([...repeated(100, 1), ...repeated(50, 2), 0]);
    expect(await server.rows('multi', 'x=7&y=7&z=99&width=2&height=1&depth=2')).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it('[parity 83] a json may name a dataset in a group', async () => {
    expect(await server.rows('nested', 'x=1&y=2&z=1&width=3&height=2')).toEqual([
      [65, 66, 67],
      [73, 74, 75],
    ]);
  });

  it('[parity 83] files that a json names must lie in the allowed paths', async () => {
    const other = await ParityFolder.make();
    try {
      const list = [{ filename: folder.at('im.h5'), 'dataset-path': 'main' }];
      writeFileSync(other.at('multi.json'), JSON.stringify(list));
      const confined = await ParityServer.start(kind, other.path);
      const [status, text] = await confined.text(channelUrl('channel_metadata', 'multi'));
      await confined.stop();
      expect([status, text.includes(folder.path)]).toEqual([403, false]);
    } finally {
      other.remove();
    }
  });

  it('[parity 83] negative voxels come as unsigned ones of the same bits', async () => {
    expect(await server.rows('minus', 'x=0&y=0&z=0&width=2&height=1')).toEqual([[65_535, 1]]);
  });

  it('[parity 84] tiles of Boss, a missing one being zeros', async () => {
    expect(await server.json(channelUrl('channel_metadata', 'boss'))).toMatchObject({
      'source-type': 'boss',
      'data-type': 'uint8',
      dimensions: { z: 2, y: 8, x: 8 },
    });
    const box = 'x=2&y=2&width=4&height=4';
    expect(await server.rows('boss', `${box}&z=0`)).toEqual(quarters(0, 1, 10, 11));
    expect(await server.rows('boss', `${box}&z=1`)).toEqual(quarters(100, 101, 110, 0));
    expect(await server.rows('boss', 'x=0&y=0&z=0&width=4&height=4&resolution=1')).toEqual(quarters(0, 1, 10, 11));
    expect(await server.rows('boss', 'x=7&y=7&z=1&width=2&height=1&depth=2')).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('[parity 84] tiles of Boss by a pattern, counted from elsewhere', async () => {
    const box = 'x=2&y=2&width=4&height=4';
    expect(await server.rows('boss2', `${box}&z=0`)).toEqual(quarters(0, 1, 10, 11));
    expect(await server.rows('boss2', `${box}&z=1`)).toEqual(quarters(100, 101, 110, 111));
  });

  it('[parity 84] tiles of Mojo, their stored levels, and what is sampled above them', async () => {
    expect(await server.json(channelUrl('channel_metadata', 'mojo/mojo'))).toMatchObject({
      'source-type': 'mojo',
      'data-type': 'uint32',
      dimensions: { z: 2, y: 8, x: 8 },
    });
    const box = 'x=2&y=2&width=4&height=4';
    expect(await server.rows('mojo/mojo', `${box}&z=0`)).toEqual(quarters(0, 1, 10, 11));
    expect(await server.rows('mojo/mojo', `${box}&z=1`)).toEqual(quarters(100, 101, 110, 0));
    expect(await server.rows('mojo/mojo', 'x=0&y=0&z=1&width=2&height=2&resolution=1')).toEqual(
      repeated(2, [1100, 1100]),
    );
    expect(await server.rows('mojo/mojo', 'x=0&y=0&z=1&width=2&height=2&resolution=2')).toEqual(
      repeated(2, [1100, 1100]),
    );
    expect(await server.rows('mojo/mojo', 'x=3&y=0&z=1&width=2&height=1&resolution=1')).toEqual([[1100, 0]]);
    expect(await server.rows('mojo/mojo', 'x=7&y=0&z=1&width=2&height=1&depth=2')).toEqual([
      [101, 0],
      [0, 0],
    ]);
  });

  it('[parity 84] a stack of images ends where it ends', async () => {
    expect(await server.rows('stack', 'x=6&y=0&z=0&width=4&height=1')).toEqual([[6, 7, 0, 0]]);
    expect(await server.rows('stack', 'x=0&y=0&z=2&width=2&height=1&depth=2')).toEqual([
      [2096, 2097],
      [0, 0],
    ]);
    expect(await server.rows('stack', 'x=0&y=0&z=1&width=4&height=3&resolution=1')).toEqual([
      [1048, 1050, 1052, 1054],
      [1064, 1066, 1068, 1070],
      [1080, 1082, 1084, 1086],
    ]);
  });

  it('[parity 86] a volume that is smaller than its tiles is served', async () => {
    expect(await server.json(channelUrl('channel_metadata', 'small/mojo'))).toMatchObject({
      dimensions: { z: 1, y: 2, x: 3 },
    });
    const box = await server.get(dataUrl('small/mojo', 'x=0&y=0&z=0&width=4&height=3&format=raw&resolution=0'));
    expect([box.status, box.body.length, box.body.every((byte) => byte === 0)]).toEqual([200, 48, true]);
    expect(await server.rows('small/mojo', 'x=0&y=0&z=0&width=3&height=2&resolution=1')).toEqual([
      [1000, 1000, 0],
      [0, 0, 0],
    ]);
  });

  it('[parity 87] float64 is served as float32', async () => {
    expect(await server.json(channelUrl('channel_metadata', 'flt64'))).toMatchObject({ 'data-type': 'float32' });
    expect(await server.rows('flt64', 'x=1&y=0&z=0&width=3&height=1')).toEqual([[0.25, 0.5, 0.75]]);
  });

  it('[parity 88] what is found in folders is served, and again from the list that was written', async () => {
    const top = folder.at(`found-${kind}/data`);
    const tree = {
      dense: ['synapse-training.h5', 'neuron-training.h5', 'raw-image.h5'],
      'dense/excellent': ['synapse-segmentation.h5', 'neuron-segmentation.h5'],
      'empty/deeper': [],
    };
    for (const [place, names] of Object.entries(tree)) {
      mkdirSync(path.join(top, place), { recursive: true });
      for (const name of names) await writeHdf5(path.join(top, place, name), Uint8Array.of(1, 2, 3, 4), [1, 2, 2]);
    }
    const found = await discover(top, findData);
    const written = writeCatalogueYaml(found);
    const read = parseConfig(written, { file: 'out.yaml', folder: '/' }).catalogue;
    expect(catalogueChannels(read)).toEqual(catalogueChannels(found));
    const config = `${written}\n  allowed-paths: [${top}]\n`;
    const other = await ParityServer.start(kind, '/', { config });
    try {
      expect(await other.json('/api/experiments')).toEqual(['root']);
      expect(await other.json('/api/samples?experiment=root')).toEqual(['data']);
      expect(await other.json('/api/datasets?experiment=root&sample=data')).toEqual(['dense', 'excellent']);
      const lists = 'experiment=root&sample=data';
      const excellent = (await other.json(`/api/channels?${lists}&dataset=excellent`)) as string[];
      expect(excellent).toEqual(['neuron-segmentation.h5', 'synapse-segmentation.h5']);
      expect(await other.json(`/api/channels?${lists}&dataset=dense`)).toEqual([
        'neuron-training.h5',
        'raw-image.h5',
        'synapse-training.h5',
      ]);
      const one = `${lists}&dataset=excellent&channel=${excellent[0]}`;
      const box = await other.get(`/api/data?${one}&x=0&y=0&z=0&width=2&height=2&format=raw`);
      expect([...box.body]).toEqual([1, 2, 3, 4]);
    } finally {
      await other.stop();
    }
  });

  it('[parity 88] volumes right in a folder are of the dataset root/root', async () => {
    const top = folder.at(`flat-${kind}/data`);
    mkdirSync(top, { recursive: true });
    for (const name of ['a.h5', 'b.h5']) await writeHdf5(path.join(top, name), Uint8Array.of(1), [1, 1, 1]);
    const found = catalogueChannels(await discover(top, findData));
    expect(found.map((channel) => channel.path)).toEqual(['root/root/data/a.h5', 'root/root/data/b.h5']);
  });
});

describe('blocks of HDF5 files', () => {
  it.each<[zyx: Vec3, bytes: number, max: number, block: Vec3]>([
    [[4, 6, 8], 1, MiB, [4, 6, 8]],
    [[10, 128, 128], 1, MiB, [10, 128, 128]],
    [[10, 129, 128], 1, MiB, [10, 65, 64]],
    [[100, 1000, 1000], 1, MiB, [64, 125, 125]],
    [[100, 1000, 1000], 4, MiB, [64, 63, 63]],
    [[2000, 26_624, 26_624], 1, MiB, [64, 128, 128]],
    [[2000, 26_624, 26_624], 4, MiB, [64, 64, 64]],
    [[75, 1024, 1024], 2, MiB, [64, 86, 86]],
    [[100, 200, 200], 4, MiB, [64, 50, 50]],
    [[100, 1000, 1000], 1, 8 * MiB, [64, 334, 334]],
  ])('[parity 85] of z, y, x %s of %i bytes, at most %i bytes each, are %s', ([z, y, x], bytes, max, block) => {
    expect(butterflyBlock([x, y, z], bytes, max)).toEqual([...block].reverse());
  });

  it('[parity 85] are the chunks of a channel where the configuration sets max-block-size', async () => {
    const server = await ParityServer.start('ws', folder.path);
    try {
      const chunk = async (channel: string) =>
        (await server.core.updateQuery({ path: `e/s/d/${channel}` })).mips[0]?.chunk;
      expect(await chunk('big')).toEqual([50, 50, 64]);
      expect(await chunk('im')).toEqual([8, 6, 4]);
    } finally {
      await server.stop();
    }
  });
});
