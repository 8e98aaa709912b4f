import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Box, viewVoxels } from '../../protocol/volume.ts';
import { mojoFormat } from '../../src/image/mojo-source.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import type { Source } from '../../src/image/source.ts';
import { stackFormat } from '../../src/image/stack-source.ts';
import { flat, type Pixels, writePicture } from './picture-fixture.ts';
import { describeShared, errorOf, readWhole, shared, temporaryFolder } from './source-fixtures.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;
beforeEach(() => {
  folder = join(root, `mojo-${folders++}`);
  mkdirSync(folder);
});

type Attributes = Record<string, string | number>;

const ATTRIBUTES: Attributes = {
  ...{ fileExtension: 'tif', numTilesW: 2, numVoxelsPerTileX: 4, numVoxelsPerTileY: 4, numVoxelsPerTileZ: 1 },
  ...{ numVoxelsX: 8, numVoxelsY: 8, numVoxelsZ: 2, numBytesPerVoxel: 4, dxgiFormat: 'R32_UInt', isSigned: 'false' },
};

function describeIn(place: string, attributes: Attributes): void {
  const text = Object.entries(attributes).map(([name, value]) => `${name}="${value}"`);
  mkdirSync(place, { recursive: true });
  writeFileSync(
    join(place, 'tiledVolumeDescription.xml'),
    `<?xml version="1.0"?>\n<tiledVolumeDescription ${text.join(' ')}/>\n`,
  );
}

const tileName = (w: number, z: number, y: number, x: number, ending: string): string => {
  const [dw, dz, dy, dx] = [w, z, y, x].map((n) => String(n).padStart(8, '0'));
  return `tiles/w=${dw}/z=${dz}/y=${dy},x=${dx}${ending}`;
};

/** The volume of the parity tests: value 1000w + 100z + 10y + x a tile, without tile y = 1, x = 1 of z = 1, w = 0. */
async function writeParity(place: string, ending = '.tif', make = (): Pixels => new Uint32Array(16)): Promise<void> {
  describeIn(place, { ...ATTRIBUTES, fileExtension: ending.slice(1), numBytesPerVoxel: make().BYTES_PER_ELEMENT });
  for (let w = 0; w < 2; w++)
    for (let z = 0; z < 2; z++)
      for (let y = 0; y < 2 - w; y++)
        for (let x = 0; x < 2 - w; x++)
          if (w !== 0 || z !== 1 || y !== 1 || x !== 1)
            await writePicture(
              join(place, tileName(w, z, y, x, ending)),
              flat(make(), 1000 * w + 100 * z + 10 * y + x),
              4,
            );
}

async function readBox(source: Source, mip: number, box: Box): Promise<number[]> {
  return Array.from(viewVoxels(source.info.dtype, await source.read(mip, box)) as ArrayLike<number>, Number);
}

