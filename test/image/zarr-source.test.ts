import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { BYTES_PER_VOXEL, type DType, mipBox, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { findVolumes, openSource, resolveSpec } from '../../src/image/open-source.ts';
import { precomputedFormat } from '../../src/image/precomputed-source.ts';
import type { Source } from '../../src/image/source.ts';
import { stackFormat } from '../../src/image/stack-source.ts';
import { uniqueIds } from '../../src/image/unique.ts';
import { crc32c } from '../../src/image/zarr-codecs.ts';
import { zarrFormat } from '../../src/image/zarr-source.ts';
import { type KnownSource, sourceContract } from '../contract/source-contract.ts';
import {
  describeShared,
  errorOf,
  randomBytes,
  randomFrom,
  readWhole,
  shared,
  sumOf,
  temporaryFolder,
  voxelAt,
} from './source-fixtures.ts';
import {
  COMPRESSORS,
  CRC32C,
  GZIP,
  type NdArray,
  ome04,
  put,
  spaceAxes,
  type V2Options,
  type V3Options,
  writeV2,
  writeV3,
  ZSTD,
} from './zarr-fixture.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;
const nextFolder = (): string => join(root, `volume-${folders++}.zarr`);

beforeEach(() => {
  folder = nextFolder();
});

const SHAPE = [10, 13, 21] as const;
const CHUNKS = [4, 8, 8] as const;

function array(size: number, shape: readonly number[] = SHAPE, seed = 1): NdArray {
  return { shape, size, bytes: randomBytes(seed, shape.reduce((a, b) => a * b, 1) * size) };
}

/** Few values in runs, which every compression shrinks. */
function labels(shape: readonly number[] = SHAPE): NdArray {
  const random = randomFrom(3);
  const ids = BigUint64Array.from({ length: 20 }, () => BigInt(Math.floor(random() * 2 ** 40)));
  const count = shape.reduce((a, b) => a * b, 1);
  const values = BigUint64Array.from({ length: count }, (_, i) => ids[Math.floor(i / 37) % ids.length] ?? 0n);
  return { shape, size: 8, bytes: new Uint8Array(values.buffer) };
}

async function known(write: (folder: string) => Promise<Uint8Array[]>, changed = 'zarr.json'): Promise<KnownSource> {
  const at = nextFolder();
  const levels = await write(at);
  return {
    levels,
    open: () => zarrFormat.open({ path: at }),
    change: async () => writeFileSync(join(at, changed), `${readFileSync(join(at, changed), 'utf8')} `),
  };
}

sourceContract('a Zarr array of version 2', () =>
  known(async (at) => {
    const volume = array(2);
    const [compressor] = [COMPRESSORS['blosc of zstd, bits shuffled']];
    await writeV2(at, volume, { dtype: '<u2', chunks: CHUNKS, compressor });
    return [volume.bytes];
  }, '.zarray'),
);

sourceContract('a Zarr array of version 3 in shards with holes', () =>
  known(async (at) => {
    const volume = { ...array(4), bytes: array(4).bytes.slice() };
    const isPresent = ([z = 0, y = 0, x = 0]: readonly number[]): boolean => (z + y + x) % 2 === 0;
    // What is not written is zeros: the same places of every shard.
    for (let i = 0; i < volume.bytes.length / 4; i++) {
      const [x, y, z] = [i % 21, Math.floor(i / 21) % 13, Math.floor(i / 21 / 13)];
      const place = [Math.floor(z / 4) % 2, Math.floor(y / 8) % 2, Math.floor(x / 8) % 2];
      const shard = [Math.floor(z / 8), Math.floor(y / 16), Math.floor(x / 16)];
      if (!isPresent(place) || !isPresent(shard)) volume.bytes.fill(0, 4 * i, 4 * i + 4);
    }
    const shard = { shape: [8, 16, 16], indexAt: 'end', checksum: true } as const;
    await writeV3(at, volume, { type: 'int32', chunks: CHUNKS, codecs: [ZSTD, CRC32C], shard, isPresent });
    return [volume.bytes];
  }),
);

sourceContract('an OME-Zarr image of three levels', () =>
  known(async (at) => {
    const levels = [array(8), array(8, [5, 7, 11], 2), array(8, [3, 4, 6], 3)];
    put(join(at, 'zarr.json'), {
      ...{ zarr_format: 3, node_type: 'group' },
      attributes: {
        ome: {
          version: '0.5',
          ...ome04(spaceAxes('zyx'), [
            [40, 4, 4],
            [80, 8, 8],
            [160, 16, 16],
          ]),
        },
      },
    });
    for (const [i, level] of levels.entries())
      await writeV3(join(at, String(i)), level, { type: 'uint64', chunks: CHUNKS, codecs: [GZIP] });
    return levels.map(({ bytes }) => bytes);
  }),
);

describeShared('the real OME-Zarr volumes', () => {
  it('fib25-ts2-crop is the beginning of the PNG stack, 160×160×96 at 10 nm, blosc of zstd, in two levels', async () => {
    const source = await zarrFormat.open({ path: shared('ome-zarr/fib25-ts2-crop.ome.zarr') });
    expect(source.info).toMatchObject({ kind: 'zarr', type: 'image', dtype: 'uint8', voxelKnown: true });
    expect(source.info.mips).toEqual([
      { shape: [160, 160, 96], chunk: [64, 64, 64], voxel: [10, 10, 10], offset: [0, 0, 0] },
      { shape: [80, 80, 48], chunk: [64, 64, 48], voxel: [20, 20, 20], offset: [0, 0, 0] },
    ]);
    const stack = await stackFormat.open({ path: shared('fib25-training2/grayscale_maps') });
    expect(Buffer.compare(await readWhole(source), await stack.read(0, [0, 0, 0, 160, 160, 96]))).toBe(0);
    expect(await voxelAt(source, [83, 50, 35])).toBe(142);
    const half = await readWhole(source, 1);
    expect(Math.abs(sumOf(source, half) / half.length - 306_765_640 / 2_457_600)).toBeLessThan(0.1);
    await stack.close();
    await source.close();
  });

  it('its labels are the bodies, 103 of them, and nearest neighbours in the second level', async () => {
    const path = shared('ome-zarr/fib25-ts2-crop.ome.zarr');
    expect(await findVolumes(path)).toEqual([
      { spec: { path }, name: 'fib25-ts2-crop', kind: 'zarr' },
      { spec: { path, dataset: 'labels/bodies' }, name: 'fib25-ts2-crop.labels.bodies', kind: 'zarr' },
    ]);
    const source = await openSource({ path, dataset: 'labels/bodies' });
    expect(source.info).toMatchObject({ type: 'segmentation', dtype: 'uint64', voxelKnown: true });
    expect(source.info.mips.map(({ voxel }) => voxel[0])).toEqual([10, 20]);
    const whole = await readWhole(source);
    const bodies = await precomputedFormat.open({ path: shared('fib25-training2-precomputed/bodies_cseg') });
    const wanted = new Uint32Array((await bodies.read(0, [0, 0, 0, 160, 160, 96])).slice().buffer);
    const got = new BigUint64Array(whole.slice().buffer);
    expect(got.findIndex((id, i) => id !== BigInt(wanted[i] ?? 0))).toBe(-1);
    const ids = new Set<bigint>();
    uniqueIds(whole, 'uint64', ids);
    expect(ids.size).toBe(103);
    const half = new BigUint64Array((await readWhole(source, 1)).slice().buffer);
    expect(half[1 + 80 * (2 + 80 * 3)]).toBe(got[2 + 160 * (4 + 160 * 6)]);
    // The same by its own path.
    const direct = await openSource(await resolveSpec(join(path, 'labels/bodies')));
    expect(direct.info.type).toBe('segmentation');
    expect(Buffer.compare(await readWhole(direct), whole)).toBe(0);
    for (const one of [source, bodies, direct]) await one.close();
  });

  it('mri-stack is 186×226×27, gzip, without a voxel size: its unit is the pixel; a chunk is larger than level 1', async () => {
    const source = await zarrFormat.open({ path: shared('ome-zarr/mri-stack.ome.zarr') });
    expect(source.info).toMatchObject({ type: 'image', dtype: 'uint8', voxelKnown: false });
    expect(source.info.mips).toEqual([
      { shape: [186, 226, 27], chunk: [186, 186, 27], voxel: [1, 1, 1], offset: [0, 0, 0] },
      { shape: [93, 113, 13], chunk: [93, 113, 13], voxel: [2, 2, 2], offset: [0, 0, 0] },
    ]);
    expect(sumOf(source, await readWhole(source))).toBe(40_784_917);
    expect(sumOf(source, await readWhole(source, 1))).toBe(4_994_371);
    await source.close();
  });

  it.each(['neuroglancer-simple_0.4', 'neuroglancer-simple_0.5'])(
    '%s is a plane of 10×10 numbers from 0 to 99',
    async (name) => {
      const source = await zarrFormat.open({ path: shared(`ome-zarr/${name}`) });
      expect(source.info).toMatchObject({ dtype: 'uint16', voxelKnown: true });
      expect(source.info.mips.map(({ shape, voxel }) => [shape, voxel])).toEqual([
        [
          [10, 10, 1],
          [30, 4, 30],
        ],
        [
          [5, 5, 1],
          [60, 8, 30],
        ],
        [
          [2, 2, 1],
          [120, 16, 30],
        ],
      ]);
      const numbers = new Uint16Array((await readWhole(source)).slice().buffer);
      expect([...numbers]).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect([...new Uint16Array((await readWhole(source, 2)).slice().buffer)]).toEqual([5, 8, 39, 42]);
      await source.close();
    },
  );
});

async function openV2(volume: NdArray, options: V2Options): Promise<Source> {
  await writeV2(folder, volume, options);
  return zarrFormat.open({ path: folder });
}

async function openV3(volume: NdArray, options: V3Options): Promise<Source> {
  await writeV3(folder, volume, options);
  return zarrFormat.open({ path: folder });
}

async function expectVoxels(source: Source, bytes: Uint8Array, shape: Vec3 = [21, 13, 10]): Promise<void> {
  expect(source.info.mips[0]?.shape).toEqual(shape);
  expect(Buffer.compare(await readWhole(source), bytes)).toBe(0);
  await source.close();
}

describe('arrays of version 2', () => {
  const types: [string, DType][] = [
    ['|u1', 'uint8'],
    ['|i1', 'int8'],
    ['<u2', 'uint16'],
    ['>u2', 'uint16'],
    ['>i2', 'int16'],
    ['<u4', 'uint32'],
    ['>i4', 'int32'],
    ['<u8', 'uint64'],
    ['>u8', 'uint64'],
    ['<i8', 'int64'],
    ['<f4', 'float32'],
    ['>f4', 'float32'],
  ];
  it.each(types)('of the type %s are read as %s', async (written, dtype) => {
    const volume = array(BYTES_PER_VOXEL[dtype]);
    const source = await openV2(volume, { dtype: written, chunks: CHUNKS });
    expect(source.info.dtype).toBe(dtype);
    expect(source.info.type).toBe(/32|64/.test(dtype) && !dtype.startsWith('f') ? 'segmentation' : 'image');
    await expectVoxels(source, volume.bytes);
  });

  it('of truth values are bytes, of numbers of 64 bits with a fraction are float32', async () => {
    const truths = { ...array(1), bytes: array(1).bytes.map((byte) => byte & 1) };
    const bool = await openV2(truths, { dtype: '|b1', chunks: CHUNKS });
    expect(bool.info).toMatchObject({ dtype: 'uint8', type: 'image' });
    await expectVoxels(bool, truths.bytes);
    folder = nextFolder();
    const doubles = Float64Array.from({ length: volumeOf(SHAPE) }, (_, i) => i / 3);
    const source = await openV2(
      { shape: SHAPE, size: 8, bytes: new Uint8Array(doubles.buffer) },
      { dtype: '>f8', chunks: CHUNKS },
    );
    expect(source.info.dtype).toBe('float32');
    await expectVoxels(source, new Uint8Array(Float32Array.from(doubles).buffer));
  });

  it.each(Object.keys(COMPRESSORS))('compressed with %s', async (name) => {
    const volume = labels();
    await expectVoxels(
      await openV2(volume, { dtype: '<u8', chunks: CHUNKS, compressor: COMPRESSORS[name] }),
      volume.bytes,
    );
  });

  it.each([
    ['C', '/'],
    ['F', '.'],
    ['F', '/'],
  ] as const)('in order %s with "%s" in names', async (order, separator) => {
    const volume = array(2);
    await expectVoxels(await openV2(volume, { dtype: '<u2', chunks: CHUNKS, order, separator }), volume.bytes);
  });

  it('with filters: the bytes of elements apart, or differences', async () => {
    const volume = array(4);
    const shuffle = (bytes: Uint8Array): Uint8Array => {
      const n = bytes.length / 4;
      return Uint8Array.from(bytes, (_, i) => bytes[(i % n) * 4 + Math.floor(i / n)] ?? 0);
    };
    const filters = [{ json: { id: 'shuffle', elementsize: 4 }, encode: shuffle }];
    const options = { dtype: '<u4', chunks: CHUNKS, compressor: COMPRESSORS['zlib'] };
    await expectVoxels(await openV2(volume, { ...options, filters }), volume.bytes);
    folder = nextFolder();
    const delta = (bytes: Uint8Array): Uint8Array => {
      const values = new Uint32Array(bytes.slice().buffer);
      return new Uint8Array(Uint32Array.from(values, (value, i) => value - (values[i - 1] ?? 0)).buffer);
    };
    const differences = [{ json: { id: 'delta', dtype: '<u4' }, encode: delta }];
    await expectVoxels(await openV2(volume, { ...options, filters: differences }), volume.bytes);
  });

  it('without chunks are what fills them: zeros, which are absent, or another value, exact to the last bit', async () => {
    const isPresent = (place: readonly number[]): boolean => place.some((i) => i > 0);
    const none = { shape: SHAPE, size: 8, bytes: new Uint8Array(volumeOf(SHAPE) * 8) };
    const source = await openV2(none, { dtype: '<u8', chunks: CHUNKS, fill: null, isPresent });
    expect(await source.readChunk?.(0, [0, 0, 0])).toBe('absent');
    expect(await source.readChunk?.(0, [1, 0, 0])).toMatchObject({ encoding: 'raw' });
    await source.close();
    folder = nextFolder();
    await writeV2(folder, none, { dtype: '<u8', chunks: CHUNKS, isPresent });
    const json = readFileSync(join(folder, '.zarray'), 'utf8');
    put(join(folder, '.zarray'), json.replace('"fill_value":0', '"fill_value":18446744073709551613'));
    const filled = await zarrFormat.open({ path: folder });
    const voxels = new BigUint64Array((await filled.read(0, [7, 0, 0, 9, 1, 1])).slice().buffer);
    expect([...voxels]).toEqual([18_446_744_073_709_551_613n, 0n]);
    await filled.close();
  });

  it('a chunk that is written later is there: that it was not is not remembered', async () => {
    const volume = array(1);
    await writeV2(folder, volume, { dtype: '|u1', chunks: CHUNKS, isPresent: () => false });
    const source = await zarrFormat.open({ path: folder });
    expect((await readWhole(source)).every((byte) => byte === 0)).toBe(true);
    await writeV2(folder, volume, { dtype: '|u1', chunks: CHUNKS });
    await expectVoxels(source, volume.bytes);
  });
});

describe('arrays of version 3', () => {
  it.each([
    ['gzip', [GZIP]],
    ['zstd and a checksum', [ZSTD, CRC32C]],
    ['nothing', []],
  ])('compressed with %s', async (_, codecs) => {
    const volume = labels();
    await expectVoxels(await openV3(volume, { type: 'uint64', chunks: CHUNKS, codecs }), volume.bytes);
  });

  it.each(['start', 'end'] as const)('in shards with their index at the %s', async (indexAt) => {
    const volume = array(2);
    const shard = { shape: [4, 16, 24], indexAt, checksum: indexAt === 'end' };
    const source = await openV3(volume, { type: 'uint16', chunks: CHUNKS, codecs: [GZIP], shard });
    expect(source.info.mips[0]?.chunk).toEqual([8, 8, 4]);
    await expectVoxels(source, volume.bytes);
  });

  it('with transposed chunks, in big-endian, with names of chunks as in version 2', async () => {
    const volume = array(4);
    for (const transpose of [
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ]) {
      folder = nextFolder();
      const source = await openV3(volume, { type: 'uint32', chunks: CHUNKS, transpose, endian: 'big', codecs: [GZIP] });
      await expectVoxels(source, volume.bytes);
    }
    folder = nextFolder();
    await writeV3(folder, volume, { type: 'uint32', chunks: SHAPE, keys: { name: 'v2' } });
    await cp(join(folder, 'c/0/0/0'), join(folder, '0.0.0'));
    await expectVoxels(await zarrFormat.open({ path: folder }), volume.bytes);
  });

  it('fill what is missing with NaN or with the bits of a number', async () => {
    const none = { shape: [2, 2, 2], size: 4, bytes: new Uint8Array(32) };
    for (const [fill, wanted] of [
      ['NaN', Number.NaN],
      ['-Infinity', Number.NEGATIVE_INFINITY],
      ['0x3fc00000', 1.5],
      [2.5, 2.5],
    ] as const) {
      folder = nextFolder();
      const source = await openV3(none, { type: 'float32', chunks: [2, 2, 2], fill, isPresent: () => false });
      expect([...new Float32Array((await readWhole(source)).slice().buffer)]).toEqual(Array(8).fill(wanted));
      await source.close();
    }
  });
});

it('crc32c is that of Castagnoli', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
});

