/** Butterfly's files of merges and splits: cases 44 and 45 of the parity list, by number. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { npyArrayHeader } from '../../src/utility/npy.ts';
import { type Outcome, run } from '../commands/terminal.ts';
import { SEG } from '../support/array-core.ts';
import { LegacyClient } from '../support/legacy-client.ts';
import { lineTransports } from '../support/line-server.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const CHANNEL = 'e/s/d/seg';

/** A file of numpy's as Butterfly wrote it: rows of u64, column by column in Fortran's order. */
function npy(rows: readonly (readonly number[])[], columns: number, isFortran: boolean): Uint8Array {
  const flat = isFortran
    ? Array.from({ length: columns }, (_, column) => rows.map((row) => row[column] ?? 0)).flat()
    : rows.flat();
  const values = BigUint64Array.from(flat, BigInt);
  return Buffer.concat([npyArrayHeader('<u8', isFortran, [rows.length, columns]), new Uint8Array(values.buffer)]);
}

const ROWS = [
  [2, 2, 1],
  [3, 2, 1],
  [4, 2, 1],
];
const SPLIT = [[2, 46, 3, 4, 2, 3, 1, 2]];

describe.each(lineTransports('files of merges and splits'))('files of merges and splits over %s', (kind) => {
  let folder = '';
  let server: TestServer;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-npy-'));
    const volume = { path: CHANNEL, data: SEG.data, shape: SEG.shape, dtype: SEG.dtype, type: 'segmentation' } as const;
    server = await startTestServer({ kind, volumes: [volume] });
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const bfly = (...args: string[]): Promise<Outcome> =>
    run(args, { parts: { connectEditor: (url, options) => connect(url, options) } });
  const url = () => `http://127.0.0.1:${server.port}`;
  const welcome = async () => {
    const { client, welcome: tables } = await LegacyClient.welcomed(server.port, '/ws/e::s::d/seg');
    client.close();
    return tables;
  };

  it.each<[what: string, file: string, content: Uint8Array, merge: string[][], split: string[]]>([
    ["merges in Fortran's order", 'seg.merge.npy', npy(ROWS, 3, true), [['1', '2', '3']], []],
    ["merges in C's order", 'seg.merge.npy', npy(ROWS, 3, false), [['1', '2', '3']], []],
    ['a set of one', 'seg.merge.npy', npy([[6, 6, 1]], 3, false), [], []],
    ['no rows', 'seg.merge.npy', npy([], 3, false), [], []],
    ['a split', 'seg.split.npy', npy(SPLIT, 8, false), [], ['45:1:2:3:1:2:0:1']],
  ])('[parity 44] are brought in and shown to old clients: %s', async (_, file, content, merge, split) => {
    await writeFile(path.join(folder, file), content);
    const { code, err } = await bfly('import', url(), CHANNEL, '--npy', folder);
    expect([code, err.includes('error')]).toEqual([0, false]);
    expect(await welcome()).toMatchObject({ action: 'restore', merge, split, error: '' });
  });

  it('[parity 45] are written as Butterfly wrote them', async () => {
    const { client } = await LegacyClient.welcomed(server.port, '/ws/e::s::d/seg');
    await client.save([['1', '2', '3']]);
    client.close();
    expect((await bfly('export', url(), CHANNEL, '--npy', folder)).code).toBe(0);
    const file = await readFile(path.join(folder, 'seg.merge.npy'));
    const start = 10 + file.readUInt16LE(8);
    expect(file.toString('latin1', 10, start)).toContain("'fortran_order': True, 'shape': (3, 3)");
    const payload = Uint8Array.from(file.subarray(start));
    expect([...new BigUint64Array(payload.buffer)].map(Number)).toEqual([2, 3, 4, 2, 2, 2, 1, 1, 1]);
  });
});