describe('a Mojo volume', () => {
  it('[84] has the tiles that are stored at each level, and zeros where one is missing', async () => {
    await writeParity(folder);
    const source = await openSource({ path: folder });
    expect(source.info).toMatchObject({ kind: 'mojo', type: 'segmentation', dtype: 'uint32', voxelKnown: false });
    expect(source.info.mips).toEqual([
      { shape: [8, 8, 2], chunk: [4, 4, 1], voxel: [1, 1, 1], offset: [0, 0, 0] },
      { shape: [4, 4, 2], chunk: [4, 4, 1], voxel: [2, 2, 1], offset: [0, 0, 0] },
    ]);
    expect(await readBox(source, 0, [2, 2, 0, 6, 6, 1])).toEqual([
      0, 0, 1, 1, 0, 0, 1, 1, 10, 10, 11, 11, 10, 10, 11, 11,
    ]);
    expect(await readBox(source, 0, [2, 2, 1, 6, 6, 2])).toEqual([
      ...[100, 100, 101, 101, 100, 100, 101, 101, 110, 110, 0, 0, 110, 110, 0, 0],
    ]);
    expect(new Set(await readBox(source, 1, [0, 0, 1, 4, 4, 2]))).toEqual(new Set([1100]));
    await source.close();
    await source.close();
  });

  it.each([
    ['.png', () => new Uint16Array(16)],
    ['.h5', () => new Uint32Array(16)],
    ['.hdf5', () => new Int32Array(16)],
    ['.hdf5', () => new BigUint64Array(16)],
  ] as const)('reads tiles that end in %s, whichever type they have', async (ending, make) => {
    await writeParity(folder, ending, make);
    const source = await openSource({ path: folder });
    expect(source.info.dtype).toBe(`uint${8 * make().BYTES_PER_ELEMENT}`);
    expect(await readBox(source, 0, [3, 0, 1, 5, 1, 2])).toEqual([100, 101]);
    expect(await readBox(source, 1, [0, 0, 1, 1, 1, 2])).toEqual([1100]);
    await source.close();
  });

  it('reads JPEG tiles of grey', async () => {
    describeIn(folder, { ...ATTRIBUTES, fileExtension: 'jpg', numBytesPerVoxel: 1, numTilesW: 1 });
    await writePicture(join(folder, tileName(0, 0, 0, 0, '.jpg')), flat(new Uint8Array(16), 77), 4);
    const source = await openSource({ path: folder });
    expect(source.info).toMatchObject({ dtype: 'uint8', type: 'image' });
    expect(await readBox(source, 0, [3, 3, 0, 5, 4, 1])).toEqual([77, 0]);
    await source.close();
  });

  it('[86] may be smaller than a tile, whose rest is left out', async () => {
    describeIn(folder, { ...ATTRIBUTES, numVoxelsX: 3, numVoxelsY: 2, numVoxelsZ: 1, numTilesW: 1 });
    const pixels = Uint32Array.from({ length: 16 }, (_, i) => i);
    await writePicture(join(folder, tileName(0, 0, 0, 0, '.tif')), pixels, 4);
    const source = await openSource({ path: folder });
    expect(source.info.mips).toMatchObject([{ shape: [3, 2, 1], chunk: [3, 2, 1] }]);
    expect(await readBox(source, 0, [0, 0, 0, 3, 2, 1])).toEqual([0, 1, 2, 4, 5, 6]);
    await source.close();
  });

  it('may have tiles that are cut at its end', async () => {
    describeIn(folder, { ...ATTRIBUTES, numVoxelsX: 6, numVoxelsY: 4, numVoxelsZ: 1, numTilesW: 1 });
    await writePicture(
      join(folder, tileName(0, 0, 0, 1, '.tif')),
      Uint32Array.from({ length: 8 }, (_, i) => i + 1),
      2,
    );
    const source = await openSource({ path: folder });
    expect(await readBox(source, 0, [3, 1, 0, 6, 2, 1])).toEqual([0, 3, 4]);
    await source.close();
  });

  it('says which tile is of another size or type, or damaged, and names no folder above it', async () => {
    describeIn(folder, { ...ATTRIBUTES, numTilesW: 1 });
    const name = tileName(0, 1, 1, 0, '.tif');
    const source = await openSource({ path: folder });
    const faultOf = async (write: () => Promise<void> | void): Promise<string> => {
      await write();
      const error = await errorOf(source.read(0, [0, 0, 0, 8, 8, 2]));
      expect(error.code).toBe('INTERNAL');
      expect(error.message).not.toContain(root);
      return error.message;
    };
    const right = '; 4×4 uint32 grey would be right';
    expect(await faultOf(() => writePicture(join(folder, name), new Uint32Array(15), 5))).toBe(
      `tile "${name}" is 5×3 uint32${right}`,
    );
    expect(await faultOf(() => writePicture(join(folder, name), new Uint8Array(16), 4))).toBe(
      `tile "${name}" is 4×4 uint8${right}`,
    );
    expect(await faultOf(() => writeFileSync(join(folder, name), 'broken'))).toBe(
      `tile "${name}" cannot be read: it is not a TIFF${right}`,
    );
    rmSync(join(folder, name));
    expect(await faultOf(() => void mkdirSync(join(folder, name)))).toContain('it is not a plain file');
    await source.close();
  });

  it('changes its fingerprint with its description', async () => {
    await writeParity(folder);
    const before = (await openSource({ path: folder })).info.fingerprint;
    describeIn(folder, { ...ATTRIBUTES, numTilesW: 1 });
    expect((await openSource({ path: folder })).info.fingerprint).not.toBe(before);
  });

  it.each([
    ['<tiledVolumeDescription', 'is not XML: '],
    ['<other/>', 'has no element tiledVolumeDescription'],
    [{ numBytesPerVoxel: 3 }, 'must have 1, 2, 4 or 8 as numBytesPerVoxel; it is "3"'],
    [{ numVoxelsX: 'many' }, 'must have a whole number above 0 as numVoxelsX; it is "many"'],
    [{ numVoxelsPerTileY: 0 }, 'must have a whole number above 0 as numVoxelsPerTileY; it is "0"'],
    [{ numVoxelsPerTileZ: 2 }, 'has tiles of 2 planes (numVoxelsPerTileZ); 1 can be read'],
    [{ fileExtension: 'bmp' }, 'must have one of .png .jpg .jpeg .tif .tiff .h5 .hdf5 as fileExtension; it is "bmp"'],
    [{ numTilesW: 400 }, 'has 400 levels (numTilesW); at most 32 can be read'],
  ])('with the description %j is refused with what would be right', async (change, message) => {
    describeIn(folder, ATTRIBUTES);
    if (typeof change === 'string') writeFileSync(join(folder, 'tiledVolumeDescription.xml'), change);
    else describeIn(folder, { ...ATTRIBUTES, ...change });
    const error = await errorOf(mojoFormat.find(folder));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(root);
  });
});

