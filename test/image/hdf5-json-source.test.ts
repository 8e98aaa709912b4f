import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import h5wasm, { ready } from 'h5wasm/node';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Box, viewVoxels } from '../../protocol/volume.ts';
import { hdf5JsonFormat } from '../../src/image/hdf5-json-source.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import type { Source } from '../../src/image/source.ts';
import { errorOf, temporaryFolder } from './source-fixtures.ts';

const root = temporaryFolder();
let folder = '';
let folders = 0;
beforeAll(async () => void (await ready));
beforeEach(() => {
  folder = join(root, `list-${folders++}`);
  mkdirSync(folder);
});

/** A file of planes of 8×8 voxels of one value. */
function writeFlat(name: string, depth: number, value: number, dataset = 'main', side = 8, dtype = '<B'): void {
  const file = new h5wasm.File(join(folder, name), 'w');
  const length = depth * side * side;
  const data = dtype === '<B' ? new Uint8Array(length).fill(value) : new Uint16Array(length).fill(value);
  const [group, leaf] = dataset.includes('/') ? dataset.split('/') : [undefined, dataset];
  const place = group === undefined ? file : file.create_group(group);
  place.create_dataset({ name: leaf ?? 'main', data, shape: [depth, side, side], dtype });
  file.close();
}

function writeList(value: unknown, name = 'multi.json'): string {
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
  return join(folder, name);
}

const part = (filename: string, z?: number, dataset = 'main'): object => ({
  ...{ filename, 'dataset-path': dataset },
  ...(z === undefined ? {} : { 'z-offset': z }),
});

async function column(source: Source, z0: number, z1: number): Promise<number[]> {
  const box: Box = [3, 3, z0, 4, 4, z1];
  return Array.from(viewVoxels(source.info.dtype, await source.read(0, box)) as ArrayLike<number>, Number);
}

const times = (count: number, value: number): number[] => new Array<number>(count).fill(value);