describe('axes', () => {
  /** Element (x, y, z) of a volume is the array's where its axes are named so. */
  async function openNamed(
    names: string,
    shape: readonly number[],
    chunks: readonly number[],
  ): Promise<[Source, NdArray]> {
    const volume = array(2, shape);
    await writeV3(folder, volume, { type: 'uint16', chunks, names: [...names] });
    return [await zarrFormat.open({ path: folder }), volume];
  }

  const at = ({ bytes, shape }: NdArray, place: readonly number[]): number =>
    new Uint16Array(bytes.slice().buffer)[place.reduce((sum, i, axis) => sum * (shape[axis] as number) + i, 0)] ?? -1;

  it.each([
    ['zyx', [10, 13, 21], [4, 8, 8]],
    ['xyz', [21, 13, 10], [8, 8, 4]],
    ['yzx', [13, 10, 21], [5, 3, 7]],
    ['yxz', [13, 21, 10], [13, 4, 10]],
  ])('named %s are found by name', async (names, shape, chunks) => {
    const [source, volume] = await openNamed(names, shape, chunks);
    expect(source.info.mips[0]?.shape).toEqual([21, 13, 10]);
    const voxels = new Uint16Array((await readWhole(source)).slice().buffer);
    const random = randomFrom(5);
    for (let i = 0; i < 200; i++) {
      const place = { x: Math.floor(random() * 21), y: Math.floor(random() * 13), z: Math.floor(random() * 10) };
      const wanted = at(
        volume,
        [...names].map((name) => place[name as 'x']),
      );
      expect(voxels[place.x + 21 * (place.y + 13 * place.z)]).toBe(wanted);
    }
    await source.close();
  });

  it('of channel and time make volumes of their own: each is listed, and named by c=1,t=0', async () => {
    const volume = array(2, [2, 3, 4, 5, 6]);
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    const axes = [{ name: 't', type: 'time' }, { name: 'c', type: 'channel' }, ...spaceAxes('zyx', 'micrometer')];
    put(join(folder, '.zattrs'), ome04(axes, [[1, 1, 0.04, 0.004, 0.004]]));
    await writeV2(join(folder, '0'), volume, { dtype: '<u2', chunks: [1, 2, 3, 4, 4], separator: '/' });
    const found = await findVolumes(folder);
    expect(found.map(({ spec }) => spec.dataset)).toEqual([
      't=0,c=0',
      't=0,c=1',
      't=0,c=2',
      't=1,c=0',
      't=1,c=1',
      't=1,c=2',
    ]);
    for (const [i, { spec }] of found.entries()) {
      const source = await openSource(spec);
      expect(source.info.mips[0]).toMatchObject({ shape: [6, 5, 4], chunk: [4, 4, 3], voxel: [4, 4, 40] });
      const bytes = volume.bytes.subarray(i * 240, (i + 1) * 240);
      expect(Buffer.compare(await readWhole(source), bytes)).toBe(0);
      await source.close();
    }
    expect(await resolveSpec(join(folder, 'c=1,t=0'))).toEqual({ path: folder, dataset: 'c=1,t=0' });
    const wrongs: [string | undefined, string, string][] = [
      [
        undefined,
        'UNSUPPORTED',
        'has 2 volumes along its axis "t": name one, t=0 to t=1, as the last part of the dataset',
      ],
      ['t=0,c=3', 'NOT_FOUND', 'has no c=3; c goes from 0 to 2'],
      ['t=0,c=0,q=0', 'NOT_FOUND', 'has no axis "q"; its further axes: "t", "c"'],
    ];
    for (const [dataset, code, message] of wrongs) {
      const error = await errorOf(openSource(dataset === undefined ? { path: folder } : { path: folder, dataset }));
      expect([error.code, error.message]).toEqual([code, expect.stringContaining(message)]);
    }
  });

  it('of one element more are no matter, and of two there is one plane', async () => {
    const volume = array(2, [1, 1, 4, 5, 6]);
    const source = await openV3(volume, { type: 'uint16', chunks: [1, 1, 4, 5, 6] });
    await expectVoxels(source, volume.bytes, [6, 5, 4]);
    folder = nextFolder();
    const plane = array(2, [5, 6]);
    await expectVoxels(await openV3(plane, { type: 'uint16', chunks: [2, 3] }), plane.bytes, [6, 5, 1]);
  });

  it('too few are refused', async () => {
    await writeV3(folder, array(2, [5]), { type: 'uint16', chunks: [5] });
    const { code, message } = await errorOf(findVolumes(folder));
    expect(code).toBe('UNSUPPORTED');
    expect(message).toContain('it has 1 axes, 5; z, y, x, or y, x, and others before them would be right');
  });
});

