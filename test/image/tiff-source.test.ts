import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { fromFile } from 'geotiff';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../protocol/crc32.ts';
import { type DType, type Vec3, viewVoxels } from '../../protocol/volume.ts';
import { tiffFormat } from '../../src/image/tiff-source.ts';
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
import { type FixtureLayout, type FixturePage, tiffBytes } from './tiff-fixture.ts';

const folder = temporaryFolder();
let files = 0;

function write(bytes: Uint8Array, name = `${files++}.tif`): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Pages of 5×4 voxels with random bytes, in strips of some rows. */
function randomPages(
  count: number,
  bits: number,
  rowsPerStrip: number,
  more: Partial<FixturePage> = {},
): FixturePage[] {
  return Array.from({ length: count }, (_, page) => {
    const rowBytes = (5 * bits) / 8;
    const bytes = randomBytes(page + 1, 4 * rowBytes);
    const strips = [0, 1, 2, 3]
      .filter((row) => row % rowsPerStrip === 0)
      .map((row) => bytes.subarray(row * rowBytes, Math.min(4, row + rowsPerStrip) * rowBytes));
    return { width: 5, height: 4, bits, strips, rowsPerStrip, ...more };
  });
}

function joined(pages: readonly FixturePage[]): Uint8Array {
  return Buffer.concat(pages.flatMap(({ strips }) => strips));
}

describeShared('real TIFF volumes', () => {
  const rows: readonly [string, Vec3, DType, readonly [Vec3, number][], number, string, string][] = [
    [
      'fib25-derived/fib25-ts2-bodies-z000-039.deflate.tif',
      [250, 250, 40],
      'uint32',
      [
        [[0, 0, 0], 0],
        [[249, 249, 39], 114488],
        [[125, 125, 20], 2150],
        [[83, 50, 5], 37164],
      ],
      51444733086,
      '146a81b3',
      'segmentation',
    ],
    [
      'fib25-derived/fib25-ts2-z000-039.tif',
      [250, 250, 40],
      'uint8',
      [
        [[0, 0, 0], 89],
        [[249, 249, 39], 101],
        [[125, 125, 20], 128],
        [[83, 50, 5], 75],
      ],
      315677774,
      '4c6faa93',
      'image',
    ],
    [
      'gala-snemi-mini/train-fragments.tif',
      [160, 160, 32],
      'uint16',
      [
        [[0, 0, 0], 1],
        [[159, 159, 31], 1385],
        [[80, 80, 16], 682],
        [[53, 32, 4], 177],
      ],
      542878671,
      '0a5cb873',
      'image',
    ],
    [
      'gala-snemi-mini/train-labels.tif',
      [160, 160, 32],
      'uint8',
      [
        [[0, 0, 0], 23],
        [[159, 159, 31], 8],
        [[80, 80, 16], 6],
        [[53, 32, 4], 19],
      ],
      11470529,
      '2cd05375',
      'image',
    ],
  ];
  it.each(rows)('%s has the voxels that are known', async (path, shape, dtype, voxels, sum, crc, type) => {
    const source = await tiffFormat.open({ path: shared(`tiff/${path}`) });
    expect(source.info).toMatchObject({ kind: 'tiff', dtype, type, voxelKnown: false });
    expect(source.info.mips).toEqual([{ shape, chunk: [shape[0], shape[1], 1], voxel: [1, 1, 1], offset: [0, 0, 0] }]);
    for (const [at, value] of voxels) expect(await voxelAt(source, at)).toBe(value);
    const whole = await readWhole(source);
    expect(sumOf(source, whole)).toBe(sum);
    expect(crc32(whole).toString(16).padStart(8, '0')).toBe(crc);
    await source.close();
    await source.close();
  });

  it('the volumes are called by their files', async () => {
    const path = shared('tiff/fib25-derived/fib25-ts2-bodies-z000-039.deflate.tif');
    expect(await tiffFormat.find(path)).toEqual([{ spec: { path }, name: 'fib25-ts2-bodies-z000-039', kind: 'tiff' }]);
  });

  it('a window agrees with what geotiff reads', async () => {
    const path = shared('tiff/fib25-derived/fib25-ts2-bodies-z000-039.deflate.tif');
    const source = await tiffFormat.open({ path });
    const other = await fromFile(path);
    for (const z of [0, 17, 39]) {
      const image = await other.getImage(z);
      const expected = await image.readRasters({ window: [31, 77, 129, 201], interleave: true });
      const got = viewVoxels('uint32', await source.read(0, [31, 77, z, 129, 201, z + 1]));
      expect([...got].map(Number)).toEqual(Array.from(expected as Iterable<number>));
    }
    await other.close();
    await source.close();
  });
});

