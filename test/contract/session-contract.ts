/** How a session behaves, whatever transport carries it. Runs for `ws` and `uWebSockets.js` alike. */
import { afterEach, describe, expect, it } from 'vitest';
import { encodeClient } from '../../protocol/encode.ts';
import type { ClientMessage } from '../../protocol/messages.ts';
import { TileFlag } from '../../protocol/tile-frame.ts';
import type { Box } from '../../protocol/volume.ts';
import { Probe } from '../support/probe.ts';
import {
  patternBytes,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  type TestVolume,
} from '../support/test-server.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const EM = 'lab/fly/cube/em';

/** 128³ uint8: eight tiles of 256 KiB. */
const em: TestVolume = { path: EM, data: patternBytes(128 ** 3), shape: [128, 128, 128], dtype: 'uint8' };
const WHOLE: Box = [0, 0, 0, 128, 128, 128];

type PullFields = Partial<Extract<ClientMessage, { kind: 'PULL' }>>;

function pull(id: number, fields: PullFields = {}): ClientMessage {
  return { kind: 'PULL', id, path: EM, mip: 0, box: WHOLE, ...fields };
}

/** Reads everything once or twice, so that the next pull finds its tiles at hand. */
async function warm(probe: Probe): Promise<void> {
  for (const id of [901, 902]) {
    probe.send(pull(id));
    grantAll(probe, id);
    await probe.next('END', id);
  }
  probe.inbox.length = 0;
}

/** Grants so much that credit never holds anything up. */
function grantAll(probe: Probe, ...ids: number[]): void {
  probe.send({ kind: 'CREDIT', id: 0, grants: [0, ...ids].map((id) => [id, 2 ** 40] as const) });
}

