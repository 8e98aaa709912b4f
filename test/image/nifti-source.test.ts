import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BYTES_PER_VOXEL, type DType, volumeOf } from '../../protocol/volume.ts';
import { niftiFormat } from '../../src/image/nifti-source.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import { uniqueIds } from '../../src/image/unique.ts';
import { sourceContract } from '../contract/source-contract.ts';
import {
  describeShared,
  errorOf,
  randomBytes,
  readWhole,
  shared,
  sumOf,
  temporaryFolder,
  voxelAt,
} from './source-fixtures.ts';
import { bigEndian } from './zarr-fixture.ts';

const folder = temporaryFolder();
let files = 0;

/** Fields of a header. */
interface Header {
  readonly dims?: readonly number[];
  readonly datatype?: number;
  readonly sizes?: readonly number[];
  readonly units?: number;
  readonly slope?: number;
  readonly intercept?: number;
  readonly intent?: number;
  readonly start?: number;
  readonly magic?: string;
}

const SHAPE = [21, 13, 10] as const;
const CODES: readonly (readonly [DType, number])[] = [
  ['uint8', 2],
  ['int16', 4],
  ['int32', 8],
  ['float32', 16],
  ['int8', 256],
  ['uint16', 512],
  ['uint32', 768],
  ['int64', 1024],
  ['uint64', 1280],
];

/** A header of the first version, as nifti1.h has it. */
function header1(fields: Header, isLittle = true): Uint8Array {
  const { dims = SHAPE, datatype = 2, sizes = [1, 1, 1], units = 2, slope = 0, intercept = 0 } = fields;
  const { intent = 0, start = 352, magic = 'n+1\0' } = fields;
  const bytes = new Uint8Array(352);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 348, isLittle);
  for (const [i, size] of [dims.length, ...dims].entries()) view.setInt16(40 + 2 * i, size, isLittle);
  view.setInt16(68, intent, isLittle);
  view.setInt16(70, datatype, isLittle);
  for (const [i, size] of [1, ...sizes].entries()) view.setFloat32(76 + 4 * i, size, isLittle);
  view.setFloat32(108, start, isLittle);
  view.setFloat32(112, slope, isLittle);
  view.setFloat32(116, intercept, isLittle);
  view.setUint8(123, units);
  bytes.set(Buffer.from(magic, 'latin1'), 344);
  return bytes;
}

/** A header of the second version, as nifti2.h has it. */
function header2({ dims = SHAPE, datatype = 2, sizes = [1, 1, 1], units = 2, intent = 0 }: Header): Uint8Array {
  const bytes = new Uint8Array(544);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 540, true);
  bytes.set(Buffer.from('n+2\0\r\n\x1a\n', 'latin1'), 4);
  view.setInt16(12, datatype, true);
  for (const [i, size] of [dims.length, ...dims].entries()) view.setBigInt64(16 + 8 * i, BigInt(size), true);
  for (const [i, size] of [1, ...sizes].entries()) view.setFloat64(104 + 8 * i, size, true);
  view.setBigInt64(168, 544n, true);
  view.setInt32(500, units, true);
  view.setInt32(504, intent, true);
  return bytes;
}

function write(header: Uint8Array, voxels: Uint8Array, ending = '.nii'): string {
  const path = join(folder, `file-${files++}${ending}`);
  const bytes = Buffer.concat([header, voxels]);
  writeFileSync(path, ending.endsWith('.gz') ? gzipSync(bytes) : bytes);
  return path;
}

const noise = (size = 1): Uint8Array => randomBytes(1, volumeOf(SHAPE) * size);

for (const ending of ['.nii', '.nii.gz'])
  sourceContract(`a NIfTI file ${ending}`, async () => {
    const voxels = noise(2);
    const path = write(header1({ datatype: 512 }), voxels, ending);
    return {
      levels: [voxels],
      open: () => niftiFormat.open({ path }),
      change: async () => utimesSync(path, 1_000, 1_000),
    };
  });

describeShared('the real NIfTI files', () => {
  it('ch2 is a picture of 181×217×181 at 1 mm', async () => {
    const source = await niftiFormat.open({ path: shared('nifti/ch2.nii.gz') });
    expect(source.info).toMatchObject({ kind: 'nifti', type: 'image', dtype: 'uint8', voxelKnown: true });
    expect(source.info.mips).toEqual([
      { shape: [181, 217, 181], chunk: [64, 64, 64], voxel: [1e6, 1e6, 1e6], offset: [0, 0, 0] },
    ]);
    expect(sumOf(source, await readWhole(source))).toBe(317_151_210);
    await source.close();
  });

  it('aal is an atlas of 116 regions and nothing, by its intent; the regions are those of its table of names', async () => {
    const source = await niftiFormat.open({ path: shared('nifti/aal.nii.gz') });
    expect(source.info).toMatchObject({ type: 'segmentation', dtype: 'uint8' });
    const ids = new Set<bigint>();
    uniqueIds(await readWhole(source), 'uint8', ids);
    expect(ids.size).toBe(117);
    const table = readFileSync(shared('nifti/aal.nii.txt'), 'utf8').trim().split('\n');
    const named = table.map((line) => BigInt(line.split(' ')[0] ?? ''));
    expect([...ids].filter((id) => id !== 0n).sort((a, b) => Number(a - b))).toEqual(named);
    // Left precentral gyrus, in the space of MNI: x = -40, y = -6, z = 51 from the origin at voxel (90, 125, 71).
    expect(await voxelAt(source, [90 - 40, 125 - 6, 71 + 51])).toBe(1);
    await source.close();
  });
});

