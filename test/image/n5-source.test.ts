import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { BYTES_PER_VOXEL, type DType, volumeOf } from '../../protocol/volume.ts';
import { n5Format } from '../../src/image/n5-source.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import { sourceContract } from '../contract/source-contract.ts';
import { N5_COMPRESSIONS, writeN5 } from './n5-fixture.ts';
import { describeShared, errorOf, randomBytes, readWhole, shared, temporaryFolder } from './source-fixtures.ts';
import { type NdArray, put } from './zarr-fixture.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;
const nextFolder = (): string => join(root, `volume-${folders++}`);

beforeEach(() => {
  folder = nextFolder();
});

/** z, y, x. */
const SHAPE = [10, 13, 21] as const;
/** x, y, z. */
const BLOCK = [8, 8, 4] as const;

function array(size: number, shape: readonly number[] = SHAPE, seed = 1): NdArray {
  return { shape, size, bytes: randomBytes(seed, shape.reduce((a, b) => a * b, 1) * size) };
}

sourceContract('an N5 pyramid', async () => {
  const at = nextFolder();
  const levels = [array(4), array(4, [5, 7, 11], 2)];
  put(join(at, 'attributes.json'), { n5: '2.5.1', pixelResolution: { unit: 'um', dimensions: [0.004, 0.004, 0.04] } });
  for (const [i, level] of levels.entries())
    await writeN5(join(at, `s${i}`), level, {
      ...{ type: 'uint32', block: BLOCK, compression: 'gzip' },
      more: { downsamplingFactors: [2 ** i, 2 ** i, 2 ** i] },
    });
  return {
    levels: levels.map(({ bytes }) => bytes),
    open: () => n5Format.open({ path: at }),
    change: async () =>
      writeFileSync(join(at, 's1/attributes.json'), `${readFileSync(join(at, 's1/attributes.json'))} `),
  };
});

describeShared('the real N5 volumes', () => {
  it.each(['raw', 'gzip', 'bzip2', 'xz', 'blosc'])('tensorstore-n5/%s is the numbers 0 to 19, of 5×4', async (name) => {
    const source = await n5Format.open({ path: shared(`n5/tensorstore-n5/${name}`) });
    expect(source.info).toMatchObject({ kind: 'n5', type: 'image', dtype: 'uint16', voxelKnown: false });
    expect(source.info.mips).toEqual([{ shape: [5, 4, 1], chunk: [3, 2, 1], voxel: [1, 1, 1], offset: [0, 0, 0] }]);
    const values = [...new Uint16Array((await readWhole(source)).slice().buffer)];
    // Element (i, j) is 4 · i + j, and i is the fastest.
    expect(values).toEqual(Array.from({ length: 20 }, (_, n) => 4 * (n % 5) + Math.floor(n / 5)));
    await source.close();
  });

  it.each(['modern', 'deprecated'])('n5_viewer_multiscale_%s has three levels without a block: zeros', async (name) => {
    const source = await n5Format.open({ path: shared(`n5/neuroglancer-n5/n5_viewer_multiscale_${name}`) });
    // Its second unit is the second, so its voxels are no lengths.
    expect(source.info).toMatchObject({ dtype: 'uint16', voxelKnown: false });
    expect(source.info.mips.map(({ shape, voxel }) => [shape, voxel])).toEqual([
      [
        [10, 20, 1],
        [1, 1, 1],
      ],
      [
        [5, 10, 1],
        [2, 2, 1],
      ],
      [
        [3, 5, 1],
        [4, 4, 1],
      ],
    ]);
    expect(await source.readChunk?.(1, [0, 0, 0])).toBe('absent');
    expect(await readWhole(source, 2)).toEqual(new Uint8Array(30));
    await source.close();
  });
});

