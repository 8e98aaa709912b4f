import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AllowedPaths } from '../../src/utility/allowed-paths.ts';
import { MeshFolders } from '../../src/utility/mesh-folders.ts';

describe('folders of meshes', () => {
  let folder = '';
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('give parts of a file of any size, and never all of a long one at once', async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-mesh-'));
    const file = path.join(folder, '0.shard');
    await writeFile(file, 'head');
    // Holes take no room on the disk.
    await truncate(file, 3 * 2 ** 30);
    const meshes = new MeshFolders(new Map([['e/s/d/c', folder]]), new AllowedPaths([folder]));
    const found = await meshes.file('e/s/d/c', ['0.shard']);
    expect(found?.byteLength).toBe(3 * 2 ** 30);
    expect(Buffer.from((await found?.read(0, 6)) ?? []).toString('latin1')).toBe('head\0\0');
    await expect(found?.read(0, 3 * 2 ** 30)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringContaining('ask for ranges'),
    });
  });
});