describe('files', () => {
  it.each(CODES)('of %s, in both byte orders', async (dtype, datatype) => {
    const voxels = noise(BYTES_PER_VOXEL[dtype]);
    for (const isLittle of [true, false]) {
      const stored = isLittle ? voxels : bigEndian(voxels, BYTES_PER_VOXEL[dtype]);
      const source = await niftiFormat.open({ path: write(header1({ datatype }, isLittle), stored) });
      expect(source.info.dtype).toBe(dtype);
      expect(Buffer.compare(await readWhole(source), voxels)).toBe(0);
      await source.close();
    }
  });

  it('of the second version, and of float64, which is read as float32', async () => {
    const voxels = noise(2);
    const source = await niftiFormat.open({ path: write(header2({ datatype: 512, sizes: [0.7, 0.7, 1.2] }), voxels) });
    expect(source.info.mips[0]?.voxel).toEqual([700_000, 700_000, 1_200_000]);
    expect(Buffer.compare(await readWhole(source), voxels)).toBe(0);
    await source.close();
    const doubles = Float64Array.from({ length: volumeOf(SHAPE) }, (_, i) => i / 7);
    const fractions = await niftiFormat.open({
      path: write(header1({ datatype: 64 }), new Uint8Array(doubles.buffer)),
    });
    expect(fractions.info.dtype).toBe('float32');
    expect([...new Float32Array((await readWhole(fractions)).slice().buffer)]).toEqual([...Float32Array.from(doubles)]);
    await fractions.close();
  });

  it('are known by their beginning, whatever they are called, and may have a gap before the voxels', async () => {
    const voxels = noise();
    const gap = new Uint8Array(1000);
    const path = write(header1({ start: 1352 }), Buffer.concat([gap, voxels]), '.dat');
    const [found] = await findVolumes(path);
    expect(found?.kind).toBe('nifti');
    const source = await openSource({ path });
    expect(Buffer.compare(await readWhole(source), voxels)).toBe(0);
    await source.close();
  });

  it('tell sizes in metres, millimetres, micrometres, or millimetres where they tell none', async () => {
    for (const [units, factor] of [
      [1, 1e9],
      [2, 1e6],
      [3, 1e3],
      [0, 1e6],
      [2 | 8, 1e6],
    ] as const) {
      const source = await niftiFormat.open({ path: write(header1({ units, sizes: [0.1, -0.2, 0.3] }), noise()) });
      const voxel = [0.1, 0.2, 0.3].map((size) => Number((size * factor).toPrecision(7)));
      expect(source.info).toMatchObject({ voxelKnown: true, mips: [{ voxel }] });
      await source.close();
    }
    const without = await niftiFormat.open({ path: write(header1({ sizes: [0, 0, 0] }), noise()) });
    expect(without.info).toMatchObject({ voxelKnown: false, mips: [{ voxel: [1, 1, 1] }] });
    await without.close();
  });

  it('whose values are scaled are float32 of what they mean; a scale of 0, or of 1, is none', async () => {
    const stored = Int16Array.from({ length: volumeOf(SHAPE) }, (_, i) => i - 1000);
    const voxels = new Uint8Array(stored.buffer);
    const scaled = await niftiFormat.open({ path: write(header1({ datatype: 4, slope: 0.5, intercept: 10 }), voxels) });
    expect(scaled.info).toMatchObject({ dtype: 'float32', type: 'image' });
    const values = new Float32Array((await readWhole(scaled)).slice().buffer);
    expect([values[0], values[1000], values[2000]]).toEqual([-490, 10, 510]);
    await scaled.close();
    for (const fields of [{ slope: 0, intercept: 7 }, { slope: 1 }, { slope: Number.NaN }]) {
      const plain = await niftiFormat.open({ path: write(header1({ datatype: 4, ...fields }), voxels) });
      expect(plain.info.dtype).toBe('int16');
      await plain.close();
    }
  });

  it('are labels by their intent, by a table of names beside them, or by their type', async () => {
    const typeOf = async (path: string): Promise<string> => {
      const source = await niftiFormat.open({ path });
      await source.close();
      return source.info.type;
    };
    expect(await typeOf(write(header1({}), noise()))).toBe('image');
    expect(await typeOf(write(header1({ intent: 1002 }), noise()))).toBe('segmentation');
    expect(await typeOf(write(header1({ datatype: 8 }), noise(4)))).toBe('segmentation');
    expect(await typeOf(write(header1({ datatype: 16, intent: 1002 }), noise(4)))).toBe('image');
    const path = write(header1({}), noise(), '.nii.gz');
    writeFileSync(path.replace(/\.gz$/, '.txt'), '1 cortex\n');
    expect(await typeOf(path)).toBe('segmentation');
  });

  it('of several times are a volume each, named by t=1; of a great many the first is listed', async () => {
    const voxels = randomBytes(2, volumeOf(SHAPE) * 3);
    for (const ending of ['.nii', '.nii.gz']) {
      const path = write(header1({ dims: [...SHAPE, 3] }), voxels, ending);
      const found = await findVolumes(path);
      expect(found.map(({ spec }) => spec.dataset)).toEqual(['t=0', 't=1', 't=2']);
      for (const [t, { spec }] of found.entries()) {
        const source = await openSource(spec);
        const bytes = voxels.subarray(t * volumeOf(SHAPE), (t + 1) * volumeOf(SHAPE));
        expect(Buffer.compare(await readWhole(source), bytes)).toBe(0);
        await source.close();
      }
      const error = await errorOf(openSource({ path }));
      expect(error.message).toContain('has 3 volumes along its axis "t": name one, t=0 to t=2');
      expect((await errorOf(openSource({ path, dataset: 't=3' }))).code).toBe('NOT_FOUND');
      expect((await errorOf(openSource({ path, dataset: 'volumes/raw' }))).code).toBe('NOT_FOUND');
    }
    const many = write(header1({ dims: [1, 1, 1, 500] }), randomBytes(2, 500));
    expect((await findVolumes(many)).map(({ spec }) => spec.dataset)).toEqual(['t=0']);
    const last = await openSource({ path: many, dataset: 't=499' });
    expect(await readWhole(last)).toEqual(randomBytes(2, 500).subarray(499));
    await last.close();
  });

  it('of two axes are one plane', async () => {
    const path = write(header1({ dims: [4, 3] }), randomBytes(1, 12));
    const source = await niftiFormat.open({ path });
    expect(source.info.mips[0]?.shape).toEqual([4, 3, 1]);
    expect(await readWhole(source)).toEqual(randomBytes(1, 12));
    await source.close();
  });
});

