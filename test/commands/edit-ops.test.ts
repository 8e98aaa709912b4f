import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InvalidArgumentError } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Box, DType, Vec3 } from '../../protocol/volume.ts';
import { decodeMask } from '../../protocol/voxel-mask.ts';
import { type OpOptions, readOps } from '../../src/commands/edit-ops.ts';
import { npyHeader } from '../../src/utility/npy.ts';

const MAX = 2n ** 64n - 1n;
const BOX: Box = [0, 0, 0, 3, 2, 1];

let top = '';
const at = (name: string): string => path.join(top, name);
beforeAll(async () => {
  top = await mkdtemp(path.join(tmpdir(), 'bfly-ops-'));
});
afterAll(() => rm(top, { recursive: true }));

async function writeNpy(name: string, dtype: DType, shape: Vec3, bytes: Uint8Array): Promise<string> {
  await writeFile(at(name), Buffer.concat([npyHeader(dtype, shape), bytes]));
  return at(name);
}

async function writeJson(name: string, text: string): Promise<string> {
  await writeFile(at(name), text);
  return at(name);
}

describe('the words of bfly edit', () => {
  it.each<[string, string[], OpOptions, unknown]>([
    ['merge', ['1', '18446744073709551615'], {}, { op: 'merge', ids: [1n, MAX] }],
    ['cleave', ['9007199254740993'], {}, { op: 'cleave', ids: [9007199254740993n] }],
    ['region', ['5', '2'], {}, { op: 'region', id: 5n, region: 2, box: null }],
    ['region', ['5', '2'], { box: BOX }, { op: 'region', id: 5n, region: 2, box: BOX }],
    ['write', [], { box: BOX, value: 'new' }, { op: 'write', box: BOX, value: 'new' }],
    ['write', [], { box: BOX, value: MAX }, { op: 'write', box: BOX, value: MAX }],
    ['delete', ['synapse', '4', '5'], {}, { op: 'delete', table: 'synapse', keys: [4n, 5n] }],
    ['undo', ['12'], {}, { op: 'undo', seq: 12 }],
    ['meta', ['k', '{"id": 9007199254740993}'], {}, { op: 'meta', key: 'k', value: { id: 9007199254740993n } }],
    ['meta', ['k', 'not JSON'], {}, { op: 'meta', key: 'k', value: 'not JSON' }],
    ['meta', ['k', 'null'], {}, { op: 'meta', key: 'k', value: null }],
    ['split', ['7'], { box: BOX, seeds: [[0, 0, 0, 1]] }, { op: 'split', id: 7n, box: BOX, seeds: [[0, 0, 0, 1]] }],
  ])('%s %j with %o are read exactly, ids up to 2^64-1', async (name, words, options, op) => {
    expect(await readOps(name, words, options)).toEqual([op]);
  });

  it('undo takes several edits back in one edit', async () => {
    expect(await readOps('undo', ['3', '2'], {})).toEqual([
      { op: 'undo', seq: 3 },
      { op: 'undo', seq: 2 },
    ]);
  });

  it.each<[string, string[], OpOptions, string]>([
    ['frob', [], {}, '"frob" is no edit; the edits are merge, cleave, split'],
    ['constructor', [], {}, '"constructor" is no edit'],
    ['merge', ['1'], {}, 'merge is written: merge ID ID…'],
    ['merge', ['1', '2'], { box: BOX }, '--box does not belong to merge'],
    ['merge', ['1', '18446744073709551616'], {}, '"18446744073709551616" is no id'],
    ['merge', ['1', '-2'], {}, '"-2" is no id'],
    ['merge', ['1', '2.0'], {}, '"2.0" is no id'],
    ['split', ['1'], { box: BOX }, 'split is written'],
    ['split', ['1'], { box: BOX, mask: 'a.npy', seeds: [] }, 'split is written'],
    ['write', [], { value: 1 }, 'write is written'],
    ['write', [], { box: BOX, value: 1, voxels: 'a.npy' }, 'write is written'],
    ['delete', ['nothing', '1'], {}, '"nothing" is no table; the tables are neuron, synapse, annotation'],
    ['undo', ['0'], {}, '"0" is not the number of an edit'],
    ['region', ['1', '0'], {}, '"0" is not the number of a region'],
  ])('%s %j with %o is a wrong command line: %s', async (name, words, options, message) => {
    const error = await readOps(name, words, options).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toContain(message);
  });
});

