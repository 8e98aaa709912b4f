import { mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeEach, describe, expect, it } from 'vitest';
import { viewVoxels } from '../../protocol/volume.ts';
import { RecentValues } from '../../src/image/recent-values.ts';
import { compareNaturally, stackFormat } from '../../src/image/stack-source.ts';
import {
  bytesRead,
  describeShared,
  errorOf,
  randomBytes,
  readWhole,
  shared,
  sumOf,
  temporaryFolder,
  voxelAt,
} from './source-fixtures.ts';
import { tiffBytes } from './tiff-fixture.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;

beforeEach(() => {
  folder = join(root, `stack-${folders++}`);
  mkdirSync(folder);
});

/** A grey PNG of 8 or 16 bits. */
async function png(pixels: Uint8Array | Uint16Array, width: number, height: number): Promise<Buffer> {
  const image = sharp(pixels, { raw: { width, height, channels: 1 } });
  return image
    .toColourspace(pixels instanceof Uint16Array ? 'grey16' : 'b-w')
    .png()
    .toBuffer();
}

/** Writes a slice of 4×3 voxels of one value. */
async function writeSlice(name: string, value: number): Promise<void> {
  writeFileSync(join(folder, name), await png(new Uint8Array(12).fill(value), 4, 3));
}

describeShared('the real PNG stack', () => {
  it('has the voxels that are known', async () => {
    const path = shared('fib25-training2/grayscale_maps');
    const source = await stackFormat.open({ path });
    expect(source.info).toMatchObject({ kind: 'stack', type: 'image', dtype: 'uint8', voxelKnown: false });
    expect(source.info.mips).toEqual([
      { shape: [250, 250, 250], chunk: [250, 250, 1], voxel: [1, 1, 1], offset: [0, 0, 0] },
    ]);
    expect(await voxelAt(source, [0, 0, 0])).toBe(89);
    expect(await voxelAt(source, [249, 249, 249])).toBe(165);
    expect(await voxelAt(source, [125, 125, 125])).toBe(151);
    expect(await voxelAt(source, [83, 50, 35])).toBe(142);
    expect(sumOf(source, await readWhole(source))).toBe(2031651896);
    expect(await stackFormat.find(path)).toEqual([{ spec: { path }, name: 'grayscale_maps', kind: 'stack' }]);
    await source.close();
    await source.close();
  });

  it('is opened by its first slice alone', async () => {
    const before = bytesRead();
    const source = await stackFormat.open({ path: shared('fib25-training2/grayscale_maps') });
    const after = bytesRead();
    if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(200_000);
    await source.close();
  });
});

describe('the order of slices', () => {
  it('is that of people: numbers by their value', () => {
    const names = ['10.png', '2.png', 'a10b2', 'a10b10', 'a9b99', '1.png', '02.png', 'z', 'A1'];
    expect([...names].sort(compareNaturally)).toEqual([
      '1.png',
      '02.png',
      '2.png',
      '10.png',
      'A1',
      'a9b99',
      'a10b2',
      'a10b10',
      'z',
    ]);
  });

  it('ignores hidden files, other files and sub-folders', async () => {
    for (const [name, value] of [
      ['2.png', 2],
      ['10.png', 10],
      ['1.png', 1],
    ] as const)
      await writeSlice(name, value);
    await writeSlice('.0.png', 99);
    writeFileSync(join(folder, '0-notes.txt'), 'hello');
    writeFileSync(join(folder, 'Thumbs.db'), 'x');
    mkdirSync(join(folder, '3.png'));
    const source = await stackFormat.open({ path: folder });
    expect(source.info.mips).toMatchObject([{ shape: [4, 3, 3] }]);
    const whole = await readWhole(source);
    expect([whole[0], whole[12], whole[24]]).toEqual([1, 2, 10]);
    await source.close();
  });

  it('counts links to images', async () => {
    await writeSlice('1.png', 1);
    symlinkSync(join(folder, '1.png'), join(folder, '2.png'));
    symlinkSync(join(folder, 'gone.png'), join(folder, '3.png'));
    const source = await stackFormat.open({ path: folder });
    expect(source.info.mips).toMatchObject([{ shape: [4, 3, 2] }]);
    await source.close();
  });
});

