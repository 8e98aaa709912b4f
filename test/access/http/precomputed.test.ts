/** Neuroglancer precomputed: every chunk against the voxels themselves, cut in the plainest way. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeCompressedSegmentation } from '../../../protocol/compressed-segmentation.ts';
import { type Box, BYTES_PER_VOXEL, boxShape, type DType, type Vec3 } from '../../../protocol/volume.ts';
import { precomputedRoute } from '../../../src/access/http/precomputed-route.ts';
import type { Core } from '../../../src/core/core.ts';
import type { ArrayVolume } from '../../../src/image/array-source.ts';
import { type ArrayChannel, channelOf, naiveBox, openArrayCore, valuesOf, voxelsOf } from '../../support/array-core.ts';
import { type AskOptions, ask, handled, type Page } from '../../support/ask-route.ts';
import { FakeEdits } from '../../support/fake-edits.ts';
import { seededRandom, testSeed } from '../../support/seed.ts';

const PATH = 'e/s/d/c';
const SHAPE: Vec3 = [21, 13, 10];
const OFFSET: Vec3 = [100, -7, 3];
const BOX: Box = [100, -7, 3, 121, 6, 13];
const CHUNK: Vec3 = [8, 8, 4];
const VOXEL: Vec3 = [4, 4, 40];

interface Info {
  readonly type: string;
  readonly data_type: string;
  readonly scales: readonly Scale[];
  readonly [member: string]: unknown;
}
interface Scale {
  readonly key: string;
  readonly size: Vec3;
  readonly voxel_offset: Vec3;
  readonly resolution: Vec3;
  readonly chunk_sizes: readonly [Vec3];
  readonly encoding: string;
}

const random = seededRandom(testSeed('precomputed'));

function volumeOfType(dtype: DType): ArrayVolume {
  const value = (): number => (dtype === 'float32' ? random() - 0.5 : Math.floor(random() * 2 ** 53));
  return { data: voxelsOf(SHAPE, dtype, value), shape: SHAPE, dtype, offset: OFFSET, voxel: VOXEL };
}

const page = (core: Core, target: string, options?: AskOptions): Promise<Page> =>
  ask([precomputedRoute(core)], `/precomputed/${target}`, options);
const infoOf = async (core: Core, address = PATH): Promise<Info> =>
  JSON.parse((await page(core, `${address}/info`)).text) as Info;

/** Every chunk of a scale, as the format's text says what there is. */
function* chunksOf({ size, voxel_offset: offset, chunk_sizes: [chunk] }: Scale): Generator<readonly [string, Box]> {
  const grid = [0, 1, 2].map((axis) => Math.ceil((size[axis] as number) / (chunk[axis] as number)));
  for (let k = 0; k < (grid[2] as number); k++)
    for (let j = 0; j < (grid[1] as number); j++)
      for (let i = 0; i < (grid[0] as number); i++) {
        const ends = [i, j, k].map((at, axis) => {
          const from = at * (chunk[axis] as number);
          const to = Math.min(from + (chunk[axis] as number), size[axis] as number);
          return [(offset[axis] as number) + from, (offset[axis] as number) + to] as const;
        });
        const [[x0, x1], [y0, y1], [z0, z1]] = ends as [[number, number], [number, number], [number, number]];
        yield [`${x0}-${x1}_${y0}-${y1}_${z0}-${z1}`, [x0, y0, z0, x1, y1, z1]];
      }
}