describe('places in space', () => {
  const open = async (axes: object[], transforms: object[][], more: object = {}): Promise<Source> => {
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    const datasets = transforms.map((coordinateTransformations, i) => ({ path: String(i), coordinateTransformations }));
    put(join(folder, '.zattrs'), { multiscales: [{ version: '0.4', axes, datasets, ...more }] });
    for (const i of transforms.keys())
      await writeV2(join(folder, String(i)), array(1, [8 >> i, 8 >> i, 8 >> i]), { dtype: '|u1', chunks: [8, 8, 8] });
    return zarrFormat.open({ path: folder });
  };
  const scale = (...values: number[]): object => ({ type: 'scale', scale: values });
  const move = (...values: number[]): object => ({ type: 'translation', translation: values });

  it('sizes are in nanometres whatever their unit, and follow the axes', async () => {
    for (const [unit, factor] of [
      ['micrometer', 1e3],
      ['millimeter', 1e6],
      ['angstrom', 0.1],
      ['nm', 1],
    ] as const) {
      folder = nextFolder();
      const source = await open(spaceAxes('zyx', unit), [[scale(0.4, 0.2, 0.1)]]);
      const voxel = [0.1, 0.2, 0.4].map((size) => Number((size * factor).toPrecision(12)));
      expect(source.info).toMatchObject({ voxelKnown: true, mips: [{ voxel, offset: [0, 0, 0] }] });
      await source.close();
    }
  });

  it('a unit that is no length leaves the size unknown, and levels relative', async () => {
    const source = await open(spaceAxes('zyx', 'pixel'), [[scale(3, 1, 1)], [scale(6, 2, 2)]]);
    expect(source.info.voxelKnown).toBe(false);
    expect(source.info.mips.map(({ voxel }) => voxel)).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    await source.close();
  });

  it('a translation is the middle of the first voxel: levels of means and of nearest neighbours begin where the finest does', async () => {
    for (const second of [move(105, 105, 105), move(100, 100, 100)]) {
      folder = nextFolder();
      const source = await open(spaceAxes('zyx'), [
        [scale(10, 10, 10), move(100, 100, 100)],
        [scale(20, 20, 20), second],
      ]);
      expect(source.info.mips.map(({ offset }) => offset)).toEqual([
        [10, 10, 10],
        [5, 5, 5],
      ]);
      const level = source.info.mips[1];
      if (level === undefined) throw new Error('no mip 1');
      expect(await source.read(1, mipBox(level))).toHaveLength(64);
      await source.close();
    }
  });

  it('what holds for all levels comes on top', async () => {
    const source = await open(spaceAxes('zyx'), [[scale(1, 1, 1)], [scale(2, 2, 2)]], {
      coordinateTransformations: [scale(40, 4, 4), move(80, 8, -16)],
    });
    expect(source.info.mips.map(({ voxel, offset }) => [voxel, offset])).toEqual([
      [
        [4, 4, 40],
        [-4, 2, 2],
      ],
      [
        [8, 8, 80],
        [-2, 1, 1],
      ],
    ]);
    await source.close();
  });

  it('arrays alone may say their resolution as CREMI and funlib do', async () => {
    await writeV2(folder, array(1), {
      ...{ dtype: '|u1', chunks: CHUNKS },
      attributes: { resolution: [40, 4, 4], offset: [80, 8, 4] },
    });
    const source = await zarrFormat.open({ path: folder });
    expect(source.info).toMatchObject({ voxelKnown: true, mips: [{ voxel: [4, 4, 40], offset: [1, 2, 2] }] });
    await source.close();
  });
});

