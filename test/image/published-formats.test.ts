/** Real volumes of other programs: what we read is what zarr-python, TensorStore and numpy read, whose digests stand here. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { mipBox } from '../../protocol/volume.ts';
import { findVolumes, openSource } from '../../src/image/open-source.ts';
import { describeWithShared, SHARED_DATA } from '../support/shared-data.ts';

/** Digests of whole levels, finest first. Voxels of two axes are one plane. */
const VOLUMES: readonly (readonly [file: string, name: string, dtype: string, digests: readonly string[]])[] = [
  ['ome-zarr/fib25-ts2-crop.ome.zarr', 'fib25-ts2-crop', 'uint8', ['2e826f4c', 'c25b0fd6']],
  ['ome-zarr/fib25-ts2-crop.ome.zarr', 'fib25-ts2-crop.labels.bodies', 'uint64', ['23e0e428', '41c025ca']],
  ['ome-zarr/mri-stack.ome.zarr', 'mri-stack', 'uint8', ['f2060b39', '7c082a9e']],
  [
    'n5/neuroglancer-n5/n5_viewer_multiscale_modern',
    'n5_viewer_multiscale_modern',
    'uint16',
    ['46220d0c', '9988c6ca', '00043eb5'],
  ],
  [
    'n5/neuroglancer-n5/n5_viewer_multiscale_deprecated',
    'n5_viewer_multiscale_deprecated',
    'uint16',
    ['46220d0c', '9988c6ca', '00043eb5'],
  ],
  ...['raw', 'gzip', 'bzip2', 'xz', 'blosc'].map(
    (name) => [`n5/tensorstore-n5/${name}`, name, 'uint16', ['160819c2']] as const,
  ),
  ['nifti/ch2.nii.gz', 'ch2', 'uint8', ['c3822357']],
  ['nifti/aal.nii.gz', 'aal', 'uint8', ['c4939217']],
];

async function digestsOf(
  place: string,
  name: string,
): Promise<{ readonly dtype: string; readonly digests: readonly string[] }> {
  const volume = (await findVolumes(place)).find((found) => found.name === name);
  if (volume === undefined) throw new Error(`there is no ${name} at ${place}`);
  const source = await openSource(volume.spec);
  try {
    const digests: string[] = [];
    for (const [mip, level] of source.info.mips.entries())
      digests.push(
        crc32(await source.read(mip, mipBox(level)))
          .toString(16)
          .padStart(8, '0'),
      );
    return { dtype: source.info.dtype, digests };
  } finally {
    await source.close();
  }
}

describeWithShared('real volumes of other programs', () => {
  let server: Server | undefined;
  afterEach(async () => {
    server?.close();
    server?.closeAllConnections();
    if (server !== undefined) await once(server, 'close');
    server = undefined;
  });

  it.each(VOLUMES)('%s is read as %s, every voxel of every level', async (file, name, dtype, digests) => {
    expect(await digestsOf(path.join(SHARED_DATA, file), name)).toEqual({ dtype, digests });
  });

  it.each([
    ['ome-zarr/fib25-ts2-crop.ome.zarr', 'fib25-ts2-crop', 'uint8', ['2e826f4c', 'c25b0fd6']],
    [
      'n5/neuroglancer-n5/n5_viewer_multiscale_modern',
      'n5_viewer_multiscale_modern',
      'uint16',
      ['46220d0c', '9988c6ca', '00043eb5'],
    ],
  ])('%s is read over HTTP as it is from the disk', async (file, name, dtype, digests) => {
    const asked: string[] = [];
    server = createServer((request, response) => {
      const target = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
      asked.push(target);
      readFile(path.join(SHARED_DATA, path.normalize(target))).then(
        (bytes) => response.end(request.method === 'HEAD' ? undefined : bytes),
        () => response.writeHead(404).end(),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${file}`;
    const [found] = await findVolumes(url);
    expect(await digestsOf(url, found?.name ?? name)).toEqual({ dtype, digests });
    expect(asked.length).toBeGreaterThan(0);
  });

  it('pinky40 in compresso has the labels that were published, at its coarsest level', {
    timeout: 60_000,
  }, async () => {
    const source = await openSource({ path: path.join(SHARED_DATA, 'pinky40-precomputed') });
    const level = source.info.mips[2];
    if (level === undefined) throw new Error('there are three levels');
    const raw = await source.read(2, mipBox(level));
    await source.close();
    expect(new Set(new Uint32Array(raw.buffer, raw.byteOffset, raw.length / 4)).size).toBe(2_512);
  });
});
