import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { BflyError } from '../../protocol/errors.ts';
import { parseOps } from '../../protocol/parse-ops.ts';
import type { EditOp } from '../../src/client/edit-input.ts';
import { wireOps } from '../../src/client/edit-input.ts';
import { checkEdit } from '../../src/commands/check-edit.ts';
import { ANNOTATIONS_EXAMPLE, TABLES_EXAMPLE } from '../../src/commands/edit-help.ts';
import { readOps } from '../../src/commands/edit-ops.ts';
import { faultLine } from '../../src/commands/fault.ts';
import { inPlainWords, plainWords } from '../../src/commands/plain-words.ts';
import { FakeLog } from './fake-log.ts';
import { run } from './terminal.ts';

const LABELS = { type: 'segmentation', dtype: 'uint64', maxId: 100n };
const check = (ops: readonly EditOp[], info: object = LABELS, log = new FakeLog([], info)) =>
  checkEdit(log.session, 'a/b/c/d', ops);
const merge = (...ids: (number | bigint)[]): EditOp[] => [{ op: 'merge', ids }];

describe('an edit, before it is sent,', () => {
  it.each<[EditOp]>([
    [{ op: 'merge', ids: [1, 2] }],
    [{ op: 'cleave', ids: [1] }],
    [{ op: 'split', id: 1, box: [0, 0, 0, 1, 1, 1], mask: Uint8Array.of(0, 1) }],
    [{ op: 'region', id: 1, region: 1, box: null }],
    [{ op: 'write', box: [0, 0, 0, 1, 1, 1], value: 'new' }],
  ])('of labels is refused on an image and on floats: %o', async (op) => {
    const word = op.op === 'write' ? 'a new id' : op.op;
    await expect(check([op], { type: 'image', dtype: 'uint8' })).rejects.toThrow(
      `${word} is for a segmentation, and a/b/c/d is an image (uint8); if its values are ids, say type: segmentation in the file that bfly discover writes`,
    );
    await expect(check([op], { type: 'segmentation', dtype: 'float32' })).rejects.toThrow(
      `${word} is for a segmentation, and a/b/c/d holds float32 values, which are no ids`,
    );
    expect(await check([op])).toEqual([]);
  });

  it('of voxels, rows and metadata is not refused on an image', async () => {
    const image = { type: 'image', dtype: 'uint8' };
    const ops: EditOp[] = [
      { op: 'write', box: [0, 0, 0, 1, 1, 1], value: 3 },
      { op: 'undo', seq: 1 },
      { op: 'put', table: 'annotation', rows: [] },
      { op: 'meta', key: 'k', value: 1 },
    ];
    expect(await check(ops, image)).toEqual([]);
  });

  it('must hold voxels of the type of the channel', async () => {
    const write = (voxels: Uint32Array | Float32Array): EditOp[] => [{ op: 'write', box: [0, 0, 0, 1, 1, 1], voxels }];
    expect(await check(write(new Uint32Array(1)), { type: 'image', dtype: 'uint32' })).toEqual([]);
    await expect(check(write(new Float32Array(1)), { type: 'image', dtype: 'uint32' })).rejects.toThrow(
      'the file of --voxels holds float32, the channel uint32: save it as uint32',
    );
  });

  it('is warned of where it merges the background, or ids that nothing has', async () => {
    expect(await check(merge(1, 100))).toEqual([]);
    expect(await check(merge(0, 5))).toEqual([
      '0 is the background: by this merge every voxel without an id is part of the body',
    ]);
    expect(await check(merge(5, 101))).toEqual(['101 is above 100, the largest id of the data, and no edit made it']);
    expect(await check(merge(...Array.from({ length: 9 }, (_, i) => 2n ** 63n + BigInt(i))))).toEqual([
      expect.stringMatching(/^9223372036854775808, .*813, … \(9\) are above 100, .* and no edit made them$/),
    ]);
    expect(await check(merge(5, 101), { ...LABELS, maxId: undefined })).toEqual([]);
  });

  it('is not warned of where an edit made the id, and warned with care where the log is long', async () => {
    const made = [
      { ops: [{ op: 'split', id: 1 }], results: [{ id: 101n }] },
      { ops: [{ op: 'region', id: 1 }, { op: 'write' }], results: [{ alias: 102 }, { voxels: 3, id: 103 }] },
    ];
    expect(await check(merge(5, 101, 102, 103), LABELS, new FakeLog(made, LABELS))).toEqual([]);
    const long = { ...LABELS, head: 1_000_000 };
    const log = new FakeLog(made, long);
    expect(await check(merge(5, 101), long, log)).toEqual([
      '101 is above 100, the largest id of the data, and unless an edit made it, no voxel has it',
    ]);
    expect(log.asked).toEqual([]);
  });
});

