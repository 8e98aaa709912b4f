/** What stands beside the voxels of a precomputed volume: files of the source. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { precomputedRoute } from '../../../src/access/http/precomputed-route.ts';
import { Core } from '../../../src/core/core.ts';
import { MemoryDatabase } from '../../../src/database/memory-database.ts';
import { InlineTileMaker } from '../../../src/image/inline-tile-maker.ts';
import { AllowedPaths } from '../../../src/utility/allowed-paths.ts';
import { SILENT_LOG } from '../../../src/utility/log.ts';
import { MeshFolders } from '../../../src/utility/mesh-folders.ts';
import { infoOf } from '../../image/precomputed-fixture.ts';
import { type AskOptions, ask } from '../../support/ask-route.ts';

const PATH = 'e/s/d/ids';
const MESH = Uint8Array.from({ length: 2_000 }, (_, at) => at * 7);
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A precomputed folder with files beside its voxels, served. */
async function serve(members: Record<string, unknown>, files: Readonly<Record<string, string | Uint8Array>>) {
  const folder = await mkdtemp(path.join(tmpdir(), 'bfly-beside-'));
  folders.push(folder);
  const volume = path.join(folder, 'volume');
  const info = infoOf({ dtype: 'uint64', encoding: 'raw' }, {}, members);
  for (const [name, content] of Object.entries({ info: JSON.stringify(info), ...files })) {
    await mkdir(path.dirname(path.join(volume, name)), { recursive: true });
    await writeFile(path.join(volume, name), content);
  }
  const maker = new InlineTileMaker();
  const database = new MemoryDatabase();
  const channels = [{ path: PATH, spec: { path: volume } }];
  const core = new Core({ database, maker, cacheBytes: 2 ** 20, channels, log: SILENT_LOG });
  const page = (target: string, options?: AskOptions) =>
    ask([precomputedRoute(core)], `/precomputed/${target}`, options);
  const named = async (address = PATH) => {
    const { mesh, skeletons, segment_properties } = JSON.parse((await page(`${address}/info`)).text);
    return { mesh, skeletons, segment_properties };
  };
  return { folder, volume, core, info, page, named };
}