describe('datasets', () => {
  it.each(Object.keys(N5_COMPRESSIONS))('compressed with %s', async (compression) => {
    for (const options of [{}, { wholeBlocks: true }, { varying: true }]) {
      folder = nextFolder();
      const volume = array(2, [10, 130, 210]);
      await writeN5(folder, volume, { type: 'uint16', block: [210, 130, 4], compression, ...options });
      const source = await n5Format.open({ path: folder });
      expect(Buffer.compare(await readWhole(source), volume.bytes)).toBe(0);
      await source.close();
    }
  });

  it.each(['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float32'] satisfies DType[])(
    'of %s',
    async (dtype) => {
      const volume = array(BYTES_PER_VOXEL[dtype]);
      await writeN5(folder, volume, { type: dtype, block: BLOCK });
      const source = await n5Format.open({ path: folder });
      expect(source.info.dtype).toBe(dtype);
      expect(Buffer.compare(await readWhole(source), volume.bytes)).toBe(0);
      await source.close();
    },
  );

  it('of float64 are read as float32', async () => {
    const doubles = Float64Array.from({ length: volumeOf(SHAPE) }, (_, i) => i / 3);
    const volume = { shape: SHAPE, size: 8, bytes: new Uint8Array(doubles.buffer) };
    await writeN5(folder, volume, { type: 'float64', block: BLOCK, compression: 'gzip' });
    const source = await n5Format.open({ path: folder });
    expect(source.info.dtype).toBe('float32');
    expect([...new Float32Array((await readWhole(source)).slice().buffer)]).toEqual([...Float32Array.from(doubles)]);
    await source.close();
  });

  it('of four axes are a volume for each index of the last', async () => {
    const volume = array(2, [2, 4, 5, 6]);
    await writeN5(folder, volume, { type: 'uint16', block: [6, 5, 3, 2] });
    const found = await findVolumes(folder);
    expect(found.map(({ spec }) => spec.dataset)).toEqual(['c=0', 'c=1']);
    for (const [i, { spec }] of found.entries()) {
      const source = await openSource(spec);
      expect(source.info.mips[0]?.shape).toEqual([6, 5, 4]);
      expect(Buffer.compare(await readWhole(source), volume.bytes.subarray(i * 240, (i + 1) * 240))).toBe(0);
      await source.close();
    }
  });
});

describe('places in space', () => {
  it.each([
    ['pixelResolution with a unit', { pixelResolution: { unit: 'um', dimensions: [0.004, 0.004, 0.04] } }, {}],
    ['pixelResolution of a level', {}, { pixelResolution: { unit: 'nm', dimensions: [4, 4, 40] } }],
    ['resolution and units', { resolution: [4, 4, 40], units: ['nm', 'nm', 'nm'] }, {}],
    [
      'a transform whose axes are named',
      {},
      {
        transform: { axes: ['z', 'y', 'x'], scale: [40, 4, 4], translate: [0, 0, 0], units: ['nm', 'nm', 'nm'] },
      },
    ],
  ])('%s tells the size of voxels', async (_, group, level) => {
    put(join(folder, 'attributes.json'), { n5: '2.0.0', ...group });
    await writeN5(join(folder, 's0'), array(1), { type: 'uint8', block: BLOCK, more: level });
    const source = await n5Format.open({ path: folder });
    expect(source.info).toMatchObject({ voxelKnown: true, mips: [{ voxel: [4, 4, 40], offset: [0, 0, 0] }] });
    await source.close();
  });

  it('levels are as coarse as they say, as their group says, or as they look', async () => {
    for (const [group, level] of [
      [{}, { downsamplingFactors: [2, 2, 1] }],
      [
        {
          scales: [
            [1, 1, 1],
            [2, 2, 1],
          ],
        },
        {},
      ],
      [{}, {}],
    ]) {
      folder = nextFolder();
      put(join(folder, 'attributes.json'), { resolution: [4, 4, 40], ...group });
      await writeN5(join(folder, 's0'), array(1), { type: 'uint8', block: BLOCK });
      await writeN5(join(folder, 's1'), array(1, [10, 7, 11]), { type: 'uint8', block: BLOCK, more: level ?? {} });
      const source = await n5Format.open({ path: folder });
      expect(source.info.mips.map(({ voxel, offset }) => [voxel, offset])).toEqual([
        [
          [4, 4, 40],
          [0, 0, 0],
        ],
        [
          [8, 8, 40],
          [0, 0, 0],
        ],
      ]);
      await source.close();
    }
  });
});