describe('hierarchies', () => {
  it('list the arrays and images in a group, and take the only one for the group', async () => {
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    put(join(folder, 'volumes/.zgroup'), { zarr_format: 2 });
    const volume = array(1);
    await writeV2(join(folder, 'volumes/raw'), volume, { dtype: '|u1', chunks: CHUNKS });
    await expectVoxels(await zarrFormat.open({ path: folder }), volume.bytes);
    await writeV2(join(folder, 'volumes/labels'), labels(), { dtype: '<u8', chunks: CHUNKS });
    expect((await findVolumes(folder)).map(({ spec, name }) => [spec.dataset, name])).toEqual([
      ['volumes/labels', expect.stringMatching(/volume-\d+\.volumes\.labels/)],
      ['volumes/raw', expect.stringMatching(/volume-\d+\.volumes\.raw/)],
    ]);
    const { code, message } = await errorOf(openSource({ path: folder }));
    expect([code, message]).toEqual([
      'NOT_FOUND',
      expect.stringContaining('holds 2 volumes: name one as the dataset, of volumes/labels, volumes/raw'),
    ]);
  });

  it('do not lead out of their folder', async () => {
    await writeV2(join(folder, 'in'), array(1), { dtype: '|u1', chunks: CHUNKS });
    put(join(folder, 'group/.zgroup'), { zarr_format: 2 });
    put(join(folder, 'group/.zattrs'), { multiscales: [{ axes: spaceAxes('zyx'), datasets: [{ path: '../in' }] }] });
    const error = await errorOf(zarrFormat.open({ path: join(folder, 'group') }));
    expect(error.message).toContain('its level "../in" is no array inside it');
    expect((await errorOf(zarrFormat.open({ path: join(folder, 'group'), dataset: '../in' }))).code).toBe('NOT_FOUND');
  });

  it('one broken array spoils nothing else', async () => {
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    await writeV2(join(folder, 'good'), array(1), { dtype: '|u1', chunks: CHUNKS });
    put(join(folder, 'bad/.zarray'), '{');
    expect((await findVolumes(folder)).map(({ spec }) => spec.dataset)).toEqual(['good']);
    await (await openSource({ path: folder, dataset: 'good' })).close();
    expect((await errorOf(openSource({ path: folder, dataset: 'bad' }))).message).toContain('bad/.zarray');
  });
});

