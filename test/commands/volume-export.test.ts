/** `bfly export --to`: what is written is read back by sources and readers that know nothing of the writers. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import FileSystemStore from '@zarrita/storage/fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as zarr from 'zarrita';
import { BflyError } from '../../protocol/errors.ts';
import { type Box, boxShape, DTYPES, type DType, type Vec3 } from '../../protocol/volume.ts';
import type { RemotePull } from '../../src/commands/context.ts';
import { openSource } from '../../src/image/open-source.ts';
import { readNpyVoxels } from '../../src/utility/npy.ts';
import { RemoteVolume } from './remote-volume.ts';
import { type Outcome, run } from './terminal.ts';

let root = '';
let folder = '';
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'bfly-export-'));
  folder = path.join(root, 'out');
});
afterEach(() => rm(root, { recursive: true }));

const SHAPE: Vec3 = [23, 19, 11];
const CHUNK: Vec3 = [8, 8, 4];
const OFFSET: Vec3 = [3, 2, 5];

function volumeOf(dtype: DType): RemoteVolume {
  const isLabels = dtype === 'uint32' || dtype === 'uint64';
  return new RemoteVolume(dtype, SHAPE, CHUNK, OFFSET, isLabels ? 'segmentation' : 'image');
}

const exportTo = (volume: RemoteVolume, to: string, ...args: string[]): Promise<Outcome> =>
  run(['export', 'host:2001', 'e/s/d/c', folder, '--to', to, ...args], {
    parts: { connect: async () => volume.session },
  });

/** The voxels of an export, by a reader of its format. */
const READERS: Readonly<Record<string, (dtype: DType) => Promise<Uint8Array>>> = {
  precomputed: () => readByUs(folder),
  zarr: () => readByZarrita(folder),
  'ome-zarr': () => readByZarrita(path.join(folder, '0')),
  tiff: () => readByUs(path.join(folder, 'c.tif')),
  npy: async () => new Uint8Array(readNpyVoxels(await readFile(path.join(folder, 'c.npy')), 'it').bytes),
  h5: () => readByUs(path.join(folder, 'c.h5')),
};

async function readByUs(file: string): Promise<Uint8Array> {
  const source = await openSource({ path: file });
  try {
    const { shape, offset } = source.info.mips[0] ?? { shape: SHAPE, offset: OFFSET };
    const [x, y, z] = offset;
    return await source.read(0, [x, y, z, x + shape[0], y + shape[1], z + shape[2]]);
  } finally {
    await source.close();
  }
}