describe('HDF5 files in a list', () => {
  it('[83] follow each other in z, also where a box crosses from one to the next', async () => {
    writeFlat('a.h5', 100, 1);
    writeFlat('b.h5', 50, 2);
    const source = await openSource({ path: writeList([part('b.h5', 100), part('a.h5')]) });
    expect(source.info).toMatchObject({ kind: 'hdf5-json', type: 'image', dtype: 'uint8', voxelKnown: false });
    expect(source.info.mips).toMatchObject([{ shape: [8, 8, 150], offset: [0, 0, 0] }]);
    expect(await column(source, 0, 150)).toEqual([...times(100, 1), ...times(50, 2)]);
    expect(await column(source, 64, 128)).toEqual([...times(36, 1), ...times(28, 2)]);
    expect(await column(source, 128, 150)).toEqual(times(22, 2));
    await source.close();
    await source.close();
  });

  it('leave zeros where there is none, in front too', async () => {
    writeFlat('a.h5', 3, 1);
    writeFlat('b.h5', 2, 2);
    const source = await openSource({ path: writeList([part('a.h5', 2), part('b.h5', 8)]) });
    expect(source.info.mips[0]?.shape).toEqual([8, 8, 10]);
    expect(await column(source, 0, 10)).toEqual([0, 0, 1, 1, 1, 0, 0, 0, 2, 2]);
    expect(await column(source, 5, 8)).toEqual([0, 0, 0]);
    await source.close();
  });

  it('give what the later one has where they overlap', async () => {
    writeFlat('a.h5', 4, 1);
    writeFlat('b.h5', 2, 2);
    const source = await openSource({ path: writeList([part('b.h5', 1), part('a.h5', 0)]) });
    expect(await column(source, 0, 4)).toEqual([1, 2, 2, 1]);
    await source.close();
  });

  it('may be one, which stands alone', async () => {
    writeFlat('a.h5', 2, 5, 'volumes/raw');
    const source = await openSource({ path: writeList(part('a.h5', undefined, 'volumes/raw')) });
    expect(await column(source, 0, 2)).toEqual([5, 5]);
    await source.close();
  });

  it('are taken by their first dataset where they have no "main", as Butterfly did', async () => {
    writeFlat('a.h5', 2, 5, 'stack');
    const source = await openSource({ path: writeList([part('a.h5')]) });
    expect(await column(source, 0, 2)).toEqual([5, 5]);
    await source.close();
  });

  it('are found by what is in the file, relative to it', async () => {
    writeFlat('a.h5', 1, 1);
    mkdirSync(join(folder, 'lists'));
    const path = writeList([part('../a.h5')], 'lists/em.json');
    expect(await findVolumes(path)).toEqual([{ spec: { path }, name: 'em', kind: 'hdf5-json' }]);
    const source = await openSource({ path });
    expect(await column(source, 0, 1)).toEqual([1]);
    await source.close();
    for (const other of ['{"a": 1}', '[]', '[{"filename": "a.h5"}]', '{"z-offset": 1, "x": "filename"}'])
      expect(await hdf5JsonFormat.find(writeList(other, 'other.json'))).toBeUndefined();
  });

  it('change their fingerprint when one of them changes', async () => {
    writeFlat('a.h5', 2, 1);
    const path = writeList([part('a.h5')]);
    const fingerprint = async (): Promise<string> => {
      const source = await openSource({ path });
      await source.close();
      return source.info.fingerprint;
    };
    const before = await fingerprint();
    expect(await fingerprint()).toBe(before);
    writeFlat('a.h5', 3, 1);
    expect(await fingerprint()).not.toBe(before);
  });

  it('that do not go together are refused by name', async () => {
    writeFlat('a.h5', 2, 1);
    writeFlat('b.h5', 2, 1, 'main', 9);
    writeFlat('c.h5', 2, 1, 'main', 8, '<H');
    const faultOf = async (value: unknown): Promise<string> => {
      const error = await errorOf(hdf5JsonFormat.open({ path: writeList(value) }));
      expect(['UNSUPPORTED', 'NOT_FOUND']).toContain(error.code);
      expect(error.message).not.toContain(root);
      return error.message;
    };
    const right = '8×8 uint8, as in "a.h5", would be right';
    expect(await faultOf([part('a.h5'), part('b.h5', 2)])).toBe(`"b.h5" has planes of 9×9 uint8; ${right}`);
    expect(await faultOf([part('a.h5'), part('c.h5', 2)])).toBe(`"c.h5" has planes of 8×8 uint16; ${right}`);
    expect(await faultOf([part('a.h5'), part('d.h5', 2)])).toBe('there is no file or folder "d.h5"');
    expect(await faultOf([part('a.h5', 0, 'x')])).toBe('"a.h5" has no dataset "x"; its datasets: main');
    expect(await faultOf([part('a.h5', -1)])).toBe(
      '"multi.json"[0].z-offset must be a whole number of planes from 0 up',
    );
    expect(await faultOf(part('', 1))).toBe('"multi.json".filename must be the name of an HDF5 file');
    expect(await faultOf('[{"filename": "a.h5", "z-offset": ')).toBe('"multi.json" is not JSON, or cut off');
    writeFileSync(join(folder, 'e.h5'), 'something else');
    expect(await faultOf([part('e.h5')])).toContain('"e.h5" is not a file with the HDF5 signature');
  });

  it('are not read outside the folders that may be read from, also through links', async () => {
    writeFlat('a.h5', 1, 1);
    const path = writeList([part('a.h5')]);
    const inner = join(folder, 'inner');
    mkdirSync(inner);
    symlinkSync(join(folder, 'a.h5'), join(inner, 'link.h5'));
    const list = writeList([part('link.h5')], 'inner/list.json');
    for (const [file, within, code] of [
      [path, [inner], 'FORBIDDEN'],
      [list, [inner], 'FORBIDDEN'],
    ] as const)
      expect((await errorOf(hdf5JsonFormat.open({ path: file, within }))).code).toBe(code);
    await (await hdf5JsonFormat.open({ path: list, within: [folder] })).close();
  });
});
