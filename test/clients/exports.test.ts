/** What `bfly export --to` writes, in readers of other people's. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DType, Vec3 } from '../../protocol/volume.ts';
import { RemoteVolume } from '../commands/remote-volume.ts';
import { run } from '../commands/terminal.ts';
import { hasPythonModules, runPython } from '../support/python.ts';

const SCRIPT = path.resolve(import.meta.dirname, 'read_files.py');
const SHAPE: Vec3 = [37, 29, 13];
const DTYPES: readonly DType[] = ['uint8', 'uint16', 'uint32', 'uint64', 'float32'];
/** Reader, its module, format, and what is read in the folder. */
const READERS = [
  ['h5py', 'h5py', 'h5', 'c.h5'],
  ['tifffile', 'tifffile', 'tiff', 'c.tif'],
  ['numpy', 'numpy', 'npy', 'c.npy'],
  ['zarr-python', 'zarr', 'zarr', ''],
  ['zarr-python', 'zarr', 'ome-zarr', ''],
  ['tensorstore', 'tensorstore', 'precomputed', ''],
  ['cloudvolume', 'cloudvolume', 'precomputed', ''],
] as const;

describe('exports', { timeout: 120_000 }, () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'bfly-exports-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  for (const [reader, module, to, name] of READERS)
    it.skipIf(!hasPythonModules(`${reader} on exports`, [module]))(`as ${to} are read by ${reader}`, async () => {
      // Programs that read TIFF have no voxels of 64 bits.
      const dtypes = DTYPES.filter((dtype) => to !== 'tiff' || dtype !== 'uint64');
      const jobs: { reader: string; file: string }[] = [];
      const expected: unknown[] = [];
      for (const dtype of dtypes) {
        const type = dtype === 'uint32' || dtype === 'uint64' ? 'segmentation' : 'image';
        const volume = new RemoteVolume(dtype, SHAPE, [16, 16, 8], [5, 3, 2], type);
        const folder = path.join(root, `${reader}-${to}-${dtype}`);
        const parts = { connect: async () => volume.session };
        expect(await run(['export', 'host:2001', 'e/s/d/c', folder, '--to', to], { parts })).toMatchObject({ code: 0 });
        jobs.push({ reader, file: path.join(folder, name) });
        expected.push({ dtype, shape: SHAPE, crc32: crc32(volume.bytes) });
      }
      expect(await runPython(SCRIPT, jobs)).toEqual(expected);
    });
});
