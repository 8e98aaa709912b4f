/** Zarr of both versions, read by zarrita and byte for byte. */
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { get, open, root } from 'zarrita';
import {
  type Box,
  BYTES_PER_VOXEL,
  type DType,
  type MipInfo,
  mipBox,
  type Vec3,
  volumeOf,
} from '../../../protocol/volume.ts';
import { zarrRoutes } from '../../../src/access/http/zarr-routes.ts';
import { liesOn } from '../../../src/access/http/zarr-tree.ts';
import type { Core } from '../../../src/core/core.ts';
import type { ArrayVolume } from '../../../src/image/array-source.ts';
import { gridShape, tileBox, tilesIn } from '../../../src/query/tile-grid.ts';
import { channelOf, naiveBox, openArrayCore, voxelsOf } from '../../support/array-core.ts';
import { type AskOptions, ask, type Page } from '../../support/ask-route.ts';
import { FakeEdits } from '../../support/fake-edits.ts';
import { seededRandom, testSeed } from '../../support/seed.ts';

const PATH = 'e/s/d/c';
const SHAPE: Vec3 = [21, 13, 10];
const CHUNK: Vec3 = [8, 8, 4];
const OFFSET: Vec3 = [100, -7, 3];
const VOXEL: Vec3 = [4, 8, 40];
const TYPES = ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float32'] as const;
const random = seededRandom(testSeed('zarr'));

type Json = { readonly [member: string]: unknown };

function volumeOfType(dtype: DType, shape = SHAPE): ArrayVolume {
  const value = (): number => (dtype === 'float32' ? random() - 0.5 : Math.floor(random() * 2 ** 53));
  return { data: voxelsOf(shape, dtype, value), shape, dtype, offset: OFFSET, voxel: VOXEL };
}

const page = (core: Core, target: string, options?: AskOptions): Promise<Page> =>
  ask(zarrRoutes(core), target, options);
const json = async (core: Core, target: string): Promise<Json> => {
  const { text, status } = await page(core, target);
  expect([target, status]).toEqual([target, 200]);
  return JSON.parse(text) as Json;
};

/** A store as zarrita takes it. */
const storeOf = (core: Core, at: string) => ({
  async get(key: `/${string}`): Promise<Uint8Array | undefined> {
    const { status, bytes } = await page(core, `${at}${key}`);
    return status === 404 ? undefined : bytes;
  },
});

