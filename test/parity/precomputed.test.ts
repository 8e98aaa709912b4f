/** Butterfly's own URLs of Neuroglancer's format: cases 80 to 82 of the parity list, by number. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllowedPaths } from '../../src/utility/allowed-paths.ts';
import { parseConfig } from '../../src/utility/config.ts';
import { meshFoldersOf } from '../../src/utility/mesh-folders.ts';
import { lineTransports } from '../support/line-server.ts';
import { ParityFolder, ParityServer } from '../support/parity-server.ts';
import { parityConfig } from '../support/parity-volumes.ts';
import { exchangeBytes } from '../support/transport-harness.ts';

let folder: ParityFolder;
let outside: ParityFolder;
beforeAll(async () => {
  folder = await ParityFolder.make();
  outside = await ParityFolder.make();
  mkdirSync(folder.at('meshes/parts'), { recursive: true });
  writeFileSync(folder.at('meshes/7:0'), '{"fragments":["parts/7.bin"]}');
  writeFileSync(folder.at('meshes/parts/7.bin'), Uint8Array.of(1, 2, 3, 4));
  writeFileSync(folder.at('elsewhere.bin'), Uint8Array.of(9));
  writeFileSync(outside.at('secret'), 'secret');
  symlinkSync(folder.at('elsewhere.bin'), folder.at('meshes/linked'));
  symlinkSync(outside.at('secret'), folder.at('meshes/leak'));
  symlinkSync(outside.path, folder.at('meshes/leaks'));
});
afterAll(() => {
  folder.remove();
  outside.remove();
});

const IM = '/pre/e::s::d/im';
const SEG = '/pre/e::s::d/seg';

describe.each(lineTransports('/pre'))('/pre over %s', (kind) => {
  let server: ParityServer;
  beforeAll(async () => {
    server = await ParityServer.start(kind, folder.path);
  });
  afterAll(() => server.stop());

  it('[parity 80] gives boxes of any place and size, x fastest, zeros past the end', async () => {
    const bytes = async (box: string) => [...(await server.get(`${IM}/${box}`)).body];
    expect(await bytes('0/0-3_0-2_1-3')).toEqual([48, 49, 50, 56, 57, 58, 96, 97, 98, 104, 105, 106]);
    expect(await bytes('1/0-3_0-2_1-3')).toEqual([48, 50, 52, 64, 66, 68, 96, 98, 100, 112, 114, 116]);
    const zeros = (count: number) => Array.from({ length: count }, () => 0);
    expect(await bytes('0/4-12_4-8_3-4')).toEqual([
      ...[180, 181, 182, 183, ...zeros(4)],
      ...[188, 189, 190, 191, ...zeros(20)],
    ]);
    const { headers } = await server.get(`${IM}/0/0-3_0-2_1-3`);
    expect(headers).toMatchObject({ 'content-type': 'image/raw', 'access-control-allow-origin': '*' });
  });

  it('[parity 80] refuses what is no box, and knows no other pages', async () => {
    for (const box of ['3-0_0-2_1-3', '0-3_0-2_1-1', '-1-3_0-2_1-3', '0-3_0-2', '0-3_0-2_1-3.5'])
      expect([box, (await server.get(`${IM}/0/${box}`)).status]).toEqual([box, 400]);
    expect((await server.get(`${IM}/r/0-3_0-2_1-3`)).status).toBe(400);
    for (const page of ['', '/0', '/info/x', '/0/0-3_0-2_1-3/x', '/provenance'])
      expect([page, (await server.get(IM + page)).status]).toEqual([page, 404]);
    for (const token of ['e::s::x/im', 'e::s::d/x', 'e::s/im', 'e::s::d'])
      expect([token, (await server.get(`/pre/${token}/info`)).status]).toEqual([token, 404]);
  });

  it('[parity 81] info tells the true size of every scale', async () => {
    expect(await server.json(`${IM}/info`)).toEqual({
      '@type': 'neuroglancer_multiscale_volume',
      num_channels: 1,
      data_type: 'uint8',
      scales: [
        {
          key: '0',
          size: [8, 6, 4],
          resolution: [4, 4, 30],
          voxel_offset: [0, 0, 0],
          chunk_sizes: [[8, 6, 4]],
          encoding: 'raw',
        },
      ],
      type: 'image',
    });
    expect(await server.json(`${SEG}/info`)).toMatchObject({ type: 'segmentation', data_type: 'uint32', mesh: 'mesh' });
    expect(await server.json('/pre/e::s::d/seg64/info')).not.toHaveProperty('mesh');
    expect(await server.json('/pre/e::s::d/minus/info')).toMatchObject({ data_type: 'uint16' });
    expect(await server.json('/pre/e::s::d/big/info')).toMatchObject({
      scales: [
        { key: '0', size: [200, 200, 100], resolution: [4, 4, 30], chunk_sizes: [[50, 50, 64]] },
        { key: '1', size: [100, 100, 100], resolution: [8, 8, 30] },
        { key: '2', size: [50, 50, 100], resolution: [16, 16, 30] },
      ],
    });
  });

  it('[parity 81] info of a volume of two stored levels', async () => {
    expect(await server.json('/pre/e::s::mojo/mojo/info')).toMatchObject({
      type: 'segmentation',
      scales: [
        { key: '0', size: [8, 8, 2], resolution: [4, 4, 30], chunk_sizes: [[4, 4, 1]] },
        { key: '1', size: [4, 4, 2], resolution: [8, 8, 30], chunk_sizes: [[4, 4, 1]] },
      ],
    });
  });

  it('[parity 81] every chunk that info names can be had', async () => {
    const { scales } = (await server.json('/pre/e::s::d/big/info')) as {
      readonly scales: readonly { key: string; size: number[]; chunk_sizes: number[][] }[];
    };
    for (const { key, size, chunk_sizes } of scales) {
      const chunk = chunk_sizes[0] ?? [];
      const range = (axis: number) => {
        const from = Math.floor(((size[axis] ?? 0) - 1) / (chunk[axis] ?? 1)) * (chunk[axis] ?? 1);
        return `${from}-${size[axis]}`;
      };
      const { status } = await server.get(`/pre/e::s::d/big/${key}/${range(0)}_${range(1)}_${range(2)}`);
      expect(status).toBe(200);
    }
  });

  it('[parity 82] passes the files of meshes on, or parts of them', async () => {
    const manifest = await server.get(`${SEG}/mesh/7:0`);
    expect([manifest.headers['content-type'], manifest.body.toString()]).toEqual([
      'application/json',
      '{"fragments":["parts/7.bin"]}',
    ]);
    const fragment = await server.get(`${SEG}/mesh/parts/7.bin`);
    expect([fragment.headers['content-type'], [...fragment.body]]).toEqual(['application/octet-stream', [1, 2, 3, 4]]);
    const part = await server.get(`${SEG}/mesh/parts/7.bin`, { headers: { range: 'bytes=1-2' } });
    expect([part.status, [...part.body]]).toEqual([206, [2, 3]]);
    for (const name of ['/8:0', '/parts', '', '/parts/7.bin/x'])
      expect([name, (await server.get(`${SEG}/mesh${name}`)).status]).toEqual([name, 404]);
    expect((await server.get(`${IM}/mesh/7:0`)).status).toBe(404);
  });

  it('[parity 82] reads nothing outside the folder of meshes, however the way out is written', async () => {
    const status = async (target: string): Promise<string> => {
      // As it stands: no client may put it right on the way.
      const answer = await exchangeBytes(
        server.port,
        `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).not.toContain('root:');
      return answer.split(' ')[1] ?? '';
    };
    // Such paths are refused for all pages alike, before any of them is asked.
    for (const up of ['..', '%2e%2e', '%2E.', '.%2e'])
      for (const file of ['etc/passwd', 'etc/hostname'])
        expect(await status(`${SEG}/mesh/${up}/${up}/${up}/${up}/${up}/${file}`)).toBe('404');
    for (const file of ['..%2fim.h5', '%2e%2e%2fim.h5', '..%5cim.h5', '%2fetc%2fpasswd', '7:0%00'])
      expect(await status(`${SEG}/mesh/${file}`)).toBe('400');
  });

  it('[parity 82] refuses names that lead out with 403, or 404, whoever asks', async () => {
    const { experiments } = parseConfig(parityConfig(), { file: 'parity.yaml', folder: folder.path }).catalogue;
    const meshes = meshFoldersOf({ experiments }, new AllowedPaths([folder.path]));
    for (const names of [['..', 'im.h5'], ['parts', '..', '7:0'], ['../im.h5'], ['parts/7.bin'], ['.'], ['', '7:0']])
      await expect(meshes.file('e/s/d/seg', names)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await meshes.file('e/s/d/seg', ['8:0'])).toBeUndefined();
    expect(await meshes.file('e/s/d/im', ['7:0'])).toBeUndefined();
    expect((await meshes.file('e/s/d/seg', ['7:0']))?.byteLength).toBe(29);
  });

  it('[parity 82] follows symbolic links within the allowed paths alone', async () => {
    expect([...(await server.get(`${SEG}/mesh/linked`)).body]).toEqual([9]);
    for (const name of ['leak', 'leaks/secret', 'leaks/nothing']) {
      const { status, body } = await server.get(`${SEG}/mesh/${name}`);
      expect([name, status, body.toString()]).toEqual([
        name,
        403,
        'the mesh lies outside the allowed-paths of this server',
      ]);
    }
  });
});