describe('broken volumes say what is wrong and what would be right', () => {
  const v2 = { dtype: '<u2', chunks: CHUNKS } as const;
  const faults: [string, object, string][] = [
    ['a type of complex numbers', { dtype: '<c8' }, 'dtype is "<c8"; bool, (u)int8 to 64, float32 and float64'],
    ['a structured type', { dtype: [['a', '<u2']] }, 'dtype is [["a","<u2"]]'],
    [
      'a codec that is not known',
      { compressor: { id: 'lzma' } },
      'the codec "lzma" is not one that can be decoded here',
    ],
    ['a shape with an axis of 0', { shape: [0, 1, 2] }, 'shape must be a list of whole numbers above 0; it is [0,1,2]'],
    ['chunks of other axes', { chunks: [1, 2] }, 'chunks must be 3 whole numbers above 0; it is [1,2]'],
    ['an order that is none', { order: 'A' }, 'order must be "C" or "F"; it is "A"'],
    [
      'a fill value that is none',
      { fill_value: 'abc' },
      'fill_value is abc, no value of uint16; a number would be right',
    ],
    [
      'chunks that take too much memory',
      { chunks: [1024, 1024, 1024] },
      'its chunks must be of at most 512 MiB, decoded',
    ],
    ['another version', { zarr_format: 4 }, 'zarr_format must be 2; it is 4'],
  ];
  it.each(faults)('%s', async (_, more, message) => {
    await writeV2(folder, array(2), { ...v2, more });
    for (const attempt of [() => findVolumes(folder), () => zarrFormat.open({ path: folder })]) {
      const error = await errorOf(attempt());
      expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringContaining(message)]);
      expect(error.message).not.toContain(root);
    }
  });

  it('chunks so small that a tile would take a file for each of its voxels', async () => {
    await writeV2(folder, array(2), { ...v2, more: { shape: [512, 512, 512], chunks: [1, 1, 2] } });
    const error = await errorOf(zarrFormat.open({ path: folder }));
    const message = `chunk 0,0,0 of "${basename(folder)}": chunks of 2×1×1 voxels are too small for 512×512×512 of them`;
    expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringContaining(message)]);
    await writeV2(folder, array(2), { ...v2, more: { shape: [32, 32, 32], chunks: [1, 1, 1] } });
    await (await zarrFormat.open({ path: folder }))?.close();
  });

  const bytes = [{ name: 'bytes', configuration: { endian: 'little' } }];
  const shardsOf = (chunk: readonly number[]): object => ({
    name: 'sharding_indexed',
    configuration: { chunk_shape: chunk, codecs: bytes, index_codecs: bytes },
  });
  const faultsV3: [string, object, string][] = [
    [
      'shards whose index would take too much memory',
      {
        chunk_grid: { name: 'regular', configuration: { chunk_shape: [2 ** 20, 2 ** 20, 2 ** 10] } },
        codecs: [shardsOf([1, 1, 1])],
      },
      'its shards must be of at most 4194304 chunks; it is "1048576×1048576×1024 of 1×1×1"',
    ],
    ['a type that is an extension', { data_type: { name: 'x' } }, 'data_type is {"name":"x"}'],
    ['float16', { data_type: 'float16' }, 'data_type is "float16"; bool, (u)int8 to 64'],
    ['a codec that is not known', { codecs: [{ name: 'bytes' }, { name: 'pcodec' }] }, 'the codec "pcodec"'],
    [
      'a grid that is not regular',
      { chunk_grid: { name: 'rectilinear', configuration: {} } },
      'chunk_grid.name must be "regular"; it is "rectilinear"',
    ],
    ['a transformer', { storage_transformers: [{ name: 'x' }] }, 'storage_transformers must be empty'],
    [
      'shards within something else',
      { codecs: [{ name: 'transpose' }, { name: 'sharding_indexed' }] },
      'codecs must be sharding_indexed alone',
    ],
    [
      'shards that chunks do not divide',
      { codecs: [{ name: 'sharding_indexed', configuration: { chunk_shape: [3, 3, 3] } }] },
      "must be a divisor of the shard's, 4×8×8; it is [3,3,3]",
    ],
  ];
  it.each(faultsV3)('version 3: %s', async (_, more, message) => {
    await writeV3(folder, array(2), { type: 'uint16', chunks: CHUNKS, more });
    const error = await errorOf(findVolumes(folder));
    expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringContaining(message)]);
  });

  it('OME metadata without levels, with strange axes, or with levels that are not there', async () => {
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    const image = { axes: spaceAxes('zyx'), datasets: [{ path: '0' }] };
    await writeV2(join(folder, '2d'), array(1, [4, 4]), { dtype: '|u1', chunks: [4, 4] });
    for (const [multiscales, message] of [
      [[], 'multiscales must be a list of at least one image; it is []'],
      [[{ ...image, datasets: [] }], 'multiscales[0].datasets must be a list of 1 to 32 levels; it is []'],
      [[image], 'its level "0" is no array inside it'],
      [[{ ...image, axes: [{ name: 'q', type: 'time' }, { name: 'c' }] }], 'axes must be two or three of space'],
      [[{ ...image, datasets: [{ path: '2d' }] }], 'its levels have 2 axes, its multiscales name 3'],
      [
        [{ ...image, datasets: [{ path: '2d', coordinateTransformations: [{ type: 'scale', scale: [1, 1] }] }] }],
        'coordinateTransformations: scale must be 3 numbers, one an axis; it is [1,1]',
      ],
      [
        [{ ...image, datasets: [{ path: '2d', coordinateTransformations: [{ type: 'rotation' }] }] }],
        'coordinateTransformations must be of scale and translation',
      ],
    ] as const) {
      put(join(folder, '.zattrs'), { multiscales });
      expect((await errorOf(zarrFormat.open({ path: folder }))).message).toContain(message);
    }
  });

  it('an empty group, and a folder that is none', async () => {
    put(join(folder, '.zgroup'), { zarr_format: 2 });
    expect((await errorOf(findVolumes(folder))).message).toContain(
      'holds no volume that can be served: there are no arrays in it',
    );
    const bare = nextFolder();
    mkdirSync(bare);
    expect(await zarrFormat.find(bare)).toBeUndefined();
    expect((await errorOf(zarrFormat.open({ path: bare }))).message).toContain('is not Zarr');
  });

  it.each([
    ['raw', undefined, 'it holds 256 bytes of voxels instead of 512'],
    ['gzip', COMPRESSORS['gzip'], 'it is no whole gzip of at most'],
    ['zstd', COMPRESSORS['zstd'], 'it is no whole zstd of at most'],
    ['lz4', COMPRESSORS['lz4'], 'it is no whole lz4 of at most'],
    ['blosc', COMPRESSORS['blosc of lz4'], 'bytes where its blosc header says'],
  ])('a chunk of %s that is cut off', async (_, compressor, message) => {
    const source = await openV2(array(2), { ...v2, compressor });
    const file = join(folder, '1.0.1');
    truncateSync(file, Math.floor(readFileSync(file).length / 2));
    const error = await errorOf(source.read(0, [0, 0, 0, 21, 13, 10]));
    expect([error.code, error.message]).toEqual(['INTERNAL', expect.stringContaining(message)]);
    expect(error.message).toContain(`chunk 1,0,1 of "${basename(folder)}" is broken: `);
    expect(error.message).not.toContain(root);
    // The others are whole.
    expect(await source.read(0, [0, 0, 0, 8, 8, 4])).toHaveLength(512);
    await source.close();
  });

  it('a chunk that unpacks to more than it may, by its header', async () => {
    const source = await openV2(array(2), { ...v2, compressor: COMPRESSORS['blosc of lz4'] });
    const bomb = readFileSync(join(folder, '0.0.0'));
    bomb.writeUInt32LE(0x7fff_ffff, 4);
    writeFileSync(join(folder, '0.0.0'), bomb);
    const error = await errorOf(source.read(0, [0, 0, 0, 1, 1, 1]));
    expect(error.message).toContain('it unpacks to 2147483647 bytes instead of');
    await source.close();
  });

  it('a checksum that is wrong, and a shard that is cut off', async () => {
    const shard = { shape: [8, 16, 16], indexAt: 'end', checksum: true } as const;
    const source = await openV3(array(2), { type: 'uint16', chunks: CHUNKS, codecs: [CRC32C], shard });
    const bytes = readFileSync(join(folder, 'c/0/0/0'));
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    writeFileSync(join(folder, 'c/0/0/0'), bytes);
    const error = await errorOf(source.read(0, [0, 0, 0, 1, 1, 1]));
    expect(error.message).toContain('its checksum (crc32c) is wrong');
    truncateSync(join(folder, 'c/1/0/0'), 20);
    const cut = await errorOf(source.read(0, [0, 0, 8, 1, 1, 9]));
    expect(cut.message).toContain('the shard has 20 bytes, fewer than the 132 that should end it');
    await source.close();
  });
});