describe('layouts of TIFF', () => {
  const layouts: FixtureLayout[] = [true, false].flatMap((littleEndian) =>
    [true, false].flatMap((big) => [0, 3].map((gap) => ({ littleEndian, big, gap }))),
  );
  const types: [number, number, DType][] = [
    [8, 1, 'uint8'],
    [8, 2, 'int8'],
    [16, 1, 'uint16'],
    [16, 2, 'int16'],
    [32, 1, 'uint32'],
    [32, 2, 'int32'],
    [32, 3, 'float32'],
    [64, 1, 'uint64'],
    [64, 2, 'int64'],
  ];
  it.each(layouts)(
    'littleEndian $littleEndian, BigTIFF $big, gap $gap: every type, strips of any height',
    async (layout) => {
      for (const [bits, format, dtype] of types)
        for (const rowsPerStrip of [1, 3, 4]) {
          const pages = randomPages(3, bits, rowsPerStrip, { format });
          const source = await tiffFormat.open({ path: write(tiffBytes(pages, layout)) });
          expect(source.info.dtype).toBe(dtype);
          const expected = Buffer.from(joined(pages));
          if (layout.littleEndian === false && bits > 8)
            for (let at = 0; at < expected.length; at += bits / 8) expected.subarray(at, at + bits / 8).reverse();
          expect(Buffer.from(await readWhole(source)).equals(expected)).toBe(true);
          const voxel = await source.read(0, [3, 2, 1, 4, 3, 2]);
          const at = ((1 * 4 + 2) * 5 + 3) * (bits / 8);
          expect(Buffer.from(voxel).equals(expected.subarray(at, at + bits / 8))).toBe(true);
          await source.close();
        }
    },
  );

  it('deflate in strips', async () => {
    const plain = randomPages(3, 16, 3);
    const pages = plain.map((page) => ({
      ...page,
      compression: 8,
      strips: page.strips.map((strip) => deflateSync(strip)),
    }));
    const source = await tiffFormat.open({ path: write(tiffBytes(pages)) });
    expect(Buffer.from(await readWhole(source)).equals(joined(plain))).toBe(true);
    await source.close();
  });

  const coded = (['lzw', 'packbits', 'deflate', 'none'] as const).flatMap((compression) =>
    (['none', 'horizontal'] as const).flatMap((predictor) =>
      [false, true].flatMap((tile) => [8, 16].map((bits) => ({ compression, predictor, tile, bits }))),
    ),
  );
  it.each(coded)(
    '$compression with predictor $predictor, tiles $tile, $bits bits, as libtiff writes it',
    async (form) => {
      const random = randomFrom(7);
      const size = 90 * 70;
      // Long runs and noise by turns: codes of every width, full tables and resets.
      const value = (i: number): number => (i % 900 < 300 ? 5 : Math.floor(random() * (form.bits === 8 ? 256 : 65536)));
      const pixels =
        form.bits === 8
          ? Uint8Array.from({ length: size }, (_, i) => value(i))
          : Uint16Array.from({ length: size }, (_, i) => value(i));
      const { compression, predictor, tile } = form;
      const bytes = await sharp(pixels, { raw: { width: 90, height: 70, channels: 1 } })
        .toColourspace(form.bits === 8 ? 'b-w' : 'grey16')
        .tiff({ compression, predictor, tile, tileWidth: 32, tileHeight: 48 })
        .toBuffer();
      const source = await tiffFormat.open({ path: write(bytes) });
      expect(source.info.mips).toMatchObject([{ shape: [90, 70, 1] }]);
      expect(crc32(await readWhole(source))).toBe(crc32(new Uint8Array(pixels.buffer)));
      const corner = viewVoxels(source.info.dtype, await source.read(0, [60, 40, 0, 71, 53, 1]));
      for (let y = 40, i = 0; y < 53; y++) for (let x = 60; x < 71; x++) expect(corner[i++]).toBe(pixels[y * 90 + x]);
      await source.close();
    },
  );

  it('smaller copies of pages do not count as pages', async () => {
    const [page, other] = randomPages(2, 8, 4);
    if (page === undefined || other === undefined) throw new Error('no pages');
    const thumbnail = { width: 2, height: 1, bits: 8, strips: [Uint8Array.of(1, 2)], subfile: 1 };
    const source = await tiffFormat.open({ path: write(tiffBytes([page, thumbnail, other])) });
    expect(source.info.mips).toMatchObject([{ shape: [5, 4, 2] }]);
    expect(Buffer.from(await readWhole(source)).equals(joined([page, other]))).toBe(true);
    await source.close();
  });

  it('strips that were never written are zeros', async () => {
    const [page] = randomPages(1, 8, 2);
    if (page === undefined) throw new Error('no page');
    const path = write(
      tiffBytes([
        { ...page, compression: 8, strips: [deflateSync(page.strips[0] ?? new Uint8Array()), new Uint8Array(0)] },
      ]),
    );
    const source = await tiffFormat.open({ path });
    const whole = Buffer.from(await readWhole(source));
    expect(whole.subarray(0, 10).equals(page.strips[0] ?? new Uint8Array())).toBe(true);
    expect(whole.subarray(10)).toEqual(Buffer.alloc(10));
    await source.close();
  });
});