/** Defines the suite for one transport. */
export function sessionContract(kind: 'ws' | 'uws'): void {
  describe(`session over ${kind}`, () => {
    let server: TestServer | undefined;
    const probes: Probe[] = [];

    const start = async (options: Partial<TestServerOptions> = {}): Promise<TestServer> => {
      server = await startTestServer({ kind, volumes: [em], ...options });
      return server;
    };
    const open = async (url: string): Promise<Probe> => keep(await Probe.open(url));
    const hello = async (url: string, fields = {}): Promise<Probe> => keep(await Probe.hello(url, fields));
    const keep = (probe: Probe): Probe => {
      probes.push(probe);
      return probe;
    };

    afterEach(async () => {
      for (const probe of probes.splice(0)) probe.close();
      await server?.stop(0);
      server = undefined;
    });

    describe('hello', () => {
      it('[H4] answers HELLO with WELCOME: version, limits, and what both sides know', async () => {
        const { url } = await start();
        const probe = await open(url);
        probe.send({
          kind: 'HELLO',
          id: 9,
          v: [1, 7],
          client: 'probe',
          feat: ['pull', 'teleport'],
          win: 1,
          frame: 1e9,
        });
        const welcome = await probe.next('WELCOME', 9);
        expect(welcome).toMatchObject({ v: 1, feat: ['pull'], win: 64 * KiB, frame: 4 * MiB, ping: 25_000 });
        expect(welcome.limits).toMatchObject({
          message: MiB,
          requests: 256,
          pulls: 32,
          tiles: 262_144,
          cutout: 64 * MiB,
        });
        expect(welcome.session).toMatch(/^[0-9a-f]{32}$/);
      });

      it('[H2] closes 4001 when something else comes first', async () => {
        const { url } = await start();
        const probe = await open(url);
        probe.send({ kind: 'INFO', id: 1, path: EM });
        expect((await probe.closed).code).toBe(4001);
      });

      it('[H2] closes 4310 when no HELLO comes in time, whatever else the transport hears', async () => {
        const { url } = await start({ timings: { helloMs: 120 } });
        const probe = await open(url);
        probe.socket.ping();
        expect((await probe.closed).code).toBe(4310);
      });

      it('[H2] closes 4004 when the first frame is over 16 KiB', async () => {
        const { url } = await start();
        const probe = await open(url);
        probe.sendRaw(new Uint8Array(16 * KiB + 1));
        expect((await probe.closed).code).toBe(4004);
      });

      it('[H3] closes 4002 for a client that speaks no version of ours', async () => {
        const { url } = await start();
        const probe = await open(url);
        probe.send({ kind: 'HELLO', id: 1, v: [2], client: 'probe', feat: [] });
        expect((await probe.closed).code).toBe(4002);
      });

      it('[F1][H8] refuses a handshake without the subprotocol, at another path, or from a foreign page', async () => {
        const { url } = await start();
        await expect(Probe.open(url, { protocols: ['other'] })).rejects.toThrow('400');
        await expect(Probe.open(url.replace('/v1', '/v2'))).rejects.toThrow('404');
        await expect(Probe.open(url, { origin: 'https://evil.example' })).rejects.toThrow('403');
        const local = keep(await Probe.open(url, { origin: 'http://localhost:5173' }));
        expect(local.socket.protocol).toBe('bfly.v1');
      });

      it('[H8] lets in the origins that it was told of', async () => {
        const { url } = await start({ allowedOrigins: ['https://viewer.example'] });
        keep(await Probe.open(url, { origin: 'https://viewer.example' }));
      });

      it('[L1] refuses more connections of one address than it announces', async () => {
        const { url } = await start({ limits: { connectionsPerAddress: 3 } });
        await hello(url);
        await hello(url);
        const third = await hello(url);
        await expect(Probe.open(url)).rejects.toThrow('429');
        third.close();
        await third.closed;
        await expect.poll(() => server?.hub.size).toBe(2);
        await hello(url);
      });

      it('[L1] refuses connections while too many have not said hello', async () => {
        const { url } = await start({ limits: { unwelcomed: 2 } });
        await open(url);
        await open(url);
        await expect(Probe.open(url)).rejects.toThrow('429');
      });
    });

    describe('frames', () => {
      it('[F2] closes 4003 on a text message', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.sendRaw('hello');
        expect((await probe.closed).code).toBe(4003);
      });

      it('[X5] answers a broken frame whose id can be read, and goes on; closes 4003 where it cannot', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.sendRaw(Uint8Array.of(0x93, 0x10, 0x07, 0xc7, 0x01, 0x05, 0x00)); // INFO, id 7, an extension
        expect(await probe.next('ERROR', 7)).toMatchObject({ code: 200 });
        probe.send({ kind: 'INFO', id: 7, path: EM });
        await probe.next('INFO_OK', 7);
        probe.sendRaw(Uint8Array.of(0xc1));
        expect((await probe.closed).code).toBe(4003);
      });

      it('[L2] answers TOO_LARGE to a message over 1 MiB and lives on; the transport ends one over 8 MiB', async () => {
        const { url } = await start();
        const probe = await hello(url);
        const wide = encodeClient({ kind: 'AUTH', id: 5, token: 'x' });
        const long = new Uint8Array(MiB + 1);
        // [AUTH, 5, "x", bin …]: an extra trailing element that is ignored, but makes the message long.
        const extra = Uint8Array.of(0xc6, 0, 0x0f, 0xff, 0x00);
        const frame = new Uint8Array(wide.length + extra.length + 0x0fff00);
        frame.set(wide);
        frame[0] = 0x94;
        frame.set(extra, wide.length);
        expect(frame.length).toBeLessThan(long.length);
        probe.sendRaw(frame);
        expect(await probe.next('ERROR', 5)).toMatchObject({ code: 208 });
        const longer = new Uint8Array(frame.length + 0x2000);
        longer.set(frame);
        new DataView(longer.buffer).setUint32(wide.length + 1, 0x0fff00 + 0x2000);
        probe.sendRaw(longer);
        expect(await probe.next('ERROR', 5)).toMatchObject({ code: 205 });
        probe.sendRaw(new Uint8Array(9 * MiB));
        expect([1006, 1009]).toContain((await probe.closed).code);
        const other = await hello(url);
        await other.settle();
      });

      it('[F7] refuses id 0 and an id that is in use, without ending what uses it', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.send({ kind: 'INFO', id: 0, path: EM });
        expect(await probe.next('ERROR', 0)).toMatchObject({ code: 200 });
        probe.send(pull(4));
        await probe.next('PULL_OK', 4);
        probe.send({ kind: 'INFO', id: 4, path: EM });
        expect(await probe.next('ERROR', 0)).toMatchObject({ code: 200, message: expect.stringContaining('4') });
        grantAll(probe, 4);
        expect(await probe.next('END', 4)).toMatchObject({ status: 'done', sent: 8 });
      });

      it('[X5] answers a bad frame whose id is in use under id 0, and leaves what uses it alone', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.send(pull(4));
        await probe.next('PULL_OK', 4);
        probe.sendRaw(Uint8Array.of(0x93, 0x10, 0x04, 0x07)); // INFO, id 4, a path that is a number
        expect(await probe.next('ERROR')).toMatchObject({ id: 0, code: 200 });
        grantAll(probe, 4);
        expect(await probe.next('END', 4)).toMatchObject({ status: 'done', sent: 8 });
      });

      it('[F6] passes over types 0x60..0x7f and answers other unknown ones with UNSUPPORTED', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.sendRaw(Uint8Array.of(0x92, 0x61, 0x03));
        probe.sendRaw(Uint8Array.of(0x92, 0x19, 0x03));
        expect(await probe.next('ERROR', 3)).toMatchObject({ code: 208 });
        await probe.settle();
        expect(probe.inbox).toEqual([]);
      });

      it('[H6] answers AUTH with UNSUPPORTED where nobody is asked for a token, and does not offer it', async () => {
        const { url } = await start();
        const probe = await open(url);
        probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'probe', feat: ['pull', 'auth'] });
        expect((await probe.next('WELCOME')).feat).toEqual(['pull']);
        probe.send({ kind: 'AUTH', id: 4, token: 't' });
        expect(await probe.next('ERROR', 4)).toMatchObject({ code: 208 });
      });

      it('[H9] does not show the secret of a session in the id of its user, and knows the user by it again', async () => {
        const { url } = await start();
        const [first, other] = [await open(url), await open(url)];
        for (const probe of [first, other]) probe.send({ kind: 'HELLO', id: 1, v: [1], client: 'probe', feat: [] });
        const { session, user } = await first.next('WELCOME');
        expect((await other.next('WELCOME')).user.id).not.toBe(user.id);
        expect(user.id).toMatch(/^anonymous:[0-9a-f]{16}$/);
        expect(user.id).not.toContain(session.slice(0, 8));
        const again = await open(url);
        again.send({ kind: 'HELLO', id: 1, v: [1], client: 'probe', feat: [], token: session });
        expect(await again.next('WELCOME')).toMatchObject({ session, user });
      });

      it('[C5] echoes PING', async () => {
        const { url } = await start();
        const probe = await hello(url);
        for (const t of [null, 7, 2n ** 63n, 'é', true] as const) {
          probe.send({ kind: 'PING', id: 3, t });
          expect((await probe.next('PONG', 3)).t).toEqual(t);
        }
      });
    });

    describe('questions', () => {
      it('[I1][I2] tells what a channel is, and what a dataset holds', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.send({ kind: 'INFO', id: 2, path: EM });
        const { info } = await probe.next('INFO_OK', 2);
        expect(info).toMatchObject({
          path: EM,
          kind: 'channel',
          type: 'image',
          dtype: 'uint8',
          editable: true,
          head: 0,
          first: 1,
          // There are no tokens here.
          rights: ['read', 'annotate', 'edit', 'edit-others', 'admin'],
        });
        expect(info.kind === 'channel' && info.mips).toEqual([
          { shape: [128, 128, 128], chunk: [64, 64, 64], voxel: [1, 1, 1], offset: [0, 0, 0] },
          { shape: [64, 64, 64], chunk: [64, 64, 64], voxel: [2, 2, 2], offset: [0, 0, 0] },
        ]);
        probe.send({ kind: 'INFO', id: 3, path: 'lab/fly/cube' });
        expect((await probe.next('INFO_OK', 3)).info).toMatchObject({ kind: 'dataset', channels: [{ path: EM }] });
        probe.send({ kind: 'INFO', id: 4, path: 'lab/fly/cube/nothing' });
        expect(await probe.next('ERROR', 4)).toMatchObject({ code: 203 });
      });

      it('[I4][I5] lists the tree page by page', async () => {
        const more = ['b', 'a', 'c'].map((name) => ({ ...em, path: `lab/fly/cube/${name}` }));
        const { url } = await start({ volumes: [em, ...more] });
        const probe = await hello(url);
        probe.send({ kind: 'LIST', id: 2, path: '' });
        expect(await probe.next('LIST_OK', 2)).toMatchObject({
          entries: [{ name: 'lab', kind: 'experiment', path: 'lab' }],
        });
        probe.send({ kind: 'LIST', id: 3, path: 'lab/fly/cube', limit: 2 });
        const page = await probe.next('LIST_OK', 3);
        expect(page.entries.map((entry) => entry.name)).toEqual(['a', 'b']);
        probe.send({ kind: 'LIST', id: 4, path: 'lab/fly/cube', after: page.next ?? '' });
        const rest = await probe.next('LIST_OK', 4);
        expect(rest.entries.map((entry) => entry.name)).toEqual(['c', 'em']);
        expect(rest.next).toBeUndefined();
      });

      it('[I7][I8] gives distinct ids in pages, ascending, with the total count', async () => {
        const ids = BigUint64Array.from({ length: 32 ** 3 }, (_, n) => BigInt(n % 9_000) * 1_000_000_007n);
        const path = 'lab/fly/cube/ids';
        const data = new Uint8Array(ids.buffer);
        const { url } = await start({ volumes: [{ path, data, shape: [32, 32, 32], dtype: 'uint64' }] });
        const probe = await hello(url);
        const box: Box = [-5, -5, -5, 40, 40, 40];
        probe.send({ kind: 'UNIQUE', id: 2, path, mip: 0, box });
        const first = await probe.next('UNIQUE_OK', 2);
        expect([first.count, first.ids.length]).toEqual([9_000, 64_000]);
        probe.send({ kind: 'UNIQUE', id: 3, path, mip: 0, box, after: first.after ?? 0n });
        const second = await probe.next('UNIQUE_OK', 3);
        expect([second.count, second.ids.length, second.after]).toEqual([9_000, 8_000, undefined]);
        const all = [first, second].flatMap((page) => [...new BigUint64Array(page.ids.slice().buffer)]);
        expect(all).toEqual(Array.from({ length: 9_000 }, (_, n) => BigInt(n) * 1_000_000_007n));
      });
    });

    describe('pulls', () => {
      it('[D2][D3] sends each chunk once, whole, with its place, then END', async () => {
        const { url } = await start();
        const probe = await hello(url, { frame: 256 * KiB });
        probe.send(pull(2, { order: 'scan' }));
        grantAll(probe, 2);
        expect(await probe.next('PULL_OK', 2)).toMatchObject({ tiles: 8, dtype: 'uint8', at: 0 });
        expect(await probe.next('END', 2)).toMatchObject({ status: 'done', sent: 8, failed: 0 });
        const tiles = probe.peek('TILE');
        expect(tiles.map((tile) => tile.header.item)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
        expect(tiles.map(({ header: h }) => [h.x, h.y, h.z])).toEqual(
          [0, 64].flatMap((z) => [0, 64].flatMap((y) => [0, 64].map((x) => [x, y, z]))),
        );
        const last = tiles[7];
        const at = ((64 + 5) * 128 + 64 + 6) * 128 + 64 + 7;
        expect(last?.payload[(5 * 64 + 6) * 64 + 7]).toBe(em.data[at]);
        expect(last?.header.flags).toBe(TileFlag.LAST);
      });

      it('[D3] answers a box outside the volume with no tiles, and one that sticks out with the chunks that exist', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.send(pull(2, { box: [500, 0, 0, 600, 10, 10] }));
        expect(await probe.next('PULL_OK', 2)).toMatchObject({ tiles: 0 });
        expect(await probe.next('END', 2)).toMatchObject({ status: 'done', sent: 0 });
        probe.send(pull(3, { box: [-100, -100, -100, 1, 1, 1] }));
        grantAll(probe, 3);
        expect(await probe.next('END', 3)).toMatchObject({ status: 'done', sent: 1 });
      });

      it('[D1] refuses an unknown mip, a box without size, and more tiles than it announces', async () => {
        const { url } = await start({ limits: { tiles: 7 } });
        const probe = await hello(url);
        probe.send(pull(2, { mip: 9 }));
        expect(await probe.next('ERROR', 2)).toMatchObject({ code: 204 });
        probe.send(pull(3, { box: [0, 0, 0, 0, 5, 5] }));
        expect(await probe.next('ERROR', 3)).toMatchObject({ code: 200 });
        probe.send(pull(4));
        expect(await probe.next('ERROR', 4)).toMatchObject({ code: 205 });
      });

      it('[D5][D23] counts a chunk that cannot be read, and goes on', async () => {
        const broken: TestVolume = {
          ...em,
          wrap: (source) => ({
            ...source,
            info: source.info,
            close: () => source.close(),
            read: (mip, box) => {
              if (box[0] === 64 && box[1] === 0 && box[2] === 0) return Promise.reject(new Error('/secret/path broke'));
              return source.read(mip, box);
            },
          }),
        };
        const { url } = await start({ volumes: [broken] });
        const probe = await hello(url);
        probe.send(pull(2));
        grantAll(probe, 2);
        expect(await probe.next('END', 2)).toMatchObject({ status: 'done', sent: 7, failed: 1 });
        const failed = probe.peek('TILE').filter(({ header }) => header.flags & TileFlag.ERROR);
        expect(failed).toHaveLength(1);
        expect(new TextDecoder().decode(failed[0]?.payload)).not.toContain('secret');
      });

      it('[D21] cuts a tile larger than the frame, in order, marked CONT and LAST', async () => {
        const path = 'lab/fly/cube/wide';
        const shape = [64, 64, 64] as const;
        const data = patternBytes(64 ** 3 * 4);
        const { url } = await start({ volumes: [{ path, data, shape, dtype: 'float32' }] });
        const probe = await hello(url, { frame: 100 * KiB });
        probe.send({ kind: 'PULL', id: 2, path, mip: 0, box: [0, 0, 0, 64, 64, 64] });
        grantAll(probe, 2);
        expect(await probe.next('END', 2)).toMatchObject({ sent: 1 });
        const frames = probe.peek('TILE');
        expect(frames.map(({ header }) => header.flags)).toEqual([0, ...Array(9).fill(1), 3]);
        expect(frames.map(({ header }) => header.rawLength)).toEqual(
          frames.map((_, n) => (n === 0 ? MiB : n * 100 * KiB)),
        );
        expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(data)).toBe(true);
      });

      it('[D4][D22] sends a constant chunk as FILL', async () => {
        const data = new Uint8Array(64 ** 3).fill(42);
        const { url } = await start({ volumes: [{ ...em, data, shape: [64, 64, 64] }] });
        const probe = await hello(url);
        probe.send(pull(2));
        await probe.next('END', 2);
        const [tile] = probe.peek('TILE');
        expect(tile?.header).toMatchObject({ flags: TileFlag.FILL | TileFlag.LAST, rawLength: 64 ** 3, encoding: 0 });
        expect([...(tile?.payload ?? [])]).toEqual([42]);
      });

      it('[D10] takes the stored encoding where the client can read it', async () => {
        const ids = BigUint64Array.from({ length: 64 ** 3 }, (_, n) => BigInt(n >> 9) + 2n ** 40n);
        const path = 'lab/fly/cube/ids';
        const volume = {
          path,
          data: new Uint8Array(ids.buffer),
          shape: [64, 64, 64] as const,
          dtype: 'uint64' as const,
        };
        const { url } = await start({ volumes: [volume] });
        const probe = await hello(url);
        const box: Box = [0, 0, 0, 64, 64, 64];
        probe.send({ kind: 'PULL', id: 2, path, mip: 0, box, enc: ['raw', 'cseg'] });
        grantAll(probe, 2);
        await probe.next('END', 2);
        expect(probe.peek('TILE')[0]?.header.encoding).toBe(6);
        probe.inbox.length = 0;
        probe.send({ kind: 'PULL', id: 3, path, mip: 0, box });
        grantAll(probe, 3);
        await probe.next('END', 3);
        const frames = probe.peek('TILE');
        expect(frames[0]?.header.encoding).toBe(0);
        expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(new Uint8Array(ids.buffer))).toBe(true);
      });
    });

    describe('credit', () => {
      it('[D12] starts no message beyond the window, and overshoots by one at most', async () => {
        const { url } = await start();
        const probe = await hello(url, { win: 300 * KiB, frame: 256 * KiB });
        probe.send(pull(2));
        await probe.next('PULL_OK', 2);
        await probe.settle();
        expect(probe.peek('TILE')).toHaveLength(2); // 256 KiB + 64 sent < 300 KiB: a second may start
        probe.send({ kind: 'CREDIT', id: 0, grants: [[2, 10 * MiB]] });
        await probe.settle();
        expect(probe.peek('TILE')).toHaveLength(2); // the connection's own credit is used up
        probe.send({ kind: 'CREDIT', id: 0, grants: [[0, 2 * (256 * KiB + 64) + 1]] });
        await probe.settle();
        expect(probe.peek('TILE')).toHaveLength(3);
        // Repeated, late and lower grants do no harm.
        probe.send({
          kind: 'CREDIT',
          id: 0,
          grants: [
            [0, 5],
            [2, 5],
            [77, 5],
          ],
        });
        await probe.settle();
        expect(probe.peek('TILE')).toHaveLength(3);
        grantAll(probe);
        expect(await probe.next('END', 2)).toMatchObject({ sent: 8 });
      });

      it('[D12] never deadlocks where a tile is larger than the window', async () => {
        const path = 'lab/fly/cube/wide';
        const data = patternBytes(64 ** 3 * 4 * 2);
        const { url } = await start({ volumes: [{ path, data, shape: [128, 64, 64], dtype: 'float32' }] });
        const probe = await hello(url, { win: 1, frame: 4 * MiB });
        probe.send({ kind: 'PULL', id: 2, path, mip: 0, box: [0, 0, 0, 128, 64, 64] });
        await probe.next('TILE', 2);
        await probe.settle();
        expect(probe.peek('TILE')).toHaveLength(0);
        probe.send({
          kind: 'CREDIT',
          id: 0,
          grants: [
            [0, MiB + 65],
            [2, MiB + 65],
          ],
        });
        await probe.next('TILE', 2);
        expect(await probe.next('END', 2)).toMatchObject({ sent: 2 });
      });

      it('[D16] a stalled client that asked for 400 MiB costs at most 4 MiB, also one that lies about its credit', async () => {
        const big: TestVolume = { path: EM, data: new Uint8Array(0), shape: [512, 512, 1600], dtype: 'uint8' };
        const source = (reads: { count: number }): TestVolume => ({
          ...big,
          data: new Uint8Array(1),
          shape: [1, 1, 1],
          wrap: (inner) => ({
            info: { ...inner.info, mips: [{ ...inner.info.mips[0], shape: big.shape, chunk: [64, 64, 64] } as never] },
            close: () => inner.close(),
            read: async (_mip, box) => {
              reads.count++;
              const bytes = new Uint8Array((box[3] - box[0]) * (box[4] - box[1]) * (box[5] - box[2]));
              bytes[box[0] % 64] = 1 + reads.count;
              return bytes;
            },
          }),
        });
        for (const liar of [false, true]) {
          const reads = { count: 0 };
          const { url, hub } = await start({ volumes: [source(reads)], cacheBytes: MiB });
          const probe = await hello(url);
          probe.socket.pause();
          probe.send(pull(2, { box: [0, 0, 0, 512, 512, 1600] }));
          if (liar) grantAll(probe, 2);
          // The kernel takes some MiB; then nothing is read any more.
          let before = -1;
          await expect
            .poll(
              () => {
                const quiet = reads.count === before;
                before = reads.count;
                return quiet && reads.count > 0;
              },
              { interval: 150, timeout: 10_000 },
            )
            .toBe(true);
          const { bufferedBytes } = hub.use();
          expect(bufferedBytes).toBeLessThanOrEqual(MiB);
          expect(reads.count).toBeLessThan(liar ? 80 : 8);
          probe.close();
          await server?.stop(0);
        }
      });

      it('[D18] serves urgent pulls first and equals in turn', async () => {
        const { url } = await start();
        await warm(await hello(url));
        const probe = await hello(url, { win: 64 * KiB });
        const paths = [2, 3, 4];
        for (const id of paths) probe.send(pull(id, { order: 'scan', urgency: id === 4 ? 1 : 5 }));
        for (const id of paths) await probe.next('PULL_OK', id);
        await probe.settle();
        const before = probe.peek('TILE').length;
        grantAll(probe, ...paths);
        for (const id of paths) await probe.next('END', id);
        const order = probe
          .peek('TILE')
          .slice(before)
          .map((tile) => tile.id);
        const urgent = order.lastIndexOf(4);
        expect(order.slice(0, urgent + 1).every((id) => id === 4)).toBe(true);
        const rest = order.slice(urgent + 1);
        for (let n = 2; n < rest.length - 2; n++) expect(new Set(rest.slice(n - 2, n + 1)).size).toBe(2);
      });

      it('[D17] PRIO moves a pull before others; of an ended pull it is no fault', async () => {
        const { url } = await start();
        await warm(await hello(url));
        const probe = await hello(url, { win: 64 * KiB });
        for (const id of [2, 3]) probe.send(pull(id));
        await probe.next('PULL_OK', 3);
        probe.send({ kind: 'PRIO', id: 9, pull: 3, urgency: 0, focus: [127, 127, 127] });
        await probe.next('PRIO_OK', 9);
        const before = probe.peek('TILE').length;
        grantAll(probe, 2, 3);
        await probe.next('END', 2);
        await probe.next('END', 3);
        const order = probe
          .peek('TILE')
          .slice(before)
          .map((tile) => tile.id);
        expect(order.lastIndexOf(3)).toBeLessThan(order.indexOf(2));
        const first = probe.peek('TILE').slice(before)[0]?.header;
        expect([first?.x, first?.y, first?.z]).toEqual([64, 64, 64]);
        probe.send({ kind: 'PRIO', id: 10, pull: 3, urgency: 0, focus: null });
        await probe.next('PRIO_OK', 10);
      });
    });

    describe('ends', () => {
      it('[D7][D17] CANCEL ends a pull; of an unknown id it does nothing', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.send(pull(2));
        await probe.next('PULL_OK', 2);
        probe.send({ kind: 'CANCEL', id: 2 });
        const end = await probe.next('END', 2);
        expect(end.status).toBe('cancelled');
        expect(end.sent).toBeLessThan(8);
        probe.send({ kind: 'CANCEL', id: 2 });
        probe.send({ kind: 'CANCEL', id: 1234 });
        await probe.settle();
        expect(probe.peek('ERROR')).toEqual([]);
      });

      it('[D1] a pull with the same key replaces the older one', async () => {
        const { url } = await start();
        const probe = await hello(url);
        probe.send(pull(2, { replace: 'view' }));
        await probe.next('PULL_OK', 2);
        probe.send(pull(3, { replace: 'other' }));
        probe.send(pull(4, { replace: 'view' }));
        expect(await probe.next('END', 2)).toMatchObject({ status: 'replaced' });
        await probe.next('PULL_OK', 4);
        probe.send(pull(5, { replace: 'view', mip: 99 }));
        expect(await probe.next('END', 4)).toMatchObject({ status: 'replaced' });
        await probe.next('ERROR', 5);
        grantAll(probe, 3);
        expect(await probe.next('END', 3)).toMatchObject({ status: 'done' });
      });

      it('[D17] ten thousand cancelled pulls leave nothing behind', async () => {
        const { url, hub, core } = await start({
          limits: { framesPerSecond: 1e6, framesBurst: 1e6, controlPerSecond: 1e6 },
        });
        const probe = await hello(url);
        let ended = 0;
        for (let batch = 0; batch < 500; batch++) {
          for (let n = 0; n < 20; n++) {
            const id = 100 + batch * 20 + n;
            probe.send(pull(id, { replace: `key ${n}`, urgency: n % 8 }));
            probe.send({ kind: 'CANCEL', id });
          }
          await probe.settle();
          ended += probe.inbox.filter((m) => m.kind === 'END' || m.kind === 'ERROR').length;
          probe.inbox.length = 0;
          grantAll(probe);
        }
        expect(ended).toBe(10_000);
        expect(hub.use()).toMatchObject({ requests: 0, streams: 0, cutouts: 0 });
        expect(core.tiles.loading).toBe(0);
        probe.send(pull(2));
        grantAll(probe, 2);
        expect(await probe.next('END', 2)).toMatchObject({ sent: 8 });
      });

      it('[D16] a client that goes away in the middle of a pull leaves nothing behind', async () => {
        const { url, hub } = await start();
        for (let n = 0; n < 20; n++) {
          const probe = await hello(url);
          for (const id of [2, 3]) probe.send(pull(id));
          probe.send({ kind: 'CUTOUT', id: 4, path: EM, mip: 0, box: WHOLE });
          probe.send({ kind: 'UNIQUE', id: 5, path: EM, mip: 0, box: WHOLE });
          await probe.next('TILE');
          probe.close();
        }
        await expect.poll(() => hub.size).toBe(0);
        await expect.poll(() => hub.use()).toMatchObject({ requests: 0, streams: 0, cutouts: 0 });
      });

      it('[L2] refuses more pulls and requests at once than it announces', async () => {
        const { url } = await start({ limits: { pulls: 2, requests: 4 } });
        const probe = await hello(url);
        for (const id of [2, 3]) probe.send(pull(id));
        probe.send(pull(4));
        expect(await probe.next('ERROR', 4)).toMatchObject({ code: 206 });
        probe.send({ kind: 'CUTOUT', id: 5, path: EM, mip: 0, box: WHOLE });
        probe.send({ kind: 'CUTOUT', id: 6, path: EM, mip: 0, box: WHOLE });
        probe.send({ kind: 'INFO', id: 7, path: EM });
        expect(await probe.next('ERROR', 7)).toMatchObject({ code: 206 });
      });
    });

    describe('cutouts', () => {
      const cutout = (id: number, fields: object): ClientMessage => ({
        kind: 'CUTOUT',
        id,
        path: EM,
        mip: 0,
        box: [30, 40, 50, 101, 99, 80],
        ...fields,
      });
      const collect = async (probe: Probe, id: number): Promise<Buffer> => {
        await probe.next('END', id);
        const frames = probe.peek('TILE').filter((tile) => tile.id === id);
        let at = 0;
        for (const { header, payload } of frames) {
          if (at > 0) expect(header.rawLength).toBe(at);
          at += payload.length;
        }
        expect(frames.at(-1)?.header.flags).toBe(frames.length === 1 ? TileFlag.LAST : TileFlag.LAST | TileFlag.CONT);
        return Buffer.concat(frames.map((frame) => frame.payload));
      };

      it('[D25][D27] assembles a box, zeros outside the volume', async () => {
        const { url } = await start();
        const probe = await hello(url, { frame: 32 * KiB });
        const box: Box = [-3, 100, 120, 50, 140, 131];
        probe.send(cutout(2, { box }));
        grantAll(probe, 2);
        expect(await probe.next('CUTOUT_OK', 2)).toMatchObject({ dtype: 'uint8', shape: [53, 40, 11], bytes: 23_320 });
        const bytes = await collect(probe, 2);
        let at = 0;
        for (let z = box[2]; z < box[5]; z++)
          for (let y = box[1]; y < box[4]; y++)
            for (let x = box[0]; x < box[3]; x++) {
              const inside = x >= 0 && y < 128 && z < 128;
              const expected = inside ? em.data[(z * 128 + y) * 128 + x] : 0;
              if (bytes[at] !== expected) expect([x, y, z, bytes[at]]).toEqual([x, y, z, expected]);
              at++;
            }
        expect(at).toBe(bytes.length);
      });

      it('[D25][D26] gives npy, png and tiff', async () => {
        const { url } = await start();
        const probe = await hello(url);
        for (const [id, format, magic, mime] of [
          [2, 'npy', '\x93NUMPY', 'application/x-npy'],
          [3, 'png', '\x89PNG', 'image/png'],
          [4, 'tiff', 'II*\0', 'image/tiff'],
          [5, 'jpeg', '\xff\xd8\xff', 'image/jpeg'],
        ] as const) {
          probe.send(cutout(id, { format }));
          grantAll(probe, id);
          expect((await probe.next('CUTOUT_OK', id)).mime).toBe(mime);
          expect((await collect(probe, id)).toString('latin1').startsWith(magic)).toBe(true);
        }
      });

      it('[D28] refuses boxes over the limits', async () => {
        const { url } = await start({ limits: { cutout: 1_000, cutoutEncoded: 100 } });
        const probe = await hello(url);
        probe.send(cutout(2, { box: [0, 0, 0, 11, 10, 10] }));
        expect(await probe.next('ERROR', 2)).toMatchObject({ code: 205 });
        probe.send(cutout(3, { box: [0, 0, 0, 11, 10, 1], format: 'png' }));
        expect(await probe.next('ERROR', 3)).toMatchObject({ code: 205 });
        probe.send(cutout(4, { box: [0, 0, 0, 2147483647, 2147483647, 2147483647] }));
        expect(await probe.next('ERROR', 4)).toMatchObject({ code: 205 });
        // Made whole before the first byte is sent, whatever the format.
        probe.send(cutout(5, { box: [0, 0, 0, 11, 10, 1], format: 'npy', view: 'rgb' }));
        expect(await probe.next('ERROR', 5)).toMatchObject({ code: 205 });
      });

      it('[D29] works on two of a connection at once; the others wait in line and can be cancelled', async () => {
        const { url, hub } = await start();
        const probe = await hello(url, { win: 64 * KiB, frame: 32 * KiB });
        for (const id of [2, 3, 4, 5]) probe.send(cutout(id, { box: WHOLE }));
        await probe.next('CUTOUT_OK', 2);
        await probe.next('CUTOUT_OK', 3);
        await probe.settle();
        expect(probe.peek('CUTOUT_OK')).toEqual([]);
        probe.send({ kind: 'CANCEL', id: 4 });
        await probe.next('ERROR', 4);
        probe.send({ kind: 'CANCEL', id: 2 });
        expect(await probe.next('END', 2)).toMatchObject({ status: 'cancelled' });
        await probe.next('CUTOUT_OK', 5);
        grantAll(probe, 3, 5);
        for (const id of [3, 5]) expect((await collect(probe, id)).equals(em.data)).toBe(true);
        expect(hub.use().cutouts).toBe(0);
      });
    });

    describe('limits and life', () => {
      it('[L3][L4] refuses frames over the rate with retryMs, and closes 4309 in the end', async () => {
        const { url } = await start({ limits: { framesPerSecond: 1, framesBurst: 5 } });
        const probe = await hello(url);
        for (let id = 1; id <= 6; id++) probe.send({ kind: 'LIST', id, path: '' });
        const refused = await probe.next('ERROR', 6);
        expect(refused.code).toBe(102);
        expect(refused.retryMs).toBeGreaterThan(0);
        for (let id = 7; id < 80; id++) probe.send({ kind: 'LIST', id, path: '' });
        expect((await probe.closed).code).toBe(4309);
      });

      it('[L3] drops frames over the rate that have no reply', async () => {
        const { url } = await start({ limits: { framesPerSecond: 0.001, framesBurst: 1 } });
        const probe = await hello(url);
        probe.send({ kind: 'LIST', id: 1, path: '' });
        await probe.next('LIST_OK', 1);
        probe.send({ kind: 'PRESENCE', id: 3, n: 1, state: null });
        probe.send({ kind: 'LIST', id: 2, path: '' });
        expect(await probe.next('ERROR')).toMatchObject({ id: 2, code: 102 });
      });

      it('[L3] answers bad frames over the rate as it answers others', async () => {
        const { url } = await start({ limits: { framesPerSecond: 1, framesBurst: 2 } });
        const probe = await hello(url);
        for (const id of [5, 6, 7]) probe.sendRaw(Uint8Array.of(0x93, 0x10, id, 0x07));
        expect(await probe.next('ERROR', 5)).toMatchObject({ code: 200 });
        expect(await probe.next('ERROR', 7)).toMatchObject({ code: 102 });
      });

      it('[L3] counts a CREDIT of many grants as several', async () => {
        const { url } = await start({ limits: { controlPerSecond: 20 } });
        const probe = await hello(url);
        const grants = Array.from({ length: 640 }, (_, n) => [n + 1, 1] as const);
        for (let n = 0; n < 3; n++) probe.send({ kind: 'CREDIT', id: 0, grants });
        probe.send({ kind: 'PRIO', id: 4, pull: 1, urgency: 0, focus: null });
        await probe.settle();
        expect(probe.peek('PRIO_OK').length + probe.peek('ERROR').length).toBe(1);
      });

      it('[C6] sends BEAT on a quiet connection', async () => {
        const { url } = await start({ timings: { pingMs: 40, sweepMs: 10 } });
        const probe = await hello(url);
        await probe.next('BEAT');
      });

      it('[C6] asks a silent client and closes 4308 when it stays silent; an answer keeps it', async () => {
        const { url } = await start({ timings: { pingMs: 30, pongMs: 60, sweepMs: 10 } });
        const silent = await hello(url);
        const living = await hello(url);
        const ping = await living.next('PING');
        living.send({ kind: 'PONG', id: ping.id, t: null });
        expect((await silent.closed).code).toBeOneOf([4308, 1006]);
        const again = await living.next('PING');
        living.send({ kind: 'PONG', id: again.id, t: null });
      });

      it('[D16] a client that asks and never reads is cut off; others do not notice', async () => {
        const wide = Array.from({ length: 80 }, (_, n) => ({ ...em, path: `lab/fly/${n}-${'n'.repeat(100)}/em` }));
        const { url, hub } = await start({
          volumes: wide,
          limits: { framesPerSecond: 1e6, framesBurst: 1e6, requests: 1e6 },
          timings: { stuckMs: 300, sweepMs: 50 },
        });
        const other = await hello(url);
        const probe = await hello(url);
        probe.socket.pause();
        for (let id = 1; id < 5_000; id++) probe.send({ kind: 'LIST', id, path: 'lab/fly' });
        let most = 0;
        await expect
          .poll(
            () => {
              most = Math.max(most, hub.use().bufferedBytes);
              return hub.size;
            },
            { interval: 5, timeout: 10_000 },
          )
          .toBe(1);
        expect(most).toBeLessThanOrEqual(4 * MiB);
        await other.settle();
      });

      it('[C1][C4] says GOAWAY, lets a pull finish, refuses new requests, closes 4301', async () => {
        const { url } = await start();
        const probe = await hello(url, { win: 64 * KiB });
        probe.send(pull(2));
        await probe.next('PULL_OK', 2);
        const stopped = server?.stop(5_000);
        expect(await probe.next('GOAWAY')).toMatchObject({ code: 4301 });
        probe.send(pull(3));
        expect(await probe.next('ERROR', 3)).toMatchObject({ code: 101 });
        grantAll(probe, 2);
        expect(await probe.next('END', 2)).toMatchObject({ sent: 8 });
        expect((await probe.closed).code).toBe(4301);
        await stopped;
        await expect(Probe.open(url)).rejects.toThrow();
      });

      it('answers plain HTTP on the same port', async () => {
        const { port } = await start();
        const health = await fetch(`http://127.0.0.1:${port}/healthz`);
        expect([health.status, await health.text()]).toEqual([200, 'ok\n']);
        expect((await fetch(`http://127.0.0.1:${port}/nothing`)).status).toBe(404);
        expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toContain('1 channels');
      });
    });
  });
}
