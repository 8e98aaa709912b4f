import fc from 'fast-check';
import { fromArrayBuffer } from 'geotiff';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { BYTES_PER_VOXEL, DTYPES, type DType, type Vec3, volumeOf } from '../../protocol/volume.ts';
import { renderVoxels } from '../../src/image/render.ts';
import { FORMATS, VIEWS } from '../../src/image/render-format.ts';
import type { RenderRequest } from '../../src/image/tile-maker.ts';
import { npyHeader } from '../../src/utility/npy.ts';
import { IM, naiveBox, SEG, SEG64, valuesOf, voxelsOf } from '../support/array-core.ts';
import { readBmp, readNpy, readPicture, readTiff, unzip } from '../support/read-pictures.ts';
import { seededRandom, testRuns, testSeed } from '../support/seed.ts';

type Partly = Partial<RenderRequest>;

const im = (x: number, y: number, z: number, nx: number, ny: number, nz = 1): RenderRequest => ({
  raw: naiveBox(IM.data, [0, 0, 0, 8, 6, 4], [x, y, z, x + nx, y + ny, z + nz], 1),
  shape: [nx, ny, nz],
  dtype: 'uint8',
  type: 'image',
  format: 'png',
  view: 'grayscale',
});
const seg = (nx: number, ny: number, more: Partly = {}): RenderRequest => ({
  raw: naiveBox(SEG.data, [0, 0, 0, 8, 6, 4], [0, 0, 1, nx, ny, 2], 4),
  shape: [nx, ny, 1],
  dtype: 'uint32',
  type: 'segmentation',
  format: 'png',
  view: 'grayscale',
  ...more,
});
/** A row of voxels. */
const row = (dtype: DType, values: readonly (number | bigint)[], more: Partly = {}): RenderRequest => ({
  raw: voxelsOf([values.length, 1, 1], dtype, (x) => values[x] ?? 0),
  shape: [values.length, 1, 1],
  dtype,
  type: 'image',
  format: 'png',
  view: 'grayscale',
  ...more,
});

const bytesOf = async (request: RenderRequest): Promise<Uint8Array> => (await renderVoxels(request)).bytes;
/** Pictures as lists of colours. */
const triples = (values: readonly number[]): number[][] =>
  Array.from({ length: values.length / 3 }, (_, i) => values.slice(3 * i, 3 * i + 3));

