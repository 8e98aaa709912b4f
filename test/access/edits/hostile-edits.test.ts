/** What a client must not be able to do to a server, or to others on it, by edits, subscriptions and what belongs to them. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeClient } from '../../../protocol/encode.ts';
import type { Bulk, WireMap } from '../../../protocol/messages.ts';
import { BULK_TYPE, TileFlag } from '../../../protocol/tile-frame.ts';
import type { Box, DType } from '../../../protocol/volume.ts';
import { encodeMask, putVarint } from '../../../protocol/voxel-mask.ts';
import { loadUws } from '../../../src/access/transport/uws-transport.ts';
import { openLmdbDatabase } from '../../../src/database/lmdb-database.ts';
import type { Source } from '../../../src/image/source.ts';
import { ALL_FEATURES, EditClient, linkPairs } from '../../support/edit-client.ts';
import { Probe } from '../../support/probe.ts';

import {
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestVolume,
} from '../../support/test-server.ts';

const SEG = 'lab/fly/cube/seg';
const OTHER = 'lab/fly/cube/other';
const SLOW = 'lab/fly/cube/slow';
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
  volume(OTHER, 'uint32', 'segmentation'),
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

/** The beginning of a zstd frame that says that it holds 2^62 bytes. */
function zstdLike(): Uint8Array {
  return Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0);
}