describe('broken files say what is wrong and what would be right', () => {
  it.each([
    ['of colours', { datatype: 128 }, 'holds colours; integers of 8 to 64 bits, or numbers'],
    ['of complex numbers', { datatype: 32 }, 'holds complex numbers; integers of 8 to 64 bits'],
    ['without a size', { dims: [3, 0, 4] }, 'has 3 axes of 3×0×4'],
    ['whose voxels begin in their header', { start: 100 }, 'has voxels from byte 100 on; a place behind its header'],
    [
      'that are the header of a pair',
      { magic: 'ni1\0' },
      'is the header of a pair, whose voxels are in an .img; both in one',
    ],
  ])('files %s', async (_, fields, message) => {
    const path = write(header1(fields), noise());
    for (const attempt of [() => findVolumes(path), () => niftiFormat.open({ path })]) {
      const error = await errorOf(attempt());
      expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringContaining(message)]);
      expect(error.message).not.toContain(folder);
    }
  });

  it('a file that is cut off is refused when it is opened, a packed one when it is read', async () => {
    const plain = write(header1({}), noise());
    truncateSync(plain, 1000);
    const refused = await errorOf(niftiFormat.open({ path: plain }));
    expect([refused.code, refused.message]).toEqual([
      'UNSUPPORTED',
      expect.stringMatching(/is cut off: it has 1000 bytes, 3082 would be right$/),
    ]);
    const packed = write(header1({}), noise(), '.nii.gz');
    truncateSync(packed, 2000);
    const source = await niftiFormat.open({ path: packed });
    const broken = await errorOf(source.read(0, [0, 0, 0, 1, 1, 1]));
    expect([broken.code, broken.message]).toEqual(['INTERNAL', 'the file is broken: it is no whole gzip']);
    await source.close();
    const short = write(header1({}), noise().subarray(0, 100), '.nii.gz');
    const second = await niftiFormat.open({ path: short });
    expect((await errorOf(second.read(0, [0, 0, 0, 1, 1, 1]))).message).toBe(
      'the file is broken: it unpacks to 452 bytes, 3082 would be right',
    );
    await second.close();
  });

  it('a packed file that would take too much memory says how to serve it', async () => {
    const path = write(header1({ dims: [4096, 4096, 4096] }), new Uint8Array(10), '.nii.gz');
    const { code, message } = await errorOf(niftiFormat.open({ path }));
    expect(code).toBe('UNSUPPORTED');
    expect(message).toMatch(
      /would take 65536 MiB of memory, unpacked; gunzipped to a \.nii it is read piece by piece$/,
    );
  });

  it('what is no NIfTI is not taken', async () => {
    for (const [name, bytes] of [
      ['empty.nii', new Uint8Array(0)],
      ['noise.nii', randomBytes(3, 400)],
      ['noise.nii.gz', gzipSync(randomBytes(3, 400))],
    ] as const) {
      writeFileSync(join(folder, name), bytes);
      expect(await niftiFormat.find(join(folder, name))).toBeUndefined();
    }
    const path = join(folder, 'noise.nii');
    expect((await errorOf(niftiFormat.open({ path }))).message).toBe('"noise.nii" is not a NIfTI file');
  });
});