describe('ImageJ stacks', () => {
  const description = (images: number, more = ''): string =>
    `ImageJ=1.53t\nimages=${images}\nslices=${images}\n${more}loop=false\n`;

  it.each([true, false])('with one directory are read by offset, littleEndian %s', async (littleEndian) => {
    const voxels = randomBytes(9, 6 * 40);
    const first: FixturePage = {
      width: 5,
      height: 4,
      bits: 16,
      strips: [voxels.subarray(0, 40)],
      description: description(6),
    };
    // The strips of the pages follow the first; the directory stands behind them all.
    const whole = tiffBytes([{ ...first, strips: [voxels] }], { littleEndian });
    const source = await tiffFormat.open({ path: write(whole) });
    expect(source.info.mips).toMatchObject([{ shape: [5, 4, 6] }]);
    const expected = Buffer.from(voxels);
    if (!littleEndian) expected.swap16();
    expect(Buffer.from(await readWhole(source)).equals(expected)).toBe(true);
    const row = await source.read(0, [1, 3, 4, 3, 4, 5]);
    expect(Buffer.from(row).equals(expected.subarray((4 * 20 + 3 * 5 + 1) * 2, (4 * 20 + 3 * 5 + 3) * 2))).toBe(true);
    await source.close();
  });

  it('that end early are refused', async () => {
    const page: FixturePage = {
      width: 5,
      height: 4,
      bits: 16,
      strips: [new Uint8Array(40)],
      description: description(60),
    };
    const error = await errorOf(tiffFormat.find(write(tiffBytes([page]), 'early.tif')));
    expect(error.message).toContain('ImageJ says that it has 60 images, of 40 bytes each, but it has one directory');
  });

  it('of channels and slices are refused, of channels alone are not', async () => {
    const pages = randomPages(6, 8, 4);
    const both = [
      { ...pages[0], description: 'ImageJ=1\nimages=6\nchannels=2\nslices=3\n' },
      ...pages.slice(1),
    ] as FixturePage[];
    const error = await errorOf(tiffFormat.find(write(tiffBytes(both))));
    expect(error.message).toContain('2 channels, 3 slices and 1 frames');
    const one = [{ ...pages[0], description: 'ImageJ=1\nimages=6\nchannels=6\n' }, ...pages.slice(1)] as FixturePage[];
    const source = await tiffFormat.open({ path: write(tiffBytes(one)) });
    expect(source.info.mips).toMatchObject([{ shape: [5, 4, 6] }]);
    await source.close();
  });
});

