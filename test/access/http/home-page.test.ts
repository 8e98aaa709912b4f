/** What a page asks that shows every channel of a server at once: what each is, and who is there. */
import { afterEach, describe, expect, it } from 'vitest';
import { EditClient } from '../../support/edit-client.ts';
import { startTestServer, type TestServer } from '../../support/test-server.ts';

const CHANNELS = 100;
const PATHS = Array.from({ length: CHANNELS }, (_, n) => `lab/fly/cube${n % 10}/c${n}`);
const EDITED = 'lab/fly/cube3/c3';
const LINKS = 2_000;

describe('a page of a hundred channels', () => {
  let server: TestServer | undefined;
  const clients: EditClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server?.stop(0);
    server = undefined;
  });

  it('[S2] [P3] is told who is in each, and nothing of their state, within the limit of subscriptions', async () => {
    const data = new Uint8Array(8 * 8 ** 3);
    const shape = [8, 8, 8] as const;
    server = await startTestServer({
      kind: 'ws',
      volumes: PATHS.map((path) => ({ path, data, shape, dtype: 'uint64', type: 'segmentation' })),
    });
    const ada = await EditClient.open(server.url, { name: 'Ada' });
    const { probe } = await EditClient.open(server.url).then((client) => {
      clients.push(ada, client);
      return client;
    });
    // A state that would be large to load.
    await ada.edit(EDITED, [{ op: 'merge', ids: Array.from({ length: LINKS }, (_, n) => n + 1) }]);
    ada.probe.send({ kind: 'SUBSCRIBE', id: 9_000, path: EDITED, epoch: null, after: null, presence: true });
    await ada.probe.next('LIVE', 9_000);
    ada.probe.send({ kind: 'PRESENCE', id: 9_000, n: 1, state: { cursor: [1, 2, 3] } });

    const told: unknown[] = [];
    for (const [n, path] of PATHS.entries()) {
      probe.send({ kind: 'INFO', id: 1_000 + n, path });
      const { info } = await probe.next('INFO_OK', 1_000 + n);
      if (info.kind !== 'channel') throw new Error('a channel was asked for');
      // Behind what there is: nothing is missed, so nothing is sent.
      const { epoch, head: after } = info;
      probe.send({ kind: 'SUBSCRIBE', id: 2_000 + n, path, epoch, after, snapshot: false, presence: true });
      const { mode, head } = await probe.next('SUBSCRIBE_OK', 2_000 + n);
      told.push([mode, head]);
    }
    expect(told).toEqual(PATHS.map((path) => ['tail', path === EDITED ? 1 : 0]));
    const at = 2_000 + PATHS.indexOf(EDITED);
    const { peers } = await probe.next('PEERS', at);
    expect(peers).toEqual([[expect.any(String), 1, expect.objectContaining({ cursor: [1, 2, 3] })]]);
    expect(probe.peek('PEERS').filter(({ id }) => id !== at)).toEqual([]);

    // An edit made now is told, so that the page shows when the last one was.
    await ada.edit(EDITED, [{ op: 'merge', ids: [LINKS, LINKS + 1] }]);
    const { edits } = await probe.next('EDITS', at);
    expect(edits[0]).toMatchObject({ seq: 2, time: expect.any(Number) });
    expect(probe.peek('SNAP')).toEqual([]);
    const bytes = [...probe.bytes].filter(([kind]) => kind !== 'INFO_OK').reduce((sum, [, count]) => sum + count, 0);
    expect(bytes / CHANNELS).toBeLessThan(100);
    expect(server.hub.presence.size).toBe(CHANNELS);
  });
});