describe('containers', () => {
  it('list datasets and pyramids wherever they are, also without attributes of their own', async () => {
    const container = `${folder}.n5`;
    await writeN5(join(container, 'volumes/raw/s0'), array(1), { type: 'uint8', block: BLOCK });
    await writeN5(join(container, 'volumes/labels'), array(8), { type: 'uint64', block: BLOCK });
    const found = await findVolumes(container);
    expect(found.map(({ spec, kind }) => [spec.dataset, kind])).toEqual([
      ['volumes/labels', 'n5'],
      ['volumes/raw', 'n5'],
    ]);
    for (const { spec } of found) await (await openSource(spec)).close();
    const { code, message } = await errorOf(openSource({ path: container, dataset: 'volumes/none' }));
    expect([code, message]).toEqual(['NOT_FOUND', expect.stringContaining('has no dataset "volumes/none"')]);
    expect((await errorOf(openSource({ path: container, dataset: '../x' }))).code).toBe('NOT_FOUND');
  });

  it('are not taken for what only has a file of that name', async () => {
    put(join(folder, 'attributes.json'), { author: 'ada' });
    expect(await n5Format.find(folder)).toBeUndefined();
  });
});

describe('broken volumes say what is wrong and what would be right', () => {
  it.each([
    [
      'a compression that is not known',
      { compression: { type: 'jpeg' } },
      'compression.type must be raw, gzip, bzip2, xz',
    ],
    ['a type that is not known', { dataType: 'string' }, 'dataType is "string"'],
    ['blocks of other axes', { blockSize: [4, 4] }, 'blockSize must be 3 whole numbers above 0; it is [4,4]'],
    ['no size', { dimensions: [] }, 'dimensions must be a list of whole numbers above 0; it is []'],
    ['too large blocks', { blockSize: [4096, 4096, 4096] }, 'blockSize must be of at most 512 MiB, unpacked'],
  ])('%s', async (_, more, message) => {
    await writeN5(folder, array(1), { type: 'uint8', block: BLOCK, more });
    const error = await errorOf(findVolumes(folder));
    expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringContaining(message)]);
    expect(error.message).not.toContain(root);
  });

  it.each([
    ['cut off within its header', (file: string) => truncateSync(file, 10), 'it has 10 bytes, fewer than its header'],
    ['cut off', (file: string) => truncateSync(file, 100), 'it holds 84 bytes of voxels instead of 256'],
    ['of another number of axes', (file: string) => patch(file, 3, 2), 'its header tells of 2 axes instead of 3'],
    ['of objects', (file: string) => patch(file, 1, 2), 'it holds objects, not numbers'],
    ['larger than it may be', (file: string) => patch(file, 4, 1), 'its header tells of 16777224×8×4 voxels'],
    ['smaller than its place', (file: string) => shrink(file), 'it has 7×8×4 voxels, fewer than its place'],
  ])('a block %s', async (_, damage, message) => {
    await writeN5(folder, array(1), { type: 'uint8', block: BLOCK });
    const source = await n5Format.open({ path: folder });
    damage(join(folder, '0/1/0'));
    damage(join(folder, '0/0/0'));
    const error = await errorOf(source.read(0, [0, 0, 0, 1, 1, 1]));
    expect([error.code, error.message]).toEqual(['INTERNAL', expect.stringContaining(message)]);
    expect(error.message).toMatch(/^chunk 0\/0\/0 is broken: /);
    await source.close();
  });

  it.each(['gzip', 'bzip2', 'xz', 'blosc', 'lz4', 'zstd'])('a block that is not %s', async (type) => {
    await writeN5(folder, array(1), { type: 'uint8', block: BLOCK, more: { compression: { type } } });
    const source = await n5Format.open({ path: folder });
    const error = await errorOf(source.read(0, [0, 0, 0, 1, 1, 1]));
    expect([error.code, error.message]).toEqual(['INTERNAL', expect.stringMatching(/^chunk 0\/0\/0 is broken: it /)]);
    await source.close();
  });
});

function patch(file: string, at: number, value: number): void {
  const bytes = readFileSync(file);
  bytes[at] = value;
  writeFileSync(file, bytes);
}

function shrink(file: string): void {
  const bytes = readFileSync(file);
  bytes[7] = 7;
  writeFileSync(file, bytes.subarray(0, 16 + 7 * 8 * 4));
}