describe('the images of a stack', () => {
  it('keep every value of 8 bits', async () => {
    const pixels = Uint8Array.from({ length: 256 }, (_, i) => i);
    writeFileSync(join(folder, 'a.png'), await png(pixels, 16, 16));
    const source = await stackFormat.open({ path: folder });
    expect(await readWhole(source)).toEqual(pixels);
    await source.close();
  });

  it('keep every value of 16 bits', async () => {
    const pixels = Uint16Array.from({ length: 65536 }, (_, i) => (i * 40_503) & 0xffff);
    writeFileSync(join(folder, 'a.png'), await png(pixels, 256, 256));
    writeFileSync(
      join(folder, 'b.png'),
      await png(
        pixels.map((value) => 65535 - value),
        256,
        256,
      ),
    );
    const source = await stackFormat.open({ path: folder });
    expect(source.info).toMatchObject({ dtype: 'uint16', type: 'image' });
    const whole = viewVoxels('uint16', await readWhole(source));
    expect(whole.length).toBe(2 * 65536);
    expect(pixels.every((value, i) => whole[i] === value && whole[65536 + i] === 65535 - value)).toBe(true);
    await source.close();
  });

  it('may be grey JPEGs', async () => {
    const pixels = Uint8Array.from({ length: 64 * 48 }, (_, i) => (i % 64) * 3);
    const bytes = await sharp(pixels, { raw: { width: 64, height: 48, channels: 1 } })
      .toColourspace('b-w')
      .jpeg({ quality: 95 })
      .toBuffer();
    writeFileSync(join(folder, 'a.JPG'), bytes);
    const source = await stackFormat.open({ path: folder });
    const whole = await readWhole(source);
    expect(Math.max(...whole.map((value, i) => Math.abs(value - (pixels[i] ?? 0))))).toBeLessThan(6);
    await source.close();
  });

  it.each([
    [32, 1, 'uint32', 'segmentation'],
    [16, 2, 'int16', 'image'],
    [32, 3, 'float32', 'image'],
  ])('may be TIFFs of %i bits, format %i', async (bits, format, dtype, type) => {
    const slices = [1, 2, 3].map((seed) => randomBytes(seed, (5 * 4 * bits) / 8));
    slices.forEach((strip, i) => {
      writeFileSync(join(folder, `s${i}.tif`), tiffBytes([{ width: 5, height: 4, bits, format, strips: [strip] }]));
    });
    const source = await stackFormat.open({ path: folder });
    expect(source.info).toMatchObject({ dtype, type });
    expect(Buffer.from(await readWhole(source)).equals(Buffer.concat(slices))).toBe(true);
    await source.close();
  });
});

describe('reads of a stack', () => {
  it('give any box, many at a time', async () => {
    const slices = Array.from({ length: 12 }, (_, z) => randomBytes(z, 20 * 15));
    for (const [z, pixels] of slices.entries()) writeFileSync(join(folder, `${z}.png`), await png(pixels, 20, 15));
    const source = await stackFormat.open({ path: folder });
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const z = i % 9;
        const box = await source.read(0, [3, 2, z, 11, 9, z + 3]);
        let at = 0;
        for (let c = z; c < z + 3; c++)
          for (let y = 2; y < 9; y++) for (let x = 3; x < 11; x++) expect(box[at++]).toBe(slices[c]?.[y * 20 + x]);
      }),
    );
    await source.close();
  });

  it('do not decode a slice again that was just read', async () => {
    await writeSlice('1.png', 1);
    const source = await stackFormat.open({ path: folder });
    expect(await voxelAt(source, [0, 0, 0])).toBe(1);
    rmSync(join(folder, '1.png'));
    expect(await voxelAt(source, [3, 2, 0])).toBe(1);
    await source.close();
  });
});

