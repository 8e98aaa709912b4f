import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, type DType, viewVoxels } from '../../protocol/volume.ts';
import { cutSlabs, pullSlabs } from '../../src/commands/pull-slabs.ts';
import { npyHeader } from '../../src/utility/npy.ts';
import { RemoteVolume } from './remote-volume.ts';
import { type Outcome, run } from './terminal.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bfly-pull-'));
});
afterEach(() => rm(folder, { recursive: true }));

const pull = (volume: RemoteVolume, ...args: string[]): Promise<Outcome> =>
  run(['pull', 'host:2001', 'e/s/d/c', ...args], { parts: { connect: async () => volume.session } });
const out = (name: string): string[] => ['-o', path.join(folder, name)];
const written = (name: string): Promise<Buffer> => readFile(path.join(folder, name));

describe('bfly pull', () => {
  it('writes the whole level unless a box is given, whatever order tiles come in', async () => {
    const volume = new RemoteVolume('uint16', [10, 9, 7], [4, 4, 4], [3, -2, 5]);
    const { code, err } = await pull(volume, ...out('a.raw'));
    expect([code, err.split('\n').at(-2)]).toEqual([
      0,
      `bfly: 10 × 9 × 7 voxels of uint16 written to ${path.join(folder, 'a.raw')}`,
    ]);
    expect(await written('a.raw')).toEqual(Buffer.from(volume.bytes));
    expect(volume.closed).toBe(1);
  });

  it('writes .npy with zeros where the box sticks out', async () => {
    const volume = new RemoteVolume('uint64', [10, 9, 7], [4, 4, 4], [3, -2, 5], 'segmentation');
    const box: Box = [-1, -4, 4, 5, 3, 9];
    expect((await pull(volume, '--box', box.join(','), ...out('a.npy'))).code).toBe(0);
    expect(await written('a.npy')).toEqual(Buffer.concat([npyHeader('uint64', [6, 7, 5]), volume.cut(box)]));
  });

  it.each<[DType, string, string]>([
    ['uint8', 'b-w', 'uchar'],
    ['uint16', 'grey16', 'ushort'],
  ])('writes a PNG of %s with slices one below the other', async (dtype, space, depth) => {
    const volume = new RemoteVolume(dtype, [10, 9, 2], [4, 4, 4]);
    expect((await pull(volume, ...out('a.png'))).code).toBe(0);
    const image = sharp(await written('a.png'));
    expect(await image.metadata()).toMatchObject({ width: 10, height: 18, channels: 1, depth });
    expect(
      await image
        .toColourspace(space)
        .raw({ depth: depth as 'uchar' })
        .toBuffer(),
    ).toEqual(Buffer.from(volume.bytes));
  });

  it.each<[DType, number[][]]>([
    // Values of Butterfly's own pictures: 1 → 107, 253, 200; 48 → 16, 132, 128; 1000 → 164, 236, 28 by uint16, 88, 244, 55 by uint32.
    [
      'uint8',
      [
        [200, 253, 107],
        [128, 132, 16],
      ],
    ],
    [
      'uint16',
      [
        [200, 253, 107],
        [28, 236, 164],
      ],
    ],
    [
      'uint32',
      [
        [200, 253, 107],
        [55, 244, 88],
      ],
    ],
    [
      'uint64',
      [
        [200, 253, 107],
        [148, 151, 97],
      ],
    ],
  ])('writes ids of %s with --colour as Butterfly coloured them', async (dtype, colours) => {
    const volume = new RemoteVolume(dtype, [2, 1, 1], [4, 4, 4], [0, 0, 0], 'segmentation');
    const second = { uint8: 48n, uint16: 1_000n, uint32: 1_000n, uint64: 2n ** 64n - 1n }[String(dtype)] ?? 0n;
    const view = viewVoxels(dtype, volume.bytes);
    if (view instanceof BigUint64Array) view[1] = second;
    else view[1] = Number(second);
    expect((await pull(volume, '--colour', ...out('a.png'))).code).toBe(0);
    const { data, info } = await sharp(await written('a.png'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels, [...data]]).toEqual([2, 1, 3, colours.flat()]);
  });

  it('colours ids alone, and into pictures alone', async () => {
    const ids = new RemoteVolume('uint64', [10, 9, 7], [4, 4, 4], [0, 0, 0], 'segmentation');
    expect(await pull(ids, '--colour')).toMatchObject({
      code: 1,
      err: 'bfly: --colour makes a picture: add --out FILE.png\n',
    });
    expect((await pull(ids, '--colour', ...out('a.npy'))).err).toContain('the output must end in .png');
    const image = new RemoteVolume('uint8', [10, 9, 7], [4, 4, 4]);
    expect((await pull(image, '--colour', ...out('a.png'))).err).toBe(
      'bfly: --colour shows ids, and e/s/d/c is an image: leave it out\n',
    );
    expect([...ids.pulled, ...image.pulled, ...(await readdir(folder))]).toEqual([]);
  });

  it('says without a file what the values are like', async () => {
    const image = await pull(new RemoteVolume('uint16', [10, 9, 7], [4, 4, 4]));
    expect(image.out).toBe(
      'path  e/s/d/c\nbox   0,0,0,10,9,7 (10 × 9 × 7 voxels of uint16)\nmin   1\nmax   690\nmean  345.5\n',
    );
    const ids = await pull(
      new RemoteVolume('uint64', [2, 2, 1], [4, 4, 4], [0, 0, 0], 'segmentation'),
      '--box',
      '0,0,0,4,2,1',
    );
    expect(ids.out).toContain('ids         4 and the background 0\nlargest     12\nbackground  50.0%\n');
  });

  it('tells what cannot be written and what can, before anything is pulled', async () => {
    const volume = new RemoteVolume('uint64', [10, 9, 7], [4, 4, 4]);
    expect((await pull(volume, ...out('a.png'))).err).toBe(
      'bfly: PNG holds uint8 and uint16, this is uint64; write .npy or .raw, or ids in colours by --colour\n',
    );
    expect((await pull(volume, ...out('a.tif'))).err).toContain(
      'TIFF has no uint64 that programs can read; write .npy or .raw',
    );
    expect(volume.pulled).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses a box outside, a level that is not there and more than 4 GiB', async () => {
    const volume = new RemoteVolume('uint8', [10, 9, 7], [4, 4, 4]);
    expect(await pull(volume, '--box', '20,0,0,30,1,1')).toMatchObject({
      code: 1,
      err: 'bfly: the box is outside the volume; level 0 is --box 0,0,0,10,9,7\n',
    });
    expect((await pull(volume, '--mip', '3')).err).toBe('bfly: "e/s/d/c" has only --mip 0\n');
    expect((await pull(volume, '--box', '0,0,0,65536,65536,2')).err).toBe(
      'bfly: that is 8.0 GiB; ask for a --box, or add --force\n',
    );
    expect(volume.pulled).toEqual([]);
  });

  it('names the channels where the path is a dataset', async () => {
    const volume = new RemoteVolume('uint8', [1, 1, 1], [1, 1, 1]);
    const { err } = await run(['pull', 'host:1', '/e/s/d/'], { parts: { connect: async () => volume.session } });
    expect(err).toBe('bfly: "e/s/d" is a dataset; add one of its channels: c\n');
  });

  it('leaves no file when a chunk cannot be read', async () => {
    const volume = new RemoteVolume('uint8', [10, 9, 7], [4, 4, 4]);
    volume.session.pull = async function* () {
      const bytes = (): Uint8Array => {
        throw new BflyError('INTERNAL', 'the chunk is damaged');
      };
      yield { box: [0, 0, 0, 4, 4, 4], bytes };
    };
    expect(await pull(volume, ...out('a.raw'))).toMatchObject({ code: 1, err: 'bfly: the chunk is damaged\n' });
    expect(await readdir(folder)).toEqual([]);
    expect(volume.closed).toBe(1);
  });

  it('stops at a signal with 130 and leaves no file', async () => {
    const volume = new RemoteVolume('uint8', [10, 9, 7], [4, 4, 4]);
    const { code, err } = await run(['pull', 'host:1', 'e/s/d/c', ...out('a.raw')], {
      parts: { connect: async () => volume.session },
      onListen: (interrupt) => interrupt(),
    });
    expect([code, err]).toEqual([130, 'bfly: interrupted; nothing was written\n']);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('slabs', () => {
  const info = { shape: [100, 100, 100], chunk: [64, 64, 16], voxel: [1, 1, 1], offset: [0, 0, 5] } as const;
  const cuts = (box: Box, planes: number): number[] =>
    cutSlabs(box, info, 'uint16', planes * 2 * 100).map((slab) => slab[2]);

  it('end where chunks end, so that none is sent twice', () => {
    expect(cuts([0, 0, 5, 10, 10, 105], 40)).toEqual([5, 37, 69]);
    expect(cuts([0, 0, 9, 10, 10, 105], 16)).toEqual([9, 21, 37, 53, 69, 85, 101]);
  });

  it('cut through chunks where one layer is too much, but never through planes', () => {
    expect(cuts([0, 0, 5, 10, 10, 25], 6)).toEqual([5, 11, 17, 21]);
    expect(cuts([0, 0, 5, 10, 10, 8], 0.5)).toEqual([5, 6, 7]);
  });

  it('together are the box, with zeros where it sticks out', async () => {
    const volume = new RemoteVolume('uint16', [10, 9, 7], [4, 4, 4], [3, -2, 5]);
    const [level] = volume.info.mips;
    if (level === undefined) throw new Error('a volume has a level');
    const box: Box = [0, -3, 3, 9, 6, 20];
    const { signal } = new AbortController();
    let counted = 0;
    const onVoxels = (voxels: number): void => {
      counted += voxels;
    };
    const request = {
      path: 'e/s/d/c',
      mip: 0,
      info: level,
      dtype: 'uint16',
      box,
      signal,
      onVoxels,
      maxBytes: 600,
    } as const;
    const parts: Uint8Array[] = [];
    for await (const slab of pullSlabs(volume.session, request)) parts.push(slab.slice());
    expect(parts.length).toBeGreaterThan(3);
    expect(Buffer.concat(parts)).toEqual(Buffer.from(volume.cut(box)));
    expect(counted).toBe(6 * 8 * 7);
  });

  it('are one where all fits', () => {
    expect(cuts([0, 0, 7, 10, 10, 100], 93)).toEqual([7]);
  });
});
