/** What a client must not be able to do to a server, or to others on it, by edits, subscriptions and what belongs to them. */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeClient } from '../../protocol/encode.ts';
import type { Bulk, WireMap } from '../../protocol/messages.ts';
import { pack } from '../../protocol/msgpack.ts';
import { BULK_TYPE, TileFlag } from '../../protocol/tile-frame.ts';
import type { Box, DType } from '../../protocol/volume.ts';
import { encodeMask, putVarint } from '../../protocol/voxel-mask.ts';
import { loadUws } from '../../src/access/uws-transport.ts';
import { EditClient } from '../support/edit-client.ts';

import { startTestServer, type TestServer, type TestServerOptions, type TestVolume } from '../support/test-server.ts';

const SEG = 'lab/fly/cube/seg';
const BYTES = 'lab/fly/cube/bytes';
const FLOATS = 'lab/fly/cube/floats';
const SIDE = 16;
const MAX_U64 = 2n ** 64n - 1n;
const NO_RATES = {
  framesPerSecond: 1e9,
  framesBurst: 1e9,
  controlPerSecond: 1e9,
  editsPerSecond: 1e9,
  editsBurst: 1e9,
} as const;

/** Labels 1..8 along x. */
function volume(path: string, dtype: DType, type: 'image' | 'segmentation'): TestVolume {
  const labels = Array.from({ length: SIDE ** 3 }, (_, n) => 1 + (n % 8));
  const typed = { uint8: Uint8Array, uint32: Uint32Array, float32: Float32Array }[dtype as 'uint8'].from(labels);
  return { path, data: new Uint8Array(typed.buffer), shape: [SIDE, SIDE, SIDE], dtype, type };
}
const VOLUMES = [
  volume(SEG, 'uint32', 'segmentation'),
  volume(BYTES, 'uint8', 'segmentation'),
  volume(FLOATS, 'float32', 'image'),
];

const merge = (...ids: (number | bigint)[]): WireMap => ({ op: 'merge', ids });
const undo = (seq: number): WireMap => ({ op: 'undo', seq });
const point = (fields: WireMap = {}): WireMap => ({ kind: 'point', points: [1, 2, 3], ...fields });
const put = (...rows: WireMap[]): WireMap => ({ op: 'put', table: 'annotation', rows });

/** Ids from `first` on as bin of u64. */
function idBytes(first: number, count: number): Uint8Array {
  return new Uint8Array(BigUint64Array.from({ length: count }, (_, i) => BigInt(first + i)).buffer);
}

const WHOLE: Box = [0, 0, 0, SIDE, SIDE, SIDE];

/** One frame of a BULK for the whole volume. */
function bulk(id: number, wseq: number, payload: Uint8Array, fields: Partial<Bulk['header']> = {}): Bulk {
  const header = {
    ...{
      type: BULK_TYPE as typeof BULK_TYPE,
      id,
      flags: TileFlag.LAST,
      item: 0,
      seq: wseq,
      mip: 0,
      x: 0,
      y: 0,
      z: 0,
      encoding: 0,
    },
    ...{ rawLength: 4 * SIDE ** 3, crc32: 0, sizeX: SIDE, sizeY: SIDE, length: payload.length },
    ...fields,
  } as const;
  return { kind: 'BULK', id, header, payload };
}

/** The whole volume in one value, 4 bytes a voxel. */
function voxelsOf(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array(SIDE ** 3).fill(value).buffer);
}

const { missing } = loadUws();
if (missing !== undefined) console.warn(`NOT RUN: hostile editors over uWebSockets.js: ${missing}`);