describe('broken stacks', () => {
  it('name the slice that is wrong when it is read, and serve the others', async () => {
    for (let z = 0; z < 5; z++) await writeSlice(`${z}.png`, z);
    const good = readFileSync(join(folder, '1.png'));
    writeFileSync(join(folder, '1.png'), good.subarray(0, 60));
    writeFileSync(join(folder, '2.png'), await png(new Uint8Array(20), 5, 4));
    writeFileSync(join(folder, '3.png'), await png(new Uint16Array(12), 4, 3));
    const source = await stackFormat.open({ path: folder });
    const read = (z: number): Promise<Uint8Array> => source.read(0, [0, 0, z, 4, 3, z + 1]);
    const expected = '4×3 uint8 grey, as the first slice, would be right';
    const [short, size, type] = [await errorOf(read(1)), await errorOf(read(2)), await errorOf(read(3))];
    expect(short.code).toBe('INTERNAL');
    expect(short.message).toMatch(
      /^slice "1.png" cannot be read: .*; 4×3 uint8 grey, as the first slice, would be right$/,
    );
    expect(size.message).toBe(`slice "2.png" is 5×4 uint8; ${expected}`);
    expect(type.message).toBe(`slice "3.png" is 4×3 uint16; ${expected}`);
    expect((await read(4))[0]).toBe(4);
    for (const error of [short, size, type]) expect(error.message).not.toContain(root);
    await source.close();
  });

  it('name a slice that has gone', async () => {
    for (let z = 0; z < 2; z++) await writeSlice(`${z}.png`, z);
    const source = await stackFormat.open({ path: folder });
    rmSync(join(folder, '1.png'));
    const error = await errorOf(readWhole(source));
    expect(error.message).toContain('slice "1.png" cannot be read');
    expect(error.message).not.toContain(root);
    await source.close();
  });

  it.each<[string, () => Uint8Array]>([
    ['100 bytes', () => readFileSync(join(folder, 'whole.bin')).subarray(0, 100)],
    ['noise', () => randomBytes(6, 400)],
    ['nothing', () => new Uint8Array(0)],
  ])('are refused or end in an error where a slice is %s', async (_, bytes) => {
    writeFileSync(join(folder, 'whole.bin'), await png(randomBytes(1, 4000), 80, 50));
    for (const name of ['0.png', '0.jpg', '0.tif']) {
      writeFileSync(join(folder, name), bytes());
      const outcome = stackFormat.open({ path: folder }).then(readWhole);
      const error = await errorOf(outcome);
      expect(error.message).toContain(`"${name}"`);
      rmSync(join(folder, name));
    }
  });

  it('of colour are refused, also grey that is stored as colour or with transparency', async () => {
    for (const channels of [3, 4, 2] as const) {
      const image = sharp(new Uint8Array(12 * channels).fill(7), { raw: { width: 4, height: 3, channels } });
      writeFileSync(join(folder, '0.png'), await image.png().toBuffer());
      const error = await errorOf(stackFormat.open({ path: folder }));
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toMatch(
        /^the first slice, "0.png", cannot be served: the image is colour .*; a grey one would be right$/,
      );
    }
  });

  it('of TIFFs of several pages are refused', async () => {
    const page = { width: 2, height: 2, bits: 8, strips: [new Uint8Array(4)] };
    writeFileSync(join(folder, '0.tif'), tiffBytes([page, page]));
    const error = await errorOf(stackFormat.open({ path: folder }));
    expect(error.message).toContain('it has 2 pages; one page a file would be right');
  });

  it('are none without images', async () => {
    expect(await stackFormat.find(folder)).toBeUndefined();
    expect(await stackFormat.find(join(folder, 'gone'))).toBeUndefined();
    expect((await errorOf(stackFormat.open({ path: folder }))).code).toBe('UNSUPPORTED');
  });
});

it('the fingerprint of a stack changes with its files', async () => {
  for (let z = 0; z < 3; z++) await writeSlice(`${z}.png`, z);
  const print = async (): Promise<string> => {
    const source = await stackFormat.open({ path: folder });
    await source.close();
    return source.info.fingerprint;
  };
  const first = await print();
  expect(await print()).toBe(first);
  utimesSync(join(folder, '2.png'), 5, 5);
  const touched = await print();
  expect(touched).not.toBe(first);
  await writeSlice('3.png', 3);
  expect(await print()).not.toBe(touched);
});

describe('recent values', () => {
  const load = (size: number) => async (): Promise<Uint8Array> => new Uint8Array(size);
  const fail = async (): Promise<never> => {
    throw new Error('must not load');
  };

  it('stay within their bytes, the ones used last being kept', async () => {
    const recent = new RecentValues<Uint8Array>(100, (bytes) => bytes.length);
    for (const key of ['a', 'b', 'c']) await recent.get(key, load(40));
    expect(recent.bytes).toBe(80);
    await recent.get('b', fail);
    await recent.get('d', load(40));
    await recent.get('b', fail);
    await expect(recent.get('c', fail)).rejects.toThrow('must not load');
  });

  it('hand a value through that is too large, and keep the others', async () => {
    const recent = new RecentValues<Uint8Array>(100, (bytes) => bytes.length);
    await recent.get('a', load(40));
    expect((await recent.get('big', load(101))).length).toBe(101);
    expect(recent.bytes).toBe(40);
    await recent.get('a', fail);
  });

  it('load once for all who wait, and again after a failure', async () => {
    const recent = new RecentValues<Uint8Array>(100, (bytes) => bytes.length);
    let loads = 0;
    const count = async (): Promise<Uint8Array> => {
      loads++;
      if (loads === 1) throw new Error('first');
      return new Uint8Array(1);
    };
    const both = await Promise.allSettled([recent.get('a', count), recent.get('a', count)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await recent.get('a', count);
    await recent.get('a', count);
    expect(loads).toBe(2);
  });
});