describe('TIFF files of many pages', () => {
  it('are read page by page, each without the others', async () => {
    const page = (n: number): FixturePage => ({
      width: 64,
      height: 64,
      bits: 8,
      strips: [new Uint8Array(64 * 64).fill(n % 251)],
    });
    const path = join(folder, 'many.tif');
    const file = openSync(path, 'w');
    writeSync(file, tiffBytes(Array.from({ length: 10_000 }, (_, n) => page(n))));
    closeSync(file);
    const opening = bytesRead();
    const source = await tiffFormat.open({ path });
    const before = bytesRead();
    expect(source.info.mips).toMatchObject([{ shape: [64, 64, 10_000] }]);
    for (const z of [0, 9_999, 5_000, 250, 251, 4_321]) expect(await voxelAt(source, [10, 20, z])).toBe(z % 251);
    const after = bytesRead();
    if (opening !== undefined && before !== undefined && after !== undefined) {
      // Opening sees the directories and no voxels; a voxel costs its page's directory and row.
      expect(before - opening).toBeLessThan(10_000 * 1_500);
      expect(after - before).toBeLessThan(6 * 8_192);
    }
    await source.close();
  });

  it('of which a box takes only the strips it needs', async () => {
    const strips = Array.from({ length: 64 }, (_, i) => deflateSync(randomBytes(i, 16 * 1024)));
    const path = write(tiffBytes([{ width: 1024, height: 1024, bits: 8, strips, rowsPerStrip: 16, compression: 8 }]));
    const source = await tiffFormat.open({ path });
    const before = bytesRead();
    const box = await source.read(0, [0, 160, 0, 64, 176, 1]);
    const after = bytesRead();
    expect(Buffer.from(box.subarray(0, 64)).equals(randomBytes(10, 64))).toBe(true);
    if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(40 * 1024);
    await source.close();
  });
});

describe('TIFF files that are refused', () => {
  const [page] = randomPages(1, 8, 4) as [FixturePage];
  it.each<[string, FixturePage[], string]>([
    ['colour', [{ ...page, samples: 3, photometric: 2 }], '3 samples a pixel (colour'],
    ['other sizes', [page, { ...page, width: 4 }], 'page 1 is 4×4 uint8; 5×4 uint8, as page 0, would be right'],
    ['other types', [page, { ...page, bits: 16 }], 'page 1 is 5×4 uint16'],
    ['bits', [{ ...page, bits: 1 }], '1-bit unsigned'],
    ['doubles', [{ ...page, bits: 64, format: 3 }], '64-bit float'],
    ['complex numbers', [{ ...page, bits: 32, format: 6 }], 'sample format 6'],
    ['JPEG inside', [{ ...page, compression: 7 }], 'compression 7'],
  ])('%s', async (name, pages, reason) => {
    const error = await errorOf(tiffFormat.find(write(tiffBytes(pages), `${name}.tif`)));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain(`"${name}.tif" cannot be served: `);
    expect(error.message).toContain(reason);
  });

  it('circles of pages', async () => {
    const error = await errorOf(tiffFormat.find(write(tiffBytes([page, page], { circle: true }))));
    expect(error.message).toContain('circle');
  });

  it('files that end early', async () => {
    const whole = tiffBytes(randomPages(5, 8, 4));
    for (const length of [4, 7, 8, 100, whole.length - 30]) {
      const error = await errorOf(tiffFormat.find(write(whole.subarray(0, length))));
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toContain('truncated or damaged');
    }
  });

  it('other files are none of its kind', async () => {
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0x49), randomBytes(4, 3000), Buffer.from('II but text')]) {
      expect(await tiffFormat.find(write(bytes))).toBeUndefined();
      expect((await errorOf(tiffFormat.open({ path: write(bytes) }))).code).toBe('UNSUPPORTED');
    }
    expect(await tiffFormat.find(folder)).toBeUndefined();
  });
});