describe.each(missing === undefined ? (['ws', 'uws'] as const) : (['ws'] as const))(
  'a hostile editor over %s',
  (kind) => {
    let server: TestServer | undefined;
    const clients: EditClient[] = [];
    /** Errors that the server logged. */
    let logged: string[] = [];

    const start = async (options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
      const nothing = (): void => {};
      const error = (fields: Readonly<Record<string, unknown>>, message: string): void => {
        logged.push(`${message}: ${String(fields['err'] ?? fields['fault'] ?? '')}`);
      };
      const log = { debug: nothing, info: nothing, warn: nothing, error };
      server = await startTestServer({ kind, volumes: VOLUMES, limits: NO_RATES, log, ...options });
      return server;
    };
    const client = async (fields: Parameters<typeof EditClient.open>[1] = {}): Promise<EditClient> => {
      const opened = await EditClient.open(server?.url ?? '', fields);
      clients.push(opened);
      return opened;
    };
    const epochOf = async (editor: EditClient, path = SEG): Promise<Uint8Array> => {
      const { id, epoch } = await editor.subscribe(path, { after: 0 });
      editor.probe.send({ kind: 'UNSUBSCRIBE', id: 90, sub: id });
      await editor.probe.next('UNSUBSCRIBE_OK', 90);
      return epoch.slice();
    };
    /** Everything that is in the log, as a subscriber of it all is told. */
    const everything = async (path = SEG): Promise<WireMap[]> => {
      const reader = await client();
      const { id, head } = await reader.subscribe(path, { epoch: await epochOf(reader, path), after: 0 });
      reader.grant(id, Number.MAX_SAFE_INTEGER);
      return reader.toldUpTo(id, head);
    };

    afterEach(async () => {
      for (const { probe } of clients.splice(0)) probe.close();
      await server?.stop(0);
      server = undefined;
      const errors = logged;
      logged = [];
      expect(errors).toEqual([]);
    });

    describe('with odd values', () => {
      it('[F4] finds the keys of rows and of metadata taken as they are, whatever objects have under such names', async () => {
        await start();
        const editor = await client();
        const odd = {
          constructor: 1,
          toJSON: 1,
          toString: 'x',
          valueOf: null,
          hasOwnProperty: [1],
          length: 3,
        };
        const { seq } = await editor.edit(SEG, [put(point({ props: odd, constructor: 2, toJSON: true }))]);
        await editor.edit(SEG, [{ op: 'meta', key: 'constructor', value: odd }]);
        const [row, meta] = (await everything()) as { changes: WireMap }[];
        expect(seq).toBe(1);
        expect(row?.changes).toMatchObject({ rows: { annotation: [{ props: odd, constructor: 2, toJSON: true }] } });
        expect(meta?.changes).toEqual({ meta: { constructor: odd } });
        const { id } = await editor.subscribe(SEG, { presence: true });
        const reader = await client();
        const other = await reader.subscribe(SEG, { presence: true });
        editor.probe.send({ kind: 'PRESENCE', id, n: 1, state: odd });
        expect((await reader.probe.next('PEERS', other.id)).peers).toMatchObject([[expect.any(String), 1, odd]]);
      });

      it('[F4] cannot name metadata __proto__, which no map may hold', async () => {
        await start();
        const editor = await client();
        const refusal = await editor.refused(SEG, [{ op: 'meta', key: '__proto__', value: 1 }]);
        expect(refusal).toMatchObject({ error: 'BAD_REQUEST', details: { op: 0, field: 'key' } });
        expect(await everything()).toEqual([]);
      });

      it('[E11] is told BAD_REQUEST for tables and features that objects have by nature', async () => {
        await start();
        const editor = await client();
        for (const table of ['constructor', '__proto__', 'toString']) {
          expect(await editor.refused(SEG, [{ op: 'put', table, rows: [] }])).toMatchObject({ error: 'BAD_REQUEST' });
          editor.probe.send({ kind: 'FEATURE', id: 7, path: SEG, feature: table, key: 1n });
          expect(await editor.probe.answer(7)).toMatchObject({ error: 'BAD_REQUEST' });
        }
        for (const op of ['constructor', '__proto__', 'valueOf'])
          expect(await editor.refused(SEG, [{ op }])).toMatchObject({ error: 'BAD_REQUEST' });
      });

      it('[E5] keeps points that are far outside, and refuses those that are no numbers', async () => {
        await start();
        const editor = await client();
        const far = [1e308, -1e308, 2 ** 52 + 0.5];
        await editor.edit(SEG, [
          put(point({ points: far }), point({ kind: 'box', points: [...far, -1e308, 1e308, -0] })),
        ]);
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
          expect(await editor.refused(SEG, [put(point({ points: [bad, 1, 2] }))])).toMatchObject({
            error: 'BAD_REQUEST',
            details: { op: 0, field: 'points' },
          });
        expect(await everything()).toMatchObject([{ changes: { rows: { annotation: [{ points: far }, {}] } } }]);
        editor.probe.send({ kind: 'FEATURE', id: 7, path: SEG, feature: 'annotation_rows' });
        expect(await editor.probe.answer(7)).toMatchObject({ kind: 'FEATURE_OK' });
      });

      it('[F16] is told of regions and times above 2^32 in int tokens', async () => {
        await start();
        const editor = await client();
        const region = Number.MAX_SAFE_INTEGER;
        await editor.edit(SEG, [{ op: 'region', id: MAX_U64, region, box: null }]);
        const [edit] = (await everything()) as { changes: { regions: WireMap[] } }[];
        expect(edit?.changes.regions).toMatchObject([{ id: MAX_U64, region, box: null }]);
        expect(await editor.refused(SEG, [{ op: 'region', id: 1, region: 2 ** 53, box: null }])).toMatchObject({
          error: 'BAD_REQUEST',
        });
      });

      it('[E22] merges and cleaves the greatest id and 0', async () => {
        await start();
        const editor = await client();
        expect(await editor.edit(SEG, [merge(MAX_U64, 0)])).toMatchObject({ results: [{ root: MAX_U64 }] });
        expect(await editor.edit(SEG, [{ op: 'cleave', ids: [0] }])).toMatchObject({ results: [{ root: 0 }] });
        expect(await editor.edit(SEG, [{ op: 'merge', ids: [] }])).toMatchObject({ status: 'noop' });
        expect(await editor.edit(SEG, [{ op: 'cleave', ids: [] }])).toMatchObject({ status: 'noop' });
        expect(await editor.edit(SEG, [])).toMatchObject({ status: 'noop' });
      });

      it('[E5] runs out of keys for rows without one when the greatest has been used', async () => {
        await start();
        const editor = await client();
        await editor.edit(SEG, [put(point({ key: MAX_U64 }))]);
        const refusal = await editor.refused(SEG, [merge(1, 2), put(point())]);
        expect(refusal).toMatchObject({ error: 'LIMIT', details: { op: 1 } });
        // Nothing of it was applied.
        expect(await editor.edit(SEG, [merge(1, 2)])).toMatchObject({ status: 'applied', seq: 2 });
      });

      it('[E24] runs out of ids in a full uint8 channel, and of nothing else', async () => {
        await start();
        const editor = await client();
        const names = Array.from({ length: 256 - 9 }, (_, i) => 9 + i);
        await editor.edit(BYTES, [merge(...names)]);
        const box = [0, 0, 0, 2, 2, 2];
        const full = await editor.refused(BYTES, [{ op: 'write', box, value: 'new' }]);
        expect(full).toMatchObject({ error: 'LIMIT', details: { op: 0 } });
        const mask = encodeMask(new Uint8Array(8).fill(1));
        expect(await editor.refused(BYTES, [{ op: 'split', id: 1, box, mask }])).toMatchObject({ error: 'LIMIT' });
        expect(await editor.edit(BYTES, [{ op: 'region', id: 1, region: 7, box: null }])).toMatchObject({
          results: [{ alias: 256 }],
        });
      });

      it('[E25] writes no value that the voxel type cannot hold', async () => {
        await start();
        const editor = await client();
        const box = [0, 0, 0, 1, 1, 1];
        const write = (value: unknown): WireMap[] => [{ op: 'write', box, value }];
        for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e39, { new: 0 }, { new: -1 }, { new: 0.5 }])
          expect(await editor.refused(FLOATS, write(value))).toMatchObject({ error: 'BAD_REQUEST' });
        expect(await editor.refused(FLOATS, write('new'))).toMatchObject({ error: 'UNSUPPORTED' });
        const nan = new Uint8Array(Float32Array.of(Number.NaN).buffer);
        expect(await editor.refused(FLOATS, [{ op: 'write', box, values: nan }])).toMatchObject({
          error: 'BAD_REQUEST',
        });
        for (const value of [-1, 256, 1.5, 9, 2n ** 63n]) {
          expect(await editor.refused(BYTES, write(value))).toMatchObject({ error: 'BAD_REQUEST' });
        }
        expect(await editor.edit(FLOATS, write(1.5))).toMatchObject({ status: 'applied', seq: 1 });
      });

      it('[F12] edits nothing that sticks out of the volume', async () => {
        await start();
        const editor = await client();
        const mask = encodeMask(new Uint8Array(8).fill(1));
        for (const at of [-1, SIDE - 1, 2 ** 31 - 3, -(2 ** 31)]) {
          const box = [at, 0, 0, at + 2, 2, 2];
          for (const op of [
            { op: 'write', value: 1 },
            { op: 'split', id: 1, mask },
          ])
            expect(await editor.refused(SEG, [{ ...op, box }])).toMatchObject({
              error: 'OUT_OF_BOUNDS',
              details: { op: 0, field: 'box' },
            });
        }
        expect(await editor.refused(SEG, [{ op: 'write', box: [0, 0, 0, 0, 1, 1], value: 1 }])).toMatchObject({
          error: 'BAD_REQUEST',
        });
      });

      it('[E8] sends no mask that is cut off, too long, or of a number without end', async () => {
        await start();
        const editor = await client();
        const box = [0, 0, 0, 2, 2, 2];
        const huge = new Uint8Array(16);
        const length = putVarint(huge, 1, Number.MAX_SAFE_INTEGER);
        const bad = [
          Uint8Array.of(0, 9),
          Uint8Array.of(0x80),
          huge.slice(0, 1 + length),
          new Uint8Array(900_000).fill(0x80),
        ];
        for (const mask of bad) {
          const refusal = await editor.refused(SEG, [{ op: 'write', box, mask, value: 1 }]);
          expect(refusal).toMatchObject({ error: 'BAD_REQUEST', details: { op: 0, field: 'mask' } });
        }
        const empty = [new Uint8Array(), new Uint8Array(900_000), Uint8Array.of(8)];
        for (const mask of empty)
          expect(await editor.edit(SEG, [{ op: 'write', box, mask, value: 1 }])).toMatchObject({
            results: [{ voxels: 0 }],
          });
      });

      it('[E1] names no op that comes later, or that creates nothing', async () => {
        await start();
        const editor = await client();
        const box = [0, 0, 0, 2, 2, 2];
        for (const k of [1, 0, -1, 0.5, 2 ** 53, '0', null, [0], {}])
          expect(await editor.refused(SEG, [merge(1, 2), { op: 'merge', ids: [1, { new: k }] }])).toMatchObject({
            error: 'BAD_REQUEST',
          });
        const [made] = (
          await editor.edit(SEG, [
            { op: 'write', box, value: 'new' },
            { op: 'merge', ids: [1, { new: 0 }] },
          ])
        ).results;
        expect(made).toMatchObject({ voxels: 8, id: 9 });
      });

      it('[F15] sends lists of ids only in whole numbers', async () => {
        await start();
        const editor = await client();
        for (const ids of [new Uint8Array(7), [1.5], [-1], [2n ** 64n - 1n, 'x'], 5, null, { new: 0 }])
          expect(await editor.refused(SEG, [{ op: 'merge', ids }])).toMatchObject({ error: 'BAD_REQUEST' });
        // Strings that are no Unicode are no frames.
        const frame = encodeClient({
          kind: 'EDIT',
          id: 9,
          path: SEG,
          wid: editor.wid,
          wseq: 50,
          base: null,
          ops: [],
          note: 'abc',
        });
        const bytes = frame.slice();
        bytes.set([0xed, 0xa0, 0x80], bytes.length - 3);
        editor.probe.sendRaw(bytes);
        expect(await editor.probe.answer(9)).toMatchObject({ error: 'BAD_REQUEST' });
      });
    });
    describe('with edits that grow', () => {
      /** EDITs of many small rows each, until there are so many. @returns their seqs. */
      const putMany = async (editor: EditClient, rows: number): Promise<number[]> => {
        const seqs: number[] = [];
        for (let left = rows; left > 0; left -= 400) {
          const some = Array.from({ length: Math.min(left, 400) }, (_, i) => ({ key: left + i, point: [1, 2, 3] }));
          seqs.push((await editor.edit(SEG, [{ op: 'put', table: 'neuron', rows: some }])).seq);
        }
        return seqs;
      };

      it('[F4] sends nobody a frame that no client may read: a row with very many ids', async () => {
        await start();
        const editor = await client();
        await editor.edit(SEG, [put(point({ ids: idBytes(1, 70_000) }))]);
        const reader = await client();
        const { id } = await reader.subscribe(SEG);
        reader.grant(id, Number.MAX_SAFE_INTEGER);
        const [[row]] = (await reader.snapshot(id)).sections.get('rows:annotation') as [[WireMap]];
        const idsOf = (some: WireMap): unknown => Buffer.from(some['ids'] as Uint8Array).equals(idBytes(1, 70_000));
        expect(idsOf(row)).toBe(true);
        const filtered = await reader.subscribe(SEG, {
          epoch: await epochOf(reader),
          after: 0,
          filter: { kinds: ['put'] },
        });
        const told = [...(await reader.toldUpTo(filtered.id, 1)), ...(await everything())];
        const rows = (told as { changes: { rows: { annotation: [WireMap] } } }[]).map(
          ({ changes }) => changes.rows.annotation[0],
        );
        expect(rows.map(idsOf)).toEqual([true, true]);
      });

      it('[F4] sends nobody a frame that no client may read: an undo of many edits of rows', async () => {
        await start();
        const editor = await client();
        const epoch = await epochOf(editor);
        const seqs = await putMany(editor, 8_000);
        // To be told of the 8,000 rows at once, when this is undone in turn, would take more than a message may hold.
        expect(await editor.refused(SEG, seqs.map(undo), { epoch })).toMatchObject({ error: 'LIMIT' });
        const once = await editor.edit(SEG, seqs.slice(0, 10).map(undo), { epoch });
        const redo = await editor.edit(SEG, [undo(once.seq)], { epoch });
        const edits = (await everything()) as { changes: { rows: { neuron: unknown[] }; gone: { neuron: unknown } } }[];
        expect(edits[once.seq - 1]?.changes.gone.neuron).toHaveLength(4_000 * 8);
        expect(edits[redo.seq - 1]?.changes.rows.neuron).toHaveLength(4_000);
      });

      it('[F4] sends nobody a frame that no client may read: the undo of a merge of very many ids, filtered or not', async () => {
        await start();
        const editor = await client();
        const epoch = await epochOf(editor);
        const { seq } = await editor.edit(SEG, [{ op: 'merge', ids: idBytes(1, 100_000) }]);
        await editor.edit(SEG, [undo(seq)], { epoch });
        expect(await everything()).not.toHaveLength(0);
        const reader = await client();
        const { id } = await reader.subscribe(SEG, { epoch, after: 0, filter: { kinds: ['merge', 'undo'] } });
        reader.grant(id, Number.MAX_SAFE_INTEGER);
        await reader.toldUpTo(id, 2);
        reader.probe.send({ kind: 'HISTORY', id: 7, path: SEG, after: 0, limit: 256 });
        expect(await reader.probe.next('HISTORY_OK', 7)).toMatchObject({
          edits: [{ cut: true, ops: [{ op: 'merge' }] }],
          more: true,
        });
      });

      it('[E30] cannot keep a server busy by undos of undos of undos', async () => {
        await start();
        const editor = await client();
        const epoch = await epochOf(editor);
        for (let n = 0; n < 500; n++) {
          editor.send(SEG, [merge(1, 2)]);
          await turn();
        }
        await editor.edit(SEG, [merge(1, 2)]);
        let { seq } = await editor.edit(
          SEG,
          Array.from({ length: 500 }, (_, n) => undo(n + 1)),
          { epoch },
        );
        // Each level names as many edits as there are ops, over and over: walked one by one, they were 500^4.
        for (let depth = 0; depth < 4; depth++) {
          const ops = Array.from({ length: 500 }, () => undo(seq));
          ({ seq } = await editor.edit(SEG, ops, { epoch }));
        }
        expect(seq).toBe(506);
      });
    });
    //MORE
  },
);
void [randomBytes, turn, pack, undo, idBytes, WHOLE, bulk, voxelsOf];