describe('a Mojo set', () => {
  it('is listed as its images and its ids', async () => {
    await writeParity(join(folder, 'ids'));
    describeIn(join(folder, 'images'), { ...ATTRIBUTES, numBytesPerVoxel: 1 });
    expect(await findVolumes(folder)).toEqual([
      { spec: { path: join(folder, 'images') }, name: 'images', kind: 'mojo' },
      { spec: { path: join(folder, 'ids') }, name: 'ids', kind: 'mojo' },
    ]);
    const error = await errorOf(openSource({ path: folder }));
    expect(error.message).toContain('holds two volumes: name its folder images or ids');
  });

  it('of ids alone is opened by its own folder too', async () => {
    await writeParity(join(folder, 'ids'));
    const source = await openSource({ path: folder });
    expect(source.info.mips).toHaveLength(2);
    await source.close();
  });

  it('has ids in its folder of ids, whatever their width', async () => {
    describeIn(join(folder, 'ids'), { ...ATTRIBUTES, numBytesPerVoxel: 2 });
    const source = await openSource({ path: join(folder, 'ids') });
    expect(source.info).toMatchObject({ type: 'segmentation', dtype: 'uint16' });
    await source.close();
  });

  it('with one broken volume is listed all the same, and is refused where both are', async () => {
    await writeParity(join(folder, 'ids'));
    describeIn(join(folder, 'images'), {});
    expect((await mojoFormat.find(folder))?.map(({ name }) => name)).toEqual(['images', 'ids']);
    describeIn(join(folder, 'ids'), {});
    expect((await errorOf(mojoFormat.find(folder))).message).toContain('of "images" must have');
  });
});

describeShared('the real Mojo set', () => {
  const open = (part: string): Promise<Source> => openSource({ path: shared(`mojo/fib25-ts2/mojo/${part}`) });

  it('has ids whose levels are the points of the finest one', async () => {
    const source = await open('ids');
    expect(source.info.mips.map(({ shape }) => shape)).toEqual([
      [192, 192, 8],
      [96, 96, 8],
      [48, 48, 8],
    ]);
    const finest = viewVoxels('uint32', await readWhole(source));
    expect(new Set(finest as Uint32Array).size).toBe(171);
    for (const mip of [1, 2]) {
      const side = 192 >> mip;
      const expected = Uint32Array.from({ length: side * side * 8 }, (_, i) => {
        const [x, y, z] = [i % side, Math.floor(i / side) % side, Math.floor(i / side / side)];
        return Number(finest[(z * 192 + (y << mip)) * 192 + (x << mip)]);
      });
      expect(Buffer.compare(await readWhole(source, mip), new Uint8Array(expected.buffer))).toBe(0);
    }
    await source.close();
  });

  it('has the images of the stack that it was made from, each plane stretched by its own curve', async () => {
    const source = await open('images');
    const stack = await stackFormat.open({ path: shared('fib25-training2/grayscale_maps') });
    for (let z = 0; z < 8; z++) {
      const box: Box = [0, 0, z, 192, 192, z + 1];
      const [tiles, slices] = [await source.read(0, box), await stack.read(0, box)];
      const curve = new Map<number, number>();
      for (const [i, grey] of slices.entries()) curve.set(grey, curve.get(grey) ?? (tiles[i] as number));
      const values = [...curve].sort(([a], [b]) => a - b).map(([, value]) => value);
      expect(values).toEqual([...values].sort((a, b) => a - b));
      expect(tiles.every((value, i) => curve.get(slices[i] as number) === value)).toBe(true);
    }
    await source.close();
    await stack.close();
  });
});