describe('files of bfly edit', () => {
  it('put takes a row, a list of rows, tables of rows, and an export, with exact ids as numbers or texts', async () => {
    const row = '{"key": 9007199254740993, "kind": "point", "points": [1, 2.5, 3], "ids": ["18446744073709551615", 4]}';
    const read = { key: 9007199254740993n, kind: 'point', points: [1, 2.5, 3], ids: [MAX, 4] };
    const put = { op: 'put', table: 'annotation', rows: [read], create: false };
    expect(await readOps('put', [await writeJson('one.json', row)], {})).toEqual([put]);
    expect(await readOps('put', [await writeJson('list.json', `[${row}]`)], {})).toEqual([put]);
    const synapse = '{"synapse": [{"key": "1", "pre": "2", "post": "3", "point": [0, 0, 0]}], "neuron": []}';
    const puts = [
      { op: 'put', table: 'synapse', rows: [{ key: 1n, pre: 2n, post: 3n, point: [0, 0, 0] }], create: true },
    ];
    expect(await readOps('put', [await writeJson('tables.json', synapse)], { create: true })).toEqual(puts);
    const exported = await writeJson('export.json', `{"seq": 5, "rows": ${synapse}}`);
    expect(await readOps('put', [exported], { create: true })).toEqual(puts);
  });

  it.each([
    ['no JSON', '[', 'bad.json: '],
    ['a number', '5', 'bad.json must hold a row, a list of rows'],
    ['no rows', '{"neuron": []}', 'bad.json holds no rows'],
    ['an id that is none', '{"key": "x"}', 'bad.json: "x" is no id'],
  ])('put names a file with %s', async (_what, text, message) => {
    const file = await writeJson('bad.json', text);
    await expect(readOps('put', [file], {})).rejects.toMatchObject({
      code: 'BAD_REQUEST',
      message: expect.stringContaining(message),
    });
  });

  it('split takes a mask: an array [z, y, x] of the size of the box, whatever its type', async () => {
    const file = await writeNpy(
      'mask.npy',
      'uint16',
      [3, 2, 1],
      new Uint8Array(new Uint16Array([0, 256, 1, 0, 0, 9]).buffer),
    );
    const [op] = await readOps('split', ['7'], { box: BOX, mask: file });
    expect(op).toMatchObject({ op: 'split', id: 7n });
    const { mask } = op as { readonly mask: Uint8Array };
    expect([...decodeMask(mask, 6)]).toEqual([0, 1, 1, 0, 0, 1]);
  });

  it('write takes voxels, under a mask those alone that it sets', async () => {
    const voxels = await writeNpy(
      'v.npy',
      'uint64',
      [3, 2, 1],
      new Uint8Array(new BigUint64Array([1n, 2n, 3n, 4n, 5n, MAX]).buffer),
    );
    const mask = await writeNpy('m.npy', 'uint8', [3, 2, 1], Uint8Array.of(0, 1, 0, 0, 0, 7));
    expect(await readOps('write', [], { box: BOX, voxels })).toEqual([
      { op: 'write', box: BOX, voxels: BigUint64Array.of(1n, 2n, 3n, 4n, 5n, MAX) },
    ]);
    expect(await readOps('write', [], { box: BOX, voxels, mask })).toMatchObject([
      { voxels: BigUint64Array.of(2n, MAX) },
    ]);
  });

  it('an array of another shape, or no array, is refused with both shapes', async () => {
    const file = await writeNpy('other.npy', 'uint8', [2, 3, 1], new Uint8Array(6));
    await expect(readOps('write', [], { box: BOX, voxels: file })).rejects.toThrow(
      'other.npy has shape (1, 3, 2), but --box of 6 voxels has (1, 2, 3)',
    );
    await writeFile(at('none.npy'), 'none');
    await expect(readOps('write', [], { box: BOX, voxels: at('none.npy') })).rejects.toThrow(
      'none.npy must be a .npy file',
    );
  });
});