describe('bfly edit', () => {
  const edit = (words: readonly string[], log: FakeLog, sent: (ops: readonly EditOp[]) => object) =>
    run(['edit', 'host:1', 'a/b/c/d', ...words], {
      parts: {
        connectEditor: async () => ({
          ...log.session,
          edit: async (_path: string, ops: readonly EditOp[]) => sent(ops) as never,
        }),
      },
    });

  it('warns on standard error, says how to take it back, and ends with 0', async () => {
    const done = () => ({ status: 'applied', seq: 7, dup: false, results: [{ root: 0n }] });
    expect(await edit(['merge', '0', '5'], new FakeLog([], LABELS), done)).toEqual({
      code: 0,
      out: 'edit 7  merge 0, 5 → 0\n',
      err: 'bfly: 0 is the background: by this merge every voxel without an id is part of the body; undo 7 takes the edit back\n',
    });
  });

  it('names the edit and its field, not the place in a message', async () => {
    const refuse = () => {
      throw new BflyError('BAD_REQUEST', 'ops[0].ids must be 2 or more');
    };
    expect(await edit(['merge', '1', '2'], new FakeLog([], LABELS), refuse)).toMatchObject({
      code: 1,
      err: 'bfly: merge: ids must be 2 or more\n',
    });
  });

  it('shows files of put that are read and accepted', async () => {
    const { out } = await run(['edit', '--help']);
    const folder = await mkdtemp(path.join(tmpdir(), 'bfly-help-'));
    try {
      for (const [text, tables] of [
        [ANNOTATIONS_EXAMPLE, [['annotation', 4]]],
        [
          TABLES_EXAMPLE,
          [
            ['neuron', 1],
            ['synapse', 1],
          ],
        ],
      ] as const) {
        for (const line of text.split('\n')) expect(out).toContain(`    ${line}\n`.trimEnd());
        const file = path.join(folder, 'notes.json');
        await writeFile(file, text);
        const { ops } = wireOps(await readOps('put', [file], {}), () => 0);
        expect(parseOps(ops).map((op) => (op.op === 'put' ? [op.table, op.rows.length] : op.op))).toEqual(tables);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('plain words', () => {
  const puts = [{ op: 'put' }, { op: 'merge' }, { op: 'put' }];

  it.each([
    ['ops[0].ids must be 2 or more', [{ op: 'merge' }], 'merge: ids must be 2 or more'],
    ['ops[0] needs the right "edit" on this path', [{ op: 'cleave' }], 'cleave needs the right "edit" on this path'],
    ['ops[2].points of row 0 must be finite', puts, 'put 2 of 2: points of row 1 must be finite'],
    ['ops[0].rows[3].key must be an id', [{ op: 'put' }], 'put: row 4, key must be an id'],
    ['ops[4].ids must be fewer', [], 'part 5 of the edit: ids must be fewer'],
    [
      'ops[0].seq must be the seq of an edit; there is no 9',
      [{ op: 'undo' }],
      'undo: there is no edit 9; see bfly history',
    ],
    ['there is no a/b; LIST shows what there is', [], 'there is no a/b; see bfly ls'],
    [
      "epoch is not the channel's present one: INFO tells it",
      [],
      "epoch is not the channel's present one: bfly info tells it",
    ],
    ['a png CUTOUT may have 5: pull it instead', [], 'a png bfly pull may have 5: pull it instead'],
    ['too much for one EDIT: send several', [], 'too much for one edit: send several'],
    ['the BULK header must have the layout of rule [D20]', [], 'the array of voxels header must have the layout'],
    ['there is no a/b/LIST and no a-PULL', [], 'there is no a/b/LIST and no a-PULL'],
    ['there is no LIST/EDIT-2/"INFO"/TILE.tif', [], 'there is no LIST/EDIT-2/"INFO"/TILE.tif'],
  ])('of %j', (message, ops, plain) => {
    expect(plainWords(message, ops)).toBe(plain);
    expect(plainWords(plain)).toBe(plain);
  });

  it('are what every command says', () => {
    const error = new BflyError('NOT_FOUND', 'there is no a/b/c; LIST shows what there is');
    expect(faultLine(error)).toBe('there is no a/b/c; see bfly ls');
    expect(inPlainWords(error, [])).toMatchObject({ code: 'NOT_FOUND', cause: error });
    const other = new Error('ops[0].ids');
    expect(inPlainWords(other, [])).toBe(other);
  });
});