async function readByZarrita(file: string): Promise<Uint8Array> {
  const array = await zarr.open(new FileSystemStore(file), { kind: 'array' });
  const { data } = await zarr.get(array);
  if (!ArrayBuffer.isView(data)) throw new Error('the array holds no numbers');
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Lets a session fail at one of its pulls. */
function failingAt(volume: RemoteVolume, pull: number): RemoteVolume {
  const { session } = volume;
  let pulls = 0;
  const broken = (from: string, options: RemotePull): ReturnType<typeof session.pull> => {
    if (++pulls === pull) throw new BflyError('UNAVAILABLE', 'the connection is lost');
    return session.pull(from, options);
  };
  Object.assign(volume, { session: { ...session, pull: broken } });
  return volume;
}

describe('bfly export --to', () => {
  const dtypes: readonly DType[] = [...DTYPES];
  for (const to of Object.keys(READERS))
    it.each(dtypes)(`${to} gives back every voxel of %s, from the middle of a volume with an offset`, async (dtype) => {
      const volume = volumeOf(dtype);
      const box: Box = [5, 4, 6, 24, 20, 15];
      const { code, err } = await exportTo(volume, to, '--box', box.join(','));
      if (to === 'tiff' && dtype.endsWith('int64')) {
        expect([code, err]).toEqual([1, expect.stringContaining(`TIFF has no ${dtype}`)]);
        return;
      }
      expect([code, err]).toEqual([0, expect.stringContaining(`19 × 16 × 9 voxels of ${dtype}`)]);
      const voxels = await READERS[to]?.(dtype);
      expect(Buffer.compare(voxels ?? Buffer.of(), volume.cut(box))).toBe(0);
    });

  it('writes where the volume lies and how large its voxels are', async () => {
    expect((await exportTo(volumeOf('uint8'), 'precomputed')).code).toBe(0);
    const info = JSON.parse(await readFile(path.join(folder, 'info'), 'utf8'));
    expect(info.scales).toMatchObject([{ size: SHAPE, resolution: [8, 8, 40], voxel_offset: OFFSET }]);
    await rm(folder, { recursive: true });
    expect((await exportTo(volumeOf('uint8'), 'ome-zarr')).code).toBe(0);
    const group = JSON.parse(await readFile(path.join(folder, 'zarr.json'), 'utf8'));
    expect(group.attributes.ome.multiscales[0].datasets[0].coordinateTransformations).toEqual([
      { type: 'scale', scale: [40, 8, 8] },
      { type: 'translation', translation: [200, 16, 24] },
    ]);
    await rm(folder, { recursive: true });
    expect((await exportTo(volumeOf('uint8'), 'h5')).code).toBe(0);
    const source = await openSource({ path: path.join(folder, 'c.h5') });
    expect(source.info.mips[0]?.voxel).toEqual([8, 8, 40]);
    await source.close();
  });

  it.each(Object.keys(READERS))('goes on with %s where it was cut, and asks for nothing twice', async (to) => {
    const whole = volumeOf('uint16');
    expect((await exportTo(whole, to)).code).toBe(0);
    const pulls = whole.pulled.length;
    const expected = await READERS[to]?.('uint16');
    await rm(folder, { recursive: true });
    // Small volumes are one piece of planes: then there is nothing to go on from.
    const cutAt = Math.ceil(pulls / 2);
    const cut = failingAt(volumeOf('uint16'), cutAt);
    expect((await exportTo(cut, to)).code).not.toBe(0);
    const second = volumeOf('uint16');
    const { code, err } = await exportTo(second, to);
    expect(code).toBe(0);
    if (cutAt > 1) expect(err).toContain(`going on: ${cutAt - 1} of ${pulls} parts`);
    expect(second.pulled).toEqual(whole.pulled.slice(cutAt - 1));
    expect(Buffer.compare((await READERS[to]?.('uint16')) ?? Buffer.of(), expected ?? Buffer.of(1))).toBe(0);
    // And a third time there is nothing to do.
    const third = volumeOf('uint16');
    expect(await exportTo(third, to)).toMatchObject({ code: 0, err: expect.stringContaining('already, complete') });
    expect(third.pulled).toEqual([]);
  });

  it.each(['npy', 'tiff', 'h5'])('goes on with the planes of %s where it was cut', { timeout: 60_000 }, async (to) => {
    // Three pieces of planes.
    const large = (): RemoteVolume => new RemoteVolume('uint16', [1_100, 1_200, 30], [550, 600, 10]);
    const volume = large();
    const { bytes } = volume;
    expect((await exportTo(failingAt(volume, 3), to)).code).not.toBe(0);
    expect(await readdir(folder)).not.toContain(`c.${to === 'tiff' ? 'tif' : to}`);
    const second = large();
    const { code, err } = await exportTo(second, to);
    expect([code, err]).toEqual([0, expect.stringContaining('going on: 2 of 3 parts')]);
    expect(second.pulled).toEqual([[0, 0, 20, 1_100, 1_200, 30]]);
    expect(Buffer.compare((await READERS[to]?.('uint16')) ?? Buffer.of(), bytes)).toBe(0);
  });

  it('leaves nothing behind but the export, under its own name', async () => {
    expect((await exportTo(volumeOf('uint16'), 'h5')).code).toBe(0);
    expect((await readdir(folder)).sort()).toEqual(['.bfly-export.done', '.bfly-export.json', 'c.h5']);
  });

  it('reads one state from beginning to end: the head of the first run, unless another is named', async () => {
    const states: unknown[] = [];
    const watch = (volume: RemoteVolume): RemoteVolume => {
      const { session } = volume;
      const pull = (from: string, options: RemotePull): ReturnType<typeof session.pull> => {
        states.push(Reflect.get(options, 'at'));
        return session.pull(from, options);
      };
      Object.assign(volume, { session: { ...session, pull } });
      return volume;
    };
    await exportTo(watch(failingAt(volumeOf('uint8'), 3)), 'zarr');
    const later = volumeOf('uint8');
    Object.assign(later.info, { head: 99 });
    expect((await exportTo(watch(later), 'zarr')).code).toBe(0);
    expect(new Set(states)).toEqual(new Set([12]));
  });

  it('refuses a folder that holds something else, and touches none of it', async () => {
    await mkdir(folder);
    await writeFile(path.join(folder, 'thesis.tex'), 'x');
    expect(await exportTo(volumeOf('uint8'), 'zarr')).toMatchObject({
      code: 1,
      err: expect.stringContaining('holds other files, such as "thesis.tex"'),
    });
    expect(await readdir(folder)).toEqual(['thesis.tex']);
    await rm(folder, { recursive: true });
    await exportTo(volumeOf('uint8'), 'zarr');
    expect(await exportTo(volumeOf('uint8'), 'precomputed')).toMatchObject({
      code: 1,
      err: expect.stringContaining('holds another export (e/s/d/c as zarr, edit 12)'),
    });
  });

  it.each([
    [['--to', 'tape'], 'one of precomputed, zarr, ome-zarr, tiff, npy, h5'],
    [['--to', 'zarr', '--out', 'a.json'], 'give one of them'],
    [['--merged'], '--merged goes with --to'],
    [['--to', 'zarr', '--box', '900,900,900,901,901,901'], 'the box is outside the volume'],
    [['--to', 'zarr', '--mip', '7'], 'only --mip 0'],
  ])('says what is wrong with %j', async (args, message) => {
    const volume = volumeOf('uint8');
    const { code, err } = await run(['export', 'host:2001', 'e/s/d/c', folder, ...args], {
      parts: { connect: async () => volume.session },
    });
    expect([code === 0, err]).toEqual([false, expect.stringContaining(message)]);
    expect(boxShape(volume.box)).toEqual(SHAPE);
  });
});