async function byZarrita(
  core: Core,
  at: string,
  mip: number,
): Promise<{ shape: readonly number[]; dtype: string; bytes: Uint8Array }> {
  const kind = at.startsWith('/zarr2/') ? open.v2 : open.v3;
  const array = await kind(root(storeOf(core, at)).resolve(String(mip)), { kind: 'array' });
  const { data } = await get(array);
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return { shape: array.shape, dtype: array.dtype, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

for (const version of [3, 2] as const) {
  const prefix = version === 3 ? '/zarr' : '/zarr2';

  describe(`Zarr v${version}`, () => {
    for (const dtype of TYPES)
      it(`is read whole by zarrita at every level: ${dtype}`, async () => {
        const volume = volumeOfType(dtype);
        const { core } = openArrayCore([channelOf(PATH, volume, { chunk: CHUNK })]);
        const channel = await core.updateQuery({ path: PATH });
        for (const [mip, level] of channel.mips.entries()) {
          const read = await byZarrita(core, `${prefix}/${PATH}`, mip);
          expect([read.dtype, read.shape]).toEqual([dtype, level.shape.toReversed()]);
          const expected = mip === 0 ? volume.data : (await core.readBox(channel, mip, mipBox(level))).raw;
          expect(Buffer.compare(read.bytes, expected)).toBe(0);
        }
      });

    it('fills up the chunks at the end with zeros', async () => {
      const volume = volumeOfType('uint16');
      const { core } = openArrayCore([channelOf(PATH, volume, { chunk: CHUNK, type: 'image' })]);
      const { mips } = await core.updateQuery({ path: PATH });
      const level: MipInfo = mips[0] as MipInfo;
      for (const [x, y, z] of tilesIn([0, 0, 0, ...gridShape(level)])) {
        const { bytes } = await page(core, `${prefix}/${PATH}/0/${version === 3 ? 'c/' : ''}${z}/${y}/${x}`);
        const [x0, y0, z0] = tileBox(level, x, y, z);
        const whole: Box = [x0, y0, z0, x0 + CHUNK[0], y0 + CHUNK[1], z0 + CHUNK[2]];
        const expected = naiveBox(volume.data, mipBox(level), whole, BYTES_PER_VOXEL.uint16);
        expect(expected.length).toBe(2 * volumeOf(CHUNK));
        expect(Buffer.compare(version === 3 ? bytes : gunzipSync(bytes), expected)).toBe(0);
      }
    });

    it('has no chunk outside the grid, and no file of another kind', async () => {
      const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint8'), { chunk: CHUNK })]);
      const c = version === 3 ? 'c/' : '';
      expect((await page(core, `${prefix}/${PATH}/0/${c}2/1/2`)).status).toBe(200);
      const wrong = [
        ...[`0/${c}3/1/2`, `0/${c}2/2/2`, `0/${c}2/1/3`, `0/${c}02/1/2`, `0/${c}-1/0/0`, `9/${c}0/0/0`, `0/${c}0/0`],
        ...[`0/${c}0/0/0/0`, '0', 'c/0/0/0', 'info', 'attributes.json', '1/', 'labels'],
        ...(version === 3 ? ['.zgroup', '.zattrs', '.zarray', '0/.zarray', '0/0/0/0', '9/zarr.json'] : []),
        ...(version === 2 ? ['zarr.json', '0/zarr.json', '0/c/0/0/0', '0/.zgroup', '.zarray', '0/.zmetadata'] : []),
      ];
      for (const name of wrong)
        expect([name, (await page(core, `${prefix}/${PATH}/${name}`)).status]).toEqual([name, 404]);
    });

    it('says where the first voxel’s centre of each level lies', async () => {
      const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint8'), { chunk: CHUNK })]);
      const { mips } = await core.updateQuery({ path: PATH });
      const { attributes } = (await json(core, `/zarr/${PATH}/zarr.json`)) as { attributes: { ome: Json } };
      const ome = version === 3 ? attributes.ome : await json(core, `/zarr2/${PATH}/.zattrs`);
      const [multiscale] = ome['multiscales'] as readonly { axes: unknown; datasets: readonly Json[] }[];
      const axis = (name: string) => ({ name, type: 'space', unit: 'nanometer' });
      expect(multiscale?.axes).toEqual([axis('z'), axis('y'), axis('x')]);
      expect(multiscale?.datasets[0]).toEqual({
        path: '0',
        coordinateTransformations: [
          { type: 'scale', scale: [40, 8, 4] },
          { type: 'translation', translation: [140, -52, 402] },
        ],
      });
      // Where a voxel is twice as wide, its centre lies half a fine voxel further.
      const { voxel, offset } = mips[1] as MipInfo;
      const [, second] = multiscale?.datasets ?? [];
      expect(second?.['coordinateTransformations']).toEqual([
        { type: 'scale', scale: voxel.toReversed() },
        { type: 'translation', translation: voxel.map((size, a) => size * ((offset[a] as number) + 0.5)).toReversed() },
      ]);
    });

    it('has chunks of the finest level’s size on levels that one chunk holds, unless it is very much larger', async () => {
      const volume = (shape: Vec3): ArrayVolume => ({ data: new Uint8Array(volumeOf(shape)), shape, dtype: 'uint8' });
      const chunksOf = async (shapes: readonly Vec3[], chunk: Vec3): Promise<unknown[]> => {
        const { core } = openArrayCore([{ path: PATH, chunk, levels: shapes.map(volume) }]);
        const chunks: unknown[] = [];
        for (const mip of shapes.keys()) {
          const file = version === 3 ? `/zarr/${PATH}/${mip}/zarr.json` : `/zarr2/${PATH}/${mip}/.zarray`;
          const array = await json(core, file);
          const grid = array['chunk_grid'] as { configuration: { chunk_shape: unknown } } | undefined;
          chunks.push(grid?.configuration.chunk_shape ?? array['chunks']);
        }
        return chunks;
      };
      const shapes: readonly Vec3[] = [
        [40, 40, 40],
        [20, 20, 40],
      ];
      expect(await chunksOf(shapes, [32, 30, 8])).toEqual([
        [8, 30, 32],
        [8, 30, 32],
      ]);
      const wide: readonly Vec3[] = [
        [1_100, 1_100, 2],
        [2, 2, 2],
      ];
      expect(await chunksOf(wide, [1_024, 1_100, 1])).toEqual([
        [1, 1_100, 1_024],
        [1, 2, 2],
      ]);
    });

    it('reads bodies, and the past, by the address', async () => {
      const shape: Vec3 = [7, 1, 1];
      const data = voxelsOf(shape, 'uint32', (x) => 1 + x);
      const edits = new FakeEdits();
      const { core, maker } = openArrayCore(
        [{ path: PATH, type: 'segmentation', chunk: [4, 1, 1], levels: [{ data, shape, dtype: 'uint32' }] }],
        { edits },
      );
      const channel = await core.updateQuery({ path: PATH });
      const deps = edits.depsOf(channel, core.tiles, maker);
      const ids = async (address: string, wide = false) => {
        const { bytes } = await byZarrita(core, `${prefix}/${address}`, 0);
        const aligned = Uint8Array.from(bytes).buffer;
        return [...(wide ? new BigUint64Array(aligned) : new Uint32Array(aligned))].map(Number);
      };
      // The second chunk is filled up: what was filled up once is not taken for what comes later.
      expect(await ids(PATH)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(await ids(`${PATH}@merged`, true)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      await edits.apply([{ op: 'write', box: [4, 0, 0, 5, 1, 1], value: 9n }], deps);
      edits.link(new Map([[6n, 50n]]));
      expect(await ids(PATH)).toEqual([1, 2, 3, 4, 9, 6, 7]);
      expect(await ids(`${PATH}@0`)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(await ids(`${PATH}@merged`, true)).toEqual([1, 2, 3, 4, 9, 50, 7]);
      expect(await ids(`${PATH}@merged@1`, true)).toEqual([1, 2, 3, 4, 9, 6, 7]);
      const chunk = `0/${version === 3 ? 'c/' : ''}0/0/0`;
      expect((await page(core, `${prefix}/${PATH}@1/${chunk}`)).headers['cache-control']).toContain('immutable');
      expect((await page(core, `${prefix}/${PATH}/${chunk}`)).headers['cache-control']).toBe('no-cache');
      expect((await page(core, `${prefix}/${PATH}@3/${chunk}`)).status).toBe(404);
      expect((await page(core, `${prefix}/${PATH}@jpeg/${chunk}`)).status).toBe(404);
    });

    it('offers the segmentations of a dataset as labels of an image on the same voxels', async () => {
      const [image, ids] = [volumeOfType('uint8'), volumeOfType('uint64')];
      const { core } = openArrayCore([
        channelOf('e/s/d/em', image, { chunk: CHUNK }),
        channelOf('e/s/d/ids', ids, { chunk: CHUNK }),
        channelOf('e/s/d/small', volumeOfType('uint64', [20, 13, 10]), { chunk: CHUNK }),
        channelOf('e/s/other/ids', ids, { chunk: CHUNK }),
      ]);
      const attributesOf = async (at: string): Promise<Json> => {
        if (version === 2) return json(core, `/zarr2/${at}/.zattrs`);
        const { attributes } = (await json(core, `/zarr/${at}/zarr.json`)) as { attributes: { ome: Json } };
        return attributes.ome;
      };
      expect((await attributesOf('e/s/d/em/labels'))['labels']).toEqual(['ids']);
      const label = await attributesOf('e/s/d/em/labels/ids');
      expect(label['image-label']).toMatchObject({ source: { image: '../../' } });
      expect(label['multiscales']).toEqual((await attributesOf('e/s/d/ids'))['multiscales']);
      expect(await attributesOf('e/s/d/em')).not.toHaveProperty('image-label');
      const { bytes } = await byZarrita(core, `${prefix}/e/s/d/em/labels/ids`, 0);
      expect(Buffer.compare(bytes, ids.data)).toBe(0);
      const mayRead = (path: string): boolean => path === 'e/s/d/em';
      const file = version === 3 ? 'zarr.json' : '.zgroup';
      for (const name of [`labels/${file}`, `labels/ids/${file}`, `labels/ids/0/${version === 3 ? 'c/' : ''}0/0/0`])
        expect((await page(core, `${prefix}/e/s/d/em/${name}`, { mayRead })).status).toBe(404);
    });

    it('gives a dataset as a group of the channels that one may read', async () => {
      const { core } = openArrayCore([
        channelOf('e/s/d/em', volumeOfType('uint8'), { chunk: CHUNK }),
        channelOf('e/s/d/ids', volumeOfType('uint64'), { chunk: CHUNK }),
        { ...channelOf('e/s/d/lost', volumeOfType('uint8')), broken: new Error('gone') },
      ]);
      const namesOf = async (options: AskOptions): Promise<readonly string[]> => {
        const { text } = await page(core, `${prefix}/e/s/d/${version === 3 ? 'zarr.json' : '.zmetadata'}`, options);
        const said = JSON.parse(text) as { consolidated_metadata?: { metadata: Json }; metadata?: Json };
        return Object.keys(said.consolidated_metadata?.metadata ?? said.metadata ?? {});
      };
      const group = version === 3 ? '' : '/.zgroup';
      const array = version === 3 ? '/0' : '/0/.zarray';
      const all = await namesOf({});
      expect(all).toEqual(expect.arrayContaining([`em${group}`, `em${array}`, `ids${group}`, `ids${array}`]));
      expect(all.filter((name) => name.startsWith('lost'))).toEqual([]);
      const few = await namesOf({ mayRead: (path) => path === 'e/s/d/em' });
      expect(few.filter((name) => name.startsWith('ids'))).toEqual([]);
      const file = version === 3 ? 'zarr.json' : '.zgroup';
      expect((await page(core, `${prefix}/e/s/d/${file}`, { mayRead: () => false })).status).toBe(404);
      expect((await page(core, `${prefix}/e/s/x/${file}`)).status).toBe(404);
    });
  });
}

it('a v3 array says nothing that its readers do not know, and has numbers where they want numbers', async () => {
  const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint64'), { chunk: CHUNK })]);
  expect(await json(core, `/zarr/${PATH}/0/zarr.json`)).toEqual({
    zarr_format: 3,
    node_type: 'array',
    shape: [10, 13, 21],
    data_type: 'uint64',
    chunk_grid: { name: 'regular', configuration: { chunk_shape: [4, 8, 8] } },
    chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
    fill_value: 0,
    codecs: [
      { name: 'bytes', configuration: { endian: 'little' } },
      { name: 'gzip', configuration: { level: 1 } },
    ],
    dimension_names: ['z', 'y', 'x'],
    attributes: {},
  });
});

it('what is consolidated is what each node says of itself', async () => {
  const { core } = openArrayCore([
    channelOf('e/s/d/em', volumeOfType('uint8'), { chunk: CHUNK }),
    channelOf('e/s/d/ids', volumeOfType('uint64'), { chunk: CHUNK }),
  ]);
  const group = (await json(core, '/zarr/e/s/d/em/zarr.json')) as { consolidated_metadata: { metadata: Json } };
  const { metadata } = group.consolidated_metadata;
  expect(Object.keys(metadata)).toEqual(expect.arrayContaining(['0', 'labels', 'labels/ids', 'labels/ids/0']));
  for (const [name, said] of Object.entries(metadata)) {
    const { consolidated_metadata: _, ...own } = await json(core, `/zarr/e/s/d/em/${name}/zarr.json`);
    expect(said).toEqual(own);
  }
  const { metadata: files } = (await json(core, '/zarr2/e/s/d/em/.zmetadata')) as { metadata: Json };
  expect(Object.keys(files)).toEqual(expect.arrayContaining(['.zgroup', '.zattrs', '0/.zarray', 'labels/ids/.zgroup']));
  for (const [name, said] of Object.entries(files)) expect(said).toEqual(await json(core, `/zarr2/e/s/d/em/${name}`));
});

it('labels lie on an image where all their levels do', async () => {
  const { core } = openArrayCore([
    channelOf('e/s/d/em', volumeOfType('uint8'), { chunk: CHUNK }),
    channelOf('e/s/d/ids', volumeOfType('uint64'), { chunk: CHUNK }),
  ]);
  const [em, ids] = [await core.updateQuery({ path: 'e/s/d/em' }), await core.updateQuery({ path: 'e/s/d/ids' })];
  const [finest, ...coarser] = ids.mips as [MipInfo, ...MipInfo[]];
  expect(liesOn(ids, em)).toBe(true);
  expect(liesOn(em, em)).toBe(false);
  expect(liesOn(ids, ids)).toBe(false);
  expect(liesOn({ ...ids, mips: [finest] }, em)).toBe(false);
  expect(liesOn({ ...ids, mips: [{ ...finest, offset: [0, 0, 0] }, ...coarser] }, em)).toBe(false);
  expect(liesOn({ ...ids, mips: [{ ...finest, voxel: [1, 1, 1] }, ...coarser] }, em)).toBe(false);
  expect(liesOn({ ...ids, dtype: 'float32' }, em)).toBe(false);
});