describe('the info of a precomputed volume', () => {
  it('gives true sizes, offsets and resolutions of every level', async () => {
    const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint8'), { chunk: CHUNK })]);
    const channel = await core.updateQuery({ path: PATH });
    const info = await infoOf(core);
    expect(info).toMatchObject({
      '@type': 'neuroglancer_multiscale_volume',
      type: 'image',
      data_type: 'uint8',
      num_channels: 1,
    });
    expect(info.scales).toHaveLength(channel.mips.length);
    expect(info.scales[0]).toEqual({
      key: '4_4_40',
      size: SHAPE,
      voxel_offset: OFFSET,
      resolution: VOXEL,
      chunk_sizes: [CHUNK],
      encoding: 'raw',
    });
    info.scales.forEach((scale, mip) => {
      const { shape, offset, voxel } = channel.mips[mip] as (typeof channel.mips)[number];
      expect(scale).toMatchObject({ size: shape, voxel_offset: offset, resolution: voxel });
    });
    for (const absent of ['mesh', 'skeletons', 'segment_properties']) expect(info).not.toHaveProperty(absent);
  });

  it('names levels apart whose voxels are of one size', async () => {
    const { core } = openArrayCore([
      { path: PATH, levels: [volumeOfType('uint8'), { ...volumeOfType('uint8'), offset: [0, 0, 0] }] },
    ]);
    const keys = (await infoOf(core)).scales.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('takes signed integers for what is as wide, and fractions for an image', async () => {
    const expected: readonly (readonly [DType, string])[] = [
      ['int8', 'uint8'],
      ['int16', 'uint16'],
      ['int32', 'uint32'],
      ['int64', 'uint64'],
      ['float32', 'float32'],
    ];
    for (const [dtype, data_type] of expected) {
      const { core } = openArrayCore([channelOf(PATH, volumeOfType(dtype), { type: 'segmentation' })]);
      expect(await infoOf(core)).toMatchObject({ data_type, type: dtype === 'float32' ? 'image' : 'segmentation' });
    }
  });
});

describe('a chunk of a precomputed volume', () => {
  for (const dtype of ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float32'] as const)
    it(`is just what its name says, on every place of the grid of every level, of ${dtype}`, async () => {
      const volume = volumeOfType(dtype);
      const { core } = openArrayCore([channelOf(PATH, volume, { chunk: CHUNK })]);
      const channel = await core.updateQuery({ path: PATH });
      const { type, scales } = await infoOf(core);
      const isCompact = type === 'segmentation' && (dtype === 'uint32' || dtype === 'uint64');
      for (const [mip, scale] of scales.entries()) {
        expect(scale.encoding).toBe(isCompact ? 'compressed_segmentation' : 'raw');
        for (const [name, box] of chunksOf(scale)) {
          const { status, bytes } = await page(core, `${PATH}/${scale.key}/${name}`);
          expect(status).toBe(200);
          const size = boxShape(box);
          const voxels = isCompact ? decodeCompressedSegmentation(bytes, size, dtype, [8, 8, 8]) : bytes;
          const expected =
            mip === 0
              ? naiveBox(volume.data, BOX, box, BYTES_PER_VOXEL[dtype])
              : (await core.readBox(channel, mip, box)).raw;
          expect(Buffer.compare(voxels, expected)).toBe(0);
        }
      }
    });

  it('is 404 off the grid, past its end, and under a name that is written otherwise', async () => {
    const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint8'), { chunk: CHUNK })]);
    const wrong = [
      '100-107_-7-1_3-7',
      '101-109_-7-1_3-7',
      '116-124_-7-1_3-7',
      '121-129_-7-1_3-7',
      '124-121_-7-1_3-7',
      '92-100_-7-1_3-7',
      '100-108_-7-1_3-8',
      '0100-108_-7-1_3-7',
      '100-108_-7-1_3-7.gz',
      '100-108_-7-1',
      '0-0_0-0_0-0',
    ];
    expect((await page(core, `${PATH}/4_4_40/100-108_-7-1_3-7`)).status).toBe(200);
    expect((await page(core, `${PATH}/4_4_40/116-121_1-6_11-13`)).status).toBe(200);
    for (const name of wrong) expect([name, (await page(core, `${PATH}/4_4_40/${name}`)).status]).toEqual([name, 404]);
    for (const target of [
      '4_4_41/100-108_-7-1_3-7',
      '4_4_40',
      '4_4_40/',
      'provenance',
      'attributes.json',
      '.zarray',
      '',
    ])
      expect([target, (await page(core, `${PATH}/${target}`)).status]).toEqual([target, 404]);
  });

  it('of one value all over is there in whole, in every encoding', async () => {
    const shape: Vec3 = [10, 9, 8];
    const cases: readonly (readonly [DType, number, string])[] = [
      ['uint8', 0, 'raw'],
      ['uint8', 7, 'raw'],
      ['uint8', 7, 'png'],
      ['uint8', 7, 'jpeg'],
      ['uint16', 513, 'png'],
      ['uint64', 0, 'compressed_segmentation'],
      ['uint64', 2 ** 40 + 1, 'compressed_segmentation'],
    ];
    for (const [dtype, value, encoding] of cases) {
      const data = voxelsOf(shape, dtype, () => value);
      const { core } = openArrayCore([channelOf(PATH, { data, shape, dtype })]);
      // Once made, once at hand.
      for (let turn = 0; turn < 2; turn++) {
        const { bytes, status } = await page(core, `${PATH}@${encoding}/1_1_1/0-10_0-9_0-8`);
        expect(status).toBe(200);
        const voxels =
          encoding === 'raw'
            ? bytes
            : encoding === 'compressed_segmentation'
              ? decodeCompressedSegmentation(bytes, shape, 'uint64', [8, 8, 8])
              : await pixelsOf(bytes, dtype);
        expect(Buffer.compare(voxels, data)).toBe(0);
      }
    }
  });

  it('can be had as a picture x wide and y·z high, where the address says so', async () => {
    const shape: Vec3 = [30, 20, 10];
    const data = voxelsOf(shape, 'uint8', (x, y, z) => 3 * x + 2 * y + 5 * z);
    const { core } = openArrayCore([channelOf(PATH, { data, shape, dtype: 'uint8' })]);
    expect((await infoOf(core, `${PATH}@png`)).scales[0]?.encoding).toBe('png');
    const png = await page(core, `${PATH}@png/1_1_1/0-30_0-20_0-10`);
    expect(await sharp(png.bytes).metadata()).toMatchObject({ format: 'png', width: 30, height: 200 });
    expect(Buffer.compare(await pixelsOf(png.bytes, 'uint8'), data)).toBe(0);
    const jpeg = await page(core, `${PATH}@jpeg/1_1_1/0-30_0-20_0-10`);
    expect(await sharp(jpeg.bytes).metadata()).toMatchObject({ format: 'jpeg', width: 30, height: 200 });
    const pixels = await pixelsOf(jpeg.bytes, 'uint8');
    expect(pixels.every((value, at) => Math.abs(value - (data[at] as number)) < 24)).toBe(true);
    expect(jpeg.headers['etag']).not.toBe(png.headers['etag']);
  });

  it('is not there in an encoding that cannot hold it: jpeg of ids, compressed segmentation of an image', async () => {
    const cases: readonly (readonly [DType, 'image' | 'segmentation', string])[] = [
      ['uint8', 'segmentation', 'jpeg'],
      ['uint16', 'image', 'jpeg'],
      ['uint32', 'image', 'png'],
      ['uint32', 'image', 'compressed_segmentation'],
      ['uint16', 'segmentation', 'compressed_segmentation'],
    ];
    for (const [dtype, type, encoding] of cases) {
      const { core } = openArrayCore([channelOf(PATH, volumeOfType(dtype), { type })]);
      expect((await page(core, `${PATH}@${encoding}/info`)).status).toBe(404);
    }
  });
});

async function pixelsOf(bytes: Uint8Array, dtype: DType): Promise<Uint8Array> {
  const grey = sharp(bytes).toColourspace(dtype === 'uint16' ? 'grey16' : 'b-w');
  return Uint8Array.from(await grey.raw({ depth: dtype === 'uint16' ? 'ushort' : 'uchar' }).toBuffer());
}

/** One row of ids in tiles of four, and a log. */
async function edited(channel: Partial<ArrayChannel> = {}) {
  const shape: Vec3 = [8, 1, 1];
  const data = voxelsOf(shape, 'uint32', (x) => 1 + x);
  const edits = new FakeEdits();
  const levels = [{ data, shape, dtype: 'uint32' as const }];
  const opened = openArrayCore([{ path: PATH, type: 'segmentation', chunk: [4, 1, 1], levels, ...channel }], { edits });
  const ready = await opened.core.updateQuery({ path: channel.path ?? PATH });
  const deps = edits.depsOf(ready, opened.core.tiles, opened.maker);
  const write = (x: number, value: bigint) => edits.apply([{ op: 'write', box: [x, 0, 0, x + 1, 1, 1], value }], deps);
  const idsOf = async (address: string, name = '0-4_0-1_0-1') => {
    const { status, bytes } = await page(opened.core, `${address}/1_1_1/${name}`);
    expect(status).toBe(200);
    const isWide = address.includes('merged');
    const raw = decodeCompressedSegmentation(bytes, [4, 1, 1], isWide ? 'uint64' : 'uint32', [8, 8, 8]);
    return valuesOf(raw, isWide ? 'uint64' : 'uint32').map(Number);
  };
  return { ...opened, edits, ready, write, idsOf, epoch: Buffer.from(ready.epoch).toString('hex') };
}

describe('an address', () => {
  it('names the volume as it is, and by @SEQ as it was, which may be kept for ever', async () => {
    const { core, write, idsOf } = await edited();
    await write(0, 9n);
    await write(1, 9n);
    expect(await idsOf(PATH)).toEqual([9, 9, 3, 4]);
    expect(await idsOf(`${PATH}@2`)).toEqual([9, 9, 3, 4]);
    expect(await idsOf(`${PATH}@1`)).toEqual([9, 2, 3, 4]);
    expect(await idsOf(`${PATH}@0`)).toEqual([1, 2, 3, 4]);
    for (const name of ['info', '1_1_1/0-4_0-1_0-1']) {
      expect((await page(core, `${PATH}/${name}`)).headers['cache-control']).toBe('no-cache');
      expect((await page(core, `${PATH}@1/${name}`)).headers['cache-control']).toContain('immutable');
    }
  });

  it('is not there with a seq that is not yet, or of another epoch', async () => {
    const { core, write, epoch } = await edited();
    await write(0, 9n);
    for (const [suffix, status] of [
      ['@1', 200],
      [`@1.${epoch}`, 200],
      ['@2', 404],
      [`@1.${'0'.repeat(16)}`, 404],
      [`@1.${epoch.slice(1)}`, 404],
      ['@01', 404],
      ['@-1', 404],
      ['@1@1', 404],
      ['@', 404],
      ['@head', 404],
    ] as const)
      expect([suffix, (await page(core, `${PATH}${suffix}/info`)).status]).toEqual([suffix, status]);
  });

  it('by @merged or ?map=merged names bodies, uint64, also of the past', async () => {
    const { core, edits, idsOf } = await edited();
    edits.link(new Map([[1n, 7n]]));
    edits.link(
      new Map([
        [1n, 8n],
        [2n, 8n],
      ]),
    );
    expect(await idsOf(`${PATH}@merged`)).toEqual([8, 8, 3, 4]);
    expect(await idsOf(`${PATH}@1@merged`)).toEqual([7, 2, 3, 4]);
    expect(await idsOf(`${PATH}@merged@1`)).toEqual([7, 2, 3, 4]);
    expect(await infoOf(core, `${PATH}@merged`)).toMatchObject({ data_type: 'uint64', type: 'segmentation' });
    const byQuery = await page(core, `${PATH}/1_1_1/0-4_0-1_0-1?map=merged`);
    expect(byQuery.bytes).toEqual((await page(core, `${PATH}@merged/1_1_1/0-4_0-1_0-1`)).bytes);
    await expect(page(core, `${PATH}/info?map=both`)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  it('by @merged is not there where there are no ids', async () => {
    const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint8'), { type: 'image' })]);
    expect((await page(core, `${PATH}@merged/info`)).status).toBe(404);
  });

  it('takes the longest name that is a channel for its name', async () => {
    const of = (value: number): ArrayVolume => ({ data: Uint8Array.of(value), shape: [1, 1, 1], dtype: 'uint8' });
    const { core } = openArrayCore([
      channelOf('e/s/d/c', of(1)),
      channelOf('e/s/d/c@0', of(2)),
      channelOf('e/s/d/c@0@jpeg', of(3)),
    ]);
    const voxel = async (address: string) => (await page(core, `${address}/1_1_1/0-1_0-1_0-1`)).bytes;
    expect(await voxel('e/s/d/c')).toEqual(Uint8Array.of(1));
    expect(await voxel('e/s/d/c@0')).toEqual(Uint8Array.of(2));
    expect(await voxel('e/s/d/c@0@0')).toEqual(Uint8Array.of(2));
    expect(await voxel('e/s/d/c@0@jpeg')).toEqual(Uint8Array.of(3));
    expect((await page(core, 'e/s/d/c@raw@0/1_1_1/0-1_0-1_0-1')).bytes).toEqual(Uint8Array.of(1));
  });

  it('that one may not read is not there, and takes no name away from one that one may', async () => {
    const of = (value: number): ArrayVolume => ({ data: Uint8Array.of(value), shape: [1, 1, 1], dtype: 'uint8' });
    const { core } = openArrayCore([channelOf('e/s/d/c', of(1)), channelOf('e/s/d/c@0', of(2))]);
    const mayRead = (path: string): boolean => path === 'e/s/d/c';
    expect((await page(core, 'e/s/d/c@0/1_1_1/0-1_0-1_0-1', { mayRead })).bytes).toEqual(Uint8Array.of(1));
    expect((await page(core, 'e/s/d/c/info', { mayRead: () => false })).status).toBe(404);
  });
});

describe('the tag of a chunk', () => {
  const NEAR = `${PATH}/1_1_1/0-4_0-1_0-1`;
  const FAR = `${PATH}/1_1_1/4-8_0-1_0-1`;
  const tagOf = async (core: Core, target: string): Promise<string> =>
    (await page(core, target)).headers['etag'] as string;

  it('changes with an edit of the chunk and with no other', async () => {
    const { core, write } = await edited();
    const before = await tagOf(core, NEAR);
    const far = await tagOf(core, FAR);
    await write(5, 9n);
    expect(await tagOf(core, NEAR)).toBe(before);
    expect(await tagOf(core, FAR)).not.toBe(far);
    expect((await page(core, NEAR, { headers: { 'if-none-match': before } })).status).toBe(304);
    expect((await page(core, FAR, { headers: { 'if-none-match': far } })).status).toBe(200);
  });

  it('of bodies changes with the bodies too, and is another than that of ids', async () => {
    const { core, edits } = await edited();
    const merged = NEAR.replace(PATH, `${PATH}@merged`);
    const [ids, bodies] = [await tagOf(core, NEAR), await tagOf(core, merged)];
    expect(bodies).not.toBe(ids);
    edits.link(new Map([[1n, 7n]]));
    expect(await tagOf(core, NEAR)).toBe(ids);
    expect(await tagOf(core, merged)).not.toBe(bodies);
  });

  it('of another life of the log is another', async () => {
    const [one, other] = [await edited(), await edited()];
    expect(await tagOf(one.core, NEAR)).not.toBe(await tagOf(other.core, NEAR));
  });

  it('is told without reading anything to a client that has the chunk', async () => {
    const { core, reads } = await edited();
    const tag = (await tagOf(core, FAR)).slice(1, -1);
    const before = reads.length;
    expect((await page(core, NEAR, { headers: { 'if-none-match': `"${tag}"` } })).status).toBe(304);
    expect(reads.length).toBe(before);
  });

  it('is none that lasts where the source lacks the chunk at the moment', async () => {
    const shape: Vec3 = [8, 1, 1];
    const { core } = openArrayCore([
      channelOf(
        PATH,
        { data: new Uint8Array(8), shape, dtype: 'uint8', chunk: [4, 1, 1], kind: 'precomputed' },
        { readChunk: async () => 'absent' },
      ),
    ]);
    for (const address of [PATH, `${PATH}@0`, `${PATH}@png`]) {
      const { status, headers, bytes } = await page(core, `${address}/1_1_1/0-4_0-1_0-1`);
      expect([status, headers['cache-control'], headers['etag']]).toEqual([200, 'no-store', undefined]);
      if (address !== `${PATH}@png`) expect(bytes).toEqual(new Uint8Array(4));
    }
  });

  it('is none that lasts where something that the chunk was made from is lacking, in any encoding', async () => {
    const shape: Vec3 = [16, 1, 1];
    const data = voxelsOf(shape, 'uint16', (x) => 1 + x);
    const { core } = openArrayCore([
      channelOf(
        PATH,
        { data, shape, dtype: 'uint16', chunk: [4, 1, 1], kind: 'precomputed', type: 'segmentation' },
        { readChunk: async (_, [x]) => (x === 1 ? 'absent' : undefined) },
      ),
    ]);
    const { scales } = await infoOf(core);
    const key = scales[1]?.key;
    for (const address of [PATH, `${PATH}@png`, `${PATH}@merged`]) {
      const { status, headers } = await page(core, `${address}/${key}/0-4_0-1_0-1`);
      expect([address, status, headers['etag']]).toEqual([address, 200, undefined]);
      const other = await page(core, `${address}/${key}/4-8_0-1_0-1`);
      expect([address, other.status, other.headers['etag'] !== undefined]).toEqual([address, 200, true]);
    }
  });
});

it('a chunk that is at hand is answered in the same turn', async () => {
  const { core } = openArrayCore([channelOf(PATH, volumeOfType('uint8'), { chunk: CHUNK })]);
  const routes = [precomputedRoute(core)];
  const target = `/precomputed/${PATH}/4_4_40/100-108_-7-1_3-7`;
  expect(handled(routes, target)).toBeInstanceOf(Promise);
  await ask(routes, target);
  const answer = handled(routes, target);
  expect(answer).not.toBeInstanceOf(Promise);
  expect(answer).toMatchObject({ type: 'application/octet-stream' });
});

it('a volume whose pages nobody knows is not opened for them', async () => {
  const { core, opened } = openArrayCore([channelOf(PATH, volumeOfType('uint8'))]);
  for (const target of [
    `/precomputed/${PATH}`,
    `/precomputed/${PATH}/`,
    `/precomputed/${PATH}/attributes.json`,
    `/precomputed/${PATH}/refs/branch.main/ZZZZZZZZ.json`,
    `/precomputed/${PATH}/zarr.json`,
    `/precomputed/${PATH}/4_4_40/zarr.json`,
    '/precomputed/e/s/d',
    '/precomputed/e/s/d/x/info',
  ])
    expect((await ask([precomputedRoute(core)], target)).status).toBe(404);
  expect(opened).toEqual([]);
});
