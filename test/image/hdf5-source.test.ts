import fs, { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import h5wasm, { ready } from 'h5wasm/node';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { crc32 } from '../../protocol/crc32.ts';
import { type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { hdf5Format } from '../../src/image/hdf5-source.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import { h5pyFile } from './hdf5-fixture.ts';
import {
  bytesRead,
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

const folder = temporaryFolder();
const numbers = Array.from({ length: 120 }, (_, n) => n);
let mixed = '';

beforeAll(async () => {
  await ready;
  mixed = join(folder, 'mixed.h5');
  writeFileSync(mixed, h5pyFile());
});

/** Opens a dataset of the file that h5py wrote and gives its numbers. */
async function valuesOf(dataset: string): Promise<{ dtype: string; values: number[] }> {
  const source = await hdf5Format.open({ path: mixed, dataset });
  const values = [...viewVoxels(source.info.dtype, await readWhole(source))].map(Number);
  await source.close();
  return { dtype: source.info.dtype, values };
}

/** Writes a file of 4×3×2 voxels (x, y, z) for each dataset named. */
function writeSmall(name: string, datasets: readonly string[]): string {
  const path = join(folder, name);
  const file = new h5wasm.File(path, 'w');
  for (const dataset of datasets) {
    const parts = dataset.split('/');
    for (let i = 1; i < parts.length; i++) {
      const group = parts.slice(0, i).join('/');
      if (file.get(group) === null) file.create_group(group);
    }
    file.create_dataset({ name: dataset, data: Uint8Array.from({ length: 24 }, (_, i) => i), shape: [2, 3, 4] });
  }
  file.close();
  return path;
}

describeShared('real HDF5 volumes', () => {
  const rows: readonly [string, string, Vec3, string, readonly [Vec3, number][], number, string, string][] = [
    [
      'fib25-training2/groundtruth.h5.gz',
      'stack',
      [250, 250, 250],
      'int32',
      [
        [[0, 0, 0], 0],
        [[249, 249, 249], 21273],
        [[125, 125, 125], 10255],
        [[83, 50, 35], 2397],
      ],
      157833281758,
      '87803689',
      'segmentation',
    ],
    [
      'fib25-training2/oversegmented_stack_labels.h5.gz',
      'stack',
      [250, 250, 250],
      'int32',
      [
        [[0, 0, 0], 11],
        [[249, 249, 249], 53009],
        [[83, 50, 35], 11],
      ],
      246225314616,
      'b27c693c',
      'segmentation',
    ],
    [
      'hdf5/fib25-ts2-crop-cremi.h5',
      'volumes/raw',
      [160, 160, 48],
      'uint8',
      [
        [[0, 0, 0], 89],
        [[159, 159, 47], 149],
        [[80, 80, 24], 132],
        [[53, 32, 6], 88],
      ],
      151879707,
      '979737cb',
      'image',
    ],
    [
      'hdf5/fib25-ts2-crop-cremi.h5',
      'volumes/labels/neuron_ids',
      [160, 160, 48],
      'uint64',
      [
        [[0, 0, 0], 0],
        [[159, 159, 47], 60683],
        [[80, 80, 24], 2150],
        [[53, 32, 6], 37164],
      ],
      16940552939,
      '7f640ca0',
      'segmentation',
    ],
    [
      'hdf5/gala/test-image.h5',
      'stack',
      [200, 100, 50],
      'uint8',
      [
        [[0, 0, 0], 77],
        [[199, 99, 49], 166],
        [[100, 50, 25], 173],
        [[66, 20, 7], 177],
      ],
      142056807,
      '62b00e66',
      'image',
    ],
  ];
  it.each(rows)('%s %s has the voxels that are known', async (path, dataset, shape, dtype, voxels, sum, crc, type) => {
    let file = shared(path);
    if (path.endsWith('.gz')) {
      file = join(folder, path.replaceAll('/', '-').replace('.gz', ''));
      writeFileSync(file, gunzipSync(readFileSync(shared(path))));
    }
    const source = await openSource({ path: file, dataset });
    expect(source.info).toMatchObject({ kind: 'hdf5', dtype, type });
    expect(source.info.mips).toMatchObject([{ shape, offset: [0, 0, 0] }]);
    for (const [at, value] of voxels) expect(await voxelAt(source, at)).toBe(value);
    const whole = await readWhole(source);
    expect(sumOf(source, whole)).toBe(sum);
    expect(crc32(whole).toString(16).padStart(8, '0')).toBe(crc);
    await source.close();
  });

  it('lists the volumes of a CREMI file with names of their own, and takes their voxel size and chunks', async () => {
    const path = shared('hdf5/fib25-ts2-crop-cremi.h5');
    const found = await findVolumes(path);
    expect(found.map(({ spec, name }) => [spec.dataset, name])).toEqual([
      ['volumes/labels/neuron_ids', 'fib25-ts2-crop-cremi.volumes.labels.neuron_ids'],
      ['volumes/raw', 'fib25-ts2-crop-cremi.volumes.raw'],
    ]);
    const source = await openSource({ path, dataset: '/volumes/raw/' });
    expect(source.info.voxelKnown).toBe(true);
    expect(source.info.mips).toMatchObject([{ voxel: [10, 10, 10], chunk: [64, 64, 16] }]);
    await source.close();
  });

  it.each(['test-gt', 'test-ws'])('refuses the LZF filter of %s and says what would help', async (name) => {
    const error = await errorOf(openSource({ path: shared(`hdf5/gala/${name}.lzf.h5`) }));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain('filter lzf (32000)');
    expect(error.message).toContain('h5repack');
  });
});

describe('types and filters of HDF5', () => {
  it.each([
    ['be16', 'int16', numbers.map((n) => 0 - 3 * n)],
    ['be64', 'uint64', numbers.map((n) => 2 ** 40 + n)],
    ['bef', 'float32', numbers.map((n) => n / 4)],
    ['double', 'float32', numbers.map((n) => n / 8)],
    ['bedouble', 'float32', numbers.map((n) => n / 8)],
    ['deep/er/all', 'uint32', numbers.map((n) => 1000 * n)],
  ])('%s is read as %s', async (dataset, dtype, values) => {
    expect(await valuesOf(dataset)).toEqual({ dtype, values });
  });

  it('gives zeros for chunks that were never written', async () => {
    const source = await hdf5Format.open({ path: mixed, dataset: 'deep/sparse' });
    const whole = viewVoxels('uint16', await readWhole(source));
    expect([whole[0], whole[3], whole[4], whole[511]]).toEqual([7, 7, 0, 0]);
  });

  it('reads voxel sizes in nm and in µm, which stand as z, y, x', async () => {
    const nm = await hdf5Format.open({ path: mixed, dataset: 'deep/er/all' });
    expect(nm.info.mips).toMatchObject([{ voxel: [4, 8, 40], chunk: [4, 3, 2], shape: [6, 5, 4] }]);
    const um = await hdf5Format.open({ path: mixed, dataset: 'deep/um' });
    expect(um.info.mips).toMatchObject([{ voxel: [5, 4, 30], chunk: [6, 5, 4] }]);
    const none = await hdf5Format.open({ path: mixed, dataset: 'be16' });
    expect(none.info.voxelKnown).toBe(false);
    expect(none.info.mips).toMatchObject([{ voxel: [1, 1, 1] }]);
  });

  it.each([
    ['bool', 'bool'],
    ['text', 'strings'],
    ['pair', 'compound'],
    ['half', 'floats of 16 bits'],
    ['flat', '2 dimensions [3,4]; three, [z][y][x]'],
    ['four', '4 dimensions [2,2,2,2]; three, [z][y][x]'],
    ['empty', 'no voxels'],
    ['lzf', 'filter lzf (32000)'],
  ])('refuses %s and says why', async (dataset, reason) => {
    const error = await errorOf(hdf5Format.open({ path: mixed, dataset }));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain(`"${dataset}" of "mixed.h5" has `);
    expect(error.message).toContain(reason);
  });

  it('finds the datasets that can be served and no others', async () => {
    const found = await findVolumes(mixed);
    expect(found.map(({ spec }) => spec.dataset)).toEqual(
      ['be16', 'be64', 'bedouble', 'bef', 'deep/er/all', 'deep/sparse', 'deep/um', 'double'].sort(),
    );
  });

  it('says once what else is in the file, and why it cannot be served', async () => {
    const [first, ...others] = await findVolumes(mixed);
    expect(first?.refused?.map(({ dataset }) => dataset)).toEqual(
      ['bool', 'empty', 'flat', 'four', 'half', 'lzf', 'pair', 'text'].sort(),
    );
    expect(first?.refused).toContainEqual({
      dataset: 'flat',
      fault: '2 dimensions [3,4]; three, [z][y][x], would be right',
    });
    expect(others.filter(({ refused }) => refused !== undefined)).toEqual([]);
  });
});

describe('which dataset of a file is served', () => {
  it('is main where there is one', async () => {
    const path = writeSmall('main.h5', ['alpha', 'main', 'zeta']);
    expect((await openSource({ path })).info.fingerprint).toMatch(/^hdf5:main:/);
  });

  it('is else the first at the top, and else the first anywhere', async () => {
    const top = writeSmall('top.h5', ['a/deep', 'middle']);
    expect((await openSource({ path: top })).info.fingerprint).toMatch(/^hdf5:middle:/);
    const deep = writeSmall('deep.h5', ['b/one', 'c/two']);
    expect((await openSource({ path: deep })).info.fingerprint).toMatch(/^hdf5:b\/one:/);
  });

  it('is called by the file alone where there is but one', async () => {
    const path = writeSmall('only.h5', ['x/one']);
    expect(await findVolumes(path)).toEqual([{ spec: { path, dataset: 'x/one' }, name: 'only', kind: 'hdf5' }]);
  });

  it('says which datasets there are where the name is wrong', async () => {
    const path = writeSmall('names.h5', ['one', 'two']);
    const error = await errorOf(openSource({ path, dataset: 'three' }));
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toBe('"names.h5" has no dataset "three"; its datasets: one, two');
  });

  it('is reached through a symbolic link as well', async () => {
    const path = writeSmall('target.h5', ['main']);
    mkdirSync(join(folder, 'links'));
    symlinkSync(path, join(folder, 'links', 'link.h5'));
    expect(await voxelAt(await openSource({ path: join(folder, 'links', 'link.h5') }), [3, 2, 1])).toBe(23);
  });
});

describe('reads of HDF5', () => {
  it('give any box, many at a time', async () => {
    const source = await hdf5Format.open({ path: mixed, dataset: 'deep/er/all' });
    const random = randomFrom(11);
    const whole = viewVoxels('uint32', await readWhole(source));
    await Promise.all(
      Array.from({ length: 60 }, async () => {
        const pick = (size: number): [number, number] => {
          const from = Math.floor(random() * size);
          return [from, from + 1 + Math.floor(random() * (size - from))];
        };
        const [x, y, z] = [pick(6), pick(5), pick(4)];
        const got = viewVoxels('uint32', await source.read(0, [x[0], y[0], z[0], x[1], y[1], z[1]]));
        let i = 0;
        for (let c = z[0]; c < z[1]; c++)
          for (let b = y[0]; b < y[1]; b++)
            for (let a = x[0]; a < x[1]; a++) expect(got[i++], 'seed 11').toBe(whole[(c * 5 + b) * 6 + a]);
      }),
    );
    await source.close();
    await source.close();
    expect((await errorOf(readWhole(source))).message).toContain('closed');
  });

  it('take from a file of 240 MB only the chunks that are asked for', async () => {
    const path = join(folder, 'large.h5');
    const file = new h5wasm.File(path, 'w');
    const dataset = file.create_dataset({
      name: 'main',
      data: new Uint8Array(640 * 640),
      shape: [1, 640, 640],
      maxshape: [null, 640, 640],
      chunks: [64, 64, 64],
    });
    dataset.resize([586, 640, 640]);
    for (let z = 0; z < 586; z += 64) {
      const depth = Math.min(64, 586 - z);
      const slab = new Uint8Array(depth * 640 * 640);
      for (let i = 0; i < slab.length; i++) slab[i] = (z + i) % 251;
      dataset.write_slice([[z, z + depth], [], []], slab);
    }
    file.close();
    const memory = process.memoryUsage().rss;
    const before = bytesRead();
    const source = await openSource({ path });
    for (const at of [0, 100, 250, 500])
      expect((await source.read(0, [at, at, at, at + 64, at + 64, at + 64])).length).toBe(64 ** 3);
    expect(await voxelAt(source, [0, 0, 128])).toBe(128);
    await source.close();
    const after = bytesRead();
    expect(process.memoryUsage().rss - memory).toBeLessThan(48 * 1024 * 1024);
    if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(16 * 1024 * 1024);
  }, 60_000);

  it('read a box of more than 32 MB in parts that fit together', async () => {
    const path = join(folder, 'parts.h5');
    const file = new h5wasm.File(path, 'w');
    const data = Uint32Array.from({ length: 90 * 350 * 330 }, (_, i) => i * 7);
    file.create_dataset({ name: 'main', data, shape: [90, 350, 330], chunks: [32, 100, 100] });
    file.close();
    const source = await openSource({ path });
    const whole = await readWhole(source);
    expect(crc32(whole)).toBe(crc32(new Uint8Array(data.buffer)));
  });

  it('say that data cannot be decoded rather than give garbage', async () => {
    const path = join(folder, 'rotten.h5');
    const file = new h5wasm.File(path, 'w');
    const data = randomBytes(3, 32 * 32 * 32);
    file.create_dataset({ name: 'main', data, shape: [32, 32, 32], chunks: [32, 32, 32], compression: 'gzip' });
    file.close();
    const bytes = readFileSync(path);
    bytes.fill(0xaa, bytes.length - 20_000, bytes.length - 10_000);
    writeFileSync(path, bytes);
    const source = await openSource({ path });
    for (let i = 0; i < 3; i++) {
      const error = await errorOf(readWhole(source));
      expect(error.code).toBe('INTERNAL');
      expect(error.message).toBe('dataset "main" of "rotten.h5" has data that cannot be decoded at voxel 0, 0, 0');
    }
    await source.close();
  });
});

describe('broken HDF5 files', () => {
  it('are refused where they end early, without a word on standard error', async () => {
    const written = vi.spyOn(fs, 'writeSync');
    const whole = h5pyFile();
    const path = join(folder, 'short.h5');
    for (const length of [8, 50, 100, 1000, 8000, whole.length - 500]) {
      writeFileSync(path, whole.subarray(0, length));
      const error = await errorOf(hdf5Format.find(path));
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toBe('"short.h5" is an HDF5 file that is truncated, damaged or open for writing elsewhere');
    }
    expect(written.mock.calls.filter(([descriptor]) => descriptor === 2)).toEqual([]);
    written.mockRestore();
  });

  it('are none where the signature is missing', async () => {
    const path = join(folder, 'noise.h5');
    for (const bytes of [new Uint8Array(0), randomBytes(5, 5000)]) {
      writeFileSync(path, bytes);
      expect(await hdf5Format.find(path)).toBeUndefined();
      expect((await errorOf(hdf5Format.open({ path }))).code).toBe('UNSUPPORTED');
    }
  });

  it('that end the library itself do not end the reading of others', async () => {
    const path = join(folder, 'trap.h5');
    const healthy = await hdf5Format.open({ path: mixed, dataset: 'deep/er/all' });
    const whole = await readWhole(healthy);
    // Bits of bedouble's type that stand beyond the number: converting it writes anywhere.
    const bytes = Uint8Array.from(h5pyFile());
    for (const [at, value] of [
      [83, 38],
      [4953, 189],
      [5794, 236],
    ] as const)
      bytes[at] = value;
    writeFileSync(path, bytes);
    const source = await hdf5Format.open({ path, dataset: 'bedouble' });
    for (let i = 0; i < 3; i++) {
      const error = await errorOf(readWhole(source));
      expect(error.code).toBe('INTERNAL');
      if (i === 0) expect(error.cause).toMatchObject({ cause: expect.any(WebAssembly.RuntimeError) });
    }
    await source.close();
    await errorOf(hdf5Format.open({ path, dataset: 'gone' }));
    for (let i = 0; i < 3; i++) {
      expect(await readWhole(healthy)).toEqual(whole);
      expect((await valuesOf('be64')).values[1]).toBe(2 ** 40 + 1);
    }
    await healthy.close();
  });

  it('never do worse than an error, whatever bytes are wrong', async () => {
    const seed = 20;
    const random = randomFrom(seed);
    const whole = h5pyFile();
    const path = join(folder, 'mutated.h5');
    for (let round = 0; round < 80; round++) {
      const bytes = Uint8Array.from(whole);
      for (let i = 0; i < 12; i++) bytes[8 + Math.floor(random() * (bytes.length - 8))] = Math.floor(random() * 256);
      writeFileSync(path, bytes);
      try {
        for (const { spec } of (await hdf5Format.find(path)) ?? []) {
          const source = await hdf5Format.open(spec);
          const { shape } = source.info.mips[0] ?? { shape: [0, 0, 0] };
          if (shape[0] * shape[1] * shape[2] < 1e6) await readWhole(source).catch(() => {});
          await source.close();
        }
      } catch (error) {
        expect(error, `seed ${seed}, round ${round}`).toMatchObject({ name: 'BflyError' });
      }
    }
  });
});