async function faultOf(request: RenderRequest): Promise<BflyError> {
  try {
    await renderVoxels(request);
  } catch (error) {
    if (error instanceof BflyError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('formats', () => {
  it.each([
    ['png', 'image/png'],
    ['jpg', 'image/jpeg'],
    ['jpeg', 'image/jpeg'],
    ['bmp', 'image/x-ms-bmp'],
    ['tif', 'image/tiff'],
    ['tiff', 'image/tiff'],
    ['zip', 'application/zip'],
    ['npz', 'image/npz'],
    ['npy', 'application/x-npy'],
    ['raw', 'image/raw'],
  ])('%s has the type %s', async (format, mime) => {
    expect((await renderVoxels({ ...im(0, 0, 0, 4, 3), format })).mime).toBe(mime);
  });

  it('[parity 2] png stacks the slices of a volume downwards', async () => {
    const picture = await readPicture(await bytesOf(im(0, 0, 0, 4, 3, 2)));
    expect(picture).toEqual({
      width: 4,
      height: 6,
      channels: 1,
      bits: 8,
      format: 'png',
      values: [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 48, 49, 50, 51, 56, 57, 58, 59, 64, 65, 66, 67],
    });
  });

  it('bmp, tif, zip and raw stack the slices too', async () => {
    const { raw } = im(0, 0, 0, 3, 3, 2);
    const bmp = readBmp(await bytesOf({ ...im(0, 0, 0, 3, 3, 2), format: 'bmp' }));
    expect([bmp.width, bmp.height]).toEqual([3, 6]);
    expect(bmp.values).toEqual([...raw].flatMap((v) => [v, v, v]));
    const tif = readTiff(await bytesOf({ ...im(0, 0, 0, 3, 3, 2), format: 'tif' }));
    expect([tif.width, tif.height, [...tif.strip]]).toEqual([3, 6, [...raw]]);
    expect([...unzip(await bytesOf({ ...im(0, 0, 0, 3, 3, 2), format: 'zip' }))]).toEqual([...raw]);
    expect([...(await bytesOf({ ...im(0, 0, 0, 3, 3, 2), format: 'raw' }))]).toEqual([...raw]);
  });

  it('[parity 2] npz is a packed .npy of four axes, npy a plain one of three', async () => {
    const { raw } = im(0, 0, 0, 4, 3, 2);
    const npz = readNpy(unzip(await bytesOf({ ...im(0, 0, 0, 4, 3, 2), format: 'npz' })));
    expect(npz).toEqual({ dtype: 'uint8', shape: [1, 2, 3, 4], bytes: raw });
    const npy = readNpy(await bytesOf({ ...im(0, 0, 0, 4, 3, 2), format: 'npy' }));
    expect(npy).toEqual({ dtype: 'uint8', shape: [2, 3, 4], bytes: raw });
  });

  it('npy is the file that the header of streamed cutouts begins', async () => {
    for (const dtype of DTYPES) {
      const request = row(dtype, [1, 2, 3], { format: 'npy' });
      expect(Buffer.from(await bytesOf(request))).toEqual(
        Buffer.concat([npyHeader(dtype, request.shape), request.raw]),
      );
    }
  });

  it('[parity 62] npz keeps ids beyond 2⁵³ of a channel of ids as they are', async () => {
    const request: RenderRequest = {
      ...SEG64,
      raw: SEG64.data,
      type: 'segmentation',
      format: 'npz',
      view: 'grayscale',
    };
    const npz = readNpy(unzip(await bytesOf(request)));
    expect(npz.dtype).toBe('uint64');
    expect(valuesOf(npz.bytes, 'uint64')[48]).toBe(1_099_511_627_788n);
  });

  it('[parity 63] raw gives the voxels as they are', async () => {
    for (const dtype of DTYPES) {
      const request = row(dtype, [1, 2, 3], { format: 'raw' });
      expect(await bytesOf(request)).toEqual(request.raw);
    }
  });

  it('jpg is a grey picture close to the voxels', async () => {
    for (const format of ['jpg', 'jpeg']) {
      const smooth = voxelsOf([32, 32, 1], 'uint8', (x, y) => 3 * x + 4 * y);
      const picture = await readPicture(
        await bytesOf({ ...im(0, 0, 0, 1, 1), raw: smooth, shape: [32, 32, 1], format }),
      );
      expect([picture.format, picture.channels, picture.width, picture.height]).toEqual(['jpeg', 1, 32, 32]);
      expect(Math.max(...picture.values.map((v, i) => Math.abs(v - (smooth[i] as number))))).toBeLessThan(6);
    }
  });

  it('tif keeps every dtype, and says so in a way that another reader understands', async () => {
    for (const dtype of DTYPES) {
      const request = row(dtype, [1, 0, 3, 100], { format: 'tif', type: 'segmentation' });
      const bytes = await bytesOf(request);
      const tif = readTiff(bytes);
      const sampleFormat = dtype === 'float32' ? 3 : dtype.startsWith('u') ? 1 : 2;
      expect(tif).toMatchObject({ channels: 1, bits: 8 * BYTES_PER_VOXEL[dtype], sampleFormat, photometric: 1 });
      expect(tif.strip).toEqual(request.raw);
      if (BYTES_PER_VOXEL[dtype] === 8) continue;
      const image = await (await fromArrayBuffer(bytes.slice().buffer as ArrayBuffer)).getImage();
      const rasters = await image.readRasters({ interleave: true });
      expect([image.getWidth(), image.getHeight(), ...rasters]).toEqual([4, 1, 1, 0, 3, 100]);
    }
  });

  it('bmp pads its rows to four bytes', async () => {
    for (const width of [1, 2, 3, 4, 5]) {
      const grey = im(0, 0, 0, width, 3);
      expect(readBmp(await bytesOf({ ...grey, format: 'bmp' })).values).toEqual(
        [...grey.raw].flatMap((v) => [v, v, v]),
      );
      const rgb = readBmp(await bytesOf({ ...grey, format: 'bmp', view: 'rgb' }));
      expect(rgb.values).toEqual([...grey.raw].flatMap((v) => [v, 0, 0]));
    }
  });

  it('are refused when unknown, naming those there are', async () => {
    const fault = await faultOf({ ...im(0, 0, 0, 4, 3), format: 'gif' });
    expect(fault.code).toBe('BAD_REQUEST');
    expect(fault.message).toBe(
      "The format gif is not in ['png', 'jpg', 'jpeg', 'bmp', 'npz', 'tif', 'tiff', 'zip', 'npy', 'raw'].",
    );
    expect((await faultOf({ ...im(0, 0, 0, 4, 3), format: 'toString' })).code).toBe('BAD_REQUEST');
  });

  it('are refused for a picture that is larger than they allow', async () => {
    const tall: Partly = { raw: new Uint8Array(65_536), shape: [1, 2, 32_768] };
    expect(await faultOf({ ...im(0, 0, 0, 1, 1), ...tall, format: 'jpg' })).toMatchObject({
      code: 'TOO_LARGE',
      message: 'A jpg has at most 65535 pixels on a side, not 1×65536: ask for a smaller box.',
    });
    for (const format of FORMATS.filter((name) => !name.startsWith('jp')))
      await expect(renderVoxels({ ...im(0, 0, 0, 1, 1), ...tall, format })).resolves.toBeDefined();
    const wide: Partly = { raw: new Uint8Array(10_000_001), shape: [10_000_001, 1, 1] };
    expect((await faultOf({ ...im(0, 0, 0, 1, 1), ...wide })).code).toBe('TOO_LARGE');
  });

  it('do not take voxels that are not a box', async () => {
    expect((await faultOf({ ...im(0, 0, 0, 4, 3), shape: [4, 4, 1] })).code).toBe('INTERNAL');
    expect((await faultOf({ ...im(0, 0, 0, 4, 3), raw: new Uint8Array(0), shape: [0, 3, 1] })).code).toBe('INTERNAL');
  });

  it('give the same for voxels that begin anywhere in their buffer', async () => {
    for (const dtype of DTYPES)
      for (const view of VIEWS)
        for (const format of FORMATS) {
          if (view === 'rgb' && dtype === 'float32') continue;
          const request = row(dtype, [0, 1, 100, 50], { format, view, type: 'segmentation' });
          const shifted = new Uint8Array(request.raw.length + 11).subarray(3, 3 + request.raw.length);
          shifted.set(request.raw);
          expect(Buffer.compare(await bytesOf({ ...request, raw: shifted }), await bytesOf(request))).toBe(0);
        }
  });

  it('leave the voxels as they were', async () => {
    for (const view of VIEWS)
      for (const format of FORMATS) {
        const request = seg(8, 2, { format, view });
        const before = request.raw.slice();
        await renderVoxels(request);
        expect(request.raw).toEqual(before);
      }
  });
});

describe('the view grayscale', () => {
  it('colours ids of 16 bits and more in pictures, and there only', async () => {
    for (const dtype of DTYPES)
      for (const [format, picture] of [
        ['png', true],
        ['jpg', true],
        ['bmp', true],
        ['tif', false],
        ['zip', false],
        ['npz', false],
        ['npy', false],
        ['raw', false],
      ] as const) {
        const request = row(dtype, [1, 2, 3], { format, type: 'segmentation' });
        const ids = dtype !== 'uint8' && dtype !== 'int8' && dtype !== 'float32';
        const other: Partly = { view: picture && ids ? 'colormap' : 'grayscale', type: 'image' };
        expect(await bytesOf(request)).toEqual(await bytesOf({ ...request, ...other }));
      }
  });

  it('keeps 16-bit images grey: png has all 16 bits, jpg and bmp the span of the box in 8', async () => {
    const request = row('uint16', [1000, 2000, 3000, 65_535]);
    expect(await readPicture(await bytesOf(request))).toMatchObject({
      channels: 1,
      bits: 16,
      values: [1000, 2000, 3000, 65_535],
    });
    const bmp = readBmp(await bytesOf({ ...request, format: 'bmp' }));
    expect(triples(bmp.values).map(([red]) => red)).toEqual([0, 4, 8, 255]);
    expect((await readPicture(await bytesOf({ ...request, format: 'jpg' }))).channels).toBe(1);
  });

  it.each<[DType, (number | bigint)[], number, number[]]>([
    ['uint8', [0, 7, 255], 8, [0, 7, 255]],
    ['int8', [-128, 0, 127], 8, [0, 128, 255]],
    ['int16', [-32_768, 0, 32_767], 16, [0, 32_768, 65_535]],
    ['uint32', [1000, 1500, 2000], 8, [0, 128, 255]],
    ['int32', [-2_000_000_000, 0, 2_000_000_000], 8, [0, 128, 255]],
    ['uint64', [0, 2n ** 63n, 2n ** 64n - 1n], 8, [0, 128, 255]],
    ['int64', [-(2n ** 63n), 0, 2n ** 63n - 1n], 8, [0, 128, 255]],
    ['uint32', [7, 7, 7], 8, [0, 0, 0]],
  ])('shows a %s image of %s in png by %i bits: %s', async (dtype, voxels, bits, values) => {
    expect(await readPicture(await bytesOf(row(dtype, voxels)))).toMatchObject({ channels: 1, bits, values });
  });

  it.each<[string, number[], number[]]>([
    ['0..1 as 0..255', [0, 0.25, 0.5, 1], [0, 64, 128, 255]],
    ['a part of 0..1 on the same scale', [0.5, 0.5, 0.5], [128, 128, 128]],
    ['other values from the least to the most', [-10, 0, 10], [0, 128, 255]],
    ['what is no number as 0', [Number.NaN, 0.5, 1], [0, 128, 255]],
    ['what is endless as 0', [Number.POSITIVE_INFINITY, 2, 4, Number.NEGATIVE_INFINITY], [0, 0, 255, 0]],
    ['nothing but what is no number as 0', [Number.NaN, Number.NaN], [0, 0]],
  ])('shows float32: %s', async (_, voxels, values) => {
    expect(await readPicture(await bytesOf(row('float32', voxels)))).toMatchObject({ channels: 1, bits: 8, values });
    const bmp = readBmp(await bytesOf(row('float32', voxels, { format: 'bmp' })));
    expect(triples(bmp.values).map(([red]) => red)).toEqual(values);
  });
});

/** Golden colours, observed in the original. Source: parity.md 6.2. */
const GOLDEN: readonly (readonly [DType, number | bigint, readonly [number, number, number]])[] = [
  ['uint8', 0, [0, 0, 0]],
  ['uint8', 1, [107, 253, 200]],
  ['uint8', 48, [16, 132, 128]],
  ['uint8', 255, [149, 103, 56]],
  ['uint16', 255, [173, 103, 239]],
  ['uint16', 1000, [164, 236, 28]],
  ['uint16', 65_535, [73, 227, 68]],
  ['uint32', 7, [49, 95, 111]],
  ['uint32', 1000, [88, 244, 55]],
  ['uint32', 12_000, [200, 88, 112]],
  ['uint32', 65_535, [89, 103, 52]],
  ['uint32', 16_777_216, [212, 236, 45]],
  ['uint32', 4_294_967_295, [33, 31, 140]],
  ['uint64', 0, [0, 0, 0]],
  ['uint64', 2n ** 40n + 12n, [104, 136, 161]],
  ['uint64', 2n ** 63n, [8, 8, 0]],
  ['uint64', 2n ** 64n - 1n, [97, 151, 148]],
];

describe('the view colormap', () => {
  it.each(GOLDEN)('[parity 61] gives %s %s the colour %s', async (dtype, value, colour) => {
    const request = row(dtype, [value], { view: 'colormap', type: 'segmentation' });
    expect([...(await bytesOf({ ...request, format: 'raw' }))]).toEqual(colour);
    expect((await readPicture(await bytesOf(request))).values).toEqual([...colour].reverse());
  });

  it('[parity 60] png of im shows the planes as blue, green, red', async () => {
    const picture = await readPicture(await bytesOf({ ...im(0, 0, 1, 3, 1), view: 'colormap' }));
    expect(triples(picture.values)).toEqual([
      [128, 132, 16],
      [72, 129, 123],
      [16, 250, 230],
    ]);
  });

  it('[parity 59] of seg: png swaps the planes, and so do bmp and jpg', async () => {
    const expected = [...Array(4).fill([112, 88, 200]), ...Array(4).fill([158, 200, 100])];
    expect(triples((await readPicture(await bytesOf(seg(8, 1)))).values)).toEqual(expected);
    expect(triples(readBmp(await bytesOf(seg(8, 1, { format: 'bmp' }))).values)).toEqual(expected);
    const [red = 0, green = 0, blue = 0] = (await readPicture(await bytesOf(seg(4, 1, { format: 'jpg' })))).values;
    expect(Math.abs(red - 112) + Math.abs(green - 88) + Math.abs(blue - 200)).toBeLessThan(9);
  });

  it('[parity 59] of seg: tif, zip and npz have the planes in order', async () => {
    const planes = [...Array(4).fill([200, 88, 112]), ...Array(4).fill([100, 200, 158])];
    const tif = await bytesOf(seg(8, 1, { format: 'tif', view: 'colormap' }));
    expect(readTiff(tif)).toMatchObject({ width: 8, height: 1, channels: 3, bits: 8, photometric: 2 });
    expect(triples([...readTiff(tif).strip])).toEqual(planes);
    const image = await (await fromArrayBuffer(tif.slice().buffer as ArrayBuffer)).getImage();
    expect(triples([...(await image.readRasters({ interleave: true }))].map(Number))).toEqual(planes);
    expect(triples([...unzip(await bytesOf(seg(8, 1, { format: 'zip', view: 'colormap' })))])).toEqual(planes);
    const npz = readNpy(unzip(await bytesOf(seg(8, 1, { format: 'npz', view: 'colormap' }))));
    expect(npz).toMatchObject({ dtype: 'uint8', shape: [1, 1, 1, 8, 3] });
    expect(triples([...npz.bytes])).toEqual(planes);
    const npy = readNpy(await bytesOf(seg(8, 1, { format: 'npy', view: 'colormap' })));
    expect(npy).toMatchObject({ dtype: 'uint8', shape: [1, 1, 8, 3] });
  });

  it('[parity 59] of seg in grayscale: tif and zip keep the ids', async () => {
    const tif = readTiff(await bytesOf(seg(8, 1, { format: 'tif' })));
    expect(tif.bits).toBe(32);
    expect(valuesOf(tif.strip, 'uint32')).toEqual([...Array(4).fill(12_000), ...Array(4).fill(13_000)]);
    const zip = valuesOf(unzip(await bytesOf(seg(8, 2, { format: 'zip' }))), 'uint32');
    expect(zip).toEqual([12_000, 13_000, 14_000, 15_000].flatMap((id) => [id, id, id, id]));
  });

  it('wraps each product at the width of the dtype, and takes signed for unsigned', async () => {
    const seed = testSeed('colormap');
    const wide = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...DTYPES.filter((name) => name !== 'float32')), wide, async (dtype, any) => {
        const bits = 8 * BYTES_PER_VOXEL[dtype];
        const value = BigInt.asUintN(bits, any);
        const plane = (k: bigint, modulus: bigint): number => {
          const wraps = bits === 8 && k > 255n ? 16 : bits;
          return Number((BigInt.asUintN(wraps, value * k) % modulus) % 256n);
        };
        const raw = voxelsOf([1, 1, 1], dtype, () => value);
        const colours = await bytesOf({ ...row(dtype, [0]), raw, view: 'colormap', format: 'raw' });
        expect([...colours]).toEqual([plane(107n, 700n), plane(509n, 900n), plane(200n, 777n)]);
      }),
      { seed, numRuns: testRuns(2_000) },
    );
  });

  it('gives float32 colours too, black where it is no number', async () => {
    const voxels = [0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY];
    const colours = await bytesOf(row('float32', voxels, { view: 'colormap', format: 'raw' }));
    expect(triples([...colours])).toEqual([
      [0, 0, 0],
      [107, 509 % 256, 200],
      [593 % 256, 391 % 256, 577 % 256],
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
});

describe('the view rgb', () => {
  it('[parity 59] shows the three lowest bytes of an id, lowest in red, in every format', async () => {
    const ids = [0, 1, 0x123456, 0xfedcba98];
    const colours = [
      [0, 0, 0],
      [1, 0, 0],
      [0x56, 0x34, 0x12],
      [0x98, 0xba, 0xdc],
    ];
    const request = row('uint32', ids, { view: 'rgb', type: 'segmentation' });
    expect(triples((await readPicture(await bytesOf(request))).values)).toEqual(colours);
    expect(triples(readBmp(await bytesOf({ ...request, format: 'bmp' })).values)).toEqual(colours);
    expect(triples([...readTiff(await bytesOf({ ...request, format: 'tif' })).strip])).toEqual(colours);
    expect(triples([...unzip(await bytesOf({ ...request, format: 'zip' }))])).toEqual(colours);
    expect(readNpy(await bytesOf({ ...request, format: 'npy' }))).toMatchObject({ shape: [1, 1, 4, 3] });
  });

  it.each<[DType, number | bigint, number[]]>([
    ['uint8', 200, [200, 0, 0]],
    ['int8', -1, [255, 0, 0]],
    ['uint16', 0xabcd, [0xcd, 0xab, 0]],
    ['int32', -2, [254, 255, 255]],
    ['uint64', 2n ** 40n + 0x010203n, [3, 2, 1]],
  ])('takes the bytes that %s has', async (dtype, value, colour) => {
    expect([...(await bytesOf(row(dtype, [value], { view: 'rgb', format: 'raw' })))]).toEqual(colour);
  });

  it('is refused for float32', async () => {
    expect((await faultOf(row('float32', [1], { view: 'rgb' }))).code).toBe('BAD_REQUEST');
  });
});

describe('views', () => {
  it('are refused when unknown, naming those there are', async () => {
    const fault = await faultOf({ ...im(0, 0, 0, 4, 3), view: 'foo' });
    expect(fault.code).toBe('BAD_REQUEST');
    expect(fault.message).toBe("The view foo is not in ['grayscale', 'colormap', 'rgb'].");
  });
});

describe('all formats that lose nothing', () => {
  it('hold the voxels of any box', async () => {
    const seed = testSeed('render');
    const random = seededRandom(seed);
    const side = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(fc.tuple(side, side, side), fc.constantFrom(...DTYPES), async (shape: Vec3, dtype) => {
        const raw = Uint8Array.from({ length: volumeOf(shape) * BYTES_PER_VOXEL[dtype] }, () =>
          Math.floor(random() * 256),
        );
        const request: RenderRequest = { raw, shape, dtype, type: 'segmentation', format: 'raw', view: 'grayscale' };
        expect(unzip(await bytesOf({ ...request, format: 'zip' }))).toEqual(raw);
        expect(readNpy(unzip(await bytesOf({ ...request, format: 'npz' }))).bytes).toEqual(raw);
        expect(readNpy(await bytesOf({ ...request, format: 'npy' })).bytes).toEqual(raw);
        expect(readTiff(await bytesOf({ ...request, format: 'tif' })).strip).toEqual(raw);
        if (dtype === 'uint8')
          expect((await readPicture(await bytesOf({ ...request, format: 'png' }))).values).toEqual([...raw]);
      }),
      { seed, numRuns: testRuns(60) },
    );
  });
});