describe('files beside the voxels of a precomputed source', () => {
  it('are named where the source has them, and passed through under one name', async () => {
    const properties = '{"@type":"neuroglancer_segment_properties"}';
    const { page, named } = await serve(
      { mesh: 'mesh_mip_2_err_40', skeletons: 'skel/v1', segment_properties: 'props' },
      {
        'mesh_mip_2_err_40/7:0': '{"fragments":["7:0:a"]}',
        'mesh_mip_2_err_40/7:0:a': MESH,
        'skel/v1/info': '{"@type":"neuroglancer_skeletons"}',
        'skel/v1/7': MESH,
        'props/info': properties,
      },
    );
    expect(await named()).toEqual({ mesh: 'mesh', skeletons: 'skeletons', segment_properties: 'segment_properties' });
    const manifest = await page(`${PATH}/mesh/7:0`);
    expect([manifest.text, manifest.headers['content-type']]).toEqual(['{"fragments":["7:0:a"]}', 'application/json']);
    const fragment = await page(`${PATH}/mesh/7:0:a`);
    expect(fragment.bytes).toEqual(MESH);
    expect(fragment.headers['content-type']).toBe('application/octet-stream');
    expect((await page(`${PATH}/skeletons/info`)).text).toContain('neuroglancer_skeletons');
    expect((await page(`${PATH}/skeletons/7`)).bytes).toEqual(MESH);
    expect((await page(`${PATH}/segment_properties/info`)).text).toBe(properties);
    for (const name of ['mesh/8:0', 'mesh', 'mesh/info', 'skeletons/8', 'props/info', 'segment_properties/other'])
      expect([name, (await page(`${PATH}/${name}`)).status]).toEqual([name, 404]);
  });

  it('are not named where they are not there, but for meshes, of which one kind has no info', async () => {
    const { named } = await serve({ mesh: 'm', skeletons: 's', segment_properties: 'p' }, {});
    expect(await named()).toEqual({ mesh: 'mesh' });
    const without = await serve({}, {});
    expect(await without.named()).toEqual({});
    expect((await without.page(`${PATH}/mesh/7:0`)).status).toBe(404);
  });

  it('are neither of bodies nor of the past', async () => {
    const { named, page } = await serve({ mesh: 'm' }, { 'm/7:0': '{}' });
    for (const suffix of ['@merged', '@0']) {
      expect(await named(`${PATH}${suffix}`)).toEqual({});
      expect((await page(`${PATH}${suffix}/mesh/7:0`)).status).toBe(404);
    }
  });

  it('are read in parts, and no more than the part', async () => {
    const { core, page } = await serve({ mesh: 'm' }, { 'm/0.shard': MESH });
    const read = vi.spyOn(core.sourceFiles, 'file');
    const part = await page(`${PATH}/mesh/0.shard`, { headers: { range: 'bytes=100-199' } });
    expect(Math.max(...read.mock.calls.map(([, , , range]) => (range?.to ?? Infinity) - (range?.from ?? 0)))).toBe(100);
    expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 100-199/2000']);
    expect(part.bytes).toEqual(MESH.slice(100, 200));
    const end = await page(`${PATH}/mesh/0.shard`, { headers: { range: 'bytes=-5' } });
    expect(end.bytes).toEqual(MESH.slice(-5));
    expect((await page(`${PATH}/mesh/0.shard`, { headers: { range: 'bytes=2000-' } })).status).toBe(416);
    const whole = await page(`${PATH}/mesh/0.shard`);
    const again = { 'if-none-match': whole.headers['etag'] as string };
    expect((await page(`${PATH}/mesh/0.shard`, { headers: again })).status).toBe(304);
  });

  it('are told apart from what was there before by their tag', async () => {
    const { page, volume } = await serve({ mesh: 'm' }, { 'm/7': MESH });
    const before = (await page(`${PATH}/mesh/7`)).headers['etag'];
    await writeFile(path.join(volume, 'm/7'), MESH.slice(1));
    expect((await page(`${PATH}/mesh/7`)).headers['etag']).not.toBe(before);
  });

  it('that a mirror keeps gzipped are as they were', async () => {
    const { page } = await serve({ mesh: 'm' }, { 'm/7.gz': gzipSync(MESH), 'm/8': gzipSync(MESH) });
    expect((await page(`${PATH}/mesh/7`)).bytes).toEqual(MESH);
    expect((await page(`${PATH}/mesh/8`)).bytes).toEqual(MESH);
    const part = await page(`${PATH}/mesh/7`, { headers: { range: 'bytes=10-19' } });
    expect([part.headers['content-range'], part.bytes]).toEqual(['bytes 10-19/2000', MESH.slice(10, 20)]);
  });

  it('outside the folder of the source are not there, whichever way leads to them', async () => {
    const { folder, volume, page, named } = await serve({ mesh: 'm', skeletons: '../secret' }, { 'm/7': MESH });
    await mkdir(path.join(folder, 'secret'));
    await writeFile(path.join(folder, 'secret/info'), 'secret');
    await symlink(path.join(folder, 'secret'), path.join(volume, 'm/link'));
    await symlink(path.join(folder, 'secret/info'), path.join(volume, 'm/file'));
    expect(await named()).toEqual({ mesh: 'mesh' });
    for (const name of ['mesh/link/info', 'mesh/file', 'skeletons/info'])
      expect([name, (await page(`${PATH}/${name}`)).status]).toEqual([name, 404]);
    for (const name of ['mesh/../info', 'mesh/%2e%2e/info'])
      await expect(page(`${PATH}/${name}`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const name of ['mesh/..%2finfo', 'mesh/m%5c..'])
      await expect(page(`${PATH}/${name}`)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect((await page(`${PATH}/mesh/7`)).status).toBe(200);
  });

  it('are those of the configured folder where there is one', async () => {
    const { folder, core, info } = await serve({ mesh: 'm' }, { 'm/7:0': 'of the source', 'm/8:0': 'of the source' });
    const meshes = path.join(folder, 'meshes');
    await mkdir(meshes);
    await writeFile(path.join(meshes, '7:0'), 'of the folder');
    const folders = new MeshFolders(new Map([[PATH, meshes]]), new AllowedPaths([folder]));
    const page = (name: string) => ask([precomputedRoute(core, folders)], `/precomputed/${PATH}/${name}`);
    expect((await page('mesh/7:0')).text).toBe('of the folder');
    expect((await page('mesh/8:0')).status).toBe(404);
    expect(JSON.parse((await page('info')).text).mesh).toBe('mesh');
    expect(info.mesh).toBe('m');
  });
});
