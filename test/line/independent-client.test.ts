/** A client in another language, written from SPEC.md alone, against a whole server. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { hasPythonModules, PYTHON } from '../support/python.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const SCRIPT = path.resolve(import.meta.dirname, '../clients/independent_client.py');
const hasPython = hasPythonModules('the independent client', ['msgpack', 'websockets']);

const kinds = loadUws().missing === undefined ? (['ws', 'uws'] as const) : (['ws'] as const);
const EM = 'lab/fly/cube/em';
const IDS = 'lab/fly/cube/ids';

describe.skipIf(!hasPython)('a Python client written from SPEC.md alone', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'bfly-python-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const shape = [150, 140, 100] as const;
  const voxels = shape[0] * shape[1] * shape[2];
  const em = Uint8Array.from({ length: voxels }, (_, n) => (n * 7 + (n >> 9)) & 255);
  const ids = BigUint64Array.from({ length: voxels }, (_, n) => BigInt((n >> 12) % 300) + 2n ** 41n);

  for (const kind of kinds)
    for (const channel of [EM, IDS])
      it(`finds no violation over ${kind} on ${channel}`, { timeout: 120_000 }, async () => {
        const server: TestServer = await startTestServer({
          kind,
          volumes: [
            { path: EM, data: em, shape, dtype: 'uint8' },
            { path: IDS, data: new Uint8Array(ids.buffer), shape, dtype: 'uint64' },
          ],
        });
        try {
          const { stdout } = await promisify(execFile)(PYTHON, [SCRIPT, server.url, channel], { cwd: folder });
          expect(JSON.parse(stdout)).toBeTypeOf('object');
        } finally {
          await server.stop(0);
        }
      });
});