describe('damaged voxels of TIFF', () => {
  it('end a read with an error that names the page, and no other page', async () => {
    const plain = randomPages(3, 8, 4);
    const pages = plain.map((page, i) => {
      const strip = deflateSync(page.strips[0] ?? new Uint8Array());
      return { ...page, compression: 8, strips: [i === 1 ? strip.fill(9) : strip] };
    });
    const source = await tiffFormat.open({ path: write(tiffBytes(pages), 'rotten.tif') });
    const error = await errorOf(readWhole(source));
    expect(error.code).toBe('INTERNAL');
    expect(error.message).toMatch(/^page 1 of "rotten.tif" is damaged: /);
    expect(Buffer.from(await source.read(0, [0, 0, 2, 5, 4, 3])).equals(joined(plain.slice(2)))).toBe(true);
    await source.close();
  });

  it.each([5, 32773, 8])('of compression %i never hang or crash', async (compression) => {
    const seed = 77;
    for (let round = 0; round < 40; round++) {
      const strips = [randomBytes(seed + round, 20_000)];
      const path = write(tiffBytes([{ width: 300, height: 300, bits: 8, strips, compression }]), 'noise.tif');
      const source = await tiffFormat.open({ path });
      await readWhole(source).catch((error: unknown) =>
        expect(error, `seed ${seed}, round ${round}`).toMatchObject({ code: 'INTERNAL' }),
      );
      await source.close();
    }
  });

  it('and directories never do worse than an error, whatever bytes are wrong', async () => {
    const seed = 31;
    const random = randomFrom(seed);
    const whole = tiffBytes(randomPages(4, 16, 2, { description: 'ImageJ=1\nimages=4\n' }));
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from(whole);
      for (let i = 0; i < 6; i++) bytes[4 + Math.floor(random() * (bytes.length - 4))] = Math.floor(random() * 256);
      const path = write(bytes, 'mutated.tif');
      try {
        const source = await tiffFormat.open({ path });
        const { shape } = source.info.mips[0] ?? { shape: [0, 0, 0] };
        if (shape[0] * shape[1] * shape[2] < 1e6) await readWhole(source).catch(() => {});
        await source.close();
      } catch (error) {
        expect(error, `seed ${seed}, round ${round}`).toMatchObject({ name: 'BflyError' });
      }
    }
  });
});

describe('reads of TIFF', () => {
  it('may run at the same time', async () => {
    const pages = randomPages(20, 16, 2);
    const path = write(
      tiffBytes(pages.map((page) => ({ ...page, compression: 8, strips: page.strips.map((s) => deflateSync(s)) }))),
    );
    const source = await tiffFormat.open({ path });
    const whole = joined(pages);
    const reads = await Promise.all(Array.from({ length: 50 }, () => readWhole(source)));
    for (const read of reads) expect(Buffer.from(read).equals(whole)).toBe(true);
    await source.close();
    expect((await errorOf(readWhole(source))).code).toBe('INTERNAL');
  });

  it('tell by the fingerprint that the file has changed', async () => {
    const bytes = tiffBytes(randomPages(2, 8, 4));
    const path = write(bytes);
    const first = await tiffFormat.open({ path });
    const again = await tiffFormat.open({ path });
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)]));
    const changed = await tiffFormat.open({ path });
    expect(again.info.fingerprint).toBe(first.info.fingerprint);
    expect(changed.info.fingerprint).not.toBe(first.info.fingerprint);
    await Promise.all([first.close(), again.close(), changed.close()]);
  });
});