/** Bytes of the heap that are in use after everything that can go has gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
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

    it('[L1] cannot keep a server busy by undos of a few bytes: they count by what they move', async () => {
      await start({ limits: { ...NO_RATES, editsPerSecond: 1, editsBurst: 200 } });
      const editor = await client();
      const epoch = await epochOf(editor);
      await editor.edit(SEG, [{ op: 'merge', ids: idBytes(1_000, 120_000) }]);
      // 200 at once, of which 117 and 117: the undo, and its undo.
      await editor.edit(SEG, [undo(1)], { epoch });
      await editor.edit(SEG, [undo(2)], { epoch });
      const { error, retryMs } = await editor.refused(SEG, [undo(1)], { epoch });
      expect(error).toBe('RATE_LIMITED');
      expect(retryMs).toBeGreaterThan(100);
      const other = await client();
      await other.edit(SEG, [merge(1, 2)]);
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
    describe('that plays with numbers', () => {
      it('[E2] can use up its own numbers and nobody else’s', async () => {
        await start();
        const editor = await client();
        const last = Number.MAX_SAFE_INTEGER;
        expect(await editor.edit(SEG, [merge(1, 2)], { wseq: last })).toMatchObject({ seq: 1 });
        expect(await editor.edit(SEG, [merge(1, 2)], { wseq: last })).toMatchObject({ seq: 1, dup: true });
        expect(await editor.refused(SEG, [merge(1, 3)], { wseq: last })).toMatchObject({ error: 'WSEQ_REUSED' });
        expect(await editor.refused(SEG, [merge(1, 3)], { wseq: 1 })).toMatchObject({ error: 'REJECTED' });
        for (const wseq of [0, last + 1, -1, 1.5])
          expect(await editor.refused(SEG, [merge(1, 3)], { wseq })).toMatchObject({ error: 'BAD_REQUEST' });
        const wid = new Uint8Array(randomBytes(16));
        expect(await editor.edit(SEG, [merge(1, 3)], { wid, wseq: 1 })).toMatchObject({ seq: 2 });
      });

      it('[E13] learns nothing by the writer of another, whatever the ops are', async () => {
        await start();
        const [owner, thief] = [await client(), await client()];
        const { id } = await thief.subscribe(SEG);
        await thief.snapshot(id);
        await owner.edit(SEG, [merge(1, 2)], { wseq: 7 });
        for (const [wseq, ops] of [
          [7, [merge(1, 2)]],
          [7, [{ op: 'none' }]],
          [8, [merge(1, 2)]],
          [1, [undo(99)]],
        ] as const)
          expect(await thief.refused(SEG, ops, { wid: owner.wid, wseq })).toMatchObject({ error: 'FORBIDDEN' });
        await owner.edit(SEG, [merge(1, 3)], { wseq: 8 });
        for (const edit of await thief.toldUpTo(id, 2)) {
          expect(edit).not.toHaveProperty('wid');
          expect(edit).not.toHaveProperty('wseq');
        }
        expect(await thief.subscribe(SEG, { wids: [owner.wid] })).toMatchObject({ writers: [[expect.anything(), 0]] });
      });

      it('[E17] is told what is wrong with a base or an epoch', async () => {
        await start();
        const editor = await client();
        const epoch = await epochOf(editor);
        await editor.edit(SEG, [merge(1, 2)]);
        const refused = async (options: object, ops = [merge(3, 4)]): Promise<unknown> =>
          (await editor.refused(SEG, ops, options)).error;
        for (const base of [2, 2 ** 53 - 1, 2 ** 53, -1, 0.5])
          expect(await refused({ base, epoch })).toBe('BAD_REQUEST');
        expect(await refused({ policy: 'scope' })).toBe('BAD_REQUEST');
        expect(await refused({ policy: 'strict', epoch })).toBe('BAD_REQUEST');
        expect(await refused({ base: 0, policy: 'none' })).toBe('BAD_REQUEST');
        expect(await refused({ epoch: new Uint8Array(8) })).toBe('EPOCH_MISMATCH');
        expect(await refused({ epoch: new Uint8Array(7) })).toBe('BAD_REQUEST');
        expect(await refused({ epoch: new Uint8Array(0), base: 1 })).toBe('BAD_REQUEST');
        // An undo of itself, of what is to come, of nothing.
        for (const seq of [2, 3, 0, 2 ** 53 - 1]) expect(await refused({ epoch }, [undo(seq)])).toBe('NOT_FOUND');
        for (const seq of [0.5, -1, 2 ** 53]) expect(await refused({ epoch }, [undo(seq)])).toBe('BAD_REQUEST');
        expect(await editor.edit(SEG, [merge(3, 4)], { base: 1, epoch })).toMatchObject({ seq: 2 });
      });

      it('[E18] cannot undo a row under the hands of who changed it, though its key was given by the server', async () => {
        await start();
        const [a, b] = [await client(), await client()];
        const epoch = await epochOf(a);
        const { seq, results } = await a.edit(SEG, [put(point())]);
        const [key] = (results[0] as { keys: number[] }).keys;
        await b.edit(SEG, [put(point({ key, text: 'mine' }))]);
        expect(await a.refused(SEG, [undo(seq)], { base: seq, epoch })).toMatchObject({
          error: 'CONFLICT',
          details: { edits: [{ seq: 2 }] },
        });
      });
    });

    describe('with voxels', () => {
      const box = WHOLE;
      const write = (id: number): WireMap => ({ op: 'write', box, bulk: id });

      it('[E12] finds each BULK taken for its own edit, whatever the order, the ids and the number of ops', async () => {
        await start();
        const editor = await client();
        const send = (message: Bulk): void => editor.probe.send(message);
        send(bulk(5, 1, voxelsOf(1)));
        send(bulk(5, 1, voxelsOf(2)));
        send(bulk(5, 2, voxelsOf(3)));
        expect(await editor.edit(SEG, [write(5), write(5)], { wseq: 1 })).toMatchObject({ status: 'applied' });
        editor.probe.send({ kind: 'CUTOUT', id: 7, path: SEG, mip: 0, box: [0, 0, 0, 1, 1, 1] });
        expect((await editor.probe.next('TILE', 7)).payload).toEqual(Uint8Array.of(2, 0, 0, 0));
        expect(await editor.edit(SEG, [write(5)], { wseq: 2 })).toMatchObject({ status: 'applied' });
        editor.probe.send({ kind: 'CUTOUT', id: 8, path: SEG, mip: 0, box: [0, 0, 0, 1, 1, 1] });
        expect((await editor.probe.next('TILE', 8)).payload).toEqual(Uint8Array.of(3, 0, 0, 0));
      });

      it('[E12] keeps nobody waiting for voxels that never come: not its next self, not the end of the server', async () => {
        const { url } = await start();
        const probe = await Probe.hello(url, { feat: ALL_FEATURES });
        const wid = new Uint8Array(randomBytes(16));
        for (let n = 1; n <= 4; n++)
          probe.send({ kind: 'EDIT', id: n + 10, path: SEG, wid, wseq: n, base: null, ops: [write(n)] });
        await probe.settle();
        probe.close();
        await probe.closed;
        await expect.poll(() => server?.hub.use()).toMatchObject({ sessions: 0 });
        await server?.stop(0);
        server = undefined;
      });

      it('[E12] is refused more than 8 MiB that nobody claims, in frames of any kind, and loses it after 10 s', async () => {
        let now = 0;
        const { hub } = await start({ now: () => now });
        const editor = await client();
        const large = new Uint8Array(1024 * 1024);
        for (let n = 0; n < 9; n++) editor.probe.send(bulk(n, 1, large, { rawLength: 2 ** 24, flags: n % 3 }));
        // 1 and 4 and 7 have CONT and no beginning; 0, 3, 6 have no end: 6 MiB wait.
        for (let n = 10; n < 20; n++) editor.probe.send(bulk(n, 1, large));
        await editor.probe.settle();
        const errors = editor.probe.inbox.filter((message) => message.kind === 'ERROR');
        expect(errors.map((error) => (error as { error: string }).error).sort()).toEqual([
          ...new Array(3).fill('BAD_REQUEST'),
          ...new Array(8).fill('LIMIT'),
        ]);
        now = 10_001;
        hub.sweep();
        editor.probe.inbox.length = 0;
        for (let n = 30; n < 38; n++) editor.probe.send(bulk(n, 1, large));
        await editor.probe.settle();
        expect(editor.probe.inbox).toEqual([]);
      });

      it('[E12] sends no voxels of another box, another size, another encoding, or compressed without end', async () => {
        await start();
        const editor = await client();
        const bombs = [gzipSync(new Uint8Array(30_000_000)), zstdLike(), Uint8Array.of(), new Uint8Array(5)];
        let n = 0;
        const refused = async (payload: Uint8Array, fields: Partial<Bulk['header']>): Promise<void> => {
          const wseq = ++editor.wseq;
          editor.probe.send(bulk(++n, wseq, payload, fields));
          expect(await editor.refused(SEG, [write(n)], { wseq })).toMatchObject({ details: { op: 0, field: 'bulk' } });
        };
        for (const payload of bombs)
          for (const encoding of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255]) await refused(payload, { encoding });
        for (const fields of [
          { x: 1 },
          { mip: 1 },
          { sizeX: 15 },
          { rawLength: 4 },
          { flags: TileFlag.FILL | TileFlag.LAST },
        ])
          await refused(voxelsOf(1), fields);
        expect(await everything()).toEqual([]);
      });

      it('[L1] writes no more tiles and voxels than one edit may, however many its ops', async () => {
        await start({ limits: { ...NO_RATES, writeVoxels: 1_000, writeTiles: 4 } });
        const editor = await client();
        expect(await editor.refused(SEG, [{ op: 'write', box, value: 1 }])).toMatchObject({ error: 'TOO_LARGE' });
        const small = { op: 'write', box: [0, 0, 0, 10, 10, 10], value: 1 };
        expect(await editor.refused(SEG, new Array(17).fill(small))).toMatchObject({
          error: 'TOO_LARGE',
          details: { op: 16 },
        });
        expect(await editor.edit(SEG, new Array(16).fill(small))).toMatchObject({ status: 'applied' });
      });
    });

    describe('that comes and goes', () => {
      it('[S4] is sent nothing after UNSUBSCRIBE is answered, even where SUBSCRIBE had no answer yet', async () => {
        await start();
        const [reader, editor] = [await client(), await client()];
        for (let n = 0; n < 3; n++) {
          reader.probe.send({ kind: 'SUBSCRIBE', id: 50, path: SEG, epoch: null, after: null, presence: true });
          reader.probe.send({ kind: 'UNSUBSCRIBE', id: 51, sub: 50 });
          reader.probe.send({ kind: 'UNSUBSCRIBE', id: 52, sub: 50 });
          await reader.probe.next('UNSUBSCRIBE_OK', 51);
          await reader.probe.next('UNSUBSCRIBE_OK', 52);
          const before = reader.probe.inbox.splice(0).filter(({ id }) => id === 50);
          expect(before.map(({ kind }) => kind)[0]).toMatch(/^(SUBSCRIBE_OK|ERROR)$/);
          await editor.edit(SEG, [merge(1, 2 + n)]);
          await reader.probe.settle();
          expect(reader.probe.inbox).toEqual([]);
          expect(server?.hub.use()).toMatchObject({ requests: 0 });
        }
        expect(server?.hub.presence.size).toBe(0);
      });

      it('[D17] is told when a subscription that it cancelled is over, before and after its answer', async () => {
        await start();
        const reader = await client();
        for (const waits of [false, true]) {
          reader.probe.send({ kind: 'SUBSCRIBE', id: 50, path: OTHER, epoch: null, after: null });
          if (waits) await reader.probe.next('SUBSCRIBE_OK', 50);
          reader.probe.send({ kind: 'CANCEL', id: 50 });
          expect(await reader.probe.next('ERROR', 50)).toMatchObject({ error: 'CANCELLED' });
          reader.probe.inbox.length = 0;
          await (await client()).edit(OTHER, [merge(1, 2)]);
          await reader.probe.settle();
          expect(reader.probe.inbox).toEqual([]);
          expect(server?.hub.use()).toMatchObject({ requests: 0 });
        }
      });

      it('[E15] cannot take back an EDIT by CANCEL: it is answered', async () => {
        await start();
        const editor = await client();
        const ids = Array.from({ length: 10 }, (_, n) => editor.send(SEG, [merge(1, 2 + n)]));
        for (const id of ids) editor.probe.send({ kind: 'CANCEL', id });
        for (const [n, id] of ids.entries()) expect(await editor.probe.answer(id)).toMatchObject({ seq: n + 1 });
      });

      it('[H11] leaves nothing behind where it goes while its subscriptions are taken up again', async () => {
        let open = (): void => {};
        const gate = new Promise<void>((resolve) => {
          open = resolve;
        });
        // A source that takes its time to be opened.
        let isAsked = false;
        const wrap = (source: Source): Source => {
          isAsked = true;
          return gate.then(() => source) as unknown as Source;
        };
        const { hub, url } = await start({ volumes: [...VOLUMES, { ...volume(SLOW, 'uint8', 'image'), wrap }] });
        const { log } = await hub.openLog(SEG);
        let listeners = 0;
        const onCommit = log.onCommit.bind(log);
        log.onCommit = (listener) => {
          listeners++;
          const forget = onCommit(listener);
          return () => {
            listeners--;
            return forget();
          };
        };
        const probe = await Probe.open(url);
        const resume = [SEG, SLOW].map((path, n) => ({ sub: 50 + n, path, epoch: null, after: null }));
        probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'hasty', feat: [], resume });
        await expect.poll(() => isAsked).toBe(true);
        probe.close();
        await probe.closed;
        await expect.poll(() => hub.use().sessions).toBe(0);
        open();
        await hub.openLog(SLOW);
        for (let n = 0; n < 5; n++) await turn();
        expect(listeners).toBe(0);
      });

      it('[S13] misses no merge by FOCUS, whether it lags, has half a snapshot, or edits are about to become durable', async () => {
        await start();
        const [editor, reader] = [await client(), await client()];
        const epoch = await epochOf(editor);
        await editor.edit(SEG, [{ op: 'merge', ids: idBytes(1_000, 20_000) }]);
        // Half of the links are here.
        const { id } = await reader.subscribe(SEG, { win: 65_536 });
        await reader.probe.next('SNAP', id);
        reader.probe.send({ kind: 'FOCUS', id: 60, sub: id, filter: { kinds: ['put'] } });
        await reader.probe.next('FOCUS_OK', 60);
        reader.probe.inbox.length = 0;
        reader.grant(id, Number.MAX_SAFE_INTEGER);
        const { sections } = await reader.snapshot(id);
        expect(linkPairs(sections.get('links') ?? [])).toHaveLength(20_000 - 1);
        // Edits come, and FOCUS among them.
        const seqs = new Set<unknown>();
        const toldUpTo = async (sub: number, last: number): Promise<void> => {
          while (!seqs.has(last)) for (const { seq } of (await reader.probe.next('EDITS', sub)).edits) seqs.add(seq);
        };
        for (let n = 0; n < 20; n++) {
          for (let k = 0; k < 5; k++) editor.send(SEG, [merge(1, 2 + 5 * n + k)]);
          await editor.probe.settle();
          reader.probe.send({ kind: 'FOCUS', id: 61 + n, sub: id, filter: { kinds: ['meta'] } });
        }
        await toldUpTo(id, 101);
        expect(seqs.size).toBe(100);
        // So much comes that the rest waits for credit: FOCUS finds it far behind, in the middle of an edit.
        const lagging = await reader.subscribe(SEG, { epoch, after: 101, win: 65_536 });
        await editor.edit(SEG, [{ op: 'cleave', ids: idBytes(1_000, 20_000) }]);
        await editor.edit(SEG, [{ op: 'merge', ids: idBytes(50_000, 20_000) }]);
        const { seq } = await editor.edit(SEG, [merge(1, 500)]);
        reader.probe.send({ kind: 'FOCUS', id: 90, sub: lagging.id, filter: { kinds: ['meta'] } });
        await reader.probe.next('FOCUS_OK', 90);
        seqs.clear();
        reader.grant(lagging.id, Number.MAX_SAFE_INTEGER);
        await toldUpTo(lagging.id, seq);
        expect([...seqs]).toEqual([102, 103, 104]);
      });

      it('[S12] is refused filters that hold more than a little', async () => {
        await start();
        const reader = await client();
        const filters: WireMap[] = [
          { ids: idBytes(1, 4_097) },
          { ids: new Uint8Array(9) },
          { kinds: ['nothing'] },
          { mips: [256] },
          { box: [1] },
        ];
        for (const filter of filters) {
          reader.probe.send({ kind: 'SUBSCRIBE', id: 50, path: SEG, epoch: null, after: null, filter });
          expect(await reader.probe.answer(50)).toMatchObject({ error: 'BAD_REQUEST' });
        }
        const { id } = await reader.subscribe(SEG, { filter: { ids: idBytes(1, 4_096) } });
        for (const filter of filters) {
          reader.probe.send({ kind: 'FOCUS', id: 50, sub: id, filter });
          expect(await reader.probe.answer(50)).toMatchObject({ error: 'BAD_REQUEST' });
        }
      });

      it('[L1] opens no more subscriptions than it may, and gets their places back', async () => {
        await start();
        const reader = await client();
        for (let round = 0; round < 2; round++) {
          const ids = Array.from({ length: 130 }, (_, n) => 1_000 + n);
          for (const id of ids) reader.probe.send({ kind: 'SUBSCRIBE', id, path: SEG, epoch: null, after: null });
          const answers = await Promise.all(ids.map((id) => reader.probe.answer(id)));
          expect(answers.filter(({ kind }) => kind === 'SUBSCRIBE_OK')).toHaveLength(128);
          expect(answers.filter((answer) => answer.kind === 'ERROR' && answer.error === 'LIMIT')).toHaveLength(2);
          for (const [n, id] of ids.entries()) reader.probe.send({ kind: 'UNSUBSCRIBE', id: 2_000 + n, sub: id });
          await reader.probe.settle();
          reader.probe.inbox.length = 0;
        }
      });

      it('[C4] is answered what it sent before GOAWAY, and UNAVAILABLE after it', async () => {
        const { hub } = await start();
        const editor = await client();
        const wid = new Uint8Array(randomBytes(16));
        // It waits for its voxels, which may still come.
        const waiting = editor.send(SEG, [{ op: 'write', box: WHOLE, bulk: 5 }], { wid, wseq: 1 });
        const ids = Array.from({ length: 10 }, (_, n) => editor.send(SEG, [merge(1, 2 + n)]));
        await editor.probe.settle();
        const left = hub.leave(10_000);
        await editor.probe.next('GOAWAY');
        const late = editor.send(SEG, [merge(1, 99)]);
        expect(await editor.probe.answer(late)).toMatchObject({ error: 'UNAVAILABLE' });
        for (const [n, id] of ids.entries()) expect(await editor.probe.answer(id)).toMatchObject({ seq: n + 1 });
        editor.probe.send(bulk(5, 1, voxelsOf(1)));
        expect(await editor.probe.answer(waiting)).toMatchObject({ kind: 'EDIT_OK', seq: 11 });
        await left;
      });

      it('[E4] finds every edit that was acknowledged after the server was stopped in the middle', async () => {
        const folder = await mkdtemp(join(tmpdir(), 'bfly-hostile-'));
        try {
          await start({ database: await openLmdbDatabase(folder) });
          const editors = await Promise.all(Array.from({ length: 8 }, () => client()));
          const sent = new Map<number, { readonly editor: EditClient; readonly wseq: number }>();
          const acknowledged = new Map<number, string>();
          for (const editor of editors)
            for (let n = 0; n < 16; n++)
              sent.set(1_000 * editors.indexOf(editor) + editor.send(SEG, [merge(1, 100 + n)]), {
                editor,
                wseq: editor.wseq,
              });
          await editors[0]?.probe.next('EDIT_OK');
          await server?.stop(0);
          for (const [name, { editor, wseq }] of sent)
            for (const message of editor.probe.inbox)
              if (message.kind === 'EDIT_OK' && message.id === name % 1_000)
                acknowledged.set(message.seq, `${Buffer.from(editor.wid).toString('hex')} ${wseq}`);
          const { hub } = await start({ database: await openLmdbDatabase(folder) });
          const { log } = await hub.openLog(SEG);
          expect(acknowledged.size).toBeGreaterThan(0);
          for (const [seq, name] of acknowledged) {
            const { wid, wseq } = log.reader.record(seq);
            expect(`${Buffer.from(wid).toString('hex')} ${wseq}`).toBe(name);
          }
          await server?.stop(0);
          server = undefined;
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      });
    });

    describe('that takes memory', () => {
      it('[E18] leaves no more behind of large edits than the log', { timeout: 60_000 }, async () => {
        await start();
        const editor = await client();
        await editor.edit(SEG, [{ op: 'merge', ids: idBytes(1, 100_000) }]);
        const before = heapBytes();
        // What they read and write are 200,000 names each.
        for (let n = 0; n < 10; n++) await editor.edit(SEG, [{ op: 'cleave', ids: idBytes(1, 100_000) }]);
        editor.probe.inbox.length = 0;
        expect(heapBytes() - before).toBeLessThan(32 * 1024 * 1024);
      });

      it('[S14] is not owed many answers to HISTORY at a time, however many it asks for and does not read', async () => {
        const { hub } = await start();
        const editor = await client();
        for (let n = 0; n < 20; n++) await editor.edit(SEG, [put(point({ text: 'x'.repeat(25_000), key: n }))]);
        const reader = await client();
        reader.probe.socket.pause();
        for (let n = 0; n < 250; n++)
          reader.probe.send({ kind: 'HISTORY', id: 1_000 + n, path: SEG, after: n % 19, limit: 1 });
        // What the kernel holds, and then a little, and the rest waits.
        await expect.poll(() => hub.use().bufferedBytes).toBeGreaterThan(0);
        for (let n = 0; n < 20; n++) {
          await editor.probe.settle();
          expect(hub.use().bufferedBytes).toBeLessThan(2 * 1024 * 1024);
        }
        reader.probe.socket.resume();
        for (let n = 0; n < 250; n++)
          expect(await reader.probe.answer(1_000 + n)).toMatchObject({ edits: [{ seq: (n % 19) + 1 }] });
      });
    });
  },
);
