/** Precomputed and Zarr through whole servers, over both transports: what handlers alone do not show. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FetchStore, get, open, root } from 'zarrita';
import { decodeCompressedSegmentation } from '../../../protocol/compressed-segmentation.ts';
import { voxelsOf } from '../../support/array-core.ts';
import { rulesOf, testAuthority } from '../../support/auth.ts';
import { overUws } from '../../support/over-uws.ts';
import { startTestServer, type TestServer } from '../../support/test-server.ts';

const SHAPE = [100, 70, 66] as const;
const DATASET = 'lab/fly/cube';
const em = voxelsOf(SHAPE, 'uint8', (x, y, z) => 3 * x + 5 * y + 7 * z);
const ids = voxelsOf(SHAPE, 'uint64', (x, y, z) => (1n << 40n) + BigInt((x >> 3) + (y >> 3) + (z >> 3)));
const TOKEN = 'alice-0123456789abcdef0123456789abcdef';
const PROBES = ['attributes.json', 'manifest.ocdbt', 'refs/branch.main/ZZZZZZZZ.json'];

function suite(kind: 'ws' | 'uws'): void {
  describe(`volumes over HTTP of ${kind}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startTestServer({
        kind,
        volumes: [
          { path: `${DATASET}/em`, data: em, shape: SHAPE, dtype: 'uint8' },
          { path: `${DATASET}/ids`, data: ids, shape: SHAPE, dtype: 'uint64', type: 'segmentation' },
        ],
      });
    });
    afterAll(() => server?.stop(0));
    const url = (target: string): string => `http://127.0.0.1:${server.port}/${target}`;

    for (const [version, prefix] of [
      [3, 'zarr'],
      [2, 'zarr2'],
    ] as const)
      it(`zarrita reads a volume of Zarr v${version} by its URL`, async () => {
        const at = root(new FetchStore(url(`${prefix}/${DATASET}/ids`))).resolve('0');
        const array = await (version === 3 ? open.v3(at, { kind: 'array' }) : open.v2(at, { kind: 'array' }));
        const { data } = await get(array);
        expect(Buffer.compare(new Uint8Array((data as BigUint64Array).buffer), ids)).toBe(0);
      });

    it('those who look for a format find just one, by HEAD', async () => {
      const head = async (target: string): Promise<number> => (await fetch(url(target), { method: 'HEAD' })).status;
      const found: Readonly<Record<string, readonly string[]>> = {
        precomputed: ['info'],
        zarr: ['zarr.json'],
        zarr2: ['.zgroup', '.zattrs', '.zmetadata'],
      };
      const asked = [...PROBES, 'info', '.zarray', '.zattrs', '.zgroup', '.zmetadata', 'zarr.json'];
      for (const [prefix, files] of Object.entries(found))
        for (const file of asked)
          expect([prefix, file, await head(`${prefix}/${DATASET}/em/${file}`)]).toEqual([
            ...[prefix, file],
            files.includes(file) ? 200 : 404,
          ]);
    });

    it('ids are packed where that is wanted, grey values are not, and a part never is', async () => {
      const chunk = url(`precomputed/${DATASET}/ids/1_1_1/0-64_0-64_0-64`);
      const packed = await fetch(chunk, { headers: { 'accept-encoding': 'gzip' } });
      const plain = await fetch(chunk, { headers: { 'accept-encoding': 'identity' } });
      const bytes = new Uint8Array(await plain.arrayBuffer());
      expect(new Uint8Array(await packed.arrayBuffer())).toEqual(bytes);
      expect(packed.headers.get('etag')).not.toBe(plain.headers.get('etag'));
      expect(decodeCompressedSegmentation(bytes, [64, 64, 64], 'uint64', [8, 8, 8]).length).toBe(8 * 64 ** 3);
      expect(packed.headers.get('content-encoding')).toBe('gzip');
      const grey = await fetch(url(`precomputed/${DATASET}/em/1_1_1/0-64_0-64_0-64`));
      expect([grey.headers.get('content-encoding'), grey.headers.get('content-length')]).toEqual([null, '262144']);
      const part = await fetch(chunk, { headers: { range: 'bytes=4-11', 'accept-encoding': 'gzip' } });
      expect([part.status, part.headers.get('content-encoding')]).toEqual([206, null]);
      expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(4, 12));
      for (const { headers } of [packed, grey, part]) expect(headers.get('access-control-allow-origin')).toBe('*');
    });
  });

  it(`what one may not read is not there over ${kind}, and a token opens it`, async () => {
    const rules = await rulesOf(`tokens:\n  - {token: ${TOKEN}, user: alice, grants: {${DATASET}/em: read}}\n`);
    const server = await startTestServer({
      kind,
      authority: testAuthority(rules),
      volumes: [
        { path: `${DATASET}/em`, data: em, shape: SHAPE, dtype: 'uint8' },
        { path: `${DATASET}/ids`, data: ids, shape: SHAPE, dtype: 'uint64', type: 'segmentation' },
      ],
    });
    const status = async (target: string, token = ''): Promise<number> => {
      const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
      return (await fetch(`http://127.0.0.1:${server.port}/${target}`, { headers })).status;
    };
    try {
      for (const [channel, expected] of [
        ['em', 200],
        ['ids', 404],
        ['none', 404],
      ] as const)
        for (const target of [`precomputed/${DATASET}/${channel}/info`, `zarr/${DATASET}/${channel}/zarr.json`])
          expect([target, await status(target, TOKEN)]).toEqual([target, expected]);
      expect(await status(`zarr/${DATASET}/em/labels/ids/zarr.json`, TOKEN)).toBe(404);
      expect(await status(`precomputed/${DATASET}/em/info?token=${TOKEN}`)).toBe(200);
      expect(await status(`precomputed/${DATASET}/em/info`)).toBe(401);
    } finally {
      await server.stop(0);
    }
  });
}

suite('ws');
overUws('volumes over HTTP', suite);
