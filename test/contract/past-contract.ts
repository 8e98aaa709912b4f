/** How edited voxels, the past and bodies are read over a socket, whatever transport carries it. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientMessage, WireMap } from '../../protocol/messages.ts';
import { type Box, viewVoxels } from '../../protocol/volume.ts';
import { EditClient } from '../support/edit-client.ts';
import type { Of } from '../support/probe.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const SEG = 'lab/fly/cube/seg';
const IM = 'lab/fly/cube/im';
const SIDE = 16;
const WHOLE: Box = [0, 0, 0, SIDE, SIDE, SIDE];
const cube = (value: (n: number) => number) => Uint32Array.from({ length: SIDE ** 3 }, (_, n) => value(n));
const volumes = [
  {
    ...{ path: SEG, shape: [SIDE, SIDE, SIDE] as const, dtype: 'uint32' as const, type: 'segmentation' as const },
    ...{ data: new Uint8Array(cube((n) => 1 + (n % 8)).buffer), chunk: [8, 8, 8] as const },
  },
  {
    ...{ path: IM, shape: [SIDE, SIDE, SIDE] as const, dtype: 'uint8' as const, type: 'image' as const },
    ...{ data: Uint8Array.from(cube((n) => n % 100)), chunk: [8, 8, 8] as const },
  },
];
const paint = (box: Box, value: number): WireMap => ({ op: 'write', box: [...box], value });

type PullFields = Partial<Extract<ClientMessage, { kind: 'PULL' }>>;

/** Defines the suite for one transport. */
export function pastContract(kind: 'ws' | 'uws'): void {
  describe(`the past over ${kind}`, () => {
    let server: TestServer | undefined;
    const clients: EditClient[] = [];

    const start = async (): Promise<EditClient> => {
      server ??= await startTestServer({ kind, volumes });
      const client = await EditClient.open(server.url);
      clients.push(client);
      client.probe.send({ kind: 'CREDIT', id: 0, grants: [[0, 2 ** 40]] });
      return client;
    };
    const ask = (client: EditClient, fields: PullFields): number => {
      const id = client.nextId();
      client.probe.send({ kind: 'PULL', id, path: SEG, mip: 0, box: WHOLE, ...fields });
      client.probe.send({ kind: 'CREDIT', id: 0, grants: [[id, 2 ** 40]] });
      return id;
    };
    const take = async (client: EditClient, id: number): Promise<{ ok: Of<'PULL_OK'>; tiles: Of<'TILE'>[] }> => {
      const ok = await client.probe.next('PULL_OK', id);
      expect(await client.probe.next('END', id)).toMatchObject({ sent: ok.tiles, failed: 0 });
      return { ok, tiles: client.probe.peek('TILE').filter((tile) => tile.id === id) };
    };
    const unique = async (client: EditClient, fields: WireMap = {}): Promise<bigint[]> => {
      const id = client.nextId();
      client.probe.send({ kind: 'UNIQUE', id, path: SEG, mip: 0, box: [0, 0, 0, 8, 1, 1], ...fields });
      const { ids } = await client.probe.next('UNIQUE_OK', id);
      return [...viewVoxels('uint64', Uint8Array.from(ids))] as bigint[];
    };

    afterEach(async () => {
      for (const client of clients.splice(0)) client.close();
      await server?.stop();
      server = undefined;
    });

    it('[D1] [D20] a pull is as the volume is, each tile with the seq of its last edit, and in the past as it was', async () => {
      const client = await start();
      await client.edit(SEG, [paint([0, 0, 0, 1, 1, 1], 8)]);
      await client.edit(SEG, [paint([8, 8, 8, 9, 9, 9], 8)]);
      const now = await take(client, ask(client, { order: 'scan' }));
      expect(now.ok).toMatchObject({ at: 2, tiles: 8, dtype: 'uint32' });
      expect(now.tiles.map(({ header }) => header.seq)).toEqual([1, 0, 0, 0, 0, 0, 0, 2]);
      const first = (tile: Of<'TILE'> | undefined) => tile?.payload[0];
      expect([first(now.tiles[0]), first(now.tiles[7])]).toEqual([8, 8]);
      const then = await take(client, ask(client, { order: 'scan', at: 1 }));
      expect(then.ok).toMatchObject({ at: 1 });
      expect(then.tiles.map(({ header }) => header.seq)).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
      expect([first(then.tiles[0]), first(then.tiles[7])]).toEqual([8, 1]);
    });

    it('[D1] a pull that has begun stays at its seq, whatever is edited meanwhile', async () => {
      const client = await start();
      await client.edit(SEG, [paint(WHOLE, 7)]);
      const id = client.nextId();
      // No credit but for the first tiles.
      client.probe.send({ kind: 'PULL', id, path: SEG, mip: 0, box: WHOLE, order: 'scan' });
      const ok = await client.probe.next('PULL_OK', id);
      await client.edit(SEG, [paint(WHOLE, 6)]);
      client.probe.send({ kind: 'CREDIT', id: 0, grants: [[id, 2 ** 40]] });
      await client.probe.next('END', id);
      expect(ok).toMatchObject({ at: 1 });
      const tiles = client.probe.peek('TILE').filter((tile) => tile.id === id);
      expect(tiles.map(({ payload, header }) => [payload[0], header.seq])).toEqual(
        Array.from({ length: 8 }, () => [7, 1]),
      );
    });

    it('[E35] an edit and its undo leave every level as it was, for every client', async () => {
      const client = await start();
      const { epoch } = await client.subscribe(IM, { after: null });
      const read = async (mip: number) => {
        const { tiles } = await take(client, ask(client, { path: IM, mip, order: 'scan' }));
        client.probe.inbox.length = 0;
        return tiles.map(({ payload }) => [...payload]);
      };
      const before = [await read(0), await read(1)];
      await client.edit(IM, [{ op: 'write', box: [3, 3, 3, 12, 12, 12], value: 255 }]);
      expect([await read(0), await read(1)]).not.toEqual(before);
      await client.edit(IM, [{ op: 'undo', seq: 1 }], { epoch });
      expect([await read(0), await read(1)]).toEqual(before);
    });

    it('[I7] UNIQUE finds the ids of any seq, and bodies', async () => {
      const client = await start();
      await client.edit(SEG, [paint([0, 0, 0, 4, 1, 1], 8)]);
      await client.edit(SEG, [{ op: 'merge', ids: [5, 6, 7] }]);
      expect(await unique(client)).toEqual([5n, 6n, 7n, 8n]);
      expect(await unique(client, { at: 0 })).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
      expect(await unique(client, { map: 'merged' })).toEqual([5n, 8n]);
      expect(await unique(client, { map: 'merged', at: 1 })).toEqual([5n, 6n, 7n, 8n]);
    });

    it('[D1] [D2] bodies are pulled as uint64, at the head and in the past', async () => {
      const client = await start();
      await client.edit(SEG, [{ op: 'merge', ids: [1, 2, 3] }]);
      await client.edit(SEG, [{ op: 'cleave', ids: [2] }]);
      const box: Box = [0, 0, 0, 4, 1, 1];
      for (const [at, expected] of [
        [undefined, [1n, 2n, 1n, 4n]],
        [1, [1n, 1n, 1n, 4n]],
        [0, [1n, 2n, 3n, 4n]],
      ] as const) {
        const { ok, tiles } = await take(
          client,
          ask(client, { box, map: 'merged', ...(at === undefined ? {} : { at }) }),
        );
        expect(ok).toMatchObject({ dtype: 'uint64', at: at ?? 2 });
        expect([...viewVoxels('uint64', Uint8Array.from(tiles[0]?.payload ?? []))].slice(0, 4)).toEqual(expected);
        client.probe.inbox.length = 0;
      }
    });

    it('[D25] [D26] a cutout is of any seq too, and of bodies', async () => {
      const client = await start();
      await client.edit(SEG, [paint([0, 0, 0, 2, 1, 1], 8)]);
      await client.edit(SEG, [{ op: 'merge', ids: [3, 4] }]);
      for (const [fields, dtype, expected] of [
        [{}, 'uint32', [8, 8, 3, 4]],
        [{ at: 0 }, 'uint32', [1, 2, 3, 4]],
        [{ map: 'merged' }, 'uint64', [8n, 8n, 3n, 3n]],
      ] as const) {
        const id = client.nextId();
        client.probe.send({ kind: 'CUTOUT', id, path: SEG, mip: 0, box: [0, 0, 0, 4, 1, 1], ...fields });
        client.probe.send({ kind: 'CREDIT', id: 0, grants: [[id, 2 ** 40]] });
        expect(await client.probe.next('CUTOUT_OK', id)).toMatchObject({
          dtype,
          seq: 'at' in fields ? 0 : 2,
          shape: [4, 1, 1],
        });
        const { payload } = await client.probe.next('TILE', id);
        expect([...viewVoxels(dtype, Uint8Array.from(payload))]).toEqual(expected);
      }
    });

    it('[H6] answers bodies of an image with UNSUPPORTED', async () => {
      const client = await start();
      const box: Box = [0, 0, 0, 1, 1, 1];
      for (const kind of ['PULL', 'CUTOUT', 'UNIQUE'] as const) {
        const id = client.nextId();
        client.probe.send({ kind, id, path: IM, mip: 0, box, map: 'merged' });
        expect(await client.probe.answer(id)).toMatchObject({ kind: 'ERROR', error: 'UNSUPPORTED' });
      }
    });

    it('[D1] refuses a seq that is not yet, and waits for one that is named', async () => {
      const client = await start();
      expect(await client.probe.answer(ask(client, { at: 1 }))).toMatchObject({
        kind: 'ERROR',
        error: 'OUT_OF_BOUNDS',
      });
      expect(await client.probe.answer(ask(client, { epoch: new Uint8Array(8) }))).toMatchObject({
        error: 'EPOCH_MISMATCH',
      });
      const waiting = ask(client, { minSeq: 1, box: [0, 0, 0, 1, 1, 1] });
      await client.edit(SEG, [paint([0, 0, 0, 1, 1, 1], 8)]);
      expect((await take(client, waiting)).ok).toMatchObject({ at: 1 });
      expect(await client.probe.answer(ask(client, { minSeq: 9 }))).toMatchObject({ error: 'UNAVAILABLE' });
    });

    it('[I1] INFO tells the head as soon as an edit is answered', async () => {
      const client = await start();
      for (const head of [0, 1, 2]) {
        if (head > 0) await client.edit(SEG, [{ op: 'merge', ids: [head, head + 1] }]);
        const id = client.nextId();
        client.probe.send({ kind: 'INFO', id, path: SEG });
        expect((await client.probe.next('INFO_OK', id)).info).toMatchObject({ editable: true, first: 1, head });
      }
    });

    it('[I1] INFO tells when the newest edit was made, of a channel alone and in its dataset', async () => {
      const client = await start();
      const info = async (path: string) => {
        const id = client.nextId();
        client.probe.send({ kind: 'INFO', id, path });
        return (await client.probe.next('INFO_OK', id)).info;
      };
      expect(await info(SEG)).not.toHaveProperty('edited');
      for (const after of [0, 1]) {
        await client.edit(SEG, [{ op: 'merge', ids: [after + 1, after + 2] }]);
        const id = client.nextId();
        client.probe.send({ kind: 'HISTORY', id, path: SEG, after, limit: 1 });
        const { edits } = await client.probe.next('HISTORY_OK', id);
        const edited = edits[0]?.['time'];
        expect(edited).toBeGreaterThan(0);
        expect(await info(SEG)).toMatchObject({ head: after + 1, edited });
        expect(await info('lab/fly/cube')).toMatchObject({ channels: [{ path: IM }, { path: SEG, edited }] });
      }
      expect(await info(IM)).not.toHaveProperty('edited');
    });
  });
}
