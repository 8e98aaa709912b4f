import { expect, it } from 'vitest';
import { openArraySource } from '../../src/image/array-source.ts';
import { errorOf, randomBytes, readWhole } from './source-fixtures.ts';

it('serves the voxels it is given, in any box', async () => {
  const data = randomBytes(1, 6 * 5 * 4 * 2);
  const source = await openArraySource({
    data,
    shape: [6, 5, 4],
    dtype: 'uint16',
    voxel: [4, 4, 40],
    offset: [10, 20, 30],
  });
  expect(source.info).toMatchObject({ kind: 'array', type: 'image', dtype: 'uint16', voxelKnown: true });
  expect(source.info.mips).toEqual([{ shape: [6, 5, 4], chunk: [6, 5, 4], voxel: [4, 4, 40], offset: [10, 20, 30] }]);
  expect(await readWhole(source)).toEqual(data);
  const box = await source.read(0, [12, 21, 31, 14, 23, 32]);
  const at = (x: number, y: number, z: number): number => ((z * 5 + y) * 6 + x) * 2;
  const row = (y: number): Uint8Array => data.subarray(at(2, y, 1), at(4, y, 1));
  expect(box).toEqual(Uint8Array.from([...row(1), ...row(2)]));
  await source.close();
});

it('gives bytes of their own', async () => {
  const data = new Uint8Array(8);
  const source = await openArraySource({ data, shape: [2, 2, 2], dtype: 'uint8' });
  (await readWhole(source)).fill(9);
  expect(data).toEqual(new Uint8Array(8));
});

it('takes type, kind and chunk as told, and tells volumes apart', async () => {
  const volume = { data: new Uint8Array(64), shape: [4, 4, 4], dtype: 'uint8' } as const;
  const source = await openArraySource({ ...volume, type: 'segmentation', kind: 'demo', chunk: [2, 8, 1] });
  expect(source.info).toMatchObject({ kind: 'demo', type: 'segmentation', voxelKnown: false });
  expect(source.info.mips[0]?.chunk).toEqual([2, 4, 1]);
  expect((await openArraySource(volume)).info.fingerprint).not.toBe(source.info.fingerprint);
  expect((await openArraySource({ ...volume, data: new Uint8Array(256), dtype: 'int32' })).info.type).toBe(
    'segmentation',
  );
});

it('refuses data of another length than the shape says', async () => {
  const error = await errorOf(openArraySource({ data: new Uint8Array(7), shape: [2, 2, 2], dtype: 'uint8' }));
  expect(error.message).toBe('2×2×2 voxels of uint8 are 8 bytes, not 7');
  expect(
    (
      await errorOf(
        (
          await openArraySource({ data: new Uint8Array(8), shape: [2, 2, 2], dtype: 'uint8' })
        ).read(1, [0, 0, 0, 1, 1, 1]),
      )
    ).code,
  ).toBe('NOT_FOUND');
});
