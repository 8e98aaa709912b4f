import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pathSegmentFault } from '../../protocol/volume.ts';
import { findVolumes, openSource, resolveSpec, SOURCE_FORMATS } from '../../src/image/open-source.ts';
import { volumeName } from '../../src/image/volume-name.ts';
import { h5pyFile } from './hdf5-fixture.ts';
import { errorOf, randomBytes, readWhole, temporaryFolder } from './source-fixtures.ts';
import { tiffBytes } from './tiff-fixture.ts';

const folder = temporaryFolder();
const page = { width: 3, height: 2, bits: 8, strips: [randomBytes(1, 6)] };

function write(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function makeFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

const INFO = {
  type: 'image',
  data_type: 'uint8',
  num_channels: 1,
  scales: [{ key: 's', size: [4, 4, 4], resolution: [1, 1, 1], chunk_sizes: [[4, 4, 4]], encoding: 'raw' }],
};

describe('formats are found', () => {
  it('in an order in which folders of images come last, and files that tell what they are first', () => {
    const kinds = SOURCE_FORMATS.map(({ kind }) => kind);
    const butterfly = ['hdf5', 'hdf5-json', 'boss', 'mojo', 'precomputed', 'tiff', 'stack'];
    expect(kinds.filter((kind) => butterfly.includes(kind))).toEqual(butterfly);
    expect(kinds.at(-1)).toBe('stack');
    expect(new Set(kinds).size).toBe(kinds.length);
  });

  it('by content, whatever the file is called', async () => {
    expect((await findVolumes(write('hdf5.dat', h5pyFile())))[0]?.kind).toBe('hdf5');
    expect((await findVolumes(write('pages', tiffBytes([page]))))[0]?.kind).toBe('tiff');
  });

  it('in folders: an info file goes before images, images go where the info is of something else', async () => {
    const both = makeFolder('both');
    write('both/1.tif', tiffBytes([page]));
    write('both/info', JSON.stringify(INFO));
    expect((await findVolumes(both))[0]?.kind).toBe('precomputed');
    const notes = makeFolder('notes');
    write('notes/1.tif', tiffBytes([page]));
    write('notes/info', 'taken on Monday');
    expect((await findVolumes(notes))[0]?.kind).toBe('stack');
    const source = await openSource({ path: notes });
    expect(await readWhole(source)).toEqual(page.strips[0]);
    await source.close();
  });
});

describe('paths', () => {
  it('may go on inside an HDF5 file', async () => {
    const path = write('crop.h5', h5pyFile());
    expect(await resolveSpec(path)).toEqual({ path });
    expect(await resolveSpec(`${path}/deep/er/all`)).toEqual({ path, dataset: 'deep/er/all' });
    const found = await findVolumes(`${path}/deep/er/all`);
    expect(found).toEqual([{ spec: { path, dataset: 'deep/er/all' }, name: 'crop.deep.er.all', kind: 'hdf5' }]);
    const source = await openSource(await resolveSpec(`${path}/deep/er/all`));
    expect(source.info.mips[0]?.shape).toEqual([6, 5, 4]);
    await source.close();
  });

  it('may end at a group, for all that is in it', async () => {
    const path = write('group.h5', h5pyFile());
    expect((await findVolumes(`${path}/deep`)).map(({ spec }) => spec.dataset)).toEqual([
      'deep/er/all',
      'deep/sparse',
      'deep/um',
    ]);
    expect((await errorOf(findVolumes(`${path}/dee`))).code).toBe('NOT_FOUND');
  });

  it('to a dataset that cannot be served say why, and to one that is not there which there are', async () => {
    const path = write('faults.h5', h5pyFile());
    const flat = await errorOf(findVolumes(`${path}/flat`));
    expect([flat.code, flat.message]).toEqual([
      'UNSUPPORTED',
      'dataset "flat" of "faults.h5" has 2 dimensions [3,4]; three, [z][y][x], would be right',
    ]);
    expect((await errorOf(findVolumes(`${path}/nothing`))).code).toBe('NOT_FOUND');
    expect((await errorOf(openSource({ path, dataset: 'de' }))).code).toBe('NOT_FOUND');
  });

  it('are made absolute', async () => {
    const path = write('here.tif', tiffBytes([page]));
    expect(await resolveSpec(relative(process.cwd(), path))).toEqual({ path });
  });

  it('that do not exist are not found, and the message holds no folder', async () => {
    const tiff = write('a.tif', tiffBytes([page]));
    for (const path of [join(folder, 'no', 'such.h5'), `${tiff}/inside`, join(folder, 'gone')]) {
      for (const error of [await errorOf(findVolumes(path)), await errorOf(openSource({ path }))]) {
        expect(error.code).toBe('NOT_FOUND');
        expect(error.message).toBe(`there is no file or folder "${basename(path)}"`);
      }
    }
  });
});

describe('what no format takes', () => {
  it('is refused with the reason of each', async () => {
    const error = await errorOf(findVolumes(write('noise.bin', randomBytes(8, 100))));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toMatch(/^no format takes "noise\.bin" \(hdf5: not a file with the HDF5 signature; .*\)$/);
    expect(error.message).toContain('; precomputed: not a folder with an info file; ');
    expect(error.message).toContain('stack: not a folder with PNG, JPEG or TIFF files)');
    for (const { kind } of SOURCE_FORMATS) expect(error.message).toContain(`${kind}: not a`);
  });

  it('is refused with what is broken where a format knows it as its own', async () => {
    for (const error of [
      await errorOf(findVolumes(write('half.h5', h5pyFile().subarray(0, 100)))),
      await errorOf(openSource({ path: join(folder, 'half.h5') })),
    ]) {
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toContain('hdf5: "half.h5" is an HDF5 file that is truncated');
      expect(error.message).not.toContain(folder);
    }
    const tiff = await errorOf(findVolumes(write('half.tif', tiffBytes([page]).subarray(0, 20))));
    expect(tiff.message).toContain('tiff: "half.tif" cannot be served: it is a TIFF that is truncated');
  });

  it('is an empty file, an empty folder, and a dataset in a file that has none', async () => {
    expect((await errorOf(findVolumes(write('empty', '')))).code).toBe('UNSUPPORTED');
    expect((await errorOf(findVolumes(makeFolder('nothing')))).code).toBe('UNSUPPORTED');
    const path = write('plain.tif', tiffBytes([page]));
    expect((await errorOf(openSource({ path, dataset: 'x' }))).code).toBe('NOT_FOUND');
  });
});

describe('names of volumes', () => {
  it.each([
    ['/data/crop.h5', undefined, 'crop'],
    ['/data/crop.h5', 'volumes/raw', 'crop.volumes.raw'],
    ['/data/a.lzf.h5', undefined, 'a'],
    ['/data/cells.ome.tif', undefined, 'cells'],
    ['/data/v1.2 raw', undefined, 'v1.2 raw'],
    ['/data/.h5', undefined, 'h5'],
    ['/data/a:b\\c.tif', undefined, 'a_b_c'],
  ])('%s %s is %s', (path, dataset, name) => {
    expect(volumeName(path, dataset)).toBe(name);
  });

  it('are always legal', () => {
    for (const file of [' . ', 'é'.repeat(100), `${'x'.repeat(127)} y`, '\u0001', '...h5', 'e\u0301.tif'])
      expect(pathSegmentFault(volumeName(`/data/${file}`))).toBeUndefined();
  });
});
